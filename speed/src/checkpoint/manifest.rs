//! What names a checkpoint: one small file, with a checksum over all of it.
//!
//! ```text
//! twopath-checkpoint 1 <CRC-32C of what follows, 8 hex digits> <its length in bytes>\n
//! {"number": 7, "epoch": 2, "identity": {...}, "generations": [...], ...}
//! ```

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_base::checksum::crc32c;

/// The first words of every file of this form, with its version.
const MAGIC: &str = "twopath-checkpoint 1 ";

/// What a checkpoint is of. One of another topic or another query is never taken for one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The topic's name, for messages; of several, all of them.
    pub topic: String,
    /// The topic's id, which one that later has the same name does not share; where there is none, its address. Of several topics all of them.
    pub topic_id: String,
    /// Of what the groups are laid out for, and of the code that makes them: 16 hex digits.
    pub query: String,
}

/// A checkpoint: a position, and the runs that make up the state there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Counts up from 1 over the life of the folder.
    pub number: u64,
    /// Which owner of the folder took it: the number of its fence.
    pub epoch: u64,
    pub identity: Identity,
    /// When: microseconds since 1970.
    pub taken_us: i64,
    /// Oldest first; they abut, and the last ends at the checkpoint's position.
    pub generations: Vec<GenerationAtRest>,
    /// Per partition: when the log took the record before the position, in microseconds since 1970; none where there is no record. A log that
    /// lost its end and grew again does not fit.
    pub arrivals_us: Vec<Option<i64>>,
}

/// One generation of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationAtRest {
    pub number: u64,
    pub lower: Position,
    pub upper: Position,
    pub runs: Vec<RunAtRest>,
}

/// A run in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAtRest {
    /// A name in the folder.
    pub file: String,
    pub bytes: u64,
    /// CRC-32C of the file.
    pub crc32c: u32,
    pub groups: u64,
}

impl Manifest {
    /// How far the log is in it.
    pub fn position(&self) -> &Position {
        &self.generations.last().expect("a manifest that was checked has a generation").upper
    }

    /// From where on it answers.
    pub fn lower(&self) -> &Position {
        &self.generations.first().expect("a manifest that was checked has a generation").lower
    }

    /// All runs, of all generations.
    pub fn runs(&self) -> impl Iterator<Item = &RunAtRest> {
        self.generations.iter().flat_map(|g| &g.runs)
    }

    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a manifest, and checks all that can be checked without the runs.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        let manifest: Manifest = decode(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// That its parts fit together; an error says what does not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(first) = self.generations.first() else { return Err("it has no generation".into()) };
        let partitions = first.lower.partitions();
        if partitions == 0 || self.arrivals_us.len() != partitions {
            return Err(format!("it tells {} arrivals for {partitions} partitions", self.arrivals_us.len()));
        }
        for g in &self.generations {
            if g.lower.partitions() != partitions || g.upper.partitions() != partitions {
                return Err(format!("generation {} is not of {partitions} partitions", g.number));
            }
            if !g.upper.covers(&g.lower) {
                return Err(format!("generation {} ends at {}, before its start {}", g.number, g.upper, g.lower));
            }
        }
        if let Some(pair) = self.generations.windows(2).find(|pair| Some(pair[1].number) != pair[0].number.checked_add(1)) {
            return Err(format!("generation {} follows on generation {}", pair[1].number, pair[0].number));
        }
        if let Some(pair) = self.generations.windows(2).find(|pair| pair[0].upper != pair[1].lower) {
            return Err(format!(
                "generation {} starts at {}, and the one before it ends at {}",
                pair[1].number, pair[1].lower, pair[0].upper
            ));
        }
        match self.runs().find(|run| !is_run(&run.file)) {
            Some(run) => Err(format!("'{}' is no name of a run", run.file)),
            None => Ok(()),
        }
    }
}

/// Text with the line before it that says what it is, and its checksum.
pub(crate) fn encode(content: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(content).expect("numbers, texts and lists are JSON");
    let mut bytes = format!("{MAGIC}{:08x} {}\n", crc32c(&text), text.len()).into_bytes();
    bytes.extend(text);
    bytes
}

/// What [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let end = bytes.iter().take(80).position(|b| *b == b'\n').ok_or("it does not begin as a checkpoint does")?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "it does not begin as a checkpoint does")?;
    let head = head.strip_prefix(MAGIC).ok_or("it does not begin as a checkpoint of this version does")?;
    let (crc, length) = head.split_once(' ').ok_or("its first line is cut")?;
    let text = &bytes[end + 1..];
    if length.parse() != Ok(text.len()) {
        return Err(format!("it has {} bytes after its first line, which says {length}", text.len()));
    }
    let found = crc32c(text);
    if u32::from_str_radix(crc, 16) != Ok(found) {
        return Err(format!("its checksum is {found:08x}, its first line says {crc}"));
    }
    serde_json::from_slice(text).map_err(|e| format!("it is no checkpoint: {e}"))
}

/// `run-<epoch>-<number>.arrow`.
pub(super) fn run_name(epoch: u64, number: u64) -> String {
    format!("run-{epoch:08}-{number:08}.arrow")
}

/// `checkpoint-<number>`.
pub(super) fn manifest_name(number: u64) -> String {
    format!("checkpoint-{number:08}")
}

/// `fence-<epoch>`.
pub(super) fn fence_name(epoch: u64) -> String {
    format!("fence-{epoch:08}")
}

/// The number in a name that such a function gave.
pub(super) fn number_of(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The epoch of a run's name.
pub(super) fn run_epoch(name: &str) -> Option<u64> {
    let (epoch, number) = name.strip_prefix("run-")?.strip_suffix(".arrow")?.split_once('-')?;
    let epoch = number_of(epoch, "")?;
    number_of(number, "").map(|_| epoch)
}

fn is_run(name: &str) -> bool {
    run_epoch(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use twopath_base::Offset;

    fn position(offsets: &[u64]) -> Position {
        Position::new(offsets.iter().map(|&o| Offset(o)).collect())
    }

    fn manifest() -> Manifest {
        let run = |n| RunAtRest { file: run_name(2, n), bytes: 10 + n, crc32c: 7, groups: n };
        let generation =
            |number, lower: &[u64], upper: &[u64], runs| GenerationAtRest { number, lower: position(lower), upper: position(upper), runs };
        Manifest {
            number: 3,
            epoch: 2,
            identity: Identity { topic: "t".into(), topic_id: "ab".into(), query: "00ff".into() },
            taken_us: 5,
            generations: vec![generation(4, &[1, 0], &[5, 9], vec![run(1), run(2)]), generation(5, &[5, 9], &[5, 12], vec![run(3)])],
            arrivals_us: vec![Some(-1), None],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = manifest();
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        assert_eq!((manifest.lower(), manifest.position()), (&position(&[1, 0]), &position(&[5, 12])));
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_seen() {
        let bytes = manifest().encode();
        for at in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                // Hex digits may be written in capitals: then it says the same.
                let same = changed.to_ascii_lowercase() == bytes;
                assert!(same || Manifest::decode(&changed).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |change: fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            Manifest::decode(&manifest.encode()).unwrap_err()
        };
        assert!(refused(|m| m.generations.clear()).contains("no generation"));
        assert!(refused(|m| m.generations[1].number = 7).contains("follows on"));
        assert!(refused(|m| m.generations[1].number = 4).contains("follows on"));
        assert!(refused(|m| m.generations[1].lower = position(&[5, 10])).contains("starts at"));
        assert!(refused(|m| m.generations[1].upper = position(&[4, 12])).contains("before its start"));
        assert!(refused(|m| m.generations[0].upper = position(&[5])).contains("partitions"));
        assert!(refused(|m| m.arrivals_us.clear()).contains("arrivals"));
        for name in ["../run-00000001-00000001.arrow", "run-1.arrow", "run-1-x.arrow", "view.arrow", ""] {
            let mut manifest = manifest();
            manifest.generations[0].runs[0].file = name.into();
            assert!(Manifest::decode(&manifest.encode()).unwrap_err().contains("no name of a run"), "{name}");
        }
    }
}
