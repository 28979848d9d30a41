//! What can go wrong with a feed.

use std::io;
use std::path::{Path, PathBuf};

use twopath_log::LogError;
use twopath_query::QueryError;
use twopath_speed::SpeedError;

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("there is no feed '{name}'; there are: {known}")]
    NoSuchFeed { name: String, known: String },
    #[error("'{name}' cannot be a feed's name: use letters, digits, '-', '_' and '.', not first a '.', at most 190 of them")]
    BadName { name: String },
    #[error("feed '{name}' {is}, not {wanted}; give this feed another --name and output, or run it as it is defined")]
    Differs { name: String, is: String, wanted: String },
    #[error("a feed from '{input}' to '{output}' would go in a circle and never end: choose another output")]
    Circle { input: String, output: String },
    #[error("late records cannot go to '{output}': {what}")]
    Late { output: String, what: String },
    #[error("feed '{name}': {source}")]
    Query { name: String, source: QueryError },
    #[error("topic '{topic}' cannot be the output of feed '{name}': {what}")]
    Output { name: String, topic: String, what: String },
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
    #[error(transparent)]
    Speed(#[from] SpeedError),
}

impl FeedError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> FeedError {
        let path = path.to_owned();
        move |source| FeedError::Io { path, source }
    }
}
