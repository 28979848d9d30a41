//! Which topics a text reads, for those who must open it before they can bind the text to its columns.

use sqlparser::ast::{
    Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident, InTarget,
    NamedWindowDefinition, NamedWindowExpr, ObjectName, ObjectNamePart, OrderByKind, Query, SelectItem, SetExpr, TableFactor,
    TableWithJoins, WindowSpec, WindowType,
};

use super::from::name_of;
use super::scope::same_name;
use super::source::Source;
use super::table_function::name_of_argument;
use super::{QueryError, select};

/// The names of the topics that a text reads, as they are written and without quotes, each once, in the order in which they stand.
///
/// # Errors
/// Where the text is not one query that reads something.
pub fn topics_of(sql: &str) -> Result<Vec<String>, QueryError> {
    let source = Source::new(sql);
    let query = source.parse()?;
    let mut topics = Vec::new();
    of_query(&query, &mut Vec::new(), &mut topics);
    if !topics.is_empty() {
        return Ok(topics);
    }
    // Binding knows best what is wrong with all other forms.
    select::bind(&source, &[], &query).and_then(|_| Err(source.error_at_start(FORM)))
}

/// The same question with views before it, each a name and the query that it stands for, as if the text began with them in `WITH`: a text of its own, in which line numbers are others.
///
/// ```
/// let sql = twopath_query::with_views("SELECT id FROM buys", &[("buys", "SELECT id FROM events WHERE kind = 1")])?;
/// assert_eq!(twopath_query::topics_of(&sql)?, ["events"]);
/// # Ok::<(), twopath_query::QueryError>(())
/// ```
///
/// # Errors
/// Where the text is not one query.
pub fn with_views(sql: &str, views: &[(&str, &str)]) -> Result<String, QueryError> {
    let source = Source::new(sql);
    let query = source.parse()?;
    let views: Vec<String> = views.iter().map(|(name, query)| format!("{} AS (\n  {query}\n)", Ident::with_quote('"', *name))).collect();
    let views = views.join(",\n");
    Ok(match &query.with {
        _ if views.is_empty() => sql.to_owned(),
        None => format!("WITH {views}\n{sql}"),
        Some(with) => {
            let word = source.range(with.with_token.0.span);
            format!("{}WITH {views},{}", &sql[..word.start], &sql[word.end..])
        }
    })
}

const FORM: &str = "write FROM and the topic's name, or FROM TUMBLE(TABLE name, DESCRIPTOR(column), INTERVAL '1' HOUR)";

/// Adds the topics that a query reads, `with` being the queries that a name may mean instead.
fn of_query<'q>(query: &'q Query, with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    let before = with.len();
    // Refused with what it is when it is bound.
    if let Some(recursive) = query.with.as_ref().filter(|with| with.recursive) {
        with.extend(recursive.cte_tables.iter().map(|cte| &cte.alias.name));
    }
    for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
        // A query of WITH sees only those before it.
        of_query(&cte.query, with, topics);
        with.push(&cte.alias.name);
    }
    of_body(&query.body, with, topics);
    let order = query.order_by.iter().filter_map(|by| if let OrderByKind::Expressions(by) = &by.kind { Some(by) } else { None });
    order.flatten().for_each(|by| of_expr(&by.expr, with, topics));
    with.truncate(before);
}

fn of_body<'q>(body: &'q SetExpr, with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    match body {
        SetExpr::Select(select) => {
            select.from.iter().for_each(|table| of_table(table, with, topics));
            let items = select.projection.iter().filter_map(|item| match item {
                SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => Some(e),
                _ => None,
            });
            let groups = match &select.group_by {
                GroupByExpr::Expressions(exprs, _) => &exprs[..],
                GroupByExpr::All(_) => &[],
            };
            let on = match &select.distinct {
                Some(Distinct::On(on)) => &on[..],
                _ => &[],
            };
            let all = items.chain(on).chain(&select.selection).chain(groups).chain(&select.having).chain(&select.qualify);
            all.for_each(|e| of_expr(e, with, topics));
            for NamedWindowDefinition(_, window) in &select.named_window {
                if let NamedWindowExpr::WindowSpec(spec) = window {
                    of_window(spec, with, topics);
                }
            }
        }
        SetExpr::Query(query) => of_query(query, with, topics),
        SetExpr::SetOperation { left, right, .. } => {
            of_body(left, with, topics);
            of_body(right, with, topics);
        }
        _ => {}
    }
}

/// The topics of the subqueries in an expression.
fn of_expr<'q>(expr: &'q Expr, with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    let mut of = |exprs: &[&'q Expr]| exprs.iter().for_each(|e| of_expr(e, with, topics));
    match expr {
        Expr::Subquery(query) | Expr::Exists { subquery: query, .. } => of_query(query, with, topics),
        Expr::In { expr, target, .. } => {
            of(&[&**expr]);
            match target {
                InTarget::Subquery(query) => of_query(query, with, topics),
                InTarget::List(list) => list.iter().for_each(|e| of_expr(e, with, topics)),
                _ => {}
            }
        }
        // As deep as the text is long.
        Expr::BinaryOp { .. } => {
            let mut rest = expr;
            while let Expr::BinaryOp { left, right, .. } = rest {
                of(&[&**right]);
                rest = left;
            }
            of(&[rest]);
        }
        Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => of(&[&**left, &**right]),
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => of(&[&**left, &**right]),
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => of(&[&**expr, &**pattern]),
        Expr::Between { expr, low, high, .. } => of(&[&**expr, &**low, &**high]),
        Expr::AtTimeZone { timestamp, time_zone } => of(&[&**timestamp, &**time_zone]),
        Expr::Position { expr, r#in } => of(&[&**expr, &**r#in]),
        Expr::Nested(e)
        | Expr::UnaryOp { expr: e, .. }
        | Expr::IsNull(e)
        | Expr::IsNotNull(e)
        | Expr::IsTrue(e)
        | Expr::IsNotTrue(e)
        | Expr::IsFalse(e)
        | Expr::IsNotFalse(e)
        | Expr::IsUnknown(e)
        | Expr::IsNotUnknown(e)
        | Expr::Cast { expr: e, .. }
        | Expr::Extract { expr: e, .. }
        | Expr::Floor { expr: e, .. }
        | Expr::Ceil { expr: e, .. } => of(&[&**e]),
        Expr::Trim { expr, trim_what, .. } => {
            of(&[&**expr]);
            trim_what.iter().for_each(|e| of_expr(e, with, topics));
        }
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            of(&[&**expr]);
            substring_from.iter().chain(substring_for).for_each(|e| of_expr(e, with, topics));
        }
        Expr::Case { operand, conditions, else_result, .. } => {
            operand.iter().chain(else_result).for_each(|e| of_expr(e, with, topics));
            conditions.iter().flat_map(|when| [&when.condition, &when.result]).for_each(|e| of_expr(e, with, topics));
        }
        Expr::Tuple(exprs) => exprs.iter().for_each(|e| of_expr(e, with, topics)),
        Expr::Function(call) => of_call(call, with, topics),
        _ => {}
    }
}

fn of_call<'q>(call: &'q Function, with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    if let FunctionArguments::List(list) = &call.args {
        let args = list.args.iter().filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
            _ => None,
        });
        args.for_each(|e| of_expr(e, with, topics));
        let order = list.clauses.iter().filter_map(|clause| match clause {
            FunctionArgumentClause::OrderBy(by) => Some(by),
            _ => None,
        });
        order.flatten().for_each(|by| of_expr(&by.expr, with, topics));
    }
    let within = call.within_group.iter().map(|by| &by.expr);
    within.chain(call.filter.as_deref()).for_each(|e| of_expr(e, with, topics));
    if let Some(WindowType::WindowSpec(spec)) = &call.over {
        of_window(spec, with, topics);
    }
}

fn of_window<'q>(spec: &'q WindowSpec, with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    spec.partition_by.iter().chain(spec.order_by.iter().map(|by| &by.expr)).for_each(|e| of_expr(e, with, topics));
}

fn of_table<'q>(table: &'q TableWithJoins, with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    of_factor(&table.relation, with, topics);
    table.joins.iter().for_each(|join| of_factor(&join.relation, with, topics));
}

fn of_factor<'q>(factor: &'q TableFactor, with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    match factor {
        TableFactor::Table { name, args: None, .. } => single(name).into_iter().for_each(|ident| of_ident(ident, with, topics)),
        TableFactor::Table { args: Some(args), .. } => of_function(&args.args, with, topics),
        TableFactor::TableFunction { expr: Expr::Function(call), .. } => {
            if let FunctionArguments::List(list) = &call.args {
                of_function(&list.args, with, topics);
            }
        }
        TableFactor::Derived { subquery, .. } => of_query(subquery, with, topics),
        TableFactor::NestedJoin { table_with_joins, .. } => of_table(table_with_joins, with, topics),
        _ => {}
    }
}

/// The first argument of a table function is its table.
fn of_function<'q>(args: &'q [FunctionArg], with: &mut Vec<&'q Ident>, topics: &mut Vec<String>) {
    let is_data = |arg: &&FunctionArg| match arg {
        FunctionArg::Named { name, .. } => name.value.eq_ignore_ascii_case("data"),
        FunctionArg::ExprNamed { name, .. } => name_of_argument(name).eq_ignore_ascii_case("data"),
        FunctionArg::Unnamed(_) => false,
    };
    let table = match args.iter().find(is_data).or(args.first()) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(e)))
        | Some(FunctionArg::Named { arg: FunctionArgExpr::Expr(e), .. })
        | Some(FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(e), .. }) => e,
        _ => return,
    };
    match table {
        Expr::Identifier(ident) => of_ident(ident, with, topics),
        Expr::Subquery(query) => of_query(query, with, topics),
        Expr::Function(Function { args: FunctionArguments::List(list), .. }) => of_function(&list.args, with, topics),
        _ => {}
    }
}

fn of_ident(ident: &Ident, with: &[&Ident], topics: &mut Vec<String>) {
    if !with.iter().any(|w| same_name(ident, &name_of(w))) && !topics.iter().any(|t| same_name(ident, t)) {
        topics.push(ident.value.clone());
    }
}

fn single(name: &ObjectName) -> Option<&Ident> {
    match &name.0[..] {
        [ObjectNamePart::Identifier(ident)] => Some(ident),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_wherever_it_stands() {
        let found = |sql| match topics_of(sql).map_err(|e| e.message)?.as_slice() {
            [one] => Ok(one.clone()),
            several => Err(several.join(", ")),
        };
        assert_eq!(found("SELECT EXTRACT(HOUR FROM t) FROM flights").as_deref(), Ok("flights"));
        assert_eq!(
            found("select 'from x', a -- from y\n/* from z */ from \"My-Topic\" AS f WHERE a IS DISTINCT FROM b").as_deref(),
            Ok("My-Topic")
        );
        assert_eq!(found("SELECT a FROM TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL '1' HOUR)").as_deref(), Ok("t"));
        assert!(found("SELECT 1").is_err());
        assert!(found("SELECT a FROM (SELECT 1) AS x").is_err());
        assert_eq!(found("SELECT a FROM (SELECT b AS a FROM t) AS x").as_deref(), Ok("t"));
        assert_eq!(found("SELECT a FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL '1' HOUR))").as_deref(), Ok("t"));
        let nested = "WITH x AS (SELECT * FROM t), t AS (SELECT * FROM x) SELECT a FROM TUMBLE(TABLE T, DESCRIPTOR(c), INTERVAL '1' HOUR)";
        assert_eq!(found(nested).as_deref(), Ok("t"));
        assert!(found("SELECT a FROM x.y").is_err());
        let all = |sql| topics_of(sql).unwrap();
        let beside = "SELECT (SELECT MAX(n) FROM b), COUNT(*) FILTER (WHERE k IN (SELECT k FROM c)) FROM a WHERE NOT EXISTS (WITH w AS (SELECT * FROM d) SELECT 1 FROM w) \
                      GROUP BY k HAVING SUM(n) > 2 + (SELECT 1 FROM e LIMIT 1) ORDER BY CASE WHEN n = ANY (SELECT n FROM f) THEN 1 END";
        assert_eq!(all(beside), ["a", "b", "c", "d", "e", "f"]);
        let tuples = "SELECT COUNT(*) OVER w FROM a, LATERAL (SELECT * FROM b WHERE b.k = a.k) l WHERE (k, 1) IN ((SELECT k FROM c LIMIT 1), 2) WINDOW w AS (ORDER BY (SELECT 1 FROM d LIMIT 1))";
        assert_eq!(all(tuples), ["a", "b", "c", "d"]);
        assert!(found("").is_err());
    }
}
