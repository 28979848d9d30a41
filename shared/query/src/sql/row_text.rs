//! Several values as one text, which is another one for other values: what COUNT(DISTINCT a, b) counts.

use sqlparser::ast;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound};
use super::subquery::{equals, is_null};
use crate::function::Function;
use crate::types::DataType::{Float, Int, Interval, Text, Timestamp};
use crate::types::*;

/// What ends a value. No number and no time has it, and before a text stands how long that is.
const END: &str = "|";

impl Binder<'_> {
    /// The text of these values: NULL where one of them is, unless `with_nulls`, where NULL is a value like any other.
    pub(super) fn several_as_text(&mut self, values: &[&ast::Expr], with_nulls: bool, span: Span) -> Result<Expr, QueryError> {
        let mut parts = Vec::new();
        for (i, ast) in values.iter().enumerate() {
            let bound = self.bind(ast)?;
            let place = bound.span;
            let value = self.settle(bound)?;
            self.check_copies(&value, 3, place)?;
            let length = (value.data_type == Text).then(|| Expr::call(Function::Length, vec![value.clone()], Int));
            let length = length.map(|length| self.cast(Bound::typed(length, place), Text)).transpose()?;
            let own = self.cast(Bound::typed(written_alike(value.clone()), place), Text)?;
            let is_last = i + 1 == values.len() && !with_nulls;
            let of_value = match length {
                // It ends where all does.
                _ if is_last => vec![own],
                Some(length) => vec![length, text(END), own],
                None => vec![own, text(END)],
            };
            if with_nulls {
                let of_value = Expr::call(Function::Concat, of_value, Text);
                let branches = vec![(is_null(value), text(END))];
                parts.push(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(of_value)) }, Text));
            } else {
                parts.extend(of_value);
            }
        }
        match parts.len() {
            0 => Err(self.error(span, "a row has values: write COUNT(DISTINCT a, b)")),
            1 => Ok(parts.remove(0)),
            _ => Ok(Expr::call(Function::Concat, parts, Text)),
        }
    }
}

fn text(text: &str) -> Expr {
    Expr::literal(Value::Text(text.into()), Text)
}

/// The value as one that has a text, which is the same for values that are equal.
fn written_alike(value: Expr) -> Expr {
    match value.data_type {
        // -0 is 0.
        Float => {
            let zero = Expr::literal(Value::Float(0.0), Float);
            let branches = vec![(equals(value.clone(), zero.clone()), zero)];
            Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(value)) }, Float)
        }
        Interval => Expr::binary(BinaryOp::Add, Expr::literal(Value::Timestamp(0), Timestamp), value, Timestamp),
        _ => value,
    }
}
