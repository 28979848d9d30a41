//! What has been imported into a topic: one JSON object a line in `imports.jsonl` beside the topic's partitions, written when an import
//! begins and again when it has ended.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use twopath_events::files::{FilePart, Input};
use twopath_log::Topic;

use crate::cli::Failure;

const NAME: &str = "imports.jsonl";

/// An import of a file, or of what a file grew by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Import {
    /// Where the file stood; none for a pipe.
    pub path: Option<String>,
    /// Of all its bytes up to the end of this import.
    pub fingerprint: String,
    pub bytes: u64,
    /// The first byte that this import read.
    pub from: u64,
    /// The options that it was read with, as a user writes them.
    pub options: String,
    /// How often these bytes had been imported before, on purpose.
    pub again: u32,
    pub is_done: bool,
    /// Rows of the file that fit, those of earlier imports of it included; known when it is done.
    pub rows: u64,
    /// The file of its rows that did not fit.
    pub set_aside: Option<PathBuf>,
}

impl Import {
    /// The producer that appends it: the same when it is taken up again.
    pub fn producer(&self) -> u64 {
        let text = format!("{}|{}|{}|{}|{}", self.fingerprint, self.bytes, self.from, self.again, self.options);
        // FNV-1a.
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    fn is_of(&self, other: &Import) -> bool {
        self.producer() == other.producer()
    }
}

/// The imports of a topic, each as it was left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ImportHistory {
    /// None where nothing is kept: a topic of a Kafka cluster.
    file: Option<PathBuf>,
    imports: Vec<Import>,
}

impl ImportHistory {
    pub fn of(topic: &Topic) -> Result<Self, Failure> {
        let Ok(dir) = topic.local().map(|local| local.dir()) else { return Ok(ImportHistory::default()) };
        let file = dir.join(NAME);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Failure::of(format!("{}: {e}", file.display()))),
        };
        let mut history = ImportHistory { file: Some(file.clone()), imports: Vec::new() };
        let mut lines = text.split_inclusive('\n').enumerate().peekable();
        while let Some((i, line)) = lines.next() {
            match serde_json::from_str(line) {
                Ok(import) => history.note(import),
                // The program died while it wrote the last one: what it was to say has not been done.
                Err(_) if lines.peek().is_none() && !line.ends_with('\n') => {}
                Err(e) => return Err(Failure::of(format!("{}, line {}: {e}", file.display(), i + 1))),
            }
        }
        Ok(history)
    }

    pub fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Takes in how an import was left.
    pub fn note(&mut self, import: Import) {
        match self.imports.iter_mut().find(|known| known.is_of(&import)) {
            Some(known) => *known = import,
            None => self.imports.push(import),
        }
    }

    /// Takes it in, and writes it down.
    pub fn write(&mut self, import: &Import, is_durable: bool) -> Result<(), Failure> {
        self.note(import.clone());
        let Some(path) = &self.file else { return Ok(()) };
        let write = || -> std::io::Result<()> {
            let torn = std::fs::read(path).is_ok_and(|text| text.last().is_some_and(|b| *b != b'\n'));
            if torn {
                let text = std::fs::read(path)?;
                let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
            }
            let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
            let mut line = serde_json::to_vec(import)?;
            line.push(b'\n');
            file.write_all(&line)?;
            if is_durable { file.sync_data() } else { Ok(()) }
        };
        write().map_err(|e| Failure::of(format!("{}: {e}", path.display())))
    }
}

/// What is to be done with a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ImportPlan {
    /// All its rows are there.
    Nothing { rows: u64 },
    /// These parts of it, one after the other.
    Import(Vec<(FilePart, Import)>),
}

/// The user's choice, where a file and what has been imported have something in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlap {
    Refuse,
    /// All of the file, once more.
    Again,
    /// What the file has beyond what was imported under another name.
    Rest,
}

/// Decides what of a file is imported: all of it, the rest of it where it has grown, or nothing where it is there already.
pub(super) fn plan(history: &ImportHistory, topic: &str, input: &Input, options: &str, overlap: Overlap) -> Result<ImportPlan, Failure> {
    let bytes = input.bytes();
    let mut lengths: Vec<u64> = history.imports.iter().map(|i| i.bytes).filter(|b| *b < bytes).chain([bytes]).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let prints = input.fingerprints(&lengths)?;
    let print_at = |length: u64| lengths.binary_search(&length).ok().map(|i| &prints[i]);
    let path = input.path().map(|p| p.to_string_lossy().into_owned());
    let new = |from, again| Import {
        path: path.clone(),
        fingerprint: prints[prints.len() - 1].clone(),
        bytes,
        from,
        options: options.to_owned(),
        again,
        is_done: false,
        rows: 0,
        set_aside: None,
    };
    let all = |again| Ok(ImportPlan::Import(vec![(FilePart::ALL, new(0, again))]));
    let file = input.name().display();
    let same: Vec<&Import> = history.imports.iter().filter(|i| i.bytes == bytes && print_at(bytes) == Some(&i.fingerprint)).collect();
    if let Some(begun) = same.iter().find(|i| !i.is_done && i.options == options) {
        let part = FilePart { from: begun.from, to: bytes, line: line_at(input, begun.from)? };
        return Ok(ImportPlan::Import(vec![(part, (*begun).clone())]));
    }
    if overlap == Overlap::Again {
        return all(same.iter().filter(|i| i.options == options && i.from == 0).map(|i| i.again + 1).max().unwrap_or(0));
    }
    if let Some(done) = same.iter().rev().find(|i| i.options == options) {
        if path.is_some() && same.iter().any(|i| i.options == options && i.path == path) {
            return Ok(ImportPlan::Nothing { rows: done.rows });
        }
        let message = format!("{file}: topic '{topic}' has these bytes already, from {}", name_of(done));
        return Err(Failure::with_help(message, "if they are other events that happen to look the same, import them with --again"));
    }
    if let Some(other) = same.last() {
        let (what, options) = (if other.is_done { "imported" } else { "imported in part" }, options_text(&other.options));
        let message = format!("{file}: its rows were {what} into '{topic}' before, {options}");
        let help = "give the same options to repeat or finish that import, or --again to import all rows once more, read as you say now";
        return Err(Failure::with_help(message, help));
    }
    let starts = |i: &&Import| i.bytes < bytes && (i.rows > 0 || !i.is_done) && print_at(i.bytes) == Some(&i.fingerprint);
    if let Some(grown) = history.imports.iter().filter(starts).max_by_key(|i| (i.bytes, i.path == path)) {
        let is_same_file = path.is_some() && grown.path == path;
        if !is_same_file && overlap != Overlap::Rest {
            let message = format!("{file}: it begins with what topic '{topic}' has from {}", name_of(grown));
            let help = "--rest imports what follows; --again imports all of it, if these are other events that happen to look the same";
            return Err(Failure::with_help(message, help));
        }
        if grown.options != options {
            let message = format!("{file}: its first part was imported into '{topic}' {}", options_text(&grown.options));
            return Err(Failure::with_help(message, "give the same options for the rest, or --again to import all rows once more"));
        }
        let Some(from) = next_row(input, grown.bytes)? else {
            let message =
                format!("{file}: its line {} was not complete when it was imported, and has become longer", line_at(input, grown.bytes)?);
            let help = format!(
                "the row stands in '{topic}' as it was, or among those that were set aside; import what is new as a file of its own, or all rows of the file once more with --again"
            );
            return Err(Failure::with_help(message, help));
        };
        let mut parts = Vec::new();
        if !grown.is_done {
            let part = FilePart { from: grown.from, to: grown.bytes, line: line_at(input, grown.from)? };
            parts.push((part, grown.clone()));
        }
        let part = FilePart { from, to: bytes, line: line_at(input, from)? };
        parts.push((part, Import { rows: grown.rows, ..new(from, grown.again) }));
        return Ok(ImportPlan::Import(parts));
    }
    if let Some(before) = history.imports.iter().rev().find(|i| path.is_some() && i.path == path) {
        let message = format!(
            "{file}: {} rows of it were imported into '{topic}' before, and it has changed since, not only at its end",
            before.rows
        );
        let help = "append what is new as a file of its own, or import all rows once more with --again";
        return Err(Failure::with_help(message, help));
    }
    all(0)
}

fn name_of(import: &Import) -> &str {
    import.path.as_deref().unwrap_or("a pipe")
}

fn options_text(options: &str) -> String {
    if options.is_empty() { "without options".into() } else { format!("with {options}") }
}

/// Where the next row begins after a file's former end; none where the last one went on.
fn next_row(input: &Input, end: u64) -> Result<Option<u64>, Failure> {
    Ok(match input.around(end)? {
        (Some(b'\n'), _) => Some(end),
        (_, Some(b'\n')) => Some(end + 1),
        (_, Some(b'\r')) if input.around(end + 1)?.1 == Some(b'\n') => Some(end + 2),
        _ => None,
    })
}

/// The line in which a byte stands.
fn line_at(input: &Input, at: u64) -> Result<u64, Failure> {
    Ok(1 + input.line_ends(at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(tempfile::TempDir, ImportHistory);

    impl Files {
        fn new() -> Self {
            Files(tempfile::tempdir().unwrap(), ImportHistory::default())
        }

        fn input(&self, name: &str, text: &str) -> Input {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            Input::open(&path).unwrap()
        }

        /// The bytes that are imported, and the message where none are.
        fn plan(&self, name: &str, text: &str, options: &str, overlap: Overlap) -> Result<Vec<(u64, u64)>, String> {
            match plan(&self.1, "t", &self.input(name, text), options, overlap) {
                Ok(ImportPlan::Nothing { .. }) => Ok(vec![]),
                Ok(ImportPlan::Import(parts)) => Ok(parts.iter().map(|(part, import)| (part.from, import.bytes)).collect()),
                // The message is broken into lines wherever they are full.
                Err(failure) => Err(format!("{failure:?}").split_whitespace().filter(|w| *w != "│").collect::<Vec<_>>().join(" ")),
            }
        }

        fn import(&mut self, name: &str, text: &str, options: &str, overlap: Overlap, is_done: bool) {
            let Ok(ImportPlan::Import(parts)) = plan(&self.1, "t", &self.input(name, text), options, overlap) else {
                panic!("nothing to import")
            };
            parts.into_iter().for_each(|(_, import)| self.1.note(Import { is_done, rows: 9, ..import }));
        }
    }

    #[test]
    fn what_is_there_is_not_imported_twice() {
        use Overlap::{Again, Refuse, Rest};
        let mut files = Files::new();
        files.import("a", "t\n1\n2\n", "", Refuse, true);
        assert_eq!(files.plan("a", "t\n1\n2\n", "", Refuse), Ok(vec![]));
        assert!(files.plan("b", "t\n1\n2\n", "", Refuse).unwrap_err().contains("--again"));
        assert_eq!(files.plan("b", "t\n1\n2\n", "", Again), Ok(vec![(0, 6)]));
        assert!(files.plan("a", "t\n1\n2\n", "--columns 't'", Refuse).unwrap_err().contains("without options"));
        // It grew.
        assert_eq!(files.plan("a", "t\n1\n2\n3\n", "", Refuse), Ok(vec![(6, 8)]));
        assert!(files.plan("b", "t\n1\n2\n3\n", "", Refuse).unwrap_err().contains("--rest"));
        assert_eq!(files.plan("b", "t\n1\n2\n3\n", "", Rest), Ok(vec![(6, 8)]));
        assert!(files.plan("a", "t\n1\n2\n3\n", "--null 'x'", Refuse).is_err());
        // It was corrected.
        assert!(files.plan("a", "t\n1\n5\n", "", Refuse).unwrap_err().contains("has changed"));
        assert!(files.plan("a", "t\n1\n", "", Refuse).unwrap_err().contains("has changed"));
        assert_eq!(files.plan("a", "t\n1\n5\n", "", Again), Ok(vec![(0, 6)]));
        assert_eq!(files.plan("c", "t\n1\n5\n", "", Refuse), Ok(vec![(0, 6)]));
    }

    #[test]
    fn rows_that_were_cut_are_noticed() {
        use Overlap::Refuse;
        let mut files = Files::new();
        files.import("a", "t\n1\n2", "", Refuse, true);
        assert_eq!(files.plan("a", "t\n1\n2\n3\n", "", Refuse), Ok(vec![(6, 8)]));
        assert_eq!(files.plan("a", "t\n1\n2\r\n3\n", "", Refuse), Ok(vec![(7, 9)]));
        assert!(files.plan("a", "t\n1\n23\n", "", Refuse).unwrap_err().contains("line 3 was not complete"));
    }

    #[test]
    fn what_was_broken_off_is_taken_up() {
        use Overlap::{Again, Refuse};
        let mut files = Files::new();
        files.import("a", "t\n1\n", "", Refuse, false);
        for overlap in [Refuse, Again] {
            assert_eq!(files.plan("a", "t\n1\n", "", overlap), Ok(vec![(0, 4)]));
        }
        assert_eq!(files.plan("a", "t\n1\n2\n", "", Refuse), Ok(vec![(0, 4), (4, 6)]));
        let producers = |files: &Files, overlap| match plan(&files.1, "t", &files.input("a", "t\n1\n"), "", overlap) {
            Ok(ImportPlan::Import(parts)) => parts[0].1.producer(),
            _ => panic!("nothing to import"),
        };
        let first = producers(&files, Refuse);
        assert_eq!(producers(&files, Again), first);
        files.import("a", "t\n1\n", "", Refuse, true);
        let second = producers(&files, Again);
        assert_ne!(second, first);
        // Once more is begun, killed, and begun again.
        files.import("a", "t\n1\n", "", Again, false);
        assert_eq!(producers(&files, Again), second);
        files.import("a", "t\n1\n", "", Again, true);
        assert_ne!(producers(&files, Again), second);
    }
}
