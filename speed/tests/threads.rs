//! By their names the harness charges threads to the layer. (A file of its own: while threads of other tests end, the system's list of
//! threads has gaps.)

mod common;

use common::{Events, QUERIES, Views};
use twopath_speed::{Logic, SpeedOptions, start};

#[test]
#[cfg(target_os = "linux")]
fn threads_bear_the_layers_name() {
    let events = Events::new(2, 1);
    let (views, publish) = Views::new();
    let job = start(
        &events.topic,
        events.query(QUERIES[1]),
        Logic::Sql,
        (0, events.start()),
        SpeedOptions { workers: 2, ..SpeedOptions::default() },
        publish,
    )
    .unwrap();
    views.wait_for(&events.start());
    let names: Vec<String> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect();
    for name in ["speed-0", "speed-1", "speed-merge", "speed-tail"] {
        assert!(names.iter().any(|n| n == name), "no thread {name} among {names:?}");
    }
    job.stop().unwrap();
}
