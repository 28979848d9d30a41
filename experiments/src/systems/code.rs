//! What code a system makes people write, and what a fix of it touches: which texts those are. They are counted by
//! [`twopath_results::code`].
//!
//! By hand it is, of each layer that the architecture has, the query's whole file in both versions, with the prelude that the layer's files
//! share, and how parts merge and finish where layers meet; else the SQL text.

use super::twopath::wiring::{kind, stream_engine};
use super::{Architecture, BatchEngine, Factors, Job, Language, SpeedEngine, SystemError};
use twopath_results::code::{CodeFile, Language as FileLanguage, count};
use twopath_results::result::Code;

const BATCH_PRELUDE: &str = include_str!("../../../batch/src/jobs/prelude.rs");

/// What a system makes people write for a job.
pub fn code(factors: &Factors, job: &Job) -> Result<Code, SystemError> {
    Ok(count(&files(factors, job))?)
}

fn files(factors: &Factors, job: &Job) -> Vec<CodeFile> {
    let by_stream_engine = factors.batch_engine == Some(BatchEngine::Timely);
    let layers: Vec<&str> = [(factors.batch_engine.is_some(), "batch"), (factors.speed_engine.is_some(), "speed")]
        .iter()
        .filter_map(|(has, layer)| has.then_some(*layer))
        .collect();
    if job.language(factors.language) == Language::Sql {
        return vec![file(&layers, format!("{}.sql", job.name), FileLanguage::Sql, &job.v1.sql, &job.v2.sql)];
    }
    // Of what is not fixed there is one version.
    let fixed = if job.has_fix() { 2 } else { 1 };
    let rust = |layers: &[&str], name: String, v1: &str, v2: &str| file(layers, name, FileLanguage::Rust, v1, v2);
    let mut files = Vec::new();
    if factors.batch_engine.is_some() && !by_stream_engine {
        let source = |version| twopath_batch::jobs::hand_written(&job.topic, (&*job.name, version)).map_or("", |hand| hand.source);
        files.push(rust(&["batch"], format!("{}.rs, for polars", job.name), source(1), source(fixed)));
        files.push(rust(&["batch"], "prelude.rs, for polars".into(), BATCH_PRELUDE, BATCH_PRELUDE));
    }
    if factors.speed_engine.is_some() || by_stream_engine {
        use twopath_jobs::{PRELUDE, hand_written};
        let engine = factors.speed_engine.unwrap_or(SpeedEngine::Timely);
        let (engine_of, kind) = (stream_engine(engine), kind(factors.architecture));
        let source = |version| hand_written(&job.topic, (&*job.name, version), engine_of, kind).map_or("", |hand| hand.source);
        let of: &[&str] = match (by_stream_engine, factors.speed_engine) {
            (true, Some(_)) => &["batch", "speed"],
            (true, None) => &["batch"],
            (false, _) => &["speed"],
        };
        files.push(rust(of, format!("{}.rs, for {engine}", job.name), source(1), source(fixed)));
        files.push(rust(of, format!("prelude.rs, for {engine}"), PRELUDE, PRELUDE));
    }
    if factors.architecture != Architecture::Kappa {
        let source = twopath_serving::jobs::source(&job.topic, &job.name).unwrap_or("");
        files.push(rust(&["serving"], format!("{}.rs, merging", job.name), source, source));
    }
    files
}

fn file(layers: &[&str], name: String, language: FileLanguage, v1: &str, v2: &str) -> CodeFile {
    CodeFile { layers: layers.iter().map(|layer| layer.to_string()).collect(), name, language, v1: v1.into(), v2: v2.into() }
}
