//! Where topics are kept: a folder, or a Kafka cluster.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::{self, TopicConfig};
use crate::error::LogError;
use crate::log::Log;
use crate::rows::row_decoder::RowDecoders;
use crate::servers::are_servers;
use crate::topic::Topic;

const SCHEME: &str = "kafka://";

/// Where topics are kept: the one way from a log's address to its topics, whoever keeps them.
///
/// As a text it is the folder's path, `kafka://HOST:PORT` (several `HOST:PORT` with commas between), or `kafka://HOST:PORT/TOPIC`, which
/// names one of the cluster's topics as well. A Kafka cluster can be named by any program, and opened by one with the cargo feature `kafka`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Address {
    Folder(PathBuf),
    Kafka {
        /// `HOST:PORT`, or several with commas between.
        servers: String,
        topic: Option<String>,
    },
}

impl Address {
    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Address::Folder(dir) => Some(dir),
            Address::Kafka { .. } => None,
        }
    }

    /// The topic that the address itself names.
    pub fn named_topic(&self) -> Option<&str> {
        match self {
            Address::Folder(_) => None,
            Address::Kafka { topic, .. } => topic.as_deref(),
        }
    }

    /// The same place, naming this topic. A folder names none.
    #[must_use]
    pub fn naming(&self, topic: &str) -> Address {
        match self {
            Address::Folder(dir) => Address::Folder(dir.clone()),
            Address::Kafka { servers, .. } => Address::Kafka { servers: servers.clone(), topic: Some(topic.to_owned()) },
        }
    }

    /// Opens a topic for reading. Makes no folder where there is none.
    ///
    /// # Errors
    /// There is no such folder or topic, the servers do not answer, or this program was built without Kafka.
    pub fn topic(&self, name: &str) -> Result<Topic, LogError> {
        match self {
            Address::Folder(dir) if !dir.is_dir() => Err(LogError::NoSuchFolder { dir: dir.clone() }),
            Address::Folder(dir) => Log::open(dir)?.topic(name),
            #[cfg(feature = "kafka")]
            Address::Kafka { servers, .. } => crate::kafka::Kafka::connect(servers)?.topic(name),
            #[cfg(not(feature = "kafka"))]
            Address::Kafka { .. } => Err(self.without_kafka()),
        }
    }

    /// Opens a topic of a Kafka cluster that other programs write, for reading only: its records' values become rows of the config's
    /// columns. The config's partitions are the cluster's.
    pub fn foreign_topic(&self, config: TopicConfig, decoders: RowDecoders) -> Result<Topic, LogError> {
        match self {
            Address::Folder(_) => Err(LogError::NotForeign { place: self.to_string() }),
            #[cfg(feature = "kafka")]
            Address::Kafka { servers, .. } => crate::kafka::Kafka::connect(servers)?.foreign_topic(config, decoders),
            #[cfg(not(feature = "kafka"))]
            Address::Kafka { .. } => {
                drop((config, decoders));
                Err(self.without_kafka())
            }
        }
    }

    /// The topic, if there is one of that name. One whose making was cut short is none: [`Self::create_topic`] completes it.
    pub fn find(&self, name: &str) -> Result<Option<Topic>, LogError> {
        match self.topic(name) {
            Ok(topic) => Ok(Some(topic)),
            Err(LogError::NoSuchTopic { .. } | LogError::NoSuchFolder { .. } | LogError::TopicUnfinished { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The names of the topics, sorted; none where there is no folder.
    pub fn topics(&self) -> Result<Vec<String>, LogError> {
        match self {
            Address::Folder(dir) if !dir.is_dir() => Ok(Vec::new()),
            Address::Folder(dir) => Log::open(dir)?.topics(),
            #[cfg(feature = "kafka")]
            Address::Kafka { servers, .. } => crate::kafka::Kafka::connect(servers)?.topics(),
            #[cfg(not(feature = "kafka"))]
            Address::Kafka { .. } => Err(self.without_kafka()),
        }
    }

    /// Makes a topic, and the folder where there is none.
    pub fn create_topic(&self, config: TopicConfig) -> Result<Topic, LogError> {
        match self {
            Address::Folder(dir) if dir.exists() && !dir.is_dir() => Err(LogError::NoFolder { path: dir.clone() }),
            Address::Folder(dir) => Log::open(dir)?.create_topic(config),
            #[cfg(feature = "kafka")]
            Address::Kafka { servers, .. } => crate::kafka::Kafka::connect(servers)?.create_topic(config),
            #[cfg(not(feature = "kafka"))]
            Address::Kafka { .. } => Err(self.without_kafka()),
        }
    }

    /// Deletes a topic and everything in it; one in a folder not while somebody writes or reads it.
    pub fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        match self {
            Address::Folder(dir) => Log::open(dir)?.delete_topic(name),
            #[cfg(feature = "kafka")]
            Address::Kafka { servers, .. } => crate::kafka::Kafka::connect(servers)?.delete_topic(name),
            #[cfg(not(feature = "kafka"))]
            Address::Kafka { .. } => Err(self.without_kafka()),
        }
    }

    #[cfg(not(feature = "kafka"))]
    fn without_kafka(&self) -> LogError {
        LogError::WithoutKafka { place: self.to_string() }
    }
}

impl FromStr for Address {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let bad = || LogError::BadAddress { address: text.to_owned() };
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return if text.is_empty() || text.contains("://") { Err(bad()) } else { Ok(Address::Folder(text.into())) };
        };
        let (servers, topic) = match rest.split_once('/') {
            None => (rest, None),
            Some((servers, topic)) => (servers, Some(topic)),
        };
        if !are_servers(servers) {
            return Err(bad());
        }
        topic.map_or(Ok(()), config::check_name)?;
        Ok(Address::Kafka { servers: servers.to_owned(), topic: topic.map(String::from) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Folder(dir) => dir.display().fmt(f),
            Address::Kafka { servers, topic: None } => write!(f, "{SCHEME}{servers}"),
            Address::Kafka { servers, topic: Some(topic) } => write!(f, "{SCHEME}{servers}/{topic}"),
        }
    }
}

impl From<Address> for String {
    fn from(place: Address) -> String {
        place.to_string()
    }
}

impl TryFrom<String> for Address {
    type Error = LogError;

    fn try_from(text: String) -> Result<Self, LogError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_or_refused() {
        let kafka = |servers: &str, topic: Option<&str>| Address::Kafka { servers: servers.into(), topic: topic.map(String::from) };
        for (text, place) in [
            ("some/folder", Address::Folder("some/folder".into())),
            ("h:1", Address::Folder("h:1".into())),
            ("kafka://h:1", kafka("h:1", None)),
            ("kafka://h:1/t", kafka("h:1", Some("t"))),
            ("kafka://h:1,[::1]:2/t.x", kafka("h:1,[::1]:2", Some("t.x"))),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), place);
            assert_eq!(place.to_string(), text, "and written as it was read");
        }
        for bad in ["", "kafka://", "kafka://h/t", "kafka://h:1/", "kafka://h:x/t", "kafka://h:0/t", "kafka://h:1,/t", "kafka://h:1/../t"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        assert!(matches!("http://h:1/t".parse::<Address>(), Err(LogError::BadAddress { .. })));
    }

    #[test]
    fn only_an_address_names_a_topic() {
        let kafka: Address = "kafka://h:1".parse().unwrap();
        assert_eq!((kafka.named_topic(), kafka.naming("t").named_topic()), (None, Some("t")));
        assert_eq!(Address::Folder("x".into()).naming("t"), Address::Folder("x".into()));
    }
}
