//! Real files: data sets that Python packages ship load at once, or with the option that the first error suggests, and hold what Python's own readers find.
//!
//! It wants `TWOPATH_TEST_DATA`, the folder of the packages, and `TWOPATH_TEST_PYTHON` (`tests/run` sets both), and is skipped aloud without.
//! `tests/data_sets.txt` lists the files.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const LIST: &str = include_str!("data_sets.txt");

/// For each file how many rows it has, how many of them have a number in the column, and the numbers' sum, rounded once.
const SCRIPT: &str = r#"
import csv, gzip, json, math, sys
def rows(path):
    opened = gzip.open(path, "rt", newline="", encoding="utf-8-sig") if path.endswith(".gz") else open(path, newline="", encoding="utf-8-sig")
    with opened as file:
        return json.load(file) if path.endswith(".json") else list(csv.DictReader(file))
for path, column, nulls in json.load(sys.stdin):
    all = rows(path)
    numbers = [float(row[column]) for row in all if row[column] is not None and row[column] not in nulls]
    print(json.dumps([len(all), len(numbers), repr(math.fsum(numbers))]))
"#;

struct DataSet<'a> {
    path: &'a str,
    column: String,
    /// What the first error suggests.
    options: Vec<&'a str>,
}

fn data_sets() -> Vec<DataSet<'static>> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    let data_set = |line: &'static str| {
        let (file, options) = line.split_once('|').unwrap_or((line, ""));
        let (path, column) = file.trim().split_once(' ').expect("a file and a column");
        // A blank within a name is written as an underscore.
        DataSet { path, column: column.replace('_', " "), options: options.split_whitespace().collect() }
    };
    lines.map(data_set).collect()
}

fn twopath(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twopath")).current_dir(folder).args(args).output().expect("the program starts")
}

#[test]
fn real_files_load_as_the_first_error_says() {
    let (Ok(data), Ok(python)) = (std::env::var("TWOPATH_TEST_DATA"), std::env::var("TWOPATH_TEST_PYTHON")) else {
        eprintln!("SKIPPED: no folder of data sets (run tests/run, which fetches them)");
        return;
    };
    let (there, missing): (Vec<_>, Vec<_>) = data_sets().into_iter().partition(|set| Path::new(&data).join(set.path).exists());
    missing.iter().for_each(|set| eprintln!("SKIPPED: {} is not there", set.path));
    let packages: std::collections::BTreeSet<&str> = there.iter().filter_map(|set| set.path.split('/').next()).collect();
    if packages.len() < 3 {
        eprintln!("SKIPPED: only {} packages of data sets are there", packages.len());
        return;
    }

    let sandbox = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut asked = Vec::new();
    let mut found = Vec::new();
    for (i, set) in there.iter().enumerate() {
        let (topic, file) = (format!("set{i}"), Path::new(&data).join(set.path).display().to_string());
        let import = ["log", "import", &topic, "--from", &file];
        let first = twopath(sandbox.path(), &import);
        let said = String::from_utf8_lossy(&first.stderr).into_owned();
        match (first.status.success(), set.options.is_empty()) {
            (true, true) => {}
            (true, false) => wrong.push(format!("{}: loads at once, and not only with {:?}", set.path, set.options)),
            (false, true) => {
                wrong.push(format!("{}: {said}", set.path));
                continue;
            }
            (false, false) => {
                if !said.contains(&set.options.join(" ")) {
                    wrong.push(format!("{}: the error does not suggest {:?}: {said}", set.path, set.options));
                }
                let second = twopath(sandbox.path(), &[&import[..], &set.options[..]].concat());
                if !second.status.success() {
                    wrong.push(format!("{} with {:?}: {}", set.path, set.options, String::from_utf8_lossy(&second.stderr)));
                    continue;
                }
            }
        }
        let schema = columns(sandbox.path(), &topic);
        // The name as the file has it.
        let Some(column) = schema.iter().find(|c| c.replace('_', " ") == set.column) else {
            wrong.push(format!("{}: no column {} among {schema:?}", set.path, set.column));
            continue;
        };
        let sql = format!("SELECT COUNT(*) AS n, COUNT(\"{column}\") AS k, SUM(CAST(\"{column}\" AS DOUBLE PRECISION)) AS s FROM {topic}");
        let answer = twopath(sandbox.path(), &["query", "--sql", &sql, "--format", "csv"]);
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let Some(row) = text.lines().nth(1).filter(|_| answer.status.success()) else {
            wrong.push(format!("{}: {}", set.path, String::from_utf8_lossy(&answer.stderr)));
            continue;
        };
        let nulls: Vec<&str> = set.options.iter().skip_while(|o| **o != "--null").skip(1).copied().chain([""]).collect();
        asked.push(json!([file, column, nulls]));
        found.push((set.path, row.to_owned()));
    }

    let mut child = Command::new(python).args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    child.stdin.take().expect("piped").write_all(Value::from(asked).to_string().as_bytes()).expect("Python reads");
    let output = child.wait_with_output().expect("Python ends");
    let expected: Vec<Value> = String::from_utf8_lossy(&output.stdout).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(expected.len(), found.len(), "Python reads every file");
    for ((path, row), expected) in found.iter().zip(&expected) {
        let cells: Vec<&str> = row.split(',').collect();
        let sum = |text: &str| text.parse::<f64>().expect("a sum");
        let same = cells[0] == expected[0] && cells[1] == expected[1];
        if !same || sum(cells[2]) != sum(expected[2].as_str().expect("a text")) {
            wrong.push(format!("{path}: rows, numbers and their sum are {row}, and {expected} to Python"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} files:\n{}", wrong.len(), there.len(), wrong.join("\n"));
    assert!(found.len() >= 10, "only {} files were there", found.len());
}

/// The topic's columns: the first line of an answer.
fn columns(folder: &Path, topic: &str) -> Vec<String> {
    let answer = twopath(folder, &["query", "--sql", &format!("SELECT * FROM {topic} LIMIT 1"), "--format", "csv"]);
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    text.lines().next().unwrap_or_default().split(',').map(|name| name.trim_matches('"').to_owned()).collect()
}
