//! Every bench also runs small as a test: it checks the answers that it times. No ratio is asserted.

use std::path::Path;

use twopath::bench::peers::{self, PeersResult, PeersSetting};
use twopath::bench::{BenchError, Setting, Size, names, run, run_log_scale};

fn setting(dir: &tempfile::TempDir, size: Size) -> Setting<'_> {
    Setting { dir: dir.path(), size, program: Path::new(env!("CARGO_BIN_EXE_twopath")) }
}

#[test]
fn every_bench_runs_small() {
    let dir = tempfile::tempdir().unwrap();
    let mut heard = Vec::new();
    let result = run(setting(&dir, Size::quick()), &[], |name| heard.push(name.to_owned())).unwrap();
    // Those of the groups come after them.
    assert_eq!(heard, names()[..14]);
    let ids: Vec<&str> = result.ratios.iter().map(|r| r.id).collect();
    assert_eq!(
        ids,
        [
            "append_none",
            "append_batch",
            "append_batch_small",
            "scan",
            "speed",
            "replay",
            "batch",
            "freshness",
            "read",
            "scale",
            "remote_cold",
            "remote_warm",
            "checkpoint_increment",
            "restore",
            "incremental",
            "incremental_groups",
            "nexmark_q1",
            "nexmark_q2",
            "nexmark_q5",
            "nexmark_q7",
            "nexmark_q8",
            "ysb",
            "hop",
            "workers",
            "workers_apart"
        ]
    );
    assert!(result.ratios.iter().all(|r| r.ratio.is_finite() && r.ratio > 0.0), "{:?}", result.ratios);
    for ratio in &result.ratios {
        println!("{:14} {:8.3} (floor {}, aim {}) {}", ratio.id, ratio.ratio, ratio.floor, ratio.aim, ratio.detail);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "benches clean up");
}

#[test]
fn the_log_at_scale_runs_small() {
    let dir = tempfile::tempdir().unwrap();
    let result = run_log_scale(setting(&dir, Size::quick()), |_| {}).unwrap();
    let ids: Vec<&str> = result.ratios.iter().map(|r| r.id).collect();
    assert_eq!(ids, ["compaction", "groups", "wake", "wake_across", "partitions", "open_clean", "open_crashed", "memory"]);
    assert!(result.ratios.iter().all(|r| r.ratio.is_finite() && r.ratio >= 0.0), "{:?}", result.ratios);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "benches clean up");
}

fn against_peers(dir: &tempfile::TempDir, python: &Path, only: &[&str]) -> PeersResult {
    let (program, dbsp) = (Path::new(env!("CARGO_BIN_EXE_twopath")), Path::new("no-dbsp-here"));
    let setting = PeersSetting { dir: dir.path(), program, python, dbsp, rows: 60_000, rounds: 2 };
    peers::run(setting, &only.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), |_| {}).unwrap()
}

/// The answers of every work are compared with each peer's, of which some are apart from what tests install.
#[test]
fn peers_give_the_same_answers() {
    let Some(python) = std::env::var_os("TWOPATH_TEST_PYTHON") else {
        eprintln!("SKIPPED: no Python with duckdb and polars (run tests/run, which makes one)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let result = against_peers(&dir, Path::new(&python), &[]);
    result.missing.iter().for_each(|missing| eprintln!("SKIPPED: {missing}"));
    assert!(result.missing.iter().any(|missing| missing.contains("experiments/benches/dbsp/Cargo.toml")), "{:?}", result.missing);
    let apart = ["dbsp", "flink", "spark"];
    if result.missing.iter().all(|missing| apart.iter().any(|peer| missing.contains(peer))) {
        assert_eq!(result.ratios.iter().filter(|ratio| !apart.contains(&ratio.peer)).count(), 6 * 2 + 2 + 8 + 1);
    }
    assert!(result.ratios.iter().all(|r| [r.wall, r.cpu, r.memory].iter().all(|f| f.is_finite() && *f > 0.0)), "{:?}", result.ratios);
}

#[test]
fn a_missing_peer_is_told_with_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    let result = against_peers(&dir, Path::new("no-python-here"), &["keys", "replay"]);
    assert_eq!(result.missing.len(), 2, "{:?}", result.missing);
    assert!(result.missing[0].contains("no duckdb") && result.missing[0].contains("pip install"), "{}", result.missing[0]);
    assert_eq!(result.ratios.iter().map(|r| r.id).collect::<Vec<_>>(), ["replay"]);
}

#[test]
fn an_unknown_bench_is_named_with_those_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let error = run(setting(&dir, Size::quick()), &["scna".into()], |_| {}).unwrap_err();
    assert!(matches!(error, BenchError::Unknown { .. }), "{error}");
    assert!(error.to_string().contains("'scna'") && error.to_string().contains("scan"), "{error}");
}

/// The full size, for looking at: `cargo test --release -p twopath --test bench_small -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn full() {
    let dir = tempfile::tempdir().unwrap();
    let only: Vec<String> = std::env::var("ONLY").map(|o| o.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let result = run(setting(&dir, Size::full()), &only, |name| println!("{name} ...")).unwrap();
    for ratio in &result.ratios {
        println!("{:14} {:8.3} (floor {}, aim {}) {} {:?}", ratio.id, ratio.ratio, ratio.floor, ratio.aim, ratio.detail, ratio.rounds);
    }
}
