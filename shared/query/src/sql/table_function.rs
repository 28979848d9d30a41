//! Table functions in FROM: windows, and changelogs as tables.

use sqlparser::ast::{self, Spanned};

use super::QueryError;
use super::emit;
use super::expr::{Binder, Bound, BoundKind};
use super::from::Relations;
use super::scope::{Scope, Watermark, nearest};
use super::source::PARTITION_BY;
use crate::plan::{Late, Node, Plan, Window, WindowSize};
use crate::types::*;

/// The functions, with how each is written, and the names of its arguments, as Flink has them.
const FORMS: [(&str, &str, &[&str]); 6] = [
    ("tumble", "TUMBLE(TABLE {t}, DESCRIPTOR(column), INTERVAL '1' HOUR)", &["data", "timecol", "size", "offset"]),
    (
        "hop",
        "HOP(TABLE {t}, DESCRIPTOR(column), INTERVAL '5' MINUTE, INTERVAL '1' HOUR), the slide before the size",
        &["data", "timecol", "slide", "size", "offset"],
    ),
    (
        "cumulate",
        "CUMULATE(TABLE {t}, DESCRIPTOR(column), INTERVAL '1' HOUR, INTERVAL '1' DAY), the step before the size",
        &["data", "timecol", "step", "size", "offset"],
    ),
    ("session", "SESSION(TABLE {t} PARTITION BY key, DESCRIPTOR(column), INTERVAL '30' MINUTE)", &["data", "timecol", "gap"]),
    ("upsert", "UPSERT(TABLE {t})", &["data", "key"]),
    (
        "watermark",
        "WATERMARK(TABLE {t}, DESCRIPTOR(column), INTERVAL '5' SECOND) or, in place of the interval, PERCENTILE(0.99); and behind it, IDLE(INTERVAL '1' MINUTE)",
        &["data", "timecol", "delay", "idle"],
    ),
];

/// Behind how late records may come: when a partition is idle.
const IDLE: &str = "idle";

/// A call of a table function.
struct Call<'c> {
    name: &'c ast::ObjectName,
    /// In lower case.
    function: &'static str,
    args: Vec<&'c ast::Expr>,
    /// How the function is written.
    form: String,
}

impl Relations<'_> {
    /// A window over a table, or a keyed topic as the table that its changes leave.
    pub(super) fn table_function(&mut self, name: &ast::ObjectName, args: &[ast::FunctionArg]) -> Result<(Plan, Scope), QueryError> {
        let written = name.to_string().to_lowercase();
        let form = |form: &str| format!("write {}", form.replace("{t}", self.some_topic()));
        let Some((function, text, parameters)) = FORMS.iter().find(|(known, ..)| *known == written) else {
            let near = nearest(&written, FORMS.iter().map(|(known, ..)| *known));
            let near = near.map_or(String::new(), |n| format!(" (did you mean {}?)", n.to_uppercase()));
            let message = format!("there is no table function '{name}'{near}: {}", form(FORMS[0].1));
            return Err(self.source.error(name.span(), message));
        };
        let form = form(text);
        let args = self.in_order(name, parameters, args, &form)?;
        let call = Call { name, function, args, form };
        match (call.function, &call.args[..]) {
            ("tumble", [table, column, size]) => self.tumble(&call, table, column, size, None),
            ("tumble", [table, column, size, offset]) => self.tumble(&call, table, column, size, Some(offset)),
            ("hop" | "cumulate", [table, column, step, size]) => self.sliding(&call, table, column, [step, size], None),
            ("hop" | "cumulate", [table, column, step, size, offset]) => self.sliding(&call, table, column, [step, size], Some(offset)),
            ("session", [table, column, gap]) => self.session(&call, table, None, column, gap),
            ("session", [table, by, column, gap]) if is_call(by, PARTITION_BY) => self.session(&call, table, Some(by), column, gap),
            // As Calcite has it: the key after the time.
            ("session", [table, column, by, gap]) if is_call(by, "descriptor") || matches!(by, ast::Expr::Identifier(_)) => {
                self.session(&call, table, Some(by), column, gap)
            }
            ("watermark", [table, column, delay]) => self.watermark(&call, table, column, delay, None),
            ("watermark", [table, column, delay, idle]) if is_call(idle, IDLE) => self.watermark(&call, table, column, delay, Some(idle)),
            ("upsert", [table]) => self.upsert(&call, table, None),
            ("upsert", [table, key]) => self.upsert(&call, table, Some(key)),
            _ => Err(self.source.error(name.span(), format!("{} takes other arguments: {}", function.to_uppercase(), call.form))),
        }
    }

    /// A call's arguments by their places: those without a name as they stand, then those with one by it.
    fn in_order<'c>(
        &self,
        name: &ast::ObjectName,
        parameters: &[&str],
        args: &'c [ast::FunctionArg],
        form: &str,
    ) -> Result<Vec<&'c ast::Expr>, QueryError> {
        let function = name.to_string().to_uppercase();
        let (mut placed, mut by): (Vec<Option<&ast::Expr>>, Option<&ast::Expr>) = (Vec::new(), None);
        let mut are_named = false;
        for arg in args {
            let (named, value) = match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => (None, e),
                ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(e), .. } => (Some((name.value.clone(), name.span)), e),
                ast::FunctionArg::ExprNamed { name, arg: ast::FunctionArgExpr::Expr(e), .. } => {
                    (Some((name_of_argument(name), name.span())), e)
                }
                other => return Err(self.source.error(other.span(), format!("{function} takes other arguments: {form}"))),
            };
            let Some((written, span)) = named else {
                // As Calcite has it, the key stands behind the time.
                let is_key = is_call(value, PARTITION_BY) || placed.len() == 2 && !are_named && is_call(value, "descriptor");
                match is_key {
                    true => by = Some(value),
                    false if are_named => {
                        return Err(self.source.error(value.span(), "an argument without a name stands before those with one"));
                    }
                    false => placed.push(Some(value)),
                }
                continue;
            };
            are_named = true;
            let Some(place) = parameters.iter().position(|known| written.eq_ignore_ascii_case(known)) else {
                let known = parameters.iter().map(|known| known.to_uppercase()).collect::<Vec<_>>().join(", ");
                return Err(self.source.error(span, format!("{function} has no argument {written}: it has {known}")));
            };
            placed.resize(placed.len().max(place + 1), None);
            if placed[place].replace(value).is_some() {
                return Err(self.source.error(span, format!("{} is given twice", parameters[place].to_uppercase())));
            }
        }
        if let Some(missing) = placed.iter().position(Option::is_none) {
            return Err(self.source.error(name.span(), format!("{} is missing: {form}", parameters[missing].to_uppercase())));
        }
        let mut placed: Vec<&ast::Expr> = placed.into_iter().flatten().collect();
        if let Some(by) = by {
            let place = if is_call(by, PARTITION_BY) { 1 } else { 2 };
            placed.insert(placed.len().min(place), by);
        }
        Ok(placed)
    }

    fn tumble(
        &mut self,
        call: &Call<'_>,
        table: &ast::Expr,
        column: &ast::Expr,
        size: &ast::Expr,
        offset: Option<&&ast::Expr>,
    ) -> Result<(Plan, Scope), QueryError> {
        let (input, scope) = self.input(call, table)?;
        let column = self.timestamp(call, column, &scope)?;
        let window = self.window((call.function, &call.form), &[size], offset)?;
        Ok(self.windowed(call, input, scope, column, window))
    }

    /// A window of these lengths; a session of no key.
    pub(super) fn window(
        &self,
        (function, form): (&str, &str),
        lengths: &[&ast::Expr],
        offset: Option<&&ast::Expr>,
    ) -> Result<Window, QueryError> {
        match (function, lengths) {
            ("tumble", [size]) => self.tumbling(form, size, offset),
            ("session", [gap]) => Ok(Window::Session { gap_us: self.positive(form, gap, "gap")?, by: Vec::new() }),
            (_, [step, size]) => self.overlapping((function, form), [step, size], offset),
            _ => unreachable!("{function} has other lengths"),
        }
    }

    fn tumbling(&self, form: &str, size: &ast::Expr, offset: Option<&&ast::Expr>) -> Result<Window, QueryError> {
        let ast::Expr::Interval(interval) = size else {
            return Err(self.source.error(size.span(), format!("this argument is the window's size: {form}")));
        };
        let bound = Binder::new(self.source, Scope::default()).interval(interval)?;
        let size = self.window_size(bound, interval)?;
        let offset_us = offset.map_or(Ok(0), |o| self.length(form, o, "offset"))?;
        if let (WindowSize::Calendar(_), Some(offset)) = (size, offset.filter(|_| offset_us != 0)) {
            return Err(self.source.error(offset.span(), "windows of the calendar have no offset: write a size in days, hours or less"));
        }
        Ok(Window::Tumble { size, offset_us })
    }

    fn sliding(
        &mut self,
        call: &Call<'_>,
        table: &ast::Expr,
        column: &ast::Expr,
        [step, size]: [&ast::Expr; 2],
        offset: Option<&&ast::Expr>,
    ) -> Result<(Plan, Scope), QueryError> {
        let (input, scope) = self.input(call, table)?;
        let column = self.timestamp(call, column, &scope)?;
        let window = self.window((call.function, &call.form), &[step, size], offset)?;
        Ok(self.windowed(call, input, scope, column, window))
    }

    fn overlapping(
        &self,
        (function, form): (&str, &str),
        [step, size]: [&ast::Expr; 2],
        offset: Option<&&ast::Expr>,
    ) -> Result<Window, QueryError> {
        let step_us = self.positive(form, step, if function == "hop" { "slide" } else { "step" })?;
        let size_us = self.positive(form, size, "size")?;
        let offset_us = offset.map_or(Ok(0), |o| self.length(form, o, "offset"))?;
        if function == "hop" {
            // So many windows hold a moment; each is a row of the answer.
            if size_us / step_us > WINDOWS_MAX {
                let message = format!("a moment would be in more than {WINDOWS_MAX} windows: make the slide longer");
                return Err(self.source.error(step.span(), message));
            }
            Ok(Window::Hop { slide_us: step_us, size_us, offset_us })
        } else {
            if size_us % step_us != 0 || size_us / step_us > WINDOWS_MAX {
                let message = format!("the size is a whole number of steps, and of no more than {WINDOWS_MAX}: {form}");
                return Err(self.source.error(size.span(), message));
            }
            Ok(Window::Cumulate { step_us, size_us, offset_us })
        }
    }

    fn session(
        &mut self,
        call: &Call<'_>,
        table: &ast::Expr,
        by: Option<&&ast::Expr>,
        column: &ast::Expr,
        gap: &ast::Expr,
    ) -> Result<(Plan, Scope), QueryError> {
        let (input, scope) = self.input(call, table)?;
        let column = self.timestamp(call, column, &scope)?;
        let gap_us = self.positive(&call.form, gap, "gap")?;
        let by = by.map_or_else(|| Ok(Vec::new()), |by| self.columns(call, by, &scope))?;
        Ok(self.windowed(call, input, scope, column, Window::Session { gap_us, by }))
    }

    fn windowed(&self, call: &Call<'_>, input: Plan, mut scope: Scope, column: usize, window: Window) -> (Plan, Scope) {
        scope.add_window(&window);
        (Plan::new(Node::Window { input: Box::new(input), column, window }, self.source.range(call.name.span())), scope)
    }

    /// A topic without its late records: those whose event time is more than `delay` before the greatest of all records of their partition that were there before them.
    fn watermark(
        &mut self,
        call: &Call<'_>,
        table: &ast::Expr,
        column: &ast::Expr,
        delay: &ast::Expr,
        idle: Option<&ast::Expr>,
    ) -> Result<(Plan, Scope), QueryError> {
        let topic = match table {
            ast::Expr::Identifier(ident) => self.topic(ident),
            _ => None,
        };
        let Some(topic) = topic else {
            return Err(self.source.error(table.span(), format!("WATERMARK takes a topic: {}", call.form)));
        };
        let (input, mut scope) = self.scan(topic, table.span())?;
        let number = self.timestamp(call, column, &scope)?;
        if let Some(time) = topic.time
            && topic.schema.field(number).name() != time
        {
            let message = format!("the event time of topic {} is {time}: write DESCRIPTOR({time})", topic.name);
            return Err(self.source.error(column.span(), message));
        }
        if topic.time.is_none() && self.source.knows_times {
            let message = format!(
                "topic {0} has no event time, so that its log does not know what is late: make one that has, with --time-column {1} (twopath log import, or a feed of {0})",
                topic.name,
                topic.schema.field(number).name()
            );
            return Err(self.source.error(column.span(), message));
        }
        let delay_us = match share(delay) {
            Some(share) if 0.0 < share && share <= 1.0 => {
                let known = self.source.lateness(topic.name, topic.schema.field(number).name(), share);
                known.map_err(|message| self.source.error(delay.span(), message))?
            }
            Some(_) => return Err(self.source.error(delay.span(), "a share lies between 0 and 1: write PERCENTILE(0.99)")),
            None => self.length(&call.form, delay, "delay")?,
        };
        if delay_us < 0 {
            return Err(self
                .source
                .error(delay.span(), "the delay is how much later than newer ones a record may come: write INTERVAL '5' SECOND"));
        }
        let idle_us = match idle {
            None => None,
            Some(idle) => {
                let Some(interval) = argument(idle) else {
                    return Err(self.source.error(idle.span(), "IDLE takes an interval: write IDLE(INTERVAL '1' MINUTE)"));
                };
                Some(self.positive(&call.form, interval, "time without a record")?)
            }
        };
        let Node::Scan { topic, fields } = &input.node else { unreachable!("a topic is scanned") };
        let late = Late { topic: topic.clone(), fields: fields.clone(), time: number, delay_us, idle_us };
        let span = self.source.range(call.name.span());
        let plan = emit::on_time(input.clone(), &late, span.clone());
        let time = Expr::column(number, DataType::Timestamp);
        scope.watermarks.push(Watermark { time, plan: late.watermark(input, &span) });
        Ok((plan, scope))
    }

    fn upsert(&mut self, call: &Call<'_>, table: &ast::Expr, key: Option<&&ast::Expr>) -> Result<(Plan, Scope), QueryError> {
        let topic = match table {
            ast::Expr::Identifier(ident) => self.topic(ident),
            _ => None,
        };
        let Some(topic) = topic else {
            return Err(self.source.error(table.span(), format!("UPSERT takes a topic, the changes of a table: {}", call.form)));
        };
        let (input, scope) = self.scan(topic, table.span())?;
        let key = match key {
            Some(key) => self.columns(call, key, &scope)?,
            None => self.key_of(topic, table.span())?,
        };
        let upserts = self.upserts(topic, key, &scope, false);
        Ok((Plan::new(Node::Latest { input: Box::new(input), upserts }, self.source.range(call.name.span())), scope))
    }

    /// The table that a function is called with.
    fn input(&mut self, call: &Call<'_>, table: &ast::Expr) -> Result<(Plan, Scope), QueryError> {
        match table {
            ast::Expr::Identifier(ident) => {
                let topic = self.some_topic();
                self.ident(ident).map_err(|e| QueryError { message: e.message.replace(&format!("write FROM {topic}"), &call.form), ..e })
            }
            ast::Expr::Subquery(query) => self.subquery(query),
            ast::Expr::Function(ast::Function { name, args: ast::FunctionArguments::List(list), .. }) => {
                self.table_function(name, &list.args)
            }
            other => Err(self.source.error(other.span(), format!("the topic is {}, not {other}: {}", self.some_topic(), call.form))),
        }
    }

    /// The timestamp column that DESCRIPTOR names.
    fn timestamp(&self, call: &Call<'_>, ast: &ast::Expr, scope: &Scope) -> Result<usize, QueryError> {
        let column = match (ast, names_of(ast, "descriptor").as_deref()) {
            (ast::Expr::Identifier(column), _) => column,
            (_, Some([column])) => *column,
            _ => return Err(self.source.error(ast.span(), format!("the second argument names the time column: {}", call.form))),
        };
        let Some(found) = scope.column(column) else {
            return Err(self.source.error(column.span, scope.unknown_column(&column.value)));
        };
        match found.expr.kind {
            ExprKind::Column(index) if found.expr.data_type == DataType::Timestamp => Ok(index),
            _ => {
                let message = format!("a window cuts a timestamp, and this column is {}", found.expr.data_type.sql_name());
                Err(self.source.error(column.span, message))
            }
        }
    }

    /// The columns that PARTITION BY or DESCRIPTOR names.
    fn columns(&self, call: &Call<'_>, ast: &ast::Expr, scope: &Scope) -> Result<Vec<usize>, QueryError> {
        let names = match ast {
            ast::Expr::Identifier(column) => Some(vec![column]),
            _ => names_of(ast, PARTITION_BY).or_else(|| names_of(ast, "descriptor")),
        };
        let Some(names) = names.filter(|n| !n.is_empty()) else {
            return Err(self.source.error(ast.span(), format!("name columns: {}", call.form)));
        };
        let mut columns = Vec::new();
        for name in names {
            match scope.column(name).map(|c| &c.expr.kind) {
                Some(ExprKind::Column(index)) => columns.push(*index),
                Some(_) => return Err(self.source.error(name.span, "PARTITION BY takes columns: name the expression in a subquery")),
                None => return Err(self.source.error(name.span, scope.unknown_column(&name.value))),
            }
        }
        Ok(columns)
    }

    fn positive(&self, form: &str, ast: &ast::Expr, what: &str) -> Result<i64, QueryError> {
        let us = self.length(form, ast, what)?;
        if us > 0 { Ok(us) } else { Err(self.source.error(ast.span(), format!("the {what} is longer than nothing: {form}"))) }
    }

    /// A length of time in microseconds.
    fn length(&self, form: &str, ast: &ast::Expr, what: &str) -> Result<i64, QueryError> {
        let (interval, sign) = match ast {
            ast::Expr::Interval(interval) => (interval, 1),
            ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match &**expr {
                ast::Expr::Interval(interval) => (interval, -1),
                _ => return Err(self.source.error(ast.span(), format!("the {what} is an INTERVAL: {form}"))),
            },
            _ => return Err(self.source.error(ast.span(), format!("the {what} is an INTERVAL: {form}"))),
        };
        match Binder::new(self.source, Scope::default()).interval(interval)?.kind {
            BoundKind::Typed(Expr { kind: ExprKind::Literal(Value::Interval(us)), .. }) => Ok(us.saturating_mul(sign)),
            _ => {
                let message = format!("the {what} has a fixed length, which a month has not: write days, hours or less");
                Err(self.source.error(ast.span(), message))
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

/// In how many windows one moment may be.
const WINDOWS_MAX: i64 = 100_000;

/// A name before `=>`, without quotes.
pub(super) fn name_of_argument(name: &ast::Expr) -> String {
    match name {
        ast::Expr::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    }
}

fn is_call(ast: &ast::Expr, function: &str) -> bool {
    matches!(ast, ast::Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case(function))
}

/// The one argument of a function.
fn argument(ast: &ast::Expr) -> Option<&ast::Expr> {
    let ast::Expr::Function(ast::Function { args: ast::FunctionArguments::List(list), .. }) = ast else { return None };
    match &list.args[..] {
        [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(argument))] => Some(argument),
        _ => None,
    }
}

/// The share of `PERCENTILE(share)`; NaN for one that is no number.
fn share(ast: &ast::Expr) -> Option<f64> {
    is_call(ast, "percentile").then(|| match argument(ast) {
        Some(ast::Expr::Value(value)) => value.to_string().parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    })
}

/// The names that `FUNCTION(a, b)` lists.
fn names_of<'a>(ast: &'a ast::Expr, function: &str) -> Option<Vec<&'a ast::Ident>> {
    let ast::Expr::Function(ast::Function { args: ast::FunctionArguments::List(list), .. }) = ast else { return None };
    if !is_call(ast, function) {
        return None;
    }
    let name = |arg: &'a ast::FunctionArg| match arg {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Identifier(column))) => Some(column),
        _ => None,
    };
    list.args.iter().map(name).collect()
}
