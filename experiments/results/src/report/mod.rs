//! What a comparison found, for people: the questions and their answers, the terminal table, and `report.html`.

pub mod facts;
pub mod findings;
pub mod html;
pub mod questions;
pub mod recommendation;
pub mod table;
mod why;

use crate::result::CompareResult;

/// Fills in all that follows from the runs: questions, effects, the recommendation, findings. A sweep has to be there before.
pub fn conclude(result: &mut CompareResult) {
    result.questions = questions::questions(result);
    result.effects = crate::effects::effects(result);
    result.recommendation = recommendation::recommendation(result);
    result.findings = findings::findings(result);
}

#[cfg(test)]
pub(crate) mod sample;
