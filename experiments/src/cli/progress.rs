//! How far a long command is: a bar on standard error where that is a terminal, and nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that shows what is being done; `total` 0 where the end is not known.
pub(super) fn bar(what: &str, total: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target((total > 0).then_some(total), target);
    let template = if total > 0 { "{msg} {wide_bar} {percent:>3} % {eta:>4}" } else { "{msg} {spinner}" };
    bar.set_style(ProgressStyle::with_template(template).expect("a template that indicatif reads"));
    bar.set_message(what.to_owned());
    bar
}
