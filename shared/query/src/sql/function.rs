//! Function calls: which function is called, and with what.

use sqlparser::ast::{self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::aggregate::AGGREGATES;
use super::expr::{Binder, Bound};
use super::scalar::SCALARS;
use super::scope::nearest;
use crate::types::Order;

/// What takes DISTINCT. (Of the least and greatest it changes nothing.)
const TAKE_DISTINCT: [&str; 9] = ["count", "sum", "avg", "mean", "min", "max", "string_agg", "listagg", "group_concat"];
/// What takes ORDER BY behind its arguments.
const TAKE_ORDER: [&str; 7] = ["first_value", "last_value", "first", "last", "string_agg", "listagg", "group_concat"];

/// The arguments of a call, as plain as supported calls have them.
pub(super) struct Arguments<'a> {
    pub distinct: bool,
    pub star: bool,
    pub list: Vec<&'a ast::Expr>,
    /// What `WITHIN GROUP (ORDER BY ...)` orders by.
    pub within_group: &'a [ast::OrderByExpr],
    /// What ORDER BY behind the arguments orders by.
    pub order_by: &'a [ast::OrderByExpr],
    /// IGNORE NULLS.
    pub ignore_nulls: bool,
    /// The order of OVER, in which rows come to an aggregate there.
    pub over: Vec<Order>,
}

impl Binder<'_> {
    pub(super) fn function(&mut self, call: &ast::Function) -> Result<Bound, QueryError> {
        let span = call.name.span();
        let name = call.name.to_string().to_lowercase();
        if let Some(over) = &call.over {
            return self.over(&name, call, over, span);
        }
        if let Some(bound) = self.of_grouping(&name, call, span)? {
            return Ok(bound);
        }
        if call.args == FunctionArguments::None && self.scope.columns.iter().any(|column| column.name == name) {
            return Err(self.error(span, format!("{name} is a reserved word of SQL: write \"{name}\" for the column")));
        }
        let is_aggregate = AGGREGATES.contains(&name.as_str());
        if !is_aggregate && !SCALARS.iter().any(|(known, _)| *known == name) {
            return Err(self.error(span, unknown_function(&name)));
        }
        let args = self.arguments(call, &name, span)?;
        let upper = name.to_uppercase();
        if args.distinct && !TAKE_DISTINCT.contains(&name.as_str()) {
            let message = format!("{upper}(DISTINCT ...) is not supported: DISTINCT goes with COUNT, SUM, AVG and STRING_AGG");
            return Err(self.error(span, message));
        }
        if is_aggregate {
            return self.aggregate(&name, args, call.filter.as_deref(), span);
        }
        if call.filter.is_some() {
            return Err(self.error(span, format!("FILTER goes with aggregates, and {name} is none: write CASE WHEN ... END")));
        }
        if args.star {
            return Err(self.error(span, format!("{name}(*) is not defined: name its arguments")));
        }
        if !args.within_group.is_empty() || !args.order_by.is_empty() {
            return Err(self.error(span, format!("ORDER BY is not supported in {upper}(...)")));
        }
        self.scalar(&name, &args.list, span)
    }

    pub(super) fn arguments<'a>(&self, call: &'a ast::Function, name: &str, span: Span) -> Result<Arguments<'a>, QueryError> {
        let refuse = |what: &str| Err(self.error(span, format!("{what} is not supported in {}(...)", name.to_uppercase())));
        if call.parameters != FunctionArguments::None || call.uses_odbc_syntax {
            return refuse("this form of call");
        }
        let FunctionArguments::List(list) = &call.args else {
            return Err(self.error(span, format!("{name} needs its arguments in parentheses")));
        };
        let (mut order_by, mut nulls) = (&[][..], call.null_treatment.as_ref());
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(by) => order_by = by,
                FunctionArgumentClause::IgnoreOrRespectNulls(treatment) if nulls.is_none() => nulls = Some(treatment),
                _ => return refuse("this clause"),
            }
        }
        if !order_by.is_empty() && matches!(name, "min_by" | "max_by" | "arg_min" | "arg_max") {
            let message =
                format!("{} goes by its second argument: write FIRST_VALUE(c ORDER BY d DESC NULLS LAST, e)", name.to_uppercase());
            return Err(self.error(span, message));
        }
        if !order_by.is_empty() && !TAKE_ORDER.contains(&name) {
            return Err(
                self.error(span, format!("ORDER BY is not supported in {}(...), which gives the same in any order", name.to_uppercase()))
            );
        }
        if !order_by.is_empty() && call.over.is_some() {
            return Err(self.error(span, format!("with OVER the rows of {} go by its ORDER BY: write it there", name.to_uppercase())));
        }
        let ignore_nulls = nulls == Some(&ast::NullTreatment::IgnoreNulls);
        // What looks at rows respects NULLs unless it is told not to.
        let looks_at_rows = matches!(name, "lag" | "lead" | "nth_value") && (!ignore_nulls || call.over.is_some());
        if nulls.is_some() && !looks_at_rows && !matches!(name, "first_value" | "last_value" | "first" | "last") {
            return refuse(if ignore_nulls { "IGNORE NULLS" } else { "RESPECT NULLS (aggregates ignore NULLs)" });
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let mut args = Arguments {
            distinct,
            star: false,
            list: Vec::new(),
            within_group: &call.within_group,
            order_by,
            ignore_nulls,
            over: Vec::new(),
        };
        for arg in &list.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => args.list.push(e),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => args.star = true,
                _ => return refuse("a named argument or *"),
            }
        }
        Ok(args)
    }
}

fn unknown_function(name: &str) -> String {
    let instead = match name {
        "now" | "current_timestamp" | "localtimestamp" | "current_date" | "current_time" | "clock_timestamp" | "random"
        | "gen_random_uuid" => "an answer depends on the log alone, not on the clock or on chance: write a literal".to_owned(),
        "quantile" => "write PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY c), which is exact, or APPROX_QUANTILE(c, 0.5)".to_owned(),
        "rollup" | "cube" => {
            "they stand in GROUP BY, each by itself: write GROUP BY a, ROLLUP (b, c), or GROUPING SETS (ROLLUP (a, b), (c))".to_owned()
        }
        "array_agg" | "list" | "collect_list" | "json_agg" | "json_arrayagg" => {
            "a column holds one value: write STRING_AGG(c, ',' ORDER BY c), or put rows out".to_owned()
        }
        "values" => "one value is a subquery as (SELECT 5), and rows stand in FROM (VALUES (1, 'a'), (2, 'b')) AS v (id, name)".to_owned(),
        "regexp_matches" | "regexp_match" | "regexp_extract" => "write REGEXP_SUBSTR(c, '[0-9]+'), or REGEXP_LIKE(c, '^N')".to_owned(),
        "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" | "ntile" | "lag" | "lead" | "nth_value" => {
            "it needs OVER, as in ROW_NUMBER() OVER (PARTITION BY a ORDER BY b)".to_owned()
        }
        "tumble" | "hop" | "cumulate" | "session" => {
            "a window stands in FROM: write FROM TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL '1' HOUR)".to_owned()
        }
        "if" | "iif" => "write CASE WHEN c THEN a ELSE b END".to_owned(),
        "format_datetime" | "formatdatetime" => "write TO_CHAR(c, 'YYYY-MM-DD HH24:MI:SS')".to_owned(),
        "age" | "datediff" | "date_diff" => "write a - b, or EXTRACT(EPOCH FROM a - b) for seconds".to_owned(),
        "dateadd" | "date_add" => "write c + INTERVAL '1 day'".to_owned(),
        _ => {
            let names = || AGGREGATES.into_iter().chain(SCALARS.iter().map(|(name, _)| *name));
            match nearest(name, names()) {
                Some(near) => format!("did you mean {}?", near.to_uppercase()),
                None => format!("the functions are {}", names().collect::<Vec<_>>().join(", ").to_uppercase()),
            }
        }
    };
    format!("there is no function '{name}': {instead}")
}
