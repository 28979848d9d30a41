//! Bounded replays, anywhere in the log.

mod common;

use std::sync::Arc;

use common::{Events, QUERIES, Random, between};
use twopath_base::{Offset, Position};
use twopath_query::EvalError;
use twopath_speed::{Engine, Logic, SpeedError, replay};

#[test]
fn any_position_of_any_topic() {
    for partitions in 1..=4u32 {
        for (i, sql) in QUERIES.into_iter().enumerate() {
            let mut events = Events::new(partitions, 300 + u64::from(partitions));
            let query = events.query(sql);
            events.append_some(40);
            let (start, end) = (events.start(), events.end());
            let mut random = Random(i as u64);
            let mut positions = vec![start.clone(), end.clone()];
            // Within frames, and on different sides of a barrier.
            positions.extend((0..6).map(|_| between(&mut random, &start, &end)));
            positions.extend(events.topic.barriers().unwrap().into_iter().map(|b| b.position));
            for to in positions {
                for (workers, engine) in [(1, Engine::Timely), (2, Engine::Timely), (1, Engine::Differential), (3, Engine::Differential)] {
                    let view = replay(&events.topic, Arc::clone(&query), Logic::Sql, engine, (0, start.clone()), &to, workers).unwrap();
                    assert_eq!(view.position(), &to);
                    events.check(&query, &start, &view);
                }
            }
        }
    }
}

#[test]
fn from_the_middle_of_a_generation() {
    let mut events = Events::new(2, 17);
    let query = events.query(QUERIES[0]);
    let barriers = events.append_some(60);
    let mut random = Random(3);
    for (i, pair) in barriers.windows(2).enumerate() {
        let from = between(&mut random, &pair[0], &pair[1]);
        let to = between(&mut random, &from, &events.end());
        for engine in Engine::ALL {
            let view = replay(&events.topic, Arc::clone(&query), Logic::Sql, engine, (i as u64 + 1, from.clone()), &to, 2).unwrap();
            events.check(&query, &from, &view);
        }
    }
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let mut events = Events::new(2, 19);
    let query = events.query(QUERIES[0]);
    let batch = events.batch(10);
    events.writer.append(&batch).unwrap();
    let barrier = events.writer.barrier().unwrap();
    let run = |from: (u64, Position), to: Position, workers| {
        replay(&events.topic, Arc::clone(&query), Logic::Sql, Engine::Timely, from, &to, workers).map(drop).unwrap_err()
    };
    let (start, end) = (events.start(), events.end());
    let beyond = Position::new(end.offsets().iter().map(|o| Offset(o.0 + 1)).collect());
    let message = |e: SpeedError| e.to_string();
    assert_eq!(
        message(run((0, start.clone()), beyond.clone(), 1)),
        format!("position {beyond} is beyond the end of topic 'events', which is {end}; ask for an earlier one, or wait for more events")
    );
    assert_eq!(message(run((0, start.clone()), end.clone(), 0)), "a job needs at least one worker; set workers to 1 or more");
    assert_eq!(
        message(run((1, barrier.position.clone()), start.clone(), 1)),
        format!("position {start} is before {}, where reading starts; ask for a later one", barrier.position)
    );
    assert_eq!(
        message(run((1, start.clone()), end.clone(), 1)),
        format!(
            "position {start} is not in generation 1 of topic 'events'; start at that barrier's position, or at generation 0 and offset 0"
        )
    );
    assert_eq!(
        message(run((0, Position::zero(3)), end, 1)),
        "position 0,0,0 does not fit topic 'events' with 2 partitions; give one offset per partition"
    );
}

/// More groups than a worker makes a table of: their rows are exchanged, and an error among them is everybody's.
#[test]
fn groups_of_which_there_are_many_are_those_of_one_worker() {
    let mut events = Events::new(3, 23);
    let many = events.query("SELECT time, key, COUNT(*), SUM(n), MIN(d) FROM events WHERE d > 3 GROUP BY time, key");
    let few = events.query("SELECT key, COUNT(*), SUM(n) FROM events GROUP BY key");
    let fragile = events.query("SELECT time, SUM(1000 / d) FROM events GROUP BY time");
    let append = |events: &mut Events, batches: usize| {
        for _ in 0..batches {
            let batch = events.batch(20_000);
            events.writer.append(&batch).unwrap();
        }
    };
    append(&mut events, 9);
    events.writer.barrier().unwrap();
    append(&mut events, 6);
    let (start, end) = (events.start(), events.end());
    let middle = between(&mut Random(5), &start, &end);
    let run = |events: &Events, query, to: &Position, workers| {
        replay(&events.topic, Arc::clone(query), Logic::Sql, Engine::Timely, (0, start.clone()), to, workers).unwrap()
    };
    for (query, to, workers) in [(&many, &end, 2), (&many, &middle, 3), (&few, &end, 2), (&fragile, &end, 2)] {
        events.check(query, &start, &run(&events, query, to, workers));
    }
    let wrong = events.one("wrong", 0);
    events.writer.append(&wrong).unwrap();
    append(&mut events, 1);
    for workers in [1, 2, 3] {
        let view = run(&events, &fragile, &events.end(), workers);
        assert_eq!(view.error, Some(EvalError::DivisionByZero), "{workers} workers");
    }
}
