use std::path::PathBuf;

/// Why there is no such workload.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error(
        "there is no workload '{name}'; choose flights, departures, pageviews, nexmark, ysb or theodolite, or give your own file with --events FILE --time-column C --sql SQL"
    )]
    UnknownWorkload { name: String },
    #[error("workload '{workload}' has no query '{name}'; it has: {known}")]
    UnknownQuery { workload: String, name: String, known: String },
    #[error("{}: no rows; a comparison needs events", path.display())]
    NoEvents { path: PathBuf },
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    #[error("{count} rows of {} do not fit, the first: {first}; correct them, or import with `twopath log import --bad-rows set-aside` to see all", path.display())]
    BadRows { path: PathBuf, count: u64, first: String },
    #[error("{option} {}: {source}; give a SQL text, or the name of a file that holds one", path.display())]
    ReadSql { option: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{option}: {report}")]
    Sql { option: &'static str, report: String },
    #[error("{option} reads '{name}', and the tables that --events gives are {known}: name a file for it, as in --events {name}=FILE")]
    NoTable { option: &'static str, name: String, known: String },
    #[error("no query reads '{name}': leave --events {} out", path.display())]
    NobodyReads { name: String, path: PathBuf },
    #[error(
        "{option}: {problem}. Tables of several files are views of one topic here: in the place of UPSERT, FOR SYSTEM_TIME AS OF and WATERMARK, which ask for a topic, write ROW_NUMBER() OVER (PARTITION BY key ORDER BY time DESC) = 1, ASOF JOIN and --speed-lateness; nor do they have the log's columns (_arrival, _partition, _offset)"
    )]
    OverViews { option: &'static str, problem: String },
    #[error("the events of all files together cannot be held in memory as one table: {problem}; give fewer of them")]
    TooLarge { problem: String },
}
