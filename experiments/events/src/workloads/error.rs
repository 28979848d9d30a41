use std::path::PathBuf;

/// Why there is no such workload.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error(
        "there is no workload '{name}'; choose flights, pageviews, nexmark, ysb or theodolite, or give your own file with --events FILE --time-column C --sql SQL"
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
}
