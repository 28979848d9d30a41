//! Segments in an object store (a folder), from the command line: read by every engine, checked, brought back; and `kill -9` on the way.

use std::path::PathBuf;
use std::time::Duration;

use crate::sandbox::Sandbox;

const ROWS: usize = 60_000;

fn clicks() -> Sandbox {
    let sandbox = Sandbox::new();
    let rows: String = (0..ROWS).map(|i| format!("2024-01-01T{:02}:{:02}:00Z,user{},{i}\n", i / 3000, i / 50 % 60, i % 977)).collect();
    sandbox.write("a.csv", format!("time,who,n\n{rows}"));
    let import = ["log", "import", "a", "--from", "a.csv", "--time-column", "time", "--partitions", "2", "--segment-bytes", "64K"];
    sandbox.ok(&import);
    sandbox
}

fn numbers(sandbox: &Sandbox) -> Vec<usize> {
    let text = sandbox.ok(&["log", "cat", "a", "--columns", "n", "--format", "csv"]);
    let mut numbers: Vec<usize> = text.lines().skip(1).map(|l| l.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn objects(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut folders = vec![sandbox.path("archive")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn moved_segments_are_read_by_every_engine_checked_and_brought_back() {
    let sandbox = clicks();
    let sql = "SELECT who, COUNT(*) AS clicks, SUM(n) AS total FROM a GROUP BY who";
    let answer = |engine: &str| sandbox.ok(&["query", "--engine", engine, "--format", "csv", "--sql", sql]);
    let before = answer("reference");
    let told = sandbox.ok(&["log", "offload", "a", "--to", "archive", "--cache-bytes", "10M"]);
    let objects = objects(&sandbox);
    assert!(objects.len() > 4 && told.starts_with(&format!("{} segments moved and checked, ", objects.len())), "{told}");
    let stat: serde_json::Value = serde_json::from_str(&sandbox.ok(&["log", "stat", "a", "--format", "json"])).unwrap();
    let remote: u64 = (0..2).map(|p| stat["partitions"][p]["segments_remote"].as_u64().unwrap()).sum();
    assert_eq!(remote, objects.len() as u64);
    assert!(!sandbox.path("twopath-data/a/cache").exists(), "telling what there is fetches nothing");
    assert!(sandbox.ok(&["log", "stat", "a"]).contains(&format!("remote: {remote} of the segments, ")));
    for engine in ["reference", "batch", "speed"] {
        assert_eq!(answer(engine), before, "{engine}");
    }
    assert_eq!(numbers(&sandbox), (0..ROWS).collect::<Vec<_>>());
    let verified = sandbox.run(&["log", "verify", "a"]);
    assert_eq!((verified.code, verified.stdout.as_str()), (0, ""), "{}", verified.stderr);
    // Damage is told with object and byte.
    let whole = std::fs::read(&objects[3]).unwrap();
    let mut bytes = whole.clone();
    bytes[2000] ^= 4;
    std::fs::write(&objects[3], bytes).unwrap();
    std::fs::remove_dir_all(sandbox.path("twopath-data/a/cache")).unwrap();
    let verified = sandbox.run(&["log", "verify", "a"]);
    let address = format!("file://{}", objects[3].canonicalize().unwrap().display());
    assert!(verified.code == 1 && verified.stdout.starts_with(&format!("{address}, byte ")), "{}", verified.stdout);
    let read = sandbox.run(&["log", "cat", "a"]);
    assert!(read.code == 1 && read.stderr.contains(&address) && read.stderr.contains("twopath log verify"), "{}", read.stderr);
    std::fs::write(&objects[3], whole).unwrap();
    let told = sandbox.ok(&["log", "recall", "a"]);
    assert!(told.starts_with(&format!("{remote} segments brought back, ")), "{told}");
    assert_eq!(numbers(&sandbox), (0..ROWS).collect::<Vec<_>>());
    let none: Vec<PathBuf> = Vec::new();
    assert_eq!(self::objects(&sandbox), none);
}

#[test]
fn a_topic_moves_its_segments_itself() {
    let sandbox = Sandbox::new();
    let create = ["log", "create", "a", "--schema", "time:timestamp,n:int", "--segment-bytes", "4K", "--offload-to", "archive"];
    sandbox.ok(&[&create[..], &["--offload-keep-local", "20K"]].concat());
    let lines: String = (0..5000).map(|i| format!("{{\"time\":\"2024-05-01\",\"n\":{i}}}\n")).collect();
    for chunk in lines.lines().collect::<Vec<_>>().chunks(500) {
        sandbox.run_with(&["log", "append", "a"], &chunk.join("\n"));
    }
    assert!(!objects(&sandbox).is_empty());
    assert_eq!(numbers(&sandbox), (0..5000).collect::<Vec<_>>());
    assert_eq!(sandbox.run(&["log", "verify", "a"]).code, 0);
}

#[test]
fn killed_on_the_way_there_or_back_nothing_is_lost_and_the_next_run_finishes() {
    let sandbox = clicks();
    let there = ["log", "offload", "a", "--to", "archive"];
    let back = ["log", "recall", "a"];
    // The pauses are only there to hit it at different places.
    for round in 0..24_u64 {
        let mut child = sandbox.start(if round % 2 == 0 { &there } else { &back });
        std::thread::sleep(Duration::from_micros(1500 + round * 1300));
        child.kill().unwrap();
        child.wait().unwrap();
        let verified = sandbox.run(&["log", "verify", "a"]);
        assert_eq!(verified.code, 0, "round {round}: {}{}", verified.stdout, verified.stderr);
    }
    assert_eq!(numbers(&sandbox), (0..ROWS).collect::<Vec<_>>());
    sandbox.ok(&there);
    let stat: serde_json::Value = serde_json::from_str(&sandbox.ok(&["log", "stat", "a", "--format", "json"])).unwrap();
    let remote: u64 = (0..2).map(|p| stat["partitions"][p]["segments_remote"].as_u64().unwrap()).sum();
    assert_eq!(objects(&sandbox).len() as u64, remote, "no object is forgotten");
    sandbox.ok(&back);
    assert_eq!(numbers(&sandbox), (0..ROWS).collect::<Vec<_>>());
    assert!(objects(&sandbox).is_empty());
}

#[test]
fn a_store_that_cannot_be_had_is_one_clear_error() {
    let sandbox = clicks();
    let create = ["log", "create", "b", "--schema", "n:int", "--offload-to"];
    for (address, what) in [
        ("gs://bucket", "this kind of store is not known"),
        ("s3://", "it names no bucket: write s3://BUCKET/PREFIX"),
        ("s3:///prefix", "it names no bucket"),
        ("file://", "it names no folder"),
        ("", "it names no folder"),
    ] {
        for command in [&["log", "offload", "a", "--to"][..], &create] {
            let told = sandbox.run(&[command, &[address]].concat());
            assert_eq!((told.code, told.stdout.as_str()), (2, ""), "{address}: {}", told.stderr);
            assert!(told.stderr.contains(what), "{address}: {}", told.stderr);
        }
    }
    let told = sandbox.run(&["log", "offload", "a", "--to", "s3://bucket/x"]);
    assert_eq!(told.code, 1);
    #[cfg(not(feature = "s3"))]
    assert!(told.stderr.contains("built without S3") && told.stderr.contains("--features s3"), "{}", told.stderr);
    sandbox.ok(&["log", "offload", "a", "--to", "archive"]);
    std::fs::rename(sandbox.path("archive"), sandbox.path("elsewhere")).unwrap();
    let told = sandbox.run(&["log", "cat", "a"]);
    assert!(told.code == 1 && told.stderr.contains("could not read file://"), "{}", told.stderr);
    assert!(told.stderr.contains("see that the store is there"), "{}", told.stderr);
    std::fs::rename(sandbox.path("elsewhere"), sandbox.path("archive")).unwrap();
    assert_eq!(numbers(&sandbox).len(), ROWS);
}

#[test]
fn a_deleted_topic_leaves_nothing_behind_and_is_not_deleted_while_it_is_read() {
    let sandbox = clicks();
    sandbox.ok(&["log", "offload", "a", "--to", "archive"]);
    assert!(objects(&sandbox).len() > 4);
    let mut reader = sandbox.start(&["log", "cat", "a", "--group", "g", "--member", "m", "--follow"]);
    let owned = || sandbox.ok(&["log", "groups", "a", "--format", "json"]).contains("\"owner\": \"m\"");
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while !owned() {
        assert!(std::time::Instant::now() < until, "waited for the member");
        std::thread::sleep(Duration::from_millis(5));
    }
    let refused = sandbox.run(&["log", "delete", "a"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("topic 'a' is being read by 'm' of group 'g': stop that one first"), "{}", refused.stderr);
    reader.kill().unwrap();
    reader.wait().unwrap();

    // As long as an object may be left behind, the topic is what knows of it.
    std::fs::rename(sandbox.path("archive"), sandbox.path("elsewhere")).unwrap();
    std::fs::write(sandbox.path("archive"), "no folder").unwrap();
    let refused = sandbox.run(&["log", "delete", "a"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("their store must be reachable; try again"), "{}", refused.stderr);
    std::fs::remove_file(sandbox.path("archive")).unwrap();
    std::fs::rename(sandbox.path("elsewhere"), sandbox.path("archive")).unwrap();

    let told = sandbox.run(&["log", "delete", "a"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_eq!(objects(&sandbox), Vec::<PathBuf>::new());
    assert_eq!(sandbox.run(&["log", "stat", "a"]).code, 1);
    let left: Vec<_> = std::fs::read_dir(sandbox.path("twopath-data")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("a.gone") || name == "a"), "{left:?}");
    sandbox.ok(&["log", "import", "a", "--from", "a.csv", "--time-column", "time"]);
}
