//! UNION, EXCEPT and INTERSECT: the rows of several queries.

use sqlparser::ast::{self, OrderByKind, SetExpr, SetOperator, SetQuantifier, Spanned};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::from::Relations;
use super::operator::{cast, common_number};
use super::order::{direction, first_with_ties, has_ties, limit};
use super::scope::same_name;
use super::select::bind_query;
use super::source::Source;
use crate::plan::{Frame, Node, OverCall, OverFunction, Plan};
use crate::types::*;

/// `a UNION ALL b`, and UNION, which leaves out rows that are alike; EXCEPT and INTERSECT.
pub(super) fn set_operation(relations: &mut Relations<'_>, body: &SetExpr) -> Result<Plan, QueryError> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return side(relations, body) };
    let source = relations.source;
    let place = || source.keyword(left.span(), &[Keyword::UNION, Keyword::EXCEPT, Keyword::INTERSECT, Keyword::MINUS]);
    let mut inputs = vec![set_operation(relations, left)?, side(relations, right)?];
    let distinct = match set_quantifier {
        SetQuantifier::All => false,
        SetQuantifier::None | SetQuantifier::Distinct => true,
        _ => return Err(source.error(place(), format!("{op} BY NAME is not supported: put the columns in the same order"))),
    };
    if *op != SetOperator::Union {
        let inputs = alike(source, inputs, (op, place()))?;
        let is_intersect = *op == SetOperator::Intersect;
        if distinct {
            return Ok(of_both(inputs, is_intersect));
        }
        let columns = inputs[0].as_they_are().collect();
        // Rows that are alike are told apart by their number among those.
        let both = of_both(inputs.into_iter().map(numbered).collect(), is_intersect);
        let span = both.span.clone();
        return Ok(Plan::new(Node::Project { input: Box::new(both), columns }, span));
    }
    // A chain of UNION ALL is one union.
    if !distinct && let Node::Union { inputs: first } = &mut inputs[0].node {
        let first = std::mem::take(first);
        inputs.splice(0..1, first);
    }
    let span = inputs[0].span.start..inputs[inputs.len() - 1].span.end;
    let inputs = alike(source, inputs, (op, place()))?;
    let plan = Plan::new(Node::Union { inputs }, span.clone());
    Ok(if distinct { Plan::new(Node::Distinct { input: Box::new(plan) }, span) } else { plan })
}

fn side(relations: &mut Relations<'_>, body: &SetExpr) -> Result<Plan, QueryError> {
    match body {
        SetExpr::SetOperation { .. } => set_operation(relations, body),
        SetExpr::Query(query) => bind_query(relations, query),
        body => {
            let query = ast::Query {
                with: None,
                body: Box::new(body.clone()),
                order_by: None,
                limit_clause: None,
                fetch: None,
                locks: Vec::new(),
                for_clause: None,
                settings: None,
                format_clause: None,
                pipe_operators: Vec::new(),
            };
            bind_query(relations, &query)
        }
    }
}

/// The rows with the number of each among those that are alike behind their columns.
fn numbered(plan: Plan) -> Plan {
    let span = plan.span.clone();
    let partition_by = plan.as_they_are().map(|column| column.expr).collect();
    let call = OverCall { function: OverFunction::RowNumber, partition_by, order_by: Vec::new(), frame: Frame::Partition };
    Plan::new(Node::Over { input: Box::new(plan), calls: vec![call] }, span)
}

/// The rows of two inputs, each once, that the first has and the second has, or has not. Rows are told apart as groups are: NULL equals NULL.
fn of_both(inputs: Vec<Plan>, second_has_it: bool) -> Plan {
    let columns: Vec<NamedExpr> = inputs[0].as_they_are().collect();
    let span = inputs[0].span.start..inputs[inputs.len() - 1].span.end;
    let all = || columns.iter().cloned();
    let int = |i: i64| Expr::literal(Value::Int(i), DataType::Int);
    let of_which = |(number, input): (i64, Plan)| {
        let columns = all().chain([NamedExpr { name: "side".into(), expr: int(number) }]).collect();
        let span = input.span.clone();
        Plan::new(Node::Project { input: Box::new(input), columns }, span)
    };
    let input = Box::new(Plan::new(Node::Union { inputs: (0..).zip(inputs).map(of_which).collect() }, span.clone()));
    let side = || Some(Expr::column(columns.len(), DataType::Int));
    let least_and_greatest = [AggregateFunction::Min, AggregateFunction::Max].map(|function| Aggregate::new(function, side())).to_vec();
    let grouped = Plan::new(Node::Aggregate { input, keys: all().collect(), aggregates: least_and_greatest }, span.clone());
    let is = |at: usize, number: i64| {
        Expr::binary(BinaryOp::Equal, Expr::column(columns.len() + at, DataType::Int), int(number), DataType::Bool)
    };
    let condition = Expr::binary(BinaryOp::And, is(0, 0), is(1, i64::from(second_has_it)), DataType::Bool);
    let filtered = Plan::new(Node::Filter { input: Box::new(grouped), condition }, span.clone());
    Plan::new(Node::Project { input: Box::new(filtered), columns: all().collect() }, span)
}

/// The inputs with columns of the same types: numbers are brought to the wider type.
fn alike(source: &Source<'_>, inputs: Vec<Plan>, (op, place): (&SetOperator, Span)) -> Result<Vec<Plan>, QueryError> {
    let columns: Vec<Vec<(String, DataType)>> = inputs.iter().map(Plan::columns).collect();
    if let Some(other) = columns.iter().find(|c| c.len() != columns[0].len()) {
        let message = format!("the queries of {op} put out {} and {} columns: make them alike", columns[0].len(), other.len());
        return Err(source.error(place, message));
    }
    let mut types = Vec::new();
    for i in 0..columns[0].len() {
        // A bare NULL has the type of what it meets.
        let has_type = |input: &Plan| !is_null(input, i);
        let typed = || inputs.iter().zip(&columns).filter(|(input, _)| has_type(input)).map(|(_, c)| &c[i]);
        let mut data_type = typed().next().map_or(columns[0][i].1, |(_, t)| *t);
        for (name, other) in typed() {
            data_type = match (data_type, *other) {
                (a, b) if a == b => a,
                (a, b) if a.is_number() && b.is_number() => common_number(a, b),
                (a, b) => {
                    let message = format!("column '{name}' of {op} is {} and {}: CAST one of them", a.sql_name(), b.sql_name());
                    return Err(source.error(place, message));
                }
            };
        }
        types.push(data_type);
    }
    let brought = inputs.into_iter().zip(columns).map(|(input, columns)| {
        if columns.iter().map(|c| c.1).eq(types.iter().copied()) {
            return input;
        }
        let column = |(i, ((name, t), to)): (usize, ((String, DataType), &DataType))| {
            let expr = Expr::column(i, t);
            let expr = match t == *to {
                true => expr,
                false if is_null(&input, i) => Expr::literal(Value::Null, *to),
                false => cast(expr, *to),
            };
            NamedExpr { name, expr }
        };
        let columns = columns.into_iter().zip(&types).enumerate().map(column).collect();
        let span = input.span.clone();
        Plan::new(Node::Project { input: Box::new(input), columns }, span)
    });
    Ok(brought.collect())
}

/// Whether a query puts nothing but a bare NULL out there.
fn is_null(plan: &Plan, column: usize) -> bool {
    match &plan.node {
        Node::Project { columns, .. } => columns[column].expr.kind == ExprKind::Literal(Value::Null),
        Node::Values { rows, .. } => rows.iter().all(|row| row[column].kind == ExprKind::Literal(Value::Null)),
        Node::Distinct { input } | Node::Limit { input, .. } => is_null(input, column),
        _ => false,
    }
}

/// ORDER BY and LIMIT of a union are over what it puts out.
pub(super) fn ordered_union(source: &Source<'_>, mut plan: Plan, query: &ast::Query) -> Result<Plan, QueryError> {
    let columns = plan.columns();
    let span = plan.span.clone();
    if let Some(order) = &query.order_by {
        let OrderByKind::Expressions(exprs) = &order.kind else {
            return Err(source.error(order.span(), "ORDER BY ALL is not supported: name the columns"));
        };
        let mut by = Vec::new();
        for o in exprs {
            let column = match &o.expr {
                ast::Expr::Identifier(ident) => columns.iter().position(|(name, _)| same_name(ident, name)),
                ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), .. }) => {
                    text.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < columns.len())
                }
                _ => None,
            };
            let Some(column) = column else {
                let message = "UNION, EXCEPT, INTERSECT and VALUES are ordered by what they put out: name a column of the first query, or give its number";
                return Err(source.error(o.expr.span(), message));
            };
            let (descending, nulls_first) = direction(source, o)?;
            by.push(Order { expr: Expr::column(column, columns[column].1), descending, nulls_first });
        }
        plan = Plan::new(Node::Sort { input: Box::new(plan), by }, span.clone());
    }
    let (rows, offset) = limit(source, query, Span::empty())?;
    if has_ties(query)
        && let Node::Sort { input, by } = &plan.node
    {
        let columns = plan.as_they_are().collect();
        let first = first_with_ties(Plan::clone(input), by.clone(), (rows, offset), span.clone());
        let first = Plan::new(Node::Project { input: Box::new(first), columns }, span.clone());
        return Ok(Plan::new(Node::Sort { input: Box::new(first), by: by.clone() }, span));
    }
    if rows.is_some() || offset > 0 {
        plan = Plan::new(Node::Limit { input: Box::new(plan), limit: rows, offset }, span);
    }
    Ok(plan)
}
