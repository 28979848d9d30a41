//! By their names the harness charges threads to the layer. (A file of its own: while threads of other tests end, the system's list of
//! threads has gaps.)

mod common;

use std::time::{Duration, Instant};

use common::{Events, QUERIES, Views};
use twopath_speed::{Engine, Logic, SpeedOptions, start};

#[test]
#[cfg(target_os = "linux")]
fn threads_bear_the_layers_name() {
    let events = Events::new(2, 1);
    let (views, publish) = Views::new();
    let job = start(
        &events.topic,
        events.query(QUERIES[1]),
        Logic::Sql,
        Engine::Timely,
        (0, events.start()),
        SpeedOptions { workers: 2, ..SpeedOptions::default() },
        publish,
    )
    .unwrap();
    views.wait_for(&events.start());
    // A thread names itself when it first runs, which on a busy machine may be a little later.
    let wanted = ["speed-0", "speed-1", "speed-merge", "speed-tail"];
    let until = Instant::now() + Duration::from_secs(30);
    let mut names = names_of_threads();
    while !wanted.iter().all(|name| names.iter().any(|n| n == name)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
        names = names_of_threads();
    }
    for name in wanted {
        assert!(names.iter().any(|n| n == name), "no thread {name} among {names:?}");
    }
    job.stop().unwrap();
}

#[cfg(target_os = "linux")]
fn names_of_threads() -> Vec<String> {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}
