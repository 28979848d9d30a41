//! WINDOW: windows of OVER that have a name.

use sqlparser::ast::{self, NamedWindowDefinition, NamedWindowExpr};

use super::QueryError;
use super::expr::{Binder, Place};
use super::from::name_of;
use super::scope::{nearest, same_name};
use super::source::Source;

/// The windows of a query that have a name, each written out: with all that it takes over from an earlier one.
#[derive(Clone, Default)]
pub(super) struct NamedWindows(Vec<(ast::Ident, ast::WindowSpec)>);

impl NamedWindows {
    pub fn of(source: &Source<'_>, definitions: &[NamedWindowDefinition]) -> Result<Self, QueryError> {
        let mut windows = NamedWindows::default();
        for NamedWindowDefinition(name, window) in definitions {
            if windows.0.iter().any(|(known, _)| same_name(name, &name_of(known))) {
                return Err(source.error(name.span, format!("window '{}' is there twice: give one another name", name.value)));
            }
            let spec = match window {
                NamedWindowExpr::NamedWindow(other) => windows.named(source, other)?.clone(),
                NamedWindowExpr::WindowSpec(spec) => windows.written_out(source, spec)?,
            };
            windows.0.push((name.clone(), spec));
        }
        Ok(windows)
    }

    /// What stands behind OVER, written out.
    pub fn over(&self, source: &Source<'_>, over: &ast::WindowType) -> Result<ast::WindowSpec, QueryError> {
        match over {
            ast::WindowType::NamedWindow(name) => self.named(source, name).cloned(),
            ast::WindowType::WindowSpec(spec) => self.written_out(source, spec),
        }
    }

    fn named(&self, source: &Source<'_>, name: &ast::Ident) -> Result<&ast::WindowSpec, QueryError> {
        self.0.iter().find(|(known, _)| same_name(name, &name_of(known))).map(|(_, spec)| spec).ok_or_else(|| {
            let message = match nearest(&name.value, self.0.iter().map(|(known, _)| known.value.as_str())) {
                Some(near) => format!("no window '{}' stands before this: did you mean {near}?", name.value),
                None => {
                    format!("no window '{0}' stands before this: write WINDOW {0} AS (PARTITION BY a ORDER BY b) behind HAVING", name.value)
                }
            };
            source.error(name.span, message)
        })
    }

    /// `(w ORDER BY ...)`: as in PostgreSQL it adds to what `w` says, and changes nothing of that.
    fn written_out(&self, source: &Source<'_>, spec: &ast::WindowSpec) -> Result<ast::WindowSpec, QueryError> {
        let Some(name) = &spec.window_name else { return Ok(spec.clone()) };
        let base = self.named(source, name)?;
        let twice = |what: &str| {
            let message = format!("window '{}' {what}, which stays as it is: write the whole window out", name.value);
            Err(source.error(name.span, message))
        };
        if base.window_frame.is_some() {
            let message =
                format!("window '{0}' has a frame, so that nothing is added to it: write OVER {0} without parentheses", name.value);
            return Err(source.error(name.span, message));
        }
        if !spec.partition_by.is_empty() {
            return twice("says what rows are partitioned by");
        }
        if !spec.order_by.is_empty() && !base.order_by.is_empty() {
            return twice("has an ORDER BY");
        }
        let order_by = if spec.order_by.is_empty() { &base.order_by } else { &spec.order_by };
        Ok(ast::WindowSpec { order_by: order_by.clone(), window_frame: spec.window_frame.clone(), ..base.clone() })
    }
}

impl Binder<'_> {
    /// Looks at the windows that have a name, also at those that no OVER names.
    pub(super) fn check_named_windows(&mut self) -> Result<(), QueryError> {
        self.place = Place::Select;
        for (name, spec) in std::mem::take(&mut self.windows).0 {
            self.window_of(&spec, name.span)?;
        }
        self.reads.clear();
        Ok(())
    }
}
