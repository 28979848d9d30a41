//! `twopath log create`.

use std::process::ExitCode;

use clap::Args;
use twopath_log::Address;

use super::TopicArgs;
use crate::cli::Failure;

/// Makes an empty topic
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath log create clicks --schema 'time:timestamp, user:text, ms:int' --time-column time
  twopath log create clicks --schema clicks.schema --time-column time --key user --partitions 4
  twopath log create --log kafka://localhost:9092/clicks --schema clicks.schema --time-column time")]
pub(super) struct CreateArgs {
    /// Its name: letters, digits, '-', '_' and '.'
    topic: Option<String>,
    /// Its columns, such as 'time:timestamp, name:text, n:int, x:float, ok:bool', or a file that holds that
    #[arg(long, value_name = "TEXT_OR_FILE")]
    schema: String,
    /// The event-time column
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    #[command(flatten)]
    new: TopicArgs,
}

pub(super) fn run(place: &Address, args: &CreateArgs) -> Result<ExitCode, Failure> {
    let Some(schema) = super::schema_text(Some(&args.schema))? else { unreachable!("a schema was given") };
    if schema.rest {
        return Err(Failure::usage("a schema of a new topic names its columns; * stands for those of a file, which only an import has"));
    }
    let name = super::topic_name(place, args.topic.as_deref())?;
    let time_column = args.time_column.as_deref();
    let config = args.new.config(name, schema.arrow(time_column), time_column);
    let topic = place.create_topic(config)?;
    eprintln!(
        "topic '{name}' made in {}: {} columns, {} partitions",
        match place {
            Address::Folder(dir) => dir.display().to_string(),
            Address::Kafka { servers, .. } => format!("kafka://{servers}"),
        },
        topic.schema().fields().len(),
        topic.partitions()
    );
    Ok(ExitCode::SUCCESS)
}
