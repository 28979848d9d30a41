//! `lambda-sql`: the wiring of [`super::lambda`]; one SQL text is compiled to both engines.
//!
//! ```text
//!              ┌─ compiled ─→ polars ─→ batch view ───┐
//! SQL, log ────┤                                      ├─ merge ──→ answers
//!              └─ compiled ─→ timely ─→ generations ──┘
//! ```

use std::sync::Arc;

use crate::systems::code::Part;
use super::lambda::{self, BatchEngine, Layers};
use crate::systems::{Architecture, ArchitectureError, Context, Written};

pub(in crate::systems) const LISTED: &[Part] = &[Part::Sql];

pub(in crate::systems) fn start(context: Arc<Context>) -> Result<Box<dyn Architecture>, ArchitectureError> {
    lambda::start_with(context, Layers { batch: BatchEngine::Polars, written: Written::Sql })
}
