//! `kappa-backfill`: a single path whose history is computed by the batch engine, once per version.
//!
//! ```text
//!        ┌── polars, once, up to a barrier ──→ batch view ───┐
//! log ───┤                                                   ├─ merge ──→ answers
//!        └── timely, from that barrier on ───→ generation ───┘
//! ```
//!
//! It is [`super::kappa`] with the start of [`super::lambda`].

use std::sync::Arc;

use crate::systems::code::Part;
use super::kappa::{self, Path};
use super::lambda::{BatchEngine, Layers, Paths};
use crate::systems::{Architecture, ArchitectureError, Context, Written};

pub(in crate::systems) const LISTED: &[Part] = &[Part::Batch, Part::Speed];
const LAYERS: Layers = Layers { batch: BatchEngine::Polars, written: Written::Hand };

pub(in crate::systems) fn start(context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    kappa::start_with(context, backfilled)
}

fn backfilled(context: &Context, version: u32) -> Result<Path, ArchitectureError> {
    let Paths { speed, table, .. } = Paths::start(context, LAYERS, version)?;
    Ok(Path { speed, table })
}
