//! Puts into the binary what its results must name: the commit that it was built from and its libraries' versions.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new("..");
    for watched in ["Cargo.lock", "Cargo.toml", "shared", "batch", "speed", "serving", "experiments"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    // Moves with every commit and checkout, also in a linked work tree.
    if let Some(head_log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head_log}");
    }
    let commit = match git(&["rev-parse", "HEAD"]) {
        None => "unknown".to_string(),
        Some(head) => match git(&["status", "--porcelain", "--untracked-files=no"]) {
            Some(changes) if changes.is_empty() => head,
            _ => head + "+dirty",
        },
    };
    println!("cargo::rustc-env=TWOPATH_COMMIT={commit}");

    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let versions: Vec<String> = ["polars", "rayon", "timely", "differential-dataflow", "arrow-array"]
        .iter()
        .map(|name| format!("{name}={}", locked_version(&lock, name).unwrap_or("unknown")))
        .collect();
    println!("cargo::rustc-env=TWOPATH_VERSIONS={}", versions.join(","));
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    println!("cargo::rustc-env=TWOPATH_RUSTC={}", output(Command::new(rustc).arg("--version")).unwrap_or_else(|| "unknown".into()));
}

fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}

fn git(arguments: &[&str]) -> Option<String> {
    output(Command::new("git").args(arguments))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string())
}
