//! UNION ALL.

use super::Operator;
use super::collection::{Collection, Errors};

pub struct Union;

impl Operator for Union {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, _: &mut Errors<'s>) -> Collection<'s> {
        let first = inputs.remove(0);
        first.concatenate(inputs)
    }
}
