//! What the targets share.

#[path = "../bodies/checkpoint.rs"]
pub mod checkpoint;
#[path = "../bodies/json.rs"]
pub mod json;
#[path = "../bodies/sql.rs"]
pub mod sql;

use twopath_events::files;

use twopath_log::fuzzing::Bench;

/// A folder for a target's files: in memory where the machine offers that. It stays for as long as the process lives, and is small.
pub fn bench() -> Bench {
    let name = format!("twopath-fuzz-{}", std::process::id());
    let dir = [std::path::Path::new("/dev/shm"), &std::env::temp_dir()].into_iter().find(|dir| dir.is_dir()).map(|dir| dir.join(&name));
    let dir = dir.unwrap_or_else(|| panic!("there is no place for temporary files"));
    std::fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    Bench::new(&dir)
}
