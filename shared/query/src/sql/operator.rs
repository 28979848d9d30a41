//! Typing of operators and casts: which operands they take, and how both are brought to one type.

use sqlparser::ast::{self, BinaryOperator, Spanned, UnaryOperator};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind, not};
use super::literal::{decimal_literal, rescaled};
use crate::data_type;
use crate::decimal::{DIGITS_MAX, Decimal, QUOTIENT_SCALE};
use crate::function::Function;
use crate::types::*;

/// The comparison that an operator is.
pub(super) fn comparison(op: &BinaryOperator) -> Option<BinaryOp> {
    Some(match op {
        BinaryOperator::Eq => BinaryOp::Equal,
        BinaryOperator::NotEq => BinaryOp::NotEqual,
        BinaryOperator::Lt => BinaryOp::Less,
        BinaryOperator::LtEq => BinaryOp::LessOrEqual,
        BinaryOperator::Gt => BinaryOp::Greater,
        BinaryOperator::GtEq => BinaryOp::GreaterOrEqual,
        _ => return None,
    })
}

impl Binder<'_> {
    pub(super) fn unary(&mut self, op: UnaryOperator, arg: &ast::Expr) -> Result<Bound, QueryError> {
        match op {
            UnaryOperator::Not => {
                let bound = self.bind(arg)?;
                let span = bound.span;
                Ok(Bound::typed(not(self.coerce(bound, DataType::Bool, "after NOT")?), span))
            }
            UnaryOperator::Plus => {
                let bound = self.bind(arg)?;
                self.number(bound, "+")
            }
            UnaryOperator::Minus => {
                if let Some(bound) = self.negative_number(arg)? {
                    return Ok(bound);
                }
                let bound = self.bind(arg)?;
                self.negate(bound)
            }
            UnaryOperator::BitwiseNot => {
                let all = Bound::typed(Expr::literal(Value::Int(-1), DataType::Int), arg.span());
                let bound = self.bind(arg)?;
                self.bits(Function::BitXor, bound, all)
            }
            _ => Err(self.error(arg.span(), format!("the operator {op} is not supported: use +, -, ~ or NOT"))),
        }
    }

    fn negate(&self, bound: Bound) -> Result<Bound, QueryError> {
        if bound.data_type() == Some(DataType::Interval) {
            let zero = Bound::typed(Expr::literal(Value::Interval(0), DataType::Interval), bound.span);
            return self.binary(BinaryOp::Subtract, zero, bound);
        }
        let bound = self.number(bound, "-")?;
        let span = bound.span;
        let arg = self.settle(bound)?;
        let data_type = arg.data_type;
        Ok(Bound::typed(Expr::new(ExprKind::Unary { op: UnaryOp::Negate, arg: Box::new(arg) }, data_type), span))
    }

    fn number(&self, bound: Bound, sign: &str) -> Result<Bound, QueryError> {
        match bound.data_type() {
            Some(t) if t.is_number() => Ok(bound),
            Some(other) => Err(self.error(bound.span, format!("{sign} needs a number, not {}", other.sql_name()))),
            None => {
                let span = bound.span;
                Ok(Bound::typed(self.coerce(bound, DataType::Float, "after a sign")?, span))
            }
        }
    }

    pub(super) fn binary_ast(&self, op: &BinaryOperator, left: Bound, right: Bound) -> Result<Bound, QueryError> {
        if let Some(op) = comparison(op) {
            return self.binary(op, left, right);
        }
        let op = match op {
            BinaryOperator::Plus => BinaryOp::Add,
            BinaryOperator::Minus => BinaryOp::Subtract,
            BinaryOperator::Multiply => BinaryOp::Multiply,
            BinaryOperator::Divide => BinaryOp::Divide,
            BinaryOperator::Modulo => BinaryOp::Modulo,
            BinaryOperator::StringConcat => return self.concat(left, right),
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => return self.regex_operator(op, left, right),
            BinaryOperator::BitwiseAnd => return self.bits(Function::BitAnd, left, right),
            BinaryOperator::BitwiseOr => return self.bits(Function::BitOr, left, right),
            BinaryOperator::PGBitwiseXor => return self.bits(Function::BitXor, left, right),
            BinaryOperator::PGBitwiseShiftLeft => return self.bits(Function::ShiftLeft, left, right),
            BinaryOperator::PGBitwiseShiftRight => return self.bits(Function::ShiftRight, left, right),
            BinaryOperator::PGExp => {
                return Err(self.error(left.span, "^ is not supported: write POWER(a, b), or a # b for the bits of one of them"));
            }
            other => {
                let message = format!("the operator {other} is not supported: use + - * / %, & | # << >>, ||, = <> < <= > >=, AND, OR");
                return Err(self.error(left.span, message));
            }
        };
        self.binary(op, left, right)
    }

    /// Of whole numbers, bit by bit.
    fn bits(&self, function: Function, left: Bound, right: Bound) -> Result<Bound, QueryError> {
        let span = left.span.union(&right.span);
        let what = format!("beside {}", function.sql_name());
        let args = vec![self.coerce(left, DataType::Int, &what)?, self.coerce(right, DataType::Int, &what)?];
        Ok(Bound::typed(Expr::call(function, args, DataType::Int), span))
    }

    pub(super) fn binary(&self, op: BinaryOp, left: Bound, right: Bound) -> Result<Bound, QueryError> {
        let span = left.span.union(&right.span);
        let (left, right) = (exact_beside(left, right.data_type()), right);
        let right = exact_beside(right, left.data_type());
        let decimals = match (left.data_type(), right.data_type()) {
            (Some(l), Some(r)) => {
                (l.is_decimal() || r.is_decimal()) && l.is_number() && r.is_number() && l != DataType::Float && r != DataType::Float
            }
            _ => false,
        };
        let expr = if op.is_comparison() && decimals {
            // Each keeps its own scale: brought to one, a large number could have too many digits.
            let exact = |t: Option<DataType>| t.filter(|t| *t != DataType::Int).unwrap_or(DataType::decimal(19, 0));
            let (left_type, right_type) = (exact(left.data_type()), exact(right.data_type()));
            let left = self.coerce(left, left_type, "here")?;
            Expr::binary(op, left, self.coerce(right, right_type, "here")?, DataType::Bool)
        } else if op.is_comparison() {
            let (left, right) = self.unify_two(left, right, &format!("compared by {}", op.sql_name()))?;
            Expr::binary(op, left, right, DataType::Bool)
        } else {
            self.arithmetic(op, left, right, span)?
        };
        Ok(Bound::typed(expr, span))
    }

    fn arithmetic(&self, op: BinaryOp, left: Bound, right: Bound, span: Span) -> Result<Expr, QueryError> {
        use DataType::{Float, Int, Interval, Numeric, Timestamp};
        if let Some(months) = self.add_months(op, &left, &right)? {
            return Ok(months);
        }
        let left_type = left.data_type();
        let right_type = right.data_type();
        // An unknown literal beside a timestamp: a timestamp to subtract, an interval to add.
        let in_time = |known: DataType| match (known, op) {
            (Timestamp, BinaryOp::Add) => Interval,
            (known, _) => known,
        };
        let (left_type, right_type) = match (left_type, right_type) {
            (Some(l), Some(r)) => (l, r),
            (Some(l), None) => (l, in_time(l)),
            (None, Some(r)) => (in_time(r), r),
            (None, None) => {
                let message = format!("the operands of {} have no type: write numbers without quotes, or CAST one", op.sql_name());
                return Err(self.error(span, message));
            }
        };
        if left_type.is_number() && right_type.is_number() {
            if (left_type.is_decimal() || right_type.is_decimal()) && left_type != Float && right_type != Float {
                return self.decimal_arithmetic(op, left, right, (left_type, right_type), span);
            }
            let data_type = common_number(left_type, right_type);
            let what = format!("beside {}", op.sql_name());
            let left = self.coerce(left, data_type, &what)?;
            let right = self.coerce(right, data_type, &what)?;
            let result = if data_type == Numeric && op == BinaryOp::Divide { Float } else { data_type };
            return Ok(Expr::binary(op, left, right, result));
        }
        let result = match (op, left_type, right_type) {
            (BinaryOp::Add, Timestamp, Interval) | (BinaryOp::Subtract, Timestamp, Interval) => Timestamp,
            (BinaryOp::Add, Interval, Timestamp) => {
                let left = self.coerce(left, Interval, "beside +")?;
                let right = self.coerce(right, Timestamp, "beside +")?;
                return Ok(Expr::binary(op, right, left, Timestamp));
            }
            (BinaryOp::Subtract, Timestamp, Timestamp) => Interval,
            (BinaryOp::Add | BinaryOp::Subtract, Interval, Interval) => Interval,
            (BinaryOp::Multiply, Interval, number) if number.is_number() => return self.scaled(op, left, right),
            (BinaryOp::Multiply, number, Interval) if number.is_number() => return self.scaled(op, right, left),
            (BinaryOp::Divide, Interval, number) if number.is_number() => return self.scaled(op, left, right),
            _ => {
                let hint = match (left_type, right_type) {
                    (Interval, _) | (_, Interval) if !matches!(op, BinaryOp::Add | BinaryOp::Subtract) => {
                        ": turn the interval into seconds with EXTRACT(EPOCH FROM ...) first"
                    }
                    (Timestamp, Int | Float) => ": add an interval, as in c + INTERVAL '1 day'",
                    (DataType::Text, _) | (_, DataType::Text) => ": turn text into a number with CAST(c AS BIGINT)",
                    (DataType::Bool, _) | (_, DataType::Bool) => ": turn a truth value into a number with CASE WHEN c THEN 1 ELSE 0 END",
                    _ => "",
                };
                let (l, r) = (left_type.sql_name(), right_type.sql_name());
                return Err(self.error(span, format!("{l} {} {r} is not defined{hint}", op.sql_name())));
            }
        };
        let left = self.coerce(left, left_type, "here")?;
        let right = self.coerce(right, right_type, "here")?;
        Ok(Expr::binary(op, left, right, result))
    }

    /// So many times an interval, or a part of it: microseconds that are counted from a moment, less that moment.
    fn scaled(&self, op: BinaryOp, interval: Bound, number: Bound) -> Result<Expr, QueryError> {
        use DataType::{Float, Int, Interval, Timestamp};
        let is_whole = number.data_type() == Some(Int) && op == BinaryOp::Multiply;
        let interval = self.coerce(interval, Interval, "here")?;
        let us = match interval.kind {
            // Exact, and out of range where it is.
            ExprKind::Literal(Value::Interval(us)) if is_whole => {
                let number = self.coerce(number, Int, "here")?;
                Expr::binary(op, Expr::literal(Value::Int(us), Int), number, Int)
            }
            _ => {
                let seconds = Expr::new(ExprKind::Extract { field: TimeField::Epoch, arg: Box::new(interval) }, Float);
                let scaled = Expr::binary(op, seconds, self.coerce(number, Float, "here")?, Float);
                cast(Expr::binary(BinaryOp::Multiply, scaled, Expr::literal(Value::Float(1e6), Float), Float), Int)
            }
        };
        let since = Expr::call(Function::FromMicroseconds, vec![us], Timestamp);
        Ok(Expr::binary(BinaryOp::Subtract, since, Expr::literal(Value::Timestamp(0), Timestamp), Interval))
    }

    /// Of two numbers, one a decimal and neither a float.
    fn decimal_arithmetic(
        &self,
        op: BinaryOp,
        left: Bound,
        right: Bound,
        (left_type, right_type): (DataType, DataType),
        span: Span,
    ) -> Result<Expr, QueryError> {
        let what = format!("beside {}", op.sql_name());
        if matches!(op, BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Modulo) {
            let common = data_type::common(left_type, right_type);
            let left = self.coerce(left, common, &what)?;
            let right = self.coerce(right, common, &what)?;
            return Ok(Expr::binary(op, left, right, DataType::decimal(DIGITS_MAX, common.decimal_scale().unwrap_or(0))));
        }
        // Whole numbers of 64 bits have up to 19 digits.
        let exact = |t: DataType| if t == DataType::Int { DataType::decimal(19, 0) } else { t };
        let left = self.coerce(left, exact(left_type), &what)?;
        let right = self.coerce(right, exact(right_type), &what)?;
        let scales = (left_type.decimal_scale().unwrap_or(0), right_type.decimal_scale().unwrap_or(0));
        let scale = if op == BinaryOp::Multiply { scales.0 + scales.1 } else { scales.0.max(scales.1).max(QUOTIENT_SCALE) };
        if scale > DIGITS_MAX {
            let message = format!("the product would have {scale} digits after the point, and 38 is the most: CAST one to DECIMAL(38, 6)");
            return Err(self.error(span, message));
        }
        Ok(Expr::binary(op, left, right, DataType::decimal(DIGITS_MAX, scale)))
    }

    pub(super) fn unify_two(&self, left: Bound, right: Bound, what: &str) -> Result<(Expr, Expr), QueryError> {
        let mut both = self.unify(vec![left, right], what)?.into_iter();
        match (both.next(), both.next()) {
            (Some(left), Some(right)) => Ok((left, right)),
            _ => unreachable!("two expressions in, two out"),
        }
    }

    /// Brings all to one type: numbers to the widest, unknown literals to what the others have.
    pub(super) fn unify(&self, all: Vec<Bound>, what: &str) -> Result<Vec<Expr>, QueryError> {
        let mut common: Option<DataType> = None;
        let decimal = all.iter().filter_map(Bound::data_type).find(|t| t.is_decimal());
        let all: Vec<Bound> = all.into_iter().map(|bound| exact_beside(bound, decimal)).collect();
        for bound in &all {
            let Some(t) = bound.data_type() else { continue };
            common = Some(match common {
                None => t,
                Some(c) if c == t => c,
                Some(c) if c.is_number() && t.is_number() => common_number(c, t),
                Some(c) => {
                    let message = format!("{} and {} cannot be {what}: CAST one of them", c.sql_name(), t.sql_name());
                    return Err(self.error(bound.span, message));
                }
            });
        }
        let common = common.unwrap_or(DataType::Text);
        all.into_iter().map(|bound| self.coerce(bound, common, what)).collect()
    }

    /// Brings a bound expression to a type without changing its meaning: unknown literals are read, narrower numbers widened.
    pub(super) fn coerce(&self, bound: Bound, to: DataType, what: &str) -> Result<Expr, QueryError> {
        let span = bound.span;
        match bound.kind {
            BoundKind::Null => Ok(Expr::literal(Value::Null, to)),
            BoundKind::Months(_) => {
                let message = "a month has no fixed length: write days, as in INTERVAL '30 days', or add it to a timestamp, as in t + INTERVAL '1 month'";
                Err(self.error(span, message))
            }
            BoundKind::Text(text) => self.read_literal(&text, to, span),
            BoundKind::Typed(e) if e.data_type == to => Ok(e),
            BoundKind::Typed(e) if e.data_type.is_number() && to.is_number() && common_number(e.data_type, to) == to => Ok(cast(e, to)),
            BoundKind::Typed(e) => {
                let hint = match (e.data_type, to) {
                    (DataType::Int, DataType::Bool) => ": compare it, as in c <> 0",
                    (_, DataType::Bool) => ": compare it with something",
                    _ => "",
                };
                Err(self.error(span, format!("{} is needed {what}, not {}{hint}", to.sql_name(), e.data_type.sql_name())))
            }
        }
    }

    pub(super) fn cast_ast(
        &mut self,
        kind: &ast::CastKind,
        arg: &ast::Expr,
        data_type: &ast::DataType,
        has_format: bool,
    ) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let span = bound.span;
        if has_format || !matches!(kind, ast::CastKind::Cast | ast::CastKind::DoubleColon) {
            return Err(self.error(span, "only CAST(x AS type) and x::type are supported; guard a CAST that may fail with CASE"));
        }
        if *data_type == ast::DataType::Date {
            let timestamp = self.cast(bound, DataType::Timestamp)?;
            let day = ExprKind::DateTrunc { unit: TimeUnit::Day, arg: Box::new(timestamp) };
            return Ok(Bound::typed(Expr::new(day, DataType::Timestamp), span));
        }
        let to = self.type_of(data_type, span)?;
        Ok(Bound::typed(self.cast(bound, to)?, span))
    }

    pub(super) fn cast(&self, bound: Bound, to: DataType) -> Result<Expr, QueryError> {
        use DataType::{Bool, Float, Int, Interval, Numeric, Text, Timestamp};
        let span = bound.span;
        let BoundKind::Typed(e) = bound.kind else {
            return self.coerce(bound, to, "here");
        };
        match (e.data_type, to) {
            (from, to) if from == to => Ok(e),
            (Int, Float) | (Float, Int) | (Numeric, Int) | (Numeric, Float) => Ok(cast(e, to)),
            (Int | Float | Numeric | DataType::Decimal { .. } | Text, Numeric | DataType::Decimal { .. }) => Ok(cast(e, to)),
            (DataType::Decimal { .. }, Int | Float | Text) | (Numeric, Text) => Ok(cast(e, to)),
            (Bool, Int) | (Int, Text) | (Bool, Text) | (Text, Int) | (Text, Float) => Ok(cast(e, to)),
            (Text, Bool) | (Text, Timestamp) | (Timestamp, Text) | (Float, Text) => Ok(cast(e, to)),
            (Int, Bool) => {
                let zero = Expr::literal(Value::Int(0), Int);
                Ok(Expr::binary(BinaryOp::NotEqual, e, zero, Bool))
            }
            (from, to) => {
                let hint = match (from, to) {
                    (Timestamp, Int | Float) | (Interval, Int | Float) => ": write EXTRACT(EPOCH FROM ...) for seconds",
                    (Text, Interval) => ": import the column with that type instead",
                    (Int | Float, Timestamp) => ": write TO_TIMESTAMP(seconds), or import the column as a timestamp",
                    (_, Text) => ": put the value out as it is",
                    _ => "",
                };
                Err(self.error(span, format!("{} cannot be cast to {}{hint}", from.sql_name(), to.sql_name())))
            }
        }
    }
}

/// A cast, done at once where the argument is a whole number as written.
pub(super) fn cast(e: Expr, to: DataType) -> Expr {
    match (&e.kind, to) {
        (ExprKind::Literal(Value::Int(i)), DataType::Float) => Expr::literal(Value::Float(*i as f64), to),
        (ExprKind::Literal(Value::Int(i)), DataType::Numeric) => Expr::literal(Value::Numeric(i128::from(*i)), to),
        (ExprKind::Literal(Value::Int(i)), DataType::Decimal { .. }) => {
            match rescaled(Decimal { unscaled: i128::from(*i), scale: 0 }, to) {
                Some(value) => Expr::literal(value, to),
                None => Expr::new(ExprKind::Cast { arg: Box::new(e) }, to),
            }
        }
        (ExprKind::Literal(Value::Decimal(d)), DataType::Decimal { .. }) => match rescaled(*d, to) {
            Some(value) => Expr::literal(value, to),
            None => Expr::new(ExprKind::Cast { arg: Box::new(e) }, to),
        },
        _ => Expr::new(ExprKind::Cast { arg: Box::new(e) }, to),
    }
}

/// Beside a decimal, a number that is written with a point or an exponent is a decimal too, as in PostgreSQL: `price * 1.19` is exact.
fn exact_beside(bound: Bound, other: Option<DataType>) -> Bound {
    let BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Float(f)), .. }) = &bound.kind else { return bound };
    // The shortest digits that mean the float are those that were written, up to 15 of them.
    match other.filter(|t| t.is_decimal()).and_then(|_| Decimal::parse(&f.to_string())) {
        Some(decimal) => Bound::typed(decimal_literal(decimal), bound.span),
        None => bound,
    }
}

/// The narrowest type that holds both: Int, Numeric, Decimal, Float, in this order.
pub(super) fn common_number(a: DataType, b: DataType) -> DataType {
    match (a, b) {
        (DataType::Float, _) | (_, DataType::Float) => DataType::Float,
        (DataType::Decimal { .. }, _) | (_, DataType::Decimal { .. }) => data_type::common(a, b),
        (DataType::Numeric, _) | (_, DataType::Numeric) => DataType::Numeric,
        _ => DataType::Int,
    }
}
