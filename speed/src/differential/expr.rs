//! Expressions compiled to closures over one row of values.
//!
//! The semantics are those of `twopath_query`'s types. A closure evaluates what it needs and no more, row by row, so that a branch that is
//! not taken raises no error.

use twopath_query::values::Columns;
use twopath_query::{BinaryOp, DataType, EvalError, Expr, ExprKind, UnaryOp};

use super::arithmetic::{add, compare, divide, modulo, multiply, negate, subtract};
use super::calendar::{date_trunc, extract, tumble};
use super::cast::cast;
use super::datum::Datum;
use super::{decimal, function};
use crate::error::SpeedError;

/// One row.
#[derive(Clone, Copy)]
pub enum Row<'a, 'b> {
    /// Of a record batch.
    Batch {
        columns: &'b Columns<'a>,
        row: usize,
    },
    Values(&'b [Datum]),
    /// A row beside another: the first one's values, then the other's.
    Pair(&'b [Datum], &'b [Datum]),
}

impl Row<'_, '_> {
    fn get(self, column: usize) -> Evaluated {
        match self {
            Row::Batch { columns, row } => Ok(columns.get(column, row)?.into()),
            Row::Values(values) => Ok(values[column].clone()),
            Row::Pair(left, right) => Ok(left.get(column).unwrap_or_else(|| &right[column - left.len()]).clone()),
        }
    }
}

/// What a row's expression gives.
pub type Evaluated = Result<Datum, EvalError>;

/// An expression, ready to be called with a row.
pub struct Compiled(Box<dyn Fn(Row<'_, '_>) -> Evaluated + Send + Sync>);

impl Compiled {
    pub fn eval(&self, row: Row<'_, '_>) -> Evaluated {
        (self.0)(row)
    }

    /// Whether a condition is TRUE: not FALSE, not NULL.
    pub fn is_true(&self, row: Row<'_, '_>) -> Result<bool, EvalError> {
        Ok(matches!(self.eval(row)?, Datum::Bool(true)))
    }

    pub fn new(f: impl Fn(Row<'_, '_>) -> Evaluated + Send + Sync + 'static) -> Self {
        Compiled(Box::new(f))
    }
}

/// Compiles an expression over the columns of a record batch.
///
/// # Errors
/// [`SpeedError::Unsupported`] names what this engine does not know.
pub fn compile(expr: &Expr) -> Result<Compiled, SpeedError> {
    let to = expr.data_type;
    Ok(match &expr.kind {
        ExprKind::Column(column) => {
            let column = *column;
            Compiled::new(move |row| row.get(column))
        }
        ExprKind::Literal(value) => {
            let value = Datum::from(value);
            Compiled::new(move |_| Ok(value.clone()))
        }
        ExprKind::Unary { op: UnaryOp::Not, arg } => strict(arg, |value| match value {
            Datum::Bool(v) => Ok(Datum::Bool(!v)),
            other => unreachable!("NOT of {other:?}"),
        })?,
        ExprKind::Unary { op: UnaryOp::Negate, arg } => strict(arg, negate)?,
        ExprKind::Binary { op: BinaryOp::And, left, right } => decided_by(false, left, right)?,
        ExprKind::Binary { op: BinaryOp::Or, left, right } => decided_by(true, left, right)?,
        ExprKind::Binary { op, left, right } => binary(*op, left, right, to)?,
        ExprKind::IsNull { arg, negated } => {
            let (arg, negated) = (compile(arg)?, *negated);
            Compiled::new(move |row| Ok(Datum::Bool(arg.eval(row)?.is_null() != negated)))
        }
        ExprKind::Case { branches, otherwise } => {
            let branches = branches.iter().map(|(c, v)| Ok((compile(c)?, compile(v)?))).collect::<Result<Vec<_>, SpeedError>>()?;
            let otherwise = otherwise.as_deref().map(compile).transpose()?;
            Compiled::new(move |row| {
                for (condition, value) in &branches {
                    if condition.is_true(row)? {
                        return value.eval(row);
                    }
                }
                otherwise.as_ref().map_or(Ok(Datum::Null), |value| value.eval(row))
            })
        }
        ExprKind::Cast { arg } => {
            refuse_cast(arg.data_type, to)?;
            strict(arg, move |value| cast(value, to))?
        }
        ExprKind::Extract { field, arg } => {
            let field = *field;
            strict(arg, move |value| Ok(extract(field, value)))?
        }
        ExprKind::DateTrunc { unit, arg } => {
            let unit = *unit;
            strict(arg, move |value| date_trunc(unit, value))?
        }
        ExprKind::Tumble { arg, size_us } => {
            let size_us = *size_us;
            strict(arg, move |value| tumble(size_us, value))?
        }
        ExprKind::Call { function, args } => function::compiled(function, args)?,
        // Whatever is added to the language later is refused here by its name, until this engine has it.
        #[allow(unreachable_patterns)]
        other => return Err(unsupported(format!("the expression {}", name_of(other)))),
    })
}

/// What this engine does not know.
pub fn unsupported(what: String) -> SpeedError {
    SpeedError::Unsupported { engine: crate::Engine::Differential, what }
}

/// The name of a variant: what stands before its fields.
pub fn name_of(kind: &impl std::fmt::Debug) -> String {
    let text = format!("{kind:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// A function of one value that is NULL for NULL.
fn strict(arg: &Expr, f: impl Fn(Datum) -> Evaluated + Send + Sync + 'static) -> Result<Compiled, SpeedError> {
    let arg = compile(arg)?;
    Ok(Compiled::new(move |row| match arg.eval(row)? {
        Datum::Null => Ok(Datum::Null),
        value => f(value),
    }))
}

/// AND (`decides` is FALSE) and OR (`decides` is TRUE): a left side that decides keeps the right side from being evaluated.
fn decided_by(decides: bool, left: &Expr, right: &Expr) -> Result<Compiled, SpeedError> {
    let (left, right) = (compile(left)?, compile(right)?);
    Ok(Compiled::new(move |row| {
        let left = left.eval(row)?;
        if matches!(left, Datum::Bool(v) if v == decides) {
            return Ok(left);
        }
        let right = right.eval(row)?;
        let right_decides = matches!(right, Datum::Bool(v) if v == decides);
        Ok(if left.is_null() && !right_decides { Datum::Null } else { right })
    }))
}

fn binary(op: BinaryOp, left: &Expr, right: &Expr, result: DataType) -> Result<Compiled, SpeedError> {
    let is_decimal = |e: &Expr| matches!(e.data_type, DataType::Decimal { .. });
    if let Some(op) = arithmetic_sign(op).filter(|_| is_decimal(left) || is_decimal(right)) {
        let (left, right) = (compile(left)?, compile(right)?);
        return Ok(Compiled::new(move |row| {
            let (left, right) = (left.eval(row)?, right.eval(row)?);
            if left.is_null() || right.is_null() { Ok(Datum::Null) } else { decimal::arithmetic(op, &left, &right, result) }
        }));
    }
    let f: fn(Datum, Datum) -> Evaluated = match op {
        BinaryOp::Add => add,
        BinaryOp::Subtract => subtract,
        BinaryOp::Multiply => multiply,
        BinaryOp::Divide => divide,
        BinaryOp::Modulo => modulo,
        BinaryOp::Equal => |a, b| compare(a, b, |o| o.is_eq()),
        BinaryOp::NotEqual => |a, b| compare(a, b, |o| o.is_ne()),
        BinaryOp::Less => |a, b| compare(a, b, |o| o.is_lt()),
        BinaryOp::LessOrEqual => |a, b| compare(a, b, |o| o.is_le()),
        BinaryOp::Greater => |a, b| compare(a, b, |o| o.is_gt()),
        BinaryOp::GreaterOrEqual => |a, b| compare(a, b, |o| o.is_ge()),
        BinaryOp::And | BinaryOp::Or => unreachable!("compiled by decided_by"),
        #[allow(unreachable_patterns)]
        other => return Err(unsupported(format!("the operator {}", name_of(&other)))),
    };
    let (left, right) = (compile(left)?, compile(right)?);
    Ok(Compiled::new(move |row| {
        // Both sides are evaluated, so that an error of the right one happens beside a NULL on the left.
        let (left, right) = (left.eval(row)?, right.eval(row)?);
        if left.is_null() || right.is_null() { Ok(Datum::Null) } else { f(left, right) }
    }))
}

fn arithmetic_sign(op: BinaryOp) -> Option<char> {
    Some(match op {
        BinaryOp::Add => '+',
        BinaryOp::Subtract => '-',
        BinaryOp::Multiply => '*',
        BinaryOp::Divide => '/',
        BinaryOp::Modulo => '%',
        _ => return None,
    })
}

fn refuse_cast(from: DataType, to: DataType) -> Result<(), SpeedError> {
    use DataType::{Bool, Decimal, Float, Int, Numeric, Text, Timestamp};
    let known = matches!(
        (from, to),
        (Int, Float | Numeric | Text | Decimal { .. })
            | (Bool, Int | Text)
            | (Float, Int | Text | Numeric | Decimal { .. })
            | (Numeric | Decimal { .. }, Int | Float | Text | Numeric | Decimal { .. })
            | (Text, Int | Float | Bool | Timestamp | Numeric | Decimal { .. })
            | (Timestamp, Text)
    );
    if known { Ok(()) } else { Err(unsupported(format!("the cast of {from:?} to {to:?}"))) }
}
