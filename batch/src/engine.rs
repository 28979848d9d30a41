//! Which engine computes a batch view.

use std::fmt;
use std::str::FromStr;

use crate::BatchError;

/// The two engines of the batch layer. They share nothing above the log's bytes.
///
/// ```
/// use twopath_batch::Engine;
///
/// assert_eq!("rayon".parse::<Engine>().unwrap(), Engine::Rayon);
/// assert_eq!(Engine::default().to_string(), "polars");
/// assert_eq!("spark".parse::<Engine>().unwrap_err().to_string(), "there is no batch engine 'spark'; choose polars or rayon");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Engine {
    /// One lazy plan of polars over the log, aggregation included: from SQL or by hand.
    #[default]
    Polars,
    /// Parts of the log side by side on rayon's threads, through the compiled kernels of [`twopath_view`] that the stream engine uses, too.
    Rayon,
}

impl Engine {
    pub const ALL: [Engine; 2] = [Engine::Polars, Engine::Rayon];

    /// As on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Polars => "polars",
            Engine::Rayon => "rayon",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Engine {
    type Err = BatchError;

    fn from_str(name: &str) -> Result<Self, BatchError> {
        Engine::ALL.into_iter().find(|e| e.name() == name).ok_or_else(|| BatchError::UnknownEngine { name: name.to_owned() })
    }
}
