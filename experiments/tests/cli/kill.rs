//! kill -9 of an importing process: what was acknowledged is there, once, and the same command goes on.

use std::time::Duration;

use crate::sandbox::Sandbox;

const ROWS: usize = 120_000;

#[test]
fn a_killed_import_is_finished_by_the_same_command() {
    let sandbox = Sandbox::new();
    let rows: String = (0..ROWS).map(|i| format!("2024-01-01T00:00:00Z,user{},{i}\n", i % 977)).collect();
    sandbox.write("a.csv", format!("time,user,n\n{rows}"));
    let import = [
        "log",
        "import",
        "a",
        "--from",
        "a.csv",
        "--time-column",
        "time",
        "--key",
        "user",
        "--partitions",
        "3",
        "--durability",
        "batch",
        // Small enough that some kills come while a segment is being sealed.
        "--segment-bytes",
        "300K",
    ];
    let mut before = 0;
    // Each run is killed once it has appended more; the pauses are only there to hit it at different places.
    for pause_us in [0, 500, 2_000, 5_000, 9_000] {
        let mut child = sandbox.start(&import);
        while child.try_wait().unwrap().is_none() && bytes(&sandbox) <= before {
            std::thread::sleep(Duration::from_micros(300));
        }
        std::thread::sleep(Duration::from_micros(pause_us));
        child.kill().unwrap();
        child.wait().unwrap();
        before = bytes(&sandbox);
    }
    let finished = sandbox.run(&import);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!(sandbox.run(&["log", "verify", "a"]).code, 0);
    let mut numbers: Vec<usize> =
        sandbox.ok(&["log", "cat", "a", "--columns", "n", "--format", "csv"]).lines().skip(1).map(|l| l.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..ROWS), "every row once: {} rows", numbers.len());
    assert!(sandbox.run(&import).stderr.contains("already imported"));
}

/// Of all segments.
fn bytes(sandbox: &Sandbox) -> u64 {
    let files = |partition: u32| std::fs::read_dir(sandbox.path(&format!("twopath-data/a/p{partition}"))).ok();
    (0..3).filter_map(files).flatten().filter_map(|f| Some(f.ok()?.metadata().ok()?.len())).sum()
}
