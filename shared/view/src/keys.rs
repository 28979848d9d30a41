//! Group keys by column, and their hash.
//!
//! The hash is fixed by what is written here: the same key gives the same hash in every process and in every engine, which
//! [`super::GroupTable::split`] relies on.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Decimal128Array, Int64Array, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};

use super::canonical::from_unscaled;
use super::canonical::{from_ordinals, ordinal_value, ordinals, value_ordinal};
use super::index::Tag;
use twopath_query::{DataType, Decimal, Value};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const MULTIPLIER: u64 = 0xd6e8_feb8_6659_fd93;
/// Folded in for NULL; a value that folds the same costs a comparison, not an error.
const NULL_WORD: u64 = 0x7f4a_7c15_9e37_79b9;

/// Both halves of a 128-bit product, so that every bit of the word reaches every bit of the hash.
#[inline(always)]
pub fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(MULTIPLIER);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(SEED)
}

/// A text as whole words, the last of which overlaps the one before, so that no length needs a copy or a call. Together with its length
/// they say what the text is.
#[inline(always)]
fn words(text: &[u8]) -> (&[[u8; 8]], u64) {
    if let Some(last) = text.last_chunk::<8>() {
        return (text[..text.len() - 1].as_chunks().0, u64::from_le_bytes(*last));
    }
    let last = match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(a), Some(b)) => u64::from(u32::from_le_bytes(*a)) | u64::from(u32::from_le_bytes(*b)) << 32,
        _ => match *text {
            [] => 0,
            [a] => u64::from(a),
            [a, b] => u64::from(a) | u64::from(b) << 8,
            [a, b, .., c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        },
    };
    (&[], last)
}

#[inline(always)]
fn fold_text(hash: u64, text: &[u8]) -> u64 {
    let (words, last) = words(text);
    let start = hash.wrapping_add(text.len() as u64);
    fold(words.iter().fold(start, |hash, word| fold(hash, u64::from_le_bytes(*word))), last)
}

#[inline(always)]
fn fold_decimal(hash: u64, unscaled: i128) -> u64 {
    fold(fold(hash, unscaled as u64), (unscaled >> 64) as u64)
}

/// What the index keeps of a hash.
#[inline(always)]
pub fn tag(hash: u64) -> Tag {
    (hash >> 32) as Tag
}

/// The hash before any key column.
pub const EMPTY_HASH: u64 = SEED;

/// The unscaled value of a decimal of this very type; a value of another type, or of another scale, has none.
fn unscaled(value: &Value, t: DataType) -> Option<i128> {
    match (value, t) {
        (Value::Numeric(v), DataType::Numeric) => Some(*v),
        (Value::Decimal(v), DataType::Decimal { scale, .. }) if v.scale == scale => Some(v.unscaled),
        _ => None,
    }
}

/// A batch's values of one key.
#[derive(Debug, Clone)]
pub enum KeyInput {
    Fixed(Int64Array),
    Text(StringArray),
    Decimal(Decimal128Array),
}

impl KeyInput {
    /// `array` in canonical type.
    pub fn new(array: &ArrayRef, data_type: DataType) -> Self {
        match data_type {
            DataType::Text => KeyInput::Text(array.as_string().clone()),
            DataType::Decimal { .. } | DataType::Numeric => KeyInput::Decimal(array.as_primitive().clone()),
            _ => KeyInput::Fixed(ordinals(array.as_ref())),
        }
    }

    /// The values, where all rows have one of fixed width.
    pub fn plain(&self) -> Option<&[i64]> {
        match self {
            KeyInput::Fixed(values) if values.null_count() == 0 => Some(values.values()),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            KeyInput::Fixed(values) => values.len(),
            KeyInput::Text(values) => values.len(),
            KeyInput::Decimal(values) => values.len(),
        }
    }

    /// Some of the rows.
    pub fn slice(&self, from: usize, rows: usize) -> KeyInput {
        match self {
            KeyInput::Fixed(values) => KeyInput::Fixed(values.slice(from, rows)),
            KeyInput::Text(values) => KeyInput::Text(values.slice(from, rows)),
            KeyInput::Decimal(values) => KeyInput::Decimal(values.slice(from, rows)),
        }
    }

    /// Folds each row's value into the row's hash.
    pub fn hash_into(&self, hashes: &mut [u64]) {
        match self {
            KeyInput::Fixed(values) => {
                for (row, (hash, &value)) in hashes.iter_mut().zip(values.values()).enumerate() {
                    *hash = fold(*hash, if values.is_null(row) { NULL_WORD } else { value as u64 });
                }
            }
            KeyInput::Text(values) if values.null_count() == 0 => {
                let bytes = values.value_data();
                for (hash, ends) in hashes.iter_mut().zip(values.value_offsets().windows(2)) {
                    *hash = fold_text(*hash, &bytes[ends[0] as usize..ends[1] as usize]);
                }
            }
            KeyInput::Decimal(values) => {
                for (hash, value) in hashes.iter_mut().zip(values) {
                    *hash = value.map_or_else(|| fold(*hash, NULL_WORD), |value| fold_decimal(*hash, value));
                }
            }
            KeyInput::Text(values) => {
                for (hash, value) in hashes.iter_mut().zip(values) {
                    *hash = value.map_or_else(|| fold(*hash, NULL_WORD), |text| fold_text(*hash, text.as_bytes()));
                }
            }
        }
    }
}

/// The values of one key over all groups.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    pub data_type: DataType,
    values: KeyValues,
    /// Which groups have NULL; `None` is no group.
    nulls: Option<Vec<bool>>,
}

#[derive(Debug, Clone)]
enum KeyValues {
    /// Ordinals ([`ordinals`]).
    Fixed(Vec<i64>),
    /// Texts behind one another, and where each ends.
    Text { bytes: Vec<u8>, ends: Vec<usize> },
    /// Unscaled.
    Decimal(Vec<i128>),
}

impl KeyColumn {
    pub fn new(data_type: DataType) -> Self {
        let values = match data_type {
            DataType::Text => KeyValues::Text { bytes: Vec::new(), ends: Vec::new() },
            DataType::Decimal { .. } | DataType::Numeric => KeyValues::Decimal(Vec::new()),
            _ => KeyValues::Fixed(Vec::new()),
        };
        KeyColumn { data_type, values, nulls: None }
    }

    /// A group for each row, with the row's value.
    pub fn of(data_type: DataType, input: &KeyInput) -> Self {
        let mut column = KeyColumn::new(data_type);
        match (&mut column.values, input) {
            (KeyValues::Fixed(mine), KeyInput::Fixed(theirs)) if theirs.null_count() == 0 => *mine = theirs.values().to_vec(),
            (KeyValues::Text { bytes, ends }, KeyInput::Text(theirs)) if theirs.null_count() == 0 => {
                let offsets = theirs.value_offsets();
                let (first, last) = (offsets[0] as usize, offsets[theirs.len()] as usize);
                *bytes = theirs.value_data()[first..last].to_vec();
                *ends = offsets[1..].iter().map(|&end| end as usize - first).collect();
            }
            _ => (0..input.len()).for_each(|row| column.push(input, row)),
        }
        column
    }

    pub fn len(&self) -> usize {
        match &self.values {
            KeyValues::Fixed(values) => values.len(),
            KeyValues::Text { ends, .. } => ends.len(),
            KeyValues::Decimal(values) => values.len(),
        }
    }

    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            KeyValues::Fixed(values) => values.capacity() * size_of::<i64>(),
            KeyValues::Text { bytes, ends } => bytes.capacity() + ends.capacity() * size_of::<usize>(),
            KeyValues::Decimal(values) => values.capacity() * size_of::<i128>(),
        };
        values + self.nulls.as_ref().map_or(0, Vec::capacity)
    }

    #[inline]
    pub fn is_null(&self, group: usize) -> bool {
        self.nulls.as_ref().is_some_and(|n| n[group])
    }

    /// The values, where all groups have one of fixed width.
    pub fn plain(&self) -> Option<&[i64]> {
        match &self.values {
            KeyValues::Fixed(values) if self.nulls.is_none() => Some(values),
            _ => None,
        }
    }

    /// As [`KeyColumn::plain`], to add groups that have one.
    pub fn plain_mut(&mut self) -> Option<&mut Vec<i64>> {
        match &mut self.values {
            KeyValues::Fixed(values) if self.nulls.is_none() => Some(values),
            _ => None,
        }
    }

    fn text(&self, group: usize) -> &[u8] {
        let KeyValues::Text { bytes, ends } = &self.values else { panic!("{:?} is no text", self.data_type) };
        &bytes[if group == 0 { 0 } else { ends[group - 1] }..ends[group]]
    }

    /// Whether a batch's row has this group's value; NULL is NULL.
    #[inline]
    pub fn same(&self, group: usize, input: &KeyInput, row: usize) -> bool {
        match (&self.values, input) {
            (KeyValues::Fixed(mine), KeyInput::Fixed(theirs)) => match (self.is_null(group), theirs.is_null(row)) {
                (false, false) => mine[group] == theirs.value(row),
                (mine, theirs) => mine && theirs,
            },
            (KeyValues::Text { .. }, KeyInput::Text(theirs)) => match (self.is_null(group), theirs.is_null(row)) {
                (false, false) => self.text(group) == theirs.value(row).as_bytes(),
                (mine, theirs) => mine && theirs,
            },
            (KeyValues::Decimal(mine), KeyInput::Decimal(theirs)) => match (self.is_null(group), theirs.is_null(row)) {
                (false, false) => mine[group] == theirs.value(row),
                (mine, theirs) => mine && theirs,
            },
            _ => panic!("the key is {:?}, the rows are not", self.data_type),
        }
    }

    /// Whether a group of another table of the same query has this group's value.
    pub fn same_group(&self, group: usize, other: &KeyColumn, theirs: usize) -> bool {
        if self.is_null(group) || other.is_null(theirs) {
            return self.is_null(group) && other.is_null(theirs);
        }
        match (&self.values, &other.values) {
            (KeyValues::Fixed(a), KeyValues::Fixed(b)) => a[group] == b[theirs],
            (KeyValues::Decimal(a), KeyValues::Decimal(b)) => a[group] == b[theirs],
            _ => self.text(group) == other.text(theirs),
        }
    }

    /// Whether a value is this group's; a value of another type never is.
    pub fn same_value(&self, group: usize, value: &Value) -> bool {
        match (value, self.is_null(group)) {
            (Value::Null, null) => null,
            (_, true) => false,
            (Value::Text(text), _) => self.data_type == DataType::Text && self.text(group) == text.as_bytes(),
            (_, _) => match &self.values {
                KeyValues::Fixed(mine) => value_ordinal(value, self.data_type) == Some(mine[group]),
                KeyValues::Text { .. } => false,
                KeyValues::Decimal(mine) => unscaled(value, self.data_type) == Some(mine[group]),
            },
        }
    }

    /// The hash with this value folded in; `None` where no group can have the value, as it is of another type.
    pub fn fold_value(&self, hash: u64, value: &Value) -> Option<u64> {
        match value {
            Value::Null => Some(fold(hash, NULL_WORD)),
            Value::Text(text) if self.data_type == DataType::Text => Some(fold_text(hash, text.as_bytes())),
            _ => match unscaled(value, self.data_type) {
                Some(unscaled) => Some(fold_decimal(hash, unscaled)),
                None => value_ordinal(value, self.data_type).map(|v| fold(hash, v as u64)),
            },
        }
    }

    fn push_null(&mut self, null: bool) {
        let groups = self.len();
        match &mut self.nulls {
            Some(nulls) => nulls.push(null),
            none if null => {
                let mut nulls = vec![false; groups - 1];
                nulls.push(true);
                *none = Some(nulls);
            }
            _ => {}
        }
    }

    /// Adds a group with a batch's row.
    pub fn push(&mut self, input: &KeyInput, row: usize) {
        let null = match (&mut self.values, input) {
            (KeyValues::Fixed(mine), KeyInput::Fixed(theirs)) => {
                let null = theirs.is_null(row);
                mine.push(if null { 0 } else { theirs.value(row) });
                null
            }
            (KeyValues::Text { bytes, ends }, KeyInput::Text(theirs)) => {
                let null = theirs.is_null(row);
                if !null {
                    bytes.extend_from_slice(theirs.value(row).as_bytes());
                }
                ends.push(bytes.len());
                null
            }
            (KeyValues::Decimal(mine), KeyInput::Decimal(theirs)) => {
                let null = theirs.is_null(row);
                mine.push(if null { 0 } else { theirs.value(row) });
                null
            }
            _ => panic!("the key is {:?}, the rows are not", self.data_type),
        };
        self.push_null(null);
    }

    /// Adds a group with another table's.
    pub fn push_group(&mut self, other: &KeyColumn, group: usize) {
        match &mut self.values {
            KeyValues::Fixed(mine) => {
                let KeyValues::Fixed(theirs) = &other.values else { panic!("tables of one query have the same keys") };
                mine.push(theirs[group]);
            }
            KeyValues::Text { bytes, ends } => {
                bytes.extend_from_slice(other.text(group));
                ends.push(bytes.len());
            }
            KeyValues::Decimal(mine) => {
                let KeyValues::Decimal(theirs) = &other.values else { panic!("tables of one query have the same keys") };
                mine.push(theirs[group]);
            }
        }
        self.push_null(other.is_null(group));
    }

    /// Adds all groups of another table.
    pub fn append(&mut self, other: &KeyColumn) {
        let groups = self.len();
        match (&mut self.values, &other.values) {
            (KeyValues::Fixed(mine), KeyValues::Fixed(theirs)) => mine.extend_from_slice(theirs),
            (KeyValues::Decimal(mine), KeyValues::Decimal(theirs)) => mine.extend_from_slice(theirs),
            (KeyValues::Text { bytes, ends }, KeyValues::Text { bytes: their_bytes, ends: their_ends }) => {
                let before = bytes.len();
                bytes.extend_from_slice(their_bytes);
                ends.extend(their_ends.iter().map(|end| before + end));
            }
            _ => panic!("tables of one query have the same keys"),
        }
        if self.nulls.is_some() || other.nulls.is_some() {
            let nulls = self.nulls.get_or_insert_with(|| vec![false; groups]);
            match &other.nulls {
                Some(theirs) => nulls.extend_from_slice(theirs),
                None => nulls.resize(groups + other.len(), false),
            }
        }
    }

    pub fn value(&self, group: usize) -> Value {
        if self.is_null(group) {
            return Value::Null;
        }
        match &self.values {
            KeyValues::Fixed(values) => ordinal_value(values[group], self.data_type),
            KeyValues::Text { .. } => Value::Text(self.str(group).into()),
            KeyValues::Decimal(values) => match self.data_type {
                DataType::Decimal { scale, .. } => Value::Decimal(Decimal { unscaled: values[group], scale }),
                _ => Value::Numeric(values[group]),
            },
        }
    }

    fn str(&self, group: usize) -> &str {
        std::str::from_utf8(self.text(group)).expect("texts are cut where Arrow cut them")
    }

    /// The order of two groups by this key, NULL last, texts byte by byte.
    pub fn compare(&self, a: usize, b: usize) -> std::cmp::Ordering {
        self.is_null(a).cmp(&self.is_null(b)).then_with(|| match &self.values {
            KeyValues::Fixed(values) => values[a].cmp(&values[b]),
            KeyValues::Text { .. } => self.text(a).cmp(self.text(b)),
            KeyValues::Decimal(values) => values[a].cmp(&values[b]),
        })
    }

    /// Whether a group's key lies between two values, both included; `None` is open. NULL lies in no range that has a bound.
    pub fn within(&self, group: usize, from: Option<&Value>, to: Option<&Value>) -> bool {
        if from.is_none() && to.is_none() {
            return true;
        }
        if self.is_null(group) {
            return false;
        }
        match &self.values {
            KeyValues::Fixed(values) => {
                let bound = |v: &Value| value_ordinal(v, self.data_type);
                from.is_none_or(|v| bound(v).is_some_and(|b| values[group] >= b))
                    && to.is_none_or(|v| bound(v).is_some_and(|b| values[group] <= b))
            }
            KeyValues::Text { .. } => {
                let text = self.text(group);
                from.is_none_or(|v| matches!(v, Value::Text(b) if text >= b.as_bytes()))
                    && to.is_none_or(|v| matches!(v, Value::Text(b) if text <= b.as_bytes()))
            }
            KeyValues::Decimal(values) => {
                let bound = |v: &Value| unscaled(v, self.data_type);
                from.is_none_or(|v| bound(v).is_some_and(|b| values[group] >= b))
                    && to.is_none_or(|v| bound(v).is_some_and(|b| values[group] <= b))
            }
        }
    }

    /// The groups' values as a column in canonical type.
    pub fn take(&self, groups: &[u32]) -> ArrayRef {
        let nulls = self.nulls.as_ref().map(|n| groups.iter().map(|&g| !n[g as usize]).collect::<NullBuffer>());
        match &self.values {
            KeyValues::Fixed(values) => from_ordinals(groups.iter().map(|&g| values[g as usize]).collect(), nulls, self.data_type),
            KeyValues::Decimal(values) => from_unscaled(groups.iter().map(|&g| values[g as usize]).collect(), nulls, self.data_type),
            KeyValues::Text { .. } => {
                let lengths = groups.iter().map(|&g| self.text(g as usize).len());
                let offsets: OffsetBuffer<i32> = OffsetBuffer::from_lengths(lengths);
                // All of them at once: growing would copy, and clear new memory for it.
                let mut bytes = Vec::with_capacity(offsets.last() as usize);
                groups.iter().for_each(|&g| bytes.extend_from_slice(self.text(g as usize)));
                Arc::new(StringArray::new(offsets, bytes.into(), nulls))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of every length to 40 that differ in one byte: the same hash where they are the same, and nowhere else.
    #[test]
    fn texts_are_told_apart_in_every_byte_and_by_length() {
        let whole: Vec<u8> = (1..=40).collect();
        for len in 0..=whole.len() {
            let text = &whole[..len];
            assert_eq!(fold_text(EMPTY_HASH, text), fold_text(EMPTY_HASH, &whole.clone()[..len]));
            if len > 0 {
                assert_ne!(fold_text(EMPTY_HASH, text), fold_text(EMPTY_HASH, &whole[..len - 1]));
            }
            for at in 0..len {
                let mut other = text.to_vec();
                other[at] ^= 0x80;
                assert_ne!(fold_text(EMPTY_HASH, text), fold_text(EMPTY_HASH, &other), "byte {at} of {len}");
            }
        }
    }
}
