//! Whole numbers as wide as they need to be, for sums that are exact in any order.

/// A whole number: the sum of `limbs[i] * 2^(32 * (base + i))`. While values are added a limb may grow beyond 32 bits, either way.
#[derive(Debug, Clone, Default)]
pub struct Wide {
    base: usize,
    limbs: Vec<i64>,
    /// How many additions the limbs have taken since they were last brought below 2^32.
    pending: u32,
}

/// Each addition adds less than 2^32 to a limb, so that so many fit 63 bits.
const PENDING_MAX: u32 = 1 << 29;

impl Wide {
    /// Adds `value * 2^position`, or takes it away.
    pub fn add(&mut self, value: u64, position: usize, negative: bool) {
        if value == 0 {
            return;
        }
        let shifted = u128::from(value) << (position % 32);
        let first = position / 32;
        self.reach(first, first + 3);
        for (i, limb) in self.limbs[first - self.base..][..3].iter_mut().enumerate() {
            let part = (shifted >> (32 * i)) as u32;
            *limb += if negative { -i64::from(part) } else { i64::from(part) };
        }
        self.pending += 1;
        if self.pending >= PENDING_MAX {
            self.settle();
        }
    }

    /// As [`Wide::add`], of 128 bits.
    pub fn add_wide(&mut self, value: u128, position: usize, negative: bool) {
        self.add(value as u64, position, negative);
        self.add((value >> 64) as u64, position + 64, negative);
    }

    pub fn merge(&mut self, other: &Wide) {
        self.combine(other, |mine, theirs| *mine += theirs);
    }

    /// Takes away what was merged before.
    pub fn retract(&mut self, other: &Wide) {
        self.combine(other, |mine, theirs| *mine -= theirs);
    }

    fn combine(&mut self, other: &Wide, change: impl Fn(&mut i64, i64)) {
        if other.limbs.is_empty() {
            return;
        }
        let mut other = other.clone();
        other.settle();
        self.settle();
        self.reach(other.base, other.base + other.limbs.len());
        for (mine, theirs) in self.limbs[other.base - self.base..].iter_mut().zip(other.limbs) {
            change(mine, theirs);
        }
        self.settle();
    }

    /// Makes room for the limbs from `from` to `to`, exclusive.
    fn reach(&mut self, from: usize, to: usize) {
        if self.limbs.is_empty() {
            self.base = from;
        }
        if from < self.base {
            self.limbs.splice(..0, std::iter::repeat_n(0, self.base - from));
            self.base = from;
        }
        if to > self.base + self.limbs.len() {
            self.limbs.resize(to - self.base, 0);
        }
    }

    /// Carries, so that every limb but the last is in 0..2^32; the last has the number's sign.
    fn settle(&mut self) {
        self.pending = 1;
        let mut i = 0;
        while i < self.limbs.len() {
            let is_last = i + 1 == self.limbs.len();
            let carry = self.limbs[i] >> 32;
            if is_last && (carry == 0 || carry == -1) {
                break;
            }
            self.limbs[i] &= 0xffff_ffff;
            if is_last {
                self.limbs.push(0);
            }
            self.limbs[i + 1] += carry;
            i += 1;
        }
    }

    /// The sign, how many limbs of zero come first, and the limbs after them, the least first and none of the outer ones zero. Of zero no limbs.
    pub fn magnitude(&self) -> (bool, usize, Vec<u32>) {
        let mut settled = self.clone();
        settled.settle();
        let negative = settled.limbs.last().is_some_and(|last| *last < 0);
        if negative {
            settled.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            settled.settle();
        }
        let zeros = settled.limbs.iter().take_while(|limb| **limb == 0).count();
        let mut limbs: Vec<u32> = settled.limbs[zeros..].iter().map(|limb| *limb as u32).collect();
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        if limbs.is_empty() { (false, 0, limbs) } else { (negative, settled.base + zeros, limbs) }
    }

    /// The inverse of [`Wide::magnitude`].
    pub fn from_magnitude(negative: bool, base: usize, limbs: &[u32]) -> Wide {
        let limbs = limbs.iter().map(|limb| if negative { -i64::from(*limb) } else { i64::from(*limb) }).collect();
        Wide { base, limbs, pending: 1 }
    }

    pub fn bytes(&self) -> usize {
        size_of::<Wide>() + self.limbs.capacity() * size_of::<i64>()
    }
}

/// `count * squares - sum^2` as limbs, the least first, with the number of zero limbs before them; `sum` without its sign. It is never negative.
pub fn spread(count: u64, sum: (usize, &[u32]), squares: (usize, &[u32])) -> (usize, Vec<u32>) {
    let (left, right) = (times(squares.1, &[count as u32, (count >> 32) as u32]), times(sum.1, sum.1));
    let (left_base, right_base) = (squares.0, 2 * sum.0);
    let base = if right.is_empty() { left_base } else { left_base.min(right_base) };
    let mut limbs = vec![0u32; left_base - base];
    limbs.extend(left);
    let mut borrow = 0i64;
    let start = if right.is_empty() { 0 } else { right_base - base };
    let length = limbs.len().max(start + right.len());
    limbs.resize(length, 0);
    for (i, limb_before) in limbs.iter_mut().enumerate().skip(start) {
        let less = i64::from(right.get(i - start).copied().unwrap_or(0));
        let limb = i64::from(*limb_before) - less + borrow;
        *limb_before = limb as u32;
        borrow = limb >> 32;
    }
    assert_eq!(borrow, 0, "the mean of squares is not below the square of the mean");
    (base, limbs)
}

fn times(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut product = vec![0u32; a.len() + b.len()];
    for (i, &x) in a.iter().enumerate() {
        let mut carry = 0u64;
        for (j, &y) in b.iter().enumerate() {
            let limb = u64::from(product[i + j]) + u64::from(x) * u64::from(y) + carry;
            product[i + j] = limb as u32;
            carry = limb >> 32;
        }
        product[i + b.len()] = carry as u32;
    }
    while product.last() == Some(&0) {
        product.pop();
    }
    product
}

/// `limbs * 2^exponent / divisor` as a float, rounded once (half to even) for divisors below 2^64.
pub fn quotient(limbs: &[u32], exponent: i64, divisor: u128) -> f64 {
    let significant = limbs.len() - limbs.iter().rev().take_while(|l| **l == 0).count();
    let limbs = &limbs[..significant];
    let Some(last) = limbs.last() else { return 0.0 };
    // The first 127 bits, and whether others come after.
    let bits = limbs.len() * 32 - last.leading_zeros() as usize;
    let bit = |i: usize| limbs[i / 32] >> (i % 32) & 1 == 1;
    let low = bits.saturating_sub(127);
    let mut top = (low..bits).rev().fold(0u128, |top, i| top << 1 | u128::from(bit(i)));
    let mut exponent = exponent + low as i64;
    let shift = top.leading_zeros() - 1;
    top <<= shift;
    exponent -= i64::from(shift);
    let rest = (0..low).any(bit);
    let inexact = rest || top % divisor != 0;
    // The last bit stands for all that was left out, so that rounding sees it.
    let quotient = (top / divisor) | u128::from(inexact);
    scaled(quotient as f64, exponent)
}

/// `value * 2^exponent`, in steps that do not leave the range of floats before the last.
fn scaled(value: f64, exponent: i64) -> f64 {
    let step = |e: i64| f64::from_bits(((e + 1023) as u64) << 52);
    let mut value = value;
    let mut left = exponent.clamp(-4_000, 4_000);
    while left > 1_000 {
        value *= step(1_000);
        left -= 1_000;
    }
    while left < -1_000 {
        // As many bits as a float keeps go first, so that it is rounded in the last step alone.
        value *= step(-1_000);
        left += 1_000;
    }
    value * step(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_wide_integers() {
        let mut wide = Wide::default();
        let mut plain = 0i128;
        for (value, position, negative) in [(5, 40, false), (u64::MAX, 3, true), (7, 0, false), (1, 62, true), (u64::MAX, 50, false)] {
            wide.add(value, position, negative);
            let term = i128::from(value) << position;
            plain += if negative { -term } else { term };
            let (negative, base, limbs) = wide.magnitude();
            let magnitude = limbs.iter().rev().fold(0u128, |m, l| m << 32 | u128::from(*l)) << (32 * base);
            assert_eq!((negative, magnitude), (plain < 0, plain.unsigned_abs()));
        }
        let mut twice = wide.clone();
        twice.merge(&wide);
        let (_, base, limbs) = twice.magnitude();
        let magnitude = limbs.iter().rev().fold(0u128, |m, l| m << 32 | u128::from(*l)) << (32 * base);
        assert_eq!(magnitude, (plain * 2).unsigned_abs());
        twice.retract(&wide);
        assert_eq!(twice.magnitude(), wide.magnitude());
        twice.retract(&wide);
        assert_eq!(twice.magnitude(), (false, 0, vec![]));
        let (negative, base, limbs) = wide.magnitude();
        assert_eq!(Wide::from_magnitude(negative, base, &limbs).magnitude(), (negative, base, limbs));
    }

    #[test]
    fn quotients_are_rounded_once() {
        assert_eq!(quotient(&[1], 0, 3), 1.0 / 3.0);
        assert_eq!(quotient(&[10], -1, 5), 1.0);
        assert_eq!(quotient(&[0, 1], 0, 1), 4_294_967_296.0);
        assert_eq!(quotient(&[u32::MAX, u32::MAX, u32::MAX], 0, 7), (2f64.powi(96)) / 7.0);
        assert_eq!(quotient(&[0], 0, 7), 0.0);
    }
}
