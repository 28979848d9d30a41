//! The order of rows by columns, and columns in a form in which they can be compared.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Decimal128Array, Int64Array, StringArray};
use arrow_buffer::i256;
use arrow_select::concat::concat;

use super::canonical::ordinals;
use twopath_query::DataType;

/// A column that rows are ordered by.
pub struct SortColumn {
    values: SortValues,
    descending: bool,
    nulls_first: bool,
}

/// A column's values: numbers with NaN greatest, texts by bytes.
pub enum SortValues {
    Fixed(Int64Array),
    Text(StringArray),
    Numeric(Decimal128Array),
}

/// A value in a form in which equal values are equal.
#[derive(PartialEq, Eq, Hash)]
pub enum SortCell<'a> {
    Null,
    Fixed(i64),
    Text(&'a str),
    Numeric(i128),
}

impl SortValues {
    /// `array` in canonical type.
    pub fn new(array: &ArrayRef, data_type: DataType) -> Self {
        match data_type {
            DataType::Text => SortValues::Text(array.as_string().clone()),
            DataType::Numeric | DataType::Decimal { .. } => SortValues::Numeric(array.as_primitive::<Decimal128Type>().clone()),
            _ => SortValues::Fixed(ordinals(array.as_ref())),
        }
    }

    pub fn cell(&self, row: usize) -> SortCell<'_> {
        match self {
            _ if self.is_null(row) => SortCell::Null,
            SortValues::Fixed(a) => SortCell::Fixed(a.value(row)),
            SortValues::Text(a) => SortCell::Text(a.value(row)),
            SortValues::Numeric(a) => SortCell::Numeric(a.value(row)),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            SortValues::Fixed(a) => a.is_null(row),
            SortValues::Text(a) => a.is_null(row),
            SortValues::Numeric(a) => a.is_null(row),
        }
    }

    fn has_nulls(&self) -> bool {
        match self {
            SortValues::Fixed(a) => a.null_count() > 0,
            SortValues::Text(a) => a.null_count() > 0,
            SortValues::Numeric(a) => a.null_count() > 0,
        }
    }

    /// A number that is no greater than another value's where this value is no greater.
    fn prefix(&self, row: usize) -> u64 {
        const SIGN: u64 = 1 << 63;
        match self {
            SortValues::Fixed(a) => a.value(row) as u64 ^ SIGN,
            SortValues::Text(a) => {
                let text = a.value(row).as_bytes();
                let mut first = [0; 8];
                let count = text.len().min(first.len());
                first[..count].copy_from_slice(&text[..count]);
                u64::from_be_bytes(first)
            }
            SortValues::Numeric(a) => a.value(row).clamp(i64::MIN.into(), i64::MAX.into()) as u64 ^ SIGN,
        }
    }
}

impl SortColumn {
    /// `array` in canonical type.
    pub fn new(array: &ArrayRef, data_type: DataType, descending: bool, nulls_first: bool) -> Self {
        SortColumn { values: SortValues::new(array, data_type), descending, nulls_first }
    }

    /// Ascending, NULLs last.
    pub fn ascending(array: &ArrayRef, data_type: DataType) -> Self {
        Self::new(array, data_type, false, false)
    }

    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        match (self.values.is_null(a), self.values.is_null(b)) {
            (true, true) => return Ordering::Equal,
            (true, false) => return if self.nulls_first { Ordering::Less } else { Ordering::Greater },
            (false, true) => return if self.nulls_first { Ordering::Greater } else { Ordering::Less },
            (false, false) => {}
        }
        let order = match &self.values {
            SortValues::Fixed(v) => v.value(a).cmp(&v.value(b)),
            SortValues::Text(v) => v.value(a).cmp(v.value(b)),
            SortValues::Numeric(v) => v.value(a).cmp(&v.value(b)),
        };
        if self.descending { order.reverse() } else { order }
    }

    /// Rows in this column's order have these numbers in ascending order; and whether rows that differ always have different ones.
    fn prefixes(&self, rows: usize) -> (Vec<u64>, bool) {
        let directed = |row| if self.descending { !self.values.prefix(row) } else { self.values.prefix(row) };
        if !self.values.has_nulls() {
            return ((0..rows).map(directed).collect(), matches!(self.values, SortValues::Fixed(_)));
        }
        const LAST: u64 = 1 << 63;
        let (null, other) = if self.nulls_first { (0, LAST) } else { (LAST, 0) };
        ((0..rows).map(|row| if self.values.is_null(row) { null } else { other | directed(row) >> 1 }).collect(), false)
    }

    /// Whether all rows have the same value, as far as that is seen at once.
    fn is_constant(&self) -> bool {
        matches!(&self.values, SortValues::Fixed(v) if v.null_count() == 0 && v.values().windows(2).all(|pair| pair[0] == pair[1]))
    }
}

/// The order of two rows: by the first column in which they differ.
pub fn compare(columns: &[SortColumn], a: u32, b: u32) -> Ordering {
    columns.iter().map(|c| c.compare(a as usize, b as usize)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// The numbers of the rows in order, the first `limit` of them. Rows that are alike in all columns come in any order.
pub fn sorted(columns: &[SortColumn], rows: usize, limit: usize) -> Vec<u32> {
    let columns = &columns[columns.iter().take_while(|c| c.is_constant()).count()..];
    let limit = limit.min(rows);
    if columns.is_empty() {
        return (0..limit as u32).collect();
    }
    let (mut order, is_whole) = packed(columns, rows);
    let row = |place: u128| place as u32;
    let compare = |a: &u128, b: &u128| {
        if is_whole { a.cmp(b) } else { (a >> ROW_BITS).cmp(&(b >> ROW_BITS)).then_with(|| compare(columns, row(*a), row(*b))) }
    };
    if limit > 0 && limit < rows {
        order.select_nth_unstable_by(limit - 1, compare);
    }
    order.truncate(limit);
    if is_whole {
        order.sort_unstable()
    } else {
        order.sort_unstable_by(compare)
    }
    order.into_iter().map(row).collect()
}

/// Bits of a row's number.
const ROW_BITS: u32 = u32::BITS;
/// Bits that are left beside it.
const PLACE_BITS: u32 = u128::BITS - ROW_BITS;

/// Of each row a number whose low bits are the row's own, and whose others ascend in the order of the columns: as many columns stand in them as find room, each in as few
/// bits as its values need. And whether all do, so that the numbers alone say the order.
fn packed(columns: &[SortColumn], rows: usize) -> (Vec<u128>, bool) {
    let mut places = vec![0u128; rows];
    let mut room = PLACE_BITS;
    let mut is_whole = true;
    for column in columns {
        let (prefixes, is_exact) = column.prefixes(rows);
        let least = prefixes.iter().copied().min().unwrap_or(0);
        let bits = u64::BITS - (prefixes.iter().copied().max().unwrap_or(0) - least).leading_zeros();
        let dropped = bits.saturating_sub(room);
        let kept = bits - dropped;
        // Where no room is left, all of its bits are dropped.
        let top = |prefix: u64| u128::from((prefix - least).checked_shr(dropped).unwrap_or(0));
        places.iter_mut().zip(prefixes).for_each(|(place, prefix)| *place = *place << kept | top(prefix));
        room -= kept;
        // What stands behind a column that is not all there would not count.
        is_whole = is_exact && dropped == 0;
        if !is_whole {
            break;
        }
    }
    places.iter_mut().zip(0u128..).for_each(|(place, row)| *place = *place << ROW_BITS | row);
    (places, is_whole)
}

/// Two columns of one type, or of decimals of any two scales, as integers that compare, among each other too, as the values do.
pub fn comparable(a: (&ArrayRef, DataType), b: (&ArrayRef, DataType)) -> (Int64Array, Int64Array) {
    if a.1 == b.1 && !matches!(a.1, DataType::Text | DataType::Numeric | DataType::Decimal { .. }) {
        return (ordinals(a.0.as_ref()), ordinals(b.0.as_ref()));
    }
    let ranks = match (a.1.decimal_scale(), b.1.decimal_scale()) {
        (Some(a_scale), Some(b_scale)) => {
            // 38 digits with 38 more fit 256 bits.
            let unit = |scale: u8| i256::from_i128(10).wrapping_pow(u32::from(a_scale.max(b_scale) - scale));
            let wide = |array: &ArrayRef, unit: i256| -> Vec<i256> {
                array.as_primitive::<Decimal128Type>().values().iter().map(|&v| i256::from_i128(v).wrapping_mul(unit)).collect()
            };
            let mut values = wide(a.0, unit(a_scale));
            values.extend(wide(b.0, unit(b_scale)));
            ranked(values.len(), |i, j| values[i].cmp(&values[j]))
        }
        _ => {
            let both = concat(&[a.0.as_ref(), b.0.as_ref()]).expect("columns of one type");
            let column = SortColumn::ascending(&both, a.1);
            ranked(both.len(), |i, j| column.compare(i, j))
        }
    };
    let (of_a, of_b) = ranks.split_at(a.0.len());
    let column = |ranks: &[i64], array: &ArrayRef| Int64Array::new(ranks.to_vec().into(), array.nulls().cloned());
    (column(of_a, a.0), column(of_b, b.0))
}

/// For each of `count` values its place among those that differ.
fn ranked(count: usize, compare: impl Fn(usize, usize) -> Ordering) -> Vec<i64> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_unstable_by(|&a, &b| compare(a, b));
    let (mut ranks, mut rank) = (vec![0; count], 0);
    for (place, &at) in order.iter().enumerate() {
        rank += i64::from(place > 0 && compare(order[place - 1], at).is_ne());
        ranks[at] = rank;
    }
    ranks
}

/// Of decimals of any scale: columns that are alike exactly where the values are, the digits without zeros at the end and their scale.
pub fn normalised(array: &ArrayRef, scale: u8) -> [ArrayRef; 2] {
    let values = array.as_primitive::<Decimal128Type>();
    let (mut digits, mut scales) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    for &value in values.values() {
        let (mut value, mut scale) = (value, i64::from(scale));
        while scale > 0 && value % 10 == 0 {
            (value, scale) = (value / 10, scale - 1);
        }
        digits.push(value);
        scales.push(scale);
    }
    let digits = super::canonical::from_unscaled(digits, values.nulls().cloned(), DataType::Numeric);
    [digits, Arc::new(Int64Array::from(scales))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::from_unscaled;
    use arrow_array::Float64Array;
    use twopath_query::arbitrary::Random;

    /// Every order of few values, texts that share their first bytes, with limits: as a stable sort of the same comparison gives it.
    #[test]
    fn rows_come_in_order() {
        let texts = [Some("ab"), None, Some("ab\0"), Some(""), Some("longer than eight"), Some("longer than eigh"), Some("ab")];
        let floats = [Some(f64::NAN), Some(-1.0), None, Some(f64::INFINITY), Some(-0.0), Some(0.0), Some(-f64::NAN)];
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let floats: ArrayRef = Arc::new(Float64Array::from(floats.to_vec()));
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let columns = [
                SortColumn::new(&texts, DataType::Text, descending, nulls_first),
                SortColumn::new(&floats, DataType::Float, !descending, nulls_first),
            ];
            let mut expected: Vec<u32> = (0..7).collect();
            expected.sort_by(|&a, &b| compare(&columns, a, b));
            for limit in 0..9 {
                assert_eq!(sorted(&columns, 7, limit), expected[..limit.min(7)], "{descending} {nulls_first}");
            }
        }
        let ascending = [SortColumn::ascending(&floats, DataType::Float)];
        assert_eq!(sorted(&ascending, 7, 7)[..1], [1]);
        assert_eq!(sorted(&ascending, 7, 7)[6], 2, "NULL is last");
    }

    #[test]
    fn decimals_of_two_scales_compare_by_value() {
        let cents = DataType::Decimal { precision: 9, scale: 2 };
        let a = from_unscaled(vec![150, 200, -1, 0], None, cents);
        let b = from_unscaled(vec![2, 0, 10i128.pow(38) - 1], None, DataType::Numeric);
        let (of_a, of_b) = comparable((&a, cents), (&b, DataType::Numeric));
        assert_eq!(of_a.values()[1], of_b.values()[0]);
        assert_eq!(of_a.values()[3], of_b.values()[1]);
        assert!(of_a.values()[0] < of_b.values()[0] && of_a.values()[2] < of_b.values()[1] && of_a.values()[1] < of_b.values()[2]);
        let ([a, a_scales], [b, b_scales]) = (normalised(&a, 2), normalised(&b, 0));
        let cell = |values: &ArrayRef, scales: &ArrayRef, row| {
            (values.as_primitive::<Decimal128Type>().value(row), ordinals(scales.as_ref()).value(row))
        };
        assert_eq!(cell(&a, &a_scales, 1), cell(&b, &b_scales, 0));
        assert_eq!(cell(&a, &a_scales, 3), cell(&b, &b_scales, 1));
        assert_eq!(cell(&a, &a_scales, 0), (15, 1));
    }

    /// Of several columns, wide and narrow, with and without NULL: as comparing rows column by column sorts them.
    #[test]
    fn packed_rows_sort_as_compared_ones() {
        let mut random = Random::new(3);
        let rows = 2_000;
        for round in 0..60 {
            let columns: Vec<SortColumn> = (0..random.between(1, 5))
                .map(|_| {
                    let reach = *random.pick(&[&1, &3, &1_000, &(i64::MAX / 2)]);
                    let nulls = random.chance(40);
                    let number = |random: &mut Random| {
                        let number = random.between(-reach, reach);
                        (!nulls || random.below(9) > 0).then_some(number)
                    };
                    let numbers: Vec<Option<i64>> = (0..rows).map(|_| number(&mut random)).collect();
                    let (array, data_type): (ArrayRef, _) = match random.below(4) {
                        0 => {
                            let texts: StringArray = numbers.iter().map(|n| n.map(|n| format!("prefix-{n}"))).collect();
                            (Arc::new(texts), DataType::Text)
                        }
                        1 => (Arc::new(numbers.iter().map(|n| n.map(|n| n as f64 / 3.0)).collect::<Float64Array>()), DataType::Float),
                        _ => (Arc::new(Int64Array::from(numbers)), DataType::Int),
                    };
                    SortColumn::new(&array, data_type, random.chance(50), random.chance(50))
                })
                .collect();
            let mut expected: Vec<u32> = (0..rows as u32).collect();
            expected.sort_by(|a, b| compare(&columns, *a, *b));
            for limit in [0, 1, 100, rows] {
                let given = sorted(&columns, rows, limit);
                assert_eq!(given.len(), limit);
                assert!(given.iter().zip(&expected).all(|(a, b)| compare(&columns, *a, *b).is_eq()), "round {round}, {limit} rows");
                let once: std::collections::BTreeSet<u32> = given.into_iter().collect();
                assert_eq!(once.len(), limit);
            }
        }
    }
}
