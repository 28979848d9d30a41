//! Rows that raise errors, logs that cannot be read, and bugs in what a job is given.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Events, FRAGILE, QUERIES, Views};
use timely::dataflow::operators::vec::Map;
use twopath_base::PartitionId;
use twopath_query::{DataType, EvalError};
use twopath_speed::{Engine, Flow, HandWritten, Item, Logic, Row, SpeedError, SpeedOptions, replay, start};
use twopath_view::{Finals, Finish, Merging, Part};

fn options(workers: usize) -> SpeedOptions {
    SpeedOptions { workers, ..SpeedOptions::default() }
}

#[test]
fn a_row_that_raises_an_error_is_in_every_later_view_and_in_none_before() {
    for (workers, engine) in [(1, Engine::Timely), (2, Engine::Timely), (1, Engine::Differential), (2, Engine::Differential)] {
        let mut events = Events::new(2, 1);
        let query = events.query(FRAGILE);
        let (views, publish) = Views::new();
        let job = start(&events.topic, Arc::clone(&query), Logic::Sql, engine, (0, events.start()), options(workers), publish).unwrap();
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
        let at_good = replay(&events.topic, Arc::clone(&query), Logic::Sql, engine, (0, events.start()), &good, workers).unwrap();
        assert_eq!(at_good.error, None);
        let at_end = replay(&events.topic, query, Logic::Sql, engine, (0, events.start()), &events.end(), workers).unwrap();
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
        let job = start(&topic, query, Logic::Sql, Engine::Timely, (0, events.start()), options(workers), publish);
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

const COUNTS: Merging = Merging {
    name: "counts",
    version: 1,
    keys: &[("key", DataType::Text)],
    parts: &[("n", Part::Count)],
    finish: Finish::Groups(|group| vec![group.get("key"), group.get("n")]),
};
const COUNTS_SQL: &str = "SELECT key, COUNT(*) AS n FROM events GROUP BY key";

fn by_hand(flow: Flow) -> Logic {
    Logic::Parts(HandWritten { name: "counts", version: 1, columns: &[("key", DataType::Text)], flow }, COUNTS)
}

fn row(generation: u64, items: Vec<Item>) -> Row {
    Row { generation, items }
}

#[test]
fn a_panic_in_hand_written_logic_ends_the_job_and_not_the_process() {
    let broken = [
        by_hand(Flow::Timely(|frames| frames.map(|_| panic!("no good")))),
        by_hand(Flow::Differential(|frames| frames.map(|_| panic!("no good")))),
    ];
    for (workers, (broken, engine)) in
        [(1, (broken[0], Engine::Timely)), (2, (broken[0], Engine::Timely)), (2, (broken[1], Engine::Differential))]
    {
        let mut events = Events::new(2, 4);
        let query = events.query(COUNTS_SQL);
        events.append_some(3);
        let result = replay(&events.topic, Arc::clone(&query), broken, engine, (0, events.start()), &events.end(), workers);
        assert!(matches!(result, Err(SpeedError::Panicked { message }) if message == "no good"));
        let (_, publish) = Views::new();
        let job = start(&events.topic, query, broken, engine, (0, events.start()), options(workers), publish).unwrap();
        while job.progress().failure.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(job.stop(), Err(SpeedError::Panicked { .. })));
    }
}

/// Hand-written code that does not give what it says stops the job, and says what is wrong.
#[test]
fn rows_that_do_not_fit_are_told() {
    let mut events = Events::new(1, 4);
    events.append_some(3);
    let told = |flow| {
        let query = events.query(COUNTS_SQL);
        let result = replay(&events.topic, query, by_hand(flow), Engine::Timely, (0, events.start()), &events.end(), 1);
        result.map(drop).unwrap_err().to_string()
    };
    let short = told(Flow::Timely(|frames| frames.map(|f| row(f.generation, vec!["a".into()]))));
    assert!(short.contains("a row has 1 items, and there are 2 keys and values"), "{short}");
    let wrong = told(Flow::Timely(|frames| frames.map(|f| row(f.generation, vec![1.into(), 1.into()]))));
    assert!(wrong.contains("'key': Int(1) stands where a value of type Text belongs"), "{wrong}");
    let twice = told(Flow::Timely(|frames| frames.flat_map(|f| [(); 2].map(|()| row(f.generation, vec!["a".into(), 1.into()])))));
    assert!(twice.contains("has the key of an earlier row"), "{twice}");
}

#[test]
fn an_engine_refuses_what_is_not_its_own() {
    let events = Events::new(1, 4);
    let run = |sql: &str, logic, engine| {
        replay(&events.topic, events.query(sql), logic, engine, (0, events.start()), &events.start(), 1).map(drop).unwrap_err().to_string()
    };
    let timely = by_hand(Flow::Timely(|frames| frames.map(|f| row(f.generation, vec![]))));
    assert_eq!(
        run(COUNTS_SQL, timely, Engine::Differential),
        "counts version 1 is written for the engine timely, and differential was asked for; take its own engine, or SQL"
    );
    let limited = run("SELECT key, COUNT(*) AS n FROM events GROUP BY key LIMIT 3", timely, Engine::Timely);
    assert!(limited.contains("it has HAVING, ORDER BY or LIMIT"), "{limited}");
}

#[test]
fn hand_written_logic_for_another_topic_is_refused() {
    let events = Events::new(1, 4);
    let columns = &[("carrier", DataType::Text), ("sched_dep", DataType::Timestamp)];
    let flow = Flow::Timely(|frames| frames.map(|f| row(f.generation, vec![])));
    let code = HandWritten { name: "departures_by_carrier", version: 1, columns, flow };
    let (keys, values) = (&[("key", DataType::Text)], &[("n", DataType::Int)]);
    let logic = Logic::Finals(code, Finals { name: "departures_by_carrier", version: 1, keys, values });
    let result = replay(&events.topic, events.query(COUNTS_SQL), logic, Engine::Timely, (0, events.start()), &events.start(), 1);
    assert_eq!(
        result.map(drop).unwrap_err().to_string(),
        "'departures_by_carrier version 1' reads a column 'carrier' of type Text, which topic 'events' does not have \
         (it has time Timestamp, key Text, n Int, d Int); use SQL for this topic"
    );
}
