use std::path::{Path, PathBuf};

/// Why a file cannot be read as events. Rows that do not fit are no error of the file: see [`super::Rejected`].
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{}: there is no such file", path.display())]
    NotFound { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: this is a folder; give one file", path.display())]
    Folder { path: PathBuf },
    #[error(
        "{}: the name does not tell the format; end it in .parquet, .csv, .tsv, .jsonl or .arrow, or give --input-format",
        path.display()
    )]
    UnknownFormat { path: PathBuf },
    #[error("{}: not a file of the format {format}: {reason}", path.display())]
    Malformed { path: PathBuf, format: &'static str, reason: String },
    #[error("{}: no column '{column}'; the file has {known}", path.display())]
    MissingColumn { path: PathBuf, column: String, known: String },
    #[error("{}: column '{column}' is not in the topic, which has {known}; choose the file's columns with --columns", path.display())]
    ExtraColumn { path: PathBuf, column: String, known: String },
    #[error("{}: two columns are called '{column}'; rename one", path.display())]
    RepeatedColumn { path: PathBuf, column: String },
    #[error("{}: column '{column}' is of the type {given}, which a topic cannot hold; leave it out with --columns", path.display())]
    ColumnType { path: PathBuf, column: String, given: String },
    #[error("{}: the time column '{column}' holds numbers; say what they count with --time-unit s, ms, us or ns", path.display())]
    TimeOfNumbers { path: PathBuf, column: String },
    #[error("{}: the time column '{column}' is of the type {given}; it must hold timestamps, or texts such as 2013-01-01T10:00:00Z", path.display())]
    TimeType { path: PathBuf, column: String, given: String },
    #[error("{}: no rows, so that the columns are not known; give --schema", path.display())]
    Empty { path: PathBuf },
    #[error(
        "'{text}' is not a schema: {reason}; write it as \"time:timestamp, name:text, n:int, x:float, ok:bool\", with * for all other columns"
    )]
    SchemaText { text: String, reason: String },
}

impl FileError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => FileError::NotFound { path: path.to_owned() },
            _ => FileError::Io { path: path.to_owned(), source },
        }
    }

    /// Something that arrow-rs said about a file.
    pub fn arrow(path: &Path, source: arrow_schema::ArrowError) -> Self {
        FileError::Malformed { path: path.to_owned(), format: "Arrow", reason: source.to_string() }
    }
}
