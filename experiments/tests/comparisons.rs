//! Whole comparisons by the program itself, small: the cross of factors, one's own events with a fix, a sweep, and a parent that is killed.

use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs `twopath compare` with these arguments; gives what it printed as JSON.
fn compare(dir: &Path, args: &[&str]) -> Value {
    let out = dir.join("results");
    let output = Command::new(env!("CARGO_BIN_EXE_twopath"))
        .args(["compare", "--format", "json", "--out"])
        .arg(&out)
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    assert!(!out.join("scratch").exists(), "scratch is removed");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {errors}"))
}

fn refused(dir: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_twopath")).arg("compare").args(args).current_dir(dir).output().unwrap();
    assert!(!output.status.success(), "{args:?}");
    assert!(!dir.join("twopath-results").exists(), "nothing was made");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn runs(result: &Value) -> &Vec<Value> {
    result["runs"].as_array().unwrap()
}

/// What must be true of every run that was made well.
fn sound(result: &Value) {
    sound_with(result, 20);
}

/// As [`sound`], of more answers than these.
fn sound_with(result: &Value, answers: u64) {
    assert_eq!(result["complete"], true);
    for run in runs(result) {
        assert_eq!(run["outcome"]["kind"], "ok", "{run}");
        assert_eq!(run["answers"]["wrong_engine"], 0, "{}", run["system"]);
        assert!(run["answers"]["checked"].as_u64().unwrap() > answers, "{}", run["system"]);
        assert_eq!(run["events_never_covered"], 0, "{}", run["system"]);
    }
}

const SMALL: [&str; 8] = ["--rate", "2000", "--duration", "1s", "--repeats", "1", "--batch-interval", "300ms"];

/// Batch runs that go on from the last one's view: every answer is right, as the oracle sees.
#[test]
fn incremental_batch_runs() {
    let dir = tempfile::tempdir().unwrap();
    let incremental = ["--architectures", "batch,lambda", "--incremental", "--history", "20k"];
    let refusal = refused(dir.path(), &[&SMALL[..], &incremental].concat());
    assert!(refusal.contains("only rayon goes on from its last batch view; give --batch-engine rayon --language sql"), "{refusal}");
    let result = compare(dir.path(), &[&SMALL[..], &incremental, &["--batch-engine", "rayon", "--language", "sql"]].concat());
    sound(&result);
    assert_eq!(result["settings"]["incremental"], true);
    assert!(runs(&result).iter().all(|run| run["answers"]["wrong"].as_u64() < run["answers"]["checked"].as_u64()));
}

/// A speed layer that leaves out what comes late: answers say that they are approximate, the oracle counts what they lack, and nothing else is wrong.
#[test]
fn lateness_of_the_speed_layer_alone() {
    let dir = tempfile::tempdir().unwrap();
    let lateness = ["--speed-lateness", "30m", "--history", "20k"];
    let refusal = refused(dir.path(), &[&SMALL[..], &lateness, &["--architectures", "kappa"]].concat());
    assert!(refusal.contains("--speed-lateness kappa: what is late is left out by the compiled query"), "{refusal}");
    let refusal = refused(dir.path(), &["--architectures", "lambda,kappa", "--state", "local"]);
    assert!(refusal.contains("--state kappa: final values by hand are kept in their own dataflow"), "{refusal}");
    let refusal = refused(dir.path(), &["--architectures", "kappa-sql", "--state", "redis://127.0.0.1:1"]);
    assert!(refusal.contains("--state redis://127.0.0.1:1: does not answer"), "{refusal}");
    let sql = "SELECT carrier, STRING_AGG(origin, ',') AS o FROM flights GROUP BY carrier";
    let refusal = refused(dir.path(), &["--architectures", "batch", "--sql", sql]);
    assert!(refusal.contains("cannot do the aggregate STRING_AGG") && refusal.contains("--batch-engine rayon"), "{refusal}");
    let sql = "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin";
    let asked = ["--architectures", "batch,lambda-sql,kappa-sql", "--language", "sql", "--sql", sql];
    let result = compare(dir.path(), &[&SMALL[..], &lateness, &asked].concat());
    sound(&result);
    for run in runs(&result) {
        let (answers, system) = (&run["answers"], run["system"].as_str().unwrap());
        let approximate = &answers["approximate"];
        if run["wiring"] == "batch" {
            assert!(approximate.is_null() && answers["wrong"] == 0, "{system}");
            continue;
        }
        let figure = |name: &str| approximate[name].as_f64().unwrap_or_else(|| panic!("{system}: {name} in {answers}"));
        assert!(figure("wrong") > 0.0 && figure("error_max") >= 1.0, "flights are late: {system}: {answers}");
        assert!(
            figure("wrong") <= figure("answers") && figure("row_wrong_for_ms") <= figure("row_wrong_longest_ms"),
            "{system}: {answers}"
        );
        // Nothing was fixed, so what is wrong is what says so.
        assert_eq!(answers["wrong"], approximate["wrong"], "{system}");
    }
    let asks = |id: &str| result["questions"].as_array().unwrap().iter().any(|q| q["id"] == id);
    assert!(asks("late_for") && asks("late_share"));
}

/// Joins and groups of groups, of which each bid, and each table that comes late, may change what was answered before: engine differential keeps their rows, and the oracle finds every answer right.
#[test]
fn rows_that_are_taken_back() {
    for (workload, query) in [("nexmark", "q3"), ("nexmark", "q4"), ("nexmark", "q9"), ("departures", "by_age")] {
        let dir = tempfile::tempdir().unwrap();
        let args = ["--workload", workload, "--query", query, "--architectures", "kappa-sql,lambda-sql", "--speed-engine", "differential"];
        let result = compare(dir.path(), &[&SMALL[..], &args, &["--language", "sql", "--history", "20k"]].concat());
        // Each is computed of whole groups in Lambda, and takes its time.
        sound_with(&result, 3);
        assert_eq!(runs(&result).len(), 2);
        for run in runs(&result) {
            assert_eq!(run["speed_engine"], "differential", "{}", run["system"]);
            // Of what has no fix, nothing is wrong by its version either.
            assert!(workload != "nexmark" || run["answers"]["wrong"] == 0, "{}", run["system"]);
        }
    }
    // Rows that are kept have a base at rest.
    let dir = tempfile::tempdir().unwrap();
    let args = ["--workload", "nexmark", "--query", "q4", "--architectures", "kappa-sql", "--speed-engine", "differential"];
    let kept = ["--language", "sql", "--history", "20k", "--state", "checkpoint", "--checkpoint-interval", "100ms"];
    let result = compare(dir.path(), &[&SMALL[..], &args, &kept].concat());
    sound_with(&result, 3);
    assert_eq!((&result["settings"]["state"], &runs(&result)[0]["answers"]["wrong"]), (&"checkpoint".into(), &0.into()));
}

/// A join by hand that Lambda's batch layer makes: its answers say that they are approximate, and the oracle counts for how long an aircraft that came late was amiss; Kappa's lack
/// nothing.
#[test]
fn a_join_that_waits_for_the_next_batch() {
    let dir = tempfile::tempdir().unwrap();
    let of = ["--workload", "departures", "--query", "by_maker", "--history", "20k", "--architectures", "batch,lambda,lambda-sql,kappa"];
    let result = compare(dir.path(), &[&SMALL[..], &of].concat());
    sound_with(&result, 3);
    for run in runs(&result) {
        let approximate = &run["answers"]["approximate"];
        let Some(figure) = approximate.as_object() else {
            assert_ne!(run["system"], "lambda");
            continue;
        };
        assert_eq!(run["system"], "lambda", "the others join all there is");
        assert!(figure["wrong"].as_u64() > Some(0) && figure["row_wrong_for_ms"].as_f64() > Some(0.0), "{approximate}");
        assert!(figure["wrong"].as_u64() <= figure["answers"].as_u64(), "{approximate}");
    }
    let asks = |id: &str| result["questions"].as_array().unwrap().iter().any(|q| q["id"] == id);
    assert!(asks("late_for") && asks("late_share"));
    assert_eq!(runs(&result).iter().filter(|run| run["answers"]["approximate"].is_object()).count(), 1);
}

/// An equi-join written by hand, by each layer's engines, where a table comes late.
#[test]
fn a_join_by_hand() {
    by_hand("by_age");
}

/// As of event time: the wind that was reported last before a departure, where reports come late.
#[test]
fn a_join_as_of_event_time_by_hand() {
    by_hand("by_last_wind");
}

/// Within an interval: flights of an aircraft, of which one may be the batch layer's and the other the speed layer's.
#[test]
fn an_interval_join_by_hand() {
    by_hand("carry_over");
}

/// Every answer is right, and the fix deploys both layers of Lambda.
fn by_hand(query: &str) {
    let dir = tempfile::tempdir().unwrap();
    let of = ["--workload", "departures", "--query", query, "--history", "20k"];
    let result = compare(dir.path(), &[&SMALL[..], &of, &["--architectures", "batch,lambda,lambda-timely,kappa,kappa-backfill"]].concat());
    sound_with(&result, 3);
    assert_eq!(runs(&result).len(), 5);
    let by = |system: &str| runs(&result).iter().find(|run| run["system"] == system).unwrap();
    for run in runs(&result) {
        assert_eq!(run["language"], "hand", "{}", run["system"]);
        assert!(run["time_to_correct_ms"].as_f64().unwrap() > 0.0 && run["answers"]["wrong"].as_u64() > Some(0), "{}", run["system"]);
    }
    assert_eq!((&by("lambda")["code"]["layers_touched"], &by("kappa")["code"]["layers_touched"]), (&2.into(), &1.into()));
    let differential = ["--architectures", "lambda,kappa", "--speed-engine", "differential"];
    let result = compare(dir.path(), &[&SMALL[..], &of, &differential].concat());
    sound_with(&result, 3);
    assert!(runs(&result).iter().all(|run| run["language"] == "hand" && run["speed_engine"] == "differential"));
}

#[test]
fn the_cross_has_every_factor() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = SMALL.to_vec();
    args.extend(["--matrix", "--speed-engine", "timely", "--history", "20k", "--retention-days", "7", "--batch-runs-per-day", "0.5"]);
    let result = compare(dir.path(), &args);
    sound(&result);
    let month = &result["settings"]["month"];
    assert_eq!((month["retention_days"].as_f64(), month["batch_runs_per_day"].as_f64()), (Some(7.0), Some(0.5)));
    // What is not there is named, with the reason.
    let left_out = result["settings"]["left_out"].as_array().unwrap();
    let reason = |name: &str| left_out.iter().find(|left| left["name"] == name).and_then(|left| left["reason"].as_str());
    assert_eq!(
        left_out.len() + runs(&result).len(),
        3 * 2 + 3 * 2 + 2 + 3 * 2,
        "every cell with timely in the speed layer, or without one"
    );
    assert!(reason("lambda+rayon+timely+hand").unwrap().contains("rayon runs compiled SQL only"), "{left_out:?}");
    assert!(reason("kappa-backfill+timely+timely+sql").unwrap().contains("is what kappa does"), "{left_out:?}");
    let cells: Vec<String> = runs(&result)
        .iter()
        .map(|run| {
            let of = |name: &str| run[name].as_str().unwrap_or("-").to_string();
            format!("{} {} {} {}", of("architecture"), of("batch_engine"), of("speed_engine"), of("language"))
        })
        .collect();
    for cell in
        ["lambda polars timely hand", "lambda polars timely sql", "lambda rayon timely sql", "kappa - timely hand", "kappa - timely sql"]
    {
        assert!(cells.iter().any(|c| c == cell), "{cell} is not among {cells:?}");
    }
    assert!(cells.iter().all(|c| !c.contains("rayon timely hand")), "what is impossible is left out: {cells:?}");
    assert!(result["effects"].is_array());
    assert_eq!(result["settings"]["events_history"], 20_000);
    assert!(runs(&result).iter().all(|run| run["time_to_correct_ms"].is_number()), "every system corrects the flights");
}

#[test]
fn ones_own_events_with_a_fix() {
    let dir = tempfile::tempdir().unwrap();
    let mut csv = String::from("at;page;ms\n");
    for i in 0..9_000 {
        csv += &format!("2024-05-{:02} {:02}:{:02}:00;p{};{}\n", 1 + i / 1_440, i / 60 % 24, i % 60, i % 37, i % 1_000);
    }
    std::fs::write(dir.path().join("views.csv"), csv).unwrap();
    std::fs::write(dir.path().join("v1.sql"), "SELECT page, SUM(ms) AS ms, COUNT(*) AS n FROM views GROUP BY page").unwrap();
    let fix = "SELECT page, SUM(CASE WHEN ms < 900 THEN ms END) AS ms, COUNT(*) AS n FROM views GROUP BY page";
    let mut args = SMALL.to_vec();
    args.extend(["--events", "views.csv", "--time-column", "at", "--delimiter", ";", "--sql", "v1.sql", "--fix", fix]);
    args.extend(["--architectures", "lambda,kappa,kappa-sql", "--history", "all"]);
    let result = compare(dir.path(), &args);
    sound(&result);
    assert_eq!(result["settings"]["events_history"], 7_000, "all but the last 2,000");
    assert_eq!(result["settings"]["events_ignored"], 0);
    // kappa and kappa-sql are the same where nobody has written the query by hand.
    assert_eq!(runs(&result).len(), 2);
    for run in runs(&result) {
        assert_eq!((&run["events"], &run["language"]), (&9_000.into(), &"sql".into()));
        assert!(run["time_to_correct_ms"].as_f64().unwrap() > 0.0 && run["answers"]["wrong"].as_u64().unwrap() > 0);
        assert!(run["answers"]["error_max"].as_f64().unwrap() > 0.0);
    }

    // Fewer are a choice that is told, and more are refused before anything runs.
    let mut fewer = args.clone();
    *fewer.last_mut().unwrap() = "1k";
    assert_eq!(compare(dir.path(), &fewer)["settings"]["events_ignored"], 6_000);
    let more = ["--events", "views.csv", "--delimiter", ";", "--sql", "v1.sql", "--history", "8k", "--rate", "2000", "--duration", "1s"];
    let errors = refused(dir.path(), &more);
    assert!(errors.contains("there are 9000 events, and 2000 of them arrive") && errors.contains("give 7000 or fewer"), "{errors}");
}

/// Clicks of pages of which half are known only later: events of two files, joined by every engine.
#[test]
fn ones_own_tables() {
    let dir = tempfile::tempdir().unwrap();
    let (mut clicks, mut pages) = ("at,page,ms\n".to_owned(), "since,page,section\n".to_owned());
    let at = |second: i32| format!("2024-05-01T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60);
    for i in 0..9_000 {
        clicks += &format!("{},p{},{}\n", at(i), i % 37, i % 1_000);
    }
    // The last of them while the system is watched.
    for page in 0..37 {
        pages += &format!("{},p{page},s{}\n", at(if page % 2 == 0 { 0 } else { 240 * page }), page % 5);
    }
    std::fs::write(dir.path().join("clicks.csv"), clicks).unwrap();
    std::fs::write(dir.path().join("pages.csv"), pages).unwrap();
    let sql = "SELECT p.section, SUM(c.ms) AS ms, COUNT(*) AS n FROM clicks c LEFT JOIN sites p ON p.page = c.page GROUP BY p.section";
    let fix = sql.replace("SUM(c.ms)", "SUM(CASE WHEN c.ms < 900 THEN c.ms END)");
    let tables = ["--events", "clicks.csv", "--events", "sites=pages.csv", "--time-column", "clicks=at", "--time-column", "sites=since"];
    let asked = ["--sql", sql, "--fix", &fix, "--history", "all"];
    let all = "batch,lambda-sql,kappa-sql";
    let result = compare(dir.path(), &[&SMALL[..], &tables, &asked, &["--architectures", all, "--batch-engine", "rayon"]].concat());
    // No key is read of what computes more than groups.
    sound_with(&result, 3);
    assert_eq!((&result["settings"]["workload"], &result["settings"]["events_history"]), (&"clicks+sites".into(), &7_037.into()));
    assert!(result["settings"]["sql_v2"].as_str().unwrap().ends_with(&fix), "{}", result["settings"]["sql_v2"]);
    for run in runs(&result) {
        assert_eq!(run["events"], 9_037);
        assert!(run["time_to_correct_ms"].as_f64().unwrap() > 0.0 && run["answers"]["wrong"].as_u64().unwrap() > 0, "{run}");
    }
    // Kept row by row, a page that comes late corrects the rows of its clicks.
    let kept = ["--architectures", "lambda-sql,kappa-sql", "--speed-engine", "differential"];
    sound_with(&compare(dir.path(), &[&SMALL[..], &tables, &asked, &kept].concat()), 3);

    let refusal = refused(dir.path(), &[&SMALL[..], &tables, &["--sql", "SELECT COUNT(*) AS n FROM clicks"]].concat());
    assert!(refusal.contains("no query reads 'sites': leave --events pages.csv out"), "{refusal}");
    let refusal = refused(dir.path(), &[&SMALL[..], &tables, &["--sql", "SELECT c.nope FROM clicks c, sites"]].concat());
    assert!(refusal.contains("--sql: ") && refusal.contains("no column 'nope'"), "{refusal}");
    let refusal = refused(dir.path(), &["--events", "clicks.csv", "--events", "clicks.csv", "--sql", "SELECT COUNT(*) AS n FROM clicks"]);
    assert!(refusal.contains("two tables are called 'clicks'"), "{refusal}");
}

#[test]
fn bad_input_is_found_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.csv"), "at,n\n2024-05-01,1\n2024-05-01,x\n2024-05-01,3\n2024-05-01,4\n").unwrap();
    let sql = "SELECT COUNT(*) AS n FROM bad";
    let cases: [(&[&str], &str); 7] = [
        (&["--events", "bad.csv", "--time-column", "at", "--sql", sql], "do not fit"),
        (&["--events", "gone.csv", "--sql", sql], "gone.csv"),
        (&["--sql", "SELECT no_such_column FROM flights"], "no_such_column"),
        (&["--sql", "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin", "--fix", "SELECT COUNT(*) AS n FROM flights"], "keys"),
        (&["--architectures", "lambda", "--batch-engine", "rayon"], "rayon runs compiled SQL only"),
        (&["--workload", "pageviews", "--history", "all"], "goes with events that end"),
        (&["--sweep", "keys=10,100"], "goes with --workload pageviews"),
    ];
    for (args, says) in cases {
        let errors = refused(dir.path(), args);
        assert!(errors.contains(says), "{args:?}: {errors}");
        assert!(errors.lines().count() < 12, "{args:?}: {errors}");
    }
}

#[test]
fn a_sweep_gives_the_figures_at_each_point() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = SMALL.to_vec();
    args.extend(["--architectures", "lambda-sql,kappa-sql", "--sweep", "history=20k,5k"]);
    let result = compare(dir.path(), &args);
    sound(&result);
    let sweep = &result["sweep"];
    assert_eq!(sweep["parameter"], "history");
    let points = sweep["points"].as_array().unwrap();
    assert_eq!(points.iter().map(|p| p["value"].as_f64().unwrap()).collect::<Vec<_>>(), [5_000.0, 20_000.0]);
    assert!(points.iter().all(|p| p["figures"]["freshness_p99"]["kappa-sql"]["median"].is_number()), "{sweep}");
    assert_eq!(result["settings"]["events_history"], 20_000, "the settings are those of the last point");
    assert!(dir.path().join("results/history-5000.json").is_file());
}

/// Processes whose command line mentions a folder.
fn processes_of(dir: &Path) -> usize {
    let mentions = |entry: &std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let status = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&*dir.to_string_lossy()) && !status.contains(") Z ")
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(mentions).count()
}

#[test]
fn a_killed_parent_leaves_nobody_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_twopath"))
        .args(["compare", "--history", "20k", "--duration", "30s", "--architectures", "kappa-sql", "--out"])
        .arg(dir.path().join("results"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let wait = |wanted: &dyn Fn(usize) -> bool| {
        let started = Instant::now();
        while !wanted(processes_of(dir.path())) {
            assert!(started.elapsed() < Duration::from_secs(60), "{} processes", processes_of(dir.path()));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // The parent, the driver and the system.
    wait(&|n| n == 3);
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait(&|n| n == 0);
}

/// The peak of the system under test does not hold what was recorded of it.
#[test]
fn recorded_answers_are_in_nobodys_memory() {
    let dir = tempfile::tempdir().unwrap();
    let peak = |full_reads: u64| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_twopath"))
            .args(["compare", "--workload", "pageviews", "--history", "300k", "--rate", "2000", "--duration", "4s", "--repeats", "1"])
            .args(["--architectures", "kappa-sql", "--format", "json", "--reads", "0", "--full-reads", &full_reads.to_string(), "--out"])
            .arg(dir.path().join(format!("{full_reads}")))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let result: Value = serde_json::from_reader(BufReader::new(child.stdout.take().unwrap())).unwrap();
        assert!(child.wait().unwrap().success());
        let run = &result["runs"][0];
        (run["cost"]["rss_bytes_max"].as_u64().unwrap(), run["answers"]["checked"].as_u64().unwrap())
    };
    let ((few, fewer), (many, more)) = (peak(1), peak(10));
    assert!(more > fewer + 15, "{more} answers against {fewer}");
    // Some thirty answers more, of 10 MB and more each, would be 300 MB.
    assert!(many < few + 150_000_000, "{many} bytes with many answers, {few} with few");
}
