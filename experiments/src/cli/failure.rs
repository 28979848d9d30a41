//! What a command that failed says, and the exit code that it ends with.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;

use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use twopath_query::QueryError;

/// Why a command ended without doing what it was asked.
#[derive(Debug)]
pub struct Failure {
    exit: u8,
    report: Option<Report>,
}

impl Failure {
    /// Something that could not be done, or was found to be wrong: exit code 1.
    pub fn of(error: impl Display) -> Self {
        Failure { exit: 1, report: Some(Report::new(MietteDiagnostic::new(error.to_string()))) }
    }

    /// As [`Failure::of`], with what to do about it.
    pub fn with_help(error: impl Display, help: impl Into<String>) -> Self {
        Failure { exit: 1, report: Some(Report::new(MietteDiagnostic::new(error.to_string()).with_help(help))) }
    }

    /// A command that makes no sense: exit code 2.
    pub fn usage(error: impl Display) -> Self {
        Failure { exit: 2, ..Self::of(error) }
    }

    /// As [`Failure::usage`], with what to do instead.
    pub fn usage_with_help(error: impl Display, help: impl Into<String>) -> Self {
        Failure { exit: 2, ..Self::with_help(error, help) }
    }

    /// A SQL text that is no query, with a mark under the place.
    pub fn sql(error: &QueryError, sql: &str) -> Self {
        let (start, end) = (error.span.start.min(sql.len()), error.span.end.min(sql.len()));
        let label = LabeledSpan::at(start..end.max(start), "here");
        let diagnostic = MietteDiagnostic::new(error.message.clone()).with_label(label);
        Failure { exit: 1, report: Some(Report::new(diagnostic).with_source_code(NamedSource::new("SQL", sql.to_owned()))) }
    }

    /// The reader of standard output is gone (`twopath log cat ... | head`): no failure of anybody's.
    fn pipe_closed() -> Self {
        Failure { exit: 0, report: None }
    }

    /// Tells it on standard error.
    pub(super) fn show(self) -> ExitCode {
        if let Some(report) = self.report {
            eprintln!("{report:?}");
        }
        ExitCode::from(self.exit)
    }
}

impl From<std::io::Error> for Failure {
    /// Of standard input and output; errors of files carry their names as other types.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::pipe_closed(),
            _ => Failure::of(error),
        }
    }
}

macro_rules! fails_with {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::of(chain(&error))
            }
        })*
    };
}

fails_with!(
    crate::bench::BenchError,
    crate::feeds::FeedError,
    twopath_events::files::FileError,
    crate::standing::JobError,
    crate::workflow::WorkflowError,
    twopath_events::workloads::WorkloadError,
    crate::scenarios::backpressure::BackpressureError,
    crate::scenarios::ScenarioError,
    twopath_results::kept::KeptError,
    twopath_log::LogError,
    twopath_query::EvalError,
    twopath_batch::BatchError,
    twopath_speed::SpeedError,
    twopath_serving::ServingError
);

/// An option that says what cannot be is a matter of usage.
impl From<crate::scenarios::compare::CompareError> for Failure {
    fn from(error: crate::scenarios::compare::CompareError) -> Self {
        match error {
            crate::scenarios::compare::CompareError::Setting { .. } => Failure::usage(error.to_string()),
            error => Failure::of(chain(&error)),
        }
    }
}

impl From<crate::question::QuestionError> for Failure {
    fn from(error: crate::question::QuestionError) -> Self {
        use crate::question::QuestionError as E;
        match error {
            E::Usage(message) => Failure::usage(message),
            error @ E::PastGone { .. } => Failure::of(error),
            E::Log(error) => error.into(),
            E::System(error) => error.into(),
            E::Serving(error) => error.into(),
            E::Eval(error) => error.into(),
        }
    }
}

/// An engine's own error says enough.
impl From<crate::systems::SystemError> for Failure {
    fn from(error: crate::systems::SystemError) -> Self {
        match error {
            crate::systems::SystemError::Batch(error) => error.into(),
            crate::systems::SystemError::Speed(error) => error.into(),
            error => Failure::of(chain(&error)),
        }
    }
}

/// An error and what it came from, where its own message does not say that already.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text += ": ";
            text += &inner_text;
        }
        source = inner.source();
    }
    text
}

/// How errors look: as wide as the terminal there, and in colour but for `NO_COLOR`; elsewhere plain, each message on one line, for grep.
pub(super) fn set_up_reports() {
    use std::io::IsTerminal;
    let terminal = std::io::stderr().is_terminal();
    let set = miette::set_hook(Box::new(move |_| {
        let handler = miette::MietteHandlerOpts::new().context_lines(1);
        let handler = if terminal { handler } else { handler.width(10_000).color(false).unicode(false).terminal_links(false) };
        Box::new(handler.build())
    }));
    // A second command in one process (a test) finds the hook set already.
    drop(set);
}
