//! The inputs that fuzzing has kept (`fuzz/corpus`), through the bodies of its targets, without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use twopath_log::fuzzing::{self, Bench};

#[path = "../fuzz/bodies/checkpoint.rs"]
mod checkpoint;
#[path = "../fuzz/bodies/sql.rs"]
mod sql;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// Runs a target over its inputs. Those that are named for what they are must be accepted: else the format has moved on, and what is kept
/// no longer reaches the decoders.
fn replay(target: &str, body: impl Fn(&[u8]) -> bool) {
    let dir = corpus(target);
    let mut accepted = 0;
    for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&input)));
        let taken = told.unwrap_or_else(|_| panic!("the target '{target}' falls over {}", path.display()));
        let named = path.file_name().unwrap().to_string_lossy().starts_with("seed-");
        assert!(taken || !named, "{} is not accepted: write the seeds anew (see `write_seeds`)", path.display());
        accepted += u32::from(taken);
    }
    assert!(accepted > 0, "none of the inputs in {} is accepted", dir.display());
}

fn bench() -> (tempfile::TempDir, Bench) {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path());
    (dir, bench)
}

#[test]
fn segments() {
    let (_dir, bench) = bench();
    replay("segment", |data| fuzzing::segment(&bench, data));
}

#[test]
fn seals() {
    replay("seal", fuzzing::seal);
}

#[test]
fn manifests() {
    replay("manifest", fuzzing::manifest);
}

#[test]
fn group_positions() {
    let (_dir, bench) = bench();
    replay("positions", |data| fuzzing::positions(&bench, data));
}

#[test]
fn topic_files() {
    replay("topic_file", fuzzing::topic_file);
}

#[test]
fn checkpoints() {
    replay("checkpoint", checkpoint::checkpoint);
}

#[test]
fn sql_texts() {
    replay("sql", sql::sql);
}

/// Writes the seeds anew, after the format has changed: `cargo test -p twopath-tests --test fuzz_corpus -- --ignored`.
#[test]
#[ignore = "changes the kept inputs"]
fn write_seeds() {
    let dir = tempfile::tempdir().unwrap();
    for (target, name, bytes) in fuzzing::seeds(dir.path()).unwrap() {
        fs::create_dir_all(corpus(target)).unwrap();
        fs::write(corpus(target).join(name), bytes).unwrap();
    }
    fs::create_dir_all(corpus("sql")).unwrap();
    for (i, text) in sql::seeds().iter().enumerate() {
        fs::write(corpus("sql").join(format!("seed-{i}")), text).unwrap();
    }
}
