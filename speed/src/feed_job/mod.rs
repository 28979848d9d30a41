//! A feed, running: what a SELECT makes of a topic, or of several, appended to another, each row once.

mod frames;
mod run;
mod table;
mod windows;

use std::sync::atomic::AtomicBool;

use crate::error::SpeedError;
use crate::feed::FeedKind;
use frames::run_frames;
pub use run::{Feed, FeedReport, Until};
use table::run_table;
use windows::run_windows;

/// Reads its topics from where the feed's groups are, and appends what comes of it to the output, as far as it is told to go or until `stop` is set.
///
/// The group is committed after the output was synced, so that it is never ahead of any output partition. (It also shows the lag, and
/// keeps retention from removing what the feed still needs: of a changelog's input and a table's, everything.)
///
/// # Errors
/// [`SpeedError::NotWhole`], [`SpeedError::FeedShared`], [`SpeedError::FeedAhead`], [`SpeedError::NoState`] and [`SpeedError::KeptRows`] before anything is appended;
/// [`SpeedError::FeedRow`] when it meets such a row; what reading and appending bring; and, of kept state, as of [`start`](crate::start).
///
/// ```
/// # use std::sync::Arc;
/// # use std::sync::atomic::AtomicBool;
/// # use arrow_array::{Int64Array, RecordBatch};
/// # use arrow_schema::{DataType, Field, Schema};
/// # use twopath_log::{Log, TopicConfig};
/// # use twopath_speed::{Backend, Feed, FeedQuery, Until, run_feed};
/// # let dir = tempfile::tempdir()?;
/// # let log = Log::open(dir.path())?;
/// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
/// let input = log.create_topic(TopicConfig::new("numbers", schema.clone()))?;
/// input.writer()?.append(&RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2, 3]))])?)?;
///
/// let query = FeedQuery::new(twopath_query::parse("SELECT n * 10 AS tens FROM numbers WHERE n > 1", "numbers", &schema)?)?;
/// let output = log.create_topic(TopicConfig::new("tens", query.schema().clone()))?;
/// let (writer, group) = (output.writer()?, input.local()?.group_or_new("feed.tens")?);
/// let dir = dir.path().join("tens.feed");
/// let inputs = vec![(input, group)];
/// let name = || String::from("tens");
/// let (output, backend) = (output.clone(), Backend::Memory);
/// let feed = Feed { name: name(), producer: name(), inputs, query, output: output.clone(), writer, backend, every: None, dir };
/// let report = run_feed(feed, &Until::End, 1, &AtomicBool::new(false))?;
/// assert_eq!((report.rows_read, report.rows_appended, output.end()?.records()), (3, 2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run_feed(feed: Feed, until: &Until, workers: usize, stop: &AtomicBool) -> Result<FeedReport, SpeedError> {
    if workers == 0 {
        return Err(SpeedError::NoWorkers);
    }
    assert_eq!(feed.query.topics().len(), feed.inputs.len(), "a feed has the topics that its query names");
    for (number, (input, _)) in feed.inputs.iter().enumerate() {
        feed.query.check_input(&feed.name, number, input)?;
    }
    let kind = feed.query.kind();
    kind.check_state(&feed.name, &feed.backend)?;
    match kind {
        FeedKind::Rows | FeedKind::Changelog => run_frames(feed, until, workers, stop),
        FeedKind::Windows => run_windows(feed, until, workers, stop),
        FeedKind::Table => run_table(feed, until, workers, stop),
    }
}
