//! The event lines that fuzzing has kept (`fuzz/corpus/json`), through the body of its target, without a fuzzer.

use std::fs;
use std::path::Path;

use twopath_events::files;

#[path = "../fuzz/bodies/json.rs"]
mod json;

#[test]
fn event_lines() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/json");
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let accepted = json::json(&fs::read(&path).unwrap());
        let named = path.file_name().unwrap().to_string_lossy().starts_with("seed-");
        assert!(accepted || !named, "{} is not accepted", path.display());
    }
}
