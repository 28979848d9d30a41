//! query: every engine, on the flights sample.

use crate::sandbox::Sandbox;

fn flights() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("flights.parquet", twopath_events::workloads::flights_parquet());
    sandbox.ok(&[
        "log",
        "import",
        "flights",
        "--from",
        "flights.parquet",
        "--time-column",
        "sched_dep",
        "--key",
        "tailnum",
        "--partitions",
        "2",
    ]);
    sandbox
}

#[test]
fn engines_agree_on_the_flights() {
    let sandbox = flights();
    let verified = sandbox.run(&["log", "verify", "flights"]);
    assert!(verified.code == 0 && verified.stderr.contains("336776 records"), "{}", verified.stderr);
    for query in &twopath_events::workloads::flights().queries {
        for version in [1, 2] {
            if version == 2 && query.sql(1) == query.sql(2) {
                continue;
            }
            sandbox.write("query.sql", query.sql(version));
            for at in [None, Some("100000,5000")] {
                let ask = |engine: &str| {
                    let mut args = vec!["query", "--sql", "query.sql", "--format", "csv", "--engine", engine];
                    if let Some(at) = at {
                        args.extend(["--at", at]);
                    }
                    sandbox.ok(&args)
                };
                let what = format!("{} v{version} at {at:?}", query.name);
                let batch = ask("batch");
                assert!(batch.lines().count() > 100, "{what}");
                assert_same(&what, &ask("reference"), &batch);
                for engine in ["speed", "merged", "kappa"] {
                    let given = ask(engine);
                    let difference = batch.lines().zip(given.lines()).find(|(a, b)| a != b);
                    assert!(given == batch, "{what}: {engine} differs: {difference:?}");
                }
            }
        }
    }
}

/// The reference computes quantiles and approximate counts exactly, the engines within the error that their sketches state (1 % of
/// the value; standard error 1.6 %). All else is the same to the letter.
fn assert_same(what: &str, reference: &str, engine: &str) {
    let header: Vec<&str> = reference.lines().next().unwrap().split(',').collect();
    assert_eq!(reference.lines().count(), engine.lines().count(), "{what}");
    for (exact, given) in reference.lines().zip(engine.lines()) {
        for ((column, exact), given) in header.iter().zip(exact.split(',')).zip(given.split(',')) {
            let tolerance = match *column {
                "delay_p50" | "delay_p90" | "delay_p99" => 0.0101,
                "aircraft_approx" => 0.08,
                _ => 0.0,
            };
            let near = || {
                let (a, b): (f64, f64) = (exact.parse().unwrap(), given.parse().unwrap());
                (a - b).abs() <= tolerance * a.abs().max(b.abs())
            };
            assert!(
                exact == given || (tolerance > 0.0 && exact != *column && near()),
                "{what}: {column} is {given}, by the reference {exact}"
            );
        }
    }
}

#[test]
fn order_limit_and_formats() {
    let sandbox = flights();
    let sql = "SELECT carrier, COUNT(*) AS n, AVG(dep_delay) AS delay, SUM(distance) AS miles, MAX(known) AS last, MAX(known - sched_dep) AS late \
               FROM flights WHERE origin = 'JFK' GROUP BY carrier HAVING COUNT(*) > 10000 ORDER BY n DESC LIMIT 2";
    let ask = |format: &str, engine: &str| sandbox.run(&["query", "--sql", sql, "--format", format, "--engine", engine]);
    let csv = ask("csv", "merged");
    insta::assert_snapshot!("answer_csv", csv.stdout);
    assert_eq!(csv.stderr, "", "what is for programs comes alone");
    insta::assert_snapshot!("answer_coverage", ask("table", "merged").stderr);
    insta::assert_snapshot!("answer_table", ask("table", "speed").stdout);
    let json = ask("json", "batch");
    insta::assert_snapshot!("answer_json", json.stdout);
    assert_eq!(json.stderr, "");
    let parsed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(parsed["rows"][0]["carrier"], "B6");
}

#[test]
fn an_empty_topic_has_an_answer() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "t", "--schema", "time:timestamp,n:int", "--time-column", "time", "--partitions", "3"]);
    for engine in ["reference", "batch", "speed", "merged", "kappa"] {
        let ask = |sql| sandbox.ok(&["query", "--sql", sql, "--format", "csv", "--engine", engine]);
        assert_eq!(ask("SELECT COUNT(*) AS n, SUM(n) AS s FROM t"), "n,s\n0,\n", "{engine}");
        assert_eq!(ask("SELECT n, COUNT(*) AS c FROM t GROUP BY n"), "n,c\n", "{engine}");
    }
}

/// The same question again reads only what is new, gives what a whole run gives, and names in its coverage what was kept.
#[test]
fn an_incremental_question_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "t", "--schema", "time:timestamp,n:int", "--time-column", "time"]);
    let append = |from: i64, to: i64| {
        let lines: String = (from..to).map(|n| format!("{{\"time\":\"2024-01-01T00:00:00Z\",\"n\":{n}}}\n")).collect();
        let done = sandbox.run_with(&["log", "append", "t"], &lines);
        assert_eq!(done.code, 0, "{}", done.stderr);
    };
    let sql = "SELECT n % 3 AS k, COUNT(*) AS c, AVG(n) AS a FROM t GROUP BY n % 3 ORDER BY k";
    let ask = |more: &[&str]| {
        let text = sandbox.ok(&[&["query", "--sql", sql, "--format", "json"], more].concat());
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let mut coverages = Vec::new();
    for (from, to) in [(0, 1000), (1000, 1007), (1007, 1007), (1007, 2000)] {
        append(from, to);
        let (kept, whole) = (ask(&["--incremental"]), ask(&["--engine", "reference"]));
        assert_eq!(kept["rows"], whole["rows"]);
        assert_eq!(kept["position"], whole["position"]);
        let parts = kept["coverage"].as_array().unwrap().iter();
        coverages.push(parts.map(|p| format!("{} {}-{}", p["source"], p["from"], p["to"]).replace('"', "")).collect::<Vec<_>>().join(", "));
    }
    assert_eq!(
        coverages,
        ["batch 0-1000", "kept batch 0-1000, batch 1000-1007", "kept batch 0-1007", "kept batch 0-1007, batch 1007-2000"]
    );
    // An earlier position, another question, and a topic that later has the name are not what was kept.
    assert_eq!(ask(&["--incremental", "--at", "500"])["coverage"][0]["source"], "batch");
    let other = sandbox.ok(&["query", "--sql", "SELECT COUNT(*) AS n FROM t", "--incremental", "--format", "csv"]);
    assert_eq!(other, "n\n2000\n");
    sandbox.ok(&["log", "delete", "t"]);
    assert!(!sandbox.path("twopath-log/.serving/batch/t").exists());

    let refused = |args: &[&str]| {
        let done = sandbox.run(&[&["query", "--sql", sql, "--incremental"], args].concat());
        assert_eq!(done.code, 2, "{}", done.stderr);
        done.stderr
    };
    assert!(refused(&["--engine", "batch-polars"]).contains("use --engine batch-rayon"));
    assert!(refused(&["--engine", "kappa"]).contains("use it with --engine batch"));
}

/// Whoever copied the folder while its disk was full, or lost its end since, hears of it from whatever reads it.
#[test]
fn a_copy_that_is_cut_short_does_not_pass_for_a_whole_one() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "t", "--schema", "n:int"]);
    let append = |n: u32| assert_eq!(sandbox.run_with(&["log", "append", "t", "--quiet"], &format!("{{\"n\":{n}}}\n")).code, 0);
    let segment = |dir: &str| {
        let mut dirs = vec![sandbox.path(dir).join("t")];
        let mut segments = Vec::new();
        while let Some(dir) = dirs.pop() {
            for path in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
                if path.is_dir() {
                    dirs.push(path)
                } else if path.extension().is_some_and(|e| e == "arrow") {
                    segments.push(path)
                }
            }
        }
        assert_eq!(segments.len(), 1, "{segments:?}");
        segments.remove(0)
    };
    (0..2).for_each(append);
    // What is preallocated behind the frames is none of theirs.
    let before_the_third = std::fs::read(segment("twopath-data")).unwrap().iter().rposition(|b| *b != 0).unwrap() + 1;
    append(2);
    let sql = "SELECT COUNT(*) AS n FROM t";
    let ask = |dir: &str| sandbox.run(&["query", "--dir", dir, "--sql", sql, "--format", "csv"]);
    let copied = std::process::Command::new("cp").arg("-a").arg(sandbox.path("twopath-data")).arg(sandbox.path("copy")).status().unwrap();
    assert!(copied.success());
    let whole = ask("copy");
    assert!(whole.stdout == "n\n3\n" && whole.stderr.is_empty(), "{}", whole.stderr);

    // At the end of a frame, which are of whole cache lines.
    let file = std::fs::OpenOptions::new().write(true).open(segment("copy")).unwrap();
    file.set_len(before_the_third.next_multiple_of(64) as u64).unwrap();
    let short = ask("copy");
    assert_eq!((short.code, short.stdout.as_str()), (0, "n\n2\n"));
    let says = "partition 0 of topic 't' ended at offset 3, and now ends at 2: this copy of the folder is not whole";
    assert!(short.stderr.contains(says), "{}", short.stderr);
    let verified = sandbox.run(&["log", "verify", "t", "--dir", "copy"]);
    assert!(verified.code == 1 && format!("{}{}", verified.stdout, verified.stderr).contains(says), "{}", verified.stdout);
    // A writer says it, too, and goes on from there; from then on the folder speaks for itself.
    let appended = sandbox.run_with(&["log", "append", "t", "--dir", "copy", "--quiet"], "{\"n\":9}\n");
    assert!(appended.code == 0 && appended.stderr.contains(says), "{}", appended.stderr);
    let after = ask("copy");
    assert!(after.stdout == "n\n3\n" && after.stderr.is_empty(), "{}", after.stderr);
}
