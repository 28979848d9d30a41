//! Regular expressions: `~` and its kind, REGEXP_LIKE, REGEXP_SUBSTR and REGEXP_REPLACE.

use sqlparser::ast::{self, BinaryOperator};
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::expr::{Binder, Bound, BoundKind, not};
use crate::function::{Function, Pattern};
use crate::types::DataType::{Bool, Text};
use crate::types::Expr;

impl Binder<'_> {
    /// `left ~ right`, and `~*`, `!~`, `!~*`.
    pub(super) fn regex_operator(&self, op: &BinaryOperator, left: Bound, right: Bound) -> Result<Bound, QueryError> {
        let ignore_case = matches!(op, BinaryOperator::PGRegexIMatch | BinaryOperator::PGRegexNotIMatch);
        let negated = matches!(op, BinaryOperator::PGRegexNotMatch | BinaryOperator::PGRegexNotIMatch);
        let span = left.span.union(&right.span);
        let text = self.coerce(left, Text, "before a regular expression")?;
        let matches = Expr::call(Function::RegexLike(self.pattern(right, ignore_case)?), vec![text], Bool);
        Ok(Bound::typed(if negated { not(matches) } else { matches }, span))
    }

    /// The functions of these names, with their flags.
    pub(super) fn regexp(&mut self, name: &str, args: &[&ast::Expr], span: Span) -> Result<Bound, QueryError> {
        let (args, flags) = match (name, args) {
            ("regexp_replace", [text, pattern, with, flags @ ..]) => (vec![*text, *pattern, *with], flags),
            (_, [text, pattern, flags @ ..]) if name != "regexp_replace" => (vec![*text, *pattern], flags),
            _ => (Vec::new(), args),
        };
        let flags = match flags {
            [] => String::new(),
            [flags] if !args.is_empty() => {
                let bound = self.bind(flags)?;
                self.written(bound.kind, bound.span, "what says how to match")?
            }
            _ => return Err(self.error(span, format!("{} takes a text and a pattern: write {}", name.to_uppercase(), form(name)))),
        };
        let known = if name == "regexp_replace" { "gi" } else { "i" };
        if let Some(other) = flags.chars().find(|c| !known.contains(*c)) {
            let message = format!(
                "the flag {other} is not supported: write i for any case{}",
                if known == "gi" { ", g for every match" } else { "" }
            );
            return Err(self.error(span, message));
        }
        let ignore_case = flags.contains('i');
        let Some(pattern) = args.get(1) else { unreachable!("two or three arguments") };
        let pattern = self.bind(pattern)?;
        let pattern = self.pattern(pattern, ignore_case)?;
        let mut of = |ast| self.expr_of(ast, Text, &format!("in {}", name.to_uppercase()));
        let text = of(args[0])?;
        let expr = match (name, args.get(2)) {
            (_, Some(with)) => Expr::call(Function::RegexReplace { pattern, all: flags.contains('g') }, vec![text, of(with)?], Text),
            ("regexp_substr", None) => Expr::call(Function::RegexSubstr(pattern), vec![text], Text),
            _ => Expr::call(Function::RegexLike(pattern), vec![text], Bool),
        };
        Ok(Bound::typed(expr, span))
    }

    /// A pattern, which is written out, so that it is read once and a wrong one is found here.
    fn pattern(&self, bound: Bound, ignore_case: bool) -> Result<Pattern, QueryError> {
        let text = self.written(bound.kind, bound.span, "a regular expression")?;
        Pattern::new(&text, ignore_case).map_err(|what| self.error(bound.span, what))
    }

    fn written(&self, kind: BoundKind, span: Span, what: &str) -> Result<String, QueryError> {
        match kind {
            BoundKind::Text(text) => Ok(text),
            _ => Err(self.error(span, format!("{what} is a text in single quotes, the same for every row"))),
        }
    }
}

fn form(name: &str) -> &'static str {
    match name {
        "regexp_replace" => "REGEXP_REPLACE(c, '[0-9]+', 'n', 'g')",
        "regexp_substr" => "REGEXP_SUBSTR(c, '[0-9]+')",
        _ => "REGEXP_LIKE(c, '^N[0-9]+')",
    }
}
