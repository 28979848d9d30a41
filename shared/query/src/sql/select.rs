//! Binding of the whole statement: FROM, the select list, grouping, and what happens at answering time.

use sqlparser::ast::{self, GroupByExpr, LimitClause, OrderByKind, SelectItem, SetExpr, Spanned, TableFactor};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Place, Read};
use super::scope::{Scope, Window, nearest, same_name};
use super::source::Source;
use crate::types::*;

/// An expression of the select list, HAVING or ORDER BY, before it is known what the groups are.
struct Item {
    name: String,
    expr: Expr,
    reads: Vec<Read>,
    span: Span,
}

pub(super) fn bind(source: &Source<'_>, topic: &str, fields: Vec<Field>, query: &ast::Query) -> Result<Query, QueryError> {
    let select = plain_select(source, query)?;
    let scope = scope(source, topic, fields, select)?;
    let mut binder = Binder { source, scope, place: Place::Where, aggregates: Vec::new(), reads: Vec::new() };

    let filter = select.selection.as_ref().map(|f| filter(&mut binder, f)).transpose()?;
    let items = select_list(&mut binder, &select.projection)?;
    if items.is_empty() {
        return Err(binder.error(select.select_token.0.span, "the query has no output columns: name them after SELECT, or write *"));
    }
    let grouping = group_by(&mut binder, &select.group_by, &items)?;
    let having = select.having.as_ref().map(|h| having(&mut binder, h, &items)).transpose()?;
    let order = order_by(&mut binder, query.order_by.as_ref(), &items)?;
    let limit = limit(source, query)?;

    let rows = grouping.is_none() && binder.aggregates.is_empty() && having.is_none();
    let Binder { scope, aggregates, .. } = binder;
    let mut groups = Groups { source, columns: scope.fields.len(), keys: grouping.unwrap_or_default(), rows };
    if rows {
        for item in &items {
            groups.add_key(&item.name, &item.expr);
        }
        for (item, ..) in &order {
            if groups.rewrite(&item.expr).is_err() {
                groups.add_key(&item.name, &item.expr);
            }
        }
    }
    let output = items
        .iter()
        .map(|item| Ok(NamedExpr { name: item.name.clone(), expr: groups.of_group(item)? }))
        .collect::<Result<Vec<_>, QueryError>>()?;
    let having = having.map(|item| groups.of_group(&item)).transpose()?;
    let order_by = order
        .iter()
        .map(|(item, descending, nulls_first)| {
            Ok(Order { expr: groups.of_group(item)?, descending: *descending, nulls_first: *nulls_first })
        })
        .collect::<Result<Vec<_>, QueryError>>()?;
    let aggregates = if rows { vec![Aggregate { function: AggregateFunction::Count, arg: None }] } else { aggregates };
    Ok(Query { topic: scope.topic, fields: scope.fields, filter, keys: groups.keys, aggregates, rows, output, having, order_by, limit })
}

/// The one SELECT that the statement must be; every clause that is not supported is refused here.
fn plain_select<'q>(source: &Source<'_>, query: &'q ast::Query) -> Result<&'q ast::Select, QueryError> {
    if let Some(with) = &query.with {
        return Err(source.error(with.with_token.0.span, "WITH is not supported: write the whole query as one SELECT"));
    }
    let select = match &*query.body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { op, .. } => {
            let span = source.keyword(&[Keyword::UNION, Keyword::EXCEPT, Keyword::INTERSECT, Keyword::MINUS]);
            return Err(source.error(span, format!("{op} is not supported: run the queries one by one")));
        }
        SetExpr::Query(inner) => {
            let message = "a query in parentheses is not supported: leave the parentheses out";
            return Err(source.error(inner.span(), message));
        }
        other => return Err(source.error(other.span(), "write SELECT ... FROM ...")),
    };
    let unsupported: [(bool, &[Keyword], &str); 16] = [
        (select.distinct.is_some(), &[Keyword::DISTINCT], "SELECT DISTINCT is not supported: GROUP BY the same columns"),
        (select.top.is_some(), &[Keyword::TOP], "TOP is not supported: write LIMIT n at the end"),
        (select.into.is_some(), &[Keyword::INTO], "SELECT INTO is not supported: a query only reads"),
        (!select.lateral_views.is_empty(), &[Keyword::LATERAL], "LATERAL VIEW is not supported"),
        (select.prewhere.is_some(), &[Keyword::PREWHERE], "PREWHERE is not supported: write WHERE"),
        (!select.connect_by.is_empty(), &[Keyword::CONNECT], "CONNECT BY is not supported"),
        (!select.cluster_by.is_empty(), &[Keyword::CLUSTER], "CLUSTER BY is not supported: write ORDER BY"),
        (!select.distribute_by.is_empty(), &[Keyword::DISTRIBUTE], "DISTRIBUTE BY is not supported"),
        (!select.sort_by.is_empty(), &[Keyword::SORT], "SORT BY is not supported: write ORDER BY"),
        (!select.named_window.is_empty(), &[Keyword::WINDOW], "WINDOW is not supported: write FROM TUMBLE(...)"),
        (select.qualify.is_some(), &[Keyword::QUALIFY], "QUALIFY is not supported: write HAVING"),
        (select.exclude.is_some(), &[Keyword::EXCLUDE], "EXCLUDE is not supported: name the columns"),
        (select.value_table_mode.is_some() || select.select_modifiers.is_some(), &[], "this form of SELECT is not supported"),
        (!query.locks.is_empty() || query.for_clause.is_some(), &[Keyword::FOR], "FOR UPDATE and the like are not supported: leave it out"),
        (query.fetch.is_some(), &[Keyword::FETCH], "FETCH FIRST is not supported: write LIMIT n"),
        (
            query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty(),
            &[Keyword::SETTINGS, Keyword::FORMAT],
            "SETTINGS, FORMAT and pipes are not supported: leave them out",
        ),
    ];
    match unsupported.iter().find(|(present, ..)| *present) {
        Some((_, keywords, message)) => Err(source.error(source.keyword(keywords), *message)),
        None => Ok(select),
    }
}

fn scope(source: &Source<'_>, topic: &str, fields: Vec<Field>, select: &ast::Select) -> Result<Scope, QueryError> {
    let from = match &select.from[..] {
        [from] => from,
        [] => return Err(source.error_at_start(format!("the query reads nothing: write FROM {topic}"))),
        [_, second, ..] => {
            return Err(source.error(
                second.relation.span(),
                "a query reads one topic: joins are not supported yet; join the events before appending them",
            ));
        }
    };
    if !from.joins.is_empty() {
        let span = source.keyword(&[Keyword::JOIN]);
        return Err(source.error(span, "JOIN is not supported: join the events before appending them, and query the joined topic"));
    }
    let TableFactor::Table { name, alias, args, version, sample, partitions, with_ordinality, .. } = &from.relation else {
        let message = match &from.relation {
            TableFactor::Derived { .. } => "subqueries are not supported: write the whole query as one SELECT".to_owned(),
            _ => format!("write FROM {topic} or FROM TUMBLE(TABLE {topic}, DESCRIPTOR(column), INTERVAL '1' HOUR)"),
        };
        return Err(source.error(from.relation.span(), message));
    };
    if version.is_some() || sample.is_some() || !partitions.is_empty() || *with_ordinality {
        return Err(source.error(name.span(), format!("FROM takes the topic alone: write FROM {topic}")));
    }
    let mut scope = Scope { topic: topic.to_owned(), alias: None, fields, window: None };
    match args {
        None => check_topic(source, topic, name)?,
        Some(args) => scope.window = Some(window(source, &scope, name, &args.args)?),
    }
    if let Some(alias) = alias {
        if !alias.columns.is_empty() {
            return Err(source.error(alias.name.span, "names for the columns are given in the select list, as in c AS d"));
        }
        scope.alias = Some(if alias.name.quote_style.is_some() { alias.name.value.clone() } else { alias.name.value.to_lowercase() });
    }
    Ok(scope)
}

fn check_topic(source: &Source<'_>, topic: &str, name: &ast::ObjectName) -> Result<(), QueryError> {
    match &name.0[..] {
        [ast::ObjectNamePart::Identifier(ident)] if same_name(ident, topic) => Ok(()),
        _ => Err(source.error(name.span(), format!("the topic is {topic}, not {name}: write FROM {topic}"))),
    }
}

/// `TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL 'n' UNIT)`.
fn window(source: &Source<'_>, scope: &Scope, name: &ast::ObjectName, args: &[ast::FunctionArg]) -> Result<Window, QueryError> {
    let topic = &scope.topic;
    let form = format!("write TUMBLE(TABLE {topic}, DESCRIPTOR(column), INTERVAL '1' HOUR)");
    let span = name.span();
    match name.to_string().to_lowercase().as_str() {
        "tumble" => {}
        "hop" | "session" | "cumulate" => {
            return Err(source.error(span, format!("{name} windows are not supported yet: {form}")));
        }
        other => {
            let near = nearest(other, std::iter::once("tumble")).map_or(String::new(), |_| " (did you mean TUMBLE?)".to_owned());
            return Err(source.error(span, format!("there is no table function '{name}'{near}: {form}")));
        }
    }
    let exprs: Vec<&ast::Expr> = args
        .iter()
        .filter_map(|arg| match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => Some(e),
            _ => None,
        })
        .collect();
    let [table, descriptor, size] = exprs[..] else {
        return Err(source.error(span, format!("TUMBLE takes three arguments: {form}")));
    };
    match table {
        ast::Expr::Identifier(ident) if same_name(ident, topic) => {}
        other => return Err(source.error(other.span(), format!("the topic is {topic}, not {other}: {form}"))),
    }
    let column = match descriptor {
        ast::Expr::Function(ast::Function { name, args: ast::FunctionArguments::List(list), .. })
            if name.to_string().eq_ignore_ascii_case("descriptor") =>
        {
            match &list.args[..] {
                [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Identifier(column)))] => Some(column),
                _ => None,
            }
        }
        _ => None,
    };
    let Some(column) = column else {
        return Err(source.error(descriptor.span(), format!("the second argument names the time column: {form}")));
    };
    let column_span = column.span;
    let Some((_, found)) = scope.column(column) else {
        return Err(source.error(column_span, scope.unknown_column(&column.value)));
    };
    let ExprKind::Column(column) = found.kind else { unreachable!("a scope without window has plain columns only") };
    if found.data_type != DataType::Timestamp {
        let message = format!("a window cuts a timestamp, and this column is {}", found.data_type.sql_name());
        return Err(source.error(column_span, message));
    }
    let ast::Expr::Interval(interval) = size else {
        return Err(source.error(size.span(), format!("the third argument is the window's size: {form}")));
    };
    let binder = Binder { source, scope: scope.clone(), place: Place::Where, aggregates: Vec::new(), reads: Vec::new() };
    let size = binder.interval(interval)?;
    let size_span = size.span;
    match binder.settle(size)?.kind {
        ExprKind::Literal(Value::Interval(size_us)) if size_us > 0 => Ok(Window { column, size_us }),
        _ => Err(source.error(size_span, "a window is longer than nothing: write INTERVAL '1' HOUR")),
    }
}

fn filter(binder: &mut Binder<'_>, ast: &ast::Expr) -> Result<Expr, QueryError> {
    let bound = binder.bind(ast)?;
    let span = bound.span;
    let filter = binder.coerce(bound, DataType::Bool, "in WHERE")?;
    binder.check_nesting(&filter, span)?;
    Ok(filter)
}

fn select_list(binder: &mut Binder<'_>, projection: &[SelectItem]) -> Result<Vec<Item>, QueryError> {
    binder.place = Place::Select;
    let mut items = Vec::new();
    for item in projection {
        match item {
            SelectItem::UnnamedExpr(e) => {
                let name = default_name(e);
                items.push(bind_item(binder, name, e)?);
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = if alias.quote_style.is_some() { alias.value.clone() } else { alias.value.to_lowercase() };
                items.push(bind_item(binder, name, expr)?);
            }
            SelectItem::Wildcard(options) => {
                let span = options.wildcard_token.0.span;
                let plain = options.opt_ilike.is_none()
                    && options.opt_exclude.is_none()
                    && options.opt_except.is_none()
                    && options.opt_replace.is_none()
                    && options.opt_rename.is_none()
                    && options.opt_alias.is_none();
                if !plain {
                    return Err(binder.error(span, "* takes no options: name the columns"));
                }
                items.extend(all_columns(&binder.scope, span));
            }
            SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => match &name.0[..] {
                [ast::ObjectNamePart::Identifier(ident)] if binder.scope.is_relation(ident) => {
                    items.extend(all_columns(&binder.scope, name.span()));
                }
                _ => return Err(binder.error(name.span(), format!("no relation '{name}' in this query: write *"))),
            },
            other => return Err(binder.error(other.span(), "this form of output column is not supported: write an expression AS a name")),
        }
    }
    Ok(items)
}

fn all_columns(scope: &Scope, span: Span) -> Vec<Item> {
    let item = |(name, expr): (String, Expr)| {
        let mut reads = Vec::new();
        expr.visit(&mut |e| {
            if let ExprKind::Column(column) = e.kind {
                reads.push(Read { column, name: name.clone(), span });
            }
        });
        Item { name, expr, reads, span }
    };
    scope.columns().into_iter().map(item).collect()
}

fn bind_item(binder: &mut Binder<'_>, name: String, ast: &ast::Expr) -> Result<Item, QueryError> {
    binder.reads.clear();
    let bound = binder.bind(ast)?;
    let span = bound.span;
    let expr = binder.settle(bound)?;
    binder.check_nesting(&expr, span)?;
    Ok(Item { name, expr, reads: std::mem::take(&mut binder.reads), span })
}

/// What PostgreSQL calls an output column without AS.
fn default_name(ast: &ast::Expr) -> String {
    match ast {
        ast::Expr::Identifier(ident) if ident.quote_style.is_some() => ident.value.clone(),
        ast::Expr::Identifier(ident) => ident.value.to_lowercase(),
        ast::Expr::CompoundIdentifier(parts) => parts.last().map_or(String::new(), |p| p.value.to_lowercase()),
        ast::Expr::Function(f) => f.name.to_string().to_lowercase(),
        ast::Expr::Nested(inner) => default_name(inner),
        ast::Expr::Cast { expr, .. } => default_name(expr),
        ast::Expr::Case { .. } => "case".to_owned(),
        ast::Expr::Extract { .. } => "extract".to_owned(),
        _ => "?column?".to_owned(),
    }
}

/// `None` without GROUP BY.
fn group_by(binder: &mut Binder<'_>, clause: &GroupByExpr, items: &[Item]) -> Result<Option<Vec<NamedExpr>>, QueryError> {
    let GroupByExpr::Expressions(exprs, modifiers) = clause else {
        return Err(binder.error(binder.source.keyword(&[Keyword::GROUP]), "GROUP BY ALL is not supported: name the columns"));
    };
    if !modifiers.is_empty() {
        let span = binder.source.keyword(&[Keyword::GROUP]);
        return Err(binder.error(span, "grouping sets are not supported: write one query per grouping"));
    }
    if exprs.is_empty() {
        return Ok(None);
    }
    binder.place = Place::GroupBy;
    let mut keys: Vec<NamedExpr> = Vec::new();
    for ast in exprs {
        let span = ast.span();
        let (name, mut expr) = match named_item(binder, ast, items, "GROUP BY", false)? {
            Some(item) => (item.name.clone(), item.expr.clone()),
            None => {
                let expr = binder.expr(ast)?;
                binder.check_nesting(&expr, span)?;
                let same = items.iter().find(|i| i.expr == expr);
                (same.map_or_else(|| default_name(ast), |i| i.name.clone()), expr)
            }
        };
        let mut aggregate = false;
        expr.visit(&mut |e| aggregate |= matches!(e.kind, ExprKind::Column(i) if i >= binder.scope.fields.len()));
        if aggregate {
            return Err(binder.error(span, "aggregates cannot stand in GROUP BY: group by columns and expressions of them"));
        }
        // A window's end says nothing that its start does not.
        if let Some(window) = &binder.scope.window
            && expr == window.end()
        {
            expr = window.start();
        }
        if keys.iter().all(|k| k.expr != expr) {
            keys.push(NamedExpr { name, expr });
        }
    }
    Ok(Some(keys))
}

/// The item of the select list that a bare number or name in GROUP BY or ORDER BY means, if it means one. GROUP BY prefers the
/// topic's column of a name, ORDER BY the select list's.
fn named_item<'i>(
    binder: &Binder<'_>,
    ast: &ast::Expr,
    items: &'i [Item],
    clause: &str,
    items_first: bool,
) -> Result<Option<&'i Item>, QueryError> {
    match ast {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) => match text.parse::<usize>() {
                Ok(n) if (1..=items.len()).contains(&n) => Ok(Some(&items[n - 1])),
                _ => {
                    let message = format!("{clause} {text}: the select list has the columns 1 to {}", items.len());
                    Err(binder.error(value.span, message))
                }
            },
            _ => Err(binder.error(value.span, format!("a constant in {clause} has no effect: name a column, or its number"))),
        },
        ast::Expr::Identifier(ident) if items_first || binder.scope.column(ident).is_none() => {
            let mut named = items.iter().filter(|i| same_name(ident, &i.name));
            let first = named.next();
            match (first, named.find(|i| first.is_some_and(|f| f.expr != i.expr))) {
                (Some(_), Some(_)) => {
                    Err(binder.error(ident.span, format!("{clause} {ident}: two output columns have this name; use the column's number")))
                }
                (first, _) => Ok(first),
            }
        }
        _ => Ok(None),
    }
}

fn having(binder: &mut Binder<'_>, ast: &ast::Expr, items: &[Item]) -> Result<Item, QueryError> {
    binder.place = Place::Having;
    binder.reads.clear();
    let bound = binder.bind(ast).map_err(|e| alias_hint(binder, e, items, "HAVING"))?;
    let span = bound.span;
    let expr = binder.coerce(bound, DataType::Bool, "in HAVING")?;
    binder.check_nesting(&expr, span)?;
    Ok(Item { name: "having".to_owned(), expr, reads: std::mem::take(&mut binder.reads), span })
}

/// An unknown column that is a name of the select list: PostgreSQL does not let expressions use those, and the message says so.
fn alias_hint(binder: &Binder<'_>, error: QueryError, items: &[Item], clause: &str) -> QueryError {
    let name = binder.source.text(&error.span);
    let is_alias = items.iter().any(|i| i.name.eq_ignore_ascii_case(name));
    if !is_alias || !error.message.contains("has no column") {
        return error;
    }
    let message = format!("'{name}' is a name of the select list, which expressions in {clause} cannot use: repeat its expression");
    QueryError { message, ..error }
}

fn order_by(binder: &mut Binder<'_>, clause: Option<&ast::OrderBy>, items: &[Item]) -> Result<Vec<(Item, bool, bool)>, QueryError> {
    let Some(clause) = clause else { return Ok(Vec::new()) };
    let OrderByKind::Expressions(exprs) = &clause.kind else {
        return Err(binder.error(binder.source.keyword(&[Keyword::ORDER]), "ORDER BY ALL is not supported: name the columns"));
    };
    binder.place = Place::OrderBy;
    let mut order = Vec::new();
    for by in exprs {
        let descending = match &by.options.sort {
            None | Some(ast::OrderBySort::Asc) => false,
            Some(ast::OrderBySort::Desc) => true,
            Some(ast::OrderBySort::Using(_)) => return Err(binder.error(by.expr.span(), "write ASC or DESC")),
        };
        if by.with_fill.is_some() || clause.interpolate.is_some() {
            return Err(binder.error(by.expr.span(), "WITH FILL is not supported: write ASC or DESC, and NULLS FIRST or LAST"));
        }
        let item = match named_item(binder, &by.expr, items, "ORDER BY", true)? {
            Some(item) => {
                let reads = item.reads.iter().map(|r| Read { column: r.column, name: r.name.clone(), span: r.span }).collect();
                Item { name: item.name.clone(), expr: item.expr.clone(), reads, span: item.span }
            }
            None => bind_item(binder, default_name(&by.expr), &by.expr).map_err(|e| alias_hint(binder, e, items, "ORDER BY"))?,
        };
        order.push((item, descending, by.options.nulls_first.unwrap_or(descending)));
    }
    Ok(order)
}

fn limit(source: &Source<'_>, query: &ast::Query) -> Result<Option<u64>, QueryError> {
    let limit = match &query.limit_clause {
        None => return Ok(None),
        Some(LimitClause::LimitOffset { limit, offset: None, limit_by }) if limit_by.is_empty() => limit.as_ref(),
        Some(_) => {
            let message = "OFFSET is not supported: ORDER BY a column, and continue with WHERE or HAVING past the last value seen";
            let offset = source.keyword(&[Keyword::OFFSET]);
            let span = if offset.start.line > 0 { offset } else { source.keyword(&[Keyword::LIMIT]) };
            return Err(source.error(span, message));
        }
    };
    let Some(ast) = limit else { return Ok(None) };
    let count = match ast {
        ast::Expr::Value(v) => match &v.value {
            ast::Value::Number(text, _) => text.parse().ok(),
            ast::Value::Null => return Ok(None),
            _ => None,
        },
        _ => None,
    };
    let span = if ast.span().start.line > 0 { ast.span() } else { source.keyword(&[Keyword::LIMIT]) };
    count.map(Some).ok_or_else(|| source.error(span, "LIMIT takes a whole number, as in LIMIT 10"))
}

/// The groups' keys, and the rewriting of expressions over the topic's columns into expressions over a group's row.
struct Groups<'a> {
    source: &'a Source<'a>,
    /// How many columns the topic has: higher indexes are aggregates.
    columns: usize,
    keys: Vec<NamedExpr>,
    rows: bool,
}

impl Groups<'_> {
    fn add_key(&mut self, name: &str, expr: &Expr) {
        if self.keys.iter().all(|k| k.expr != *expr) {
            self.keys.push(NamedExpr { name: name.to_owned(), expr: expr.clone() });
        }
    }

    fn of_group(&self, item: &Item) -> Result<Expr, QueryError> {
        self.rewrite(&item.expr).map_err(|column| {
            let read = item.reads.iter().find(|r| r.column == column);
            let name = read.map_or("a column", |r| r.name.as_str());
            let span = read.map_or(item.span, |r| r.span);
            debug_assert!(!self.rows, "every output column is a key");
            let message = format!("'{name}' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX({name})");
            self.source.error(span, message)
        })
    }

    /// The expression with keys and aggregates as columns of the group's row; the error is the column that is neither.
    fn rewrite(&self, expr: &Expr) -> Result<Expr, usize> {
        if let Some(key) = self.keys.iter().position(|k| k.expr == *expr) {
            return Ok(Expr::column(key, expr.data_type));
        }
        let boxed = |e: &Expr| self.rewrite(e).map(Box::new);
        let kind = match &expr.kind {
            ExprKind::Column(i) if *i < self.columns => return Err(*i),
            ExprKind::Column(i) => ExprKind::Column(self.keys.len() + i - self.columns),
            ExprKind::Literal(v) => ExprKind::Literal(v.clone()),
            ExprKind::Unary { op, arg } => ExprKind::Unary { op: *op, arg: boxed(arg)? },
            ExprKind::Binary { op, left, right } => ExprKind::Binary { op: *op, left: boxed(left)?, right: boxed(right)? },
            ExprKind::IsNull { arg, negated } => ExprKind::IsNull { arg: boxed(arg)?, negated: *negated },
            ExprKind::Case { branches, otherwise } => {
                let branches = branches.iter().map(|(c, v)| Ok((self.rewrite(c)?, self.rewrite(v)?))).collect::<Result<_, usize>>()?;
                ExprKind::Case { branches, otherwise: otherwise.as_deref().map(boxed).transpose()? }
            }
            ExprKind::Cast { arg } => ExprKind::Cast { arg: boxed(arg)? },
            ExprKind::Extract { field, arg } => ExprKind::Extract { field: *field, arg: boxed(arg)? },
            ExprKind::DateTrunc { unit, arg } => ExprKind::DateTrunc { unit: *unit, arg: boxed(arg)? },
            ExprKind::Tumble { arg, size_us } => ExprKind::Tumble { arg: boxed(arg)?, size_us: *size_us },
        };
        Ok(Expr::new(kind, expr.data_type))
    }
}
