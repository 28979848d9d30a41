/// Why there is no such workload.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error(
        "there is no workload '{name}'; choose flights or pageviews, or give your own file with --events FILE --time-column C --sql SQL"
    )]
    UnknownWorkload { name: String },
    #[error("workload '{workload}' has no query '{name}'; it has: {known}")]
    UnknownQuery { workload: String, name: String, known: String },
}
