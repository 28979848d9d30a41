//! A point read through the merge against the same read of a batch view alone.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use twopath_base::Position;
use twopath_log::{Durability, Log};
use twopath_query::Value;
use twopath_serving::Table;
use twopath_view::{BatchView, Selection};

use super::events::Pageviews;
use super::{BenchError, Ratio, Setting, histogram_ns, median};

pub fn merged_against_batch(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let events = size.events / 10;
    let topic = Log::open(dir)?.create_topic(Pageviews::topic("pageviews", 1, Durability::None))?;
    let writer = topic.writer()?;
    let batches = Pageviews::generate(events, 1, 8_192).batches;
    let (history, tail) = batches.split_at(batches.len() * 9 / 10);
    for batch in history {
        writer.append(batch)?;
    }
    let barrier = writer.barrier()?;
    for batch in tail {
        writer.append(batch)?;
    }
    writer.close()?;
    let end = topic.end()?;
    let query = Arc::new(Pageviews::query(&topic));
    let view = |horizon: &Position, number: u64| -> Result<BatchView, BenchError> {
        let table = twopath_batch::compute(&topic, &query, &twopath_batch::Logic::Sql, twopath_batch::Engine::Rayon, horizon)?;
        let lower = Position::zero(horizon.partitions());
        Ok(BatchView { version: 1, barrier: number, lower, upper: horizon.clone(), table: Arc::new(table) })
    };
    // Alone: a batch view over everything. Merged: one up to the barrier, and the stream's part after it.
    let alone = Table::new(query.clone(), topic.partitions());
    alone.publish_batch(view(&end, 2)?);
    let merged = Table::new(query.clone(), topic.partitions());
    merged.publish_batch(view(&barrier.position, barrier.number)?);
    let from = (barrier.number, barrier.position.clone());
    merged.publish_realtime(Arc::new(twopath_speed::replay(
        &topic,
        query.clone(),
        twopath_speed::Logic::Sql,
        twopath_speed::Engine::default(),
        from,
        &end,
        1,
    )?));

    let keys = Pageviews::some_keys(&batches, if size.quick { 500 } else { 20_000 });
    let mut rounds = Vec::new();
    let mut detail = Vec::new();
    for _ in 0..size.rounds {
        // Key by key in turn, so that a noisy moment hits both alike.
        let mut times = [histogram_ns(), histogram_ns()];
        for (i, key) in keys.iter().enumerate() {
            let selection = Selection { key: Some(key.clone()), ..Selection::default() };
            let order = if i % 2 == 0 { [0, 1] } else { [1, 0] };
            let mut counts = [Value::Null, Value::Null];
            for side in order {
                let table = if side == 0 { &merged } else { &alone };
                let start = Instant::now();
                let got = table.answer(&selection)?;
                times[side].saturating_record(start.elapsed().as_nanos() as u64);
                counts[side] = views_of(&got.rows);
            }
            if counts[0] != counts[1] {
                return Err(BenchError::Answers { bench: "read", left: format!("{:?}", counts[0]), right: format!("{:?}", counts[1]) });
            }
        }
        let [m, a] = times.map(|h| h.value_at_quantile(0.99) as f64 / 1e3);
        rounds.push(a / m);
        detail.push(format!("{m:.1} µs against {a:.1} µs"));
    }
    Ok(vec![Ratio {
        id: "read",
        what: "merged read by key, p99 in process, against the batch view alone".into(),
        ratio: median(&rounds),
        rounds,
        floor: 0.5,
        aim: 0.9,
        unit: None,
        lower_is_better: false,
        detail: detail.join("; "),
    }])
}

/// The count of the one group that a point read gives; NULL where there is none.
fn views_of(rows: &RecordBatch) -> Value {
    if rows.num_rows() == 0 { Value::Null } else { Value::Int(rows.column(2).as_primitive::<Int64Type>().value(0)) }
}
