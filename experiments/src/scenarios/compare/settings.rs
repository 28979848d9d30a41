//! What the user chose.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use twopath_events::files::ReadOptions;
use twopath_events::workloads::OwnTable;
use twopath_log::{Address, Durability};
use twopath_results::result::Month;

use crate::harness::spec::{FULL_READ_RATE, READ_RATE};
use crate::systems::{BatchEngine, Killed, Language, SpeedEngine, StateBackend};

/// What the user chose. `Default` gives the defaults of the command line.
#[derive(Debug, Clone)]
pub struct CompareSettings {
    /// One of [`twopath_events::workloads::BUILT_IN`]; with `events` given, a name for the user's own.
    pub workload: String,
    /// Presets by name, each at most once.
    pub architectures: Vec<String>,
    /// Every cell of the cross of architectures, engines and languages, instead of `architectures`.
    pub matrix: bool,
    /// In the place of the presets' own.
    pub batch_engine: Option<BatchEngine>,
    pub speed_engine: Option<SpeedEngine>,
    pub language: Option<Language>,
    /// Events per second of the steady phase.
    pub rate: f64,
    /// Of the steady phase.
    pub duration: Duration,
    /// Point reads and full answers per second.
    pub read_rate: f64,
    pub full_read_rate: f64,
    /// Events loaded before the steady phase; none means the workload's default.
    pub history: Option<HistoryLength>,
    /// One comparison for each value of a parameter.
    pub sweep: Option<SweepOf>,
    pub repeats: u32,
    /// Each system a second time, as `NAME-again`: a harness that does not lie finds no difference.
    pub twins: bool,
    /// Whether version 2 is deployed in mid-run.
    pub deploys: bool,
    /// Records a second that the next version's stream reads at most; none means as fast as it can.
    pub throttle: Option<f64>,
    /// A process is killed so long after the system began to serve, and started anew over what is left. Layers have processes of their own then.
    pub kill: Option<(Killed, Duration)>,
    pub partitions: u32,
    /// Timely worker threads.
    pub workers: usize,
    pub durability: Durability,
    /// A Kafka cluster that is to keep the topics, and how their names begin; none means a folder.
    pub log: Option<Address>,
    pub seed: u64,
    /// The user's own events, of one topic or of several tables: Parquet, CSV, JSON Lines or Arrow. None means the workload's.
    pub events: Vec<OwnTable>,
    /// How `events` are read; which column is the event time, each table says itself.
    pub read: ReadOptions,
    /// One of the workload's queries; none means its first.
    pub query: Option<String>,
    /// SQL as a text or as a file's name, in the place of the workload's query.
    pub sql: Option<String>,
    /// The same, corrected; none means that there is nothing to correct.
    pub fix: Option<String>,
    /// Where results go; none means `twopath-results/<start time>`.
    pub out: Option<PathBuf>,
    pub format: Format,
    /// The month whose money is compared.
    pub month: Month,
    /// Instead of the bundled price file.
    pub prices: Option<PathBuf>,
    /// Between the starts of two batch runs.
    pub batch_interval: Duration,
    /// Each batch run goes on from the view of the one before.
    pub incremental: bool,
    /// Between two snapshots of the speed layer.
    pub publish_interval: Duration,
    /// The speed layer alone leaves out what comes more than so much after newer records of its partition.
    pub speed_lateness: Option<Duration>,
    /// Where the speed layer's state lives.
    pub state: StateBackend,
    /// From the start of one checkpoint to the start of the next.
    pub checkpoint_interval: Duration,
}

impl Default for CompareSettings {
    fn default() -> Self {
        CompareSettings {
            workload: "flights".into(),
            architectures: ["batch", "lambda", "lambda-sql", "kappa"].map(String::from).to_vec(),
            matrix: false,
            batch_engine: None,
            speed_engine: None,
            language: None,
            rate: 4000.0,
            // The fix comes in the middle of it, and so in the middle of a batch interval: neither the best moment for batch nor the worst.
            duration: Duration::from_secs(6),
            read_rate: READ_RATE,
            full_read_rate: FULL_READ_RATE,
            history: None,
            sweep: None,
            repeats: 3,
            twins: false,
            deploys: true,
            throttle: None,
            kill: None,
            partitions: 2,
            workers: 1,
            durability: Durability::None,
            log: None,
            seed: 1,
            events: vec![],
            read: ReadOptions::default(),
            query: None,
            sql: None,
            fix: None,
            out: None,
            format: Format::Table,
            month: Month::default(),
            prices: None,
            batch_interval: Duration::from_secs(2),
            incremental: false,
            publish_interval: Duration::from_millis(1),
            speed_lateness: None,
            state: StateBackend::Memory,
            checkpoint_interval: Duration::from_secs(1),
        }
    }
}

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for people.
    Table,
    /// The whole of `result.json`.
    Json,
}

/// How many events are loaded before the steady phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryLength {
    /// Of events that end: all but those of the steady phase.
    All,
    Events(u64),
}

impl FromStr for HistoryLength {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(HistoryLength::All),
            _ => Ok(HistoryLength::Events(parse_count(text)?)),
        }
    }
}

/// A parameter and the values that it is given.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepOf {
    /// Events of the history.
    History(Vec<u64>),
    /// Events per second.
    Rate(Vec<f64>),
    /// Distinct urls of pageviews.
    Keys(Vec<u64>),
    /// Event time that the speed layer alone waits for what is late, in seconds.
    SpeedLateness(Vec<f64>),
}

impl SweepOf {
    /// As in options and results.
    pub fn parameter(&self) -> &'static str {
        match self {
            SweepOf::History(_) => "history",
            SweepOf::Rate(_) => "rate",
            SweepOf::Keys(_) => "keys",
            SweepOf::SpeedLateness(_) => "speed-lateness",
        }
    }

    /// Its values, ascending.
    pub fn values(&self) -> Vec<f64> {
        let mut values: Vec<f64> = match self {
            SweepOf::History(values) | SweepOf::Keys(values) => values.iter().map(|&v| v as f64).collect(),
            SweepOf::Rate(values) | SweepOf::SpeedLateness(values) => values.clone(),
        };
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    }
}

impl FromStr for SweepOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (parameter, values) = text.split_once('=').ok_or("write PARAMETER=A,B,..., such as history=1M,3M,10M")?;
        let counts = || values.split(',').map(parse_count).collect::<Result<Vec<u64>, _>>();
        match parameter {
            "history" => Ok(SweepOf::History(counts()?)),
            "rate" => Ok(SweepOf::Rate(counts()?.into_iter().map(|v| v as f64).collect())),
            "keys" => Ok(SweepOf::Keys(counts()?)),
            "speed-lateness" => {
                let seconds = |text: &str| parse_duration(text).map(|time| time.as_secs_f64());
                let values = values.split(',').map(seconds).collect::<Result<Vec<f64>, _>>()?;
                // It is drawn in powers of ten.
                if values.contains(&0.0) {
                    Err("write times above 0, such as speed-lateness=1s,15m,4h".into())
                } else {
                    Ok(SweepOf::SpeedLateness(values))
                }
            }
            _ => Err(format!("'{parameter}' cannot be swept; choose history, rate, keys or speed-lateness")),
        }
    }
}

/// A number of events: `300000`, `300k`, `10M` or `1B`.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no number of events; write it such as 300000, 300k or 10M");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" | "B" => 1e9,
        _ => return Err(wrong()),
    };
    if unit == 1.0 {
        return digits.parse().map_err(|_| wrong());
    }
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let count = (number * unit).round();
    if (0.0..1e18).contains(&count) { Ok(count as u64) } else { Err(wrong()) }
}

/// `90s`, `1500ms`, `2m`, `1.5h`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time such as 8s, 500ms or 2m".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_people_write_them() {
        assert_eq!("10M".parse(), Ok(HistoryLength::Events(10_000_000)));
        assert_eq!("2.5k".parse(), Ok(HistoryLength::Events(2_500)));
        assert_eq!("0".parse(), Ok(HistoryLength::Events(0)));
        assert_eq!("all".parse(), Ok(HistoryLength::All));
        for wrong in ["", "M", "-1", "-1k", "1.5", "10 M", "nan", "infk", "1e30M"] {
            assert!(wrong.parse::<HistoryLength>().is_err(), "{wrong}");
        }
        assert_eq!("history=3M,1M,3M".parse::<SweepOf>().unwrap().values(), [1e6, 3e6]);
        assert_eq!("rate=500,1k".parse(), Ok(SweepOf::Rate(vec![500.0, 1_000.0])));
        assert_eq!("speed-lateness=1h,15m".parse::<SweepOf>().unwrap().values(), [900.0, 3_600.0]);
        assert!("speed-lateness=0".parse::<SweepOf>().is_err() && "speed-lateness=3 apples".parse::<SweepOf>().is_err());
        assert!("lateness=1".parse::<SweepOf>().is_err() && "history".parse::<SweepOf>().is_err());
    }
}
