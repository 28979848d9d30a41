//! `lambda-timely`: the wiring of [`super::lambda`] with timely in both layers. It separates what the architecture does from what
//! the batch engine does.
//!
//! ```text
//!        ┌── timely, replaying up to a barrier ──→ batch view ───┐
//! log ───┤                                                       ├─ merge ──→ answers
//!        └── timely, the tail, cut at barriers ──→ generations ──┘
//! ```

use std::sync::Arc;

use crate::systems::code::Part;
use super::lambda::{self, BatchEngine, Layers};
use crate::systems::{Architecture, ArchitectureError, Context, Written};

pub(in crate::systems) const LISTED: &[Part] = &[Part::Speed];

pub(in crate::systems) fn start(context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    lambda::start_with(context, Layers { batch: BatchEngine::Timely, written: Written::Hand })
}
