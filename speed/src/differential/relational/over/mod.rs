//! OVER: for each row something of the rows beside it.

mod first;
mod partition;

use std::sync::Arc;

use twopath_query::plan::{OverCall, OverFunction};
use twopath_query::{EvalError, Order};

use super::Operator;
use super::aggregate::Planned;
use super::collection::{Collection, Errors, Outcome, Tuple, evaluated, outcomes, reduced};
use super::key::Key;
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;
pub use first::First;

pub struct Over {
    runs: Vec<Run>,
    /// The columns of the input.
    width: usize,
    /// Of a single run: the rows that are put out, all where `None`.
    first: Option<Bound>,
}

/// Rows for which this call, a rank, gives no more than `most`.
#[derive(Clone, Copy)]
struct Bound {
    call: usize,
    most: i64,
}

/// Calls that follow one another over the same partitions, which are computed together.
struct Run {
    by: Arc<[Compiled]>,
    calls: Arc<[Call]>,
}

/// A call, with its expressions over the rows of the input.
struct Call {
    function: Function,
    order_by: Vec<(Compiled, Order)>,
    frame: twopath_query::plan::Frame,
    /// The columns of the input. Where there are several runs, the number of the copy stands behind them, and then the columns of the runs before.
    width: usize,
}

enum Function {
    RowNumber,
    Rank,
    DenseRank,
    Aggregate { aggregate: Planned, args: Vec<Compiled> },
    Lag { arg: Compiled, rows: i64, default: Option<Compiled> },
    First(Compiled),
    Last(Compiled),
    Nth { arg: Compiled, row: u64 },
    Known { arg: Compiled, last: bool },
}

impl Over {
    pub fn new(width: usize, calls: &[OverCall]) -> Result<Self, SpeedError> {
        let mut runs = Vec::new();
        for run in calls.chunk_by(|a, b| a.partition_by == b.partition_by) {
            let by = run[0].partition_by.iter().map(compile).collect::<Result<_, _>>()?;
            let calls = run.iter().map(|call| Call::new(width, call)).collect::<Result<_, _>>()?;
            runs.push(Run { by, calls });
        }
        Ok(Over { runs, width, first: None })
    }
}

impl Call {
    fn new(width: usize, call: &OverCall) -> Result<Self, SpeedError> {
        let function = match &call.function {
            OverFunction::RowNumber => Function::RowNumber,
            OverFunction::Rank => Function::Rank,
            OverFunction::DenseRank => Function::DenseRank,
            OverFunction::Aggregate(aggregate) => {
                let mut exprs = Vec::new();
                let aggregate = Planned::new(aggregate, &mut exprs);
                Function::Aggregate { aggregate, args: exprs.iter().map(compile).collect::<Result<_, _>>()? }
            }
            OverFunction::Lag { arg, rows, default } => {
                Function::Lag { arg: compile(arg)?, rows: *rows, default: default.as_ref().map(compile).transpose()? }
            }
            OverFunction::First(arg) => Function::First(compile(arg)?),
            OverFunction::Last(arg) => Function::Last(compile(arg)?),
            OverFunction::Nth { arg, row } => Function::Nth { arg: compile(arg)?, row: *row },
            OverFunction::Known { arg, last } => Function::Known { arg: compile(arg)?, last: *last },
        };
        let order_by = call.order_by.iter().map(|o| Ok((compile(&o.expr)?, o.clone()))).collect::<Result<_, SpeedError>>()?;
        Ok(Call { function, order_by, frame: call.frame, width })
    }
}

impl Operator for Over {
    /// All rows of a partition are looked at again where one of them changes.
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let mut rows = inputs.remove(0);
        let (several, width, first) = (self.runs.len() > 1, self.width, self.first);
        for (number, Run { by, calls }) in self.runs.iter().enumerate() {
            let numbers = several && number == 0;
            let by = Arc::clone(by);
            let keyed = evaluated(rows, "Partitions", errors, move |row: Tuple| {
                let key = by.iter().map(|e| e.eval(Row::Values(&row))).collect::<Result<Key, EvalError>>()?;
                Ok(Some((key, row)))
            });
            let calls = Arc::clone(calls);
            let beside = reduced(keyed.arrange_by_key(), "Over", move |_, rows: &[(&Tuple, isize)], output: &mut Vec<(Outcome, isize)>| {
                let copies = if numbers { partition::numbered(rows) } else { Vec::new() };
                let copies: Vec<(&Tuple, isize)> = copies.iter().map(|(row, n)| (row, *n)).collect();
                match partition::with_columns(&calls, if numbers { &copies } else { rows }, first) {
                    Ok(rows) => output.extend(rows.into_iter().map(|row| (Ok(row), 1))),
                    Err(error) => output.push((Err(error), 1)),
                }
            });
            rows = outcomes(beside.as_collection(|_, outcome| outcome.clone()), "Beside", errors);
        }
        if !several {
            return rows;
        }
        rows.map(move |row| row[..width].iter().chain(&row[width + 1..]).cloned().collect())
    }
}
