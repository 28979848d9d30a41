//! What was asked for: checked before anything is run, and put into the words of a run and of the result.

use std::collections::BTreeSet;
use std::path::Path;

use arrow_schema::Schema;
use twopath_batch::BatchError;
use twopath_log::Address;
use twopath_query::Query;
use twopath_speed::{Engine, SpeedError};

use super::folder::Folder;
use super::settings::{CompareSettings, HistoryLength};
use super::{CompareError, topics};
use crate::harness::RunError;
use crate::harness::plan::PlannedRun;
use crate::harness::spec::RunSpec;
use crate::systems::{Architecture, BatchEngine, Factors, Job, Killed, Language, QuerySpec, SpeedEngine, StateBackend};
use twopath_events::workloads::{self, OwnTable, Pageviews, Workload, built_in};
use twopath_results::result::{self, LeftOut, Prices, Settings};

/// Events loaded before the steady phase unless told otherwise: so many that a replay takes seconds.
const HISTORY_OF_FLIGHTS: u64 = 3_000_000;
const HISTORY_OF_PAGEVIEWS: u64 = 10_000_000;
/// Of the other generated workloads, whose events are larger.
const HISTORY_OF_OTHERS: u64 = 1_000_000;

/// One of the systems compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// What it is called here, and nobody else.
    pub name: String,
    /// As it was asked for: a preset's name, or in a cross the wiring.
    pub architecture: String,
    pub factors: Factors,
}

/// A comparison that can be made.
pub struct Asked {
    pub workload: Workload,
    pub job: Job,
    pub query: QuerySpec,
    pub systems: Vec<Chosen>,
    /// Of a cross, what nothing can be made of.
    left_out: Vec<LeftOut>,
    pub events_history: u64,
    pub events_steady: u64,
    /// Of the user's files, what no run plays.
    events_ignored: u64,
    history: result::HistorySource,
    name: String,
}

/// Refuses what no run could be made of.
pub fn check(settings: &CompareSettings) -> Result<(), CompareError> {
    let refuse = |option, value: String, problem: &str| Err(CompareError::Setting { option, value, problem: problem.into() });
    let mut seen = BTreeSet::new();
    for name in &settings.architectures {
        if Factors::preset(name).is_err() {
            let known = crate::systems::presets().collect::<Vec<_>>().join(", ");
            return refuse("--architectures", name.clone(), &format!("there is no such architecture; choose from {known}"));
        }
        if !seen.insert(name) {
            return refuse("--architectures", name.clone(), "is given twice; for more runs of it use --repeats");
        }
    }
    let counts = [
        ("--architectures", if settings.matrix { 1 } else { settings.architectures.len() as u64 }),
        ("--repeats", u64::from(settings.repeats)),
        ("--partitions", u64::from(settings.partitions)),
        ("--workers", settings.workers as u64),
    ];
    for (option, count) in counts {
        if count == 0 {
            return refuse(option, "0".into(), "one or more is needed");
        }
    }
    if settings.speed_lateness.is_some() && settings.state != StateBackend::Memory {
        return refuse(
            "--state",
            settings.state.to_string(),
            "is state of a speed layer that takes all; leave --speed-lateness out, or keep the state in memory",
        );
    }
    if let StateBackend::Remote(server) = &settings.state
        && let Err(why) = twopath_speed::Remote::ping(server)
    {
        return refuse("--state", server.clone(), &format!("does not answer ({why}); start a Redis server there, or take another place"));
    }
    if !(settings.rate.is_finite() && settings.rate > 0.0) {
        return refuse("--rate", settings.rate.to_string(), "give the events per second, more than 0");
    }
    if settings.duration.is_zero() {
        return refuse("--duration", "0".into(), "give the seconds of the steady phase, more than 0");
    }
    if let Some(place) = &settings.log
        && place.named_topic().is_none()
    {
        return refuse("--log", place.to_string(), "say how the names of the topics that it makes begin: kafka://HOST:PORT/PREFIX");
    }
    if let (Some(fix), None) = (&settings.fix, &settings.sql) {
        return refuse("--fix", fix.clone(), "corrects your own query: give that, too, with --sql TEXT_OR_FILE");
    }
    Ok(())
}

impl Asked {
    /// Reads the user's file and queries, and sees that every run can be made. `keys` is how many urls pageviews are to have.
    pub fn new(settings: &CompareSettings, keys: Option<u64>) -> Result<Self, CompareError> {
        check(settings)?;
        let workload = workload(settings, keys)?;
        let spec = query(settings, &workload)?;
        let parsed = |option, sql: &str| {
            let wrong = |e: twopath_query::QueryError| CompareError::Sql { option, report: e.report(sql) };
            twopath_query::parse(sql, &workload.name, &workload.schema).map_err(wrong)
        };
        let (v1, v2) = (parsed("--sql", &spec.sql_v1)?, parsed("--fix", &spec.sql_v2)?);
        same_answers(settings, &v1, &v2)?;
        let job = Job::new(&spec.name, &workload.name, &workload.schema, &spec.sql_v1, &spec.sql_v2)
            .map_err(|e| CompareError::Sql { option: "--sql", report: e.to_string() })?;
        let (systems, left_out) = chosen(settings, &job, &workload.schema)?;
        for system in &systems {
            crate::systems::code::code(&system.factors, &job).map_err(RunError::System)?;
        }

        let steady = (settings.rate * settings.duration.as_secs_f64()).round() as u64;
        if !(2..=u64::from(u32::MAX)).contains(&steady) {
            let problem =
                format!("with --duration {:?} it gives {steady} events; more than one and fewer than 2^32 are needed", settings.duration);
            return Err(CompareError::Setting { option: "--rate", value: settings.rate.to_string(), problem });
        }
        let all = workload.events();
        let own = !settings.events.is_empty();
        let name = if own { settings.events.iter().map(OwnTable::named).collect::<Vec<_>>().join("+") } else { settings.workload.clone() };
        // Of a file, as many as arrive in time, but never more than half where history is wanted.
        let steady = match (own, all) {
            (true, Some(all)) => steady.min(all),
            _ => steady,
        };
        let too_many = |wanted: u64, there: u64| CompareError::Setting {
            option: "--history",
            value: wanted.to_string(),
            problem: format!(
                "there are {there} events, and {steady} of them arrive during the steady phase; {}",
                match there - steady {
                    0 => "make that shorter by --duration, or slower by --rate".to_owned(),
                    left => format!("give {left} or fewer"),
                }
            ),
        };
        let events_history = match (settings.history, all) {
            (Some(HistoryLength::Events(n)), Some(all)) if own && n + steady > all => return Err(too_many(n, all)),
            (Some(HistoryLength::Events(n)), _) => n,
            (Some(HistoryLength::All), Some(all)) => all.saturating_sub(steady),
            (Some(HistoryLength::All), None) => {
                let problem = "goes with events that end; give a number, such as 10M".into();
                return Err(CompareError::Setting { option: "--history", value: "all".into(), problem });
            }
            (None, Some(all)) if own => all - steady,
            (None, Some(_)) => HISTORY_OF_FLIGHTS,
            (None, None) if workload.name == "pageviews" => HISTORY_OF_PAGEVIEWS,
            (None, None) => HISTORY_OF_OTHERS,
        };
        let events_ignored = if own { all.unwrap_or(0) - events_history - steady } else { 0 };
        let workload = if own { workload } else { workload.last(events_history + steady) };
        let history = match (own, all, workload.years()) {
            (true, ..) => result::HistorySource::File,
            (_, None, _) => result::HistorySource::Generated,
            (_, Some(_), Some(years)) => result::HistorySource::Tiled { years },
            (_, Some(_), None) => result::HistorySource::Recorded,
        };
        Ok(Asked { workload, job, query: spec, systems, left_out, events_history, events_steady: steady, events_ignored, history, name })
    }

    /// What is not as one might expect, a line each.
    pub fn notes(&self, settings: &CompareSettings) -> Vec<String> {
        let mut notes = Vec::new();
        if self.events_ignored > 0 {
            notes.push(format!("{} of your events are not played: --history all plays them all", self.events_ignored));
        }
        if let result::HistorySource::Tiled { years } = self.history {
            notes.push(format!("the recorded flights are laid out over {years} years, 365 days apart"));
        }
        let wanted = (settings.rate * settings.duration.as_secs_f64()).round() as u64;
        if self.events_steady < wanted {
            notes.push(format!("there are only {} events for the steady phase, where {wanted} were wanted", self.events_steady));
        }
        let asked = if settings.matrix { 0 } else { settings.architectures.len() };
        if asked > self.systems.len() {
            let left: Vec<&str> = self.systems.iter().map(|s| s.name.as_str()).collect();
            let why = if self.job.is_written_by_hand() { "" } else { ", because nobody has written this query by hand" };
            notes.push(format!("some of the architectures are the same here{why}; compared are {}", left.join(", ")));
        }
        let reasons: BTreeSet<&str> = self.left_out.iter().map(|left| left.reason.as_str()).collect();
        for reason in reasons {
            let cells = self.left_out.iter().filter(|left| left.reason == reason).map(|left| left.name.as_str());
            notes.push(format!("left out of the cross, because {reason}: {}", cells.collect::<Vec<_>>().join(", ")));
        }
        notes
    }

    /// For the result.
    pub fn settings(&self, settings: &CompareSettings, prices: Prices) -> Settings {
        let name_of = |s: &Chosen| result::ComparedSystem {
            name: s.name.clone(),
            architecture: s.architecture.clone(),
            wiring: s.factors.architecture.to_string(),
            batch_engine: s.factors.batch_engine.map(|e| e.to_string()),
            speed_engine: s.factors.speed_engine.map(|e| e.to_string()),
            language: Some(s.factors.language.to_string()),
        };
        let mut architectures: Vec<String> = Vec::new();
        for system in &self.systems {
            if !architectures.contains(&system.architecture) {
                architectures.push(system.architecture.clone());
            }
        }
        Settings {
            workload: self.name.clone(),
            architectures,
            systems: self.systems.iter().map(name_of).collect(),
            rate: settings.rate,
            duration_s: self.events_steady as f64 / settings.rate,
            repeats: settings.repeats,
            partitions: settings.partitions,
            workers: settings.workers,
            log: settings.log.as_ref().map(Address::to_string),
            events_history: self.events_history,
            history: self.history.clone(),
            events_ignored: self.events_ignored,
            left_out: self.left_out.clone(),
            events_steady: self.events_steady,
            batch_interval_ms: settings.batch_interval.as_secs_f64() * 1e3,
            incremental: settings.incremental,
            speed_lateness_ms: settings.speed_lateness.map(|l| l.as_secs_f64() * 1e3),
            publish_interval_ms: settings.publish_interval.as_secs_f64() * 1e3,
            state: settings.state.to_string(),
            checkpoint_interval_ms: (settings.state != StateBackend::Memory).then_some(settings.checkpoint_interval.as_secs_f64() * 1e3),
            sql_v1: self.query.sql_v1.clone(),
            sql_v2: self.query.sql_v2.clone(),
            prices,
            month: settings.month.clone(),
        }
    }

    /// For one child.
    pub fn spec(&self, settings: &CompareSettings, planned: &PlannedRun, folder: &Folder) -> RunSpec {
        let (dir, out) = folder.places(&planned.architecture, planned.repeat);
        let system = self.systems.iter().find(|s| s.name == planned.architecture).expect("what is planned was chosen");
        RunSpec {
            architecture: system.name.clone(),
            family: system.architecture.clone(),
            factors: system.factors,
            repeat: planned.repeat,
            seed: settings.seed.wrapping_add(u64::from(planned.repeat)),
            query: self.query.clone(),
            prepared: folder.prepared(),
            topic: self.workload.name.clone(),
            rate: settings.rate,
            workers: settings.workers,
            log: settings.log.as_ref().map(|place| topics::of_run(place, planned)),
            batch_interval_ms: settings.batch_interval.as_secs_f64() * 1e3,
            incremental: settings.incremental,
            speed_lateness_ms: settings.speed_lateness.map(|l| l.as_secs_f64() * 1e3),
            publish_interval_ms: settings.publish_interval.as_secs_f64() * 1e3,
            state: settings.state.clone(),
            checkpoint_interval_ms: settings.checkpoint_interval.as_secs_f64() * 1e3,
            read_rate: settings.read_rate,
            full_read_rate: settings.full_read_rate,
            deploys: settings.deploys,
            throttle: settings.throttle,
            kill_after_ms: settings.kill.map(|(_, after)| after.as_secs_f64() * 1e3),
            kill: settings.kill.map_or(Killed::default(), |(what, _)| what),
            dir,
            out,
        }
    }
}

fn workload(settings: &CompareSettings, keys: Option<u64>) -> Result<Workload, CompareError> {
    let Some(first) = settings.events.first() else {
        return match (settings.workload.as_str(), keys) {
            ("pageviews", Some(urls)) => Ok(Pageviews { seed: settings.seed, urls, ..Pageviews::default() }.workload()),
            (_, Some(_)) => Err(CompareError::Setting {
                option: "--sweep",
                value: "keys".into(),
                problem: "goes with --workload pageviews, whose urls are the keys".into(),
            }),
            (name, None) => Ok(built_in(name, settings.seed)?),
        };
    };
    let Some(sql) = &settings.sql else {
        return Err(CompareError::Setting {
            option: "--events",
            value: first.path.display().to_string(),
            problem: "needs the query to ask of them: give --sql TEXT_OR_FILE".into(),
        });
    };
    Ok(workloads::own(&settings.events, &settings.read, sql, settings.fix.as_deref())?)
}

/// What is asked. Where nothing is deployed there is no version but the first, and it is the truth.
fn query(settings: &CompareSettings, workload: &Workload) -> Result<QuerySpec, CompareError> {
    let query = both_versions(settings, workload)?;
    Ok(if settings.deploys { query } else { QuerySpec { sql_v2: query.sql_v1.clone(), ..query } })
}

/// The query of the workload, or the user's own over its events.
fn both_versions(settings: &CompareSettings, workload: &Workload) -> Result<QuerySpec, CompareError> {
    if let (Some(sql), true) = (&settings.sql, settings.events.is_empty()) {
        let sql_v1 = text_or_file("--sql", sql)?;
        let sql_v2 = settings.fix.as_ref().map_or_else(|| Ok(sql_v1.clone()), |fix| text_or_file("--fix", fix))?;
        return Ok(QuerySpec { name: "sql".into(), sql_v1, sql_v2 });
    }
    let query = workload.query(settings.query.as_deref())?;
    Ok(QuerySpec { name: query.name.clone(), sql_v1: query.sql(1).to_string(), sql_v2: query.sql(2).to_string() })
}

/// Point reads ask both versions for the same keys.
fn same_answers(settings: &CompareSettings, v1: &Query, v2: &Query) -> Result<(), CompareError> {
    let types = |query: &Query| query.keys.iter().map(|k| k.expr.data_type).collect::<Vec<_>>();
    if types(v1) == types(v2) && v1.rows == v2.rows {
        return Ok(());
    }
    Err(CompareError::Setting {
        option: "--fix",
        value: settings.fix.clone().unwrap_or_default(),
        problem: "groups by other types than --sql does: a fix corrects values, and answers keep their keys".into(),
    })
}

/// The systems that are meant, each once. What is impossible is refused by name; in a cross it is left out, with the reason.
fn chosen(settings: &CompareSettings, job: &Job, schema: &Schema) -> Result<(Vec<Chosen>, Vec<LeftOut>), CompareError> {
    let CompareSettings { batch_engine, speed_engine, language, .. } = *settings;
    let refuse = |option, value: &str, problem: &str| CompareError::Setting { option, value: value.into(), problem: problem.into() };
    if language == Some(Language::Hand) && !job.is_written_by_hand() {
        return Err(refuse("--language", "hand", "nobody has written this query by hand; give --language sql"));
    }
    let late_by_hand = |f: &Factors| {
        let by_hand = settings.speed_lateness.is_some() && f.speed_engine.is_some() && job.language(f.language) == Language::Hand;
        by_hand.then_some("what is late is left out by the compiled query, and this one is written by hand")
    };
    // Lambda's parts by hand are groups as the compiled ones are.
    let kept_by_hand = |f: &Factors| {
        let finals = f.architecture != Architecture::Lambda && f.speed_engine.is_some() && job.language(f.language) == Language::Hand;
        (finals && settings.state != StateBackend::Memory)
            .then_some("final values by hand are kept in their own dataflow, which no checkpoint reaches")
    };
    let not_incremental = |f: &Factors| {
        let other = settings.incremental && f.batch_engine.is_some_and(|engine| engine != BatchEngine::Rayon);
        other.then_some("only rayon goes on from its last batch view")
    };
    let mut chosen: Vec<Chosen> = Vec::new();
    if settings.matrix {
        let wanted = |f: &Factors| f.with(batch_engine, speed_engine, language) == *f;
        let unwritten = |f: &Factors| (f.language != job.language(f.language)).then_some("nobody has written this query by hand");
        let mut left_out = Vec::new();
        for factors in Factors::cross().filter(wanted) {
            let name = factors.name();
            let known = factors.impossible().or(unwritten(&factors)).or(not_incremental(&factors)).or(late_by_hand(&factors));
            let known = known.or(kept_by_hand(&factors)).map(String::from);
            match known.or_else(|| unsupported(job, &factors, schema).map(|(_, problem)| problem)) {
                None => chosen.push(Chosen { name, architecture: factors.architecture.to_string(), factors }),
                Some(reason) => left_out.push(LeftOut { name, reason }),
            }
        }
        return Ok((chosen, left_out));
    }
    for name in &settings.architectures {
        let preset = Factors::preset(name).map_err(|e| refuse("--architectures", name, &e.to_string()))?;
        let changed = preset.with(batch_engine, speed_engine, language);
        let factors = Factors { language: job.language(changed.language), ..changed };
        if let Some(problem) = factors.impossible() {
            return Err(refuse("--architectures", name, &format!("cannot be made of {}: {problem}", factors.name())));
        }
        if let Some(problem) = late_by_hand(&factors) {
            return Err(refuse("--speed-lateness", name, &format!("{problem}; give --language sql")));
        }
        if let Some(problem) = kept_by_hand(&factors) {
            return Err(refuse("--state", name, &format!("{problem}; give --language sql, or keep its state in memory")));
        }
        if let Some(problem) = not_incremental(&factors) {
            return Err(refuse("--incremental", name, &format!("{problem}; give --batch-engine rayon --language sql")));
        }
        if let Some((instead, problem)) = unsupported(job, &factors, schema) {
            return Err(refuse("--architectures", name, &format!("{problem}; give {instead}")));
        }
        if chosen.iter().all(|c| c.factors != factors) {
            // A preset keeps its name where only its language is not to be had.
            let name = if changed == preset { name.clone() } else { factors.name() };
            chosen.push(Chosen { architecture: name.clone(), name, factors });
        }
    }
    if settings.twins {
        let again = |c: &Chosen| Chosen { name: format!("{}-again", c.name), ..c.clone() };
        chosen = chosen.iter().flat_map(|c| [c.clone(), again(c)]).collect();
    }
    Ok((chosen, vec![]))
}

/// What of the SQL an engine cannot do, and the option that names another.
fn unsupported(job: &Job, factors: &Factors, schema: &Schema) -> Option<(&'static str, String)> {
    if factors.language != Language::Sql {
        return None;
    }
    [1, 2].into_iter().find_map(|version| {
        let query = &job.version(version).query;
        if factors.batch_engine == Some(BatchEngine::Polars)
            && let Err(error @ BatchError::Unsupported { .. }) = twopath_batch::check_polars(query, schema)
        {
            return Some(("--batch-engine rayon", error.to_string()));
        }
        let is_kept = || factors.architecture != Architecture::Lambda && twopath_speed::maintains(query, Engine::Differential).is_ok();
        match twopath_speed::folds(query, Engine::Differential) {
            Err(error @ SpeedError::Unsupported { .. }) if factors.speed_engine == Some(SpeedEngine::Differential) && !is_kept() => {
                Some(("--speed-engine timely", error.to_string()))
            }
            _ => None,
        }
    })
}

/// The text itself, or the content of the file of that name.
fn text_or_file(option: &'static str, sql: &str) -> Result<String, CompareError> {
    let file = Path::new(sql);
    if !file.is_file() {
        return Ok(sql.to_string());
    }
    std::fs::read_to_string(file).map_err(|e| CompareError::Setting { option, value: sql.into(), problem: format!("cannot be read: {e}") })
}
