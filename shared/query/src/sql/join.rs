//! Joins in FROM.

use sqlparser::ast::{self, JoinConstraint, JoinOperator, Spanned, TableFactor};
use sqlparser::tokenizer::Span;
use twopath_base::LogColumn;

use super::QueryError;
use super::expr::{Binder, Bound};
use super::from::{Relations, TopicSchema};
use super::lateral::lateral;
use super::scope::{Column, Scope, same_name};
use crate::plan::{JoinKind, Moment, Node, Plan, Upserts};
use crate::types::*;

impl Relations<'_> {
    /// A table with all that it is joined to.
    pub(super) fn joined(&mut self, table: &ast::TableWithJoins) -> Result<(Plan, Scope), QueryError> {
        let mut left = self.factor(&table.relation)?;
        for join in &table.joins {
            left = self.join(left, join)?;
        }
        Ok(left)
    }

    /// All pairs.
    pub(super) fn crossed(&self, left: (Plan, Scope), right: (Plan, Scope)) -> Result<(Plan, Scope), QueryError> {
        let scope = self.beside(left.1, right.1, right.0.span.clone())?;
        let span = left.0.span.start..right.0.span.end;
        let node = Node::Join { left: Box::new(left.0), right: Box::new(right.0), kind: JoinKind::Inner, on: None };
        Ok((Plan::new(node, span), scope))
    }

    pub(super) fn join(&mut self, left: (Plan, Scope), join: &ast::Join) -> Result<(Plan, Scope), QueryError> {
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) => (JoinKind::Inner, c),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (JoinKind::Left, c),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (JoinKind::Right, c),
            JoinOperator::FullOuter(c) => (JoinKind::Full, c),
            JoinOperator::CrossJoin(JoinConstraint::None) => {
                if let Some(of) = lateral(&join.relation) {
                    return self.lateral(left, of, None);
                }
                let right = self.factor(&join.relation)?;
                return self.crossed(left, right);
            }
            JoinOperator::AsOf { match_condition, constraint } => return self.as_of(left, join, match_condition, constraint),
            _ => {
                let message = "this kind of join is not supported: write JOIN, LEFT JOIN, RIGHT JOIN, FULL JOIN, CROSS JOIN or ASOF JOIN";
                return Err(self.source.error(join.relation.span(), message));
            }
        };
        if let Some(of) = lateral(&join.relation) {
            return self.lateral(left, of, Some((kind, constraint)));
        }
        if let TableFactor::Table { name, alias, version: Some(ast::TableVersion::ForSystemTimeAsOf(at)), .. } = &join.relation {
            return self.temporal(left, (name, alias.as_ref()), at, (kind, constraint));
        }
        let (right, right_scope) = self.factor(&join.relation)?;
        let (left, left_scope) = left;
        let width = left_scope.width;
        let mut scope = self.beside(left_scope, right_scope, right.span.clone())?;
        let on = self.on(&mut scope, constraint, kind, width, join.relation.span())?;
        let span = left.span.start..right.span.end;
        Ok((Plan::new(Node::Join { left: Box::new(left), right: Box::new(right), kind, on }, span), scope))
    }

    /// `FROM stream s JOIN topic FOR SYSTEM_TIME AS OF s.time AS t ON ...`.
    fn temporal(
        &mut self,
        (left, left_scope): (Plan, Scope),
        (name, alias): (&ast::ObjectName, Option<&ast::TableAlias>),
        at: &ast::Expr,
        (kind, constraint): (JoinKind, &JoinConstraint),
    ) -> Result<(Plan, Scope), QueryError> {
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            let message = "a join to a table as of a moment asks for each row of the left side: write JOIN or LEFT JOIN";
            return Err(self.source.error(name.span(), message));
        }
        let topic = match &name.0[..] {
            [ast::ObjectNamePart::Identifier(ident)] => self.topic(ident),
            _ => None,
        };
        let Some(topic) = topic else {
            let message = format!("FOR SYSTEM_TIME AS OF goes with a topic whose records are the changes of a table, and {name} is none");
            return Err(self.source.error(name.span(), message));
        };
        let key = self.key_of(topic, name.span())?;
        let (right, right_scope) = self.scan(topic, name.span())?;
        let arrival = |scope: &Scope| scope.log_column(LogColumn::Arrival);
        let left_arrival = arrival(&left_scope);
        let is_arrival = matches!(at, ast::Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("proctime"));
        let left_at = if is_arrival {
            left_arrival.clone().ok_or_else(|| {
                let message = "PROCTIME() is when the log took the row, which the left side does not say: put _arrival out there";
                self.source.error(at.span(), message)
            })?
        } else {
            Binder::new(self.source, left_scope.clone()).expr_of(at, DataType::Timestamp, "after FOR SYSTEM_TIME AS OF")?
        };
        let by_arrival = left_arrival.as_ref() == Some(&left_at);
        let right_at = if by_arrival {
            arrival(&right_scope)
        } else {
            let time = topic.time.and_then(|time| right_scope.columns.iter().find(|c| c.name == time));
            time.map(|c| c.expr.clone())
        };
        let Some(right_at) = right_at else {
            let message = format!(
                "topic {} has no event time, so that it is a table as of arrival only: write FOR SYSTEM_TIME AS OF PROCTIME()",
                topic.name
            );
            return Err(self.source.error(at.span(), message));
        };
        let upserts = self.upserts(topic, key, &right_scope, !by_arrival);
        let (right, right_scope) = self.aliased(right, right_scope, alias)?;
        let width = left_scope.width;
        let mut scope = self.beside(left_scope, right_scope, right.span.clone())?;
        let on = self.on(&mut scope, constraint, kind, width, name.span())?;
        let span = left.span.start..right.span.end;
        let at = Moment { left_at, right_at, inclusive: !by_arrival };
        Ok((Plan::new(Node::TemporalJoin { left: Box::new(left), right: Box::new(right), kind, on, at, upserts }, span), scope))
    }

    /// `FROM l ASOF JOIN r MATCH_CONDITION (l.t >= r.t) ON l.k = r.k`.
    fn as_of(
        &mut self,
        (left, left_scope): (Plan, Scope),
        join: &ast::Join,
        condition: &ast::Expr,
        constraint: &JoinConstraint,
    ) -> Result<(Plan, Scope), QueryError> {
        let kind = if self.source.is_left_asof(join.relation.span()) { JoinKind::Left } else { JoinKind::Inner };
        let (right, right_scope) = self.factor(&join.relation)?;
        let width = left_scope.width;
        let mut scope = self.beside(left_scope, right_scope, right.span.clone())?;
        let bound = Binder::new(self.source, scope.clone()).expr_of(condition, DataType::Bool, "in MATCH_CONDITION")?;
        let wrong = || {
            let message =
                "MATCH_CONDITION compares a time of the left side with one of the right: write MATCH_CONDITION (l.time >= r.time)";
            self.source.error(condition.span(), message)
        };
        let ExprKind::Binary { op, left: a, right: b } = bound.kind else { return Err(wrong()) };
        let flipped = match op {
            BinaryOp::Less => BinaryOp::Greater,
            BinaryOp::LessOrEqual => BinaryOp::GreaterOrEqual,
            BinaryOp::Greater => BinaryOp::Less,
            BinaryOp::GreaterOrEqual => BinaryOp::LessOrEqual,
            _ => return Err(wrong()),
        };
        let of_left = |e: &Expr| !e.reads(|i| i >= width);
        let of_right = |e: &Expr| !e.reads(|i| i < width);
        let (op, left_at, right_at) = match (of_left(&a) && of_right(&b), of_right(&a) && of_left(&b)) {
            (true, _) => (op, *a, *b),
            (_, true) => (flipped, *b, *a),
            _ => return Err(wrong()),
        };
        let right_at = right_at.renumbered(|i| i - width);
        let on = self.on(&mut scope, constraint, kind, width, join.relation.span())?;
        let span = left.span.start..right.span.end;
        let node = Node::AsOfJoin { left: Box::new(left), right: Box::new(right), kind, on, op, left_at, right_at };
        Ok((Plan::new(node, span), scope))
    }

    pub(super) fn on(
        &self,
        scope: &mut Scope,
        constraint: &JoinConstraint,
        kind: JoinKind,
        width: usize,
        place: Span,
    ) -> Result<Option<Expr>, QueryError> {
        match constraint {
            JoinConstraint::On(condition) => {
                let mut binder = Binder::new(self.source, scope.clone());
                let bound = binder.bind(condition)?;
                let on = binder.coerce(bound, DataType::Bool, "in ON")?;
                binder.check_nesting(&on, condition.span())?;
                Ok(Some(on))
            }
            JoinConstraint::Using(names) => {
                let mut on: Option<Expr> = None;
                let mut joined_by = Vec::new();
                for name in names {
                    let [ast::ObjectNamePart::Identifier(ident)] = &name.0[..] else {
                        return Err(self.source.error(name.span(), "USING takes the names of columns"));
                    };
                    let (equal, column) = self.using(scope, ident, kind, width)?;
                    joined_by.push(column);
                    on = Some(match on {
                        None => equal,
                        Some(before) => Expr::binary(BinaryOp::And, before, equal, DataType::Bool),
                    });
                }
                // As PostgreSQL has it, before what else the join has.
                scope.put_first(&joined_by);
                Ok(on)
            }
            JoinConstraint::UsingAlias(..) => Err(self.source.error(place, "USING (...) AS is not supported: leave AS and the name out")),
            JoinConstraint::Natural => {
                let shown = |of_left: bool| {
                    let is_of = move |c: &&Column| !c.is_merged && !c.is_hidden && !c.expr.reads(|i| (i < width) != of_left);
                    scope.columns.iter().filter(is_of).map(|c| c.name.clone())
                };
                let of_right: Vec<String> = shown(false).collect();
                let both: Vec<String> = shown(true).filter(|name| of_right.contains(name)).collect();
                let ident = |name: &String| ast::Ident { value: name.clone(), quote_style: Some('"'), span: place };
                let names = both.iter().map(|name| ast::ObjectName(vec![ast::ObjectNamePart::Identifier(ident(name))])).collect();
                if both.is_empty() { Ok(None) } else { self.on(scope, &JoinConstraint::Using(names), kind, width, place) }
            }
            JoinConstraint::None => Err(self.source.error(place, "a join needs ON or USING; for all pairs write CROSS JOIN")),
        }
    }

    /// One column for both sides' column of a name: that they are equal, and which of the scope's it is.
    fn using(&self, scope: &mut Scope, ident: &ast::Ident, kind: JoinKind, width: usize) -> Result<(Expr, usize), QueryError> {
        let find = |of_left: bool| {
            let mut found = (0..scope.columns.len()).filter(|&i| {
                let c = &scope.columns[i];
                !c.is_merged && !c.is_hidden && same_name(ident, &c.name) && !c.expr.reads(|i| (i < width) != of_left)
            });
            match (found.next(), found.next()) {
                (Some(one), None) => Ok(one),
                (None, _) => {
                    let side = if of_left { "left" } else { "right" };
                    Err(self.source.error(ident.span, format!("the {side} side of the join has no column '{}' for USING", ident.value)))
                }
                _ => {
                    let message = format!(
                        "a side of the join has several columns '{0}', of which USING takes one: write ON with their relations' names",
                        ident.value
                    );
                    Err(self.source.error(ident.span, message))
                }
            }
        };
        let (left, right) = (find(true)?, find(false)?);
        let (a, b) = (scope.columns[left].expr.clone(), scope.columns[right].expr.clone());
        let binder = Binder::new(self.source, scope.clone());
        let sides = (Bound::typed(a.clone(), ident.span), Bound::typed(b.clone(), ident.span));
        let equal = binder.binary(BinaryOp::Equal, sides.0, sides.1)?;
        let equal = binder.settle(equal)?;
        let of_left = Expr::new(ExprKind::IsNull { arg: Box::new(a.clone()), negated: true }, DataType::Bool);
        // What both come to is of the type that holds either.
        let (a, b) = binder.unify_two(Bound::typed(a, ident.span), Bound::typed(b, ident.span), "joined by USING")?;
        scope.columns[right].is_merged = true;
        let data_type = a.data_type;
        scope.columns[left].expr = match kind {
            JoinKind::Inner | JoinKind::Left => a,
            JoinKind::Right => b,
            JoinKind::Full => Expr::new(ExprKind::Case { branches: vec![(of_left, a)], otherwise: Some(Box::new(b)) }, data_type),
        };
        Ok((equal, left))
    }

    /// The names of both sides, which differ.
    pub(super) fn beside(&self, left: Scope, right: Scope, place: std::ops::Range<usize>) -> Result<Scope, QueryError> {
        let twice = right.relations.iter().find(|r| left.relations.iter().any(|l| l.known_as() == r.known_as()));
        match twice {
            Some(relation) => {
                let message =
                    format!("two relations are known as {0}: give one a name of its own, as in {0} AS other", relation.known_as());
                Err(self.source.error_at(place, message))
            }
            None => Ok(left.beside(right)),
        }
    }

    /// The columns that name a row of a topic.
    pub(super) fn key_of(&self, topic: TopicSchema<'_>, place: Span) -> Result<Vec<usize>, QueryError> {
        let key = topic.key.and_then(|key| topic.schema.fields().iter().position(|f| f.name() == key));
        key.map(|key| vec![key]).ok_or_else(|| {
            let message = format!(
                "topic {0} has no key, so that none of its records replaces another: write UPSERT(TABLE {0}, DESCRIPTOR(column)), or make the topic with --key",
                topic.name
            );
            self.source.error(place, message)
        })
    }

    /// How the records of a topic replace one another: in the log's order, or in that of event time.
    pub(super) fn upserts(&self, topic: TopicSchema<'_>, key: Vec<usize>, scope: &Scope, by_time: bool) -> Upserts {
        let time = topic.time.and_then(|time| topic.schema.fields().iter().position(|f| f.name() == time));
        let fields = topic.schema.fields().len();
        let log = LogColumn::ORDER.map(|c| c.index(fields));
        debug_assert!(scope.width >= fields + log.len(), "the log's columns stand behind the topic's");
        let payload = (0..fields).filter(|i| !key.contains(i) && Some(*i) != time).collect();
        let order = time.filter(|_| by_time).into_iter().chain(log).collect();
        Upserts { key, order, payload }
    }
}
