//! The house: which crate may lean on which, no circle of imports within a crate, files that a person can read, and an example in every
//! crate's documentation. Style that is tested need not be argued about.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 600;
/// What rustfmt promises of code (`rustfmt.toml`); it leaves long texts and comments alone, which people then break.
const WIDTH_MAX: usize = 140;

/// The crates of the workspace and which others each may depend on. Tests of a crate may use the reference and what `DEV` adds.
const EDGES: &[(&str, &str, &[&str])] = &[
    ("shared/base", "twopath-base", &[]),
    ("shared/storage", "twopath-storage", &["twopath-base"]),
    ("shared/log", "twopath-log", &["twopath-base", "twopath-storage"]),
    ("shared/query", "twopath-query", &["twopath-base"]),
    ("shared/reference", "twopath-reference", &["twopath-base", "twopath-query"]),
    ("shared/view", "twopath-view", &["twopath-base", "twopath-storage", "twopath-query"]),
    ("batch", "twopath-batch", &["twopath-base", "twopath-storage", "twopath-log", "twopath-query", "twopath-view"]),
    ("speed", "twopath-speed", &["twopath-base", "twopath-storage", "twopath-log", "twopath-query", "twopath-view"]),
    ("speed/jobs", "twopath-jobs", &["twopath-query", "twopath-view", "twopath-speed"]),
    ("serving", "twopath-serving", &["twopath-base", "twopath-storage", "twopath-query", "twopath-view"]),
    ("experiments/events", "twopath-events", &["twopath-base", "twopath-storage", "twopath-log", "twopath-query"]),
    ("experiments/results", "twopath-results", &["twopath-base"]),
    (
        "experiments/torture",
        "twopath-torture",
        &["twopath-base", "twopath-storage", "twopath-log", "twopath-query", "twopath-view", "twopath-reference", "twopath-speed"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates of ours that a manifest names under `[dependencies]`.
fn depends_on(manifest: &str) -> BTreeSet<String> {
    let inside = manifest.lines().skip_while(|l| l.trim() != "[dependencies]").skip(1).take_while(|l| !l.starts_with('['));
    let names = inside.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| name.starts_with("twopath-"));
    names.map(str::to_owned).collect()
}

#[test]
fn crates_lean_one_way() {
    for (folder, name, allowed) in EDGES {
        let path = root().join(folder).join("Cargo.toml");
        let manifest = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{folder} is not the crate {name}");
        let allowed: BTreeSet<String> = allowed.iter().map(|s| (*s).to_owned()).collect();
        let others: Vec<String> = depends_on(&manifest).difference(&allowed).cloned().collect();
        assert!(others.is_empty(), "{name} leans on {others:?}: the house has no such arrow (ARCHITECTURE.md says which there are)");
    }
}

#[test]
fn the_reference_shares_no_evaluation_with_the_engines() {
    let manifest = fs::read_to_string(root().join("shared/reference/Cargo.toml")).unwrap();
    let leans_on = depends_on(&manifest);
    assert!(!leans_on.contains("twopath-view"), "the reference would share the engines' kernels: {leans_on:?}");
    let speed = fs::read_to_string(root().join("speed/Cargo.toml")).unwrap();
    let batch = fs::read_to_string(root().join("batch/Cargo.toml")).unwrap();
    assert!(!speed.contains("\npolars"), "only the batch layer knows polars");
    assert!(!batch.contains("\ntimely") && !batch.contains("\ndifferential"), "only the speed layer knows timely and differential");
}

/// All Rust files below a folder, without what is built.
fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["shared", "batch", "speed", "serving", "experiments", "tests"] {
        rust_files(&root().join(folder), &mut files);
    }
    assert!(files.len() > 200, "the files were not found");
    files
}

#[test]
fn no_file_is_longer_than_one_reads() {
    let long = |path: &PathBuf| {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        (lines > LINES_MAX).then(|| format!("{} has {lines} lines", path.display()))
    };
    let long: Vec<String> = all_files().iter().filter_map(long).collect();
    assert!(long.is_empty(), "more than {LINES_MAX} lines: {long:#?}");
}

/// A house has rooms: no crate holds more than a third of the lines, tests included.
#[test]
fn no_crate_is_most_of_the_house() {
    // The longest folder that a file lies in is its crate's.
    let folders: Vec<PathBuf> = EDGES.iter().map(|(folder, ..)| *folder).chain(["experiments", "tests"]).map(|f| root().join(f)).collect();
    let mut lines: BTreeMap<&PathBuf, usize> = BTreeMap::new();
    for path in all_files() {
        let of = folders.iter().filter(|folder| path.starts_with(folder)).max_by_key(|folder| folder.components().count());
        let of = of.unwrap_or_else(|| panic!("{} is in no crate", path.display()));
        *lines.entry(of).or_default() += fs::read_to_string(&path).unwrap().lines().count();
    }
    assert_eq!(lines.len(), folders.len(), "every crate has files");
    let all: usize = lines.values().sum();
    let large: Vec<_> = lines.iter().filter(|(_, lines)| **lines * 3 > all).collect();
    assert!(large.is_empty(), "more than a third of {all} lines: {large:?}");
}

#[test]
fn code_is_as_wide_as_rustfmt_promises() {
    let mut wide = Vec::new();
    for path in all_files().into_iter().filter(|path| path.components().any(|c| c.as_os_str() == "src")) {
        let source = fs::read_to_string(&path).unwrap();
        for (i, (line, within_text)) in source.lines().zip(lines_within_texts(&source)).enumerate() {
            // rustfmt breaks neither texts nor comments.
            let is_code = !within_text && !line.contains('"') && !line.trim_start().starts_with("//");
            if line.chars().count() > WIDTH_MAX && is_code {
                wide.push(format!("{}:{}", path.display(), i + 1));
            }
        }
    }
    assert!(wide.is_empty(), "wider than {WIDTH_MAX}: {wide:#?}");
}

/// Of each line, whether it starts within a text that an earlier line began.
fn lines_within_texts(source: &str) -> Vec<bool> {
    // What ends the text: a quote, and for a raw text as many hashes as it began with.
    let mut end: Option<String> = None;
    let line_is_within = |line: &str| {
        let within = end.is_some();
        let line = line.replace(r"\\", "").replace(r#"\""#, "").replace(r#"'"'"#, "");
        let mut rest = line.as_str();
        while let Some(at) = rest.find(end.as_deref().unwrap_or("\"")) {
            if let Some(end) = end.take() {
                rest = &rest[at + end.len()..];
            } else if rest[..at].contains("//") {
                break;
            } else {
                let hashes = rest[..at].bytes().rev().take_while(|b| *b == b'#').count();
                end = Some(format!("\"{}", "#".repeat(hashes)));
                rest = &rest[at + 1..];
            }
        }
        within
    };
    source.lines().map(line_is_within).collect()
}

#[test]
fn texts_of_several_lines_are_seen() {
    let source = "let a = \"one\ntwo \\\" two\nthree\"; // don't \"\nlet b = r#\"\"\n\"#;\nlet c = '\"';\nlet d = \"\";";
    assert_eq!(lines_within_texts(source), [false, true, true, false, true, false, false]);
}

#[test]
fn every_crate_has_an_example_that_runs() {
    for (folder, name, _) in EDGES {
        let lib = fs::read_to_string(root().join(folder).join("src/lib.rs")).unwrap();
        let has_example = lib.lines().any(|l| matches!(l.trim(), "//! ```" | "//! ```no_run"));
        assert!(has_example, "the documentation of {name} has no example");
    }
}

/// The top-level module that a file belongs to: `a` for `src/a.rs`, `src/a/mod.rs` and `src/a/b.rs`.
fn module_of(src: &Path, file: &Path) -> Option<String> {
    let first = file.strip_prefix(src).ok()?.components().next()?.as_os_str().to_string_lossy().into_owned();
    let name = first.trim_end_matches(".rs").to_owned();
    (!matches!(name.as_str(), "lib" | "main" | "bin")).then_some(name)
}

/// The names after `crate::` in code, without those in comments and tests.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
    let mut names = BTreeSet::new();
    for line in lines {
        for (at, _) in line.match_indices("crate::") {
            if line[..at].ends_with("pub(") || line[..at].ends_with('$') {
                continue;
            }
            let rest = &line[at + "crate::".len()..];
            let each: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split([',', '}']).map(str::trim).collect(),
                None => vec![rest],
            };
            names.extend(
                each.iter()
                    .filter_map(|n| n.split(|c: char| !c.is_alphanumeric() && c != '_').next())
                    .filter(|n| !n.is_empty())
                    .map(str::to_owned),
            );
        }
    }
    names
}

#[test]
fn no_circle_of_imports_within_a_crate() {
    let mut circles = Vec::new();
    for folder in EDGES.iter().map(|(folder, ..)| *folder).chain(["experiments"]) {
        let src = root().join(folder).join("src");
        let mut files = Vec::new();
        rust_files(&src, &mut files);
        let modules: BTreeSet<String> = files.iter().filter_map(|f| module_of(&src, f)).collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in &files {
            let Some(from) = module_of(&src, file) else { continue };
            // What is at the top of its module reaches the other modules by `super`, too.
            let text = fs::read_to_string(file).unwrap();
            let depth = file.strip_prefix(&src).unwrap().components().count();
            let above = if depth == 1 { "super::" } else { "super::super::" };
            let rewritten = if depth <= 2 { text.replace(above, "crate::") } else { text };
            let to: Vec<String> = imports(&rewritten).into_iter().filter(|to| modules.contains(to) && *to != from).collect();
            edges.entry(from).or_default().extend(to);
        }
        circles.extend(circle(&edges).map(|path| format!("{folder}: {}", path.join(" → "))));
    }
    assert!(circles.is_empty(), "circles of imports: {circles:#?}");
}

/// A circle among modules, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(at: &str, edges: &BTreeMap<String, BTreeSet<String>>, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(start) = path.iter().position(|p| p == at) {
            path.drain(..start);
            path.push(at.to_owned());
            return true;
        }
        if done.contains(at) {
            return false;
        }
        path.push(at.to_owned());
        for next in edges.get(at).into_iter().flatten() {
            if visit(next, edges, path, done) {
                return true;
            }
        }
        path.pop();
        done.insert(at.to_owned());
        false
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| {
        let mut path = Vec::new();
        visit(start, edges, &mut path, &mut done).then_some(path)
    })
}

#[test]
fn a_circle_would_be_found() {
    let edges = |list: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in list {
            edges.entry((*from).into()).or_default().insert((*to).into());
        }
        edges
    };
    assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap(), ["b", "c", "b"]);
    let text = "use crate::{one, two::Three};\n// crate::four\nfn f() { crate::five::g() }\n#[cfg(test)]\nuse crate::six;";
    assert_eq!(imports(text).into_iter().collect::<Vec<_>>(), ["five", "one", "two"]);
}
