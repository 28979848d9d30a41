//! The built-in queries over the flights of 2013, written by hand for the stream engine.
//!
//! Version 1 computes a delay by subtracting clock times as if they were numbers; version 2 does it right, across midnight too.
//! The lines between `logic` markers are what `twopath compare` counts and shows.

use std::sync::Arc;

use arrow_arith::arity::{binary, unary};
use arrow_arith::boolean::{is_not_null, is_null};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_select::filter::filter_record_batch;
use twopath_query::{DataType, EvalError};
use twopath_view::GroupTable;

use crate::HandWritten;

/// The hand-written logic of a built-in flights query in one of its versions, if there is one: `delays_by_origin_hour`,
/// `delay_quantiles_by_carrier_day`, `distinct_tails_by_carrier_day`, `totals_by_route` or `cancelled_share_by_day`, 1 or 2.
pub fn hand_written(query: &str, version: u32) -> Option<HandWritten> {
    Some(match (query, version) {
        ("delays_by_origin_hour", 1) => v1::DELAYS_BY_ORIGIN_HOUR,
        ("delays_by_origin_hour", 2) => v2::DELAYS_BY_ORIGIN_HOUR,
        ("delay_quantiles_by_carrier_day", 1) => v1::DELAY_QUANTILES_BY_CARRIER_DAY,
        ("delay_quantiles_by_carrier_day", 2) => v2::DELAY_QUANTILES_BY_CARRIER_DAY,
        // These compute no delay: the code change leaves them as they are.
        ("distinct_tails_by_carrier_day", 1 | 2) => DISTINCT_TAILS_BY_CARRIER_DAY,
        ("totals_by_route", 1 | 2) => TOTALS_BY_ROUTE,
        ("cancelled_share_by_day", 1 | 2) => CANCELLED_SHARE_BY_DAY,
        _ => return None,
    })
}

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

const SCHED_DEP: (&str, DataType) = ("sched_dep", DataType::Timestamp);
const KNOWN: (&str, DataType) = ("known", DataType::Timestamp);
const CARRIER: (&str, DataType) = ("carrier", DataType::Text);
const TAILNUM: (&str, DataType) = ("tailnum", DataType::Text);
const ORIGIN: (&str, DataType) = ("origin", DataType::Text);
const DEST: (&str, DataType) = ("dest", DataType::Text);
const SCHED_DEP_TIME: (&str, DataType) = ("sched_dep_time", DataType::Int);
const DEP_TIME: (&str, DataType) = ("dep_time", DataType::Int);
const AIR_TIME: (&str, DataType) = ("air_time", DataType::Int);
const DISTANCE: (&str, DataType) = ("distance", DataType::Int);

/// A column of the frame; a job's columns are checked when it starts.
fn column(flights: &RecordBatch, (name, _): (&str, DataType)) -> ArrayRef {
    Arc::clone(flights.column_by_name(name).expect("a column that the job did not name"))
}

/// The start of the tumbling window that each flight falls in by its scheduled departure.
fn window(flights: &RecordBatch, size_us: i64) -> ArrayRef {
    let time = column(flights, SCHED_DEP);
    let start = unary::<_, _, TimestampMicrosecondType>(time.as_primitive::<TimestampMicrosecondType>(), |t| t - t.rem_euclid(size_us));
    Arc::new(start.with_timezone("UTC"))
}

/// The flights that took off.
fn departed(flights: &RecordBatch) -> RecordBatch {
    let took_off = is_not_null(&column(flights, DEP_TIME)).expect("never fails");
    filter_record_batch(flights, &took_off).expect("one flag per row")
}

/// Combines two number columns of one frame; NULL where either is.
fn numbers(left: &ArrayRef, right: &ArrayRef, op: impl Fn(i64, i64) -> i64) -> ArrayRef {
    let result: Int64Array = binary(left.as_primitive::<Int64Type>(), right.as_primitive::<Int64Type>(), op).expect("columns of one frame");
    Arc::new(result)
}

mod v1 {
    use super::*;

    // logic: begin version 1
    /// Minutes from the scheduled to the actual departure.
    fn delay(flights: &RecordBatch) -> ArrayRef {
        numbers(&column(flights, DEP_TIME), &column(flights, SCHED_DEP_TIME), |dep, sched| dep - sched)
    }

    fn delays_by_origin_hour(flights: &RecordBatch, groups: &mut GroupTable) -> Result<(), EvalError> {
        let flights = departed(flights);
        let delay = delay(&flights);
        let keys = [window(&flights, HOUR_US), column(&flights, ORIGIN)];
        groups.update(&keys, &[Some(delay.clone()), Some(delay), None], flights.num_rows())
    }

    fn delay_quantiles_by_carrier_day(flights: &RecordBatch, groups: &mut GroupTable) -> Result<(), EvalError> {
        let flights = departed(flights);
        let delay = delay(&flights);
        let keys = [window(&flights, DAY_US), column(&flights, CARRIER)];
        groups.update(&keys, &[Some(delay.clone()), Some(delay.clone()), Some(delay), None], flights.num_rows())
    }
    // logic: end version 1

    pub const DELAYS_BY_ORIGIN_HOUR: HandWritten = HandWritten {
        name: "delays_by_origin_hour",
        version: 1,
        columns: &[SCHED_DEP, ORIGIN, SCHED_DEP_TIME, DEP_TIME],
        fold: delays_by_origin_hour,
    };
    pub const DELAY_QUANTILES_BY_CARRIER_DAY: HandWritten = HandWritten {
        name: "delay_quantiles_by_carrier_day",
        version: 1,
        columns: &[SCHED_DEP, CARRIER, SCHED_DEP_TIME, DEP_TIME],
        fold: delay_quantiles_by_carrier_day,
    };
}

mod v2 {
    use super::*;

    // logic: begin version 2
    /// Minutes since midnight of a clock time written HHMM.
    fn minutes(hhmm: i64) -> i64 {
        hhmm / 100 * 60 + hhmm % 100
    }

    /// Minutes from the scheduled to the actual departure. Nobody leaves over an hour early: then it is the next day.
    fn delay(flights: &RecordBatch) -> ArrayRef {
        numbers(&column(flights, DEP_TIME), &column(flights, SCHED_DEP_TIME), |dep, sched| {
            let delay = minutes(dep) - minutes(sched);
            if delay < -60 { delay + 24 * 60 } else { delay }
        })
    }

    fn delays_by_origin_hour(flights: &RecordBatch, groups: &mut GroupTable) -> Result<(), EvalError> {
        let flights = departed(flights);
        let delay = delay(&flights);
        let keys = [window(&flights, HOUR_US), column(&flights, ORIGIN)];
        groups.update(&keys, &[Some(delay.clone()), Some(delay), None], flights.num_rows())
    }

    fn delay_quantiles_by_carrier_day(flights: &RecordBatch, groups: &mut GroupTable) -> Result<(), EvalError> {
        let flights = departed(flights);
        let delay = delay(&flights);
        let keys = [window(&flights, DAY_US), column(&flights, CARRIER)];
        groups.update(&keys, &[Some(delay.clone()), Some(delay.clone()), Some(delay), None], flights.num_rows())
    }
    // logic: end version 2

    pub const DELAYS_BY_ORIGIN_HOUR: HandWritten = HandWritten {
        name: "delays_by_origin_hour",
        version: 2,
        columns: &[SCHED_DEP, ORIGIN, SCHED_DEP_TIME, DEP_TIME],
        fold: delays_by_origin_hour,
    };
    pub const DELAY_QUANTILES_BY_CARRIER_DAY: HandWritten = HandWritten {
        name: "delay_quantiles_by_carrier_day",
        version: 2,
        columns: &[SCHED_DEP, CARRIER, SCHED_DEP_TIME, DEP_TIME],
        fold: delay_quantiles_by_carrier_day,
    };
}

// logic: begin both versions
fn distinct_tails_by_carrier_day(flights: &RecordBatch, groups: &mut GroupTable) -> Result<(), EvalError> {
    let keys = [window(flights, DAY_US), column(flights, CARRIER)];
    let tailnum = column(flights, TAILNUM);
    groups.update(&keys, &[Some(tailnum.clone()), Some(tailnum), None], flights.num_rows())
}

fn totals_by_route(flights: &RecordBatch, groups: &mut GroupTable) -> Result<(), EvalError> {
    let keys = [column(flights, ORIGIN), column(flights, DEST)];
    let measures = [DEP_TIME, DISTANCE, AIR_TIME, KNOWN].map(|measure| Some(column(flights, measure)));
    let args: Vec<_> = std::iter::once(None).chain(measures).collect();
    groups.update(&keys, &args, flights.num_rows())
}

fn cancelled_share_by_day(flights: &RecordBatch, groups: &mut GroupTable) -> Result<(), EvalError> {
    let never_left = is_null(&column(flights, DEP_TIME)).expect("never fails");
    let cancelled: ArrayRef = Arc::new(Int64Array::from_iter_values(never_left.values().iter().map(i64::from)));
    groups.update(&[window(flights, DAY_US)], &[Some(cancelled.clone()), Some(cancelled), None], flights.num_rows())
}
// logic: end both versions

const DISTINCT_TAILS_BY_CARRIER_DAY: HandWritten = HandWritten {
    name: "distinct_tails_by_carrier_day",
    version: 1,
    columns: &[SCHED_DEP, CARRIER, TAILNUM],
    fold: distinct_tails_by_carrier_day,
};
const TOTALS_BY_ROUTE: HandWritten = HandWritten {
    name: "totals_by_route",
    version: 1,
    columns: &[ORIGIN, DEST, DEP_TIME, DISTANCE, AIR_TIME, KNOWN],
    fold: totals_by_route,
};
const CANCELLED_SHARE_BY_DAY: HandWritten =
    HandWritten { name: "cancelled_share_by_day", version: 1, columns: &[SCHED_DEP, DEP_TIME], fold: cancelled_share_by_day };
