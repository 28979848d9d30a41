//! Aggregates.

use sqlparser::ast::{self, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind, Place};
use super::function::Arguments;
use super::operator::cast;
use super::ordered::ORDERED;
use super::row::row;
use crate::function::Function;
use crate::types::*;

/// The aggregates by their names in SQL.
pub(super) const AGGREGATES: [&str; 49] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "approx_count_distinct",
    "approx_quantile",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "median",
    "percentile_cont",
    "percentile_disc",
    "bool_and",
    "bool_or",
    "every",
    "bit_and",
    "bit_or",
    "bit_xor",
    "count_if",
    "mean",
    "first_value",
    "last_value",
    "first",
    "last",
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_slope",
    "regr_intercept",
    "regr_r2",
    "regr_count",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
    "string_agg",
    "listagg",
    "group_concat",
    "min_by",
    "max_by",
    "arg_min",
    "arg_max",
    "mode",
    "any_value",
];

/// What is made of an aggregate's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Nothing,
    /// The square root: a deviation of a variance.
    Root,
    /// Whether it is 1: BOOL_AND and BOOL_OR are the least and greatest of 0 and 1.
    IsOne,
}

impl Finish {
    pub fn of(self, value: Expr) -> Expr {
        match self {
            Finish::Nothing => value,
            Finish::Root => Expr::call(Function::Sqrt, vec![value], DataType::Float),
            Finish::IsOne => Expr::binary(BinaryOp::Equal, value, Expr::literal(Value::Int(1), DataType::Int), DataType::Bool),
        }
    }
}

impl Binder<'_> {
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        args: Arguments<'_>,
        filter: Option<&ast::Expr>,
        span: Span,
    ) -> Result<Bound, QueryError> {
        let upper = name.to_uppercase();
        match self.place {
            Place::Where => return Err(self.error(span, format!("{upper} cannot stand in WHERE, which sees single rows: use HAVING"))),
            Place::Values => {
                return Err(self.error(
                    span,
                    format!("{upper} cannot stand in VALUES, or in LATERAL without FROM, where no rows are read: write SELECT ... FROM"),
                ));
            }
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
        let (aggregate, finish) = aggregate?;
        aggregate.args().try_for_each(|arg| self.check_nesting(arg, span))?;
        let data_type = aggregate.data_type();
        let index = self.aggregates.iter().position(|a| *a == aggregate).unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        });
        let value = Expr::column(self.scope.width + index, data_type);
        Ok(Bound::typed(finish.of(value), span))
    }

    pub(super) fn aggregate_of(
        &mut self,
        name: &str,
        args: Arguments<'_>,
        filter: Option<&ast::Expr>,
        span: Span,
    ) -> Result<(Aggregate, Finish), QueryError> {
        use AggregateFunction as F;
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
            return Ok((Aggregate::new(F::Count, arg), Finish::Nothing));
        }
        if ORDERED.contains(&name) {
            return self.in_order(name, args, when, span);
        }
        let within = match args.within_group {
            [] => None,
            [by] if !matches!(name, "percentile_cont" | "percentile_disc" | "mode") => {
                let message = format!("WITHIN GROUP is not supported in {}(...)", name.to_uppercase());
                return Err(self.error(by.expr.span(), message));
            }
            [by] if by.options == ast::OrderByOptions::default() || by.options.sort == Some(ast::OrderBySort::Asc) => Some(&by.expr),
            [by, ..] => {
                let instead = if name == "mode" { "MODE gives the least of what is as common" } else { "of a quantile q, write 1 - q" };
                let message = format!("WITHIN GROUP by several columns or descending is not supported here: {instead}");
                return Err(self.error(by.expr.span(), message));
            }
        };
        let mut finish = Finish::Nothing;
        let (function, arg) = match (name, &args.list[..], within) {
            ("count", [_, _, ..], _) if args.distinct => {
                let values = self.several_as_text(&args.list, false, span)?;
                return Ok((Aggregate::new(F::CountDistinct, Some(when(values))), finish));
            }
            ("count", [arg], _) if args.distinct && row(arg).is_some() => {
                let values = self.several_as_text(&row(arg).unwrap_or_default(), true, span)?;
                return Ok((Aggregate::new(F::CountDistinct, Some(when(values))), finish));
            }
            ("count", [arg], _) if args.distinct => (F::CountDistinct, *arg),
            ("count", [arg], _) => (F::Count, *arg),
            ("sum", [arg], _) if args.distinct => (F::SumDistinct, *arg),
            ("avg" | "mean", [arg], _) if args.distinct => (F::AvgDistinct, *arg),
            ("sum", [arg], _) => (F::Sum, *arg),
            ("min", [arg], _) => (F::Min, *arg),
            ("max", [arg], _) => (F::Max, *arg),
            ("avg" | "mean", [arg], _) => (F::Avg, *arg),
            ("approx_count_distinct", [arg], _) => (F::ApproxCountDistinct, *arg),
            ("approx_quantile", [arg, q], _) => (F::ApproxQuantile(self.quantile(q, "APPROX_QUANTILE(c, 0.99)")?), *arg),
            ("var_pop", [arg], _) => (F::VarPop, *arg),
            ("var_samp" | "variance", [arg], _) => (F::VarSamp, *arg),
            ("stddev_pop", [arg], _) => {
                finish = Finish::Root;
                (F::VarPop, *arg)
            }
            ("stddev_samp" | "stddev", [arg], _) => {
                finish = Finish::Root;
                (F::VarSamp, *arg)
            }
            ("median", [arg], _) => (F::PercentileCont(0.5), *arg),
            ("percentile_cont", [q], Some(arg)) => {
                (F::PercentileCont(self.quantile(q, "PERCENTILE_CONT(0.99) WITHIN GROUP (ORDER BY c)")?), arg)
            }
            ("percentile_disc", [q], Some(arg)) => {
                (F::PercentileDisc(self.quantile(q, "PERCENTILE_DISC(0.99) WITHIN GROUP (ORDER BY c)")?), arg)
            }
            ("mode", [], Some(arg)) => (F::Mode, arg),
            ("mode", [arg], None) => (F::Mode, *arg),
            ("bit_and", [arg], _) => (F::BitAnd, *arg),
            ("bit_or", [arg], _) => (F::BitOr, *arg),
            ("bit_xor", [arg], _) => (F::BitXor, *arg),
            ("any_value", [arg], _) => {
                // Any will do, and it should not depend on who asks: the least.
                let value = self.expr(arg)?;
                if value.data_type == DataType::Bool {
                    return self.of_condition("bool_and", arg, when);
                }
                (F::Min, *arg)
            }
            ("bool_and" | "every" | "bool_or" | "count_if", [arg], _) => return self.of_condition(name, arg, when),
            (name, [y, x], _) if name == "corr" || name.starts_with("covar_") || name.starts_with("regr_") => {
                return self.of_pairs(name, y, x, when);
            }
            ("corr" | "covar_pop" | "covar_samp", ..) => return Err(wrong_count(&format!("{}(y, x)", name.to_uppercase()))),
            (name, ..) if name.starts_with("regr_") => return Err(wrong_count(&format!("{}(y, x)", name.to_uppercase()))),
            ("mode", ..) => return Err(wrong_count("MODE() WITHIN GROUP (ORDER BY c)")),
            ("percentile_cont" | "percentile_disc", ..) => {
                return Err(wrong_count(&format!("{}(0.5) WITHIN GROUP (ORDER BY c)", name.to_uppercase())));
            }
            ("approx_quantile", ..) => return Err(wrong_count("APPROX_QUANTILE(c, 0.5)")),
            ("count", [_, _, ..], _) => return Err(wrong_count("COUNT(DISTINCT a, b), or COUNT(c)")),
            ("count", ..) => return Err(wrong_count("COUNT(*) or COUNT(c)")),
            _ => return Err(wrong_count(&format!("{}(c)", name.to_uppercase()))),
        };
        let mut arg = self.expr(arg)?;
        let as_float = matches!(function, F::ApproxQuantile(_) | F::VarPop | F::VarSamp | F::PercentileCont(_));
        if as_float && arg.data_type.decimal_scale().is_some() {
            arg = cast(arg, DataType::Float);
        }
        self.check_argument(function, arg.data_type, span)?;
        let constant = matches!(&arg.kind, ExprKind::Literal(value) if *value != Value::Null);
        if function == F::Count && constant && filter.is_none() {
            return Ok((Aggregate::new(function, None), finish));
        }
        Ok((Aggregate::new(function, Some(when(arg))), finish))
    }

    /// BOOL_AND and EVERY, BOOL_OR, COUNT_IF: of 0 and 1 the least, the greatest, and how often 1.
    fn of_condition(&mut self, name: &str, arg: &ast::Expr, when: impl Fn(Expr) -> Expr) -> Result<(Aggregate, Finish), QueryError> {
        let condition = self.expr_of(arg, DataType::Bool, &format!("in {}", name.to_uppercase()))?;
        if name == "count_if" {
            let one = Expr::literal(Value::Int(1), DataType::Int);
            let counted = Expr::new(ExprKind::Case { branches: vec![(condition, one)], otherwise: None }, DataType::Int);
            return Ok((Aggregate::new(AggregateFunction::Count, Some(when(counted))), Finish::Nothing));
        }
        let function = if name == "bool_or" { AggregateFunction::Max } else { AggregateFunction::Min };
        let arg = Expr::new(ExprKind::Cast { arg: Box::new(condition) }, DataType::Int);
        Ok((Aggregate::new(function, Some(when(arg))), Finish::IsOne))
    }

    /// CORR, COVAR_* and REGR_*, of pairs in which neither is NULL.
    fn of_pairs(
        &mut self,
        name: &str,
        y: &ast::Expr,
        x: &ast::Expr,
        when: impl Fn(Expr) -> Expr,
    ) -> Result<(Aggregate, Finish), QueryError> {
        let what = format!("in {}", name.to_uppercase());
        let mut number = |ast| {
            let bound = self.bind(ast)?;
            let float = bound.data_type().is_some_and(DataType::is_number).then_some(DataType::Float);
            match float {
                Some(float) => self.cast(bound, float),
                None => self.coerce(bound, DataType::Float, &what),
            }
        };
        let (y, x) = (number(y)?, number(x)?);
        // Where the other one is there, too.
        let beside = |value: Expr, other: Expr| {
            let there = Expr::new(ExprKind::IsNull { arg: Box::new(other), negated: true }, DataType::Bool);
            let data_type = value.data_type;
            Expr::new(ExprKind::Case { branches: vec![(there, value)], otherwise: None }, data_type)
        };
        let of_one = |function, value, other| Ok((Aggregate::new(function, Some(when(beside(value, other)))), Finish::Nothing));
        let function = match name {
            "regr_count" => return of_one(AggregateFunction::Count, y, x),
            "regr_avgx" => return of_one(AggregateFunction::Avg, x, y),
            "regr_avgy" => return of_one(AggregateFunction::Avg, y, x),
            "covar_pop" => Regression::CovarPop,
            "covar_samp" => Regression::CovarSamp,
            "corr" => Regression::Corr,
            "regr_slope" => Regression::Slope,
            "regr_intercept" => Regression::Intercept,
            "regr_r2" => Regression::R2,
            "regr_sxx" => Regression::Sxx,
            "regr_syy" => Regression::Syy,
            "regr_sxy" => Regression::Sxy,
            other => unreachable!("{other} is not of pairs"),
        };
        let function = AggregateFunction::Regression(function);
        Ok((Aggregate { function, arg: Some(when(y)), beside: vec![when(x)] }, Finish::Nothing))
    }

    fn quantile(&mut self, ast: &ast::Expr, form: &str) -> Result<f64, QueryError> {
        let bound = self.bind(ast)?;
        let span = bound.span;
        let q = match bound.kind {
            BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Float(q)), .. }) => Some(q),
            BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Int(q)), .. }) => Some(q as f64),
            _ => None,
        };
        q.filter(|q| (0.0..=1.0).contains(q)).ok_or_else(|| self.error(span, format!("the quantile is a number from 0 to 1: write {form}")))
    }

    fn check_argument(&self, function: AggregateFunction, arg: DataType, span: Span) -> Result<(), QueryError> {
        use AggregateFunction as F;
        use DataType::{Bool, Float, Int, Interval, Numeric, Text, Timestamp};
        let allowed: &[DataType] = match function {
            F::Count | F::CountDistinct | F::ApproxCountDistinct => return Ok(()),
            F::Min | F::Max | F::PercentileDisc(_) | F::Mode => &[Int, Float, Text, Timestamp, Interval],
            F::Sum | F::Avg | F::SumDistinct | F::AvgDistinct => &[Int, Float, Interval],
            F::ApproxQuantile(_) | F::VarPop | F::VarSamp | F::PercentileCont(_) => &[Int, Float],
            F::BitAnd | F::BitOr | F::BitXor => &[Int],
            F::FirstValue { .. } | F::LastValue { .. } | F::FirstBy { .. } | F::StringAgg { .. } | F::Regression(_) => return Ok(()),
        };
        let over_decimals =
            matches!(function, F::Min | F::Max | F::Sum | F::Avg | F::SumDistinct | F::AvgDistinct) && arg.decimal_scale().is_some();
        if allowed.contains(&arg) || over_decimals {
            return Ok(());
        }
        let hint = match (function, arg) {
            (F::Min, Bool) => "write BOOL_AND(c)",
            (F::Max, Bool) => "write BOOL_OR(c)",
            (_, Bool) => "write COUNT(*) FILTER (WHERE c), or aggregate CASE WHEN c THEN 1 ELSE 0 END",
            (F::PercentileCont(_), Timestamp | Interval) => {
                "write PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY c), or aggregate EXTRACT(EPOCH FROM c)"
            }
            (_, Timestamp | Interval) => "aggregate EXTRACT(EPOCH FROM c) instead",
            (_, Text | Int | Float | Numeric | DataType::Decimal { .. }) => "CAST it to BIGINT or DOUBLE PRECISION",
        };
        Err(self.error(span, format!("{} over {} is not defined: {hint}", function.sql_name(), arg.sql_name())))
    }
}
