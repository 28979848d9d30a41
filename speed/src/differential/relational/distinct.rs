//! Of rows that are alike, one.

use super::Operator;
use super::collection::{Collection, Errors, set};

pub struct Distinct;

impl Operator for Distinct {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        set(inputs.remove(0), "Distinct").as_collection(|row, ()| row.clone())
    }
}
