//! Jobs that follow a topic: every published view is exact for the position that it names.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Events, QUERIES, Views};
use twopath_speed::{Engine, Logic, SpeedOptions, start};

fn options(workers: usize) -> SpeedOptions {
    SpeedOptions { workers, publish_interval: Duration::from_micros(200), ..SpeedOptions::default() }
}

/// Appends, barriers and reading race; a sample of the views is held against the reference.
fn follow(engine: Engine, partitions: u32, workers: usize, sql: &str, seed: u64) {
    let mut events = Events::new(partitions, seed);
    let query = events.query(sql);
    let from = events.start();
    // Some is there to be caught up with, the rest comes while the job runs.
    events.append_some(30);
    let (views, publish) = Views::new();
    let job = start(&events.topic, Arc::clone(&query), Logic::Sql, engine, (0, from.clone()), options(workers), publish).unwrap();
    for _ in 0..40 {
        events.append_some(3);
        std::thread::sleep(Duration::from_micros(500));
    }
    let end = events.end();
    views.wait_for(&end);
    let generations = events.topic.barriers().unwrap().len() as u64;
    let last = views.wait("with all generations", |v| v.generations.len() as u64 == generations + 1);
    assert_eq!(last.position(), &end);
    for pair in views.all().windows(2) {
        assert!(pair[1].position().covers(pair[0].position()), "the position went back");
    }
    for view in views.sample(12) {
        events.check(&query, &from, &view);
        for generation in &view.generations[1..] {
            let barrier = &events.topic.barriers().unwrap()[generation.number as usize - 1];
            assert_eq!((barrier.number, &barrier.position), (generation.number, &generation.lower));
        }
    }
    assert_eq!(job.progress().lag_records, 0);
    job.stop().unwrap();
}

#[test]
fn one_worker() {
    for (i, sql) in QUERIES.into_iter().enumerate() {
        for partitions in 1..=4 {
            for engine in Engine::ALL {
                follow(engine, partitions, 1, sql, 100 + i as u64 * 10 + u64::from(partitions));
            }
        }
    }
}

#[test]
fn two_workers() {
    for (i, sql) in QUERIES.into_iter().enumerate() {
        for partitions in 1..=4 {
            for engine in Engine::ALL {
                follow(engine, partitions, 2, sql, 200 + i as u64 * 10 + u64::from(partitions));
            }
        }
    }
}

#[test]
fn three_workers_and_eager_progress() {
    let mut events = Events::new(4, 7);
    let query = events.query(QUERIES[0]);
    let from = events.start();
    events.append_some(20);
    let (views, publish) = Views::new();
    let options = SpeedOptions { progress_mode: twopath_speed::ProgressMode::Eager, ..options(3) };
    let job = start(&events.topic, Arc::clone(&query), Logic::Sql, Engine::Timely, (0, from.clone()), options, publish).unwrap();
    events.append_some(20);
    let view = views.wait_for(&events.end());
    events.check(&query, &from, &view);
    assert_eq!(job.progress_mode().to_string(), "eager");
    job.stop().unwrap();
}

#[test]
fn starts_at_a_barrier() {
    for workers in [1, 2] {
        let mut events = Events::new(3, 11);
        let query = events.query(QUERIES[0]);
        events.append_some(10);
        // Two barriers with nothing between them: a generation may be empty.
        let first = events.writer.barrier().unwrap();
        let second = events.writer.barrier().unwrap();
        assert_eq!(first.position, second.position);
        events.append_some(10);
        for barrier in [first, second] {
            let (views, publish) = Views::new();
            let from = (barrier.number, barrier.position.clone());
            let job = start(&events.topic, Arc::clone(&query), Logic::Sql, Engine::Timely, from, options(workers), publish).unwrap();
            let end = events.end();
            let view = views.wait_for(&end);
            events.check(&query, &barrier.position, &view);
            assert_eq!(view.generations[0].number, barrier.number);
            job.stop().unwrap();
        }
    }
}

#[test]
fn an_empty_topic_has_a_view_at_once() {
    for workers in [1, 2] {
        let events = Events::new(2, 1);
        let query = events.query(QUERIES[1]);
        let (views, publish) = Views::new();
        let job =
            start(&events.topic, Arc::clone(&query), Logic::Sql, Engine::Timely, (0, events.start()), options(workers), publish).unwrap();
        assert_eq!(job.view().position(), &events.start());
        let view = views.wait_for(&events.start());
        events.check(&query, &events.start(), &view);
        // A barrier alone is progress, too.
        events.writer.barrier().unwrap();
        let view = views.wait("with two generations", |v| v.generations.len() == 2);
        events.check(&query, &events.start(), &view);
        job.stop().unwrap();
    }
}

#[test]
fn generations_are_dropped_and_their_memory_is_freed() {
    for (workers, engine) in [(1, Engine::Timely), (2, Engine::Timely), (1, Engine::Differential), (2, Engine::Differential)] {
        let mut events = Events::new(2, 5);
        let query = events.query(QUERIES[0]);
        let batch = events.batch(2000);
        events.writer.append(&batch).unwrap();
        let barrier = events.writer.barrier().unwrap();
        let (views, publish) = Views::new();
        let job = start(&events.topic, Arc::clone(&query), Logic::Sql, engine, (0, events.start()), options(workers), publish).unwrap();
        events.writer.append(&events.one("a", 1)).unwrap();
        let end = events.end();
        let whole = views.wait("with both generations", |v| v.generations.len() == 2 && *v.position() == end);
        events.check(&query, &events.start(), &whole);
        let before = job.state_bytes();
        job.drop_generations_below(barrier.number);
        let rest = views.wait("without the first", |v| v.generations.len() == 1 && *v.position() == end);
        assert_eq!(rest.generations[0].number, barrier.number);
        events.check(&query, &barrier.position, &rest);
        // The workers let go in the epoch after.
        while job.state_bytes() >= before {
            std::thread::yield_now();
        }
        // Asked for too early, a generation is dropped once it is complete; the one being read always stays.
        job.drop_generations_below(barrier.number + 1);
        events.writer.append(&events.one("b", 2)).unwrap();
        let end = events.end();
        let view = views.wait_for(&end);
        assert_eq!(view.generations[0].number, barrier.number);
        let next = events.writer.barrier().unwrap();
        let view = views.wait("with the next generation only", |v| v.generations[0].number == next.number);
        assert_eq!(view.generations.len(), 1);
        job.stop().unwrap();
    }
}

#[test]
fn stops_while_busy_and_idle() {
    for workers in [1, 2] {
        let mut events = Events::new(2, 9);
        let query = events.query(QUERIES[0]);
        for _ in 0..50 {
            let batch = events.batch(20_000);
            events.writer.append(&batch).unwrap();
        }
        // Busy at any stage of its life; stopped, and dropped.
        for pause_us in [0, 100, 1_000, 5_000] {
            let (_, publish) = Views::new();
            let job = start(&events.topic, Arc::clone(&query), Logic::Sql, Engine::Timely, (0, events.start()), options(workers), publish)
                .unwrap();
            std::thread::sleep(Duration::from_micros(pause_us));
            if pause_us % 200 == 0 { job.stop().unwrap() } else { drop(job) }
        }
        let (views, publish) = Views::new();
        let job = start(&events.topic, query, Logic::Sql, Engine::Timely, (0, events.start()), options(workers), publish).unwrap();
        views.wait_for(&events.end());
        job.stop().unwrap();
    }
}

#[test]
fn progress_tells_lag_and_rate() {
    let mut events = Events::new(2, 13);
    let query = events.query(QUERIES[0]);
    let batch = events.batch(1000);
    events.writer.append(&batch).unwrap();
    let (views, publish) = Views::new();
    let job = start(&events.topic, query, Logic::Sql, Engine::Timely, (0, events.start()), options(1), publish).unwrap();
    let end = events.end();
    views.wait_for(&end);
    let progress = job.progress();
    assert_eq!((progress.position, progress.end, progress.lag_records), (end.clone(), end, 0));
    assert_eq!(progress.eta, Some(Duration::ZERO));
    assert!(progress.rate_records_per_s > 0.0);
    assert!(progress.failure.is_none());
    job.stop().unwrap();
}

/// Enough groups that runs are merged on the thread of their own, while more come.
#[test]
fn large_runs_are_merged_beside_the_reading() {
    for workers in [1, 2] {
        let mut events = Events::new(2, 23);
        let query = events.query("SELECT time, COUNT(*), SUM(d) FROM events GROUP BY time");
        let (views, publish) = Views::new();
        let job =
            start(&events.topic, Arc::clone(&query), Logic::Sql, Engine::Timely, (0, events.start()), options(workers), publish).unwrap();
        for _ in 0..100 {
            let batch = events.batch(1000);
            events.writer.append(&batch).unwrap();
            std::thread::sleep(Duration::from_micros(300));
        }
        let end = events.end();
        views.wait_for(&end);
        // Each worker has at most as many as fit between one group and all, each four times as large as what follows.
        let settled = views.wait("with few runs", |v| *v.position() == end && v.generations[0].tables.len() <= workers * 9);
        events.check(&query, &events.start(), &settled);
        for view in views.sample(5) {
            events.check(&query, &events.start(), &view);
        }
        job.stop().unwrap();
    }
}
