//! FROM: the topic, queries of WITH, subqueries, and windows over them.

use sqlparser::ast::{self, Spanned, TableFactor};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind};
use super::scope::{Scope, nearest, same_name};
use super::select::bind_query;
use super::source::Source;
use crate::plan::{Node, Plan, Window, WindowSize};
use crate::types::*;

/// What FROM can name.
pub(super) struct Relations<'a> {
    pub source: &'a Source<'a>,
    topic: &'a str,
    fields: Vec<Field>,
    /// The queries of WITH that have been read so far, the latest last.
    named: Vec<(String, Plan)>,
}

impl<'a> Relations<'a> {
    pub fn new(source: &'a Source<'a>, topic: &'a str, fields: Vec<Field>) -> Self {
        Relations { source, topic, fields, named: Vec::new() }
    }

    /// Binds the queries of WITH, which are there until `end_with` is called with what this gives.
    pub fn with(&mut self, with: Option<&ast::With>) -> Result<usize, QueryError> {
        let before = self.named.len();
        let Some(with) = with else { return Ok(before) };
        if with.recursive {
            return Err(self.source.error(with.with_token.0.span, "WITH RECURSIVE is not supported: a query reads each event once"));
        }
        for cte in &with.cte_tables {
            if cte.from.is_some() {
                return Err(self.source.error(cte.alias.name.span, "write WITH name AS (SELECT ...)"));
            }
            let plan = bind_query(self, &cte.query)?;
            let plan = self.renamed(plan, &cte.alias)?;
            self.named.push((name_of(&cte.alias.name), plan));
        }
        Ok(before)
    }

    pub fn end_with(&mut self, before: usize) {
        self.named.truncate(before);
    }

    /// The plan of what stands in FROM, and its names.
    pub fn from(&mut self, select: &ast::Select) -> Result<(Plan, Scope), QueryError> {
        let (source, topic) = (self.source, self.topic);
        let from = match &select.from[..] {
            [from] => from,
            [] => {
                let message = format!("the query reads nothing: write FROM {topic}");
                return Err(source.error_at_start(message));
            }
            [_, second, ..] => {
                return Err(source.error(
                    second.relation.span(),
                    "a query reads one topic: joins are not supported yet; join the events before appending them",
                ));
            }
        };
        if !from.joins.is_empty() {
            let span = source.keyword(select.select_token.0.span, &[Keyword::JOIN]);
            return Err(source.error(span, "JOIN is not supported: join the events before appending them, and query the joined topic"));
        }
        match &from.relation {
            TableFactor::Table { name, alias, args, version: None, sample: None, partitions, with_ordinality: false, .. }
                if partitions.is_empty() =>
            {
                let (plan, scope) = match args {
                    None => self.relation(name)?,
                    Some(args) => self.window(name, &args.args)?,
                };
                self.aliased(plan, scope, alias.as_ref())
            }
            TableFactor::Table { name, .. } => Err(source.error(name.span(), format!("FROM takes the topic alone: write FROM {topic}"))),
            TableFactor::TableFunction {
                expr: ast::Expr::Function(ast::Function { name, args: ast::FunctionArguments::List(list), .. }),
                alias,
            } => {
                let (plan, scope) = self.window(name, &list.args)?;
                self.aliased(plan, scope, alias.as_ref())
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let (plan, scope) = self.subquery(subquery)?;
                self.aliased(plan, scope, alias.as_ref())
            }
            other => {
                let message = format!(
                    "write FROM {topic}, FROM (SELECT ... FROM {topic}) s, or FROM TUMBLE(TABLE {topic}, DESCRIPTOR(column), INTERVAL '1' HOUR)"
                );
                Err(source.error(other.span(), message))
            }
        }
    }

    fn subquery(&mut self, query: &ast::Query) -> Result<(Plan, Scope), QueryError> {
        let plan = bind_query(self, query)?;
        let scope = Scope::new("the subquery", false, plan.columns());
        Ok((plan, scope))
    }

    fn relation(&self, name: &ast::ObjectName) -> Result<(Plan, Scope), QueryError> {
        match &name.0[..] {
            [ast::ObjectNamePart::Identifier(ident)] => self.ident(ident),
            _ => Err(self.source.error(name.span(), self.unknown(&name.to_string()))),
        }
    }

    fn ident(&self, ident: &ast::Ident) -> Result<(Plan, Scope), QueryError> {
        if let Some((name, plan)) = self.named.iter().rfind(|(name, _)| same_name(ident, name)) {
            return Ok((plan.clone(), Scope::new(name, false, plan.columns())));
        }
        if same_name(ident, self.topic) {
            let scan = Node::Scan { topic: self.topic.to_owned(), fields: self.fields.clone() };
            let plan = Plan::new(scan, self.source.range(ident.span));
            let scope = Scope::of_topic(self.topic, plan.columns());
            return Ok((plan, scope));
        }
        Err(self.source.error(ident.span, self.unknown(&ident.to_string())))
    }

    fn unknown(&self, name: &str) -> String {
        let topic = self.topic;
        match nearest(name, self.named.iter().map(|(n, _)| n.as_str())) {
            Some(near) => format!("there is no query {name} in WITH: did you mean {near}?"),
            None => format!("the topic is {topic}, not {name}: write FROM {topic}"),
        }
    }

    fn aliased(&self, plan: Plan, mut scope: Scope, alias: Option<&ast::TableAlias>) -> Result<(Plan, Scope), QueryError> {
        let Some(alias) = alias else { return Ok((plan, scope)) };
        if !alias.columns.is_empty() {
            if scope.is_topic || scope.window.is_some() {
                let message = "names for the columns are given in the select list, as in c AS d";
                return Err(self.source.error(alias.name.span, message));
            }
            let plan = self.renamed(plan, alias)?;
            let mut scope = Scope::new(&scope.relation, false, plan.columns());
            scope.alias = Some(name_of(&alias.name));
            return Ok((plan, scope));
        }
        scope.alias = Some(name_of(&alias.name));
        if !scope.is_topic {
            scope.relation = name_of(&alias.name);
        }
        Ok((plan, scope))
    }

    /// The plan with the names that `alias (a, b, ...)` gives its first columns.
    fn renamed(&self, plan: Plan, alias: &ast::TableAlias) -> Result<Plan, QueryError> {
        if alias.columns.is_empty() {
            return Ok(plan);
        }
        let mut columns = plan.columns();
        if alias.columns.len() > columns.len() {
            let message = format!("{} names for {} columns: leave some out", alias.columns.len(), columns.len());
            return Err(self.source.error(alias.name.span, message));
        }
        columns.iter_mut().zip(&alias.columns).for_each(|((name, _), new)| *name = name_of(&new.name));
        let columns = columns.into_iter().enumerate().map(|(i, (name, t))| NamedExpr { name, expr: Expr::column(i, t) }).collect();
        let span = plan.span.clone();
        Ok(Plan::new(Node::Project { input: Box::new(plan), columns }, span))
    }

    /// `TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL 'n' UNIT)`.
    fn window(&mut self, name: &ast::ObjectName, args: &[ast::FunctionArg]) -> Result<(Plan, Scope), QueryError> {
        let (source, topic) = (self.source, self.topic);
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
        let (input, mut scope) = match table {
            ast::Expr::Identifier(ident) => {
                self.ident(ident).map_err(|e| QueryError { message: e.message.replace(&format!("write FROM {topic}"), &form), ..e })?
            }
            ast::Expr::Subquery(query) => self.subquery(query)?,
            other => return Err(source.error(other.span(), format!("the topic is {topic}, not {other}: {form}"))),
        };
        let column = self.descriptor(descriptor, &scope, &form)?;
        let ast::Expr::Interval(interval) = size else {
            return Err(source.error(size.span(), format!("the third argument is the window's size: {form}")));
        };
        let size = Binder::new(source, scope.clone()).interval(interval)?;
        let size = self.window_size(size, interval)?;
        let window = Window::Tumble { size, offset_us: 0 };
        scope.add_window(&window);
        Ok((Plan::new(Node::Window { input: Box::new(input), column, window }, source.range(span)), scope))
    }

    /// The timestamp column that DESCRIPTOR names.
    fn descriptor(&self, ast: &ast::Expr, scope: &Scope, form: &str) -> Result<usize, QueryError> {
        let column = match ast {
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
            return Err(self.source.error(ast.span(), format!("the second argument names the time column: {form}")));
        };
        let Some((_, found)) = scope.column(column) else {
            return Err(self.source.error(column.span, scope.unknown_column(&column.value)));
        };
        match found.kind {
            ExprKind::Column(index) if found.data_type == DataType::Timestamp => Ok(index),
            _ => {
                let message = format!("a window cuts a timestamp, and this column is {}", found.data_type.sql_name());
                Err(self.source.error(column.span, message))
            }
        }
    }

    /// One week, month, quarter or year is the calendar's; every other length is counted from 1970.
    fn window_size(&self, size: Bound, interval: &ast::Interval) -> Result<WindowSize, QueryError> {
        let one_week = match &*interval.value {
            ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(text), .. }) => {
                let words: Vec<String> = text.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
                matches!(&words[..], [one, week] if one == "1" && matches!(week.as_str(), "week" | "weeks"))
            }
            _ => false,
        };
        match size.kind {
            BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Interval(_)), .. }) if one_week => {
                Ok(WindowSize::Calendar(TimeUnit::Week))
            }
            BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Interval(us)), .. }) if us > 0 => Ok(WindowSize::Fixed(us)),
            BoundKind::Months(1) => Ok(WindowSize::Calendar(TimeUnit::Month)),
            BoundKind::Months(3) => Ok(WindowSize::Calendar(TimeUnit::Quarter)),
            BoundKind::Months(12) => Ok(WindowSize::Calendar(TimeUnit::Year)),
            BoundKind::Months(_) => {
                let message = "a window of the calendar is one week, month, quarter or year long: write INTERVAL '1' MONTH";
                Err(self.source.error(size.span, message))
            }
            _ => Err(self.source.error(size.span, "a window is longer than nothing: write INTERVAL '1' HOUR")),
        }
    }
}

/// A name as it is meant: in lower case unless it is quoted.
pub(super) fn name_of(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// A place for messages about a clause that has none of its own.
pub(super) fn clause(source: &Source<'_>, select: &ast::Select, keywords: &[Keyword]) -> Span {
    source.keyword(select.select_token.0.span, keywords)
}
