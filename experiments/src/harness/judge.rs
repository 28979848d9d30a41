//! From a recording to a result: every answer is checked, and the figures are made. It happens after the run, outside of its processes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use twopath_base::PartitionId;
use twopath_log::{LogError, PartitionBy, Topic};
use twopath_results::result::RunResult;

use super::RunError;
use super::check::{Truth, check};
use super::figures::fresh_us;
use super::load::Arrivals;
use super::outcome::outcome;
use super::prepared::Prepared;
use super::recording::{Recording, StoredAnswers};
use super::samples;
use super::spec::RunSpec;

/// The result of a run whose recording and topic are still there; writes the raw samples beside the recording. `truth` is what the
/// reference makes of the history; `progress` is told how far the check is, 0 to 1.
pub fn judge(spec: &RunSpec, recording: &Recording, truth: &Truth, progress: impl Fn(f64) + Sync) -> Result<RunResult, RunError> {
    if recording.schedule.events == 0 {
        let arrivals = Arrivals::new(recording.schedule, recording.base.clone(), &[], None);
        return outcome(spec, recording, truth.job(), &arrivals, &[]);
    }
    let place = spec.place();
    let topic = place.topic(place.named_topic().unwrap_or(&spec.topic))?;
    let events = Prepared::open(&spec.prepared, &spec.topic).steady()?;
    let partitions = partitions_of(&topic, &events)?;
    let arrivals = Arrivals::new(recording.schedule, recording.base.clone(), &recording.appends, partitions.as_deref());
    let verdicts = check(&topic, truth, &arrivals, recording, &StoredAnswers::open(&spec.out), &progress)?;
    let result = outcome(spec, recording, truth.job(), &arrivals, &verdicts)?;
    let fresh = fresh_us(&arrivals, &recording.record.readable);
    samples::write_freshness(&beside(&spec.out, "freshness.parquet"), &arrivals, &fresh)?;
    samples::write_answers(&beside(&spec.out, "answers.parquet"), recording.schedule.start_us, &recording.answers, &verdicts)?;
    Ok(result)
}

/// The partition that the log gives each row by its key; `None` for a topic without one.
fn partitions_of(topic: &Topic, events: &RecordBatch) -> Result<Option<Vec<PartitionId>>, LogError> {
    let PartitionBy::Key(key) = &topic.config().partition_by else { return Ok(None) };
    let keys = events.column_by_name(key).expect("events have the topic's columns").clone();
    let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..events.num_rows() as u32));
    let numbered = RecordBatch::try_from_iter([(key.as_str(), keys), ("number", numbers)]).expect("columns of one length");
    let mut partitions = vec![PartitionId(0); events.num_rows()];
    for (partition, rows) in topic.split(&numbered)? {
        rows.column(1).as_primitive::<UInt32Type>().values().iter().for_each(|&i| partitions[i as usize] = partition);
    }
    Ok(Some(partitions))
}

/// `run.json` and `freshness.parquet` give `run.freshness.parquet`.
fn beside(out: &Path, name: &str) -> PathBuf {
    out.with_extension(name)
}
