//! The standing job `j` of a sandbox: how far it is, and a process that runs it and is killed.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Its versions, as `job status` tells them.
pub fn versions(sandbox: &Sandbox) -> Vec<Value> {
    let jobs: Value = serde_json::from_str(&sandbox.ok(&["job", "status", "j", "--format", "json"])).unwrap();
    jobs[0]["versions"].as_array().unwrap().clone()
}

/// Waits until what `job status` tells is enough.
pub fn until(sandbox: &Sandbox, is_enough: impl Fn(&[Value]) -> bool) {
    while !is_enough(&versions(sandbox)) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether every version has read all of the log.
pub fn all_is_read(versions: &[Value]) -> bool {
    versions.iter().all(|version| version["lag_records"] == 0)
}

/// Starts a process that runs the job; gives it, and the lines that it says.
pub fn start(sandbox: &Sandbox, more: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = sandbox.start(&[&["job", "run", "j", "--checkpoint-interval", "20ms"], more].concat());
    let said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    (child, said)
}

pub fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Runs the job until what `job status` tells is enough, and kills it.
pub fn follow_and_kill(sandbox: &Sandbox, more: &[&str], is_enough: impl Fn(&[Value]) -> bool) {
    let (child, mut said) = start(sandbox, more);
    assert!(said.any(|line| line.contains("follows the log")));
    until(sandbox, is_enough);
    kill(child);
}

/// A Redis server for the tests; where there is none, it says so.
pub fn redis() -> Option<String> {
    let server = std::env::var("TWOPATH_TEST_REDIS").ok();
    if server.is_none() {
        println!("SKIPPED: there is no Redis: run this by `tests/redis/server run COMMAND`");
    }
    server
}
