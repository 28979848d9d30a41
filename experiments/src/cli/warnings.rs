//! What parts below the command line warn of (a torn tail that was cut away, a checkpoint that was passed over, housekeeping that failed), told on standard error.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// From now on, in this process. Errors are told by whoever gets them.
pub(super) fn tell() {
    // Where somebody listens already, as in tests, that one does.
    let _ = tracing::subscriber::set_global_default(Warnings(|warning| eprintln!("warning: {warning}")));
}

/// Gives each warning, as a line, to whoever tells it.
struct Warnings<T>(T);

impl<T: Fn(String) + 'static> Subscriber for Warnings<T> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with("twopath")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut warning = Warning::default();
        event.record(&mut warning);
        (self.0)(warning.message + &warning.fields);
    }

    // There are no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Warning {
    message: String,
    /// `, name: value` for each.
    fields: String,
}

impl Visit for Warning {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, ", {name}: {value:?}"),
        };
        written.expect("a text takes what is written to it");
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_a_line() {
        let (sender, heard) = std::sync::mpsc::channel();
        tracing::subscriber::with_default(Warnings(move |warning| sender.send(warning).unwrap()), || {
            let reason = "cut";
            tracing::warn!(file = %"a/b.log", offset = 7, reason, "a torn tail {}", "went");
            tracing::error!("this is told elsewhere");
            tracing::info!("and this is nobody's concern");
        });
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["a torn tail went, file: a/b.log, offset: 7, reason: cut"]);
    }
}
