//! Ctrl-C in the middle of a comparison. In a test program of its own: a signal reaches the whole process.

use std::process::Command;
use std::time::Duration;

use twopath::scenarios::compare::{CompareSettings, Ending, HistoryLength, run_with};
use twopath_results::result::CompareResult;

/// The first child crashes; the second one interrupts its parent and would then hang.
const SCRIPT: &str = r#"
    mark="$(dirname "$SPEC")/../../begun"
    if [ -e "$mark" ]; then kill -INT $PPID; sleep 1000; fi
    touch "$mark"; exit 1
"#;

#[test]
fn an_interrupted_comparison_keeps_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let settings = CompareSettings {
        architectures: vec!["lambda".into(), "kappa".into()],
        repeats: 5,
        history: Some(HistoryLength::Events(1_000)),
        duration: Duration::from_secs(1),
        out: Some(dir.path().to_path_buf()),
        ..CompareSettings::default()
    };
    let ending = run_with(&settings, &|spec| {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(SCRIPT).env("SPEC", spec);
        command
    });
    assert_eq!(ending.unwrap(), Ending::Interrupted);
    assert_eq!(Ending::Interrupted.exit_code(), 130);
    let result: CompareResult = serde_json::from_slice(&std::fs::read(dir.path().join("result.json")).unwrap()).unwrap();
    assert!(!result.complete);
    assert_eq!(result.runs.len(), 1);
    assert!(result.findings.iter().any(|finding| finding == "Stopped early: 1 of 10 runs were made."), "{:?}", result.findings);
    assert!(dir.path().join("report.html").is_file());
}
