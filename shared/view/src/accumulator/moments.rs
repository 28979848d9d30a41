//! VAR_POP and VAR_SAMP, by exact sums of the values and of their squares.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow_schema::DataType as ArrowType;

use super::wide::{Wide, quotient, spread};
use super::{Accumulate, Column, Reader, Retract, required};
use twopath_query::EvalError;

/// The least positive float is 2^-1074: every float is a whole number of these.
pub const FLOAT_UNIT: i64 = -1074;

/// How many values every group has, their sum and that of their squares.
#[derive(Debug, Clone)]
pub struct Moments {
    sample: bool,
    groups: Vec<Group>,
    /// Whether the values are floats; their unit is 2^-1074 then, else 1.
    floats: bool,
}

#[derive(Debug, Clone, Default)]
struct Group {
    count: i64,
    /// How many of them are NaN or infinite.
    special: i64,
    sum: Wide,
    squares: Wide,
}

impl Group {
    /// Adds `±mantissa * 2^position`.
    fn add(&mut self, mantissa: u64, position: usize, negative: bool) {
        self.count += 1;
        self.sum.add(mantissa, position, negative);
        self.squares.add_wide(u128::from(mantissa) * u128::from(mantissa), 2 * position, false);
    }

    fn add_float(&mut self, value: f64) {
        if !value.is_finite() {
            self.count += 1;
            self.special += 1;
            return;
        }
        let (mantissa, position, negative) = parts_of(value);
        self.add(mantissa, position, negative);
    }

    fn variance(&self, sample: bool, unit: i64) -> Result<Option<f64>, EvalError> {
        let count = self.count;
        if count < if sample { 2 } else { 1 } {
            return Ok(None);
        }
        if self.special > 0 {
            return Ok(Some(f64::NAN));
        }
        let ((_, sum_base, sum), (_, squares_base, squares)) = (self.sum.magnitude(), self.squares.magnitude());
        let count = count as u64;
        let (base, limbs) = spread(count, (sum_base, &sum), (squares_base, &squares));
        let divisor = u128::from(count) * u128::from(if sample { count - 1 } else { count });
        let variance = quotient(&limbs, 2 * unit + 32 * base as i64, divisor);
        if variance.is_finite() { Ok(Some(variance)) } else { Err(EvalError::OutOfRange) }
    }
}

impl Moments {
    pub fn new(sample: bool, floats: bool) -> Self {
        Moments { sample, groups: Vec::new(), floats }
    }
}

/// A finite float as `±mantissa * 2^(position + FLOAT_UNIT)`; whether it is negative comes last.
pub fn parts_of(value: f64) -> (u64, usize, bool) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as usize, bits & ((1 << 52) - 1));
    // Subnormal numbers have no leading 1, and the exponent of the least normal ones.
    let (mantissa, position) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
    (mantissa, position, value.is_sign_negative())
}

/// A number at rest: its sign, where its limbs begin, and the limbs.
pub fn encoded(wide: &Wide) -> Vec<u8> {
    let (negative, base, limbs) = wide.magnitude();
    let mut bytes = vec![u8::from(negative)];
    bytes.extend((4 * base as u32).to_le_bytes());
    limbs.iter().for_each(|limb| bytes.extend(limb.to_le_bytes()));
    bytes
}

/// The inverse of [`encoded`]; none for what that does not give.
pub fn decoded(bytes: &[u8]) -> Option<Wide> {
    let (sign, rest) = bytes.split_first()?;
    let (base, limbs) = rest.split_first_chunk::<4>()?;
    let (limbs, odd) = limbs.as_chunks::<4>();
    let base = u32::from_le_bytes(*base) as usize;
    // Sums of floats have fewer than 2^13 bits; what claims more was not written here.
    let fits = odd.is_empty() && *sign < 2 && base.is_multiple_of(4) && base / 4 + limbs.len() < 256;
    let limbs: Vec<u32> = limbs.iter().map(|limb| u32::from_le_bytes(*limb)).collect();
    fits.then(|| Wide::from_magnitude(*sign == 1, base / 4, &limbs))
}

impl Accumulate for Moments {
    fn emptied(&self) -> Self {
        Moments::new(self.sample, self.floats)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.groups.resize_with(groups, Group::default);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let array = required(args);
        if self.floats {
            for (&group, value) in groups.iter().zip(array.as_primitive::<Float64Type>()) {
                if let Some(value) = value {
                    self.groups[group as usize].add_float(value);
                }
            }
        } else {
            for (&group, value) in groups.iter().zip(array.as_primitive::<Int64Type>()) {
                if let Some(value) = value {
                    self.groups[group as usize].add(value.unsigned_abs(), 0, value < 0);
                }
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            let (theirs, mine) = (&other.groups[from as usize], &mut self.groups[to as usize]);
            mine.count += theirs.count;
            mine.special += theirs.special;
            mine.sum.merge(&theirs.sum);
            mine.squares.merge(&theirs.squares);
        }
    }

    fn complete(&self) -> bool {
        true
    }

    /// # Errors
    /// [`EvalError::OutOfRange`] where a variance is beyond all floats.
    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let unit = if self.floats { FLOAT_UNIT } else { 0 };
        let variance = |g: &u32| self.groups[*g as usize].variance(self.sample, unit);
        Ok(Arc::new(groups.iter().map(variance).collect::<Result<Float64Array, _>>()?))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let of = |g: &u32| &self.groups[*g as usize];
        let binary = |wide: fn(&Group) -> &Wide| -> ArrayRef {
            let mut out = BinaryBuilder::new();
            groups.iter().for_each(|g| out.append_value(encoded(wide(of(g)))));
            Arc::new(out.finish())
        };
        vec![
            ("count", Arc::new(groups.iter().map(|g| Some(of(g).count)).collect::<Int64Array>())),
            ("special", Arc::new(groups.iter().map(|g| Some(of(g).special)).collect::<Int64Array>())),
            ("sum", binary(|g| &g.sum)),
            ("squares", binary(|g| &g.squares)),
        ]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let counts = read.next("count", &ArrowType::Int64, false)?;
        // Views of before these were counted say whether there was one.
        let special = read.next_of("special", &[&ArrowType::Int64, &ArrowType::Boolean], false)?;
        let sums = read.next("sum", &ArrowType::Binary, false)?;
        let squares = read.next("squares", &ArrowType::Binary, false)?;
        let wide = |column: &ArrayRef, name: &str, row: usize| {
            decoded(column.as_binary::<i32>().value(row)).ok_or_else(|| format!("row {row} of the column '{name}' is no sum"))
        };
        let number = |column: &ArrayRef, name: &str, row: usize| {
            let flag = || column.as_boolean_opt().map(|flags| i64::from(flags.value(row)));
            let value = flag().unwrap_or_else(|| column.as_primitive::<Int64Type>().value(row));
            if value < 0 { Err(format!("row {row} of the column '{name}' is {value}")) } else { Ok(value) }
        };
        let group = |row: usize| {
            let (count, special) = (number(&counts, "count", row)?, number(&special, "special", row)?);
            let (sum, squares) = (wide(&sums, "sum", row)?, wide(&squares, "squares", row)?);
            Ok(Group { count, special, sum, squares })
        };
        self.groups = (0..counts.len()).map(group).collect::<Result<_, String>>()?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.groups.iter().map(|g| g.sum.bytes() + g.squares.bytes()).sum::<usize>()
    }
}

impl Retract for Moments {
    fn retract(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            let (theirs, mine) = (&other.groups[from as usize], &mut self.groups[to as usize]);
            mine.count -= theirs.count;
            mine.special -= theirs.special;
            mine.sum.retract(&theirs.sum);
            mine.squares.retract(&theirs.squares);
        }
    }
}
