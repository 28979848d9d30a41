//! VALUES: rows that are there from the start on, and stay.

use differential_dataflow::collection::AsCollection;
use timely::dataflow::operators::ToStream;
use twopath_query::{EvalError, Expr};

use super::Operator;
use super::collection::{Collection, Errors, Outcome, Tuple};
use crate::differential::datum::Datum;
use crate::differential::expr::{Row, compile};
use crate::error::SpeedError;

pub struct Values {
    rows: Vec<Outcome>,
}

impl Values {
    pub fn new(rows: &[Vec<Expr>]) -> Result<Self, SpeedError> {
        let value = |expr: &Expr| Ok::<_, SpeedError>(compile(expr)?.eval(Row::Values(&[])).map(Datum::into_key));
        let row = |exprs: &Vec<Expr>| {
            let values = exprs.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            Ok::<Outcome, SpeedError>(values.into_iter().collect())
        };
        Ok(Values { rows: rows.iter().map(row).collect::<Result<_, SpeedError>>()? })
    }
}

impl Operator for Values {
    fn over<'s>(&self, _: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let scope = errors.scope();
        // One worker has them for all.
        let own = if scope.index() == 0 { &self.rows[..] } else { &[] };
        let rows: Vec<(Tuple, u64, isize)> = own.iter().flatten().map(|row| (row.clone(), 0, 1)).collect();
        let raised: Vec<(EvalError, u64, isize)> = own.iter().filter_map(|row| row.as_ref().err()).map(|e| (e.clone(), 0, 1)).collect();
        errors.push(raised.to_stream(scope).container::<Vec<_>>().as_collection());
        rows.to_stream(scope).container::<Vec<_>>().as_collection()
    }
}
