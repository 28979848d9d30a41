//! When what has changed is appended.

use std::time::Duration;

use twopath_base::Position;

use crate::control::Control;

/// See the module.
pub(crate) enum When {
    /// With each epoch.
    AtOnce,
    /// When all is read that there was when the log was looked at last ([`Control::is_done`]).
    Due,
    /// At the end.
    At(Position),
}

impl When {
    /// `every` is the interval, if there is one, and `to` where the feed ends, if it does.
    pub fn of(every: Option<Duration>, to: Option<&Position>) -> When {
        match (every, to) {
            (None, _) => When::AtOnce,
            (Some(_), None) => When::Due,
            (Some(_), Some(to)) => When::At(to.clone()),
        }
    }

    /// Whether it is time, having read so far.
    pub fn is_now(&self, at: &Position, control: &Control) -> bool {
        match self {
            When::AtOnce => true,
            When::Due => control.is_done(at),
            When::At(end) => at.covers(end),
        }
    }
}
