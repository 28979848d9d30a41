//! Windows in GROUP BY, as Flink and Calcite wrote them before windows stood in FROM: `GROUP BY TUMBLE(c, INTERVAL '1' HOUR)`, and `TUMBLE_START` and `TUMBLE_END` beside it.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Spanned};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, Place};
use super::grouping::nested;
use super::source::Source;
use super::subquery::reads_subquery;
use crate::plan::{Node, Plan, Window};
use crate::types::*;

/// The functions, and how each is written in GROUP BY.
const FORMS: [(&str, &str); 4] = [
    ("tumble", "write GROUP BY TUMBLE(column, INTERVAL '1' HOUR)"),
    ("hop", "write GROUP BY HOP(column, INTERVAL '5' MINUTE, INTERVAL '1' HOUR), the slide before the size"),
    ("cumulate", "write GROUP BY CUMULATE(column, INTERVAL '1' HOUR, INTERVAL '1' DAY), the step before the size"),
    ("session", "write GROUP BY SESSION(column, INTERVAL '30' MINUTE), key"),
];

/// A window that rows are grouped by.
#[derive(Clone, PartialEq)]
pub(super) struct GroupWindow {
    function: &'static str,
    /// Over the input's columns.
    time: Expr,
    /// A session's keys are the other ones of GROUP BY, and known once those are.
    window: Window,
    /// The input's column before which it stands: how many the input has.
    first: usize,
}

impl GroupWindow {
    /// What rows are grouped by.
    pub fn keys(&self) -> Vec<Expr> {
        match self.window {
            Window::Tumble { .. } | Window::Hop { .. } => vec![self.window.start(self.first)],
            Window::Cumulate { .. } => vec![self.window.end(self.first)],
            Window::Session { .. } => vec![self.window.start(self.first), self.window.end(self.first)],
        }
    }

    pub fn is_session(&self) -> bool {
        matches!(self.window, Window::Session { .. })
    }

    /// The rows with their windows behind their columns; `keys` are all that they are grouped by.
    pub fn over(&self, source: &Source<'_>, plan: Plan, keys: &[NamedExpr], span: Span) -> Result<Plan, QueryError> {
        let mut columns: Vec<NamedExpr> = plan.as_they_are().collect();
        debug_assert_eq!(columns.len(), self.first, "the window stands behind the input's columns");
        let mut placed = |expr: &Expr| {
            if reads_subquery(expr) {
                return Err(source.error(span, "a window is not cut by what a subquery gives: name that in FROM (SELECT ...)"));
            }
            match expr.kind {
                ExprKind::Column(at) => Ok(at),
                _ => {
                    columns.push(NamedExpr { name: format!("of_window{}", columns.len()), expr: expr.clone() });
                    Ok(columns.len() - 1)
                }
            }
        };
        let column = placed(&self.time)?;
        let window = match &self.window {
            Window::Session { gap_us, .. } => {
                let own = self.keys();
                let by = keys.iter().filter(|key| !own.contains(&key.expr)).map(|key| placed(&key.expr));
                Window::Session { gap_us: *gap_us, by: by.collect::<Result<_, _>>()? }
            }
            other => other.clone(),
        };
        let range = plan.span.clone();
        let computed = columns.len() - self.first;
        let input = if computed == 0 { plan } else { Plan::new(Node::Project { input: Box::new(plan), columns }, range.clone()) };
        let windowed = Plan::new(Node::Window { input: Box::new(input), column, window }, source.range(span));
        if computed == 0 {
            return Ok(windowed);
        }
        let is_kept = |&(at, _): &(usize, NamedExpr)| at < self.first || at >= self.first + computed;
        let columns = windowed.as_they_are().enumerate().filter(is_kept).map(|(_, column)| column).collect();
        Ok(Plan::new(Node::Project { input: Box::new(windowed), columns }, range))
    }
}

impl Binder<'_> {
    /// Reads the window of GROUP BY, if there is one, whose columns then stand behind the input's.
    pub(super) fn bind_group_window(&mut self, select: &ast::Select) -> Result<(), QueryError> {
        let GroupByExpr::Expressions(exprs, _) = &select.group_by else { return Ok(()) };
        self.place = Place::GroupBy;
        let (mut calls, mut of_sets) = (Vec::new(), Vec::new());
        for ast in exprs {
            match ast {
                ast::Expr::GroupingSets(sets) | ast::Expr::Rollup(sets) | ast::Expr::Cube(sets) => {
                    of_sets.extend(sets.iter().flatten().flat_map(|ast| {
                        let within = if let ast::Expr::Function(call) = ast { nested(call) } else { None };
                        within.map_or_else(|| vec![ast], |(_, parts)| parts.concat())
                    }));
                }
                one => calls.push(one),
            }
        }
        for (ast, is_of_set) in calls.into_iter().map(|ast| (ast, false)).chain(of_sets.into_iter().map(|ast| (ast, true))) {
            let ast::Expr::Function(call) = ast else { continue };
            let name = call.name.to_string().to_lowercase();
            let Some((function, form)) = FORMS.into_iter().find(|(known, _)| *known == name) else { continue };
            let window = self.window_of_call((function, form), call)?;
            if self.group_window.as_ref().is_some_and(|known| *known != window) {
                return Err(self.error(call.name.span(), "rows are grouped by one window: leave the other one out"));
            }
            if is_of_set && window.is_session() {
                return Err(
                    self.error(call.name.span(), "a session is of all other keys, so that it stands in no ROLLUP, CUBE or GROUPING SETS")
                );
            }
            self.group_window = Some(window);
        }
        if let Some(GroupWindow { window, first, .. }) = &self.group_window {
            self.scope.windows.push((window.clone(), *first));
            self.scope.width += window.columns().len();
        }
        self.reads.clear();
        Ok(())
    }

    /// `TUMBLE(...)`, `TUMBLE_START(...)`, `TUMBLE_END(...)` and the like, where this is one; else `None`.
    pub(super) fn group_window_call(&mut self, name: &str, call: &ast::Function, span: Span) -> Result<Option<Bound>, QueryError> {
        let known = FORMS.into_iter().find_map(|(function, form)| Some((function, form, name.strip_prefix(function)?)));
        let Some((function, form, part)) = known.filter(|(.., part)| part.is_empty() || part.starts_with('_')) else { return Ok(None) };
        let Some(window) = self.group_window.clone() else {
            let message = format!("{} goes with a window in GROUP BY: {form}", name.to_uppercase());
            return if part.is_empty() { Ok(None) } else { Err(self.error(span, message)) };
        };
        let before = self.reads.len();
        let same = self.window_of_call((function, form), call)? == window;
        self.reads.truncate(before);
        if !same {
            let message =
                format!("{} is of another window than the one in GROUP BY: write the same column and lengths", name.to_uppercase());
            return Err(self.error(span, message));
        }
        let value = match part {
            "" => window.keys().swap_remove(0),
            "_start" => window.window.start(window.first),
            "_end" => window.window.end(window.first),
            _ => {
                let message = format!("a window has a start and an end: write {0}_START(...) or {0}_END(...)", function.to_uppercase());
                return Err(self.error(span, message));
            }
        };
        Ok(Some(Bound::typed(value, span)))
    }

    fn window_of_call(&mut self, (function, form): (&'static str, &str), call: &ast::Function) -> Result<GroupWindow, QueryError> {
        let place = call.name.span();
        let wrong =
            |binder: &Self| Err(binder.error(place, format!("{} takes other arguments: {form}", call.name.to_string().to_uppercase())));
        let FunctionArguments::List(list) = &call.args else { return wrong(self) };
        let plain = |arg| match arg {
            &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref e)) => Some(e),
            _ => None,
        };
        let Some(args) = list.args.iter().map(plain).collect::<Option<Vec<&ast::Expr>>>() else { return wrong(self) };
        let [time, lengths @ ..] = &args[..] else { return wrong(self) };
        let wanted = if matches!(function, "hop" | "cumulate") { 2 } else { 1 };
        let (true, Some(relations)) = (lengths.len() == wanted, self.relations.clone()) else { return wrong(self) };
        let window = relations.window((function, form), lengths, None)?;
        let span = time.span();
        let time = self.expr(time)?;
        if time.data_type != DataType::Timestamp {
            return Err(self.error(span, format!("a window cuts a timestamp, and this is {}", time.data_type.sql_name())));
        }
        let first = self.group_window.as_ref().map_or(self.scope.width, |known| known.first);
        Ok(GroupWindow { function, time, window, first })
    }
}
