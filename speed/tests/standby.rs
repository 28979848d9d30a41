//! Standing by a local state: who takes over from an owner that ended goes on from exactly what that one had published, and nobody takes over from one that lives.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Events, QUERIES, Views};
use twopath_base::Position;
use twopath_log::{Compaction, Log};
use twopath_speed::{Backend, Engine, LOCAL_MEMORY, Local, Logic, SpeedError, SpeedJob, SpeedOptions, Standby, start};

fn local(dir: &Path, name: &str) -> Local {
    let log = Log::open(&dir.join("changelogs")).unwrap();
    let (changelog, interval) = (format!("{name}.changelog"), Duration::from_millis(2));
    Local { dir: dir.join(name), log, changelog, owns: true, memory: LOCAL_MEMORY, interval, taken: None }
}

fn begin(events: &Events, sql: &str, local: &Local, workers: usize) -> Result<(SpeedJob, Arc<Views>), SpeedError> {
    let (views, publish) = Views::new();
    let options = SpeedOptions {
        workers,
        backend: Backend::Local(local.clone()),
        publish_interval: Duration::from_micros(200),
        ..SpeedOptions::default()
    };
    let job = start(&events.topic, events.query(sql), Logic::Sql, Engine::Timely, (0, events.start()), options, publish)?;
    Ok((job, views))
}

/// The job's end, of which nobody is told: where its views ended, all of them right.
fn end(events: &Events, sql: &str, (job, views): (SpeedJob, Arc<Views>)) -> Position {
    let query = events.query(sql);
    views.sample(6).iter().for_each(|view| events.check(&query, &events.start(), view));
    drop(job);
    let last = views.all().last().map(|view| view.position().clone());
    last.unwrap_or_else(|| events.start())
}

#[test]
fn who_stands_by_goes_on_from_what_was_published() {
    let mut events = Events::new(2, 91);
    let dir = events.dir.path().to_owned();
    for (q, sql) in QUERIES.into_iter().enumerate() {
        let place = local(&dir, &format!("standby{q}"));
        let mut running = begin(&events, sql, &place, 1).unwrap();
        for round in 0..5 {
            let mut standby = Standby::beside(&place, &events.query(sql)).unwrap();
            events.append_some(3);
            if round % 2 == 0 {
                running.1.wait_for(&events.end());
                standby.follow().unwrap();
            }
            assert!(standby.take_over().unwrap().is_none(), "the owner lives");
            events.append_some(2);
            let reached = end(&events, sql, running);
            let taken = standby.take_over().unwrap().expect("there is no owner");
            running = begin(&events, sql, &taken, 1 + round % 3).unwrap();
            let from = running.0.recovery().checkpoint.as_ref().map(|manifest| manifest.position().clone());
            assert!(from.as_ref().is_some_and(|from| from.covers(&reached)), "it goes on from {from:?}, and {reached} was published");
            assert!(running.0.recovery().refused.is_empty());
            events.append_some(2);
            running.1.wait_for(&events.end());
        }
        end(&events, sql, running);
    }
}

#[test]
fn three_processes_have_two_indexes() {
    let mut events = Events::new(1, 92);
    events.append_some(3);
    let place = local(events.dir.path(), "three");
    let running = begin(&events, QUERIES[0], &place, 1).unwrap();
    let first = Standby::beside(&place, &events.query(QUERIES[0])).unwrap();
    let second = Standby::beside(&place, &events.query(QUERIES[0])).map(drop).unwrap_err();
    assert!(second.to_string().contains("another process has it open"), "{second}");
    drop(first);
    Standby::beside(&place, &events.query(QUERIES[0])).unwrap();
    end(&events, QUERIES[0], running);
}

#[test]
fn an_owner_may_begin_after_who_stands_by() {
    let mut events = Events::new(1, 93);
    events.append_some(3);
    let place = local(events.dir.path(), "late");
    let mut standby = Standby::beside(&place, &events.query(QUERIES[0])).unwrap();
    assert_eq!(standby.follow().unwrap(), None);
    let running = begin(&events, QUERIES[0], &place, 1).unwrap();
    running.1.wait_for(&events.end());
    while standby.follow().unwrap() != Some(&events.end()) {
        std::thread::sleep(Duration::from_millis(1));
    }
    end(&events, QUERIES[0], running);
}

#[test]
fn what_was_removed_while_nobody_stood_by_does_not_rise_from_the_dead() {
    let events = Events::new(1, 94);
    let place = local(events.dir.path(), "dead");
    let sql = QUERIES[0];
    events.writer.append(&events.one("gone", 1)).unwrap();
    let running = begin(&events, sql, &place, 1).unwrap();
    running.1.wait_for(&events.end());
    running.0.take_checkpoint().unwrap();
    let mut standby = Standby::beside(&place, &events.query(sql)).unwrap();
    assert_eq!(standby.follow().unwrap(), Some(&events.end()), "it has the group");
    drop(standby);
    // The generation with the group goes, and so does, from the changelog, that it went.
    events.writer.barrier().unwrap();
    events.writer.append(&events.one("here", 2)).unwrap();
    running.1.wait_for(&events.end());
    running.0.drop_generations_below(1);
    running.1.wait("without the generation", |view| view.generations[0].number == 1);
    drop(running);
    let changelog = place.log.topic(&place.changelog).unwrap();
    let all = Compaction { dirty_ratio_min: 0.0, age_min: Duration::ZERO, tombstone_age: Duration::ZERO };
    changelog.local().unwrap().compact(&all).unwrap();

    let mut standby = Standby::beside(&place, &events.query(sql)).unwrap();
    let taken = standby.take_over().unwrap().expect("there is no owner");
    let (job, views) = begin(&events, sql, &taken, 1).unwrap();
    assert!(job.recovery().refused.is_empty(), "{:?}", job.recovery().refused);
    let view = views.wait_for(&events.end());
    assert_eq!(view.generations.iter().map(|g| g.number).collect::<Vec<_>>(), [1]);
    drop(job);
}
