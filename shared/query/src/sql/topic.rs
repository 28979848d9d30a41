//! Which topic a text reads, for those who must open it before they can bind the text to its columns.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectName, ObjectNamePart, SetExpr, Spanned, TableFactor};

use super::source::Source;
use super::{QueryError, select};

/// The name after FROM (or in TUMBLE's TABLE), as it is written and without quotes.
///
/// # Errors
/// Where the text is not one SELECT over one topic.
pub fn topic_of(sql: &str) -> Result<String, QueryError> {
    let source = Source::new(sql);
    let query = source.parse()?;
    if let SetExpr::Select(select) = &*query.body
        && let [from] = &select.from[..]
        && let TableFactor::Table { name, args, .. } = &from.relation
    {
        let name = match args.as_ref().map(|a| &a.args[..]) {
            None => single(name),
            Some([FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident))), ..]) => Some(ident.value.clone()),
            Some(_) => None,
        };
        return name.ok_or_else(|| source.error(from.relation.span(), FORM));
    }
    // Binding knows best what is wrong with all other forms.
    select::bind(&source, "events", Vec::new(), &query).and_then(|_| Err(source.error_at_start(FORM)))
}

const FORM: &str = "write FROM and the topic's name, or FROM TUMBLE(TABLE name, DESCRIPTOR(column), INTERVAL '1' HOUR)";

fn single(name: &ObjectName) -> Option<String> {
    match &name.0[..] {
        [ObjectNamePart::Identifier(ident)] => Some(ident.value.clone()),
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
        assert!(found("SELECT a FROM x.y").is_err());
        assert!(found("").is_err());
    }
}
