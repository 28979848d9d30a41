//! Where a scenario is run: its folder, its seed, how small it is to be, and the comparisons that it may make.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::ArrayRef;
use twopath_results::result::{CompareResult, Outcome};

use super::compare::{self, CompareSettings, HistoryLength};
use super::{Notes, Scenario, ScenarioError, ScenarioOptions};
use crate::harness::samples;

/// The command that runs one measured run, given its spec.
type Child<'a> = &'a dyn Fn(&Path) -> Command;

/// What the user chose, and where it happens.
pub struct Lab<'a> {
    /// Run it small: it is to show that it works.
    pub quick: bool,
    pub seed: u64,
    pub repeats: u32,
    /// All there are, for a scenario that is made of others.
    pub all: &'a [Scenario],
    out: PathBuf,
    stop: Arc<AtomicBool>,
    child: &'a dyn Fn(&Path) -> Command,
}

impl<'a> Lab<'a> {
    /// A lab in a folder. `child` makes a run of a comparison, from the path of its spec; `stop` ends everything when it is set.
    pub fn new(
        options: &ScenarioOptions,
        repeats: u32,
        out: &Path,
        stop: Arc<AtomicBool>,
        (all, child): (&'a [Scenario], Child<'a>),
    ) -> Self {
        Lab { quick: options.quick, seed: options.seed, repeats, all, out: out.to_owned(), stop, child }
    }

    /// A lab in a folder of this one, for another scenario; run small.
    pub fn within(&self, name: &str, repeats: u32) -> Lab<'a> {
        Lab { quick: true, repeats, out: self.out.join(name), stop: self.stop.clone(), ..*self }
    }

    /// Tells what comes next, and whether to go on.
    ///
    /// # Errors
    /// It was stopped.
    pub fn step(&self, what: &str) -> Result<(), ScenarioError> {
        use std::io::IsTerminal;
        self.go_on()?;
        if std::io::stderr().is_terminal() {
            eprintln!("{what}");
        }
        Ok(())
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// It was stopped.
    pub fn go_on(&self) -> Result<(), ScenarioError> {
        if self.stop.load(Ordering::SeqCst) { Err(ScenarioError::Stopped) } else { Ok(()) }
    }

    /// One of two values, by whether it is to be small.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// What comparisons are made of unless a scenario says otherwise: `history` events of flights, and live traffic for so long.
    pub fn settings(&self, architectures: &[&str], history: u64, rate: f64, duration: Duration) -> CompareSettings {
        CompareSettings {
            architectures: architectures.iter().map(ToString::to_string).collect(),
            history: Some(HistoryLength::Events(history)),
            rate,
            duration,
            repeats: self.repeats,
            seed: self.seed,
            batch_interval: self.pick(Duration::from_secs(2), Duration::from_millis(150)),
            read_rate: self.pick(500.0, 200.0),
            full_read_rate: self.pick(5.0, 10.0),
            ..CompareSettings::default()
        }
    }

    /// Makes a comparison in a folder of its own, with its own report, and counts its answers.
    ///
    /// # Errors
    /// It was stopped, cannot be made, or every run of it crashed.
    pub fn compare(&self, notes: &mut Notes, name: &str, settings: CompareSettings) -> Result<CompareResult, ScenarioError> {
        self.step(&format!("{name}: {} at {}/s", settings.architectures.join(", "), settings.rate))?;
        let settings = CompareSettings { out: Some(self.out.join(name)), ..settings };
        let (result, _) = compare::measure(&settings, self.child, || Ok(self.stop.clone()))?;
        notes.files.push(format!("{name}/report.html"));
        for run in &result.runs {
            notes.files.extend(run.samples.iter().map(|file| format!("{name}/{file}")));
            notes.answers_checked += run.answers.checked;
            notes.answers_wrong_by_engine += run.answers.wrong_engine;
            notes.events_never_covered += run.events_never_covered;
        }
        if !result.complete {
            return Err(ScenarioError::Stopped);
        }
        let crash = result.runs.iter().find_map(|run| match &run.outcome {
            Outcome::Crashed { message, .. } => Some(format!("{}: {message}", run.system)),
            Outcome::Ok => None,
        });
        match crash {
            Some(message) if result.runs.iter().all(|run| run.outcome != Outcome::Ok) => Err(ScenarioError::Crashed { message }),
            Some(message) => {
                notes.findings.push(format!("A run crashed, and is in no figure. {message}"));
                Ok(result)
            }
            None => Ok(result),
        }
    }

    /// This program, for a process of another kind.
    pub fn program(&self) -> Command {
        Command::new((self.child)(Path::new("")).get_program())
    }

    /// Keeps raw samples as Parquet.
    pub fn samples(&self, notes: &mut Notes, name: &str, columns: Vec<(&str, ArrayRef)>) -> Result<(), ScenarioError> {
        let file = format!("{name}.parquet");
        std::fs::create_dir_all(&self.out).map_err(|source| self.write(source))?;
        samples::write(&self.out.join(&file), columns)?;
        notes.files.push(file);
        Ok(())
    }

    /// Keeps a file of text beside the result.
    pub fn file(&self, notes: &mut Notes, name: &str, text: &str) -> Result<(), ScenarioError> {
        std::fs::create_dir_all(&self.out).and_then(|()| std::fs::write(self.out.join(name), text)).map_err(|source| self.write(source))?;
        notes.files.push(name.to_owned());
        Ok(())
    }

    /// A folder that is gone with what is in it once it is dropped.
    pub fn scratch(&self) -> Result<tempfile::TempDir, ScenarioError> {
        std::fs::create_dir_all(&self.out)
            .and_then(|()| tempfile::Builder::new().prefix(".scratch-").tempdir_in(&self.out))
            .map_err(|source| self.write(source))
    }

    fn write(&self, source: std::io::Error) -> ScenarioError {
        ScenarioError::Out { path: self.out.display().to_string(), source }
    }
}
