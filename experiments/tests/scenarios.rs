//! Every scenario end to end, small: that it has a result of the right shape, whose answers are the reference's. Never a time.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn twopath(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twopath")).args(args).current_dir(dir).output().unwrap()
}

fn json(output: &Output, args: &[&str]) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {errors}"))
}

/// Runs a scenario small, and looks at what must be true of any.
fn quick(name: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let args = ["run", name, "--quick", "--seed", "7", "--format", "json", "--out", "out"];
    let result = json(&twopath(dir.path(), &args), &args);
    assert_eq!((&result["scenario"], &result["seed"], &result["quick"]), (&name.into(), &7.into(), &true.into()));
    assert!(["confirmed", "refuted", "undecided"].contains(&result["verdict"].as_str().unwrap()), "{}", result["verdict"]);
    assert_eq!(result["complete"], true);
    for text in ["asks", "because"] {
        assert!(result[text].as_str().is_some_and(|t| !t.is_empty()), "{name}: {text}");
    }
    for text in ["says", "source", "confirmed_by"] {
        assert!(result["hypothesis"][text].as_str().is_some_and(|t| !t.is_empty()), "{name}: {text}");
    }
    let figures = result["figures"].as_array().unwrap();
    assert!(!figures.is_empty(), "{name}");
    for figure in figures {
        assert!(figure["figure"].is_string() && figure["of"].is_string() && figure["unit"].is_string(), "{figure}");
        let number = |key: &str| figure[key].as_f64();
        if let (Some(low), Some(high)) = (number("low"), number("high")) {
            assert!(low <= high, "{figure}");
        }
    }
    // Where answers were read, each was the reference's for the code that gave it.
    for figure in figures.iter().filter(|f| f["figure"] == "answers_wrong_by_an_engine") {
        assert_eq!(figure["value"], 0.0, "{name}");
    }
    let out = dir.path().join("out");
    assert!(out.join("report.html").metadata().unwrap().len() > 10_000);
    for file in result["files"].as_array().unwrap() {
        assert!(out.join(file.as_str().unwrap()).is_file(), "{name}: {file}");
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(kept, result);
    assert!(
        std::fs::read_dir(&out).unwrap().flatten().all(|e| !e.file_name().to_string_lossy().starts_with(".scratch")),
        "scratch is removed"
    );
    result
}

fn figure(result: &Value, name: &str, of: &str) -> f64 {
    let found = result["figures"].as_array().unwrap().iter().find(|f| f["figure"] == name && f["of"] == of);
    found.and_then(|f| f["value"].as_f64()).unwrap_or_else(|| panic!("no {name} of {of}"))
}

#[test]
fn the_list_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["run", "--list", "--format", "json"];
    let list = json(&twopath(dir.path(), &args), &args);
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    let wanted = [
        "census",
        "reprocess",
        "economics",
        "change",
        "canary",
        "twice",
        "fleet",
        "disorder",
        "index",
        "isolation",
        "rate",
        "recovery",
        "aa",
        "claims",
    ];
    for name in wanted {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert!(list.as_array().unwrap().iter().all(|s| s["asks"].as_str().is_some_and(|asks| asks.contains(['?', '.']))));
    let unknown = twopath(dir.path(), &["run", "no-such-scenario"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(!dir.path().join("twopath-results").exists(), "nothing was made");
}

#[test]
fn aa() {
    let result = quick("aa");
    assert!((0.0..=1.0).contains(&figure(&result, "winners_named", "all figures")));
    assert_eq!(figure(&result, "events_never_covered", "all runs"), 0.0);
}

#[test]
fn census() {
    let result = quick("census");
    assert!(figure(&result, "cpu_live", "kappa") > 0.0 && figure(&result, "cores_peak", "kappa") > 0.0);
    assert_eq!(figure(&result, "events_never_covered", "all runs"), 0.0);
}

#[test]
fn reprocess() {
    let result = quick("reprocess");
    for system in ["lambda", "kappa"] {
        let of = format!("{system}, 1 workers, 20000 events");
        // A replay of so few events can be over before anybody reads or looks at the space.
        assert!(figure(&result, "time_to_correct", &of) >= 0.0 && figure(&result, "extra_space", &of) >= 0.0, "{system}");
        assert!(figure(&result, "bulk_load", &of) > 0.0, "{system}");
    }
    assert!(figure(&result, "bulk_load", "kappa, 1 workers, throttled, 20000 events") > 0.0);
}

#[test]
fn rate() {
    let result = quick("rate");
    assert!(result["tables"][0]["rows"].as_array().unwrap().len() >= 4, "at least two rates of both");
}

#[test]
fn recovery() {
    let result = quick("recovery");
    assert_eq!(result["verdict"], "confirmed", "{}", result["because"]);
    let killed = [
        "lambda, batch killed",
        "lambda, speed killed",
        "kappa, speed killed",
        "kappa-sql, speed killed, checkpoint",
        "lambda, all killed",
        "kappa, all killed",
    ];
    for of in killed {
        assert!(figure(&result, "away", &format!("{of}, 5000 events")) > 0.0, "{of}");
    }
}

#[test]
fn change() {
    let result = quick("change");
    assert_eq!(result["verdict"], "confirmed", "{}", result["because"]);
    assert!(figure(&result, "changed_share", "the fix") > 0.01);
    assert_eq!(figure(&result, "changed_share", "the same in other words"), 0.0);
}

#[test]
fn canary_gives_the_same_with_the_same_seed() {
    let result = quick("canary");
    assert_eq!(result["verdict"], "confirmed", "{}", result["because"]);
    assert!(figure(&result, "stopped", "A/B test, worse") > 0.9, "harm is stopped");
    assert_eq!(quick("canary")["figures"], result["figures"]);
}

#[test]
fn twice() {
    let result = quick("twice");
    assert_eq!(figure(&result, "groups_wrong_mean", "one code"), 0.0);
    assert!(figure(&result, "looks_wrong", "NULLs") > 0.0);
}

#[test]
fn fleet() {
    let result = quick("fleet");
    assert!(figure(&result, "cores_busy_mean", "fleet") > 0.0);
}

#[test]
fn disorder() {
    let result = quick("disorder");
    assert_eq!(figure(&result, "groups_wrong", "read in any order"), 0.0);
    // The batch engine and the stream drop the same; a watermark of no delay drops some, and one of a week none.
    for minutes in [0, 60, 10_080] {
        assert_eq!(figure(&result, "windows_apart", &format!("WATERMARK of {minutes} minutes")), 0.0);
    }
    assert!(figure(&result, "windows_wrong", "WATERMARK of 0 minutes") > 0.0);
    assert_eq!(figure(&result, "windows_wrong", "WATERMARK of 10080 minutes"), 0.0);
    assert!(figure(&result, "windows_wrong", "0 minutes, 4 times as late") >= figure(&result, "windows_wrong", "0 minutes"));
    assert_eq!(figure(&result, "events_too_many", "retries, with sequence numbers"), 0.0);
    assert!(figure(&result, "events_too_many", "retries, without") > 0.0);
}

#[cfg(feature = "index")]
#[test]
fn index() {
    let result = quick("index");
    // Every search, and each index as a whole at its end, is what the documents are at its position.
    assert_eq!(figure(&result, "answers_wrong_by_an_engine", "all runs"), 0.0);
    assert_eq!(figure(&result, "events_never_covered", "all runs"), 0.0);
    for of in ["kept per change", "kept per change, published every 100 ms", "rebuilt without a pause", "rebuilt every 1000 ms"] {
        let positive =
            ["age_of_found_mean", "searchable_after_p50", "index_age_max", "cpu_per_million_changes", "bytes_written_per_change"];
        assert!(positive.iter().all(|name| figure(&result, name, of) > 0.0), "{of}");
        assert!((0.0..=1.0).contains(&figure(&result, "found_outdated", of)), "{of}");
    }
    // Each change that does not delete is one document, and one in twenty deletes.
    for of in ["kept per change", "kept per change, published every 100 ms"] {
        let indexed = figure(&result, "documents_indexed_per_change", of);
        assert!((0.9..1.0).contains(&indexed), "{of}: {indexed}");
    }
    assert_eq!(figure(&result, "documents_wrong", "in order"), 0.0);
    assert!(figure(&result, "documents_wrong", "in any order") > figure(&result, "documents_wrong", "10 changes in any order"));
    for told in ["in order", "10 changes in any order", "100 changes in any order", "in any order"] {
        assert_eq!(figure(&result, "documents_wrong", &format!("{told}, offsets kept")), 0.0, "{told}");
    }
    // One repeat decides nothing that is timed; what is not timed is the same with the same seed.
    assert_eq!(result["verdict"], "undecided", "{}", result["because"]);
    let counted = |result: &Value| -> Vec<Value> {
        let names = ["documents_wrong", "searches_wrong"];
        result["figures"].as_array().unwrap().iter().filter(|f| names.contains(&f["figure"].as_str().unwrap())).cloned().collect()
    };
    assert_eq!(counted(&quick("index")), counted(&result));
}

/// Whoever builds without it learns how to build with it, and nothing is made.
#[cfg(not(feature = "index"))]
#[test]
fn a_program_without_the_index_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let told = twopath(dir.path(), &["run", "index", "--quick"]);
    // Without the breaks of lines.
    let errors = String::from_utf8_lossy(&told.stderr).replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(told.status.code(), Some(1), "{errors}");
    assert!(errors.contains("built without the scenario 'index'") && errors.contains("--features index"), "{errors}");
    assert!(told.stdout.is_empty() && !dir.path().join("twopath-results").exists());
}

#[test]
fn isolation() {
    let result = quick("isolation");
    assert!(figure(&result, "caught_up_at", "log, a minute behind") > 0.0);
}

#[test]
fn economics() {
    let result = quick("economics");
    assert!(figure(&result, "model_error_median", "all points tried") >= 0.0);
    assert_eq!(result["maps"][0]["cells"].as_array().unwrap().len(), 17);
}

#[test]
fn claims() {
    let result = quick("claims");
    let claims = result["claims"].as_array().unwrap();
    assert!(claims.len() >= 12);
    for claim in claims {
        for key in ["claim", "source", "checked", "published", "measured", "verdict"] {
            assert!(claim[key].as_str().is_some_and(|text| !text.is_empty()), "{claim}");
        }
    }
    // What is counted and not timed is decided however short the runs are.
    let verdict = |start: &str| claims.iter().find(|c| c["claim"].as_str().unwrap().starts_with(start)).unwrap()["verdict"].clone();
    assert_eq!(verdict("A merged view overshoots"), "refuted");
    assert_eq!(verdict("Nothing is lost"), "confirmed");
    assert_eq!(verdict("A fixed-size test"), "confirmed");
    #[cfg(not(feature = "index"))]
    assert_eq!(verdict("An index kept per change"), "undecided");
}

#[test]
fn results_are_kept_listed_compared_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    for (out, seed) in [("first", "1"), ("second", "2")] {
        let out = format!("twopath-results/{out}");
        let args = ["run", "disorder", "--quick", "--seed", seed, "--format", "json", "--out", &out];
        json(&twopath(dir.path(), &args), &args);
    }
    let args = ["results", "list", "--format", "json"];
    let list = json(&twopath(dir.path(), &args), &args);
    let runs: Vec<&str> = list.as_array().unwrap().iter().map(|s| s["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 2);
    assert!(runs.contains(&"first") && list[0]["scenario"] == "disorder" && list[0]["verdict"].is_string());
    let args = ["results", "diff", "first", "second", "--format", "json"];
    let diffs = json(&twopath(dir.path(), &args), &args);
    let one = diffs.as_array().unwrap().iter().find(|d| d["figure"] == "windows_wrong" && d["of"] == "0 minutes").unwrap();
    assert_eq!((&one["ratio"], &one["apart"]), (&1.0.into(), &false.into()), "the flights' lateness has no seed");
    let args = ["results", "show", "first", "--format", "json"];
    assert_eq!(json(&twopath(dir.path(), &args), &args)["scenario"], "disorder");
    // Side by side: each figure once, with a value of each run, and what differs marked.
    assert!(twopath(dir.path(), &["results", "page", "first", "second", "--out", "beside.html"]).status.success());
    let page = std::fs::read_to_string(dir.path().join("beside.html")).unwrap();
    let (_, after) = page.split_once(r#"<script type="application/json" id="runs">"#).unwrap();
    let groups: Value = serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap();
    assert_eq!((groups.as_array().unwrap().len(), groups[0]["runs"].as_array().unwrap().len()), (1, 2));
    let of = |name: &str, of: &str| {
        groups[0]["figures"].as_array().unwrap().iter().find(|f| f["figure"] == name && f["of"] == of).unwrap()["values"].clone()
    };
    assert_eq!(of("windows_wrong", "0 minutes")[1]["apart"], false);
    let retried = of("events_too_many", "retries, without");
    assert_eq!(retried[1]["apart"], retried[0]["value"] != retried[1]["value"], "which frames are retried has a seed");
    assert_eq!(twopath(dir.path(), &["results", "page", "--results", "nowhere"]).status.code(), Some(2));
    for file in ["figures.parquet", "figures.csv", "figures.json"] {
        assert!(twopath(dir.path(), &["results", "export", file]).status.success(), "{file}");
        assert!(dir.path().join(file).metadata().unwrap().len() > 500, "{file}");
    }
    assert_eq!(twopath(dir.path(), &["results", "export", "figures.xls"]).status.code(), Some(2));
    assert!(!twopath(dir.path(), &["results", "show", "third"]).status.success());
}
