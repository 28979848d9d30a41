//! What can go wrong with a feed.

use std::io;
use std::path::{Path, PathBuf};

use twopath_base::{Offset, PartitionId};
use twopath_log::LogError;
use twopath_query::{EvalError, QueryError};

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("there is no feed '{name}'; there are: {known}")]
    NoSuchFeed { name: String, known: String },
    #[error("'{name}' cannot be a feed's name: use letters, digits, '-', '_' and '.', not first a '.', at most 190 of them")]
    BadName { name: String },
    #[error("feed '{name}' {is}, not {wanted}; give this feed another --name, or run it as it is defined")]
    Differs { name: String, is: String, wanted: String },
    #[error("a feed from '{input}' to '{output}' would go in a circle and never end: choose another output")]
    Circle { input: String, output: String },
    #[error("this query cannot be a feed: {what}")]
    NoFeed { what: String },
    #[error(
        "feed '{name}' makes its groups of every record of '{topic}', at each start, and '{topic}' {what}. Pass what is left on to a topic that keeps \
         everything (twopath feed run {topic} OTHER --sql 'SELECT * FROM {topic}'), and run the feed over that one, under another name"
    )]
    NotWhole { name: String, topic: String, what: String },
    #[error("feed '{name}': {source}")]
    Query { name: String, source: QueryError },
    #[error("topic '{topic}' cannot be the output of feed '{name}': {what}")]
    Output { name: String, topic: String, what: String },
    #[error(
        "feed '{name}' stops before offset {from} of partition {partition} of its input: {what} up to offset {to} raises an error: {source}. \
         What came before is appended; define the feed anew, under another name, with a guard against it"
    )]
    Row { name: String, partition: PartitionId, from: Offset, to: Offset, what: &'static str, source: EvalError },
    #[error("feed '{name}' reads all of its input, and '{owner}' reads partition {partition} of it as the same group: stop that one first")]
    Shared { name: String, partition: PartitionId, owner: String },
    #[error(
        "feed '{name}' has appended what came of partition {partition} of its input up to offset {reached}, and the input ends at {end}: \
         it lost records with the machine's death. Run the feed under another name, to another output; \
         where an output must not outlive its input, make the input with --durability batch"
    )]
    Ahead { name: String, partition: PartitionId, reached: Offset, end: Offset },
    #[error(
        "feed '{name}' was run on an earlier topic '{topic}', which was deleted since, and not on the one that has this name now: how far it is \
         says nothing of that one. Run the feed under another name, to another output; or delete the output as well (`twopath log delete {output}`), \
         and the feed starts over"
    )]
    OtherInput { name: String, topic: String, output: String },
    #[error("{}: {what}; remove the file, or restore it from a copy", path.display())]
    BadFile { path: PathBuf, what: String },
    #[error("could not use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Log(#[from] LogError),
}

impl FeedError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> FeedError {
        let path = path.to_owned();
        move |source| FeedError::Io { path, source }
    }
}
