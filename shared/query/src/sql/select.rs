//! Binding of a whole statement: the select list, grouping, and what happens at answering time.

use sqlparser::ast::{self, GroupByExpr, SelectItem, SetExpr, Spanned};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::emit::{held_back, moment, on_close};
use super::expr::{Alias, Binder, Place, Read};
use super::from::{Relations, TopicSchema, clause, name_of};
use super::grouping::{Groups, aggregated, group_by};
use super::order::{distinct_on, first_of_each, first_with_ties, has_ties, limit, order_by};
use super::over::{over_groups, with_overs};
use super::scope::{Column, Scope, same_name};
use super::source::Source;
use super::subquery::{Around, Subqueries, compared_with_around, name_of_value, of_none, reads_subquery};
use super::union::{ordered_union, set_operation};
use super::values::values;
use super::window_clause::NamedWindows;
use crate::plan::{Node, OverCall, Plan};
use crate::types::*;

/// An expression of the select list, HAVING or ORDER BY, before it is known what the groups are.
#[derive(Clone)]
pub(super) struct Item {
    pub name: String,
    pub expr: Expr,
    pub reads: Vec<Read>,
    pub span: Span,
}

pub(super) fn bind(source: &Source<'_>, topics: &[TopicSchema<'_>], query: &ast::Query) -> Result<Plan, QueryError> {
    let mut relations = Relations::new(source, topics);
    let plan = bind_query(&mut relations, query)?;
    if !plan.topics().is_empty() {
        return Ok(plan);
    }
    let (topic, place) = (relations.some_topic(), first_word(query));
    let has_from = !matches!(&*query.body, SetExpr::Select(select) if select.from.is_empty());
    let message = match has_from {
        false => format!("the query reads nothing: write FROM {topic}"),
        true => format!(
            "the query reads no topic: write FROM {topic}; constants stand beside it, as in FROM {topic} JOIN (VALUES (1, 'a')) AS v (id, name) ON ..."
        ),
    };
    Err(source.error(place, message))
}

/// Where a query's first rows are written.
fn first_word(query: &ast::Query) -> Span {
    match &*query.body {
        SetExpr::Select(select) => select.select_token.0.span,
        SetExpr::Query(inner) => first_word(inner),
        other => other.span(),
    }
}

/// The plan of a query or subquery.
pub(super) fn bind_query(relations: &mut Relations<'_>, query: &ast::Query) -> Result<Plan, QueryError> {
    // It stands at the end of the text, and is of the outermost query, which is here first.
    let emit = relations.source.take_emit();
    let before = relations.with(query.with.as_ref())?;
    let plan = match &*query.body {
        SetExpr::Select(select) => {
            refuse_clauses(relations.source, query, select)?;
            let (plan, scope) = relations.from(select)?;
            bind_select(relations, (plan, scope), (query, select), emit, None)?
        }
        _ if emit.is_some() => {
            let message = "EMIT ON WINDOW CLOSE goes with one SELECT, and not with UNION and its kind: ask for each part by itself";
            return Err(relations.source.error(emit.unwrap_or(Span::empty()), message));
        }
        SetExpr::SetOperation { .. } => {
            refuse_tail(relations.source, query, query.span())?;
            let plan = set_operation(relations, &query.body)?;
            ordered_union(relations.source, plan, query)?
        }
        SetExpr::Values(rows) => {
            refuse_tail(relations.source, query, query.span())?;
            ordered_union(relations.source, values(relations.source, rows)?, query)?
        }
        SetExpr::Query(inner) if is_wrapped(query) => bind_query(relations, inner)?,
        SetExpr::Query(inner) => {
            let message = "what stands after a query in parentheses (ORDER BY, LIMIT, FETCH FIRST) is not supported: put it within";
            return Err(relations.source.error(inner.span(), message));
        }
        other => return Err(relations.source.error(other.span(), "write SELECT ... FROM ...")),
    };
    relations.end_with(before);
    Ok(plan)
}

/// The plan of a subquery in an expression, which may be about the row around it.
pub(super) fn bind_subquery(relations: &mut Relations<'_>, query: &ast::Query, around: &mut Around) -> Result<Plan, QueryError> {
    match &*query.body {
        SetExpr::Select(select) => {
            let before = relations.with(query.with.as_ref())?;
            refuse_clauses(relations.source, query, select)?;
            let from = relations.from(select)?;
            let plan = bind_select(relations, from, (query, select), None, Some(around))?;
            relations.end_with(before);
            Ok(plan)
        }
        SetExpr::Query(inner) if query.with.is_none() && is_wrapped(query) => bind_subquery(relations, inner, around),
        _ => bind_query(relations, query),
    }
}

/// Whether a query is another one in parentheses, and nothing more.
fn is_wrapped(query: &ast::Query) -> bool {
    query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty()
}

fn bind_select(
    relations: &Relations<'_>,
    (mut plan, scope): (Plan, Scope),
    (query, select): (&ast::Query, &ast::Select),
    emit: Option<Span>,
    mut around: Option<&mut Around>,
) -> Result<Plan, QueryError> {
    let source = relations.source;
    let mut binder = Binder { relations: Some(relations.clone()), ..Binder::new(source, scope) };
    binder.around = around.as_ref().map(|around| around.scope.clone());
    let at = |keywords: &[Keyword]| source.range(clause(source, select, keywords));

    // What a subquery's rows are told apart by: their side of what compares them with the row around it.
    let mut own_keys = Vec::new();
    let mut own_condition = None;
    if let Some(ast) = &select.selection {
        binder.is_where = true;
        let bound = filter(&mut binder, ast, &select.projection)?;
        let compared = compared_with_around(source, bound, &binder.subqueries, ast.span())?;
        own_condition = compared.own;
        if let Some(around) = &mut around {
            around.reads = std::mem::take(&mut binder.around_reads);
            (around.keys, own_keys) = (compared.around, compared.own_keys);
        }
        binder.is_where = false;
    }
    binder.bind_group_window(select)?;
    let from = emit.map(|place| (place, plan.clone()));
    binder.windows = NamedWindows::of(source, &select.named_window)?;
    let mut items = select_list(&mut binder, &select.projection)?;
    if items.is_empty() {
        return Err(binder.error(select.select_token.0.span, "the query has no output columns: name them after SELECT, or write *"));
    }
    let mut grouping = group_by(&mut binder, select, &items)?;
    binder.aliases = items.iter().map(|i| Alias { name: i.name.clone(), expr: i.expr.clone(), reads: i.reads.clone() }).collect();
    let having = select.having.as_ref().map(|h| condition(&mut binder, h, (Place::Having, "HAVING"))).transpose()?;
    let order = order_by(&mut binder, query.order_by.as_ref(), select, &items)?;
    let qualify = select.qualify.as_ref().map(|q| condition(&mut binder, q, (Place::OrderBy, "QUALIFY"))).transpose()?;
    binder.check_named_windows()?;
    let distinct_on = distinct_on(&mut binder, select, &items, &order)?;
    let distinct = matches!(select.distinct, Some(ast::Distinct::Distinct));
    if distinct && let Some((item, ..)) = order.iter().find(|(by, ..)| items.iter().all(|i| i.expr != by.expr)) {
        let message = "SELECT DISTINCT is ordered by what it puts out: name the expression in the select list, or GROUP BY";
        return Err(source.error(item.span, message));
    }
    let (limit, offset) = limit(source, query, select.select_token.0.span)?;
    if distinct && has_ties(query) {
        return Err(source.error(clause(source, select, &[Keyword::FETCH]), "DISTINCT does not go with WITH TIES: write GROUP BY"));
    }

    // A query without GROUP BY, aggregates and HAVING puts rows out; its expressions are over its input.
    let rows = grouping.is_none() && binder.aggregates.is_empty() && having.is_none();
    let Binder { scope, aggregates, mut overs, subqueries, groupings, group_window, .. } = binder;
    let subqueries = Subqueries(subqueries);
    let keys_of_around = own_keys.len();
    let is_about_around = keys_of_around > 0;
    if let Some(around) = around.filter(|_| is_about_around) {
        let place = select.select_token.0.span;
        if !rows && grouping.is_none() {
            if having.is_some() {
                return Err(source
                    .error(place, "a subquery about the row around it has HAVING where it has GROUP BY: compare what it gives instead"));
            }
            if items.iter().any(|item| reads_subquery(&item.expr)) || !overs.is_empty() {
                return Err(source.error(
                    place,
                    "a subquery about the row around it gives an aggregate of its own rows: write OVER and subqueries around it",
                ));
            }
            // The one row may be cut off.
            let is_cut_off = offset > 0 || limit == Some(0);
            let value = |item: &Item| match is_cut_off {
                true => Expr::literal(Value::Null, item.expr.data_type),
                false => of_none(&item.expr, scope.width, &aggregates),
            };
            around.is_cut_off = is_cut_off;
            around.of_none = Some(items.iter().map(value).collect());
        }
        // What OVER looks at are the rows that are about one row around.
        overs.iter_mut().for_each(|(call, _)| call.partition_by.extend(own_keys.iter().cloned()));
        if (distinct || distinct_on.is_some()) && (limit.is_some() || offset > 0) {
            return Err(source.error(place, "DISTINCT and LIMIT do not go together in a subquery about the row around it: write GROUP BY"));
        }
        if has_ties(query) {
            return Err(source
                .error(place, "WITH TIES in a subquery about the row around it is not supported: write RANK() OVER in FROM, as a JOIN"));
        }
        around.is_one_each = limit == Some(1);
        items.extend(own_keys.iter().map(|key| Item { name: "of".into(), expr: key.clone(), reads: Vec::new(), span: place }));
        if !rows {
            let grouping = grouping.get_or_insert_default();
            own_keys.iter().for_each(|key| grouping.also("of", key));
        }
    }
    if let Some(condition) = own_condition {
        plan = subqueries.filtered(plan, condition, None, at(&[Keyword::WHERE]))?;
    }
    let moment = match &from {
        Some((place, from)) => moment(source, (from, &scope), !rows, *place)?,
        None => None,
    };
    let grouping = grouping.unwrap_or_default();
    if let Some(window) = group_window {
        plan = window.over(source, plan, &grouping.keys, clause(source, select, &[Keyword::GROUP]))?;
    }
    let sets = grouping.all(source, &groupings)?;
    let first_mark = (!sets.keys.is_empty()).then_some(grouping.keys.len() + aggregates.len());
    let groups = (!rows).then_some(Groups { source, columns: scope.width, keys: grouping.keys, marks: first_mark });
    let over = |item: &Item| groups.as_ref().map_or_else(|| Ok(item.expr.clone()), |g| g.of_group(item));
    let output = items.iter().map(|item| Ok(NamedExpr { name: item.name.clone(), expr: over(item)? }));
    let output = output.collect::<Result<Vec<_>, QueryError>>()?;
    let having = having.as_ref().map(over).transpose()?;
    let by = order
        .iter()
        .map(|(item, descending, nulls_first)| Ok(Order { expr: over(item)?, descending: *descending, nulls_first: *nulls_first }));
    let mut by = by.collect::<Result<Vec<_>, QueryError>>()?;
    let mut qualify = qualify.as_ref().map(over).transpose()?;
    let distinct_on = distinct_on.map(|on| on.iter().map(over).collect::<Result<Vec<_>, QueryError>>()).transpose()?;
    let mut distinct_on = distinct_on.unwrap_or_default();
    let mut output = output;

    if let Some(Groups { keys, .. }) = &groups {
        let (mut keys, mut aggregates) = (keys.clone(), aggregates);
        let args = aggregates.iter_mut().flat_map(|a| a.arg.iter_mut().chain(&mut a.beside));
        let exprs = keys.iter_mut().map(|k| &mut k.expr).chain(args).collect();
        plan = subqueries.attached(plan, exprs, None)?;
        let span = at(&[Keyword::GROUP]);
        let span = if select_has_group_by(select) { span } else { at(&[Keyword::SELECT]) };
        plan = aggregated(plan, (keys, &sets), aggregates, span);
    }
    if let Some(condition) = having {
        plan = subqueries.filtered(plan, condition, groups.as_ref(), at(&[Keyword::HAVING]))?;
    }
    if let Some(place) = emit {
        let moment = moment.clone();
        plan = on_close(source, plan, (&scope, moment), groups.as_ref(), place)?;
    }
    let calls = overs.into_iter().map(|(call, item)| over_groups(&call, &item, groups.as_ref()));
    let mut calls = calls.collect::<Result<Vec<_>, QueryError>>()?;
    let exprs =
        output.iter_mut().map(|o| &mut o.expr).chain(by.iter_mut().map(|o| &mut o.expr)).chain(&mut qualify).chain(&mut distinct_on);
    plan = subqueries.attached(plan, exprs.chain(calls.iter_mut().flat_map(OverCall::exprs_mut)).collect(), groups.as_ref())?;
    if !calls.is_empty() {
        let width = plan.columns().len();
        plan = Plan::new(Node::Over { input: Box::new(plan), calls }, at(&[Keyword::OVER]));
        if let (Some(place), Some((moment, _))) = (emit, &moment) {
            let item = Item { name: String::new(), expr: moment.clone(), reads: Vec::new(), span: place };
            plan = held_back(source, plan, &over(&item)?, place)?;
        }
        let exprs =
            output.iter_mut().map(|o| &mut o.expr).chain(by.iter_mut().map(|o| &mut o.expr)).chain(&mut qualify).chain(&mut distinct_on);
        exprs.for_each(|expr| *expr = with_overs(expr, width));
    }
    if let Some(condition) = qualify {
        plan = Plan::new(Node::Filter { input: Box::new(plan), condition }, at(&[Keyword::QUALIFY]));
    }
    if !distinct_on.is_empty() {
        // Of a subquery about the row around it: for each of those.
        distinct_on.extend(output[output.len() - keys_of_around..].iter().map(|o| o.expr.clone()));
        plan = first_of_each(plan, distinct_on, by.clone(), (Some(1), 0), at(&[Keyword::DISTINCT]));
    }
    let is_cut = limit.is_some() || offset > 0;
    if is_about_around {
        // Each row around it has an order and a LIMIT of its own.
        if is_cut {
            let keys = output[output.len() - keys_of_around..].iter().map(|o| o.expr.clone()).collect();
            plan = first_of_each(plan, keys, by, (limit, offset), at(&[Keyword::LIMIT, Keyword::OFFSET]));
        }
    } else if !by.is_empty() {
        if has_ties(query) {
            plan = first_with_ties(plan, by.clone(), (limit, offset), at(&[Keyword::FETCH]));
        }
        plan = Plan::new(Node::Sort { input: Box::new(plan), by }, at(&[Keyword::ORDER]));
    }
    plan = Plan::new(Node::Project { input: Box::new(plan), columns: output }, at(&[Keyword::SELECT]));
    if distinct {
        plan = Plan::new(Node::Distinct { input: Box::new(plan) }, at(&[Keyword::DISTINCT]));
    }
    if is_cut && !is_about_around && !has_ties(query) {
        plan = Plan::new(Node::Limit { input: Box::new(plan), limit, offset }, at(&[Keyword::LIMIT, Keyword::OFFSET]));
    }
    Ok(plan)
}

fn select_has_group_by(select: &ast::Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty())
}

/// Refuses every clause that is not supported.
fn refuse_clauses(source: &Source<'_>, query: &ast::Query, select: &ast::Select) -> Result<(), QueryError> {
    let unsupported: [(bool, &[Keyword], &str); 10] = [
        (select.top.is_some(), &[Keyword::TOP], "TOP is not supported: write LIMIT n at the end"),
        (select.into.is_some(), &[Keyword::INTO], "SELECT INTO is not supported: a query only reads"),
        (!select.lateral_views.is_empty(), &[Keyword::LATERAL], "LATERAL VIEW is not supported"),
        (select.prewhere.is_some(), &[Keyword::PREWHERE], "PREWHERE is not supported: write WHERE"),
        (!select.connect_by.is_empty(), &[Keyword::CONNECT], "CONNECT BY is not supported"),
        (!select.cluster_by.is_empty(), &[Keyword::CLUSTER], "CLUSTER BY is not supported: write ORDER BY"),
        (!select.distribute_by.is_empty(), &[Keyword::DISTRIBUTE], "DISTRIBUTE BY is not supported"),
        (!select.sort_by.is_empty(), &[Keyword::SORT], "SORT BY is not supported: write ORDER BY"),
        (select.exclude.is_some(), &[Keyword::EXCLUDE], "EXCLUDE is not supported: name the columns"),
        (select.value_table_mode.is_some() || select.select_modifiers.is_some(), &[], "this form of SELECT is not supported"),
    ];
    match unsupported.iter().find(|(present, ..)| *present) {
        Some((_, keywords, message)) => Err(source.error(clause(source, select, keywords), *message)),
        None => refuse_tail(source, query, select.select_token.0.span),
    }
}

/// Refuses what may stand behind any query and is not supported.
fn refuse_tail(source: &Source<'_>, query: &ast::Query, begin: Span) -> Result<(), QueryError> {
    let unsupported: [(bool, &[Keyword], &str); 5] = [
        (!query.locks.is_empty() || query.for_clause.is_some(), &[Keyword::FOR], "FOR UPDATE and the like are not supported: leave it out"),
        (
            query.fetch.as_ref().is_some_and(|f| f.percent),
            &[Keyword::FETCH],
            "FETCH FIRST takes a number of rows: write FETCH FIRST 10 ROWS ONLY, or LIMIT 10",
        ),
        (
            has_ties(query) && query.order_by.is_none(),
            &[Keyword::FETCH],
            "rows tie in an order: write ORDER BY before FETCH FIRST 10 ROWS WITH TIES",
        ),
        (
            query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty(),
            &[Keyword::SETTINGS, Keyword::FORMAT],
            "SETTINGS, FORMAT and pipes are not supported: leave them out",
        ),
        (query.fetch.is_some() && has_limit(query), &[Keyword::FETCH], "LIMIT and FETCH FIRST say the same: write one of them"),
    ];
    match unsupported.iter().find(|(present, ..)| *present) {
        Some((_, keywords, message)) => Err(source.error(source.keyword(begin, keywords), *message)),
        None => Ok(()),
    }
}

fn has_limit(query: &ast::Query) -> bool {
    matches!(&query.limit_clause, Some(ast::LimitClause::LimitOffset { limit: Some(_), .. }))
}

fn filter(binder: &mut Binder<'_>, ast: &ast::Expr, projection: &[SelectItem]) -> Result<Expr, QueryError> {
    let bound = binder.bind(ast).map_err(|e| alias_hint(binder, e, projection))?;
    let span = bound.span;
    let filter = binder.coerce(bound, DataType::Bool, "in WHERE")?;
    binder.check_nesting(&filter, span)?;
    Ok(filter)
}

/// An unknown column that is a name of the select list: WHERE comes before that, and the message says so.
fn alias_hint(binder: &Binder<'_>, error: QueryError, projection: &[SelectItem]) -> QueryError {
    let is_alias = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => {
            binder.source.range(alias.span) != error.span && error.message.contains(&format!("no column '{}'", alias.value))
        }
        _ => false,
    };
    match projection.iter().find(|item| is_alias(item)) {
        Some(SelectItem::ExprWithAlias { alias, .. }) => {
            let (name, relation) = (&alias.value, binder.scope.known_as());
            let message = format!(
                "'{name}' is a name of the select list, which WHERE comes before: repeat its expression, or name it in a subquery, as in FROM (SELECT ... AS {name} FROM {relation}) s WHERE {name} ..."
            );
            QueryError { message, ..error }
        }
        _ => error,
    }
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
                items.push(bind_item(binder, name_of(alias), expr)?);
            }
            SelectItem::Wildcard(options) => {
                let span = options.wildcard_token.0.span;
                let shown = without_excluded(binder, binder.scope.shown(), options)?;
                items.extend(shown.into_iter().map(|c| item_of_all(c, &c.expr, span)));
            }
            SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), options) => match &name.0[..] {
                [ast::ObjectNamePart::Identifier(ident)] if binder.scope.is_relation(ident) => {
                    let of = binder.scope.relations.iter().position(|r| same_name(ident, r.known_as()));
                    let shown = binder.scope.columns.iter().filter(|c| !c.is_hidden && Some(c.relation) == of).collect();
                    let shown = without_excluded(binder, shown, options)?;
                    items.extend(shown.into_iter().map(|c| item_of_all(c, &c.own, name.span())));
                }
                _ => return Err(binder.error(name.span(), format!("no relation '{name}' in this query: write *"))),
            },
            other => return Err(binder.error(other.span(), "this form of output column is not supported: write an expression AS a name")),
        }
    }
    Ok(items)
}

/// The columns of `*` but those that EXCLUDE names.
fn without_excluded<'c>(
    binder: &Binder<'_>,
    mut columns: Vec<&'c Column>,
    options: &ast::WildcardAdditionalOptions,
) -> Result<Vec<&'c Column>, QueryError> {
    let is_other = options.opt_ilike.is_some()
        || options.opt_except.is_some()
        || options.opt_replace.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some();
    if is_other {
        return Err(binder.error(options.wildcard_token.0.span, "* takes no option but EXCLUDE (a, b): name the columns"));
    }
    let excluded = match &options.opt_exclude {
        None => &[],
        Some(ast::ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
        Some(ast::ExcludeSelectItem::Multiple(names)) => &names[..],
    };
    let all: Vec<&str> = columns.iter().map(|column| &column.name[..]).collect();
    for name in excluded {
        let ident = if let [ast::ObjectNamePart::Identifier(ident)] = &name.0[..] { Some(ident) } else { None };
        let Some(ident) = ident.filter(|ident| all.iter().any(|column| same_name(ident, column))) else {
            let message = format!("* has no column '{name}' that could be left out: it has {}", all.join(", "));
            return Err(binder.error(name.span(), message));
        };
        columns.retain(|column| !same_name(ident, &column.name));
    }
    Ok(columns)
}

/// One column of `*`, which means this.
fn item_of_all(column: &Column, expr: &Expr, span: Span) -> Item {
    let mut reads = Vec::new();
    expr.visit(&mut |e| {
        if let ExprKind::Column(i) = e.kind {
            reads.push(Read { column: i, name: column.name.clone(), span });
        }
    });
    Item { name: column.name.clone(), expr: expr.clone(), reads, span }
}

pub(super) fn bind_item(binder: &mut Binder<'_>, name: String, ast: &ast::Expr) -> Result<Item, QueryError> {
    binder.reads.clear();
    let bound = binder.bind(ast)?;
    let span = bound.span;
    let expr = binder.settle(bound)?;
    binder.check_nesting(&expr, span)?;
    Ok(Item { name, expr, reads: std::mem::take(&mut binder.reads), span })
}

/// What PostgreSQL calls an output column without AS.
pub(super) fn default_name(ast: &ast::Expr) -> String {
    match ast {
        ast::Expr::Identifier(ident) => name_of(ident),
        ast::Expr::CompoundIdentifier(parts) => parts.last().map_or(String::new(), |p| p.value.to_lowercase()),
        ast::Expr::Function(f) => f.name.to_string().to_lowercase(),
        ast::Expr::Nested(inner) => default_name(inner),
        ast::Expr::Cast { expr, .. } => default_name(expr),
        ast::Expr::Case { .. } => "case".to_owned(),
        ast::Expr::Extract { .. } => "extract".to_owned(),
        ast::Expr::Floor { .. } => "floor".to_owned(),
        ast::Expr::Ceil { .. } => "ceil".to_owned(),
        ast::Expr::Substring { .. } => "substring".to_owned(),
        ast::Expr::Position { .. } => "position".to_owned(),
        ast::Expr::Trim { trim_where: None | Some(ast::TrimWhereField::Both), .. } => "btrim".to_owned(),
        ast::Expr::Trim { trim_where: Some(ast::TrimWhereField::Leading), .. } => "ltrim".to_owned(),
        ast::Expr::Trim { .. } => "rtrim".to_owned(),
        ast::Expr::AtTimeZone { .. } => "timezone".to_owned(),
        ast::Expr::Exists { negated: false, .. } => "exists".to_owned(),
        ast::Expr::Subquery(query) => name_of_value(query, |item| match item {
            SelectItem::UnnamedExpr(e) => default_name(e),
            SelectItem::ExprWithAlias { alias, .. } => name_of(alias),
            _ => "?column?".to_owned(),
        }),
        _ => "?column?".to_owned(),
    }
}

/// The item of the select list that a bare number or name in GROUP BY or ORDER BY means, if it means one. GROUP BY prefers the
/// topic's column of a name, ORDER BY the select list's.
pub(super) fn named_item<'i>(
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
        ast::Expr::Identifier(ident) if items_first || binder.scope.named(ident).is_empty() => {
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

/// A condition on what stands below the select list: HAVING and QUALIFY.
fn condition(binder: &mut Binder<'_>, ast: &ast::Expr, (place, clause): (Place, &str)) -> Result<Item, QueryError> {
    binder.place = place;
    binder.reads.clear();
    let bound = binder.bind(ast)?;
    let span = bound.span;
    let expr = binder.coerce(bound, DataType::Bool, &format!("in {clause}"))?;
    binder.check_nesting(&expr, span)?;
    Ok(Item { name: clause.to_lowercase(), expr, reads: std::mem::take(&mut binder.reads), span })
}
