//! The book's course runs as it stands: each command of the page, and what it prints.
//!
//! With `TWOPATH_WRITE_BOOK=1` the test writes what is printed into the page.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::Sandbox;

/// Stands for any lines.
const ANYTHING: &str = "[...]";

fn book(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("book").join(file)
}

/// What a shell prints for a command.
fn printed(sandbox: &Sandbox, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_twopath"));
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(sandbox.path("."))
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_course_runs_as_it_stands() {
    let sandbox = Sandbox::new();
    for file in ["clicks.csv", "pages.csv", "v1.sql", "v2.sql"] {
        std::fs::copy(book("clicks").join(file), sandbox.path(file)).unwrap();
    }
    let page = std::fs::read_to_string(book("course.md")).unwrap();
    let mut run = String::new();
    let mut lines = page.lines().peekable();
    let mut in_console = false;
    while let Some(line) = lines.next() {
        run += line;
        run.push('\n');
        in_console = if line.starts_with("```") { line == "```console" } else { in_console };
        let Some(command) = line.strip_prefix("$ ").filter(|_| in_console) else { continue };
        let mut told = String::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```")) {
            told += line;
            told.push('\n');
        }
        // Scenarios have tests of their own.
        let is_scenario = told.trim() == ANYTHING;
        run += &if is_scenario { told } else { printed(&sandbox, command) };
    }
    if std::env::var_os("TWOPATH_WRITE_BOOK").is_some() {
        std::fs::write(book("course.md"), run).unwrap();
    } else {
        assert_eq!(run, page, "experiments/book/course.md is stale: run this test with TWOPATH_WRITE_BOOK=1");
    }
}
