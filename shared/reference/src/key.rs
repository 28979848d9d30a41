//! A group's key as a hash table's key.

use std::hash::{Hash, Hasher};

use hashbrown::Equivalent;

use super::order::order;
use twopath_query::Value;
use twopath_query::values::Cell;

/// The values of one key. NULL equals NULL, NaN equals NaN, and -0.0 equals 0.0.
#[derive(Debug, Clone)]
pub(super) struct Key(pub Box<[Value]>);

/// A key that has not been stored yet, its texts still borrowed.
pub(super) struct Probe<'a, 'b>(pub &'b [Cell<'a>]);

fn hash<'a>(cells: impl Iterator<Item = Cell<'a>>, state: &mut impl Hasher) {
    for cell in cells {
        match cell {
            Cell::Null => state.write_u8(0),
            Cell::Bool(b) => state.write_u8(1 + u8::from(b)),
            Cell::Int(i) | Cell::Timestamp(i) | Cell::Interval(i) => state.write_i64(i),
            Cell::Float(f) if f.is_nan() => state.write_u8(3),
            Cell::Float(f) => state.write_u64((f + 0.0).to_bits()),
            Cell::Text(t) => t.hash(state),
            Cell::Numeric(n) => state.write_i128(n),
            Cell::Decimal(d) => state.write_i128(d.unscaled),
        }
    }
}

fn same<'a>(a: impl Iterator<Item = Cell<'a>>, b: impl Iterator<Item = Cell<'a>>) -> bool {
    a.zip(b).all(|(a, b)| order(&a, &b).is_eq())
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.0.iter().map(Cell::from), state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        same(self.0.iter().map(Cell::from), other.0.iter().map(Cell::from))
    }
}

impl Eq for Key {}

impl Hash for Probe<'_, '_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.0.iter().cloned(), state);
    }
}

impl Equivalent<Key> for Probe<'_, '_> {
    fn equivalent(&self, key: &Key) -> bool {
        same(self.0.iter().cloned(), key.0.iter().map(Cell::from))
    }
}

impl From<&Probe<'_, '_>> for Key {
    fn from(probe: &Probe<'_, '_>) -> Self {
        let stored = |cell: &Cell<'_>| match cell {
            // -0.0 is stored as 0.0.
            Cell::Float(f) => Value::Float(f + 0.0),
            cell => cell.clone().into_value(),
        };
        Key(probe.0.iter().map(stored).collect())
    }
}
