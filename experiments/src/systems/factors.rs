//! What is varied: the architecture, the engines of its layers, and the language of the query's logic.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SystemError;

macro_rules! factor {
    ($(#[$about:meta])* $name:ident, $what:literal, $($(#[$doc:meta])* $variant:ident = $text:literal),+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// All there are.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// As in options and results.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let known = || Self::ALL.iter().map(|v| v.name()).collect::<Vec<_>>().join(", ");
                Self::ALL.iter().copied().find(|v| v.name() == text).ok_or_else(|| format!("there is no {} '{text}'; choose from {}", $what, known()))
            }
        }
    };
}

factor!(
    /// Which paths there are, and how they meet.
    Architecture, "architecture",
    /// Periodic full recomputation, nothing else.
    Batch = "batch",
    /// A batch path and a speed path, merged.
    Lambda = "lambda",
    /// One path, replayed by the next version.
    Kappa = "kappa",
    /// One path whose history the batch engine computes.
    KappaBackfill = "kappa-backfill"
);
factor!(
    /// Who computes batch views.
    BatchEngine, "batch engine",
    /// polars, the whole query as one lazy plan.
    Polars = "polars",
    /// Compiled kernels over parts of the log, on rayon.
    Rayon = "rayon",
    /// A replay by the stream engine timely, up to the horizon.
    Timely = "timely"
);
factor!(
    /// Who follows the log.
    SpeedEngine, "speed engine",
    Timely = "timely",
    Differential = "differential"
);
factor!(
    /// How the logic of the layers is written.
    Language, "language",
    /// By hand, for each engine.
    Hand = "hand",
    /// One SQL text for all.
    Sql = "sql"
);

/// One cell of the cross: what makes one system differ from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Factors {
    pub architecture: Architecture,
    /// None where the architecture has no batch layer.
    pub batch_engine: Option<BatchEngine>,
    /// None where it has no speed layer.
    pub speed_engine: Option<SpeedEngine>,
    pub language: Language,
}

/// Short names of the cells that are asked for most.
const PRESETS: [(&str, Factors); 7] = [
    ("batch", cell(Architecture::Batch, Some(BatchEngine::Polars), None, Language::Hand)),
    ("lambda", cell(Architecture::Lambda, Some(BatchEngine::Polars), Some(SpeedEngine::Timely), Language::Hand)),
    ("lambda-sql", cell(Architecture::Lambda, Some(BatchEngine::Polars), Some(SpeedEngine::Timely), Language::Sql)),
    ("lambda-timely", cell(Architecture::Lambda, Some(BatchEngine::Timely), Some(SpeedEngine::Timely), Language::Hand)),
    ("kappa", cell(Architecture::Kappa, None, Some(SpeedEngine::Timely), Language::Hand)),
    ("kappa-sql", cell(Architecture::Kappa, None, Some(SpeedEngine::Timely), Language::Sql)),
    ("kappa-backfill", cell(Architecture::KappaBackfill, Some(BatchEngine::Polars), Some(SpeedEngine::Timely), Language::Hand)),
];

const fn cell(
    architecture: Architecture,
    batch_engine: Option<BatchEngine>,
    speed_engine: Option<SpeedEngine>,
    language: Language,
) -> Factors {
    Factors { architecture, batch_engine, speed_engine, language }
}

/// The names of the presets.
pub fn presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

impl Factors {
    /// The cell of a preset's name.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn preset(name: &str) -> Result<Self, SystemError> {
        let found = PRESETS.iter().find(|(known, _)| *known == name);
        found.map(|(_, factors)| *factors).ok_or_else(|| SystemError::Unknown { name: name.into() })
    }

    /// The preset's name, where the cell has one; else the architecture with what is not its preset's: `lambda+rayon+sql`.
    pub fn name(&self) -> String {
        if let Some((name, _)) = PRESETS.iter().find(|(_, factors)| factors == self) {
            return (*name).into();
        }
        let engines = [self.batch_engine.map(BatchEngine::name), self.speed_engine.map(SpeedEngine::name)];
        let parts = [self.architecture.name()].into_iter().chain(engines.into_iter().flatten()).chain([self.language.name()]);
        parts.collect::<Vec<_>>().join("+")
    }

    /// With one factor changed, where the architecture has the layer; and in the language that its job is written in.
    pub fn with(self, batch: Option<BatchEngine>, speed: Option<SpeedEngine>, language: Option<Language>) -> Self {
        Factors {
            batch_engine: self.batch_engine.map(|engine| batch.unwrap_or(engine)),
            speed_engine: self.speed_engine.map(|engine| speed.unwrap_or(engine)),
            language: language.unwrap_or(self.language),
            ..self
        }
    }

    /// Why nothing can be made of this cell; none where it can.
    pub fn impossible(&self) -> Option<&'static str> {
        match self {
            Factors { batch_engine: Some(BatchEngine::Rayon), language: Language::Hand, .. } => {
                Some("rayon runs compiled SQL only: nothing is written by hand for it")
            }
            Factors { architecture: Architecture::KappaBackfill, batch_engine: Some(BatchEngine::Timely), .. } => {
                Some("a history computed by a replay of timely is what kappa does")
            }
            // A replay gives the view that the same engine goes on from: two stream engines in one system separate nothing.
            Factors { batch_engine: Some(BatchEngine::Timely), speed_engine: Some(SpeedEngine::Differential), .. } => {
                Some("timely in the batch layer is the control that has one engine in both: use it with --speed-engine timely")
            }
            _ => None,
        }
    }

    /// Every cell of the cross, the possible and the impossible ones.
    pub fn cross() -> impl Iterator<Item = Factors> {
        let of = |architecture| {
            let batch: Vec<_> = match architecture {
                Architecture::Kappa => vec![None],
                _ => BatchEngine::ALL.iter().copied().map(Some).collect(),
            };
            let speed: Vec<_> = match architecture {
                Architecture::Batch => vec![None],
                _ => SpeedEngine::ALL.iter().copied().map(Some).collect(),
            };
            let mut cells = Vec::new();
            for &batch_engine in &batch {
                for &speed_engine in &speed {
                    cells.extend(Language::ALL.iter().map(|&language| Factors { architecture, batch_engine, speed_engine, language }));
                }
            }
            cells
        };
        Architecture::ALL.iter().copied().flat_map(of)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unambiguous() {
        let all: Vec<Factors> = Factors::cross().collect();
        let names: BTreeSet<String> = all.iter().map(Factors::name).collect();
        assert_eq!(names.len(), all.len());
        for name in presets() {
            assert_eq!(Factors::preset(name).unwrap().name(), name);
            assert_eq!(Factors::preset(name).unwrap().impossible(), None, "{name}");
            assert!(names.contains(name), "{name} is a cell of the cross");
        }
        assert!(Factors::preset("delta").is_err());
    }

    #[test]
    fn one_factor_changes_at_a_time() {
        let lambda = Factors::preset("lambda").unwrap();
        assert_eq!(lambda.with(None, None, Some(Language::Sql)).name(), "lambda-sql");
        assert_eq!(lambda.with(Some(BatchEngine::Rayon), None, Some(Language::Sql)).name(), "lambda+rayon+timely+sql");
        assert!(lambda.with(Some(BatchEngine::Rayon), None, None).impossible().is_some());
        let kappa = Factors::preset("kappa").unwrap();
        assert_eq!(kappa.with(Some(BatchEngine::Rayon), None, None), kappa, "it has no batch layer to change");
    }

    #[test]
    fn the_cross_has_every_cell_once() {
        let cells: Vec<Factors> = Factors::cross().collect();
        // batch 3 × 2, lambda 3 × 2 × 2, kappa 2 × 2, kappa-backfill 3 × 2 × 2.
        assert_eq!(cells.len(), 6 + 12 + 4 + 12);
        assert_eq!(cells.iter().collect::<BTreeSet<_>>().len(), cells.len());
    }
}
