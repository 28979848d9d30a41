//! Stays by page, for the speed layer, on timely: parts for Lambda, which merge with the batch layer's, and final values for Kappa, whose job
//! has all of the log in its state.

use twopath_jobs::prelude::*;

/// For Lambda.
pub const PARTS: HandWritten = HandWritten { flow: Flow::Timely(parts), ..FINALS };

/// For Kappa.
pub const FINALS: HandWritten = HandWritten {
    name: "stays_by_url",
    version: 1,
    columns: &[("url", DataType::Text), ("duration_ms", DataType::Int)],
    flow: Flow::Timely(finals),
};

/// What the rows of [`FINALS`] are.
pub const VALUES: Finals = Finals {
    name: "stays_by_url",
    version: 1,
    keys: &[("url", DataType::Text)],
    values: &[("clicks", DataType::Int), ("mean_ms", DataType::Float), ("longest_ms", DataType::Int)],
};

#[derive(Default)]
struct Stays {
    clicks: i64,
    sum: i64,
    count: i64,
    longest: Option<i64>,
}

/// What the epoch's clicks of a page come to, once it is over: [`Frame::generation`] says between which barriers they stand, so that they merge with
/// a batch view that is cut at one.
fn parts<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    let clicks = frames.flat_map(|frame| clicks(&frame).map(|(url, stay)| ((frame.generation, url), stay)).collect::<Vec<_>>());
    parts_per_epoch(clicks, add, |(generation, url), stays| Row {
        generation: *generation,
        items: vec![url.as_deref().into(), stays.clicks.into(), stays.sum.into(), stays.count.into(), stays.longest.into()],
    })
}

/// What all clicks of a page come to so far, whenever an epoch changed it.
fn finals<'s>(frames: Stream<'s, u64, Vec<Frame>>) -> Stream<'s, u64, Vec<Row>> {
    finals_per_epoch(frames.flat_map(|frame| clicks(&frame).collect::<Vec<_>>()), add, |url, stays| {
        let mean = (stays.count > 0).then(|| stays.sum as f64 / stays.count as f64);
        Row { generation: 0, items: vec![url.as_deref().into(), stays.clicks.into(), mean.into(), stays.longest.into()] }
    })
}

/// The page and the stay of each click.
fn clicks(frame: &Frame) -> impl Iterator<Item = (Option<String>, Option<i64>)> + use<> {
    let (urls, stays) = (texts(frame, "url"), numbers(frame, "duration_ms"));
    (0..frame.batch.num_rows()).map(move |row| (text(&urls, row), number(&stays, row)))
}

fn add(stays: &mut Stays, stay: Option<i64>) {
    stays.clicks += 1;
    stays.sum += stay.unwrap_or(0);
    stays.count += i64::from(stay.is_some());
    stays.longest = stays.longest.max(stay);
}
