//! Sums and means of floats do not depend on the order, nor on where a stream is cut, nor on whether a part went to rest.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType as Arrow, Field, Schema};
use twopath_query::parse;
use twopath_view::{GroupTable, Selection, answer};

fn batch(values: &[f64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap()
}

/// SUM and AVG of the values cut in two at `cut`, the first part from rest.
fn sum_and_mean(values: &[f64], cut: usize) -> [f64; 2] {
    let schema = Schema::new(vec![Field::new("x", Arrow::Float64, true)]);
    let query = parse("SELECT SUM(x) AS s, AVG(x) AS a FROM t", "t", &schema).unwrap();
    let mut tables = [GroupTable::new(&query), GroupTable::new(&query)];
    tables[0].update_from_log(&query, &batch(&values[..cut])).unwrap();
    tables[1].update_from_log(&query, &batch(&values[cut..])).unwrap();
    let first = GroupTable::from_batch(&query, &tables[0].to_batch()).unwrap();
    let rows = answer(&query, &[&first, &tables[1]], &Selection::default()).unwrap();
    [0, 1].map(|column| rows.column(column).as_primitive::<Float64Type>().value(0))
}

/// All orders of the values (Heap's algorithm).
fn orders(values: &mut [f64], count: usize, each: &mut impl FnMut(&[f64])) {
    if count <= 1 {
        return each(values);
    }
    for i in 0..count {
        orders(values, count - 1, each);
        values.swap(if count.is_multiple_of(2) { i } else { 0 }, count - 1);
    }
}

/// Sums by hand, from the decimal expansions of the floats.
#[test]
fn every_order_and_every_cut_gives_the_nearest_float() {
    let least = f64::from_bits(1);
    for (values, sum, mean) in [
        (&[1e308, 1e308, -1e308, -1e308][..], 0.0, 0.0),
        (&[1e308, 1e308, 1e308, 1e308], f64::INFINITY, 1e308),
        (&[1e16, 1.0, -1e16, 1.0, 0.25], 2.25, 0.45),
        (&[0.1, 0.2, -0.3, 0.0, 0.0], 2.7755575615628914e-17, 2f64.powi(-55) / 5.0),
        (&[1.0, f64::EPSILON / 2.0, least, least, -least], 1.0 + f64::EPSILON, 0.2),
        (&[f64::INFINITY, 1e308, 1e308, 1.0], f64::INFINITY, f64::INFINITY),
        (&[f64::NEG_INFINITY, f64::MAX, f64::MAX], f64::NEG_INFINITY, f64::NEG_INFINITY),
        (&[f64::NEG_INFINITY, f64::INFINITY, 1.0], f64::NAN, f64::NAN),
        (&[f64::NAN, f64::INFINITY, 1.0], f64::NAN, f64::NAN),
        (&[-0.0, -0.0], 0.0, 0.0),
    ] {
        let mut mutable = values.to_vec();
        let count = mutable.len();
        orders(&mut mutable, count, &mut |order| {
            for cut in 0..=count {
                let given = sum_and_mean(order, cut);
                for (given, expected) in given.into_iter().zip([sum, mean]) {
                    let same = given == expected || given.is_nan() && expected.is_nan();
                    assert!(same, "{order:?} cut at {cut}: {given:e}, not {expected:e}");
                }
            }
        });
    }
}

/// A ledger whose entries cancel: 200 times each amount and its negative, interleaved.
#[test]
fn a_ledger_is_balanced() {
    let values: Vec<f64> = (0..600).map(|i| f64::from(1 + i % 5) / 10.0 * if i % 10 < 5 { 1.0 } else { -1.0 }).collect();
    for cut in [0, 1, 299, 300, 600] {
        assert_eq!(sum_and_mean(&values, cut), [0.0, 0.0]);
    }
}
