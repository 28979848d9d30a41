//! Random queries over random streams: the batch layer gives what the reference interpreter gives, at any horizon, however the records
//! are cut into frames, segments and partitions.

mod common;

use common::{assert_agrees, random_query, random_topic};
use twopath_base::{Offset, Position};
use twopath_query::arbitrary::{Random, batches};

/// What the answers were, so that a test over too little is seen.
#[derive(Debug, Default)]
struct Seen {
    errors: usize,
    empty: usize,
    rows: usize,
}

/// A seed's stream, and some random queries over it at some horizons.
fn check(seed: u64, seen: &mut Seen) {
    let random = &mut Random::new(seed);
    let (t, schema) = random_topic(seed, random);
    for batch in batches(random, &schema, 400) {
        // Now whole, now in frames of a few rows.
        let frame = if random.chance(50) { batch.num_rows() } else { 1 + random.below(20) };
        for start in (0..batch.num_rows()).step_by(frame) {
            t.writer.append(&batch.slice(start, frame.min(batch.num_rows() - start))).unwrap();
        }
        if random.chance(10) {
            t.writer.barrier().unwrap();
        }
    }
    let end = t.topic.end().unwrap();
    for _ in 0..5 {
        let (text, query) = random_query(seed, random, &schema);
        let horizon = if random.chance(50) {
            end.clone()
        } else {
            Position::new(end.offsets().iter().map(|o| Offset(random.below(o.0 as usize + 1) as u64)).collect())
        };
        println!("seed {seed}, horizon {horizon} of {end}: {text}");
        match assert_agrees(&t.topic, &query, &horizon) {
            None => seen.errors += 1,
            Some(0) => seen.empty += 1,
            Some(rows) => seen.rows += rows,
        }
    }
}

#[test]
fn random_queries_over_random_streams() {
    let mut seen = Seen::default();
    for seed in 0..200 {
        check(seed, &mut seen);
    }
    assert!(seen.errors > 15 && seen.empty > 15 && seen.rows > 3_000, "too little was tested: {seen:?}");
    println!("{seen:?}");
}
