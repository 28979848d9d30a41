//! What can go wrong with the log. Every message names the place and the way out.

use std::io;
use std::path::{Path, PathBuf};

use arrow_schema::ArrowError;

use twopath_base::{Offset, PartitionId, Position};

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("there is no topic '{name}' in {}: {}", dir.display(), known_topics(known))]
    NoSuchTopic { name: String, dir: PathBuf, known: Vec<String> },
    #[error("{}: there is no such folder of topics; name it with --dir, or make a topic with `twopath log create` or `twopath log import`", dir.display())]
    NoSuchFolder { dir: PathBuf },
    #[error("{}: this is no folder; name a folder for topics with --dir", path.display())]
    NoFolder { path: PathBuf },
    #[error("topic '{name}' exists already, or was made just now: choose another name, or append to it")]
    TopicExists { name: String },
    #[error("'{name}' cannot be a topic's name: use letters, digits, '-', '_' and '.', not first a '.', at most 200 of them")]
    BadTopicName { name: String },
    #[error("topic '{topic}' cannot be made so: {what}")]
    BadConfig { topic: String, what: String },
    #[error("{}: {what}; restore the file, or make the topic anew", path.display())]
    BadTopicFile { path: PathBuf, what: String },
    #[error("column '{column}' does not fit topic '{topic}': it wants {expected}, and got {found}")]
    SchemaMismatch { topic: String, column: String, expected: String, found: String },
    #[error("topic '{topic}' is being written by {holder}: a topic has one writer at a time; stop that one first")]
    Locked { topic: String, holder: String },
    #[error("the segments of topic '{topic}' are being tidied by {holder}: try again when it has finished")]
    Housekeeping { topic: String, holder: String },
    #[error("topic '{topic}' is being read by {who}: stop that one first")]
    InUse { topic: String, who: String },
    #[error("topic '{topic}' was not deleted, because {left} of its objects could not be: their store must be reachable; try again")]
    ObjectsLeft { topic: String, left: u64 },
    #[error("topic '{topic}' cannot be compacted: it has no key column to compact by; make it with one (`--key`)")]
    NoKey { topic: String },
    #[error(
        "{}, byte {offset}: {what}; see everything that is wrong with `twopath log verify`, and restore the file from a copy",
        path.display()
    )]
    Corrupt { path: PathBuf, offset: u64, what: String },
    #[error("topic '{topic}' partition {partition} has no offset {offset}: it ends at {end}")]
    OffsetOutOfRange { topic: String, partition: PartitionId, offset: Offset, end: Offset },
    #[error(
        "topic '{topic}' partition {partition} no longer has offset {offset}: the first one left is {first}; start there, or at `start`"
    )]
    OffsetGone { topic: String, partition: PartitionId, offset: Offset, first: Offset },
    #[error(
        "topic '{topic}' partition {partition} no longer has barrier {number}, which stood before offset {first}, the first one left; start there, or at `start`"
    )]
    BarrierGone { topic: String, partition: PartitionId, number: u64, first: Offset },
    #[error(
        "topic '{topic}' has {partitions} partitions, and position {position} gives {given} offsets; give one offset for each, such as {end}, the end"
    )]
    PositionShape { topic: String, position: Position, given: usize, partitions: usize, end: Position },
    #[error("position {position} lies beyond the end of topic '{topic}', which is {end}")]
    PositionBeyondEnd { topic: String, position: Position, end: Position },
    #[error(
        "topic '{topic}' no longer has what stood below position {start}, which retention removed: position {position} cannot be asked for; ask for {start} or a later one, up to {end}, the end"
    )]
    PositionGone { topic: String, position: Position, start: Position, end: Position },
    #[error(
        "topic '{topic}' was compacted up to position {since}, and has lost records that position {position} needs; ask for {since} or a later one, up to {end}, the end"
    )]
    PositionCompacted { topic: String, position: Position, since: Position, end: Position },
    #[error("topic '{topic}' has no partition {partition}: it has {partitions} of them, numbered from 0")]
    NoSuchPartition { topic: String, partition: PartitionId, partitions: usize },
    /// Who reads a Kafka topic from its midst does not know the event times before.
    #[error(
        "the watermark of topic '{topic}', which Kafka keeps, is known only to who reads Twopath's own topic from its beginning: leave _watermark and WATERMARK out, or copy the topic into a folder"
    )]
    NoWatermark { topic: String },
    #[error("topic '{topic}' has no column number {column}: it has {columns}, numbered from 0; name them in ascending order, each once")]
    BadProjection { topic: String, column: usize, columns: usize },
    #[error("topic '{topic}' was given {rows} rows at once: a frame takes at most {max}; append them in parts")]
    BatchTooLarge { topic: String, rows: usize, max: usize },
    #[error("producer {producer} sent its number {sequence} after its number {last}: its numbers must go up")]
    StaleSequence { producer: u64, sequence: u64, last: u64 },
    #[error("producer {producer} was fenced: epoch {epoch} ended when epoch {current} began; only the newest instance may append")]
    Fenced { producer: u64, epoch: u32, current: u32 },
    #[error("the writer of topic '{topic}' takes no more appends after an error ({cause}): close it and open it again")]
    WriterFailed { topic: String, cause: String },
    #[error(
        "'{name}' cannot be the name of a consumer group or a member: use letters, digits, '-', '_' and '.', not first a '.', at most 200 of them"
    )]
    BadGroupName { name: String },
    #[error("topic '{topic}' has no consumer group '{group}': {}", known_groups(known))]
    NoSuchGroup { topic: String, group: String, known: Vec<String> },
    #[error("group '{group}' of topic '{topic}' has a live member '{member}' already: give each member a name of its own")]
    MemberExists { topic: String, group: String, member: String },
    #[error(
        "member '{member}' of group '{group}' does not own partition {partition} of topic '{topic}', so that it cannot commit there{}",
        owned_by(owner)
    )]
    NotOwner { topic: String, group: String, member: String, partition: PartitionId, owner: Option<String> },
    #[error(
        "group '{group}' has committed partition {partition} of topic '{topic}' up to {committed}: going back to {offset} is a seek, not a commit"
    )]
    CommitBackwards { topic: String, group: String, partition: PartitionId, committed: Offset, offset: Offset },
    #[error("member '{member}' was given partition {partition} of topic '{topic}' up to {delivered}: it cannot commit {offset}")]
    CommitBeyond { topic: String, member: String, partition: PartitionId, delivered: Offset, offset: Offset },
    #[error("group '{group}' of topic '{topic}' is at work: {owner} owns partition {partition}; stop its members first")]
    GroupBusy { topic: String, group: String, partition: PartitionId, owner: String },
    #[error(
        "group '{group}', which reads topic '{topic}', has members at work: Kafka sets a group only while it has none; stop them first"
    )]
    GroupMembers { topic: String, group: String },
    #[error("member '{member}' of group '{group}' takes no more commits after an error ({cause}): let it go and join again")]
    MemberFailed { group: String, member: String, cause: String },
    #[error(
        "{}, byte {offset}: {what}; set the group's positions anew with `twopath log groups TOPIC --group GROUP --seek WHERE`",
        path.display()
    )]
    CorruptPositions { path: PathBuf, offset: u64, what: String },
    #[error(
        "topic '{topic}' is kept at {address}, which has no segments or groups to work with: only topics in a folder (`--dir`) have them"
    )]
    NotLocal { topic: String, address: String },
    #[error(
        "'{address}' is no address of a log: write a folder's name, or kafka://HOST:PORT/TOPIC (several HOST:PORT with commas between)"
    )]
    BadAddress { address: String },
    #[error(
        "{place}: this program was built without Kafka; build one that has it with `cargo build --release --features kafka` (that takes a C compiler and make)"
    )]
    WithoutKafka { place: String },
    #[error("could not {action} at {place}: {what}; see that the servers run and can be reached from here")]
    Kafka { place: String, action: &'static str, what: String },
    #[error(
        "{place} was not made by Twopath ({what}): make topics of Twopath's own with `twopath log create`, or give the columns of one that holds JSON with --schema"
    )]
    NotOurs { place: String, what: String },
    #[error(
        "{place} has empty partitions, where a topic of Twopath's own has a record that describes it: if making it was cut short, make it again as it was to be (`twopath log create`, `twopath log import`); if others write to it, give its columns with --schema"
    )]
    TopicUnfinished { place: String },
    #[error("topic '{topic}' at {place} is written by others, and Twopath only reads it: append to one of its own (`twopath log create`)")]
    ReadOnly { topic: String, place: String },
    #[error(
        "topic '{topic}' at {place} has {has} partitions now, and had {had} when it was opened: open it again, so that all of them are read"
    )]
    PartitionsAdded { topic: String, place: String, had: usize, has: usize },
    #[error("{place} is a folder: only a topic that others write to Kafka is told its columns; leave out --schema")]
    NotForeign { place: String },
    #[error("{place} partition {partition}, Kafka offset {at}: {what}")]
    BadKafkaRecord { place: String, partition: PartitionId, at: i64, what: String },
    #[error(
        "another writer took over topic '{topic}': what was not acknowledged so far is not in it, and this writer appends no more; stop the other one, then open the topic's writer again"
    )]
    Overtaken { topic: String },
    #[error("no space is left for {}: free some, then open the topic's writer again; nothing acknowledged is lost", path.display())]
    DiskFull { path: PathBuf },
    #[error(
        "could not {action} {address}: {what}; see that the store is there and can be reached (the AWS_* variables say how an s3:// one is), then try again"
    )]
    Store { action: &'static str, address: String, what: String },
    #[error("{address}: the object is missing; see everything that is wrong with `twopath log verify`, and restore the object from a copy")]
    ObjectMissing { address: String },
    #[error(
        "no space is left in {} for {object}: free some, then read again; `twopath log offload TOPIC --cache-bytes` sets how much is kept there",
        dir.display()
    )]
    CacheFull { dir: PathBuf, object: String },
    #[error("could not {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("topic '{topic}': {source}")]
    Arrow { topic: String, source: ArrowError },
}

fn known_topics(known: &[String]) -> String {
    if known.is_empty() { "it holds no topics; create or import one first".into() } else { format!("it holds {}", known.join(", ")) }
}

fn known_groups(known: &[String]) -> String {
    if known.is_empty() { "it has none; one begins when its first member joins".into() } else { format!("it has {}", known.join(", ")) }
}

fn owned_by(owner: &Option<String>) -> String {
    owner.as_ref().map(|o| format!("; {o} does")).unwrap_or_default()
}

impl LogError {
    /// Whether it says that a file or an object was not found: as retention, compaction or tiering may have taken it away since its name was read.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, LogError::ObjectMissing { .. })
            || matches!(self, LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether it says that nothing can be written where it tried.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if is_read_only(source))
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        matches!(self, LogError::Corrupt { .. })
    }

    /// For `map_err`: an input/output error with what was being done and to which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogError::DiskFull { path },
            _ => LogError::Io { action, path, source },
        }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> LogError {
        LogError::Corrupt { path: path.to_owned(), offset, what: what.into() }
    }
}

/// Whether an error says that nothing can be written there: a file system that is mounted read-only, or another user's folder.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}
