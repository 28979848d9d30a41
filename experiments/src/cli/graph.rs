//! `twopath graph`: who reads what, and how far behind it is.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use twopath_log::Log;
use twopath_query::Value;

use super::{Failure, output};
use crate::feeds::{Graph, NodeKind};

/// Shows topics, the feeds between them, the groups that read them, and the lag on each edge
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath graph
  twopath graph --format json
  twopath graph --format dot | dot -Tsvg > graph.svg")]
pub(super) struct GraphArgs {
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One object: {"nodes":[...],"edges":[{"from","to","to_kind","lag"}]}
    Json,
    /// For Graphviz
    Dot,
}

pub(super) fn run(dir: &Path, args: &GraphArgs) -> Result<ExitCode, Failure> {
    if !dir.is_dir() {
        let message = format!("{}: there is no such folder of topics", dir.display());
        return Err(Failure::with_help(message, "name it with --dir, or make a topic with `twopath log create` or `twopath log import`"));
    }
    let graph = Graph::read(&Log::open(dir)?)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Dot => out.write_all(graph.dot().as_bytes())?,
        Format::Json => output::report(&mut out, &graph)?,
        Format::Table => table(&mut out, &graph)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(out: &mut dyn Write, graph: &Graph) -> Result<(), Failure> {
    let text = |t: &str| Value::Text(t.into());
    let kind = |kind: NodeKind| text(&format!("{kind:?}").to_lowercase());
    let number = |n: u64| Value::Int(n as i64);
    let nodes: Vec<Vec<Value>> =
        graph.nodes.iter().map(|n| vec![kind(n.kind), text(&n.name), number(n.records), number(n.partitions)]).collect();
    output::table(out, &["what", "name", "records", "partitions"].map(String::from), &nodes)?;
    writeln!(out)?;
    let edges: Vec<Vec<Value>> = graph
        .edges
        .iter()
        .map(|e| vec![text(&e.from), text("->"), kind(e.to_kind), text(&e.to), e.lag.map_or(Value::Null, number)])
        .collect();
    Ok(output::table(out, &["from", "", "to", "name", "lag"].map(String::from), &edges)?)
}
