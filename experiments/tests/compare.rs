//! The parent's side of `compare` with children made of shell scripts: those that crash, hang, lie, and are interrupted.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use twopath::harness::recording::Recording;
use twopath::scenarios::compare::{CompareSettings, Ending, HistoryLength, run_with};
use twopath_events::workloads::OwnTable;
use twopath_results::result::{CompareResult, Outcome, RunResult};

fn settings(out: &Path) -> CompareSettings {
    CompareSettings {
        architectures: vec!["lambda".into(), "kappa".into()],
        repeats: 2,
        history: Some(HistoryLength::Events(1_000)),
        duration: Duration::from_millis(100),
        out: Some(out.to_path_buf()),
        ..CompareSettings::default()
    }
}

/// Runs `script` as every child; it finds the path of its spec in `$SPEC`.
fn compare(settings: &CompareSettings, script: &'static str) -> (Ending, CompareResult) {
    let ending = run_with(settings, &|spec| {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).env("SPEC", spec);
        command
    })
    .unwrap();
    let out = settings.out.as_deref().unwrap();
    assert!(out.join("report.html").is_file());
    assert!(!out.join("scratch").exists(), "scratch is removed");
    (ending, serde_json::from_slice(&std::fs::read(out.join("result.json")).unwrap()).unwrap())
}

/// A child that leaves a result which is empty but of the right run, and a sample.
const LEAVES_A_RESULT: &str = r#"
    out=$(sed -n 's/.*"out": "\([^"]*\)".*/\1/p' "$SPEC")
    architecture=$(sed -n 's/.*"architecture": "\([^"]*\)".*/\1/p' "$SPEC" | head -n 1)
    repeat=$(sed -n 's/.*"repeat": \([0-9]*\).*/\1/p' "$SPEC")
    echo sample > "$(dirname "$out")/run.freshness.parquet"
    sed -e "s/ARCHITECTURE/$architecture/" -e "s/REPEAT/$repeat/" "$(dirname "$0")/$EMPTY" > "$out"
"#;

fn messages(result: &CompareResult) -> Vec<&str> {
    fn of(run: &RunResult) -> &str {
        match &run.outcome {
            Outcome::Crashed { message, .. } => message,
            Outcome::Ok => "ok",
        }
    }
    result.runs.iter().map(of).collect()
}

#[test]
fn crashed_children_are_results() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"case "$SPEC" in *kappa*) echo out of luck >&2; exit 7;; *) kill -9 $$;; esac"#;
    let (ending, result) = compare(&settings(dir.path()), script);
    assert_eq!(ending, Ending::Flawed);
    assert!(result.complete);
    assert_eq!(result.runs.len(), 4);
    for run in &result.runs {
        let Outcome::Crashed { message, exit_code, signal } = &run.outcome else { panic!("{run:?}") };
        match run.architecture.as_str() {
            "kappa" => {
                assert_eq!((message.as_str(), *exit_code, *signal), ("ended with exit code 7; its last words:\nout of luck", Some(7), None))
            }
            _ => assert_eq!((*exit_code, *signal), (None, Some(9))),
        }
    }
    assert!(result.findings.iter().any(|finding| finding == "2 of kappa's runs crashed; their figures are void."), "{:?}", result.findings);
    assert!(result.questions.iter().all(|question| question.winner.is_none()));
}

#[test]
fn a_child_without_a_result_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (ending, result) = compare(&settings(dir.path()), "exit 0");
    assert_eq!(ending, Ending::Flawed);
    assert!(messages(&result).iter().all(|message| message.starts_with("ended well but left no result")), "{result:?}");
    let (_, result) = compare(&settings(dir.path()), r#"echo '{"architecture":' > "$(dirname "$SPEC")/run.json""#);
    assert!(messages(&result).iter().all(|message| message.starts_with("ended well but left a result that cannot be read")), "{result:?}");
}

#[test]
fn results_and_samples_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.json");
    let run = Recording { architecture: "ARCHITECTURE".into(), events_loaded: 4711, ..Default::default() };
    let text = serde_json::to_string(&run).unwrap().replace(r#""repeat":0"#, r#""repeat":REPEAT"#);
    std::fs::write(&empty, text).unwrap();
    let settings = settings(&dir.path().join("out"));
    let ending = run_with(&settings, &|spec| {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(LEAVES_A_RESULT).arg(&empty).env("SPEC", spec).env("EMPTY", "empty.json");
        command
    })
    .unwrap();
    let out = dir.path().join("out");
    let result: CompareResult = serde_json::from_slice(&std::fs::read(out.join("result.json")).unwrap()).unwrap();
    assert!(result.complete);
    assert_eq!(messages(&result), ["ok"; 4]);
    assert_eq!(ending, Ending::Complete);
    assert!(result.runs.iter().all(|run| run.events == 4711));
    let mut samples: Vec<String> = result.runs.iter().flat_map(|run| run.samples.clone()).collect();
    samples.sort();
    assert_eq!(
        samples,
        [
            "samples/kappa-1.freshness.parquet",
            "samples/kappa-2.freshness.parquet",
            "samples/lambda-1.freshness.parquet",
            "samples/lambda-2.freshness.parquet"
        ]
    );
    assert!(samples.iter().all(|sample| out.join(sample).is_file()));
}

#[test]
fn what_no_run_can_be_made_of_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |change: &dyn Fn(&mut CompareSettings)| {
        let mut settings = settings(&dir.path().join("out"));
        change(&mut settings);
        run_with(&settings, &|_| panic!("no run is started")).unwrap_err().to_string()
    };
    let asked = [
        ask(&|s| s.architectures = vec!["delta".into()]),
        ask(&|s| s.architectures = vec!["kappa".into(), "kappa".into()]),
        ask(&|s| s.architectures.clear()),
        ask(&|s| s.repeats = 0),
        ask(&|s| s.rate = f64::NAN),
        ask(&|s| s.duration = Duration::ZERO),
        ask(&|s| s.workload = "weather".into()),
        ask(&|s| s.query = Some("no_such_query".into())),
        ask(&|s| s.events = OwnTable::of(&["events.csv"], &[]).unwrap()),
    ];
    insta::assert_snapshot!(asked.join("\n"));
    assert!(!dir.path().join("out").exists(), "nothing was made");
}
