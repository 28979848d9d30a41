//! What comes after the select list: ORDER BY, LIMIT and OFFSET, and DISTINCT ON.

use sqlparser::ast::{self, LimitClause, OrderByKind, Spanned};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Place};
use super::from::clause;
use super::select::{Item, bind_item, default_name, named_item};
use super::source::Source;
use crate::plan::{Frame, Node, OverCall, OverFunction, Plan};
use crate::types::*;

/// The rows that LIMIT and OFFSET leave of those that are alike in these keys.
pub(super) fn first_of_each(
    plan: Plan,
    keys: Vec<Expr>,
    by: Vec<Order>,
    (limit, offset): (Option<u64>, u64),
    span: std::ops::Range<usize>,
) -> Plan {
    let number = Expr::column(plan.columns().len(), DataType::Int);
    let call = OverCall { function: OverFunction::RowNumber, partition_by: keys, order_by: by, frame: Frame::Partition };
    let plan = Plan::new(Node::Over { input: Box::new(plan), calls: vec![call] }, span.clone());
    let bound = |op, n: u64| {
        let n = Expr::literal(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)), DataType::Int);
        Expr::binary(op, number.clone(), n, DataType::Bool)
    };
    let last = limit.map(|limit| bound(BinaryOp::LessOrEqual, offset.saturating_add(limit)));
    let first = (offset > 0).then(|| bound(BinaryOp::Greater, offset));
    match last.into_iter().chain(first).reduce(Expr::and) {
        Some(condition) => Plan::new(Node::Filter { input: Box::new(plan), condition }, span),
        None => plan,
    }
}

/// Whether what ties with the last row of FETCH FIRST is there, too.
pub(super) fn has_ties(query: &ast::Query) -> bool {
    query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties)
}

/// The first rows of an order, with those that tie with the last of them: FETCH FIRST ... WITH TIES.
pub(super) fn first_with_ties(plan: Plan, by: Vec<Order>, (limit, offset): (Option<u64>, u64), span: std::ops::Range<usize>) -> Plan {
    let width = plan.columns().len();
    let call = |function| OverCall { function, partition_by: Vec::new(), order_by: by.clone(), frame: Frame::Partition };
    let calls = vec![call(OverFunction::Rank), call(OverFunction::RowNumber)];
    let plan = Plan::new(Node::Over { input: Box::new(plan), calls }, span.clone());
    let bound = |column: usize, op, n: u64| {
        let n = Expr::literal(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)), DataType::Int);
        Expr::binary(op, Expr::column(width + column, DataType::Int), n, DataType::Bool)
    };
    // Of no rows none ties.
    let last = if limit == Some(0) { 0 } else { limit.map_or(u64::MAX, |limit| offset.saturating_add(limit)) };
    let first = (offset > 0).then(|| bound(1, BinaryOp::Greater, offset));
    let condition = first.into_iter().fold(bound(0, BinaryOp::LessOrEqual, last), Expr::and);
    Plan::new(Node::Filter { input: Box::new(plan), condition }, span)
}

/// What DISTINCT ON tells rows apart by, the first of which stays. As in PostgreSQL, ORDER BY begins with it.
pub(super) fn distinct_on(
    binder: &mut Binder<'_>,
    select: &ast::Select,
    items: &[Item],
    order: &[(Item, bool, bool)],
) -> Result<Option<Vec<Item>>, QueryError> {
    let Some(ast::Distinct::On(on)) = &select.distinct else { return Ok(None) };
    binder.place = Place::OrderBy;
    let item = |ast| match named_item(binder, ast, items, "DISTINCT ON", true)? {
        Some(item) => Ok(item.clone()),
        None => bind_item(binder, default_name(ast), ast),
    };
    if on.is_empty() {
        let span = clause(binder.source, select, &[Keyword::DISTINCT]);
        return Err(binder.error(span, "DISTINCT ON names what rows are told apart by: write DISTINCT ON (a)"));
    }
    let mut told_apart: Vec<Item> = Vec::new();
    for item in on.iter().map(item) {
        let item = item?;
        if told_apart.iter().all(|known| known.expr != item.expr) {
            told_apart.push(item);
        }
    }
    let on = told_apart;
    if let Some((other, ..)) = order.iter().take(on.len()).find(|(by, ..)| on.iter().all(|o| o.expr != by.expr)) {
        let message = "ORDER BY begins with the expressions of DISTINCT ON: put what chooses among the rows of each behind them";
        return Err(binder.error(other.span, message));
    }
    Ok(Some(on))
}

pub(super) fn order_by(
    binder: &mut Binder<'_>,
    order: Option<&ast::OrderBy>,
    select: &ast::Select,
    items: &[Item],
) -> Result<Vec<(Item, bool, bool)>, QueryError> {
    let Some(ast) = order else { return Ok(Vec::new()) };
    let OrderByKind::Expressions(exprs) = &ast.kind else {
        let span = clause(binder.source, select, &[Keyword::ORDER]);
        return Err(binder.error(span, "ORDER BY ALL is not supported: name the columns"));
    };
    binder.place = Place::OrderBy;
    let mut order = Vec::new();
    for by in exprs {
        let (descending, nulls_first) = direction(binder.source, by)?;
        if by.with_fill.is_some() || ast.interpolate.is_some() {
            return Err(binder.error(by.expr.span(), "WITH FILL is not supported: write ASC or DESC, and NULLS FIRST or LAST"));
        }
        let item = match named_item(binder, &by.expr, items, "ORDER BY", true)? {
            Some(item) => item.clone(),
            None => bind_item(binder, default_name(&by.expr), &by.expr)?,
        };
        order.push((item, descending, nulls_first));
    }
    Ok(order)
}

/// Whether an order is descending, and whether NULLs come first in it.
pub(super) fn direction(source: &Source<'_>, by: &ast::OrderByExpr) -> Result<(bool, bool), QueryError> {
    let descending = match &by.options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(ast::OrderBySort::Using(_)) => return Err(source.error(by.expr.span(), "write ASC or DESC")),
    };
    Ok((descending, by.options.nulls_first.unwrap_or(descending)))
}

/// LIMIT and OFFSET.
pub(super) fn limit(source: &Source<'_>, query: &ast::Query, place: Span) -> Result<(Option<u64>, u64), QueryError> {
    let fetched = query.fetch.as_ref().map(|fetch| match &fetch.quantity {
        None => Ok(Some(1)),
        Some(quantity) => count(source, quantity, place, Keyword::FETCH),
    });
    let fetched = fetched.transpose()?.flatten();
    let (limit, offset) = match &query.limit_clause {
        None => return Ok((fetched, 0)),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => (limit.as_ref(), offset.as_ref()),
        Some(_) => {
            let span = source.keyword(place, &[Keyword::LIMIT]);
            return Err(source.error(span, "write LIMIT n OFFSET m"));
        }
    };
    let limit = limit.map(|ast| count(source, ast, place, Keyword::LIMIT)).transpose()?.flatten();
    let offset = offset.map(|o| count(source, &o.value, place, Keyword::OFFSET)).transpose()?.flatten();
    Ok((limit.or(fetched), offset.unwrap_or(0)))
}

/// A whole number; `None` for NULL, which sets no limit.
fn count(source: &Source<'_>, ast: &ast::Expr, place: Span, keyword: Keyword) -> Result<Option<u64>, QueryError> {
    let count = match ast {
        ast::Expr::Value(v) => match &v.value {
            ast::Value::Number(text, _) => text.parse().ok(),
            ast::Value::Null => return Ok(None),
            _ => None,
        },
        _ => None,
    };
    let span = if ast.span().start.line > 0 { ast.span() } else { source.keyword(place, &[keyword]) };
    let (name, form) = match keyword {
        Keyword::LIMIT => ("LIMIT", "LIMIT 10"),
        Keyword::OFFSET => ("OFFSET", "OFFSET 10"),
        _ => ("FETCH FIRST", "FETCH FIRST 10 ROWS ONLY"),
    };
    count.map(Some).ok_or_else(|| source.error(span, format!("{name} takes a whole number, as in {form}")))
}
