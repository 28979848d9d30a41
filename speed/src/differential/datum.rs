//! The values that differential dataflow holds: owned, with a total order, equality and hash that agree with SQL's.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twopath_query::values::Cell;
use twopath_query::{Decimal, Value};

use super::decimal;

/// One SQL value. Differential sorts, compares and hashes its data, so NaN equals NaN and is above all numbers, -0.0 equals 0.0, and NULL
/// is greatest and equals itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Datum {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp(i64),
    /// Microseconds.
    Interval(i64),
    Numeric(Wide),
    /// `unscaled` / 10^`scale`.
    Decimal {
        unscaled: Wide,
        scale: u8,
    },
    Null,
}

/// 128 bits that stand at any multiple of 8 bytes, so that a value of any kind takes 24 and not 48: rows are what joins keep.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Wide([u64; 2]);

impl Wide {
    pub fn get(self) -> i128 {
        (u128::from(self.0[1]) << 64 | u128::from(self.0[0])) as i128
    }
}

impl From<i128> for Wide {
    fn from(value: i128) -> Self {
        Wide([value as u64, (value >> 64) as u64])
    }
}

impl Datum {
    pub fn numeric(value: i128) -> Datum {
        Datum::Numeric(value.into())
    }

    pub fn decimal(Decimal { unscaled, scale }: Decimal) -> Datum {
        Datum::Decimal { unscaled: unscaled.into(), scale }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The value as a key holds it: -0.0 is 0.0.
    pub fn into_key(self) -> Datum {
        match self {
            Datum::Float(f) => Datum::Float(f + 0.0),
            other => other,
        }
    }

    /// The place of the kind in the order; values of one column are of one kind, or NULL.
    fn kind(&self) -> u8 {
        match self {
            Datum::Bool(_) => 0,
            Datum::Int(_) => 1,
            Datum::Float(_) => 2,
            Datum::Text(_) => 3,
            Datum::Timestamp(_) => 4,
            Datum::Interval(_) => 5,
            Datum::Numeric(_) => 6,
            // Numbers of one value are one, whatever their scale.
            Datum::Decimal { .. } => 6,
            Datum::Null => 7,
        }
    }
}

impl Ord for Datum {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
            (Datum::Int(a), Datum::Int(b)) | (Datum::Timestamp(a), Datum::Timestamp(b)) | (Datum::Interval(a), Datum::Interval(b)) => {
                a.cmp(b)
            }
            (Datum::Float(a), Datum::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            (Datum::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Datum::Numeric(a), Datum::Numeric(b)) => a.get().cmp(&b.get()),
            (a, b) => match (decimal::parts(a), decimal::parts(b)) {
                (Some(a), Some(b)) => decimal::compare(a, b),
                _ => a.kind().cmp(&b.kind()),
            },
        }
    }
}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Datum {}

impl Hash for Datum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.kind());
        match self {
            Datum::Bool(v) => v.hash(state),
            Datum::Int(v) | Datum::Timestamp(v) | Datum::Interval(v) => v.hash(state),
            Datum::Float(v) if v.is_nan() => f64::NAN.to_bits().hash(state),
            Datum::Float(v) => (v + 0.0).to_bits().hash(state),
            Datum::Text(v) => v.hash(state),
            Datum::Numeric(v) => v.get().hash(state),
            // Values of one column have one scale.
            Datum::Decimal { unscaled, .. } => unscaled.get().hash(state),
            Datum::Null => {}
        }
    }
}

impl From<Cell<'_>> for Datum {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Datum::Null,
            Cell::Bool(v) => Datum::Bool(v),
            Cell::Int(v) => Datum::Int(v),
            Cell::Float(v) => Datum::Float(v),
            Cell::Text(v) => Datum::Text(Arc::from(&*v)),
            Cell::Timestamp(v) => Datum::Timestamp(v),
            Cell::Interval(v) => Datum::Interval(v),
            Cell::Numeric(v) => Datum::numeric(v),
            Cell::Decimal(v) => Datum::decimal(v),
        }
    }
}

impl From<&Value> for Datum {
    fn from(value: &Value) -> Self {
        Datum::from(Cell::from(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(datum: &Datum) -> u64 {
        let mut state = std::hash::DefaultHasher::new();
        datum.hash(&mut state);
        state.finish()
    }

    #[test]
    fn floats_are_ordered_as_in_sql() {
        let sorted = [f64::NEG_INFINITY, -1.5, 0.0, 1.5, f64::INFINITY, f64::NAN].map(Datum::Float);
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Datum::Float(-0.0), Datum::Float(0.0));
        assert_eq!(hash(&Datum::Float(-0.0)), hash(&Datum::Float(0.0)));
        assert_eq!(Datum::Float(f64::NAN), Datum::Float(-f64::NAN));
        assert_eq!(hash(&Datum::Float(f64::NAN)), hash(&Datum::Float(-f64::NAN)));
        assert!(matches!(Datum::Float(-0.0).into_key(), Datum::Float(v) if v.is_sign_positive()));
    }

    #[test]
    fn wide_numbers_are_themselves_and_values_are_small() {
        for value in [0, 1, -1, i128::MAX, i128::MIN, i128::from(u64::MAX), -(1 << 64)] {
            assert_eq!(Wide::from(value).get(), value);
        }
        assert!(Datum::numeric(-1) < Datum::numeric(1 << 70));
        assert_eq!(size_of::<Datum>(), 24);
    }

    #[test]
    fn null_is_greatest_and_equals_itself() {
        assert_eq!(Datum::Null, Datum::Null);
        assert!(Datum::Text("z".into()) < Datum::Null && Datum::Float(f64::NAN) < Datum::Null);
    }
}
