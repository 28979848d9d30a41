//! Rows that raise errors, logs that cannot be read, and bugs in what a job is given.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Events, FRAGILE, QUERIES, Views};
use twopath_base::PartitionId;
use twopath_query::EvalError;
use twopath_speed::{HandWritten, Logic, SpeedError, SpeedOptions, replay, start};

fn options(workers: usize) -> SpeedOptions {
    SpeedOptions { workers, ..SpeedOptions::default() }
}

#[test]
fn a_row_that_raises_an_error_is_in_every_later_view_and_in_none_before() {
    for workers in [1, 2] {
        let mut events = Events::new(2, 1);
        let query = events.query(FRAGILE);
        let (views, publish) = Views::new();
        let job = start(&events.topic, Arc::clone(&query), Logic::Sql, (0, events.start()), options(workers), publish).unwrap();
        for _ in 0..5 {
            let batch = events.batch(20);
            events.writer.append(&batch).unwrap();
            views.wait_for(&events.end());
        }
        let good = events.end();
        events.writer.append(&events.one("bad", 0)).unwrap();
        views.wait_for(&events.end());
        for _ in 0..5 {
            events.append_some(2);
            views.wait_for(&events.end());
        }
        for view in views.all() {
            assert_eq!(view.error.is_some(), view.position().records() > good.records());
            events.check(&query, &events.start(), &view);
        }
        assert!(job.progress().failure.is_none(), "an answer that is an error is no failure of the job");
        job.stop().unwrap();
        let at_good = replay(&events.topic, Arc::clone(&query), Logic::Sql, (0, events.start()), &good, workers).unwrap();
        assert_eq!(at_good.error, None);
        let at_end = replay(&events.topic, query, Logic::Sql, (0, events.start()), &events.end(), workers).unwrap();
        assert_eq!(at_end.error, Some(EvalError::DivisionByZero));
    }
}

#[test]
fn a_log_that_cannot_be_read_stops_the_job_and_is_told() {
    for workers in [1, 2] {
        let mut events = Events::new(2, 3);
        let query = events.query(QUERIES[0]);
        for _ in 0..20 {
            let batch = events.batch(2000);
            events.writer.append(&batch).unwrap();
        }
        events.writer.barrier().unwrap();
        let segment = events.topic.local().unwrap().segments(PartitionId(1)).unwrap().remove(0);
        let mut bytes = std::fs::read(&segment.path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&segment.path, bytes).unwrap();
        // Another process' view of the topic: nothing has been verified yet.
        let log = twopath_log::Log::open(events.dir.path()).unwrap();
        let topic = log.topic("events").unwrap();
        let (_, publish) = Views::new();
        let job = start(&topic, query, Logic::Sql, (0, events.start()), options(workers), publish);
        // It may be noticed at once or when the frame is reached.
        let error = match job {
            Err(error) => error,
            Ok(job) => {
                while job.progress().failure.is_none() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                job.stop().unwrap_err()
            }
        };
        assert!(matches!(error, SpeedError::Log(_)), "{error}");
    }
}

#[test]
fn a_panic_in_hand_written_logic_ends_the_job_and_not_the_process() {
    const BROKEN: HandWritten = HandWritten { name: "broken", version: 1, columns: &[], fold: |_, _| panic!("no good") };
    for workers in [1, 2] {
        let mut events = Events::new(2, 4);
        let query = events.query(QUERIES[0]);
        events.append_some(3);
        let result = replay(&events.topic, Arc::clone(&query), Logic::Hand(BROKEN), (0, events.start()), &events.end(), workers);
        assert!(matches!(result, Err(SpeedError::Panicked { message }) if message == "no good"));
        let (_, publish) = Views::new();
        let job = start(&events.topic, query, Logic::Hand(BROKEN), (0, events.start()), options(workers), publish).unwrap();
        while job.progress().failure.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(job.stop(), Err(SpeedError::Panicked { .. })));
    }
}

#[test]
fn hand_written_logic_for_another_topic_is_refused() {
    let events = Events::new(1, 4);
    let logic = Logic::Hand(twopath_speed::jobs::flights::hand_written("totals_by_route", 1).unwrap());
    let result = replay(&events.topic, events.query(QUERIES[0]), logic, (0, events.start()), &events.start(), 1);
    assert_eq!(
        result.unwrap_err().to_string(),
        "'totals_by_route version 1' reads a column 'origin' of type Text, which topic 'events' does not have \
         (it has time Timestamp, key Text, n Int, d Int); use SQL for this topic"
    );
}
