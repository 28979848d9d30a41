//! State in stores: a job that ended goes on from exactly what it had published; what is there and is not its own is refused; a server
//! that is killed or cuts its connections makes no answer wrong.
//!
//! The server is one of the test's own (`redis-server`), since it is killed; where there is none, what wants it is skipped aloud.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use common::{Events, QUERIES, Views};
use twopath_base::Position;
use twopath_log::Log;
use twopath_query::{Value, values};
use twopath_serving::Table;
use twopath_speed::{Backend, Engine, LOCAL_MEMORY, Local, Logic, Remote, SpeedError, SpeedJob, SpeedOptions, start};
use twopath_view::{RealtimeView, Selection};

fn begin(events: &Events, sql: &str, backend: &Backend, engine: Engine, workers: usize) -> Result<(SpeedJob, Arc<Views>), SpeedError> {
    let (views, publish) = Views::new();
    let options =
        SpeedOptions { workers, backend: backend.clone(), publish_interval: Duration::from_micros(200), ..SpeedOptions::default() };
    let job = start(&events.topic, events.query(sql), Logic::Sql, engine, (0, events.start()), options, publish)?;
    Ok((job, views))
}

/// Some of the views that were published, against the reference.
fn check(events: &Events, sql: &str, views: &Views) {
    let query = events.query(sql);
    views.sample(12).iter().for_each(|view| events.check(&query, &events.start(), view));
}

fn local(dir: &Path, name: &str) -> Backend {
    let log = Log::open(&dir.join("changelogs")).unwrap();
    let changelog = format!("{name}.changelog");
    Backend::Local(Local {
        dir: dir.join(name),
        log,
        changelog,
        owns: true,
        memory: LOCAL_MEMORY,
        interval: Duration::from_millis(2),
        taken: None,
    })
}

/// Lives that end with or without having read all, with other numbers of workers and both engines; `hurt` is done between them.
fn lives(mut events: Events, backend_of: impl Fn(&Path, &str) -> Backend, mut hurt: impl FnMut(&Path, u64)) {
    for (q, sql) in QUERIES.into_iter().enumerate() {
        let name = format!("state{q}");
        let dir = events.dir.path().to_owned();
        let backend = backend_of(&dir, &name);
        let mut reached: Option<Position> = None;
        for life in 0..6_u64 {
            let engine = if q < 2 && life % 2 == 1 { Engine::Differential } else { Engine::Timely };
            let (job, views) = begin(&events, sql, &backend, engine, 1 + life as usize % 3).unwrap();
            let from = job.recovery().checkpoint.as_ref().map(|manifest| manifest.position().clone());
            let goes_on = reached.is_none_or(|reached| from.as_ref().is_some_and(|from| from.covers(&reached)));
            assert!(goes_on, "it goes on from {from:?}, and had published more");
            events.append_some(4);
            if life % 3 != 2 {
                views.wait_for(&events.end());
            }
            drop(job);
            check(&events, sql, &views);
            reached = views.all().last().map(|view| view.position().clone()).or(from);
            // A view has its index open.
            drop(views);
            hurt(&dir.join(&name), life);
        }
    }
}

#[test]
fn a_job_goes_on_from_its_local_index() {
    lives(Events::new(2, 71), local, |_, _| {});
}

#[test]
fn a_local_index_that_is_gone_or_damaged_is_made_again_from_its_changelog() {
    lives(Events::new(2, 72), local, |dir, life| {
        let index = dir.join("index");
        if life % 2 == 0 {
            return std::fs::remove_dir_all(index).unwrap();
        }
        // Every file is cut in half.
        let mut dirs = vec![index];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
                }
            }
        }
    });
}

#[test]
fn readers_of_a_local_state_get_what_they_ask_for() {
    const GROUPS: &str = "SELECT key, COUNT(*) AS n, SUM(d) AS s FROM events GROUP BY key";
    let mut events = Events::new(2, 78);
    let dir = events.dir.path().to_owned();
    let text = |text: &str| Value::Text(text.into());
    for (i, tail) in ["", " HAVING COUNT(*) > 30", " ORDER BY s DESC LIMIT 3", " ORDER BY n, key LIMIT 4 OFFSET 2"].into_iter().enumerate()
    {
        let query = events.query(&format!("{GROUPS}{tail}"));
        let (kept, _) = begin(&events, &format!("{GROUPS}{tail}"), &local(&dir, &format!("ask{i}")), Engine::Timely, 2).unwrap();
        let (plain, _) = begin(&events, &format!("{GROUPS}{tail}"), &Backend::Memory, Engine::Timely, 1).unwrap();
        events.append_some(8);
        let at_end = |job: &SpeedJob, written: bool| loop {
            let view = job.view();
            let is_written = view.generations.iter().all(|g| g.tables.is_empty() && g.kept.is_some());
            if *view.position() == events.end() && (is_written || !written) {
                break view;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let (kept_view, plain_view) = (at_end(&kept, true), at_end(&plain, false));
        assert_eq!(kept.state_bytes(), 0, "no group is in memory");
        assert!(kept_view.generations.iter().all(|g| g.tables.is_empty() && g.kept.is_some()));
        let mut asked = vec![Selection::default()];
        asked.extend(
            [text("key 3"), text("no such key"), Value::Null, Value::Int(3)]
                .map(|key| Selection { key: Some(vec![key]), ..Selection::default() }),
        );
        let ranges = [(Some(text("key 12")), Some(text("key 4"))), (None, Some(text("key 11"))), (Some(text("z")), None)];
        asked.extend(ranges.map(|first_key| Selection { first_key, ..Selection::default() }));
        for selection in asked {
            let answer = |view: &Arc<RealtimeView>| {
                let table = Table::new(query.clone(), 2);
                table.publish_realtime(view.clone());
                table.answer(&selection).map(|answer| values::rows(&answer.rows).unwrap()).map_err(|e| e.to_string())
            };
            assert_eq!(answer(&kept_view), answer(&plain_view), "{tail}: {selection:?}");
        }
    }
}

#[test]
fn a_view_of_a_local_state_does_not_change_with_the_index() {
    let mut events = Events::new(1, 79);
    let dir = events.dir.path().to_owned();
    let (job, views) = begin(&events, QUERIES[0], &local(&dir, "old"), Engine::Timely, 1).unwrap();
    for _ in 0..20 {
        events.append_some(2);
        views.wait_for(&events.end());
    }
    // All of them, while the index is at the end of all.
    let query = events.query(QUERIES[0]);
    views.sample(20).iter().for_each(|view| events.check(&query, &events.start(), view));
    drop(job);
}

#[test]
fn more_groups_than_may_wait_are_written_before_their_time() {
    const GROUPS: &str = "SELECT key, COUNT(*) AS n, SUM(d) AS s FROM events GROUP BY key";
    let events = Events::new(2, 80);
    let Backend::Local(place) = local(events.dir.path(), "many") else { unreachable!() };
    let backend = Backend::Local(Local { memory: 16 << 20, interval: Duration::from_secs(3600), ..place });
    let keys: Vec<String> = (0..60_000).map(|i| format!("key {i}")).collect();
    let append = |round: usize| {
        // New keys and old ones, and some without.
        let some: Vec<Option<&str>> =
            (0..30_000).map(|i| Some(&keys[(i * 7 + round * 5_003) % keys.len()][..]).filter(|_| i % 1_000 != 0)).collect();
        events.writer.append(&events.with_keys(&some, round as i64)).unwrap();
    };
    let (job, views) = begin(&events, GROUPS, &backend, Engine::Timely, 2).unwrap();
    (0..6).for_each(append);
    views.wait_for(&events.end());
    let began = Instant::now();
    while job.store_costs().steps < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is written before its time");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(job.stored_up_to().is_some());
    check(&events, GROUPS, &views);
    drop(job);
    drop(views);
    // What waited was written at the end.
    let (job, views) = begin(&events, GROUPS, &backend, Engine::Timely, 1).unwrap();
    assert_eq!(job.recovery().checkpoint.as_ref().map(|manifest| manifest.position()), Some(&events.end()));
    append(6);
    views.wait_for(&events.end());
    check(&events, GROUPS, &views);
}

#[test]
fn state_of_another_query_is_refused_by_name() {
    let mut events = Events::new(1, 73);
    events.append_some(3);
    let dir = events.dir.path().to_owned();
    drop(begin(&events, "SELECT key, COUNT(*) FROM events GROUP BY key", &local(&dir, "one"), Engine::Timely, 1).unwrap());
    let other = begin(&events, "SELECT key, COUNT(n) FROM events GROUP BY key", &local(&dir, "one"), Engine::Timely, 1);
    assert!(matches!(other.map(drop), Err(SpeedError::StateForeign { .. })));
}

/// A Redis whose appends are on the disk before it acknowledges them.
struct Server {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

/// One that nobody is given who asks for any: it is free for a moment whenever the server is killed.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = std::process::id() as u16 % 8_000 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + number % 12_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    fn start() -> Option<Server> {
        let port = free_port();
        let dir = tempfile::tempdir().unwrap();
        let child = Server::run(dir.path(), port)?;
        Some(Server { dir, port, child })
    }

    fn run(dir: &Path, port: u16) -> Option<Child> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--port", &port.to_string(), "--dir"]).arg(dir);
        let Ok(child) = command.stdout(Stdio::null()).spawn() else {
            println!("SKIPPED: there is no redis-server");
            return None;
        };
        for _ in 0..3_000 {
            if Remote::ping(&format!("redis://127.0.0.1:{port}")).is_ok() {
                return Some(child);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not answer");
    }

    fn kill_and_start_again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Server::run(self.dir.path(), self.port).unwrap();
    }

    fn ask(&self, words: &[&str]) {
        let done = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output().unwrap();
        assert!(done.status.success());
    }

    fn backend(&self, name: &str) -> Backend {
        Backend::Remote(Remote { server: format!("redis://127.0.0.1:{}", self.port), name: name.to_owned(), owns: true })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_job_goes_on_from_its_server() {
    let Some(server) = Server::start() else { return };
    lives(Events::new(2, 74), |_, name| server.backend(name), |_, _| {});
}

#[test]
fn a_server_that_is_killed_and_connections_that_are_cut_make_no_answer_wrong() {
    let Some(mut server) = Server::start() else { return };
    let mut events = Events::new(2, 75);
    let (job, views) = begin(&events, QUERIES[0], &server.backend("cut"), Engine::Timely, 2).unwrap();
    for round in 0..12 {
        events.append_some(2);
        match round % 3 {
            0 => server.kill_and_start_again(),
            1 => server.ask(&["CLIENT", "KILL", "TYPE", "normal"]),
            _ => {}
        }
        events.append_some(2);
        views.wait_for(&events.end());
    }
    let costs = job.store_costs();
    assert!(costs.round_trips >= 2 * costs.steps && costs.bytes_sent > 0 && costs.bytes_received > 0, "{costs:?}");
    drop(job);
    check(&events, QUERIES[0], &views);
}

#[test]
fn a_server_that_lost_what_it_had_ends_the_job_and_one_that_was_taken_over_ends_too() {
    let Some(server) = Server::start() else { return };
    let mut events = Events::new(1, 76);
    let end = |job: SpeedJob| {
        while job.progress().failure.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        job.stop().unwrap_err()
    };
    let (job, views) = begin(&events, QUERIES[0], &server.backend("lost"), Engine::Timely, 1).unwrap();
    events.append_some(2);
    views.wait_for(&events.end());
    server.ask(&["FLUSHALL"]);
    events.append_some(1);
    let error = end(job);
    assert!(matches!(error, SpeedError::StateLost { .. }), "{error}");

    let (old, views) = begin(&events, QUERIES[0], &server.backend("lost"), Engine::Timely, 1).unwrap();
    views.wait_for(&events.end());
    let (new, new_views) = begin(&events, QUERIES[0], &server.backend("lost"), Engine::Timely, 1).unwrap();
    events.append_some(1);
    let error = end(old);
    assert!(matches!(error, SpeedError::Fenced { epoch: 1, newest: 2, .. }), "{error}");
    new_views.wait_for(&events.end());
    drop(new);
    // A generation that is gone is not taken for one without groups: the log is read again.
    server.ask(&["DEL", "twopath:lost:0"]);
    let (job, views) = begin(&events, QUERIES[0], &server.backend("lost"), Engine::Timely, 1).unwrap();
    assert!(job.recovery().checkpoint.is_none());
    assert!(job.recovery().refused[0].reason.contains("generation 0 has 0 groups"), "{:?}", job.recovery().refused);
    views.wait_for(&events.end());
    check(&events, QUERIES[0], &views);
}
