//! How a file of one's own events is read: options that commands share.

use clap::Args;
use twopath_events::files::{Format, ReadOptions, TimeUnitOfNumbers};

use super::Failure;
use super::log::schema_text;

#[derive(Debug, Args)]
pub(super) struct ReadArgs {
    /// The event-time column of your own events
    #[arg(long, value_name = "COLUMN", requires = "events")]
    time_column: Option<String>,
    /// What the file is, where its name does not tell
    #[arg(long, value_enum, requires = "events")]
    input_format: Option<Format>,
    /// The columns to take and their types, such as 'time:timestamp, n:int', with * for all others; or a file that holds that
    #[arg(long, value_name = "TEXT_OR_FILE", requires = "events")]
    schema: Option<String>,
    /// Only these columns, in this order
    #[arg(long, value_name = "A,B,...", value_delimiter = ',', requires = "events")]
    columns: Option<Vec<String>>,
    /// What numbers in timestamp columns count, since 1970
    #[arg(long, value_enum, value_name = "UNIT", requires = "events")]
    time_unit: Option<TimeUnitOfNumbers>,
    /// CSV: what separates cells [default: a tab for .tsv, else a comma]
    #[arg(long, value_name = "CHAR", value_parser = super::log::parse_delimiter, requires = "events")]
    delimiter: Option<u8>,
    /// CSV: a cell of this text is NULL, too; may be given several times
    #[arg(long, value_name = "TEXT", requires = "events")]
    null: Vec<String>,
}

impl ReadArgs {
    /// # Errors
    /// The schema's text or file is none.
    pub fn options(self) -> Result<ReadOptions, Failure> {
        Ok(ReadOptions {
            format: self.input_format,
            schema: schema_text(self.schema.as_deref())?,
            target: None,
            time_column: self.time_column,
            time_unit: self.time_unit,
            columns: self.columns,
            delimiter: self.delimiter,
            nulls: self.null,
        })
    }
}
