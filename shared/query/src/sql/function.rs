//! Function calls: aggregates, and the few scalar functions.

use sqlparser::ast::{self, DateTimeField, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind, Place};
use super::operator::cast;
use super::scope::nearest;
use crate::decimal::Decimal;
use crate::types::*;

const FUNCTIONS: [&str; 12] =
    ["count", "sum", "min", "max", "avg", "approx_count_distinct", "approx_quantile", "coalesce", "nullif", "abs", "date_trunc", "extract"];

/// The arguments of a call, as plain as supported calls have them.
struct Arguments<'a> {
    distinct: bool,
    star: bool,
    list: Vec<&'a ast::Expr>,
}

impl Binder<'_> {
    pub(super) fn function(&mut self, call: &ast::Function) -> Result<Bound, QueryError> {
        let span = call.name.span();
        let name = call.name.to_string().to_lowercase();
        if call.over.is_some() {
            let message =
                "window functions (OVER) are not supported: group by a window with FROM TUMBLE(...), or by the columns of PARTITION BY";
            return Err(self.error(span, message));
        }
        if !FUNCTIONS.contains(&name.as_str()) {
            return Err(self.error(span, unknown_function(&name)));
        }
        let args = self.arguments(call, &name, span)?;
        if args.distinct && name != "count" && name != "min" && name != "max" {
            let upper = name.to_uppercase();
            return Err(self.error(span, format!("{upper}(DISTINCT ...) is not supported: DISTINCT goes with COUNT only")));
        }
        match name.as_str() {
            "coalesce" | "nullif" | "abs" | "date_trunc" | "extract" => {
                if call.filter.is_some() {
                    return Err(self.error(span, format!("FILTER goes with aggregates, and {name} is none: write CASE WHEN ... END")));
                }
                if args.star {
                    return Err(self.error(span, format!("{name}(*) is not defined: name its arguments")));
                }
                self.scalar(&name, &args.list, span)
            }
            _ => self.aggregate(&name, args, call.filter.as_deref(), span),
        }
    }

    fn arguments<'a>(&self, call: &'a ast::Function, name: &str, span: Span) -> Result<Arguments<'a>, QueryError> {
        let refuse = |what: &str| Err(self.error(span, format!("{what} is not supported in {}(...)", name.to_uppercase())));
        if call.parameters != FunctionArguments::None || call.uses_odbc_syntax {
            return refuse("this form of call");
        }
        if !call.within_group.is_empty() {
            return refuse("WITHIN GROUP");
        }
        if call.null_treatment.is_some() {
            return refuse("IGNORE or RESPECT NULLS (aggregates ignore NULLs)");
        }
        let FunctionArguments::List(list) = &call.args else {
            return Err(self.error(span, format!("{name} needs its arguments in parentheses")));
        };
        if !list.clauses.is_empty() {
            return refuse("a clause such as ORDER BY");
        }
        let mut args =
            Arguments { distinct: list.duplicate_treatment == Some(DuplicateTreatment::Distinct), star: false, list: Vec::new() };
        for arg in &list.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => args.list.push(e),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => args.star = true,
                _ => return refuse("a named argument or *"),
            }
        }
        Ok(args)
    }

    fn scalar(&mut self, name: &str, args: &[&ast::Expr], span: Span) -> Result<Bound, QueryError> {
        match (name, args) {
            ("coalesce", [_, ..]) => {
                let bounds = args.iter().map(|a| self.bind(a)).collect::<Result<Vec<_>, _>>()?;
                let mut values = self.unify(bounds, "given by COALESCE")?;
                let Some(last) = values.pop() else { unreachable!("at least one argument") };
                let data_type = last.data_type;
                if values.is_empty() {
                    return Ok(Bound::typed(last, span));
                }
                values.iter().try_for_each(|e| self.check_copies(e, 2, span))?;
                let present = |e: &Expr| Expr::new(ExprKind::IsNull { arg: Box::new(e.clone()), negated: true }, DataType::Bool);
                let branches = values.into_iter().map(|e| (present(&e), e)).collect();
                Ok(Bound::typed(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(last)) }, data_type), span))
            }
            ("nullif", [value, unwanted]) => {
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
                let equal = Expr::binary(BinaryOp::Equal, wide, unwanted, DataType::Bool);
                let branches = vec![(equal, Expr::literal(Value::Null, data_type))];
                Ok(Bound::typed(Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(value)) }, data_type), span))
            }
            ("abs", [arg]) => {
                let bound = self.bind(arg)?;
                let arg = self.settle(bound)?;
                let zero = match arg.data_type {
                    DataType::Int => Value::Int(0),
                    DataType::Float => Value::Float(0.0),
                    DataType::Numeric => Value::Numeric(0),
                    DataType::Decimal { scale, .. } => Value::Decimal(Decimal { unscaled: 0, scale }),
                    other => return Err(self.error(span, format!("ABS needs a number, not {}", other.sql_name()))),
                };
                self.check_copies(&arg, 3, span)?;
                let data_type = arg.data_type;
                let negative = Expr::binary(BinaryOp::Less, arg.clone(), Expr::literal(zero, data_type), DataType::Bool);
                let negated = Expr::new(ExprKind::Unary { op: UnaryOp::Negate, arg: Box::new(arg.clone()) }, data_type);
                let kind = ExprKind::Case { branches: vec![(negative, negated)], otherwise: Some(Box::new(arg)) };
                Ok(Bound::typed(Expr::new(kind, data_type), span))
            }
            ("date_trunc", [unit, arg]) => {
                let unit_bound = self.bind(unit)?;
                let name = match unit_bound.kind {
                    BoundKind::Text(text) => text,
                    _ => return Err(self.error(unit_bound.span, "the unit of DATE_TRUNC is a literal: write DATE_TRUNC('hour', c)")),
                };
                let unit = time_unit(&name).ok_or_else(|| {
                    let units = "second, minute, hour, day, week, month, quarter or year";
                    self.error(unit_bound.span, format!("'{name}' is not a unit of DATE_TRUNC: use {units}"))
                })?;
                let arg = Box::new(self.expr_of(arg, DataType::Timestamp, "as the second argument of DATE_TRUNC")?);
                Ok(Bound::typed(Expr::new(ExprKind::DateTrunc { unit, arg }, DataType::Timestamp), span))
            }
            _ => {
                let form = match name {
                    "coalesce" => "COALESCE(a, b, ...)",
                    "nullif" => "NULLIF(a, b)",
                    "abs" => "ABS(a)",
                    "date_trunc" => "DATE_TRUNC('hour', c)",
                    _ => "EXTRACT(HOUR FROM c)",
                };
                let upper = name.to_uppercase();
                Err(self.error(span, format!("{upper} does not take {} arguments: write {form}", args.len())))
            }
        }
    }

    pub(super) fn extract(&mut self, field: &DateTimeField, arg: &ast::Expr) -> Result<Bound, QueryError> {
        let bound = self.bind(arg)?;
        let span = bound.span;
        let arg = match bound.data_type() {
            Some(DataType::Interval) => self.settle(bound)?,
            _ => self.coerce(bound, DataType::Timestamp, "in EXTRACT")?,
        };
        let time_field = time_field(field).ok_or_else(|| {
            let fields = "YEAR, QUARTER, MONTH, WEEK, DAY, DOW, DOY, HOUR, MINUTE, SECOND or EPOCH";
            self.error(span, format!("EXTRACT({field} ...) is not supported: use {fields}"))
        })?;
        let of_interval = matches!(time_field, TimeField::Day | TimeField::Hour | TimeField::Minute | TimeField::Second | TimeField::Epoch);
        if arg.data_type == DataType::Interval && !of_interval {
            let message = format!("an interval has no {field}: use DAY, HOUR, MINUTE, SECOND or EPOCH");
            return Err(self.error(span, message));
        }
        let data_type = if time_field == TimeField::Epoch { DataType::Float } else { DataType::Int };
        Ok(Bound::typed(Expr::new(ExprKind::Extract { field: time_field, arg: Box::new(arg) }, data_type), span))
    }

    fn aggregate(&mut self, name: &str, args: Arguments<'_>, filter: Option<&ast::Expr>, span: Span) -> Result<Bound, QueryError> {
        let upper = name.to_uppercase();
        match self.place {
            Place::Where => return Err(self.error(span, format!("{upper} cannot stand in WHERE, which sees single rows: use HAVING"))),
            Place::GroupBy => {
                return Err(self.error(span, format!("{upper} cannot stand in GROUP BY: group by columns and expressions of them")));
            }
            Place::Argument => return Err(self.error(span, format!("{upper} cannot stand inside another aggregate"))),
            Place::Select | Place::Having | Place::OrderBy => {}
        }
        let outside = self.place;
        let reads = self.reads.len();
        self.place = Place::Argument;
        let aggregate = self.aggregate_of(name, args, filter, span);
        self.place = outside;
        self.reads.truncate(reads);
        let aggregate = aggregate?;
        if let Some(arg) = &aggregate.arg {
            self.check_nesting(arg, span)?;
        }
        let data_type = aggregate.data_type();
        let index = self.aggregates.iter().position(|a| *a == aggregate).unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        });
        Ok(Bound::typed(Expr::column(self.scope.fields.len() + index, data_type), span))
    }

    fn aggregate_of(&mut self, name: &str, args: Arguments<'_>, filter: Option<&ast::Expr>, span: Span) -> Result<Aggregate, QueryError> {
        let filter = filter.map(|f| self.expr_of(f, DataType::Bool, "in FILTER")).transpose()?;
        let when = |value: Expr| match &filter {
            None => value,
            Some(condition) => {
                let data_type = value.data_type;
                Expr::new(ExprKind::Case { branches: vec![(condition.clone(), value)], otherwise: None }, data_type)
            }
        };
        let wrong_count = |form: &str| self.source.error(span, format!("{} takes other arguments: write {form}", name.to_uppercase()));
        if args.star {
            if name != "count" || args.distinct {
                return Err(wrong_count(&format!("COUNT(*), or {}(c)", name.to_uppercase())));
            }
            let arg = filter.is_some().then(|| when(Expr::literal(Value::Int(1), DataType::Int)));
            return Ok(Aggregate { function: AggregateFunction::Count, arg });
        }
        let (function, arg) = match (name, &args.list[..]) {
            ("count", [arg]) if args.distinct => (AggregateFunction::CountDistinct, arg),
            ("count", [arg]) => (AggregateFunction::Count, arg),
            ("sum", [arg]) => (AggregateFunction::Sum, arg),
            ("min", [arg]) => (AggregateFunction::Min, arg),
            ("max", [arg]) => (AggregateFunction::Max, arg),
            ("avg", [arg]) => (AggregateFunction::Avg, arg),
            ("approx_count_distinct", [arg]) => (AggregateFunction::ApproxCountDistinct, arg),
            ("approx_quantile", [arg, q]) => (AggregateFunction::ApproxQuantile(self.quantile(q)?), arg),
            ("approx_quantile", _) => return Err(wrong_count("APPROX_QUANTILE(c, 0.5)")),
            ("count", _) => return Err(wrong_count("COUNT(*) or COUNT(c)")),
            _ => return Err(wrong_count(&format!("{}(c)", name.to_uppercase()))),
        };
        let mut arg = self.expr(arg)?;
        if matches!(function, AggregateFunction::ApproxQuantile(_)) && arg.data_type.decimal_scale().is_some() {
            arg = cast(arg, DataType::Float);
        }
        self.check_argument(function, arg.data_type, span)?;
        let constant = matches!(&arg.kind, ExprKind::Literal(value) if *value != Value::Null);
        if function == AggregateFunction::Count && constant && filter.is_none() {
            return Ok(Aggregate { function, arg: None });
        }
        Ok(Aggregate { function, arg: Some(when(arg)) })
    }

    fn quantile(&mut self, ast: &ast::Expr) -> Result<f64, QueryError> {
        let bound = self.bind(ast)?;
        let span = bound.span;
        let q = match bound.kind {
            BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Float(q)), .. }) => Some(q),
            BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Int(q)), .. }) => Some(q as f64),
            _ => None,
        };
        q.filter(|q| (0.0..=1.0).contains(q))
            .ok_or_else(|| self.error(span, "the quantile is a number from 0 to 1: write APPROX_QUANTILE(c, 0.99)"))
    }

    fn check_argument(&self, function: AggregateFunction, arg: DataType, span: Span) -> Result<(), QueryError> {
        use DataType::{Bool, Float, Int, Interval, Numeric, Text, Timestamp};
        let allowed: &[DataType] = match function {
            AggregateFunction::Count | AggregateFunction::CountDistinct | AggregateFunction::ApproxCountDistinct => return Ok(()),
            AggregateFunction::Min | AggregateFunction::Max => &[Int, Float, Text, Timestamp, Interval],
            AggregateFunction::Sum | AggregateFunction::Avg => &[Int, Float, Interval],
            AggregateFunction::ApproxQuantile(_) => &[Int, Float],
        };
        let over_decimals = !matches!(function, AggregateFunction::ApproxQuantile(_)) && arg.decimal_scale().is_some();
        if allowed.contains(&arg) || over_decimals {
            return Ok(());
        }
        let hint = match arg {
            Bool => "write COUNT(*) FILTER (WHERE c), or aggregate CASE WHEN c THEN 1 ELSE 0 END",
            Timestamp | Interval => "aggregate EXTRACT(EPOCH FROM c) instead",
            Text | Int | Float | Numeric | DataType::Decimal { .. } => "CAST it to BIGINT or DOUBLE PRECISION",
        };
        Err(self.error(span, format!("{} over {} is not defined: {hint}", function.sql_name(), arg.sql_name())))
    }
}

fn unknown_function(name: &str) -> String {
    let instead = match name {
        "now" | "current_timestamp" | "localtimestamp" | "current_date" | "random" => {
            "an answer depends on the log alone, not on the clock or on chance: write a literal".to_owned()
        }
        "median" | "percentile_cont" | "percentile_disc" | "quantile" => "write APPROX_QUANTILE(c, 0.5)".to_owned(),
        "round" => "CAST(x AS BIGINT) rounds half to even".to_owned(),
        "date_part" => "write EXTRACT(HOUR FROM c)".to_owned(),
        "tumble" | "hop" | "session" => "a window stands in FROM: write FROM TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL '1' HOUR)".to_owned(),
        "mod" => "write a % b".to_owned(),
        "if" | "iif" => "write CASE WHEN c THEN a ELSE b END".to_owned(),
        "ifnull" | "nvl" => "write COALESCE(a, b)".to_owned(),
        "greatest" | "least" => "write CASE WHEN a > b THEN a ELSE b END".to_owned(),
        _ => match nearest(name, FUNCTIONS.into_iter()) {
            Some(near) => format!("did you mean {}?", near.to_uppercase()),
            None => format!("the functions are {}", FUNCTIONS.join(", ").to_uppercase()),
        },
    };
    format!("there is no function '{name}': {instead}")
}

fn time_unit(name: &str) -> Option<TimeUnit> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "year" | "years" => TimeUnit::Year,
        "quarter" => TimeUnit::Quarter,
        "month" | "months" => TimeUnit::Month,
        "week" | "weeks" => TimeUnit::Week,
        "day" | "days" => TimeUnit::Day,
        "hour" | "hours" => TimeUnit::Hour,
        "minute" | "minutes" => TimeUnit::Minute,
        "second" | "seconds" => TimeUnit::Second,
        _ => return None,
    })
}

fn time_field(field: &DateTimeField) -> Option<TimeField> {
    use DateTimeField as D;
    Some(match field {
        D::Year | D::Years => TimeField::Year,
        D::Quarter => TimeField::Quarter,
        D::Month | D::Months => TimeField::Month,
        D::Week(None) | D::Weeks => TimeField::Week,
        D::Day | D::Days => TimeField::Day,
        D::Dow => TimeField::Dow,
        D::Doy => TimeField::Doy,
        D::Hour | D::Hours => TimeField::Hour,
        D::Minute | D::Minutes => TimeField::Minute,
        D::Second | D::Seconds => TimeField::Second,
        D::Epoch => TimeField::Epoch,
        _ => return None,
    })
}
