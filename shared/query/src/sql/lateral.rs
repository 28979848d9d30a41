//! LATERAL: a subquery in FROM that is about the row to its left.
//!
//! As where it stands in an expression, its rows are told apart by what they compare with that row, and joined by it; here there may be several. What reads nothing else
//! (`SELECT l.a + 1 AS b`, `VALUES (l.a), (l.b)`) is computed of the row itself, and joins nothing.

use sqlparser::ast::{self, GroupByExpr, JoinConstraint, JoinOperator, SelectItem, SetExpr, Spanned, TableFactor};

use super::QueryError;
use super::expr::{Binder, Place};
use super::from::{Relations, name_of};
use super::scope::Scope;
use super::select::{bind_subquery, default_name};
use super::subquery::{Around, equals, is_null, with_mark};
use crate::plan::{JoinKind, Node, Plan};
use crate::types::*;

/// The subquery of LATERAL, and its name.
pub(super) type Lateral<'q> = (&'q ast::Query, Option<&'q ast::TableAlias>);

pub(super) fn lateral(factor: &TableFactor) -> Option<Lateral<'_>> {
    match factor {
        TableFactor::Derived { lateral: true, subquery, alias, sample: None } => Some((subquery, alias.as_ref())),
        _ => None,
    }
}

impl Relations<'_> {
    /// `left, LATERAL (...) l JOIN ...`.
    pub(super) fn beside_lateral(
        &mut self,
        left: (Plan, Scope),
        of: Lateral<'_>,
        joins: &[ast::Join],
    ) -> Result<(Plan, Scope), QueryError> {
        let mut left = self.lateral(left, of, None)?;
        for join in joins {
            let keeps_right =
                matches!(&join.join_operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_));
            if keeps_right {
                let message = "rows of this side are kept that no row of LATERAL meets: write LATERAL by CROSS JOIN, before this join";
                return Err(self.source.error(join.relation.span(), message));
            }
            left = self.join(left, join)?;
        }
        Ok(left)
    }

    /// Each row with those that the subquery gives for it; by CROSS JOIN where `how` says nothing.
    pub(super) fn lateral(
        &mut self,
        (left, left_scope): (Plan, Scope),
        (query, alias): Lateral<'_>,
        how: Option<(JoinKind, &JoinConstraint)>,
    ) -> Result<(Plan, Scope), QueryError> {
        let place = query.span();
        let kind = how.map_or(JoinKind::Inner, |(kind, _)| kind);
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            let message = "LATERAL is asked for each row of the left side: write CROSS JOIN LATERAL or LEFT JOIN LATERAL (...) l ON TRUE";
            return Err(self.source.error(place, message));
        }
        if let Some(rows) = rows_of_row(query) {
            return self.of_row((left, left_scope), rows, (query, alias), how);
        }
        let mut around = Around::of(left_scope.clone());
        let plan = bind_subquery(self, query, &mut around)?;
        let (keys, all) = (around.keys.len(), plan.columns());
        let shown = all.len() - keys;
        let plan = match alias {
            Some(alias) if alias.columns.len() > shown => {
                let message = format!("{} names for {shown} columns: leave some out", alias.columns.len());
                return Err(self.source.error(alias.name.span, message));
            }
            Some(alias) => self.renamed(plan, alias)?,
            None => plan,
        };
        let name = alias.map_or("the subquery".to_owned(), |alias| name_of(&alias.name));
        let own = plan.columns()[..shown].to_vec();
        let width = left_scope.width;
        let own_keys = all[shown..].iter().enumerate().map(|(i, (_, t))| Expr::column(width + shown + i, *t)).collect();
        let meet = Binder::new(self.source, left_scope.clone()).keys_meet(&around, own_keys, place)?.into_iter().reduce(Expr::and);
        let mut right_scope = Scope::new(&name, false, own);
        let span = left.span.start..plan.span.end.max(left.span.end);
        let joined = |left: Plan, right: Plan, kind, on| {
            Plan::new(Node::Join { left: Box::new(left), right: Box::new(right), kind, on }, span.clone())
        };
        if let Some(of_none) = around.of_none.filter(|_| keys > 0) {
            if around.is_cut_off {
                return Err(self.source.error(place, "an aggregate of all rows is one row: leave OFFSET, or LIMIT 0, out"));
            }
            let mut scope = self.beside(left_scope, right_scope, plan.span.clone())?;
            let rows = joined(left, with_mark(plan, false), JoinKind::Left, meet);
            let plan = with_none(rows, width, &of_none, width + all.len());
            let on = how.map(|(kind, constraint)| self.on(&mut scope, constraint, kind, width, place)).transpose()?.flatten();
            return match on.filter(|on| !is_true(on)) {
                None => Ok((plan, scope)),
                Some(condition) if kind == JoinKind::Inner => {
                    Ok((Plan::new(Node::Filter { input: Box::new(plan), condition }, span), scope))
                }
                Some(_) => {
                    let message = "an aggregate of all rows is there for each row: write LEFT JOIN LATERAL (...) l ON TRUE";
                    Err(self.source.error(place, message))
                }
            };
        }
        right_scope.width += keys;
        let mut scope = self.beside(left_scope, right_scope, plan.span.clone())?;
        let on = how.map(|(kind, constraint)| self.on(&mut scope, constraint, kind, width, place)).transpose()?.flatten();
        let on = match (meet, on) {
            (Some(meet), Some(on)) if !is_true(&on) => Some(meet.and(on)),
            (Some(meet), _) => Some(meet),
            (None, on) => on,
        };
        Ok((joined(left, plan, kind, on), scope))
    }
}

/// Rows that are computed of the row to their left: what their columns are called, and their values.
type RowsOfRow<'q> = (Vec<String>, Vec<Vec<&'q ast::Expr>>);

/// The rows of a query that reads nothing: VALUES, or SELECT without FROM and whatever chooses among rows.
fn rows_of_row(query: &ast::Query) -> Option<RowsOfRow<'_>> {
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    match &*query.body {
        SetExpr::Values(values) => {
            let rows: Vec<Vec<&ast::Expr>> = values.rows.iter().map(|row| row.content.iter().collect()).collect();
            let width = rows.first()?.len();
            // What is wrong with others is told of all VALUES.
            let names = (1..=width).map(|column| format!("column{column}")).collect();
            rows.iter().all(|row| row.len() == width).then_some((names, rows))
        }
        SetExpr::Select(select) => {
            let groups = matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
            let is_plain = select.from.is_empty() && select.selection.is_none() && select.having.is_none() && select.qualify.is_none();
            if !is_plain || !groups || select.distinct.is_some() || !select.named_window.is_empty() {
                return None;
            }
            let items = select.projection.iter().map(|item| match item {
                SelectItem::UnnamedExpr(expr) => Some((default_name(expr), expr)),
                SelectItem::ExprWithAlias { expr, alias } => Some((name_of(alias), expr)),
                _ => None,
            });
            let (names, row): (Vec<String>, Vec<&ast::Expr>) = items.collect::<Option<Vec<_>>>()?.into_iter().unzip();
            (!row.is_empty()).then(|| (names, vec![row]))
        }
        _ => None,
    }
}

impl Relations<'_> {
    /// Each row with those that are computed of it. Of several each has a number, by which it has its values.
    fn of_row(
        &mut self,
        (left, left_scope): (Plan, Scope),
        (names, rows): RowsOfRow<'_>,
        (query, alias): Lateral<'_>,
        how: Option<(JoinKind, &JoinConstraint)>,
    ) -> Result<(Plan, Scope), QueryError> {
        let (place, width) = (query.span(), left_scope.width);
        let span = left.span.start..self.source.range(place).end.max(left.span.end);
        let at = |node| Plan::new(node, span.clone());
        let int = |i: usize| Expr::literal(Value::Int(i as i64), DataType::Int);
        let mut columns: Vec<NamedExpr> = left.as_they_are().collect();
        let mut binder = Binder { place: Place::Values, ..Binder::new(self.source, left_scope.clone()) };
        for (column, name) in names.into_iter().enumerate() {
            let bound = rows.iter().map(|row| binder.bind(row[column])).collect::<Result<Vec<_>, _>>()?;
            let mut values = binder.unify(bound, "put into one column of VALUES")?;
            let Some(last) = values.pop() else { unreachable!("there is a row") };
            let (data_type, number) = (last.data_type, Expr::column(width, DataType::Int));
            let branches: Vec<(Expr, Expr)> =
                values.into_iter().enumerate().map(|(row, value)| (equals(number.clone(), int(row)), value)).collect();
            let expr = match branches.is_empty() {
                true => last,
                false => Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(last)) }, data_type),
            };
            binder.check_nesting(&expr, place)?;
            columns.push(NamedExpr { name, expr });
        }
        let own = columns[width..].iter().map(|c| (c.name.clone(), c.expr.data_type)).collect();
        let numbered = match rows.len() {
            1 => left,
            count => {
                let numbers = (0..count).map(|row| vec![int(row)]).collect();
                let numbers = Box::new(at(Node::Values { columns: vec![("row".into(), DataType::Int)], rows: numbers }));
                at(Node::Join { left: Box::new(left), right: numbers, kind: JoinKind::Inner, on: None })
            }
        };
        let plan = at(Node::Project { input: Box::new(numbered), columns });
        let mut right_scope = Scope::new("the subquery", false, own);
        if let Some(alias) = alias {
            if alias.columns.len() > right_scope.width {
                let message = format!("{} names for {} columns: leave some out", alias.columns.len(), right_scope.width);
                return Err(self.source.error(alias.name.span, message));
            }
            right_scope.relations[0].name = name_of(&alias.name);
            right_scope.columns.iter_mut().zip(&alias.columns).for_each(|(column, new)| column.name = name_of(&new.name));
        }
        let kind = how.map_or(JoinKind::Inner, |(kind, _)| kind);
        let mut scope = self.beside(left_scope, right_scope, plan.span.clone())?;
        let on = how.map(|(kind, constraint)| self.on(&mut scope, constraint, kind, width, place)).transpose()?.flatten();
        match on.filter(|on| !is_true(on)) {
            None => Ok((plan, scope)),
            Some(condition) if kind == JoinKind::Inner => Ok((at(Node::Filter { input: Box::new(plan), condition }), scope)),
            Some(_) => {
                let message = "what is computed of a row is there for each row: write LEFT JOIN LATERAL (...) l ON TRUE";
                Err(self.source.error(place, message))
            }
        }
    }
}

/// The first `width` columns and behind them those of an aggregate: what it is of no rows where none was joined, as the column `mark` says.
fn with_none(plan: Plan, width: usize, of_none: &[Expr], mark: usize) -> Plan {
    let span = plan.span.clone();
    let none_joined = is_null(Expr::column(mark, DataType::Bool));
    let column = |(i, column): (usize, NamedExpr)| match i.checked_sub(width).map(|own| &of_none[own]) {
        Some(of_none) if of_none.kind != ExprKind::Literal(Value::Null) => {
            let data_type = column.expr.data_type;
            let branches = vec![(none_joined.clone(), of_none.clone())];
            let expr = Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(column.expr)) }, data_type);
            NamedExpr { expr, ..column }
        }
        _ => column,
    };
    let columns = plan.as_they_are().take(width + of_none.len()).enumerate().map(column).collect();
    Plan::new(Node::Project { input: Box::new(plan), columns }, span)
}

fn is_true(expr: &Expr) -> bool {
    expr.kind == ExprKind::Literal(Value::Bool(true))
}
