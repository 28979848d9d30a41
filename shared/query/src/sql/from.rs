//! FROM: the topic, queries of WITH, subqueries, and windows over them.
//!
//! Without FROM there is one row, of constants.

use std::rc::Rc;

use arrow_schema::Schema;
use sqlparser::ast::{self, Spanned, TableFactor};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Span;

use super::QueryError;
use super::lateral::lateral;
use super::scope::{Scope, fields, nearest, same_name};
use super::select::bind_query;
use super::source::Source;
use super::values::one_row;
use crate::plan::{Node, Plan};
use crate::types::*;

/// A topic as the text of a query may name it.
#[derive(Debug, Clone, Copy)]
pub struct TopicSchema<'a> {
    pub name: &'a str,
    pub schema: &'a Schema,
    /// The column whose values name a row, where the topic has one: what UPSERT and FOR SYSTEM_TIME AS OF go by.
    pub key: Option<&'a str>,
    /// The event-time column, where the topic has one.
    pub time: Option<&'a str>,
}

/// What FROM can name.
#[derive(Clone)]
pub(super) struct Relations<'a> {
    pub source: &'a Source<'a>,
    pub(super) topics: &'a [TopicSchema<'a>],
    /// The queries of WITH that have been read so far, the latest last.
    named: Vec<(String, Rc<Plan>)>,
}

impl<'a> Relations<'a> {
    pub fn new(source: &'a Source<'a>, topics: &'a [TopicSchema<'a>]) -> Self {
        Relations { source, topics, named: Vec::new() }
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
            self.named.push((name_of(&cte.alias.name), Rc::new(plan)));
        }
        Ok(before)
    }

    pub fn end_with(&mut self, before: usize) {
        self.named.truncate(before);
    }

    /// The plan of what stands in FROM, and its names.
    pub fn from(&mut self, select: &ast::Select) -> Result<(Plan, Scope), QueryError> {
        let mut tables = select.from.iter();
        let Some(first) = tables.next() else { return Ok(one_row(self.source.range(select.select_token.0.span))) };
        let mut left = self.joined(first)?;
        for table in tables {
            if let Some(of) = lateral(&table.relation) {
                left = self.beside_lateral(left, of, &table.joins)?;
                continue;
            }
            let right = self.joined(table)?;
            left = self.crossed(left, right)?;
        }
        Ok(left)
    }

    /// A table alone, without what it is joined to.
    pub(super) fn factor(&mut self, factor: &ast::TableFactor) -> Result<(Plan, Scope), QueryError> {
        match factor {
            TableFactor::Table { name, alias, args, version: None, sample: None, partitions, with_ordinality: false, .. }
                if partitions.is_empty() =>
            {
                let (plan, scope) = match args {
                    None => self.relation(name)?,
                    Some(args) => self.table_function(name, &args.args)?,
                };
                self.aliased(plan, scope, alias.as_ref())
            }
            TableFactor::Table { name, version: Some(_), .. } => {
                let message = "FOR SYSTEM_TIME AS OF goes with the right side of a join: write FROM stream s JOIN table FOR SYSTEM_TIME AS OF s.time AS t ON ...";
                Err(self.source.error(name.span(), message))
            }
            TableFactor::Table { name, .. } => {
                Err(self.source.error(name.span(), format!("FROM takes the topic alone: write FROM {}", self.some_topic())))
            }
            TableFactor::TableFunction {
                expr: ast::Expr::Function(ast::Function { name, args: ast::FunctionArguments::List(list), .. }),
                alias,
            } => {
                let (plan, scope) = self.table_function(name, &list.args)?;
                self.aliased(plan, scope, alias.as_ref())
            }
            TableFactor::Derived { subquery, alias, sample: None, .. } => {
                let (plan, scope) = self.subquery(subquery)?;
                self.aliased(plan, scope, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins),
            other => {
                let topic = self.some_topic();
                let message = format!(
                    "write FROM {topic}, FROM (SELECT ... FROM {topic}) s, or FROM TUMBLE(TABLE {topic}, DESCRIPTOR(column), INTERVAL '1' HOUR)"
                );
                Err(self.source.error(other.span(), message))
            }
        }
    }

    /// A topic's name for messages.
    pub(super) fn some_topic(&self) -> &'a str {
        self.topics.first().map_or("t", |t| t.name)
    }

    pub(super) fn subquery(&mut self, query: &ast::Query) -> Result<(Plan, Scope), QueryError> {
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

    pub(super) fn ident(&self, ident: &ast::Ident) -> Result<(Plan, Scope), QueryError> {
        if let Some((name, plan)) = self.named.iter().rfind(|(name, _)| same_name(ident, name)) {
            return Ok((Plan::clone(plan), Scope::new(name, false, plan.columns())));
        }
        match self.topic(ident) {
            Some(topic) => self.scan(topic, ident.span),
            None => Err(self.source.error(ident.span, self.unknown(&ident.to_string()))),
        }
    }

    /// The topic of this name, unless a query of WITH has it.
    pub(super) fn topic(&self, ident: &ast::Ident) -> Option<TopicSchema<'a>> {
        let hidden = self.named.iter().any(|(name, _)| same_name(ident, name));
        self.topics.iter().find(|t| same_name(ident, t.name)).filter(|_| !hidden).copied()
    }

    pub(super) fn scan(&self, topic: TopicSchema<'a>, span: Span) -> Result<(Plan, Scope), QueryError> {
        let fields = fields(topic.name, topic.schema).map_err(|message| self.source.error_at_start(message))?;
        let plan = Plan::new(Node::Scan { topic: topic.name.to_owned(), fields }, self.source.range(span));
        let scope = Scope::of_topic(topic.name, plan.columns());
        Ok((plan, scope))
    }

    fn unknown(&self, name: &str) -> String {
        let topics = || self.topics.iter().map(|t| t.name);
        match nearest(name, self.named.iter().map(|(n, _)| n.as_str())) {
            Some(near) => format!("there is no query {name} in WITH: did you mean {near}?"),
            None if self.topics.len() == 1 => {
                let topic = self.some_topic();
                format!("the topic is {topic}, not {name}: write FROM {topic}")
            }
            None => match nearest(name, topics()) {
                Some(near) => format!("there is no topic {name}: did you mean {near}?"),
                None => format!("there is no topic {name}: the topics are {}", topics().collect::<Vec<_>>().join(", ")),
            },
        }
    }

    pub(super) fn aliased(&self, plan: Plan, mut scope: Scope, alias: Option<&ast::TableAlias>) -> Result<(Plan, Scope), QueryError> {
        let Some(alias) = alias else { return Ok((plan, scope)) };
        if !alias.columns.is_empty() {
            let is_topic = scope.relations.iter().any(|r| r.is_topic);
            if is_topic || !scope.windows.is_empty() {
                let message = "names for the columns are given in the select list, as in c AS d";
                return Err(self.source.error(alias.name.span, message));
            }
            let plan = self.renamed(plan, alias)?;
            let scope = Scope::new(&name_of(&alias.name), false, plan.columns());
            return Ok((plan, scope));
        }
        for relation in &mut scope.relations {
            relation.alias = Some(name_of(&alias.name));
            if !relation.is_topic {
                relation.name = name_of(&alias.name);
            }
        }
        Ok((plan, scope))
    }

    /// The plan with the names that `alias (a, b, ...)` gives its first columns.
    pub(super) fn renamed(&self, plan: Plan, alias: &ast::TableAlias) -> Result<Plan, QueryError> {
        if alias.columns.is_empty() {
            return Ok(plan);
        }
        let mut columns: Vec<NamedExpr> = plan.as_they_are().collect();
        if alias.columns.len() > columns.len() {
            let message = format!("{} names for {} columns: leave some out", alias.columns.len(), columns.len());
            return Err(self.source.error(alias.name.span, message));
        }
        columns.iter_mut().zip(&alias.columns).for_each(|(column, new)| column.name = name_of(&new.name));
        let span = plan.span.clone();
        Ok(Plan::new(Node::Project { input: Box::new(plan), columns }, span))
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
