//! Functions of one row's values: of text, of numbers, and of whatever has a type in common.

use sqlparser::ast::{self, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind, not};
use super::operator::cast;
use crate::decimal::{DIGITS_MAX, Decimal};
use crate::function::{Function, Side};
use crate::plan::tumble;
use crate::types::DataType::{Bool, Float, Int, Numeric, Text, Timestamp};
use crate::types::*;

/// The functions by their names in SQL, with the form that a call with other arguments is told.
pub(super) const SCALARS: [(&str, &str); 70] = [
    ("coalesce", "COALESCE(a, b, ...)"),
    ("ifnull", "COALESCE(a, b)"),
    ("nvl", "COALESCE(a, b)"),
    ("nullif", "NULLIF(a, b)"),
    ("greatest", "GREATEST(a, b, ...)"),
    ("least", "LEAST(a, b, ...)"),
    ("abs", "ABS(a)"),
    ("round", "ROUND(a) or ROUND(a, 2)"),
    ("floor", "FLOOR(a)"),
    ("ceil", "CEIL(a)"),
    ("ceiling", "CEIL(a)"),
    ("trunc", "TRUNC(a)"),
    ("sign", "SIGN(a)"),
    ("mod", "MOD(a, b)"),
    ("power", "POWER(a, b)"),
    ("pow", "POWER(a, b)"),
    ("sqrt", "SQRT(a)"),
    ("ln", "LN(a)"),
    ("log", "LOG(a), to base 10"),
    ("log10", "LOG10(a)"),
    ("exp", "EXP(a)"),
    ("upper", "UPPER(c)"),
    ("lower", "LOWER(c)"),
    ("initcap", "INITCAP(c)"),
    ("length", "LENGTH(c)"),
    ("char_length", "CHAR_LENGTH(c)"),
    ("character_length", "CHAR_LENGTH(c)"),
    ("trim", "TRIM(c)"),
    ("btrim", "BTRIM(c) or BTRIM(c, 'xy')"),
    ("ltrim", "LTRIM(c) or LTRIM(c, 'xy')"),
    ("rtrim", "RTRIM(c) or RTRIM(c, 'xy')"),
    ("substring", "SUBSTRING(c FROM 2 FOR 3)"),
    ("substr", "SUBSTR(c, 2, 3)"),
    ("position", "POSITION('x' IN c)"),
    ("strpos", "STRPOS(c, 'x')"),
    ("replace", "REPLACE(c, 'from', 'to')"),
    ("left", "LEFT(c, 3)"),
    ("right", "RIGHT(c, 3)"),
    ("split_part", "SPLIT_PART(c, '-', 1)"),
    ("starts_with", "STARTS_WITH(c, 'x')"),
    ("reverse", "REVERSE(c)"),
    ("repeat", "REPEAT(c, 3)"),
    ("lpad", "LPAD(c, 8, '0')"),
    ("rpad", "RPAD(c, 8, '.')"),
    ("concat", "CONCAT(a, b, ...)"),
    ("concat_ws", "CONCAT_WS(', ', a, b, ...)"),
    ("regexp_like", "REGEXP_LIKE(c, '^N[0-9]+')"),
    ("regexp_substr", "REGEXP_SUBSTR(c, '[0-9]+')"),
    ("regexp_replace", "REGEXP_REPLACE(c, '[0-9]+', 'n', 'g')"),
    ("date_bin", "DATE_BIN(INTERVAL '15 minutes', c, TIMESTAMP '2000-01-01')"),
    ("date_trunc", "DATE_TRUNC('hour', c)"),
    ("date_part", "DATE_PART('hour', c)"),
    ("extract", "EXTRACT(HOUR FROM c)"),
    ("year", "YEAR(c)"),
    ("quarter", "QUARTER(c)"),
    ("month", "MONTH(c)"),
    ("week", "WEEK(c)"),
    ("day", "DAY(c)"),
    ("dayofmonth", "DAYOFMONTH(c)"),
    ("dayofyear", "DAYOFYEAR(c)"),
    ("hour", "HOUR(c)"),
    ("minute", "MINUTE(c)"),
    ("second", "SECOND(c)"),
    ("timestampadd", "TIMESTAMPADD(MINUTE, 5, c)"),
    ("timestampdiff", "TIMESTAMPDIFF(MINUTE, a, b)"),
    ("to_timestamp", "TO_TIMESTAMP(seconds)"),
    ("to_char", "TO_CHAR(c, 'YYYY-MM-DD HH24:MI:SS')"),
    ("date_format", "DATE_FORMAT(c, 'yyyy-MM-dd HH:mm:ss')"),
    ("strftime", "STRFTIME(c, '%Y-%m-%d %H:%M:%S')"),
    ("timezone", "c AT TIME ZONE 'Europe/Berlin'"),
];

impl Binder<'_> {
    pub(super) fn scalar(&mut self, name: &str, args: &[&ast::Expr], span: Span) -> Result<Bound, QueryError> {
        let call = match (name, args) {
            ("coalesce" | "ifnull" | "nvl", [_, ..]) => return self.coalesce(args, span),
            ("nullif", [value, unwanted]) => return self.nullif(value, unwanted, span),
            ("greatest", [_, ..]) => return self.most(Function::Greatest, args, span),
            ("least", [_, ..]) => return self.most(Function::Least, args, span),
            ("abs", [arg]) => return self.abs(arg, span),
            ("round", [arg]) => return self.whole_number(Function::Round, arg),
            ("floor", [arg]) => return self.whole_number(Function::Floor, arg),
            ("ceil" | "ceiling", [arg]) => return self.whole_number(Function::Ceil, arg),
            ("trunc", [arg]) => return self.whole_number(Function::Trunc, arg),
            ("round", [arg, digits]) => return self.round_digits(arg, digits, span),
            ("sign", [arg]) => {
                let bound = self.bind(arg)?;
                let of = if bound.data_type() == Some(Int) { Int } else { Float };
                let arg = self.coerce(bound, of, "in SIGN")?;
                return Ok(Bound::typed(Expr::call(Function::Sign, vec![arg], of), span));
            }
            ("mod", [a, b]) => {
                let (a, b) = (self.bind(a)?, self.bind(b)?);
                return self.binary(BinaryOp::Modulo, a, b);
            }
            ("power" | "pow", [a, b]) => self.call(Function::Power, &[(a, Float), (b, Float)], Float)?,
            ("sqrt", [a]) => self.call(Function::Sqrt, &[(a, Float)], Float)?,
            ("ln", [a]) => self.call(Function::Ln, &[(a, Float)], Float)?,
            ("log" | "log10", [a]) => self.call(Function::Log10, &[(a, Float)], Float)?,
            ("exp", [a]) => self.call(Function::Exp, &[(a, Float)], Float)?,
            ("upper", [c]) => self.call(Function::Upper, &[(c, Text)], Text)?,
            ("initcap", [c]) => self.call(Function::Initcap, &[(c, Text)], Text)?,
            ("lower", [c]) => self.call(Function::Lower, &[(c, Text)], Text)?,
            ("length" | "char_length" | "character_length", [c]) => self.call(Function::Length, &[(c, Text)], Int)?,
            ("trim" | "btrim", [c, chars @ ..]) if chars.len() < 2 => return self.trimmed(Side::Both, c, chars.first().copied(), span),
            ("ltrim", [c, chars @ ..]) if chars.len() < 2 => return self.trimmed(Side::Leading, c, chars.first().copied(), span),
            ("rtrim", [c, chars @ ..]) if chars.len() < 2 => return self.trimmed(Side::Trailing, c, chars.first().copied(), span),
            ("substring" | "substr", [c, from]) => self.call(Function::Substring, &[(c, Text), (from, Int)], Text)?,
            ("substring" | "substr", [c, from, count]) => self.call(Function::Substring, &[(c, Text), (from, Int), (count, Int)], Text)?,
            ("strpos", [c, needle]) => self.call(Function::Position, &[(c, Text), (needle, Text)], Int)?,
            ("replace", [c, from, to]) => self.call(Function::Replace, &[(c, Text), (from, Text), (to, Text)], Text)?,
            ("left", [c, n]) => self.call(Function::Left, &[(c, Text), (n, Int)], Text)?,
            ("right", [c, n]) => self.call(Function::Right, &[(c, Text), (n, Int)], Text)?,
            ("split_part", [c, at, n]) => self.call(Function::SplitPart, &[(c, Text), (at, Text), (n, Int)], Text)?,
            ("starts_with", [c, with]) => self.call(Function::StartsWith, &[(c, Text), (with, Text)], Bool)?,
            ("reverse", [c]) => self.call(Function::Reverse, &[(c, Text)], Text)?,
            ("repeat", [c, n]) => self.call(Function::Repeat, &[(c, Text), (n, Int)], Text)?,
            ("lpad" | "rpad", [c, n, fill @ ..]) if fill.len() < 2 => return self.pad(name == "lpad", (c, n, fill.first().copied()), span),
            ("concat", [_, ..]) => self.concat_all(args)?,
            ("concat_ws", [between, args @ ..]) if !args.is_empty() => return self.concat_with(between, args, span),
            ("regexp_like" | "regexp_substr" | "regexp_replace", args) => return self.regexp(name, args, span),
            ("date_bin", [size, at, origin]) => return self.date_bin(size, at, origin, span),
            ("date_trunc", [unit, arg]) => return self.date_trunc(unit, arg, span),
            ("date_part", [field, arg]) => return self.date_part(field, arg),
            ("year" | "quarter" | "month" | "week" | "day" | "hour" | "minute", [arg]) => return self.part(name, span, arg),
            ("dayofmonth", [arg]) => return self.part("day", span, arg),
            ("dayofyear", [arg]) => return self.part("doy", span, arg),
            ("second", [arg]) => return self.whole_second(arg, span),
            ("timestampadd", [unit, count, at]) => return self.timestamp_add(unit, count, at, span),
            ("timestampdiff", [unit, from, to]) => return self.timestamp_diff(unit, from, to, span),
            ("to_timestamp", [arg]) => return self.at_timestamp(arg, span),
            ("to_char" | "date_format" | "strftime", &[at, pattern]) => return self.time_format(name, [at, pattern], span),
            ("timezone", [zone, at]) => return self.at_time_zone(at, zone),
            _ => {
                let form = SCALARS.iter().find(|(known, _)| *known == name).map_or("", |(_, form)| form);
                let message = format!("{} does not take {} arguments: write {form}", name.to_uppercase(), args.len());
                return Err(self.error(span, message));
            }
        };
        Ok(Bound::typed(call, span))
    }

    /// A call with each argument brought to a type.
    fn call(&mut self, function: Function, args: &[(&ast::Expr, DataType)], result: DataType) -> Result<Expr, QueryError> {
        let what = format!("in {}", function.sql_name());
        let args = args.iter().map(|(arg, t)| self.expr_of(arg, *t, &what)).collect::<Result<Vec<_>, _>>()?;
        Ok(Expr::call(function, args, result))
    }

    /// `DATE_BIN(size, at, origin)`: the start of the piece of time that `at` lies in, of those of this size that are counted from the origin.
    fn date_bin(&mut self, size: &ast::Expr, at: &ast::Expr, origin: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let size = self.expr_of(size, DataType::Interval, "as the size of DATE_BIN")?;
        let ExprKind::Literal(Value::Interval(size_us @ 1..)) = size.kind else {
            return Err(self.error(span, "DATE_BIN takes a size that is longer than nothing: write INTERVAL '15 minutes'"));
        };
        let at = self.expr_of(at, Timestamp, "in DATE_BIN")?;
        let origin = self.expr_of(origin, Timestamp, "as the origin of DATE_BIN")?;
        let ExprKind::Literal(Value::Timestamp(origin_us)) = origin.kind else {
            return Err(self.error(span, "DATE_BIN counts from one moment: write TIMESTAMP '2000-01-01'"));
        };
        Ok(Bound::typed(tumble(at, size_us, origin_us), span))
    }

    fn coalesce(&mut self, args: &[&ast::Expr], span: Span) -> Result<Bound, QueryError> {
        let bounds = args.iter().map(|a| self.bind(a)).collect::<Result<Vec<_>, _>>()?;
        let mut values = self.unify(bounds, "given by COALESCE")?;
        let Some(last) = values.pop() else { unreachable!("at least one argument") };
        let data_type = last.data_type;
        if values.is_empty() {
            return Ok(Bound::typed(last, span));
        }
        values.iter().try_for_each(|e| self.check_copies(e, 2, span))?;
        let present = |e: &Expr| Expr::new(ExprKind::IsNull { arg: Box::new(e.clone()), negated: true }, Bool);
        let branches = values.into_iter().map(|e| (present(&e), e)).collect();
        Ok(Bound::typed(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(last)) }, data_type), span))
    }

    fn nullif(&mut self, value: &ast::Expr, unwanted: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let (value, unwanted) = (self.bind(value)?, self.bind(unwanted)?);
        // The result keeps the first argument's type, as in PostgreSQL, also where the comparison needs a wider one.
        let value_type = value.data_type();
        let value_again = match &value.kind {
            BoundKind::Typed(e) => Some(e.clone()),
            _ => None,
        };
        let (wide, unwanted) = self.unify_two(value, unwanted, "compared by NULLIF")?;
        self.check_copies(&wide, 2, span)?;
        let value = value_again.unwrap_or_else(|| wide.clone());
        let data_type = value_type.unwrap_or(value.data_type);
        let equal = Expr::binary(BinaryOp::Equal, wide, unwanted, Bool);
        let branches = vec![(equal, Expr::literal(Value::Null, data_type))];
        Ok(Bound::typed(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(value)) }, data_type), span))
    }

    /// GREATEST and LEAST.
    fn most(&mut self, function: Function, args: &[&ast::Expr], span: Span) -> Result<Bound, QueryError> {
        let bounds = args.iter().map(|a| self.bind(a)).collect::<Result<Vec<_>, _>>()?;
        let values = self.unify(bounds, &format!("compared by {}", function.sql_name()))?;
        let data_type = values[0].data_type;
        if let [only] = &values[..] {
            return Ok(Bound::typed(only.clone(), span));
        }
        Ok(Bound::typed(Expr::call(function, values, data_type), span))
    }

    fn abs(&mut self, arg: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let arg = self.settle(bound)?;
        let zero = match arg.data_type {
            Int => Value::Int(0),
            Float => Value::Float(0.0),
            Numeric => Value::Numeric(0),
            DataType::Decimal { scale, .. } => Value::Decimal(Decimal { unscaled: 0, scale }),
            other => return Err(self.error(span, format!("ABS needs a number, not {}", other.sql_name()))),
        };
        self.check_copies(&arg, 3, span)?;
        let data_type = arg.data_type;
        let negative = Expr::binary(BinaryOp::Less, arg.clone(), Expr::literal(zero, data_type), Bool);
        let negated = Expr::new(ExprKind::Unary { op: UnaryOp::Negate, arg: Box::new(arg.clone()) }, data_type);
        Ok(Bound::typed(case(negative, negated, arg), span))
    }

    /// `FLOOR(x)` and `CEIL(x)`, which the syntax tree tells apart from other calls.
    pub(super) fn whole(&mut self, function: Function, arg: &ast::Expr, field: &ast::CeilFloorKind) -> Result<Bound, QueryError> {
        match field {
            ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => self.whole_number(function, arg),
            ast::CeilFloorKind::DateTimeField(_) => Err(self.error(arg.span(), "write DATE_TRUNC('hour', c)")),
            ast::CeilFloorKind::Scale(_) => {
                let name = function.sql_name();
                Err(self.error(arg.span(), format!("{name} takes one argument: write {name}(c * 100) / 100.0")))
            }
        }
    }

    /// To a whole number in its own type; whole numbers are that already.
    fn whole_number(&mut self, function: Function, arg: &ast::Expr) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let span = bound.span;
        match bound.data_type() {
            Some(Int | Numeric) => Ok(bound),
            Some(DataType::Decimal { .. }) => {
                let arg = self.settle(bound)?;
                self.whole_decimal(&function, arg, span)
            }
            Some(Timestamp) => Err(self.error(span, format!("{} needs a number: write DATE_TRUNC('hour', c)", function.sql_name()))),
            _ => {
                let arg = self.coerce(bound, Float, &format!("in {}", function.sql_name()))?;
                Ok(Bound::typed(Expr::call(function, vec![arg], Float), span))
            }
        }
    }

    /// A decimal stays exact: CAST takes it to the nearest whole number, half away from zero, and from there it is one step back where
    /// that went to the wrong side.
    fn whole_decimal(&mut self, function: &Function, arg: Expr, span: Span) -> Result<Bound, QueryError> {
        // TRUNC, the largest of them, has so many.
        self.check_copies(&arg, 9, span)?;
        let nearest = cast(arg.clone(), Numeric);
        let step_back = |if_it_is: BinaryOp, step: BinaryOp| {
            let went_too_far = Expr::binary(if_it_is, nearest.clone(), arg.clone(), Bool);
            let back = Expr::binary(step, nearest.clone(), Expr::literal(Value::Numeric(1), Numeric), Numeric);
            case(went_too_far, back, nearest.clone())
        };
        let floor = || step_back(BinaryOp::Greater, BinaryOp::Subtract);
        let ceil = || step_back(BinaryOp::Less, BinaryOp::Add);
        let whole = match function {
            Function::Floor => floor(),
            Function::Ceil => ceil(),
            Function::Trunc => {
                let zero = Decimal { unscaled: 0, scale: arg.data_type.decimal_scale().unwrap_or(0) };
                let zero = Expr::literal(Value::Decimal(zero), arg.data_type);
                case(Expr::binary(BinaryOp::Less, arg.clone(), zero, Bool), ceil(), floor())
            }
            _ => nearest.clone(),
        };
        Ok(Bound::typed(whole, span))
    }

    fn round_digits(&mut self, arg: &ast::Expr, digits: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let digits = self.expr_of(digits, Int, "as the second argument of ROUND")?;
        if let Some(DataType::Decimal { precision, scale }) = bound.data_type() {
            let ExprKind::Literal(Value::Int(n @ 0..)) = digits.kind else {
                let message = "of a decimal ROUND takes the number of digits after the point as it stands: write ROUND(c, 2), or ROUND(CAST(c AS DOUBLE PRECISION), n)";
                return Err(self.error(span, message));
            };
            return match u8::try_from(n).ok().filter(|n| *n < scale) {
                // Rounding can carry into one more digit before the point.
                Some(n) => {
                    let rounded = DataType::decimal(DIGITS_MAX.min(precision - scale + n + 1), n);
                    Ok(Bound::typed(self.cast(bound, rounded)?, span))
                }
                None => Ok(bound),
            };
        }
        if matches!(bound.data_type(), Some(Int | Numeric)) {
            return match digits.kind {
                ExprKind::Literal(Value::Int(n)) if n >= 0 => Ok(bound),
                _ => {
                    Err(self
                        .error(span, "whole numbers have no digits to round: write ROUND(CAST(c AS DOUBLE PRECISION), -2) for hundreds"))
                }
            };
        }
        let arg = self.coerce(bound, Float, "in ROUND")?;
        Ok(Bound::typed(Expr::call(Function::RoundDigits, vec![arg, digits], Float), span))
    }

    pub(super) fn like(
        &mut self,
        ignore_case: bool,
        negated: bool,
        value: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
    ) -> Result<Bound, QueryError> {
        let escape = match escape {
            None => Some('\\'),
            Some(ast) => {
                let bound = self.bind(ast)?;
                match &bound.kind {
                    BoundKind::Text(text) if text.chars().count() < 2 => text.chars().next(),
                    _ => {
                        return Err(
                            self.error(bound.span, "ESCAPE names one character, as in LIKE '10!%' ESCAPE '!', or none, as in ESCAPE ''")
                        );
                    }
                }
            }
        };
        let name = if ignore_case { "ILIKE" } else { "LIKE" };
        let value = self.bind(value)?;
        let pattern = self.bind(pattern)?;
        let span = value.span.union(&pattern.span);
        if let (BoundKind::Text(text), Some(escape)) = (&pattern.kind, escape)
            && text.chars().rev().take_while(|c| *c == escape).count() % 2 == 1
        {
            let message =
                format!("the pattern ends with {escape}, which says that the character after it stands for itself: write it twice");
            return Err(self.error(pattern.span, message));
        }
        let value = self.coerce(value, Text, &format!("before {name}"))?;
        let pattern = self.coerce(pattern, Text, &format!("after {name}"))?;
        let like = Expr::call(Function::Like { ignore_case, escape }, vec![value, pattern], Bool);
        Ok(Bound::typed(if negated { not(like) } else { like }, span))
    }

    pub(super) fn substring(&mut self, text: &ast::Expr, from: Option<&ast::Expr>, count: Option<&ast::Expr>) -> Result<Bound, QueryError> {
        let one = ast::Expr::value(ast::Value::Number("1".to_owned(), false));
        let mut args = vec![(text, Text), (from.unwrap_or(&one), Int)];
        args.extend(count.map(|c| (c, Int)));
        Ok(Bound::typed(self.call(Function::Substring, &args, Text)?, text.span()))
    }

    pub(super) fn position(&mut self, text: &ast::Expr, needle: &ast::Expr) -> Result<Bound, QueryError> {
        Ok(Bound::typed(self.call(Function::Position, &[(text, Text), (needle, Text)], Int)?, text.span()))
    }

    pub(super) fn trim(
        &mut self,
        side: Option<ast::TrimWhereField>,
        chars: Option<&ast::Expr>,
        text: &ast::Expr,
        listed: Option<&[ast::Expr]>,
    ) -> Result<Bound, QueryError> {
        let side = match side {
            None | Some(ast::TrimWhereField::Both) => Side::Both,
            Some(ast::TrimWhereField::Leading) => Side::Leading,
            Some(ast::TrimWhereField::Trailing) => Side::Trailing,
        };
        let chars = match listed {
            None => chars,
            Some([chars]) => Some(chars),
            Some(_) => return Err(self.error(text.span(), "write TRIM(BOTH 'xy' FROM c)")),
        };
        self.trimmed(side, text, chars, text.span())
    }

    fn trimmed(&mut self, side: Side, text: &ast::Expr, chars: Option<&ast::Expr>, span: Span) -> Result<Bound, QueryError> {
        let text = self.expr_of(text, Text, "in TRIM")?;
        let chars = match chars {
            None => Expr::literal(Value::Text(" ".into()), Text),
            Some(chars) => self.expr_of(chars, Text, "in TRIM")?,
        };
        Ok(Bound::typed(Expr::call(Function::Trim(side), vec![text, chars], Text), span))
    }

    /// `a || b`: one of them is text, the other may be anything that can be cast to it.
    pub(super) fn concat(&self, left: Bound, right: Bound) -> Result<Bound, QueryError> {
        let span = left.span.union(&right.span);
        let is_text = |b: &Bound| b.data_type().is_none_or(|t| t == Text);
        if !is_text(&left) && !is_text(&right) {
            return Err(self.error(span, "|| joins text: write CAST(c AS TEXT) || ..."));
        }
        let mut parts = Vec::new();
        for part in [self.cast(left, Text)?, self.cast(right, Text)?] {
            match part.kind {
                ExprKind::Call { function: Function::Concat, args } => parts.extend(args),
                _ => parts.push(part),
            }
        }
        Ok(Bound::typed(Expr::call(Function::Concat, parts, Text), span))
    }

    /// `LPAD(c, n, fill)` and `RPAD`: to `n` characters, cut from the right where there are more.
    fn pad(&mut self, left: bool, (c, n, fill): (&ast::Expr, &ast::Expr, Option<&ast::Expr>), span: Span) -> Result<Bound, QueryError> {
        let name = if left { "in LPAD" } else { "in RPAD" };
        let (c, n) = (self.expr_of(c, Text, name)?, self.expr_of(n, Int, name)?);
        let fill = fill.map_or_else(|| Ok(Expr::literal(Value::Text(" ".into()), Text)), |fill| self.expr_of(fill, Text, name))?;
        self.check_copies(&c, 4, span)?;
        self.check_copies(&n, 4, span)?;
        self.check_copies(&fill, 2, span)?;
        let length = Expr::call(Function::Length, vec![c.clone()], Int);
        let missing = Expr::binary(BinaryOp::Subtract, n.clone(), length.clone(), Int);
        let repeated = Expr::call(Function::Repeat, vec![fill.clone(), missing.clone()], Text);
        let filled = Expr::call(Function::Left, vec![repeated, missing], Text);
        let padded = Expr::call(Function::Concat, if left { vec![filled, c.clone()] } else { vec![c.clone(), filled] }, Text);
        let none_less = Expr::call(Function::Greatest, vec![n.clone(), Expr::literal(Value::Int(0), Int)], Int);
        let cut = Expr::call(Function::Left, vec![c, none_less], Text);
        let is_long = Expr::binary(BinaryOp::GreaterOrEqual, length, n, Bool);
        let no_fill = Expr::new(ExprKind::IsNull { arg: Box::new(fill), negated: false }, Bool);
        let branches = vec![(no_fill, Expr::literal(Value::Null, Text)), (is_long, cut)];
        Ok(Bound::typed(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(padded)) }, Text), span))
    }

    /// As `CONCAT` writes a value: a truth value as one letter.
    fn concatenated(&mut self, arg: &ast::Expr) -> Result<(Expr, Span), QueryError> {
        let bound = self.bind(arg)?;
        let span = bound.span;
        if bound.data_type() != Some(Bool) {
            return Ok((self.cast(bound, Text)?, span));
        }
        let value = self.settle(bound)?;
        self.check_copies(&value, 2, span)?;
        let text = |t: &str| Expr::literal(Value::Text(t.into()), Text);
        let branches = vec![(value.clone(), text("t")), (not(value), text("f"))];
        Ok((Expr::new(ExprKind::Case { branches, otherwise: None }, Text), span))
    }

    /// `CONCAT(a, b, ...)`: as `||`, but NULL counts as empty.
    fn concat_all(&mut self, args: &[&ast::Expr]) -> Result<Expr, QueryError> {
        self.concat_present(args, |text| text)
    }

    /// `CONCAT_WS(between, a, b, ...)`: NULLs are left out.
    fn concat_with(&mut self, between: &ast::Expr, args: &[&ast::Expr], span: Span) -> Result<Bound, QueryError> {
        let between = self.expr_of(between, Text, "in CONCAT_WS")?;
        self.check_copies(&between, args.len() + 1, span)?;
        let all = self.concat_present(args, |text| Expr::call(Function::Concat, vec![between.clone(), text], Text))?;
        let length = Expr::call(Function::Length, vec![between.clone()], Int);
        let first = Expr::binary(BinaryOp::Add, length, Expr::literal(Value::Int(1), Int), Int);
        Ok(Bound::typed(Expr::call(Function::Substring, vec![all, first], Text), span))
    }

    fn concat_present(&mut self, args: &[&ast::Expr], written: impl Fn(Expr) -> Expr) -> Result<Expr, QueryError> {
        let mut parts = Vec::new();
        for arg in args {
            let (text, span) = self.concatenated(arg)?;
            self.check_copies(&text, 2, span)?;
            let missing = Expr::new(ExprKind::IsNull { arg: Box::new(text.clone()), negated: false }, Bool);
            let branches = vec![(missing, Expr::literal(Value::Text("".into()), Text))];
            parts.push(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(written(text))) }, Text));
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::call(Function::Concat, parts, Text) })
    }
}

/// `CASE WHEN condition THEN value ELSE otherwise END`, of two values of one type.
fn case(condition: Expr, value: Expr, otherwise: Expr) -> Expr {
    let data_type = otherwise.data_type;
    Expr::new(ExprKind::Case { branches: vec![(condition, value)], otherwise: Some(Box::new(otherwise)) }, data_type)
}
