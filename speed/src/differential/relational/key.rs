//! What rows are put together by.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::differential::datum::Datum;

/// The values of some columns. One value, which most keys are, stands in its place: sorting by it follows no pointer, and keeping it allocates nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Key {
    One(Datum),
    Several(Arc<[Datum]>),
}

impl Deref for Key {
    type Target = [Datum];

    fn deref(&self) -> &[Datum] {
        match self {
            Key::One(value) => std::slice::from_ref(value),
            Key::Several(values) => values,
        }
    }
}

impl FromIterator<Datum> for Key {
    fn from_iter<I: IntoIterator<Item = Datum>>(values: I) -> Self {
        let mut values = values.into_iter();
        let first: Vec<Datum> = values.by_ref().take(2).collect();
        match <[Datum; 1]>::try_from(first) {
            Ok([only]) => Key::One(only),
            Err(first) => Key::Several(first.into_iter().chain(values).collect()),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Key::One(a), Key::One(b)) => a.cmp(b),
            (a, b) => (**a).cmp(&**b),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|value| value.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_values() {
        let key = |values: &[i64]| values.iter().map(|&v| Datum::Int(v)).collect::<Key>();
        assert!(matches!(key(&[7]), Key::One(_)) && key(&[]).is_empty() && key(&[1, 2, 3]).len() == 3);
        assert!(key(&[1, 2]) < key(&[1, 3]) && key(&[-1]) < key(&[2]));
        assert_eq!(key(&[1, 2]), key(&[1, 2]));
        assert_eq!(size_of::<Key>(), 24);
    }
}
