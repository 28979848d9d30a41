//! SUM of floats, exact.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::DataType as ArrowType;

use super::exact::ExactSum;
use super::{Accumulate, Column, Presence, Reader, required};
use twopath_query::EvalError;

/// Exact sums of floats, rounded once when they are asked for, so that they do not depend on the order of additions.
///
/// As long as every addition is exact, a sum is one float. Where one of them is not, all groups become pairs of floats, whose sum is the
/// group's (about 106 bits: amounts of money, measurements of like size). A group that this is not enough for, and one with infinities or
/// NaN, has an [`ExactSum`].
#[derive(Debug, Clone, Default)]
pub struct FloatSum {
    sums: Sums,
    presence: Presence,
}

#[derive(Debug, Clone)]
enum Sums {
    Single(Vec<f64>),
    /// The exact sum of the two; or the number of one of `wide` and NaN.
    Pairs {
        pairs: Vec<[f64; 2]>,
        wide: Vec<ExactSum>,
    },
}

impl Default for Sums {
    fn default() -> Self {
        Sums::Single(Vec::new())
    }
}

/// The rounded sum and the exact rest (Knuth, "The Art of Computer Programming", volume 2, 4.2.2, theorem B). The rest is not 0, often NaN,
/// where anything is infinite or NaN.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// Adds to a pair; `false`, and nothing done, where two floats do not hold the sum.
#[inline(always)]
fn add_to_pair(pair: &mut [f64; 2], value: f64) -> bool {
    let (high, rest) = two_sum(pair[0], value);
    let (low, lost) = two_sum(pair[1], rest);
    // NaN is not 0 either.
    if lost == 0.0 {
        *pair = [high, low];
    }
    lost == 0.0
}

/// What [`add_to_pair`] does not manage.
#[cold]
fn add_beyond(pair: &mut [f64; 2], wide: &mut Vec<ExactSum>, value: f64) {
    if pair[1].is_nan() {
        return wide[pair[0] as usize].add(value);
    }
    let (high, low) = two_sum(pair[0], pair[1]);
    let mut moved = [high, low];
    if !low.is_nan() && add_to_pair(&mut moved, value) {
        *pair = moved;
        return;
    }
    let mut sum = ExactSum::default();
    [pair[0], pair[1], value].iter().for_each(|&v| sum.add(v));
    *pair = [wide.len() as f64, f64::NAN];
    wide.push(sum);
}

impl Sums {
    fn pairs(&mut self) -> (&mut [[f64; 2]], &mut Vec<ExactSum>) {
        if let Sums::Single(sums) = self {
            *self = Sums::Pairs { pairs: sums.iter().map(|&s| [s, 0.0]).collect(), wide: Vec::new() };
        }
        match self {
            Sums::Pairs { pairs, wide } => (pairs, wide),
            Sums::Single(_) => unreachable!("just widened"),
        }
    }

    /// Adds `value(i)` to group `groups[i]`, for every `i`.
    #[inline(always)]
    fn add(&mut self, groups: &[u32], value: impl Fn(usize) -> f64) {
        let mut done = 0;
        if let Sums::Single(sums) = self {
            for &group in groups {
                let sum = &mut sums[group as usize];
                let (next, lost) = two_sum(*sum, value(done));
                if lost != 0.0 {
                    break;
                }
                *sum = next;
                done += 1;
            }
        }
        if done < groups.len() {
            let (pairs, wide) = self.pairs();
            for (i, &group) in groups.iter().enumerate().skip(done) {
                let pair = &mut pairs[group as usize];
                if !add_to_pair(pair, value(i)) {
                    add_beyond(pair, wide, value(i));
                }
            }
        }
    }

    fn merge_wide(&mut self, group: u32, theirs: &ExactSum) {
        self.exact(group).merge(theirs);
    }

    /// The group's sum as one that holds everything.
    fn exact(&mut self, group: u32) -> &mut ExactSum {
        let (pairs, wide) = self.pairs();
        let pair = &mut pairs[group as usize];
        if !pair[1].is_nan() {
            let mut sum = ExactSum::default();
            pair.iter().for_each(|&v| sum.add(v));
            *pair = [wide.len() as f64, f64::NAN];
            wide.push(sum);
        }
        &mut wide[pair[0] as usize]
    }

    /// Adds, or takes back, group `from[i]` of `theirs` to group `to[i]`, for every `i`.
    #[inline(always)]
    fn combine(&mut self, theirs: &Sums, from: &[u32], to: &[u32], sign: f64, exact: impl Fn(&mut ExactSum, &ExactSum)) {
        match theirs {
            Sums::Single(sums) => self.add(to, |i| sign * sums[from[i] as usize]),
            Sums::Pairs { pairs, wide } => {
                // A group that has an exact sum adds nothing here.
                let part = |group: u32, n: usize| {
                    let pair = pairs[group as usize];
                    if pair[1].is_nan() { 0.0 } else { sign * pair[n] }
                };
                self.add(to, |i| part(from[i], 0));
                self.add(to, |i| part(from[i], 1));
                if !wide.is_empty() {
                    let beyond = from.iter().zip(to).filter(|(from, _)| pairs[**from as usize][1].is_nan());
                    beyond.for_each(|(&from, &to)| exact(self.exact(to), &wide[pairs[from as usize][0] as usize]));
                }
            }
        }
    }

    fn get(&self, group: u32) -> Sum<'_> {
        match self {
            Sums::Single(sums) => Sum::Pair([sums[group as usize], 0.0]),
            Sums::Pairs { pairs, wide } => {
                let pair = pairs[group as usize];
                if pair[1].is_nan() { Sum::Wide(&wide[pair[0] as usize]) } else { Sum::Pair(pair) }
            }
        }
    }
}

/// One group's sum.
enum Sum<'a> {
    Pair([f64; 2]),
    Wide(&'a ExactSum),
}

/// A sum at rest: the nearest float, the nearest float to the rest, and the whole where these two are not it.
type AtRest = (f64, f64, Option<Vec<u8>>);

impl Sum<'_> {
    fn exact(&self) -> ExactSum {
        match self {
            Sum::Wide(sum) => (*sum).clone(),
            Sum::Pair(pair) => {
                let mut sum = ExactSum::default();
                pair.iter().for_each(|&v| sum.add(v));
                sum
            }
        }
    }

    fn nearest(&self) -> f64 {
        match self {
            Sum::Pair([high, low]) => high + low,
            Sum::Wide(sum) => sum.nearest(),
        }
    }

    fn at_rest(&self) -> AtRest {
        if let Sum::Pair(pair) = self {
            let (high, low) = two_sum(pair[0], pair[1]);
            if !low.is_nan() {
                return (high, low, None);
            }
        }
        let sum = self.exact();
        let high = sum.nearest();
        if sum.is_special() || high.is_infinite() {
            return (high, 0.0, Some(sum.to_bytes()));
        }
        let mut rest = sum.clone();
        rest.add(-high);
        let low = rest.nearest();
        rest.add(-low);
        let whole = rest.nearest() == 0.0;
        (high, low, (!whole).then(|| sum.to_bytes()))
    }
}

impl FloatSum {
    /// Takes back what was merged before, of groups that are known to have a value by other means.
    pub fn retract(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        self.sums.combine(&other.sums, from, to, -1.0, ExactSum::retract);
    }

    /// The exact sum of a group divided by `count` (positive), rounded once.
    pub fn mean(&self, group: u32, count: u64) -> f64 {
        let sum = self.sums.get(group);
        if let Sum::Pair(pair) = sum {
            let (high, low) = two_sum(pair[0], pair[1]);
            // Both are floats then, and IEEE division rounds once.
            if low == 0.0 && count <= 1 << 53 {
                return high / count as f64;
            }
        }
        sum.exact().nearest_mean(count)
    }
}

impl Accumulate for FloatSum {
    fn emptied(&self) -> Self {
        FloatSum::default()
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        match &mut self.sums {
            Sums::Single(sums) => sums.resize(groups, 0.0),
            Sums::Pairs { pairs, .. } => pairs.resize(groups, [0.0; 2]),
        }
        self.presence.grow(groups, complete);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        let array = required(args).as_primitive::<Float64Type>();
        let values = &array.values()[..groups.len()];
        match array.nulls() {
            None => {
                self.sums.add(groups, |i| values[i]);
                self.presence.mark_all(groups);
            }
            Some(nulls) => {
                self.sums.add(groups, |i| if nulls.is_valid(i) { values[i] } else { 0.0 });
                groups.iter().zip(nulls).filter(|(_, valid)| *valid).for_each(|(&g, _)| self.presence.mark(g));
            }
        }
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        self.sums.combine(&other.sums, from, to, 1.0, ExactSum::merge);
        self.presence.merge(&other.presence, from, to);
    }

    fn complete(&self) -> bool {
        self.presence.complete()
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let sums: Vec<f64> = groups.iter().map(|&g| self.sums.get(g).nearest()).collect();
        Ok(Arc::new(Float64Array::new(sums.into(), self.presence.nulls(groups))))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        let (mut sums, mut rests, mut whole) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()), BinaryBuilder::new());
        for &group in groups {
            let (sum, rest, exact) = self.sums.get(group).at_rest();
            sums.push(sum);
            rests.push(rest);
            whole.append_option(exact);
        }
        let sums = Float64Array::new(sums.into(), self.presence.nulls(groups));
        vec![("sum", Arc::new(sums)), ("rest", Arc::new(Float64Array::from(rests))), ("exact", Arc::new(whole.finish()))]
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        let sums = read.next("sum", &ArrowType::Float64, true)?;
        let rests = read.next("rest", &ArrowType::Float64, false)?;
        let exact = read.next("exact", &ArrowType::Binary, true)?;
        let (sums, rests, exact) = (sums.as_primitive::<Float64Type>(), rests.as_primitive::<Float64Type>(), exact.as_binary::<i32>());
        let groups: Vec<u32> = (0..sums.len() as u32).collect();
        let plain = |row: usize| exact.is_null(row) && sums.is_valid(row);
        self.sums = Sums::Single(vec![0.0; sums.len()]);
        self.sums.add(&groups, |row| if plain(row) { sums.value(row) } else { 0.0 });
        if rests.values().iter().any(|&r| r != 0.0) {
            self.sums.add(&groups, |row| if plain(row) { rests.value(row) } else { 0.0 });
        }
        for (row, bytes) in exact.iter().enumerate() {
            if let Some(bytes) = bytes {
                let sum = ExactSum::from_bytes(bytes).ok_or_else(|| format!("row {row} of the column 'exact' is no sum"))?;
                self.sums.merge_wide(row as u32, &sum);
            }
        }
        self.presence = Presence::load(sums.nulls(), sums.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.presence.bytes()
            + match &self.sums {
                Sums::Single(sums) => sums.capacity() * size_of::<f64>(),
                Sums::Pairs { pairs, wide } => pairs.capacity() * size_of::<[f64; 2]>() + wide.iter().map(ExactSum::bytes).sum::<usize>(),
            }
    }
}
