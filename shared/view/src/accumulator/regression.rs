//! CORR, COVAR_* and REGR_*: of pairs of floats, by exact sums of the values and of their products.
//!
//! Every result is a quotient (or the root of one) of whole numbers that those sums give, rounded once; so it depends on no order.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array};
use arrow_schema::DataType as ArrowType;
use num_bigint::{BigInt, Sign};

use super::moments::{FLOAT_UNIT, decoded, encoded, parts_of};
use super::rational::{nearest, nearest_root};
use super::wide::Wide;
use super::{Accumulate, Column, Reader};
use twopath_query::{EvalError, Regression as Function};

/// The sums of every group.
#[derive(Debug, Clone)]
pub struct Regression {
    function: Function,
    groups: Vec<Group>,
}

/// Of pairs (y, x) that are both there.
#[derive(Debug, Clone, Default)]
struct Group {
    count: u64,
    /// Whether a y, or an x, is NaN or infinite; the sums leave such pairs out.
    special: [bool; 2],
    /// Of y, x, y², x² and xy.
    sums: [Wide; 5],
}

const NAMES: [&str; 5] = ["sum_y", "sum_x", "sum_yy", "sum_xx", "sum_xy"];

impl Group {
    fn add(&mut self, y: f64, x: f64) {
        self.count += 1;
        if !y.is_finite() || !x.is_finite() {
            self.special[0] |= !y.is_finite();
            self.special[1] |= !x.is_finite();
        }
        let [sum_y, sum_x, sum_yy, sum_xx, sum_xy] = &mut self.sums;
        let square = |sum: &mut Wide, mantissa: u64, position: usize| {
            sum.add_wide(u128::from(mantissa) * u128::from(mantissa), 2 * position, false);
        };
        let (y, x) = (y.is_finite().then(|| parts_of(y)), x.is_finite().then(|| parts_of(x)));
        if let Some((mantissa, position, negative)) = y {
            sum_y.add(mantissa, position, negative);
            square(sum_yy, mantissa, position);
        }
        if let Some((mantissa, position, negative)) = x {
            sum_x.add(mantissa, position, negative);
            square(sum_xx, mantissa, position);
        }
        if let (Some(y), Some(x)) = (y, x) {
            sum_xy.add_wide(u128::from(y.0) * u128::from(x.0), y.1 + x.1, y.2 != x.2);
        }
    }

    /// PostgreSQL's definitions.
    fn value(&self, function: Function) -> Result<Option<f64>, EvalError> {
        let n = BigInt::from(self.count);
        let [y, x, yy, xx, xy] = self.sums.each_ref().map(whole);
        let [special_y, special_x] = self.special;
        // n * n times the (co)variances, in units of 2^(2 * FLOAT_UNIT).
        let spread = |product: &BigInt, a: &BigInt, b: &BigInt| &n * product - a * b;
        let (nyy, nxx, nxy) = (spread(&yy, &y, &y), spread(&xx, &x, &x), spread(&xy, &y, &x));
        let zero = BigInt::ZERO;
        let is_constant = |spread: &BigInt, special: bool| !special && *spread == zero;
        let undefined = match function {
            Function::CovarSamp => self.count < 2,
            Function::Slope | Function::Intercept | Function::R2 => is_constant(&nxx, special_x),
            Function::Corr => is_constant(&nxx, special_x) || is_constant(&nyy, special_y),
            Function::CovarPop | Function::Sxx | Function::Syy | Function::Sxy => false,
        };
        if self.count == 0 || undefined {
            return Ok(None);
        }
        let special = match function {
            Function::Sxx => special_x,
            Function::Syy => special_y,
            _ => special_x || special_y,
        };
        if special {
            return Ok(Some(f64::NAN));
        }
        let squared = 2 * FLOAT_UNIT;
        let value = match function {
            Function::CovarPop => nearest(&nxy, &(&n * &n), squared),
            Function::CovarSamp => nearest(&nxy, &(&n * (&n - 1)), squared),
            Function::Sxx => nearest(&nxx, &n, squared),
            Function::Syy => nearest(&nyy, &n, squared),
            Function::Sxy => nearest(&nxy, &n, squared),
            Function::Slope => nearest(&nxy, &nxx, 0),
            Function::Intercept => nearest(&(y * &nxx - x * &nxy), &(n * &nxx), FLOAT_UNIT),
            Function::R2 if nyy == zero => 1.0,
            Function::R2 => nearest(&(&nxy * &nxy), &(nxx * nyy), 0),
            Function::Corr => {
                let root = nearest_root(&(&nxy * &nxy), &(nxx * nyy));
                if nxy.sign() == Sign::Minus { -root + 0.0 } else { root }
            }
        };
        if value.is_finite() { Ok(Some(value)) } else { Err(EvalError::OutOfRange) }
    }
}

fn whole(wide: &Wide) -> BigInt {
    let (negative, base, limbs) = wide.magnitude();
    BigInt::from_slice(if negative { Sign::Minus } else { Sign::Plus }, &limbs) << (32 * base)
}

impl Regression {
    pub fn new(function: Function) -> Self {
        Regression { function, groups: Vec::new() }
    }
}

impl Accumulate for Regression {
    fn emptied(&self) -> Self {
        Regression::new(self.function)
    }

    fn grow(&mut self, groups: usize, _complete: bool) {
        self.groups.resize_with(groups, Group::default);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let [y, x] = args else { panic!("a pair of values") };
        let pairs = y.as_primitive::<Float64Type>().iter().zip(x.as_primitive::<Float64Type>());
        for (&group, pair) in groups.iter().zip(pairs) {
            if let (Some(y), Some(x)) = pair {
                self.groups[group as usize].add(y, x);
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        for (&from, &to) in from.iter().zip(to) {
            let (theirs, mine) = (&other.groups[from as usize], &mut self.groups[to as usize]);
            mine.count += theirs.count;
            mine.special.iter_mut().zip(theirs.special).for_each(|(mine, theirs)| *mine |= theirs);
            mine.sums.iter_mut().zip(&theirs.sums).for_each(|(mine, theirs)| mine.merge(theirs));
        }
    }

    fn complete(&self) -> bool {
        true
    }

    /// # Errors
    /// [`EvalError::OutOfRange`] where a result is beyond all floats.
    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let value = |g: &u32| self.groups[*g as usize].value(self.function);
        Ok(Arc::new(groups.iter().map(value).collect::<Result<Float64Array, _>>()?))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let of = |g: &u32| &self.groups[*g as usize];
        let special = |i: usize| -> ArrayRef { Arc::new(groups.iter().map(|g| Some(of(g).special[i])).collect::<BooleanArray>()) };
        let mut columns: Vec<Column> = vec![
            ("count", Arc::new(groups.iter().map(|g| Some(of(g).count as i64)).collect::<Int64Array>())),
            ("special_y", special(0)),
            ("special_x", special(1)),
        ];
        columns.extend(NAMES.iter().enumerate().map(|(i, name)| {
            let mut out = BinaryBuilder::new();
            groups.iter().for_each(|g| out.append_value(encoded(&of(g).sums[i])));
            (*name, Arc::new(out.finish()) as ArrayRef)
        }));
        columns
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let counts = read.next("count", &ArrowType::Int64, false)?;
        let special = [read.next("special_y", &ArrowType::Boolean, false)?, read.next("special_x", &ArrowType::Boolean, false)?];
        let sums = NAMES.iter().map(|name| read.next(name, &ArrowType::Binary, false)).collect::<Result<Vec<_>, _>>()?;
        let group = |row: usize| {
            let count = counts.as_primitive::<Int64Type>().value(row);
            let count = u64::try_from(count).map_err(|_| format!("row {row} of the column 'count' is {count}"))?;
            let mut group = Group { count, special: special.each_ref().map(|s| s.as_boolean().value(row)), ..Group::default() };
            for ((mine, column), name) in group.sums.iter_mut().zip(&sums).zip(NAMES) {
                let sum = decoded(column.as_binary::<i32>().value(row));
                *mine = sum.ok_or_else(|| format!("row {row} of the column '{name}' is no sum"))?;
            }
            Ok(group)
        };
        self.groups = (0..counts.len()).map(group).collect::<Result<_, String>>()?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let sums = self.groups.iter().flat_map(|g| &g.sums).map(|s| s.bytes() - size_of::<Wide>());
        self.groups.capacity() * size_of::<Group>() + sums.sum::<usize>()
    }
}
