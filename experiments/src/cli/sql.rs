//! SQL given on the command line.

use twopath_events::sql_text;

use super::Failure;

/// As [`sql_text`], with the message of a failure.
pub(super) fn read_sql(text_or_file: &str) -> Result<String, Failure> {
    sql_text(text_or_file)
        .map_err(|e| Failure::with_help(format!("{text_or_file}: {e}"), "give a SQL text, or the name of a file that holds one"))
}
