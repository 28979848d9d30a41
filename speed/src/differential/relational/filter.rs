//! The rows for which a condition is TRUE.

use std::sync::Arc;

use twopath_query::Expr;

use super::Operator;
use super::collection::{Collection, Errors, evaluated};
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;

pub struct Filter {
    condition: Arc<Compiled>,
}

impl Filter {
    pub fn new(condition: &Expr) -> Result<Self, SpeedError> {
        Ok(Filter { condition: Arc::new(compile(condition)?) })
    }
}

impl Operator for Filter {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let condition = Arc::clone(&self.condition);
        evaluated(inputs.remove(0), "Filter", errors, move |row| Ok(condition.is_true(Row::Values(&row))?.then_some(row)))
    }
}
