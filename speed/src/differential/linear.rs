//! The difference of linear aggregates.
//!
//! COUNT, SUM and AVG over whole numbers are linear: what a row adds, its retraction takes away. So they need no arrangement of the rows.
//! They are exploded into the difference itself, and differential adds them up wherever it adds up differences.

use differential_dataflow::difference::{Abelian, IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};

/// What some rows of a group come to: how many they are, and per linear aggregate the sum and number of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Totals {
    pub rows: i64,
    pub sums: Vec<Sum>,
}

/// A sum of values, and how many they are. Sums of 64-bit integers fit as long as there are fewer than 2^63 of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sum {
    pub sum: i128,
    pub count: i64,
}

impl Totals {
    /// What so many of these rows come to, or take away where they are fewer than none.
    pub fn times(mut self, n: isize) -> Self {
        self.rows *= n as i64;
        for Sum { sum, count } in &mut self.sums {
            (*sum, *count) = (*sum * n as i128, *count * n as i64);
        }
        self
    }
}

impl IsZero for Totals {
    fn is_zero(&self) -> bool {
        self.rows == 0 && self.sums.iter().all(|s| s.sum == 0 && s.count == 0)
    }
}

impl Semigroup for Totals {
    fn plus_equals(&mut self, rhs: &Self) {
        self.rows += rhs.rows;
        if self.sums.len() < rhs.sums.len() {
            self.sums.resize(rhs.sums.len(), Sum::default());
        }
        for (mine, theirs) in self.sums.iter_mut().zip(&rhs.sums) {
            mine.sum += theirs.sum;
            mine.count += theirs.count;
        }
    }
}

/// Zero is a difference without sums.
impl Monoid for Totals {
    fn zero() -> Self {
        Totals::default()
    }
}

impl Abelian for Totals {
    fn negate(&mut self) {
        self.rows = -self.rows;
        for sum in &mut self.sums {
            (sum.sum, sum.count) = (-sum.sum, -sum.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(rows: i64, sums: &[(i128, i64)]) -> Totals {
        Totals { rows, sums: sums.iter().map(|&(sum, count)| Sum { sum, count }).collect() }
    }

    #[test]
    fn a_retraction_takes_a_row_back() {
        let (a, b) = (totals(1, &[(7, 1), (0, 0)]), totals(1, &[(i128::from(i64::MAX), 1), (3, 1)]));
        let mut sum = Totals::zero();
        sum.plus_equals(&a);
        sum.plus_equals(&b);
        assert_eq!(sum, totals(2, &[(7 + i128::from(i64::MAX), 2), (3, 1)]));
        let mut retraction = a.clone();
        retraction.negate();
        sum.plus_equals(&retraction);
        assert_eq!(sum, b);
        retraction = b;
        retraction.negate();
        sum.plus_equals(&retraction);
        assert!(sum.is_zero());
    }

    #[test]
    fn a_row_whose_values_are_zero_is_a_row() {
        assert!(!totals(1, &[(0, 0)]).is_zero());
    }
}
