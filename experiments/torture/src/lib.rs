//! `twopath torture`: faults of every kind, each from a seed and a number that replay it, and what must hold after them.
//!
//! What must hold: acknowledged events are all there, once and in order, as far as the durability policy promises; nothing is invented;
//! every corruption is reported with file and offset; nothing panics; after a failed sync nothing is acknowledged until the log was opened anew; and
//! every answer that a job published, before a crash and after it, is the reference's at its position.
//!
//! ```
//! use twopath_torture::{TortureSettings, run};
//!
//! // Workload number 40 of those that crash after every change to their files.
//! let settings = TortureSettings { long: false, seed: 1, only: vec!["workloads".into()], number: Some(40), program: "twopath".into() };
//! let result = run(&settings, &|_kind, _done, _all| {})?;
//! assert!(result.summary[0].tried > 0);
//! assert!(result.violations.is_empty(), "{:?}", result.violations);
//! # Ok::<(), std::io::Error>(())
//! ```

mod calls;
mod check;
mod damage;
mod dice;
mod filled;
mod kill;
mod misplaced;
mod model;
mod power;
mod producers;
mod roll;
mod state;
mod tally;
mod tidy;
mod workloads;
mod world;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use roll::child as roll_child;
pub use state::child as state_child;
use tally::Tally;
pub use tally::Violation;

/// What the user chose.
#[derive(Debug, Clone)]
pub struct TortureSettings {
    /// The long form; otherwise the one that the tests run.
    pub long: bool,
    pub seed: u64,
    /// Names of [`kinds`]; all where it is empty.
    pub only: Vec<String>,
    /// Only this item of each kind: what a violation names to replay it.
    pub number: Option<u64>,
    /// The program, for what kills real processes.
    pub program: PathBuf,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct TortureResult {
    pub summary: Vec<KindSummary>,
    pub violations: Vec<Violation>,
    pub seed: u64,
}

/// What came of one kind of fault.
#[derive(Debug, Serialize)]
pub struct KindSummary {
    pub kind: &'static str,
    pub what: &'static str,
    /// Faults that were tried.
    pub tried: u64,
    /// Of `roll`: those that left a roll half done. 0 of all others, which strike where they aim or do not know.
    pub hits: u64,
    pub violations: u64,
    /// Of those, panics.
    pub panics: u64,
    pub seconds: f64,
}

/// A kind of fault: how many items there are in the short and the long form, and what one item does in a scratch folder of its own.
struct Kind {
    name: &'static str,
    what: &'static str,
    /// Short, long.
    items: fn(long: bool) -> u64,
    run: fn(&Item<'_>, &Tally),
}

/// One item of a kind: a number, which with the seed says all that happens.
pub(crate) struct Item<'a> {
    seed: u64,
    number: u64,
    long: bool,
    /// Empty, and removed afterwards.
    scratch: &'a Path,
    program: &'a Path,
}

const KINDS: [Kind; 9] = [
    Kind { name: "power", what: "images of a disk after a power loss", items: power::items, run: power::run },
    Kind { name: "workloads", what: "crashes of all workloads of up to three operations", items: workloads::items, run: workloads::run },
    Kind { name: "tidy", what: "compaction and retention cut by a power loss or kill -9", items: tidy::items, run: tidy::run },
    Kind { name: "calls", what: "calls to the file system that fail", items: calls::items, run: calls::run },
    Kind { name: "damage", what: "changed bytes, cut, swapped and foreign files", items: damage::items, run: damage::run },
    Kind { name: "producers", what: "schedules of producers", items: producers::items, run: producers::run },
    Kind { name: "kill", what: "kill -9 of real processes", items: kill::items, run: kill::run },
    Kind { name: "roll", what: "kill -9 of a process that rolls segments", items: roll::items, run: roll::run },
    Kind { name: "state", what: "jobs that end at any moment and go on from a checkpoint", items: state::items, run: state::run },
];

/// The names that `--only` takes.
pub fn kinds() -> Vec<&'static str> {
    KINDS.iter().map(|k| k.name).collect()
}

/// Runs them; `progress` hears the kind, the items done and all of them.
pub fn run(settings: &TortureSettings, progress: &(dyn Fn(&str, u64, u64) + Sync)) -> io::Result<TortureResult> {
    let mut result = TortureResult { summary: Vec::new(), violations: Vec::new(), seed: settings.seed };
    for kind in KINDS.iter().filter(|k| settings.only.is_empty() || settings.only.iter().any(|o| o == k.name)) {
        let (summary, violations) = run_kind(kind, settings, progress)?;
        result.summary.push(summary);
        result.violations.extend(violations);
    }
    Ok(result)
}

fn run_kind(
    kind: &Kind,
    settings: &TortureSettings,
    progress: &(dyn Fn(&str, u64, u64) + Sync),
) -> io::Result<(KindSummary, Vec<Violation>)> {
    use std::sync::atomic::{AtomicU64, Ordering};
    let total = (kind.items)(settings.long);
    let numbers = settings.number.map_or(0..total, |n| n..total.min(n + 1));
    let next = AtomicU64::new(numbers.start);
    let tally = Tally::new(kind.name);
    let start = std::time::Instant::now();
    let work = || -> io::Result<()> {
        let scratch = scratch()?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            let dir = scratch.path().join("item");
            std::fs::create_dir(&dir)?;
            let item = Item { seed: settings.seed, number, long: settings.long, scratch: &dir, program: &settings.program };
            tally.guard(number, || (kind.run)(&item, &tally));
            std::fs::remove_dir_all(&dir)?;
            progress(kind.name, number - numbers.start, numbers.end - numbers.start);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the torture panicked"))))
    })?;
    Ok(tally.end(kind.what, start.elapsed().as_secs_f64()))
}

/// A scratch folder: in memory where the machine offers that, because these faults need thousands of small files.
fn scratch() -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("twopath-torture-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir())
}
