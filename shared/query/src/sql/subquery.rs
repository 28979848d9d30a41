//! Subqueries in expressions: `x IN (SELECT ...)`, `EXISTS (SELECT ...)`, and a query that gives one value.
//!
//! Each becomes a join: the rows of the query around it are joined with what the subquery comes to, at most one row for each, and the expression reads that. A subquery may be
//! about the row around it (`WHERE s.key = t.key`): then its rows are told apart by what they compare with that row, and joined by it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use sqlparser::ast::{self, BinaryOperator, SetExpr, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind, Read, not};
use super::grouping::Groups;
use super::over::OVER;
use super::row::row;
use super::scope::Scope;
use super::select::{Item, bind_subquery};
use super::source::Source;
use super::values::constant;
use crate::plan::{JoinKind, Node, Plan};
use crate::types::*;

/// While a subquery is bound, column `i` of the query around it is column `AROUND + i`.
pub(super) const AROUND: usize = 1 << 37;
/// While a statement is bound, column `i` of what a subquery is joined as is column `JOINED + i`.
pub(super) const JOINED: usize = 1 << 38;
/// While a statement is bound, the value of subquery `i` is column `SUBQUERY + i`.
pub(super) const SUBQUERY: usize = 1 << 39;

/// What a subquery knows of the query around it, and what that has to know of it.
pub(super) struct Around {
    pub scope: Scope,
    /// What the subquery's rows are told apart by: over the columns of the query around it. The subquery puts out its own side of each, behind its other columns.
    pub keys: Vec<Expr>,
    pub reads: Vec<Read>,
    /// Where it is an aggregate of all of its rows, what it puts out of none.
    pub of_none: Option<Vec<Expr>>,
    /// Whether there is one row at most of those that are about a row around it: LIMIT 1.
    pub is_one_each: bool,
    /// Whether, of an aggregate, OFFSET or LIMIT 0 leaves nothing.
    pub is_cut_off: bool,
}

impl Around {
    /// For a subquery in a query whose names these are.
    pub fn of(scope: Scope) -> Self {
        Around { scope, keys: Vec::new(), reads: Vec::new(), of_none: None, is_one_each: false, is_cut_off: false }
    }
}

/// What rows are joined with, how, and on what.
pub(super) type Joined = (Plan, JoinKind, Option<Expr>);

/// A subquery of an expression.
pub(super) struct Subquery {
    /// What the rows around it are joined with, one after the other: each with its condition, over the columns around and those that are joined.
    joins: Vec<Joined>,
    /// Over the columns around and those that are joined.
    value: Expr,
    /// What leaves just the rows for which the value is TRUE, in one join.
    holds: Option<(Plan, Expr)>,
    /// What it reads of the query around it, for messages.
    reads: Vec<Read>,
    span: Span,
}

impl Binder<'_> {
    /// `x IN (SELECT ...)`.
    pub(super) fn in_subquery(&mut self, arg: &ast::Expr, query: &ast::Query, negated: bool) -> Result<Bound, QueryError> {
        if let Some(bound) = self.in_values(arg, query, negated)? {
            return Ok(bound);
        }
        let first_read = self.reads.len();
        let args = row(arg).unwrap_or_else(|| vec![arg]);
        let args = args.into_iter().map(|ast| self.bind(ast)).collect::<Result<Vec<_>, _>>()?;
        let span = args.iter().map(|arg| arg.span).reduce(|a, b| a.union(&b)).unwrap_or(arg.span());
        if args.iter().any(|arg| matches!(&arg.kind, BoundKind::Typed(arg) if reads_over(arg))) {
            let message = "what OVER gives is compared with a subquery where it has a name: write FROM (SELECT ..., ROW_NUMBER() OVER (...) AS n FROM t) s WHERE n IN (SELECT ...)";
            return Err(self.error(span, message));
        }
        let (plan, around) = self.subquery(query, span)?;
        // It is read twice, by whatever reads it; for rows once for each way in which values may be NULL.
        let times = if args.len() > 1 { 3_usize.saturating_pow(args.len() as u32) } else { 1 };
        if size(&plan).saturating_mul(times) > NODES_MAX {
            return Err(self.error(
                span,
                "these queries within queries become too large: nest fewer of them, or name the inner one in FROM, as a JOIN",
            ));
        }
        if around.of_none.is_some() && !around.keys.is_empty() {
            return Err(
                self.error(span, "IN over an aggregate of rows that are about the row around them: compare it, as in x = (SELECT ...)")
            );
        }
        let values = plan.columns();
        let keys = around.keys.len();
        let width = values.len() - keys;
        match (width, args.len()) {
            (0, _) => return Err(self.error(span, "the subquery puts nothing out")),
            (width, compared) if width == compared => {}
            (_, 1) => return Err(self.error(span, "IN compares with one column: the subquery puts out several")),
            _ => {
                return Err(
                    self.error(span, format!("IN compares {} values with as many columns: the subquery puts out {width}", args.len()))
                );
            }
        }
        let mut compared = Vec::new();
        for (i, arg) in args.into_iter().enumerate() {
            compared.push(self.compared(arg, Bound::typed(Expr::column(JOINED + i, values[i].1), span))?);
        }
        // The values that are there, each once, as they are compared: several integers may be one float.
        let plan_as_compared = with_first(plan.clone(), compared.iter().map(|c| c.value.renumbered(|i| i - JOINED)).collect());
        let equal = compared.iter().enumerate().map(|(i, c)| equals(c.arg.clone(), Expr::column(JOINED + i, c.value.data_type)));
        let found = with_mark(plan_as_compared.clone(), true);
        let own_keys = |first: usize| values[width..].iter().enumerate().map(move |(i, (_, t))| Expr::column(first + i, *t));
        let by_keys = |first| self.keys_meet(&around, own_keys(JOINED + first).collect(), span);
        let Some(is_found) = equal.chain(by_keys(width)?).reduce(Expr::and) else { unreachable!("there are values") };
        let mark = Expr::column(JOINED + width + keys, DataType::Bool);
        let bool = |b| Expr::literal(Value::Bool(b), DataType::Bool);
        let null = Expr::literal(Value::Null, DataType::Bool);
        let found_join = (found.clone(), JoinKind::Left, Some(is_found.clone()));
        let behind = width + keys + 1;
        let (joins, branches) = if let [BoundParts { arg, .. }] = &compared[..] {
            // How many values there are, and how many of them are not NULL: of none, nothing is NULL.
            let counted = counted(&plan, keys);
            let counts_meet = by_keys(behind)?.into_iter().reduce(Expr::and);
            let rows = Expr::column(JOINED + behind + keys, DataType::Int);
            let present = Expr::column(JOINED + behind + keys + 1, DataType::Int);
            let is_empty = Expr::binary(BinaryOp::Or, is_null(rows.clone()), equals(rows.clone(), int(0)), DataType::Bool);
            let fewer = Expr::binary(BinaryOp::Less, present, rows, DataType::Bool);
            let unknown = Expr::binary(BinaryOp::Or, is_null(arg.clone()), fewer, DataType::Bool);
            let kind = if keys == 0 { JoinKind::Inner } else { JoinKind::Left };
            let branches = vec![(not(is_null(mark)), bool(true)), (is_empty, bool(false)), (unknown, null)];
            (vec![found_join, (counted, kind, counts_meet)], branches)
        } else {
            let args: Vec<Expr> = compared.into_iter().map(|c| c.arg).collect();
            let (lookups, unknown) = self.row_unknown(&plan_as_compared, (&args, &around), behind, span)?;
            ([found_join].into_iter().chain(lookups).collect(), vec![(not(is_null(mark)), bool(true)), (unknown, null)])
        };
        let value = Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(bool(false))) }, DataType::Bool);
        self.joined_subquery(Subquery { joins, value, holds: Some((found, is_found)), reads: Vec::new(), span }, first_read, negated)
    }

    /// `EXISTS (SELECT ...)`.
    pub(super) fn exists(&mut self, query: &ast::Query, negated: bool) -> Result<Bound, QueryError> {
        let first_read = self.reads.len();
        let span = query.span();
        let (plan, around) = self.subquery(query, span)?;
        let keys = around.keys.len();
        if keys == 0 {
            let value = Expr::binary(BinaryOp::Greater, Expr::column(JOINED, DataType::Int), int(0), DataType::Bool);
            let joins = vec![(counted(&plan, 0), JoinKind::Inner, None)];
            return self.joined_subquery(Subquery { joins, value, holds: None, reads: Vec::new(), span }, first_read, negated);
        }
        if around.of_none.is_some() {
            return Err(self.error(span, "an aggregate without GROUP BY always exists: leave the aggregate out, or add GROUP BY"));
        }
        let columns = plan.columns();
        let own = columns[columns.len() - keys..].iter().enumerate().map(|(i, (_, t))| Expr::column(JOINED + i, *t)).collect();
        let Some(meet) = self.keys_meet(&around, own, span)?.into_iter().reduce(Expr::and) else { unreachable!("there are keys") };
        let found = with_mark(last_columns(plan, keys), true);
        let value = not(is_null(Expr::column(JOINED + keys, DataType::Bool)));
        let joins = vec![(found.clone(), JoinKind::Left, Some(meet.clone()))];
        self.joined_subquery(Subquery { joins, value, holds: Some((found, meet)), reads: Vec::new(), span }, first_read, negated)
    }

    /// `(SELECT ...)`: one value.
    pub(super) fn one_value(&mut self, query: &ast::Query) -> Result<Bound, QueryError> {
        let first_read = self.reads.len();
        let span = query.span();
        let (plan, around) = self.subquery(query, span)?;
        let keys = around.keys.len();
        let columns = plan.columns();
        if columns.len() - keys != 1 {
            return Err(self.error(span, "a subquery in an expression gives one value: it puts out several columns"));
        }
        if let Some(constant) = constant(&plan).filter(|_| keys == 0) {
            return Ok(Bound::typed(constant.clone(), span));
        }
        let is_one = if keys == 0 { one_row(&plan).is_some() } else { around.of_none.is_some() || around.is_one_each };
        if !is_one {
            let message = "a subquery in an expression gives one value: aggregate it, as in (SELECT MAX(c) FROM t), or end it with ORDER BY and LIMIT 1; for any of several write IN or EXISTS";
            return Err(self.error(span, message));
        }
        let value = Expr::column(JOINED, columns[0].1);
        if keys == 0 {
            let kind = if one_row(&plan) == Some(Rows::One) { JoinKind::Inner } else { JoinKind::Left };
            let joins = vec![(plan, kind, None)];
            return self.joined_subquery(Subquery { joins, value, holds: None, reads: Vec::new(), span }, first_read, false);
        }
        let own = columns[1..].iter().enumerate().map(|(i, (_, t))| Expr::column(JOINED + 1 + i, *t)).collect();
        let meet = self.keys_meet(&around, own, span)?.into_iter().reduce(Expr::and);
        let mark = Expr::column(JOINED + 1 + keys, DataType::Bool);
        let value = match around.of_none.as_deref() {
            Some([of_none, ..]) if !matches!(of_none.kind, ExprKind::Literal(Value::Null)) => {
                let data_type = value.data_type;
                let branches = vec![(is_null(mark), of_none.clone())];
                Expr::new(ExprKind::Case { branches, otherwise: Some(Box::new(value)) }, data_type)
            }
            _ => value,
        };
        let joins = vec![(with_mark(plan, false), JoinKind::Left, meet)];
        self.joined_subquery(Subquery { joins, value, holds: None, reads: Vec::new(), span }, first_read, false)
    }

    /// `x = ANY (SELECT ...)` is IN, and `x <> ALL (SELECT ...)` is NOT IN.
    pub(super) fn quantified(
        &mut self,
        (left, op, right): (&ast::Expr, &BinaryOperator, &ast::Expr),
        of_all: bool,
    ) -> Result<Bound, QueryError> {
        let query = match right {
            ast::Expr::Subquery(query) => query,
            ast::Expr::Nested(inner) => return self.quantified((left, op, inner), of_all),
            other => return Err(self.error(other.span(), "ANY and ALL go with a subquery: write the values out, as in c IN ('a', 'b')")),
        };
        match (op, of_all) {
            (BinaryOperator::Eq, false) => self.in_subquery(left, query, false),
            (BinaryOperator::NotEq, true) => self.in_subquery(left, query, true),
            _ => {
                let name = if of_all { "ALL" } else { "ANY" };
                let message = format!("{op} {name} is not supported: compare with (SELECT MIN(c) ...) or (SELECT MAX(c) ...)");
                Err(self.error(right.span(), message))
            }
        }
    }

    fn subquery(&mut self, query: &ast::Query, span: Span) -> Result<(Plan, Around), QueryError> {
        let Some(relations) = &self.relations else {
            return Err(self.error(span, "a subquery cannot stand here: put it into WHERE, HAVING or the select list"));
        };
        let mut around = Around::of(self.scope.clone());
        let plan = bind_subquery(&mut relations.clone(), query, &mut around)?;
        self.reads.append(&mut around.reads);
        Ok((plan, around))
    }

    /// The conditions by which rows around a subquery meet its own, whose side of each key this is.
    pub(super) fn keys_meet(&self, around: &Around, own: Vec<Expr>, span: Span) -> Result<Vec<Expr>, QueryError> {
        let meet = |(key, own): (&Expr, Expr)| {
            let equal = self.binary(BinaryOp::Equal, Bound::typed(key.clone(), span), Bound::typed(own, span))?;
            self.settle(equal)
        };
        around.keys.iter().zip(own).map(meet).collect()
    }

    pub(super) fn compared(&self, arg: Bound, value: Bound) -> Result<BoundParts, QueryError> {
        let equal = self.binary(BinaryOp::Equal, arg, value)?;
        let equal = self.settle(equal)?;
        match equal.kind {
            ExprKind::Binary { left, right, .. } => Ok(BoundParts { arg: *left, value: *right }),
            other => unreachable!("a comparison is binary, and not {other:?}"),
        }
    }

    fn joined_subquery(&mut self, subquery: Subquery, first_read: usize, negated: bool) -> Result<Bound, QueryError> {
        let (data_type, span) = (subquery.value.data_type, subquery.span);
        let reads = self.reads[first_read..].to_vec();
        // Written twice it is one.
        let number = self.subqueries.iter().position(|known| known.is_same(&subquery)).unwrap_or(self.subqueries.len());
        if number == self.subqueries.len() {
            self.subqueries.push(Subquery { reads, ..subquery });
        }
        let value = Expr::column(SUBQUERY + number, data_type);
        Ok(Bound::typed(if negated { not(value) } else { value }, span))
    }
}

/// The sides of a comparison, brought to one type.
pub(super) struct BoundParts {
    pub arg: Expr,
    pub value: Expr,
}

/// How many operators a query may have that is read twice.
const NODES_MAX: usize = 500;

fn size(plan: &Plan) -> usize {
    1 + plan.inputs().into_iter().map(size).sum::<usize>()
}

/// The subqueries of a statement, once it is bound.
pub(super) struct Subqueries(pub Vec<Subquery>);

impl Subqueries {
    /// The rows for which the condition is TRUE, with the columns that they had.
    pub fn filtered(
        &self,
        mut plan: Plan,
        condition: Expr,
        groups: Option<&Groups<'_>>,
        span: std::ops::Range<usize>,
    ) -> Result<Plan, QueryError> {
        if self.named_in([&condition]).is_empty() {
            return Ok(Plan::new(Node::Filter { input: Box::new(plan), condition }, span));
        }
        let columns = plan.as_they_are().collect();
        // From left to right: what stands before a subquery's comparison guards it.
        let mut rest: Vec<Expr> = Vec::new();
        let left = |plan: Plan, rest: &mut Vec<Expr>| match rest.drain(..).reduce(Expr::and) {
            Some(condition) => Plan::new(Node::Filter { input: Box::new(plan), condition }, span.clone()),
            None => plan,
        };
        for condition in condition.conjuncts() {
            if reads_subquery(condition) {
                plan = left(plan, &mut rest);
            }
            let holds = match condition.kind {
                ExprKind::Column(i) if (SUBQUERY..OVER).contains(&i) => {
                    self.0[i - SUBQUERY].holds.as_ref().map(|h| (h, &self.0[i - SUBQUERY]))
                }
                _ => None,
            };
            let Some(((right, on), subquery)) = holds else {
                let mut condition = condition.clone();
                plan = self.attached(plan, vec![&mut condition], groups)?;
                rest.push(condition);
                continue;
            };
            let mut on = subquery.over_groups(on, groups)?;
            plan = self.attached(plan, vec![&mut on], groups)?;
            let width = plan.columns().len();
            let on = Some(joined_behind(&on, width));
            plan = Plan::new(Node::Join { left: Box::new(plan), right: Box::new(right.clone()), kind: JoinKind::Inner, on }, span.clone());
        }
        plan = left(plan, &mut rest);
        Ok(Plan::new(Node::Project { input: Box::new(plan), columns }, span))
    }

    /// The plan joined with the subqueries that these expressions read, which then read what was joined.
    pub fn attached(&self, mut plan: Plan, exprs: Vec<&mut Expr>, groups: Option<&Groups<'_>>) -> Result<Plan, QueryError> {
        let mut values: BTreeMap<usize, Expr> = BTreeMap::new();
        for number in self.named_in(exprs.iter().map(|e| &**e)) {
            let subquery = &self.0[number];
            let first = plan.columns().len();
            let placed = |expr: &Expr, values: &BTreeMap<usize, Expr>| {
                let over_groups = subquery.over_groups(expr, groups)?;
                Ok::<_, QueryError>(joined_behind(&with_values(&over_groups, values), first))
            };
            for (right, kind, on) in &subquery.joins {
                let on = on.as_ref().map(|on| placed(on, &values)).transpose()?;
                let span = plan.span.clone();
                plan = Plan::new(Node::Join { left: Box::new(plan), right: Box::new(right.clone()), kind: *kind, on }, span);
            }
            let value = placed(&subquery.value, &values)?;
            values.insert(number, value);
        }
        exprs.into_iter().for_each(|expr| *expr = with_values(expr, &values));
        Ok(plan)
    }

    /// The subqueries that these expressions read, and those that these read.
    fn named_in<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>) -> BTreeSet<usize> {
        let mut named = BTreeSet::new();
        exprs.into_iter().for_each(|e| named.extend(subqueries_of(e)));
        // A subquery reads such as were bound before it.
        for number in (0..self.0.len()).rev() {
            if named.contains(&number) {
                let Subquery { joins, value, .. } = &self.0[number];
                joins.iter().filter_map(|(.., on)| on.as_ref()).chain([value]).for_each(|e| named.extend(subqueries_of(e)));
            }
        }
        named
    }
}

impl Subquery {
    /// Whether both come to the same, wherever they stand in the text.
    fn is_same(&self, other: &Subquery) -> bool {
        let alike = |(a, b): (&Joined, &Joined)| a.1 == b.1 && a.2 == b.2 && nowhere(&a.0) == nowhere(&b.0);
        self.value == other.value && self.joins.len() == other.joins.len() && self.joins.iter().zip(&other.joins).all(alike)
    }

    /// An expression of it over the rows of groups, where the query around it has groups.
    fn over_groups(&self, expr: &Expr, groups: Option<&Groups<'_>>) -> Result<Expr, QueryError> {
        let Some(groups) = groups else { return Ok(expr.clone()) };
        let item = Item { name: "the subquery".into(), expr: expr.clone(), reads: self.reads.clone(), span: self.span };
        groups.of_group(&item)
    }
}

/// The plan without its places in the text.
fn nowhere(plan: &Plan) -> Plan {
    let Ok(plan) = plan.try_map_inputs(&mut |input| Ok::<_, Infallible>(nowhere(input)));
    Plan { span: 0..0, ..plan }
}

/// A subquery's condition, cut into what is of its own rows and what compares them with the row around it.
pub(super) struct Compared {
    pub own: Option<Expr>,
    /// The sides of the comparisons that are the row around it, over the columns of that.
    pub around: Vec<Expr>,
    /// The other side of each.
    pub own_keys: Vec<Expr>,
}

pub(super) fn compared_with_around(
    source: &Source<'_>,
    condition: Expr,
    subqueries: &[Subquery],
    span: Span,
) -> Result<Compared, QueryError> {
    let too_far = subqueries.iter().flat_map(|s| s.joins.iter().filter_map(|(.., on)| on.as_ref()).chain([&s.value])).find(|e| sides(e).1);
    if too_far.is_some() {
        let message = "a subquery within a subquery is compared with the row around that: put the outer one into FROM, as a JOIN";
        return Err(source.error(span, message));
    }
    if !sides(&condition).1 {
        return Ok(Compared { own: Some(condition), around: Vec::new(), own_keys: Vec::new() });
    }
    let (mut own, mut pairs) = (Vec::new(), Vec::new());
    // What is of the row around it alone guards what stands behind it.
    let mut guard: Option<Expr> = None;
    for conjunct in condition.conjuncts() {
        let back = |e: &Expr| {
            let e = e.renumbered(|i| i - AROUND);
            match &guard {
                Some(guard) if e.can_fail() => {
                    let data_type = e.data_type;
                    Expr::new(ExprKind::Case { branches: vec![(guard.clone(), e)], otherwise: None }, data_type)
                }
                _ => e,
            }
        };
        match (sides(conjunct), &conjunct.kind) {
            ((_, false), _) => own.push(conjunct.clone()),
            ((false, true), _) => {
                let of_around = back(conjunct);
                pairs.push((of_around.clone(), Expr::literal(Value::Bool(true), DataType::Bool)));
                guard = Some(guard.map_or(of_around.clone(), |guard| guard.and(of_around)));
            }
            (_, ExprKind::Binary { op: BinaryOp::Equal, left, right }) => match (sides(left), sides(right)) {
                ((false, true), (_, false)) => pairs.push((back(left), (**right).clone())),
                ((_, false), (false, true)) => pairs.push((back(right), (**left).clone())),
                _ => return Err(not_equal(source, span)),
            },
            _ => return Err(not_equal(source, span)),
        }
    }
    let (around, own_keys) = pairs.into_iter().unzip();
    Ok(Compared { own: own.into_iter().reduce(Expr::and), around, own_keys })
}

fn not_equal(source: &Source<'_>, span: Span) -> QueryError {
    let message = "a subquery is compared with the row around it by equalities that are joined by AND, as in WHERE s.key = t.key: write what else there is as a JOIN";
    source.error(span, message)
}

/// Whether an expression reads the query's own columns, and whether it reads those of the query around it.
fn sides(expr: &Expr) -> (bool, bool) {
    let (mut own, mut around) = (false, false);
    expr.visit(&mut |e| {
        if let ExprKind::Column(i) = e.kind {
            if (AROUND..JOINED).contains(&i) { around = true } else { own = true }
        }
    });
    (own, around)
}

/// What an aggregate of a query's rows, over its `width` columns, is of none.
pub(super) fn of_none(expr: &Expr, width: usize, aggregates: &[Aggregate]) -> Expr {
    let value = |i: usize, t: DataType| {
        let aggregate = (i >= width).then(|| aggregates.get(i - width)).flatten();
        let counts = aggregate.is_some_and(|a| {
            matches!(a.function, AggregateFunction::Count | AggregateFunction::CountDistinct | AggregateFunction::ApproxCountDistinct)
        });
        Ok::<_, Infallible>(Expr::literal(if counts { Value::Int(0) } else { Value::Null }, t))
    };
    let Ok(expr) = expr.try_columns(&mut { value });
    expr
}

/// Whether an expression reads what OVER gives.
fn reads_over(expr: &Expr) -> bool {
    expr.reads(|i| i >= OVER)
}

/// Whether an expression reads what a subquery gives.
pub(super) fn reads_subquery(expr: &Expr) -> bool {
    !subqueries_of(expr).is_empty()
}

fn subqueries_of(expr: &Expr) -> BTreeSet<usize> {
    let mut named = BTreeSet::new();
    expr.visit(&mut |e| {
        if let ExprKind::Column(i) = e.kind
            && (SUBQUERY..OVER).contains(&i)
        {
            named.insert(i - SUBQUERY);
        }
    });
    named
}

/// The expression with what is joined behind so many columns.
fn joined_behind(expr: &Expr, width: usize) -> Expr {
    expr.renumbered(|i| if (JOINED..SUBQUERY).contains(&i) { width + i - JOINED } else { i })
}

fn with_values(expr: &Expr, values: &BTreeMap<usize, Expr>) -> Expr {
    let value = |i: usize, t: DataType| {
        let known = i.checked_sub(SUBQUERY).and_then(|number| values.get(&number));
        Ok::<_, Infallible>(known.cloned().unwrap_or_else(|| Expr::column(i, t)))
    };
    let Ok(expr) = expr.try_columns(&mut { value });
    expr
}

/// The plan with TRUE as a last column, for one who looks whether a row is there; with each of its rows once, where that is wanted.
pub(super) fn with_mark(plan: Plan, once: bool) -> Plan {
    let span = plan.span.clone();
    let mark = NamedExpr { name: "found".into(), expr: Expr::literal(Value::Bool(true), DataType::Bool) };
    let columns = plan.as_they_are().chain([mark]).collect();
    let marked = Plan::new(Node::Project { input: Box::new(plan), columns }, span.clone());
    if once { Plan::new(Node::Distinct { input: Box::new(marked) }, span) } else { marked }
}

/// The plan with these in the place of its first columns.
fn with_first(plan: Plan, first: Vec<Expr>) -> Plan {
    if first.iter().enumerate().all(|(i, expr)| expr.kind == ExprKind::Column(i)) {
        return plan;
    }
    let span = plan.span.clone();
    let mut columns: Vec<NamedExpr> = plan.as_they_are().collect();
    columns.iter_mut().zip(first).for_each(|(column, expr)| column.expr = expr);
    Plan::new(Node::Project { input: Box::new(plan), columns }, span)
}

/// The plan with its last columns alone.
fn last_columns(plan: Plan, count: usize) -> Plan {
    let span = plan.span.clone();
    let first = plan.columns().len() - count;
    let columns = plan.as_they_are().skip(first).collect();
    Plan::new(Node::Project { input: Box::new(plan), columns }, span)
}

/// For each value of the last `keys` columns how many rows there are, and in how many of them the first column is not NULL.
fn counted(plan: &Plan, keys: usize) -> Plan {
    let columns = plan.columns();
    let keys = plan.as_they_are().skip(columns.len() - keys).collect();
    let present = Aggregate::new(AggregateFunction::Count, Some(Expr::column(0, columns[0].1)));
    let aggregates = vec![Aggregate::new(AggregateFunction::Count, None), present];
    Plan::new(Node::Aggregate { input: Box::new(plan.clone()), keys, aggregates }, plan.span.clone())
}

#[derive(PartialEq)]
enum Rows {
    One,
    OneOrNone,
}

/// Whether a plan, by its shape, gives one row at most.
fn one_row(plan: &Plan) -> Option<Rows> {
    match &plan.node {
        Node::Aggregate { keys, .. } if keys.is_empty() => Some(Rows::One),
        Node::Values { rows, .. } if rows.len() == 1 => Some(Rows::One),
        Node::Limit { limit: Some(0 | 1), .. } => Some(Rows::OneOrNone),
        Node::Limit { input, .. } | Node::Filter { input, .. } => one_row(input).map(|_| Rows::OneOrNone),
        Node::Project { input, .. } | Node::Sort { input, .. } | Node::Distinct { input } | Node::Over { input, .. } => one_row(input),
        _ => None,
    }
}

/// What a subquery without a name of its own is called as a column.
pub(super) fn name_of_value(query: &ast::Query, name: impl Fn(&ast::SelectItem) -> String) -> String {
    match &*query.body {
        SetExpr::Select(select) => select.projection.first().map_or_else(|| "?column?".to_owned(), name),
        _ => "?column?".to_owned(),
    }
}

pub(super) fn equals(a: Expr, b: Expr) -> Expr {
    Expr::binary(BinaryOp::Equal, a, b, DataType::Bool)
}

pub(super) fn is_null(arg: Expr) -> Expr {
    Expr::new(ExprKind::IsNull { arg: Box::new(arg), negated: false }, DataType::Bool)
}

fn int(i: i64) -> Expr {
    Expr::literal(Value::Int(i), DataType::Int)
}
