//! `report.html` in a real browser: everything is drawn, nothing overflows, and the console stays silent.

use std::path::Path;
use std::process::Command;

use twopath_results::report::html::report;
use twopath_results::result::{CompareResult, Outcome};

/// Of a real comparison; `experiments/tests/data/README.md` says how it was made.
const RESULT: &str = include_str!("data/result.json");

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Leaves in the page what the tests ask of it. After the page's own script, and after the browser has laid it out.
const PROBE: &str = r#"<script>
setTimeout(() => {
  const root = document.documentElement;
  const empty = [...document.querySelectorAll("main [id]")].filter(e => !e.children.length && !e.textContent.trim() && e.id !== "trouble").map(e => e.id);
  root.dataset.probe = JSON.stringify({ overflow: root.scrollWidth - window.innerWidth, canvases: document.querySelectorAll("canvas").length, theme: root.dataset.theme, empty });
}, 0);
</script></body>"#;

fn browser() -> Option<&'static str> {
    let found = BROWSERS.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success()));
    if found.is_none() {
        eprintln!("SKIPPED: none of {BROWSERS:?} is installed, so report.html was not opened in a browser");
    }
    found
}

/// The probe's findings, and what the page wrote to the console.
fn open(browser: &str, page: &str, width: u32, dark: bool) -> (serde_json::Value, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.html");
    std::fs::write(&file, page.replace("</body>", PROBE)).unwrap();
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]);
    command.args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", dir.path().join("profile").display())).arg(format!("--window-size={width},900"));
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    let output = command.arg(format!("file://{}", Path::new(&file).display())).output().unwrap();
    let console = String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.contains("CONSOLE")).map(String::from).collect();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let probe = page.split_once("data-probe=\"").and_then(|(_, rest)| rest.split_once('"')).map_or("null", |(probe, _)| probe);
    (serde_json::from_str(&probe.replace("&quot;", "\"")).unwrap(), console)
}

fn real() -> CompareResult {
    let mut result: CompareResult = serde_json::from_str(RESULT).unwrap();
    let settings = result.settings.clone();
    result.runs.iter_mut().for_each(|run| twopath_results::prices::charge(run, &settings));
    twopath_results::conclude(&mut result);
    result
}

#[test]
fn the_report_opens_without_a_word_in_the_console() {
    let Some(browser) = browser() else { return };
    let page = report(&real());
    // Panels over time for each system, twice, two distributions, and freshness around the deployment (no reads and no storage over time
    // stand in it).
    let canvases = real().settings.systems.len() * 2 + 2 + 1;
    for (width, dark) in [(1280, false), (500, true)] {
        let (probe, console) = open(browser, &page, width, dark);
        assert_eq!(console, Vec::<String>::new(), "at width {width}");
        assert_eq!(probe["canvases"], canvases, "{probe}");
        assert_eq!(probe["empty"], serde_json::json!([]), "every part of the page has something in it");
        assert!(probe["overflow"].as_i64().unwrap() <= 0, "the page is wider than the window: {probe}");
        assert_eq!(probe["theme"], if dark { "dark" } else { "light" });
    }
}

#[test]
fn a_report_of_nothing_but_crashes_opens_too() {
    let Some(browser) = browser() else { return };
    let mut result = real();
    for run in &mut result.runs {
        let outcome =
            Outcome::Crashed { message: "was killed by signal 9; its last words:\n<b>&".into(), exit_code: None, signal: Some(9) };
        *run = twopath_results::result::RunResult {
            system: run.system.clone(),
            architecture: run.architecture.clone(),
            repeat: run.repeat,
            outcome,
            ..Default::default()
        };
    }
    twopath_results::conclude(&mut result);
    let (probe, console) = open(browser, &report(&result), 1280, false);
    assert_eq!(console, Vec::<String>::new());
    assert!(probe["overflow"].as_i64().unwrap() <= 0, "{probe}");
}

#[test]
fn the_console_is_really_watched() {
    let Some(browser) = browser() else { return };
    let page = report(&real()).replace("start();\n", "start(); nothing_of_this_name();\n");
    let (_, console) = open(browser, &page, 1280, false);
    assert_eq!(console.len(), 1, "{console:?}");
    assert!(console[0].contains("nothing_of_this_name"), "{console:?}");
}
