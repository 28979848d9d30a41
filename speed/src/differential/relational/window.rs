//! Each row once for every window of a fixed kind that it is in: tumbling, hopping, cumulating.

use std::sync::Arc;

use twopath_query::plan::Window;
use twopath_query::{DataType, EvalError, Expr};

use super::Operator;
use super::collection::{Collection, Errors, Tuple, evaluated};
use crate::differential::datum::Datum;
use crate::differential::expr::{Compiled, Row, compile};
use crate::error::SpeedError;

#[derive(Clone)]
pub struct Windows {
    column: usize,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// The start is an expression; a row without a time is in the window without a start.
    Tumble(Arc<Compiled>),
    Hop {
        slide: i128,
        size: i128,
        offset: i128,
    },
    Cumulate {
        step: i128,
        size: i128,
        offset: i128,
    },
}

impl Windows {
    /// # Panics
    /// For sessions, which are not known of one row.
    pub fn new(column: usize, window: &Window) -> Result<Self, SpeedError> {
        let kind = match *window {
            Window::Tumble { size, offset_us } => {
                Kind::Tumble(Arc::new(compile(&size.start(Expr::column(column, DataType::Timestamp), offset_us))?))
            }
            Window::Hop { slide_us, size_us, offset_us } => {
                Kind::Hop { slide: slide_us.into(), size: size_us.into(), offset: offset_us.into() }
            }
            Window::Cumulate { step_us, size_us, offset_us } => {
                Kind::Cumulate { step: step_us.into(), size: size_us.into(), offset: offset_us.into() }
            }
            Window::Session { .. } => unreachable!("a session is not known of one row"),
        };
        Ok(Windows { column, kind })
    }

    /// What names the row's windows.
    fn bounds(&self, row: &Tuple) -> Result<Vec<Datum>, EvalError> {
        let time = |us: i128| i64::try_from(us).map_err(|_| EvalError::OutOfRange);
        let mut bounds = Vec::new();
        match (&self.kind, &row[self.column]) {
            (Kind::Tumble(start), _) => bounds.push(start.eval(Row::Values(row))?),
            (Kind::Hop { slide, size, offset }, Datum::Timestamp(at)) => {
                let at = i128::from(*at);
                let mut start = at - (at - offset).rem_euclid(*slide);
                while start > at - size {
                    time(start + size)?;
                    bounds.push(Datum::Timestamp(time(start)?));
                    start -= slide;
                }
            }
            (Kind::Cumulate { step, size, offset }, Datum::Timestamp(at)) => {
                let at = i128::from(*at);
                let start = at - (at - offset).rem_euclid(*size);
                time(start)?;
                let mut end = start + ((at - start) / step + 1) * step;
                while end <= start + size {
                    bounds.push(Datum::Timestamp(time(end)?));
                    end += step;
                }
            }
            _ => {}
        }
        Ok(bounds)
    }
}

impl Operator for Windows {
    fn over<'s>(&self, mut inputs: Vec<Collection<'s>>, errors: &mut Errors<'s>) -> Collection<'s> {
        let windows = self.clone();
        evaluated(inputs.remove(0), "Windows", errors, move |row: Tuple| {
            let bounds = windows.bounds(&row)?;
            Ok(bounds.into_iter().map(move |bound| row.iter().cloned().chain([bound]).collect::<Tuple>()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_in_each_window_that_holds_its_time() {
        let bounds = |window: Window, at: Datum| Windows::new(0, &window).unwrap().bounds(&Tuple::from([at]));
        let times = |times: &[i64]| Ok(times.iter().map(|&us| Datum::Timestamp(us)).collect::<Vec<_>>());
        let hop = |slide_us, size_us, offset_us| Window::Hop { slide_us, size_us, offset_us };
        assert_eq!(bounds(hop(4, 10, 1), Datum::Timestamp(17)), times(&[17, 13, 9]));
        assert_eq!(bounds(hop(10, 5, 0), Datum::Timestamp(17)), times(&[]));
        assert_eq!(bounds(hop(5, 10, 0), Datum::Null), times(&[]));
        assert_eq!(bounds(hop(5, 10, 0), Datum::Timestamp(i64::MAX)), Err(EvalError::OutOfRange));
        let cumulate = Window::Cumulate { step_us: 5, size_us: 20, offset_us: 0 };
        assert_eq!(bounds(cumulate, Datum::Timestamp(10)), times(&[15, 20]));
    }
}
