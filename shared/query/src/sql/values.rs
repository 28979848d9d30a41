//! Rows that are written out: VALUES, and the one row that SELECT without FROM has.

use sqlparser::ast::{self, SetExpr, Spanned};

use super::QueryError;
use super::expr::{Binder, Bound, Place};
use super::row::row;
use super::scope::Scope;
use super::source::Source;
use crate::plan::{Node, Plan};
use crate::types::*;

/// The rows of VALUES; as in PostgreSQL their columns are called `column1`, `column2`, ..., and each has the type that all of its values have in common.
pub(super) fn values(source: &Source<'_>, values: &ast::Values) -> Result<Plan, QueryError> {
    let rows: Vec<&[ast::Expr]> = values.rows.iter().map(|row| &row.content[..]).collect();
    let Some(width) = rows.first().map(|row| row.len()).filter(|width| *width > 0) else {
        return Err(source.error(values.span(), "a row of VALUES has values: write VALUES (1, 'a'), (2, 'b')"));
    };
    if let Some((row, other)) = values.rows.iter().zip(&rows).find(|(_, other)| other.len() != width) {
        let message = format!("the rows of VALUES have {width} and {} values: make them alike", other.len());
        return Err(source.error(row.span(), message));
    }
    let mut binder = Binder { place: Place::Values, ..Binder::new(source, Scope::default()) };
    let (mut columns, mut of_columns) = (Vec::new(), Vec::new());
    for column in 0..width {
        let bound = rows.iter().map(|row| binder.bind(&row[column])).collect::<Result<Vec<_>, _>>()?;
        let exprs = binder.unify(bound, "put into one column of VALUES")?;
        for (expr, row) in exprs.iter().zip(&rows) {
            binder.check_nesting(expr, row[column].span())?;
        }
        columns.push((format!("column{}", column + 1), exprs[0].data_type));
        of_columns.push(exprs.into_iter());
    }
    let next_row = |_| of_columns.iter_mut().map(|column| column.next().expect("a value for each row")).collect();
    let rows = (0..rows.len()).map(next_row).collect();
    Ok(Plan::new(Node::Values { columns, rows }, source.range(values.span())))
}

/// One row of which nothing is known by name. (It has a column, so that it is a row everywhere.)
pub(super) fn one_row(span: std::ops::Range<usize>) -> (Plan, Scope) {
    let columns = vec![("nothing".to_owned(), DataType::Int)];
    let rows = vec![vec![Expr::literal(Value::Null, DataType::Int)]];
    (Plan::new(Node::Values { columns, rows }, span), Scope { width: 1, ..Scope::default() })
}

/// The value that a plan is, where it is one that no row decides.
pub(super) fn constant(plan: &Plan) -> Option<&Expr> {
    let reads_nothing = |expr: &&Expr| !expr.reads(|_| true);
    match &plan.node {
        Node::Values { rows, .. } => match &rows[..] {
            [row] => row.first(),
            _ => None,
        },
        Node::Project { input, columns } => match (&input.node, &columns[..]) {
            (Node::Values { rows, .. }, [column]) if rows.len() == 1 => Some(&column.expr).filter(reads_nothing),
            _ => None,
        },
        _ => None,
    }
}

impl Binder<'_> {
    /// `x IN (VALUES (1), (2))`: as `x IN (1, 2)`, which joins nothing.
    pub(super) fn in_values(&mut self, arg: &ast::Expr, query: &ast::Query, negated: bool) -> Result<Option<Bound>, QueryError> {
        let Some(rows) = written_out(query) else { return Ok(None) };
        let width = row(arg).map_or(1, |args| args.len());
        // What is wrong with others is told of all subqueries.
        if rows.iter().any(|row| row.len() != width) {
            return Ok(None);
        }
        Ok(Some(if row(arg).is_some() {
            let list: Vec<ast::Expr> = rows.into_iter().map(|row| ast::Expr::Tuple(row.to_vec())).collect();
            self.row_in_list(arg, &list, negated)?
        } else {
            let list: Vec<ast::Expr> = rows.into_iter().flatten().cloned().collect();
            self.in_list(arg, &list, negated)?
        }))
    }
}

/// The rows of a query that is VALUES and nothing more.
fn written_out(query: &ast::Query) -> Option<Vec<&[ast::Expr]>> {
    let is_alone = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    match &*query.body {
        SetExpr::Values(values) if is_alone => Some(values.rows.iter().map(|row| &row.content[..]).collect()),
        _ => None,
    }
}
