//! What is computed: a query in its two versions, as SQL and, where it exists, written by hand for each engine.

use std::sync::Arc;

use arrow_schema::Schema;
use twopath_query::{self as query, Query, QueryError};

/// A query before and after its fix.
#[derive(Clone)]
pub struct Job {
    /// Of the query; hand-written logic goes by it.
    pub name: String,
    pub v1: Version,
    pub v2: Version,
}

#[derive(Clone)]
pub struct Version {
    pub number: u32,
    pub sql: String,
    pub query: Arc<Query>,
    pub hand_batch: Option<twopath_batch::HandWritten>,
    /// What is written for the speed layer alone: final values.
    pub hand_speed: Option<twopath_speed::jobs::flights::Written>,
}

/// How the logic of a layer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// By hand for the layer's engine; as SQL where nobody has done so for this job.
    Hand,
    Sql,
}

impl Job {
    /// Parses both versions over a topic, and looks for logic written by hand under the query's name.
    pub fn new(name: &str, topic: &str, schema: &Schema, sql_v1: &str, sql_v2: &str) -> Result<Self, QueryError> {
        let version = |number, sql: &str| {
            Ok(Version {
                number,
                sql: sql.to_owned(),
                query: Arc::new(query::parse(sql, topic, schema)?),
                hand_batch: twopath_batch::jobs::flights::hand_written(name, number).filter(|_| topic == "flights"),
                hand_speed: hand_speed(name, number).filter(|_| topic == "flights"),
            })
        };
        Ok(Job { name: name.into(), v1: version(1, sql_v1)?, v2: version(2, sql_v2)? })
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
}

impl Version {
    pub fn batch_logic(&self, written: Written) -> twopath_batch::Logic {
        match self.hand_batch.clone().filter(|_| written == Written::Hand) {
            Some(hand) => twopath_batch::Logic::Hand(hand),
            None => twopath_batch::Logic::Sql,
        }
    }

    /// Compiled for both: how the layers' hand-written parts come together is for the layer above to wire.
    pub fn speed_logic(&self, _written: Written) -> twopath_speed::Logic {
        twopath_speed::Logic::Sql
    }
}

fn hand_speed(name: &str, version: u32) -> Option<twopath_speed::jobs::flights::Written> {
    use twopath_speed::{Engine, jobs::flights};
    flights::hand_written(name, version, Engine::Timely, flights::Kind::Finals)
}
