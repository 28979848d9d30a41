//! Numbers for keys, and rows by number.

use arrow_array::ArrayRef;

pub(super) use crate::table::NO_GROUP as NONE;

use crate::table::GroupTable;
use twopath_query::DataType;

/// A number for each row, the same where all of these columns are alike (NULL is like NULL), from 0 in the order in which they come; and how many there are.
pub fn numbered(columns: &[ArrayRef], types: &[DataType], rows: usize) -> (Vec<u32>, usize) {
    let mut table = GroupTable::of_keys(types.iter().copied());
    let numbers = table.number(columns, rows);
    (numbers, table.len())
}

/// Rows by number.
pub struct ByNumber {
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl ByNumber {
    /// Of rows in the given order with these numbers, each below `count` or [`NONE`], which are left out.
    pub fn new(numbers: impl Iterator<Item = (u32, u32)> + Clone, count: usize) -> Self {
        let mut starts = vec![0u32; count + 1];
        let numbers = numbers.filter(|(number, _)| *number != NONE);
        numbers.clone().for_each(|(number, _)| starts[number as usize + 1] += 1);
        for number in 0..count {
            starts[number + 1] += starts[number];
        }
        let mut rows = vec![0; starts[count] as usize];
        let mut next = starts.clone();
        for (number, row) in numbers {
            let at = &mut next[number as usize];
            rows[*at as usize] = row;
            *at += 1;
        }
        ByNumber { starts, rows }
    }

    /// The rows of a number, in the order in which they were given; of [`NONE`] there are none.
    pub fn rows(&self, number: u32) -> &[u32] {
        if number == NONE {
            return &[];
        }
        &self.rows[self.starts[number as usize] as usize..self.starts[number as usize + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_by_number() {
        let numbers = [2, 0, NONE, 2, 0, 2];
        let by_number = ByNumber::new(numbers.into_iter().zip(0..), 3);
        assert_eq!([by_number.rows(0), by_number.rows(1), by_number.rows(2), by_number.rows(NONE)], [&[1, 4][..], &[], &[0, 3, 5], &[]]);
    }
}
