//! What is computed: a query in its two versions.

use std::sync::Arc;

use arrow_schema::Schema;
use serde::{Deserialize, Serialize};
use twopath_query::{self as query, Query, QueryError};

use super::Language;

/// A query before and after its fix.
#[derive(Clone)]
pub struct Job {
    /// Of the query; hand-written logic goes by it.
    pub name: String,
    /// Of the topic that it reads; hand-written logic goes by it, too.
    pub topic: String,
    pub v1: Version,
    pub v2: Version,
}

/// A query before and after its fix, as texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuerySpec {
    /// Logic that is written by hand goes by it.
    pub name: String,
    pub sql_v1: String,
    pub sql_v2: String,
}

/// A query at one version.
#[derive(Clone)]
pub struct Version {
    pub number: u32,
    pub sql: String,
    pub query: Arc<Query>,
}

impl Job {
    /// Parses both versions over a topic.
    pub fn new(name: &str, topic: &str, schema: &Schema, sql_v1: &str, sql_v2: &str) -> Result<Self, QueryError> {
        let version = |number, sql: &str| Ok(Version { number, sql: sql.to_owned(), query: Arc::new(query::parse(sql, topic, schema)?) });
        Ok(Job { name: name.into(), topic: topic.into(), v1: version(1, sql_v1)?, v2: version(2, sql_v2)? })
    }

    /// # Panics
    /// For versions other than 1 and 2.
    pub fn version(&self, number: u32) -> &Version {
        match number {
            1 => &self.v1,
            2 => &self.v2,
            _ => panic!("a job has versions 1 and 2, not {number}"),
        }
    }

    /// Whether there is anything to fix.
    pub fn has_fix(&self) -> bool {
        self.v1.sql != self.v2.sql
    }

    /// Whether somebody has written its logic by hand for the layers.
    pub fn is_written_by_hand(&self) -> bool {
        super::twopath::wiring::is_written_by_hand(self)
    }

    /// The language that it runs in where `wanted` is asked for: SQL where nobody has written it by hand.
    pub fn language(&self, wanted: Language) -> Language {
        if self.is_written_by_hand() { wanted } else { Language::Sql }
    }
}
