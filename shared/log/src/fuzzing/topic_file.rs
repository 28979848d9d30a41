//! `topic.json`.

use std::path::Path;

use crate::config::{fingerprint, from_json, mend_crc, to_json};
use crate::format::segment::{Head, head};

/// Whether the input is a topic's file. What it says is written and read again, and makes a segment's head.
pub fn topic_file(data: &[u8]) -> bool {
    super::both(data, |bytes| mend_crc(bytes), check)
}

fn check(bytes: &[u8]) -> bool {
    let path = Path::new("topic.json");
    let Ok((config, id)) = from_json(path, bytes) else { return false };
    let written = to_json(&config, id);
    let (again, id_again) = from_json(path, &written).expect("a topic's file that was just written");
    assert_eq!((&again.schema, fingerprint(&again.schema), id_again), (&config.schema, fingerprint(&config.schema), id));
    assert_eq!(written, to_json(&again, id), "what is written is what was read");
    let head = head(&config.schema);
    assert_eq!(Head::read(&head).map(|h| h.len), Ok(head.len() as u64));
    true
}
