//! What follows from the runs.

use crate::effects::effects;
use crate::report::findings::findings;
use crate::report::questions::questions;
use crate::report::recommendation::recommendation;
use crate::result::CompareResult;

/// Fills in all that follows from the runs: questions, effects, the recommendation, findings. A sweep has to be there before.
pub fn conclude(result: &mut CompareResult) {
    result.questions = questions(result);
    result.effects = effects(result);
    result.recommendation = recommendation(result);
    result.findings = findings(result);
}
