//! Which topic a text reads, for those who must open it before they can bind the text to its columns.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, SetExpr, TableFactor,
};

use super::from::name_of;
use super::scope::same_name;
use super::source::Source;
use super::{QueryError, select};

/// The name after FROM (of the innermost query, and in TUMBLE's TABLE), as it is written and without quotes.
///
/// # Errors
/// Where the text is not one SELECT over one topic.
pub fn topic_of(sql: &str) -> Result<String, QueryError> {
    let source = Source::new(sql);
    let query = source.parse()?;
    if let Some(topic) = of_query(&query, &mut Vec::new()) {
        return Ok(topic);
    }
    // Binding knows best what is wrong with all other forms.
    select::bind(&source, "events", Vec::new(), &query).and_then(|_| Err(source.error_at_start(FORM)))
}

const FORM: &str = "write FROM and the topic's name, or FROM TUMBLE(TABLE name, DESCRIPTOR(column), INTERVAL '1' HOUR)";

/// The topic that a query reads, `with` being the queries that a name may mean instead.
fn of_query<'q>(query: &'q Query, with: &mut Vec<(String, &'q Query)>) -> Option<String> {
    let before = with.len();
    if let Some(clause) = &query.with {
        with.extend(clause.cte_tables.iter().map(|cte| (name_of(&cte.alias.name), &*cte.query)));
    }
    let topic = match &*query.body {
        SetExpr::Select(select) => match &select.from[..] {
            [from] => of_factor(&from.relation, with),
            _ => None,
        },
        _ => None,
    };
    with.truncate(before);
    topic
}

fn of_factor<'q>(factor: &'q TableFactor, with: &mut Vec<(String, &'q Query)>) -> Option<String> {
    match factor {
        TableFactor::Table { name, args: None, .. } => of_ident(single(name)?, with),
        TableFactor::Table { args: Some(args), .. } => of_window(&args.args, with),
        TableFactor::TableFunction { expr: Expr::Function(call), .. } => match &call.args {
            FunctionArguments::List(list) => of_window(&list.args, with),
            _ => None,
        },
        TableFactor::Derived { subquery, .. } => of_query(subquery, with),
        _ => None,
    }
}

fn of_window<'q>(args: &'q [FunctionArg], with: &mut Vec<(String, &'q Query)>) -> Option<String> {
    match args {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident))), ..] => of_ident(ident, with),
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(query))), ..] => of_query(query, with),
        _ => None,
    }
}

/// A query of WITH sees only those before it, so that names cannot go in circles.
fn of_ident(ident: &Ident, with: &mut Vec<(String, &Query)>) -> Option<String> {
    match with.iter().rposition(|(name, _)| same_name(ident, name)) {
        None => Some(ident.value.clone()),
        Some(at) => {
            let query = with[at].1;
            let mut before = with[..at].to_vec();
            of_query(query, &mut before)
        }
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
        let found = |sql| topic_of(sql).map_err(|e| e.message);
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
        assert!(found("").is_err());
    }
}
