//! Files that stand where they do not belong: swapped, doubled, missing, of another topic, partition or time.

use std::fs;
use std::path::{Path, PathBuf};

use twopath_base::{Offset, PartitionId};
use twopath_log::{Log, LogError, Start, Topic};

use super::Item;
use super::filled::{P0, make, plain, tidied};
use super::model::Found;
use super::tally::Tally;
use super::world::TOPIC;

/// A file that is put somewhere, or taken away.
type Change<'a> = (&'a Path, Option<&'a [u8]>);

/// What must be said: one of these texts, about one of these files.
struct Said<'a> {
    files: Vec<&'a Path>,
    what: &'a [&'a str],
}

impl Said<'_> {
    fn fits(&self, path: &Path, what: &str) -> bool {
        self.files.contains(&path) && self.what.iter().any(|w| what.contains(w))
    }
}

const FOREIGN: &[&str] = &["belongs to another topic"];
const MISSING: &[&str] = &["is missing", "must follow, and this one is named for"];
/// A segment of the partition in the place of another: its frames are for other offsets, or after other barriers; or what ends it does not fit.
const OUT_OF_PLACE: &[&str] = &[
    "must follow, and the one for",
    "and it counts",
    "and the next one starts",
    "is not sealed, though",
    "must follow, and this one is named for",
    "though the log goes to",
    "ends here, though",
];

pub(super) fn misplaced(item: &Item<'_>, tally: &Tally) {
    let [here, there, pair, tidy] = ["here", "there", "pair", "tidy"].map(|name| item.scratch.join(name));
    let made = "no fault was asked for";
    let own = make(&here, 1, plain).expect(made);
    let foreign = make(&there, 1, plain).expect(made);
    let p0 = own[0].parent().expect("a file is in a folder").to_owned();
    let bytes = |files: &[PathBuf]| -> Vec<Vec<u8>> { files.iter().map(|f| fs::read(f).expect(made)).collect() };
    let (mine, others) = (bytes(&own), bytes(&foreign));
    let check = |place: String, dir: &Path, changes: &[Change<'_>], said: Said<'_>| {
        tally.check(item.number, || place, || told(dir, P0, changes, &said));
    };
    for i in 0..own.len() {
        let at = own[i].as_path();
        check(format!("segment {i} of another topic"), &here, &[(at, Some(&others[i]))], Said { files: vec![at], what: FOREIGN });
        let next = own.get(i + 1).map_or(at, PathBuf::as_path);
        check(format!("segment {i} missing"), &here, &[(at, None)], Said { files: vec![at, next, &p0], what: MISSING });
        for j in (0..own.len()).filter(|j| *j != i) {
            let said = || Said { files: vec![at, &own[j]], what: OUT_OF_PLACE };
            check(format!("segment {j} in the place of {i}, too"), &here, &[(at, Some(&mine[j]))], said());
            check(format!("segments {i} and {j} swapped"), &here, &[(at, Some(&mine[j])), (&own[j], Some(&mine[i]))], said());
        }
        // Under the name of a place inside another segment, or after the last.
        for offset in [5, 15, 25, 30, 99] {
            let extra = p0.join(format!("{offset:020}.arrow"));
            let place = || format!("segment {i} doubled as one for offset {offset}");
            tally.check(item.number, place, || doubled(&here, &extra, &mine[i], &own));
        }
    }
    let own = make(&pair, 2, plain).expect(made);
    let other_partition: Vec<PathBuf> = own.iter().map(|f| pair.join(TOPIC).join("p1").join(f.file_name().expect("a file"))).collect();
    let (mine, others) = (bytes(&own), bytes(&other_partition));
    for i in 0..own.len() {
        let (at, other) = (own[i].as_path(), other_partition[i].as_path());
        let changes: [Change<'_>; 2] = [(at, Some(&others[i])), (other, Some(&mine[i]))];
        check(
            format!("segments {i} of two partitions swapped"),
            &pair,
            &changes,
            Said { files: vec![at], what: &["belongs to partition 1"] },
        );
        let told_of_other = || told(&pair, PartitionId(1), &changes, &Said { files: vec![other], what: &["belongs to partition 0"] });
        tally.check(item.number, || format!("segments {i} of two partitions swapped, and the other is read"), told_of_other);
    }
    manifests(item, tally, &tidy, &there);
}

/// A manifest that is missing, of another topic, or older than the files.
fn manifests(item: &Item<'_>, tally: &Tally, dir: &Path, other: &Path) {
    let made = "no fault was asked for";
    let mut older = Vec::new();
    let files = make(dir, 1, |topic, writer| {
        let result = tidied(topic, writer);
        let manifest = topic.local()?.dir().join("p0").join("manifest");
        older = fs::read(manifest).expect(made);
        result?;
        // Another rewriting, whose files the older manifest does not know.
        writer.barrier()?;
        let again = twopath_log::Compaction { dirty_ratio_min: 0.0, ..Default::default() };
        topic.local()?.compact(&again).map(drop)
    })
    .expect(made);
    let p0 = files[0].parent().expect("a file is in a folder");
    let manifest = p0.join("manifest");
    let check = |place: &str, change: Change<'_>, said: Said<'_>| {
        tally.check(item.number, || place.to_owned(), || told(dir, P0, &[change], &said));
    };
    check("the manifest missing", (&manifest, None), Said { files: vec![p0], what: &["first segment is missing"] });
    let foreign = {
        fs::remove_dir_all(other).expect(made);
        make(other, 1, tidied).expect(made);
        fs::read(other.join(TOPIC).join("p0").join("manifest")).expect(made)
    };
    check(
        "the manifest of another topic",
        (&manifest, Some(&foreign)),
        Said { files: vec![&manifest], what: &["belongs to another topic"] },
    );
    let gone: Vec<PathBuf> = fs::read(&manifest).map(|now| if now == older { Vec::new() } else { named_by(&older, p0) }).expect(made);
    let files = gone.iter().map(PathBuf::as_path).collect();
    check("an older manifest, whose files are gone", (&manifest, Some(&older)), Said { files, what: &["is missing"] });
}

/// The rewritten files that a manifest names.
fn named_by(manifest: &[u8], p0: &Path) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(manifest);
    let json: serde_json::Value = text.split_once('\n').and_then(|(_, json)| serde_json::from_str(json).ok()).unwrap_or_default();
    let rewritten = json["rewritten"].as_array().cloned().unwrap_or_default();
    rewritten.iter().map(|r| p0.join(format!("{:020}.{}.arrow", r["base"].as_u64().unwrap_or(0), r["number"]))).collect()
}

/// A segment too many is not needed to read from the start. From wherever one reads: it is right, or it is said.
fn doubled(dir: &Path, extra: &Path, bytes: &[u8], own: &[PathBuf]) -> Result<(), String> {
    let open = || Log::open(dir).and_then(|log| log.topic(TOPIC)).map_err(|e| e.to_string());
    let whole = Found::read(&open()?, P0).map_err(|e| e.to_string())?;
    // Who reads cannot know which of two neighbours is one too many.
    let either = Said { files: own.iter().map(PathBuf::as_path).chain([extra]).collect(), what: OUT_OF_PLACE };
    changed(&[(extra, Some(bytes))], || {
        let topic = open()?;
        for from in 0..=whole.end {
            match Found::read_from(&topic, P0, Start::Offset(Offset(from))) {
                Ok(found) if whole.rows.ends_with(&found.rows) && found.rows.len() as u64 == whole.end - from => {}
                Err(LogError::Corrupt { path, what, .. }) if either.fits(&path, &what) => {}
                other => return Err(format!("reading from {from}: {:?}", other.map(|found| found.rows))),
            }
        }
        verified(&topic, &Said { files: vec![extra], what: OUT_OF_PLACE })
    })
}

/// Makes the changes, looks what reading and verifying say, and takes the changes back.
fn told(dir: &Path, partition: PartitionId, changes: &[Change<'_>], said: &Said<'_>) -> Result<(), String> {
    changed(changes, || {
        let topic = Log::open(dir).and_then(|log| log.topic(TOPIC)).map_err(|e| e.to_string())?;
        match Found::read(&topic, partition) {
            Ok(found) => return Err(format!("reading gives {} records", found.rows.len())),
            Err(LogError::Corrupt { path, what, .. }) if said.fits(&path, &what) => {}
            Err(e) => return Err(format!("reading says: {e}")),
        }
        verified(&topic, said)
    })
}

fn changed(changes: &[Change<'_>], check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let before: Vec<Option<Vec<u8>>> = changes.iter().map(|(path, _)| fs::read(path).ok()).collect();
    let put = |path: &Path, bytes: Option<&[u8]>| match bytes {
        Some(bytes) => fs::write(path, bytes),
        None => fs::remove_file(path),
    };
    let io = |e: std::io::Error| e.to_string();
    changes.iter().try_for_each(|(path, bytes)| put(path, *bytes)).map_err(io)?;
    let checked = check();
    changes.iter().zip(&before).try_for_each(|((path, _), bytes)| put(path, bytes.as_deref())).map_err(io)?;
    checked
}

fn verified(topic: &Topic, said: &Said<'_>) -> Result<(), String> {
    let report = topic.local().and_then(|topic| topic.verify()).map_err(|e| format!("verify gives up: {e}"))?;
    let right = report.problems.iter().any(|p| said.fits(&p.path, &p.what));
    if right { Ok(()) } else { Err(format!("verify says: {:?}", report.problems)) }
}
