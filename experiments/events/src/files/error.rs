use std::path::{Path, PathBuf};

/// Why a file cannot be read as events. Rows that do not fit are no error of the file: see [`super::Rejected`].
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{}: there is no such file", path.display())]
    NotFound { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: this is a folder; give one file, or several as '{}/*.csv'", path.display(), path.display())]
    Folder { path: PathBuf },
    #[error("{}: it cannot be written to the temporary folder {} first: {source}; set TMPDIR to a folder with room", path.display(), folder.display())]
    Spool { path: PathBuf, folder: PathBuf, source: std::io::Error },
    #[error("{}: this is {what}; {advice}", path.display())]
    Foreign { path: PathBuf, what: &'static str, advice: &'static str },
    #[error(
        "{}: neither the name nor the content tells the format; end the name in .parquet, .csv, .tsv, .jsonl or .arrow, or give --input-format",
        path.display()
    )]
    UnknownFormat { path: PathBuf },
    #[error("{}: not a file of the format {format}: {reason}", path.display())]
    Malformed { path: PathBuf, format: &'static str, reason: String },
    #[error(
        "{}: the quote at the start of a cell in line {line} is not closed anywhere; if quotes are text here (as in 5\"), give --no-quotes, else close it",
        path.display()
    )]
    OpenQuote { path: PathBuf, line: u64 },
    #[error(
        "{}: a quoted cell goes on from line {line} to line {last}, and each of these lines looks like a row of its own; if the quote is text, \
         give --no-quotes, and if it is one cell, say so with --quote '\"'",
        path.display()
    )]
    SwallowedRows { path: PathBuf, line: u64, last: u64 },
    #[error("{}: line {line} begins a row of more than 64 MiB; is a quote or a bracket not closed there?", path.display())]
    EndlessRow { path: PathBuf, line: u64 },
    #[error("{}: envelopes are of JSON objects, and this is another format; leave --envelope out", path.display())]
    NoEnvelopes { path: PathBuf },
    #[error("{}: an array or objects of several lines cannot be read from the middle", path.display())]
    NoParts { path: PathBuf },
    #[error(
        "{}: the first line reads as a row of its own ({cells}), not as names of columns; give --header A,B,..., and if it is no row \
         --skip-lines {skip} beside it",
        path.display()
    )]
    NoHeader { path: PathBuf, cells: String, skip: u64 },
    #[error("{}: no column '{column}'; the file has {known}", path.display())]
    MissingColumn { path: PathBuf, column: String, known: String },
    #[error("{}: column '{column}' is not in the topic, which has {known}; choose the file's columns with --columns", path.display())]
    ExtraColumn { path: PathBuf, column: String, known: String },
    #[error("{}: two columns are called '{column}'; {advice}", path.display())]
    RepeatedColumn { path: PathBuf, column: String, advice: String },
    #[error("{}: column '{column}' is of the type {given}, which a topic cannot hold; leave it out with --columns{}", path.display(), text_advice(*has_text, column))]
    ColumnType { path: PathBuf, column: String, given: String, has_text: bool },
    #[error(
        "{}: column '{column}' has intervals as Parquet keeps them, whose months would be lost; leave it out with --columns, or write the file anew \
         with a number or a text in their place, as DuckDB's epoch(v) or v::VARCHAR",
        path.display()
    )]
    ParquetInterval { path: PathBuf, column: String },
    #[error(
        "{}: the first {rows} rows have no column '{column}', which is where types are found; if later ones have it, give its type with \
         --schema '{column}:{column_type}, *'",
        path.display()
    )]
    LateColumn { path: PathBuf, column: String, column_type: &'static str, rows: usize },
    #[error(
        "{}: the time column '{column}' holds numbers; say what they count with --time-unit s, ms, us or ns, or how they are written with \
         --time-format, such as '%Y%m%d' or '%Y'",
        path.display()
    )]
    TimeOfNumbers { path: PathBuf, column: String },
    #[error("{}: the time column '{column}' is of the type {given}; it must hold timestamps, or texts such as 2013-01-01T10:00:00Z", path.display())]
    TimeType { path: PathBuf, column: String, given: String },
    #[error("{}: no rows, so that the columns are not known; give --schema", path.display())]
    Empty { path: PathBuf },
    #[error("{}: its objects have no fields, so that the columns are not known; give --schema", path.display())]
    NoFields { path: PathBuf },
    #[error(
        "'{text}' is not a schema: {reason}; write it as \"time:timestamp, name:text, n:int, x:float, price:decimal(12,2), ok:bool\", with * for all other columns"
    )]
    SchemaText { text: String, reason: String },
}

fn text_advice(has_text: bool, column: &str) -> String {
    if has_text { format!(", or take it as text with --schema '{column}:text, *'") } else { String::new() }
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
