//! `kappa-backfill`: a single path whose history is computed by the batch engine, once per version.
//!
//! ```text
//!        ┌── batch engine, once, up to a barrier ──→ batch view ───┐
//! log ───┤                                                   ├─ merge ──→ answers
//!        └── stream engine, from that barrier on ─→ generation ───┘
//! ```
//!
//! It is [`super::kappa`] with the start of [`super::lambda`].

use std::sync::Arc;

use super::kappa::{self, Path};
use super::lambda::TwoPaths;
use super::{Context, Paths};
use crate::systems::SystemError;

pub(super) fn start(context: Arc<Context>) -> Result<Box<dyn Paths>, SystemError> {
    kappa::start_with(context, backfilled)
}

fn backfilled(context: &Context, version: u32) -> Result<Path, SystemError> {
    let TwoPaths { speed, table, .. } = TwoPaths::start(context, version)?;
    Ok(Path { version, speed, table })
}
