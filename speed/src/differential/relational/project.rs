//! One row of these columns for each row.

use std::sync::Arc;

use twopath_query::NamedExpr;

use super::Operator;
use super::collection::{Collection, Errors, Tuple, evaluated};
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;

pub struct Project {
    columns: Arc<[Compiled]>,
}

impl Project {
    pub fn new(columns: &[NamedExpr]) -> Result<Self, SpeedError> {
        Ok(Project { columns: columns.iter().map(|c| compile(&c.expr)).collect::<Result<_, _>>()? })
    }
}

impl Operator for Project {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let columns = Arc::clone(&self.columns);
        evaluated(inputs.remove(0), "Project", errors, move |row: Tuple| {
            columns.iter().map(|column| column.eval(Row::Values(&row)).map(Datum::into_key)).collect::<Result<Tuple, _>>().map(Some)
        })
    }
}
