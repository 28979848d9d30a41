//! Literals and the names of types.

use std::sync::Arc;

use sqlparser::ast::{self, Spanned, ValueWithSpan};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind};
use super::operator::cast;
use crate::decimal::{DIGITS_MAX, Decimal};
use crate::number::parse_float;
use crate::time;
use crate::types::*;

impl Binder<'_> {
    pub(super) fn value(&self, value: &ValueWithSpan) -> Result<Bound, QueryError> {
        let span = value.span;
        let kind = match &value.value {
            ast::Value::Number(text, _) => BoundKind::Typed(self.number_literal(text, span)?),
            ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => BoundKind::Text(text.clone()),
            ast::Value::Boolean(b) => BoundKind::Typed(Expr::literal(Value::Bool(*b), DataType::Bool)),
            ast::Value::Null => BoundKind::Null,
            ast::Value::Placeholder(_) => return Err(self.error(span, "parameters are not supported: write the value itself")),
            other => return Err(self.error(span, format!("{other} is not supported: write numbers plainly and text in single quotes"))),
        };
        Ok(Bound { kind, span })
    }

    /// A whole number is Int, any other Float.
    fn number_literal(&self, text: &str, span: Span) -> Result<Expr, QueryError> {
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return match text.parse() {
                Ok(i) => Ok(Expr::literal(Value::Int(i), DataType::Int)),
                Err(_) => Err(self.error(span, format!("{text} does not fit a 64-bit integer: write {text}.0 for a floating number"))),
            };
        }
        match parse_float(text) {
            Ok(f) if f.is_finite() => Ok(Expr::literal(Value::Float(f), DataType::Float)),
            Ok(_) | Err(EvalError::OutOfRange) => Err(self.error(span, format!("{text} does not fit a 64-bit floating number"))),
            Err(_) => Err(self.error(span, format!("'{text}' is not a number"))),
        }
    }

    /// `-9223372036854775808` is one number, although its positive half does not exist.
    pub(super) fn negative_number(&self, arg: &ast::Expr) -> Result<Option<Bound>, QueryError> {
        match arg {
            ast::Expr::Value(ValueWithSpan { value: ast::Value::Number(text, _), span }) => {
                Ok(Some(Bound::typed(self.number_literal(&format!("-{text}"), *span)?, *span)))
            }
            _ => Ok(None),
        }
    }

    /// `TIMESTAMP '...'`, `DATE '...'` and the like.
    pub(super) fn typed_string(&self, typed: &ast::TypedString) -> Result<Bound, QueryError> {
        let span = typed.value.span;
        let ast::Value::SingleQuotedString(text) = &typed.value.value else {
            return Err(self.error(span, "the literal stands in single quotes"));
        };
        if let ast::DataType::Decimal(ast::ExactNumberInfo::None) | ast::DataType::Numeric(ast::ExactNumberInfo::None) = typed.data_type {
            let decimal = Decimal::parse(text.trim());
            let decimal = decimal.ok_or_else(|| self.error(span, format!("'{text}' is not a number of up to 38 digits, such as 12.30")))?;
            return Ok(Bound::typed(decimal_literal(decimal), span));
        }
        let is_date = typed.data_type == ast::DataType::Date;
        let to = if is_date { DataType::Timestamp } else { self.type_of(&typed.data_type, span)? };
        let mut expr = self.read_literal(text, to, span)?;
        if let (true, ExprKind::Literal(Value::Timestamp(us))) = (is_date, &mut expr.kind) {
            *us -= us.rem_euclid(time::US_PER_DAY);
        }
        Ok(Bound::typed(expr, span))
    }

    pub(super) fn interval(&self, interval: &ast::Interval) -> Result<Bound, QueryError> {
        let span = interval.value.span();
        if interval.last_field.is_some() || interval.leading_precision.is_some() || interval.fractional_seconds_precision.is_some() {
            return Err(self.error(span, "this form of INTERVAL is not supported: write INTERVAL '1 day 12 hours'"));
        }
        let text = match &*interval.value {
            ast::Expr::Value(ValueWithSpan { value: ast::Value::SingleQuotedString(text), .. }) => text,
            ast::Expr::Value(ValueWithSpan { value: ast::Value::Number(text, _), .. }) if interval.leading_field.is_some() => text,
            _ => return Err(self.error(span, "an interval is a literal: write INTERVAL '15' MINUTE or INTERVAL '1 day 12 hours'")),
        };
        let unit = interval.leading_field.as_ref().map(|f| f.to_string());
        if let Some(months) = time::parse_months(text, unit.as_deref()) {
            return Ok(Bound { kind: BoundKind::Months(months), span });
        }
        let us = time::parse_interval(text, unit.as_deref()).map_err(|message| self.error(span, message))?;
        Ok(Bound::typed(Expr::literal(Value::Interval(us), DataType::Interval), span))
    }

    /// Reads the text of a literal as a type.
    pub(super) fn read_literal(&self, text: &str, to: DataType, span: Span) -> Result<Expr, QueryError> {
        let bad = |example: &str| self.error(span, format!("'{text}' is not {}: write {example}", to.sql_name_with_article()));
        let trimmed = text.trim();
        let value = match to {
            DataType::Text => Value::Text(Arc::from(text)),
            DataType::Bool => match trimmed.to_ascii_lowercase().as_str() {
                "t" | "true" | "yes" | "y" | "on" | "1" => Value::Bool(true),
                "f" | "false" | "no" | "n" | "off" | "0" => Value::Bool(false),
                _ => return Err(bad("TRUE or FALSE")),
            },
            DataType::Int => Value::Int(trimmed.parse().map_err(|_| bad("a whole number that fits 64 bits, such as 42"))?),
            DataType::Float => {
                let wanted = |e| if e == EvalError::OutOfRange { "a 64-bit floating number" } else { "a number, such as 1.5" };
                Value::Float(parse_float(trimmed).map_err(|e| bad(wanted(e)))?)
            }
            DataType::Numeric => Value::Numeric(trimmed.parse().map_err(|_| bad("a whole number"))?),
            DataType::Decimal { .. } => {
                let decimal = Decimal::parse(trimmed).ok_or_else(|| bad("a number of up to 38 digits, such as 12.30"))?;
                return match rescaled(decimal, to) {
                    Some(value) => Ok(Expr::literal(value, to)),
                    None => Ok(cast(Expr::literal(Value::Text(trimmed.into()), DataType::Text), to)),
                };
            }
            DataType::Timestamp => {
                Value::Timestamp(time::parse_timestamp(text).ok_or_else(|| bad("TIMESTAMP '2013-01-31 05:15:00' (UTC)"))?)
            }
            DataType::Interval => Value::Interval(time::parse_interval(text, None).map_err(|message| self.error(span, message))?),
        };
        Ok(Expr::literal(value, to))
    }

    /// The type that a type's name means. Whole numbers are 64-bit, whatever their name.
    pub(super) fn type_of(&self, name: &ast::DataType, span: Span) -> Result<DataType, QueryError> {
        use ast::DataType as T;
        Ok(match name {
            T::Bool | T::Boolean => DataType::Bool,
            T::BigInt(None) | T::Int8(None) | T::Int(None) | T::Integer(None) | T::Int4(None) | T::Int64 => DataType::Int,
            T::SmallInt(None) | T::Int2(None) => DataType::Int,
            T::Double(_) | T::DoublePrecision | T::Float8 | T::Float64 => DataType::Float,
            T::Float(ast::ExactNumberInfo::None) => DataType::Float,
            T::Text | T::Varchar(None) | T::CharacterVarying(None) | T::String(None) => DataType::Text,
            T::Timestamp(None, _) => DataType::Timestamp,
            T::Interval { fields: None, precision: None } => DataType::Interval,
            T::Decimal(info) | T::Numeric(info) | T::Dec(info) => match info {
                ast::ExactNumberInfo::Precision(p) => self.decimal_type(*p, 0, span)?,
                ast::ExactNumberInfo::PrecisionAndScale(p, s) => self.decimal_type(*p, *s, span)?,
                ast::ExactNumberInfo::None => {
                    return Err(self.error(span, format!("{name} needs its digits, and those after the point: write {name}(38, 2)")));
                }
            },
            other => {
                let types = "BIGINT, DOUBLE PRECISION, DECIMAL(p, s), TEXT, BOOLEAN, TIMESTAMP, DATE or INTERVAL";
                return Err(self.error(span, format!("the type {other} is not supported: use {types}")));
            }
        })
    }

    fn decimal_type(&self, precision: u64, scale: i64, span: Span) -> Result<DataType, QueryError> {
        let precision = u8::try_from(precision).ok().filter(|p| (1..=DIGITS_MAX).contains(p));
        let scale = u8::try_from(scale).ok();
        match (precision, scale) {
            (Some(p), Some(s)) if s <= p => Ok(DataType::decimal(p, s)),
            _ => Err(self.error(span, "a decimal has 1 to 38 digits, and no more of them after the point: write DECIMAL(38, 2)")),
        }
    }
}

/// A decimal as it is written, in the narrowest type that holds it.
pub(super) fn decimal_literal(decimal: Decimal) -> Expr {
    let data_type = DataType::decimal(decimal.precision(), decimal.scale);
    let value = if data_type == DataType::Numeric { Value::Numeric(decimal.unscaled) } else { Value::Decimal(decimal) };
    Expr::literal(value, data_type)
}

/// A decimal as a value of a decimal type, where that holds it without rounding.
pub(super) fn rescaled(decimal: Decimal, to: DataType) -> Option<Value> {
    let (DataType::Decimal { precision, .. }, Some(scale)) = (to, to.decimal_scale()) else {
        return (to == DataType::Numeric && decimal.scale == 0).then_some(Value::Numeric(decimal.unscaled));
    };
    let more = scale.checked_sub(decimal.scale)?;
    let unscaled = decimal.unscaled.checked_mul(10i128.pow(more.into()))?;
    (unscaled.unsigned_abs() < 10u128.pow(precision.into())).then_some(Value::Decimal(Decimal { unscaled, scale }))
}
