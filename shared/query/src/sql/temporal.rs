//! Functions of time.

use sqlparser::ast::{self, DateTimeField, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind};
use super::operator::cast;
use super::scope::nearest;
use crate::function::Function;
use crate::time;
use crate::types::*;

impl Binder<'_> {
    pub(super) fn date_trunc(&mut self, unit: &ast::Expr, arg: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let (name, unit_span) = self.unit_of(unit, "DATE_TRUNC('hour', c)")?;
        let known = time_unit(&name).ok_or_else(|| {
            let units = "millisecond, second, minute, hour, day, week, month, quarter or year";
            self.error(unit_span, format!("'{name}' is not a unit of DATE_TRUNC: use {units}"))
        })?;
        let arg = self.expr_of(arg, DataType::Timestamp, "as the second argument of DATE_TRUNC")?;
        // Timestamps have no finer parts.
        let Some(unit) = known else { return Ok(Bound::typed(arg, span)) };
        Ok(Bound::typed(Expr::new(ExprKind::DateTrunc { unit, arg: Box::new(arg) }, DataType::Timestamp), span))
    }

    /// A literal in quotes, and its place.
    fn unit_of(&mut self, unit: &ast::Expr, form: &str) -> Result<(String, Span), QueryError> {
        let bound = self.bind(unit)?;
        match bound.kind {
            BoundKind::Text(text) => Ok((text, bound.span)),
            _ => {
                let name = form.split('(').next().unwrap_or_default();
                Err(self.error(bound.span, format!("the unit of {name} is a literal: write {form}")))
            }
        }
    }

    /// `DATE_PART('field', c)`.
    pub(super) fn date_part(&mut self, field: &ast::Expr, arg: &ast::Expr) -> Result<Bound, QueryError> {
        let (name, span) = self.unit_of(field, "DATE_PART('hour', c)")?;
        self.part(&name, span, arg)
    }

    pub(super) fn extract(&mut self, field: &DateTimeField, arg: &ast::Expr) -> Result<Bound, QueryError> {
        self.part(&field.to_string(), arg.span(), arg)
    }

    /// `SECOND(c)`: without its fraction.
    pub(super) fn whole_second(&mut self, arg: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let second = self.part("second", span, arg)?;
        let second = self.settle(second)?;
        let whole = Expr::call(Function::Trunc, vec![second], DataType::Float);
        Ok(Bound::typed(Expr::new(ExprKind::Cast { arg: Box::new(whole) }, DataType::Int), span))
    }

    /// `TIMESTAMPADD(MINUTE, 5, c)` is `c + INTERVAL '5 minute'`.
    pub(super) fn timestamp_add(&mut self, unit: &ast::Expr, count: &ast::Expr, at: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let ExprKind::Literal(Value::Int(number)) = self.expr(count)?.kind else {
            let message =
                "TIMESTAMPADD adds a whole number that is written out: write TIMESTAMPADD(MINUTE, 5, c), or c + INTERVAL '5 minutes'";
            return Err(self.error(count.span(), message));
        };
        let value = ast::Value::SingleQuotedString(format!("{number} {unit}"));
        let interval = ast::Expr::Interval(ast::Interval {
            value: Box::new(ast::Expr::Value(ast::ValueWithSpan { value, span: unit.span() })),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
        let at = Bound::typed(self.expr_of(at, DataType::Timestamp, "in TIMESTAMPADD")?, span);
        let interval = self.bind(&interval)?;
        let sum = self.binary(BinaryOp::Add, at, interval)?;
        Ok(Bound { span, ..sum })
    }

    /// `TIMESTAMPDIFF(MINUTE, a, b)`: how many whole ones lie between.
    pub(super) fn timestamp_diff(&mut self, unit: &ast::Expr, from: &ast::Expr, to: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let seconds = match unit.to_string().to_lowercase().as_str() {
            "second" => 1.0,
            "minute" => 60.0,
            "hour" => 3600.0,
            "day" => 86_400.0,
            "week" => 604_800.0,
            other => {
                let message = format!(
                    "{other} has no fixed length to count by: use SECOND, MINUTE, HOUR, DAY or WEEK, or subtract what EXTRACT gives of both"
                );
                return Err(self.error(unit.span(), message));
            }
        };
        let what = "in TIMESTAMPDIFF";
        let (from, to) = (self.expr_of(from, DataType::Timestamp, what)?, self.expr_of(to, DataType::Timestamp, what)?);
        let between = Expr::binary(BinaryOp::Subtract, to, from, DataType::Interval);
        let epoch = Expr::new(ExprKind::Extract { field: TimeField::Epoch, arg: Box::new(between) }, DataType::Float);
        let many = Expr::binary(BinaryOp::Divide, epoch, Expr::literal(Value::Float(seconds), DataType::Float), DataType::Float);
        let whole = Expr::call(Function::Trunc, vec![many], DataType::Float);
        Ok(Bound::typed(Expr::new(ExprKind::Cast { arg: Box::new(whole) }, DataType::Int), span))
    }

    /// A field of a timestamp or an interval. Fields that are made of others are put together here.
    pub(super) fn part(&mut self, name: &str, span: Span, arg: &ast::Expr) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let arg_span = bound.span;
        let arg = match bound.data_type() {
            Some(DataType::Interval) => self.settle(bound)?,
            _ => self.coerce(bound, DataType::Timestamp, "in EXTRACT")?,
        };
        let is_interval = arg.data_type == DataType::Interval;
        let upper = name.trim().to_uppercase();
        if is_interval && !OF_INTERVALS.contains(&singular(&upper)) {
            let message = format!("an interval has no {upper}: use DAY, HOUR, MINUTE, SECOND or EPOCH");
            return Err(self.error(arg_span, message));
        }
        let field = |field, arg: Expr| {
            let data_type = if field == TimeField::Epoch { DataType::Float } else { DataType::Int };
            Expr::new(ExprKind::Extract { field, arg: Box::new(arg) }, data_type)
        };
        let int = |i| Expr::literal(Value::Int(i), DataType::Int);
        let ints = |op, a, b| Expr::binary(op, a, b, DataType::Int);
        // Seconds with their fraction: PostgreSQL's are numeric, ours are floats.
        let fraction = |per: f64| {
            let us = cast(field(TimeField::Microsecond, arg.clone()), DataType::Float);
            Expr::binary(BinaryOp::Divide, us, Expr::literal(Value::Float(per), DataType::Float), DataType::Float)
        };
        self.check_copies(&arg, 3, arg_span)?;
        // A year in pieces of so many: above zero and below it moved, so that each ends where it should.
        let years = |year: Expr, (is_after, more): (BinaryOp, i64), less: i64, size: i64| {
            let moved = |by| ints(BinaryOp::Divide, ints(BinaryOp::Add, year.clone(), int(by)), int(size));
            let condition = Expr::binary(is_after, year.clone(), int(0), DataType::Bool);
            let otherwise = Some(Box::new(moved(less)));
            Expr::new(ExprKind::Case { branches: vec![(condition, moved(more))], otherwise }, DataType::Int)
        };
        let expr = match singular(&upper) {
            "YEAR" => field(TimeField::Year, arg),
            "QUARTER" => field(TimeField::Quarter, arg),
            "MONTH" => field(TimeField::Month, arg),
            "WEEK" | "ISOWEEK" => field(TimeField::Week, arg),
            "DAY" => field(TimeField::Day, arg),
            "DOW" => field(TimeField::Dow, arg),
            "DOY" => field(TimeField::Doy, arg),
            "HOUR" => field(TimeField::Hour, arg),
            "MINUTE" => field(TimeField::Minute, arg),
            "SECOND" => fraction(1e6),
            "MILLISECOND" => fraction(1e3),
            "MICROSECOND" => field(TimeField::Microsecond, arg),
            "EPOCH" => field(TimeField::Epoch, arg),
            // Monday is 1 and Sunday 7.
            "ISODOW" => {
                let monday_is_0 = ints(BinaryOp::Modulo, ints(BinaryOp::Add, field(TimeField::Dow, arg), int(6)), int(7));
                ints(BinaryOp::Add, monday_is_0, int(1))
            }
            // The year in which the week's Thursday lies.
            "ISOYEAR" => {
                let monday = Expr::new(ExprKind::DateTrunc { unit: TimeUnit::Week, arg: Box::new(arg) }, DataType::Timestamp);
                let days = Expr::literal(Value::Interval(3 * time::US_PER_DAY), DataType::Interval);
                field(TimeField::Year, Expr::binary(BinaryOp::Add, monday, days, DataType::Timestamp))
            }
            // From 1 on; before year 1 from -1 on, where year 0 is the last one.
            "CENTURY" => years(field(TimeField::Year, arg), (BinaryOp::Greater, 99), -100, 100),
            "MILLENNIUM" => years(field(TimeField::Year, arg), (BinaryOp::Greater, 999), -1_000, 1_000),
            "DECADE" => years(field(TimeField::Year, arg), (BinaryOp::GreaterOrEqual, 0), -9, 10),
            // Days since the year -4713, with their fraction.
            "JULIAN" => {
                let floats = |op, a, b| Expr::binary(op, a, Expr::literal(Value::Float(b), DataType::Float), DataType::Float);
                let days = floats(BinaryOp::Divide, field(TimeField::Epoch, arg), 86_400.0);
                floats(BinaryOp::Add, days, 2_440_588.0)
            }
            _ => {
                let fields = "MILLENNIUM, CENTURY, DECADE, YEAR, QUARTER, MONTH, WEEK, DAY, DOW, DOY, ISODOW, ISOYEAR, JULIAN, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND or EPOCH";
                return Err(self.error(span, format!("EXTRACT({upper} ...) is not supported: use {fields}")));
            }
        };
        Ok(Bound::typed(expr, arg_span))
    }

    /// `t AT TIME ZONE 'Europe/Berlin'`: what clocks there show.
    pub(super) fn at_time_zone(&mut self, at: &ast::Expr, zone: &ast::Expr) -> Result<Bound, QueryError> {
        let at = self.bind(at)?;
        let at_span = at.span;
        let at = self.coerce(at, DataType::Timestamp, "before AT TIME ZONE")?;
        if matches!(at.kind, ExprKind::Call { function: Function::AtTimeZone { .. }, .. }) {
            let message =
                "AT TIME ZONE of AT TIME ZONE is not supported: timestamps are UTC, so that one conversion gives the clocks of a zone";
            return Err(self.error(at_span, message));
        }
        let zone = self.bind(zone)?;
        let BoundKind::Text(name) = &zone.kind else {
            return Err(self.error(zone.span, "the zone is a literal: write c AT TIME ZONE 'Europe/Berlin'"));
        };
        let Some(known) = time::zone(name) else {
            let near = nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|z| z.name()));
            let hint = near.map_or("write its name, as in 'Europe/Berlin'".to_owned(), |n| format!("did you mean '{n}'?"));
            return Err(self.error(zone.span, format!("there is no IANA time zone '{name}': {hint}")));
        };
        let function = Function::AtTimeZone { zone: known.name().to_owned() };
        Ok(Bound::typed(Expr::call(function, vec![at], DataType::Timestamp), at_span.union(&zone.span)))
    }

    /// `t + INTERVAL '1 month'` and `t - INTERVAL '2 years'`.
    pub(super) fn add_months(&self, op: BinaryOp, left: &Bound, right: &Bound) -> Result<Option<Expr>, QueryError> {
        let (at, months) = match (&left.kind, &right.kind, op) {
            (BoundKind::Typed(at), BoundKind::Months(months), BinaryOp::Add) => (at, *months),
            (BoundKind::Typed(at), BoundKind::Months(months), BinaryOp::Subtract) => (at, -*months),
            (BoundKind::Months(months), BoundKind::Typed(at), BinaryOp::Add) => (at, *months),
            _ => return Ok(None),
        };
        if at.data_type != DataType::Timestamp {
            let message = format!("months are added to a timestamp, not to {}", at.data_type.sql_name_with_article());
            return Err(self.error(left.span, message));
        }
        let months = Expr::literal(Value::Int(months), DataType::Int);
        Ok(Some(Expr::call(Function::AddMonths, vec![at.clone(), months], DataType::Timestamp)))
    }

    /// `TO_TIMESTAMP(seconds)`: seconds since 1970, to the microsecond (half to even).
    pub(super) fn at_timestamp(&mut self, arg: &ast::Expr, span: Span) -> Result<Bound, QueryError> {
        let seconds = self.expr_of(arg, DataType::Float, "in TO_TIMESTAMP")?;
        let million = Expr::literal(Value::Float(1e6), DataType::Float);
        let us = cast(Expr::binary(BinaryOp::Multiply, seconds, million, DataType::Float), DataType::Int);
        Ok(Bound::typed(Expr::call(Function::FromMicroseconds, vec![us], DataType::Timestamp), span))
    }
}

const OF_INTERVALS: [&str; 7] = ["DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "EPOCH"];

fn singular(name: &str) -> &str {
    match name {
        "ISOWEEK" | "EPOCH" | "DOW" | "DOY" => name,
        name => name.strip_suffix('S').unwrap_or(name),
    }
}

/// `None` inside for microseconds, which is what timestamps are in.
fn time_unit(name: &str) -> Option<Option<TimeUnit>> {
    let lower = name.trim().to_ascii_lowercase();
    Some(Some(match lower.strip_suffix('s').unwrap_or(&lower) {
        "year" => TimeUnit::Year,
        "quarter" => TimeUnit::Quarter,
        "month" => TimeUnit::Month,
        "week" => TimeUnit::Week,
        "day" => TimeUnit::Day,
        "hour" => TimeUnit::Hour,
        "minute" => TimeUnit::Minute,
        "second" => TimeUnit::Second,
        "millisecond" => TimeUnit::Millisecond,
        "microsecond" => return Some(None),
        _ => return None,
    }))
}
