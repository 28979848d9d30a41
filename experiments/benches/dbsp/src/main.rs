//! Answers a query of NEXMark's with dbsp, Feldera's incremental engine, so that Twopath's engines can be measured against it on the same
//! events.

mod events;
mod figures;
mod queries;

use std::path::Path;
use std::process::ExitCode;

/// As in dbsp's own benches: steps make and drop many small batches.
#[global_allocator]
static ALLOCATOR: dbsp::mimalloc::MiMalloc = dbsp::mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    match arguments.as_slice() {
        // Who asks nothing wants to know whether the program is there.
        [] => ExitCode::SUCCESS,
        [query, folder, out] => match queries::find(query) {
            Some(answer) => answered(answer, Path::new(folder), Path::new(out)),
            None => misused(&format!("there is no query '{query}', only {}", queries::names())),
        },
        _ => misused("usage: twopath-dbsp QUERY FOLDER OUT"),
    }
}

fn answered(answer: queries::Answer, folder: &Path, out: &Path) -> ExitCode {
    let written =
        answer(folder).and_then(|csv| std::fs::write(out, csv).map_err(|e| anyhow::anyhow!("cannot write {}: {e}", out.display())));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => said(&format!("{error:#}"), 1),
    }
}

fn misused(what: &str) -> ExitCode {
    said(what, 2)
}

/// Errors of the libraries below may have several lines; here each is one.
fn said(what: &str, code: u8) -> ExitCode {
    eprintln!("twopath-dbsp: {}", what.split_whitespace().collect::<Vec<_>>().join(" "));
    ExitCode::from(code)
}
