//! GROUP BY: what rows are grouped by, and what expressions are over the groups.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Spanned};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, Place};
use super::from::clause;
use super::row::row;
use super::select::{Item, default_name, named_item};
use super::source::Source;
use super::subquery::{AROUND, JOINED};
use crate::plan::{Node, Plan, Window};
use crate::types::*;

/// While a statement is bound, call `i` of GROUPING is column `GROUPING + i`.
const GROUPING: usize = 1 << 36;

/// What rows are grouped by.
#[derive(Default)]
pub(super) struct Grouping {
    pub keys: Vec<NamedExpr>,
    /// Of ROLLUP, CUBE and GROUPING SETS: the keys of each grouping, whose groups stand beside one another. None where all keys are one grouping.
    sets: Vec<Vec<Expr>>,
    /// The ends of windows, each with the start that says the same.
    ends: Vec<(Expr, Expr)>,
}

impl Grouping {
    /// With a key more in every grouping.
    pub fn also(&mut self, name: &str, key: &Expr) {
        if self.keys.iter().all(|k| k.expr != *key) {
            self.keys.push(NamedExpr { name: name.into(), expr: key.clone() });
        }
        self.sets.iter_mut().filter(|set| !set.contains(key)).for_each(|set| set.push(key.clone()));
    }

    /// Its groupings.
    pub fn all(&self, source: &Source<'_>, calls: &[(Vec<Expr>, Span)]) -> Result<Sets, QueryError> {
        Ok(Sets { keys: self.sets(), marks: self.marks(source, calls)?, ends: self.ends.clone() })
    }

    /// For each grouping what the calls of GROUPING give; none where all keys are one grouping, where each gives 0.
    fn marks(&self, source: &Source<'_>, calls: &[(Vec<Expr>, Span)]) -> Result<Vec<Vec<i64>>, QueryError> {
        for (args, span) in calls {
            if args.iter().any(|arg| self.keys.iter().all(|key| key.expr != self.as_key(arg.clone()))) {
                return Err(source.error(*span, "GROUPING asks about what stands in GROUP BY: write the expression as it stands there"));
            }
        }
        // As PostgreSQL has it: a bit for each argument, the first one being the highest, which is set where the grouping has it not.
        let mark = |set: &Vec<Expr>, args: &[Expr]| args.iter().fold(0, |bits, arg| bits << 1 | i64::from(!set.contains(arg)));
        Ok(self.sets.iter().map(|set| calls.iter().map(|(args, _)| mark(set, args)).collect()).collect())
    }

    /// Which of the keys each grouping has.
    fn sets(&self) -> Vec<Vec<usize>> {
        let of = |set: &Vec<Expr>| (0..self.keys.len()).filter(|&key| set.contains(&self.keys[key].expr)).collect();
        self.sets.iter().map(of).collect()
    }

    /// The end of a window of one size says nothing that its start does not. Of several groupings one may have the one alone, and another one the other.
    fn as_key(&self, expr: Expr) -> Expr {
        let start = self.ends.iter().find(|(end, _)| *end == expr).filter(|_| self.sets.is_empty());
        start.map_or(expr, |(_, start)| start.clone())
    }
}

/// What several groupings are made of.
pub(super) struct Sets {
    /// Which of the keys each has, by their numbers; none where all keys are one grouping.
    pub keys: Vec<Vec<usize>>,
    /// What the calls of GROUPING give for each.
    pub marks: Vec<Vec<i64>>,
    /// The ends of windows, which are grouped by as their starts.
    pub ends: Vec<(Expr, Expr)>,
}

/// Groups of these keys; of several groupings one after the other, with NULL for the keys that one has not, and behind the aggregates what marks each.
pub(super) fn aggregated(
    plan: Plan,
    (keys, sets): (Vec<NamedExpr>, &Sets),
    aggregates: Vec<Aggregate>,
    span: std::ops::Range<usize>,
) -> Plan {
    if sets.keys.is_empty() {
        return Plan::new(Node::Aggregate { input: Box::new(plan), keys, aggregates }, span);
    }
    let of_set = |(set, marks): (&Vec<usize>, &Vec<i64>)| {
        let end = |key: &NamedExpr| sets.ends.iter().find(|(end, _)| *end == key.expr);
        let grouped_by = |key: &NamedExpr| end(key).map_or_else(|| key.expr.clone(), |(_, start)| start.clone());
        let mut own: Vec<NamedExpr> = Vec::new();
        for key in set.iter().map(|&key| &keys[key]) {
            if own.iter().all(|known| known.expr != grouped_by(key)) {
                own.push(NamedExpr { name: key.name.clone(), expr: grouped_by(key) });
            }
        }
        let value = |(number, key): (usize, &NamedExpr)| {
            let data_type = key.expr.data_type;
            let at = || own.iter().position(|known| known.expr == grouped_by(key)).expect("a grouping has its keys");
            let expr = match end(key) {
                _ if !set.contains(&number) => Expr::literal(Value::Null, data_type),
                Some((end, _)) => end.renumbered(|_| at()),
                None => Expr::column(at(), data_type),
            };
            NamedExpr { name: key.name.clone(), expr }
        };
        let keys = keys.iter().enumerate().map(value);
        let number =
            |(i, a): (usize, &Aggregate)| NamedExpr { name: format!("aggregate{i}"), expr: Expr::column(own.len() + i, a.data_type()) };
        let mark =
            |(i, mark): (usize, &i64)| NamedExpr { name: format!("grouping{i}"), expr: Expr::literal(Value::Int(*mark), DataType::Int) };
        let columns = keys.chain(aggregates.iter().enumerate().map(number)).chain(marks.iter().enumerate().map(mark)).collect();
        let groups = Node::Aggregate { input: Box::new(plan.clone()), keys: own.clone(), aggregates: aggregates.clone() };
        Plan::new(Node::Project { input: Box::new(Plan::new(groups, span.clone())), columns }, span.clone())
    };
    Plan::new(Node::Union { inputs: sets.keys.iter().zip(&sets.marks).map(of_set).collect() }, span.clone())
}

/// `None` without GROUP BY.
pub(super) fn group_by(binder: &mut Binder<'_>, select: &ast::Select, items: &[Item]) -> Result<Option<Grouping>, QueryError> {
    let span = clause(binder.source, select, &[Keyword::GROUP]);
    let (exprs, modifiers, is_by_all) = match &select.group_by {
        GroupByExpr::All(modifiers) => (&[][..], modifiers, true),
        GroupByExpr::Expressions(exprs, modifiers) => (&exprs[..], modifiers, false),
    };
    if !modifiers.is_empty() {
        return Err(binder.error(span, "this form of GROUP BY is not supported: write GROUP BY ROLLUP (a, b)"));
    }
    if exprs.is_empty() && !is_by_all {
        return Ok(None);
    }
    binder.place = Place::GroupBy;
    let is_sets = |ast: &ast::Expr| matches!(ast, ast::Expr::GroupingSets(_) | ast::Expr::Rollup(_) | ast::Expr::Cube(_));
    let has_sets = exprs.iter().any(is_sets);
    let windows = binder.scope.windows.iter().filter(|(window, _)| matches!(window, Window::Tumble { .. } | Window::Hop { .. }));
    let ends = windows.map(|(window, first)| (window.end(*first), window.start(*first))).collect();
    let mut sets: Vec<Vec<Expr>> = vec![Vec::new()];
    let mut grouping = Grouping { ends, sets: if has_sets { sets.clone() } else { Vec::new() }, ..Grouping::default() };
    if is_by_all {
        // What reads columns alone: neither aggregates, nor what OVER and subqueries give, nor literals.
        let width = binder.scope.width;
        for item in items.iter().filter(|item| item.expr.reads(|i| i < width) && !item.expr.reads(|i| i >= width)) {
            let key = grouping.as_key(item.expr.clone());
            grouping.also(&item.name, &key);
        }
    }
    // `(a, b)` is both of them.
    let each = exprs.iter().flat_map(|ast| if let ast::Expr::Tuple(all) = ast { &all[..] } else { std::slice::from_ref(ast) });
    for ast in each {
        let of_ast = sets_of(binder, ast)?;
        let mut bound = Vec::new();
        for set in of_ast {
            let keys = set.into_iter().map(|key| grouping.key(binder, key, items));
            bound.push(keys.collect::<Result<Vec<Expr>, QueryError>>()?);
        }
        sets = sets.iter().flat_map(|before| bound.iter().map(move |set| [&before[..], &set[..]].concat())).collect();
        if sets.len() > SETS_MAX {
            return Err(binder.error(span, format!("these are more than {SETS_MAX} groupings: write fewer with GROUPING SETS")));
        }
    }
    if has_sets {
        grouping.sets = sets;
    }
    if let Some(window) = binder.group_window.as_ref().filter(|window| window.is_session()) {
        window.keys().iter().for_each(|key| grouping.also("window_end", key));
    }
    // Where windows cumulate, the end says all; the start follows from it. Of several groupings one may have the start alone.
    for (window, first) in &binder.scope.windows {
        let (start, end) = (window.start(*first), window.end(*first));
        let is_one = grouping.sets.is_empty();
        if is_one && matches!(window, Window::Cumulate { .. }) && grouping.keys.iter().any(|k| k.expr == end) {
            grouping.keys.retain(|k| k.expr != start);
        }
    }
    Ok(Some(grouping))
}

/// How many groupings one query may have.
const SETS_MAX: usize = 64;

/// The groupings that one item of GROUP BY stands for.
fn sets_of<'q>(binder: &Binder<'_>, ast: &'q ast::Expr) -> Result<Vec<Vec<&'q ast::Expr>>, QueryError> {
    let each = |parts: &'q [Vec<ast::Expr>]| parts.iter().map(|part| part.iter().collect()).collect::<Vec<Vec<_>>>();
    match ast {
        ast::Expr::GroupingSets(sets) => {
            let mut all = Vec::new();
            for set in sets {
                match &set[..] {
                    // ROLLUP and CUBE stand for their groupings, which the parser takes for calls here.
                    [ast::Expr::Function(call)] if nested(call).is_some() => {
                        let (is_cube, parts) = nested(call).unwrap_or_default();
                        all.extend(if is_cube { cube(binder, &parts, ast)? } else { rollup(&parts) });
                    }
                    set => all.push(set.iter().collect()),
                }
            }
            Ok(all)
        }
        ast::Expr::Rollup(parts) => Ok(rollup(&each(parts))),
        ast::Expr::Cube(parts) => cube(binder, &each(parts), ast),
        one => Ok(vec![vec![one]]),
    }
}

/// All parts, all but the last, and so on down to none.
fn rollup<'q>(parts: &[Vec<&'q ast::Expr>]) -> Vec<Vec<&'q ast::Expr>> {
    (0..=parts.len()).rev().map(|count| parts[..count].concat()).collect()
}

/// Each choice of parts.
fn cube<'q>(binder: &Binder<'_>, parts: &[Vec<&'q ast::Expr>], ast: &ast::Expr) -> Result<Vec<Vec<&'q ast::Expr>>, QueryError> {
    if 1 << parts.len().min(63) > SETS_MAX {
        return Err(binder.error(ast.span(), format!("these are more than {SETS_MAX} groupings: write fewer with GROUPING SETS")));
    }
    let set = |chosen: usize| (0..parts.len()).filter(|i| chosen >> i & 1 == 1).flat_map(|i| parts[i].iter().copied()).collect();
    Ok((0..1 << parts.len()).rev().map(set).collect())
}

/// The parts of ROLLUP or CUBE within GROUPING SETS, and which of the two it is.
pub(super) fn nested(call: &ast::Function) -> Option<(bool, Vec<Vec<&ast::Expr>>)> {
    let is_cube = match &call.name.to_string().to_lowercase()[..] {
        "cube" => true,
        "rollup" => false,
        _ => return None,
    };
    let FunctionArguments::List(list) = &call.args else { return None };
    let part = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref part)) => Some(row(part).unwrap_or_else(|| vec![part])),
        _ => None,
    };
    Some((is_cube, list.args.iter().map(part).collect::<Option<_>>()?))
}

impl Grouping {
    /// A key as it is grouped by, which is one of the keys from then on.
    fn key(&mut self, binder: &mut Binder<'_>, ast: &ast::Expr, items: &[Item]) -> Result<Expr, QueryError> {
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
        if expr.reads(|i| (binder.scope.width..JOINED).contains(&i)) {
            return Err(binder.error(span, "aggregates cannot stand in GROUP BY: group by columns and expressions of them"));
        }
        expr = self.as_key(expr);
        if self.keys.iter().all(|k| k.expr != expr) {
            self.keys.push(NamedExpr { name, expr: expr.clone() });
        }
        Ok(expr)
    }
}

/// The groups' keys, and the rewriting of expressions over the input's columns into expressions over a group's row.
pub(super) struct Groups<'a> {
    pub source: &'a Source<'a>,
    /// How many columns the input has: higher indexes are aggregates.
    pub columns: usize,
    pub keys: Vec<NamedExpr>,
    /// The column of a group's row from which on GROUPING stands, where there are several groupings.
    pub marks: Option<usize>,
}

impl Groups<'_> {
    pub(super) fn of_group(&self, item: &Item) -> Result<Expr, QueryError> {
        self.rewrite(&item.expr).map_err(|column| {
            let read = item.reads.iter().find(|r| r.column == column);
            let name = read.map_or("a column", |r| r.name.as_str());
            let span = read.map_or(item.span, |r| r.span);
            let message = format!("'{name}' is neither grouped nor aggregated: add it to GROUP BY, or aggregate it, as in MAX({name})");
            self.source.error(span, message)
        })
    }

    /// The expression with keys and aggregates as columns of the group's row; the error is the column that is neither.
    fn rewrite(&self, expr: &Expr) -> Result<Expr, usize> {
        if let Some(key) = self.keys.iter().position(|k| k.expr == *expr) {
            return Ok(Expr::column(key, expr.data_type));
        }
        match expr.kind {
            ExprKind::Column(i) if i < self.columns => Err(i),
            ExprKind::Column(i) if (GROUPING..AROUND).contains(&i) => Ok(match self.marks {
                Some(first) => Expr::column(first + i - GROUPING, expr.data_type),
                None => Expr::literal(Value::Int(0), expr.data_type),
            }),
            // What OVER and subqueries give.
            ExprKind::Column(i) if i >= JOINED => Ok(expr.clone()),
            ExprKind::Column(i) => Ok(Expr::column(self.keys.len() + i - self.columns, expr.data_type)),
            _ => expr.try_map(&mut |e| self.rewrite(e)),
        }
    }
}

impl Binder<'_> {
    /// GROUPING, and the start and end of the window in GROUP BY; `None` for other functions.
    pub(super) fn of_grouping(&mut self, name: &str, call: &ast::Function, span: Span) -> Result<Option<Bound>, QueryError> {
        if name != "grouping" {
            return self.group_window_call(name, call, span);
        }
        if !matches!(self.place, Place::Select | Place::Having | Place::OrderBy) {
            return Err(self.error(span, "GROUPING stands in the select list, in HAVING and in ORDER BY, outside aggregates"));
        }
        let args = self.arguments(call, name, span)?;
        if args.star || args.distinct || !(1..=ARGUMENTS_MAX).contains(&args.list.len()) {
            return Err(self.error(span, format!("GROUPING takes 1 to {ARGUMENTS_MAX} keys of GROUP BY: write GROUPING(a, b)")));
        }
        let before = self.reads.len();
        let keys = args.list.into_iter().map(|ast| self.expr(ast)).collect::<Result<Vec<_>, _>>()?;
        self.reads.truncate(before);
        let number = self.groupings.iter().position(|(known, _)| *known == keys).unwrap_or(self.groupings.len());
        if number == self.groupings.len() {
            self.groupings.push((keys, span));
        }
        Ok(Some(Bound::typed(Expr::column(GROUPING + number, DataType::Int), span)))
    }
}

/// As many as PostgreSQL takes.
const ARGUMENTS_MAX: usize = 31;
