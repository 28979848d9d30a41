//! An exact sum of floats in as many bits as it takes: a fixed-point number of signed 64-bit chunks, 32 bits apart, so that carries
//! need to be propagated only once in a long while. After Radford M. Neal, "Fast exact summation using small and large superaccumulators",
//! 2015 (<https://arxiv.org/abs/1505.05571>), section 3; unlike there, only the chunks between the lowest and the highest bit are kept.
//!
//! Absent on purpose: anything rounded. A sum is rounded once, when it is asked for ([`ExactSum::nearest`], [`ExactSum::nearest_mean`]).

/// The bits that a chunk stands above the next lower one.
const CHUNK_BITS: usize = 32;
/// The power of two of chunk 0's unit: that of the least subnormal float.
const UNIT: i32 = -1074;
/// So many additions do not overflow a chunk: each adds less than 2^32, and a propagated chunk is below that.
const ADDITIONS_MAX: u32 = (1 << 30) - 1;
/// The first byte of a sum's bytes where infinities or NaN are in it.
const SPECIALS: u8 = 2;
/// A float's bits end in chunk 65, and 2^63 of them in chunk 67.
const CHUNKS_MAX: usize = 68;

/// A sum of floats, exact. The empty sum is [`ExactSum::default`].
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// The number of `chunks[0]`; chunk n counts 2^(32 n - 1074).
    low: usize,
    chunks: Vec<i64>,
    /// How many additions there were since carries were propagated.
    additions: u32,
    special: Specials,
}

/// How many values are no numbers: what they add up to follows from these, and one can be taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Specials {
    positive: i64,
    negative: i64,
    nan: i64,
}

impl Specials {
    const NONE: Specials = Specials { positive: 0, negative: 0, nan: 0 };

    fn count(&mut self, value: f64) -> &mut i64 {
        match value {
            f64::INFINITY => &mut self.positive,
            f64::NEG_INFINITY => &mut self.negative,
            _ => &mut self.nan,
        }
    }

    /// IEEE addition's rule: NaN and infinities of both signs make NaN; else an infinity stays. `None` where there is none of them.
    fn sum(&self) -> Option<f64> {
        match (self.positive > 0, self.negative > 0, self.nan > 0) {
            (false, false, false) => None,
            (true, false, false) => Some(f64::INFINITY),
            (false, true, false) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

/// A finite sum in the one form that it has: sign, and magnitude without zeros at its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Magnitude {
    negative: bool,
    /// The power of two of `limbs[0]`'s unit.
    unit: i32,
    /// Least significant first; empty for zero.
    limbs: Vec<u32>,
}

impl ExactSum {
    /// Adds one value. NaN makes the sum NaN, and so do infinities of both signs; else an infinity stays.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            *self.special.count(value) += 1;
            return;
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let (mantissa, place) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        if mantissa == 0 {
            return;
        }
        self.make_room();
        let wide = u128::from(mantissa) << (place % CHUNK_BITS);
        let chunks = self.reach(place / CHUNK_BITS, 3);
        for (i, chunk) in chunks.iter_mut().enumerate() {
            let piece = i64::from((wide >> (CHUNK_BITS * i)) as u32);
            *chunk += if value < 0.0 { -piece } else { piece };
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        self.combine(other, |mine, theirs| *mine += theirs);
    }

    /// Takes another sum back: what was merged before, or will be.
    pub fn retract(&mut self, other: &ExactSum) {
        self.combine(other, |mine, theirs| *mine -= theirs);
    }

    fn combine(&mut self, other: &ExactSum, change: impl Fn(&mut i64, i64)) {
        change(&mut self.special.positive, other.special.positive);
        change(&mut self.special.negative, other.special.negative);
        change(&mut self.special.nan, other.special.nan);
        if other.chunks.is_empty() {
            return;
        }
        let mut other = other.clone();
        other.propagate();
        self.make_room();
        for (mine, theirs) in self.reach(other.low, other.chunks.len()).iter_mut().zip(other.chunks) {
            change(mine, theirs);
        }
    }

    /// The float nearest to the sum, of two equally near the even one; infinite only where the sum is beyond the floats.
    pub fn nearest(&self) -> f64 {
        self.special.sum().unwrap_or_else(|| self.magnitude().nearest(false))
    }

    /// The float nearest to the sum divided by `count` (positive): rounded once, so that a mean is a number also where the sum is beyond
    /// the floats.
    pub fn nearest_mean(&self, count: u64) -> f64 {
        self.special.sum().unwrap_or_else(|| self.magnitude().nearest_quotient(count))
    }

    /// Whether an infinity or NaN is in it.
    pub fn is_special(&self) -> bool {
        self.special != Specials::NONE
    }

    /// A sum as bytes: where there are infinities or NaN, [`SPECIALS`] and their numbers (64 bits each: positive, negative, NaN); then the
    /// sign (0 or 1), the power of two of the last limb's unit (16 bits), and the limbs of 32 bits, all little-endian. Equal sums have equal
    /// bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let m = self.magnitude();
        let unit = i16::try_from(m.unit).expect("units lie within the floats' exponents");
        let mut bytes = Vec::new();
        if self.is_special() {
            bytes.push(SPECIALS);
            [self.special.positive, self.special.negative, self.special.nan].iter().for_each(|n| bytes.extend(n.to_le_bytes()));
        }
        bytes.push(u8::from(m.negative));
        bytes.extend(unit.to_le_bytes());
        m.limbs.iter().for_each(|limb| bytes.extend(limb.to_le_bytes()));
        bytes
    }

    /// The inverse of [`ExactSum::to_bytes`]; `None` where the bytes are no such sum.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (special, bytes) = match bytes.split_first() {
            Some((&SPECIALS, rest)) => {
                let (counts, rest) = rest.split_first_chunk::<24>()?;
                let count = |i: usize| i64::from_le_bytes(std::array::from_fn(|byte| counts[8 * i + byte]));
                (Specials { positive: count(0), negative: count(1), nan: count(2) }, rest)
            }
            _ => (Specials::NONE, bytes),
        };
        let (&[sign, a, b], limbs) = bytes.split_first_chunk::<3>()?;
        let place = usize::try_from(i32::from(i16::from_le_bytes([a, b])) - UNIT).ok()?;
        let (low, count) = (place / CHUNK_BITS, limbs.len() / 4);
        if sign > 1 || limbs.len() % 4 != 0 || place % CHUNK_BITS != 0 || low + count > CHUNKS_MAX {
            return None;
        }
        let limb = |bytes: &[u8]| i64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let chunks = limbs.chunks_exact(4).map(|bytes| if sign == 1 { -limb(bytes) } else { limb(bytes) });
        Some(ExactSum { low, chunks: chunks.collect(), additions: 1, special })
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.chunks.capacity() * size_of::<i64>()
    }

    fn make_room(&mut self) {
        if self.additions >= ADDITIONS_MAX {
            self.propagate();
        }
        self.additions += 1;
    }

    /// Chunks `from` to `from + count`, made where they are missing.
    fn reach(&mut self, from: usize, count: usize) -> &mut [i64] {
        if self.chunks.is_empty() {
            self.low = from;
        }
        if from < self.low {
            let missing = self.low - from;
            self.chunks.splice(0..0, std::iter::repeat_n(0, missing));
            self.low = from;
        }
        let at = from - self.low;
        if self.chunks.len() < at + count {
            self.chunks.resize(at + count, 0);
        }
        &mut self.chunks[at..at + count]
    }

    /// Moves what is beyond 32 bits from every chunk to the next higher one. Then all chunks but the highest are in 0..2^32, and the
    /// highest is a signed number of 33 bits at most.
    fn propagate(&mut self) {
        let mut carry = 0;
        for chunk in &mut self.chunks {
            let sum = *chunk + carry;
            *chunk = sum & 0xffff_ffff;
            carry = sum >> CHUNK_BITS;
        }
        match self.chunks.last_mut() {
            // The sign stays in the highest chunk, where there is room for it.
            Some(last) if carry == -1 && *last >= 1 << 31 => *last -= 1 << 32,
            _ if carry != 0 => self.chunks.push(carry),
            _ => {}
        }
        self.additions = 1;
    }

    fn magnitude(&self) -> Magnitude {
        let mut sum = self.clone();
        sum.propagate();
        let negative = sum.chunks.last().is_some_and(|&c| c < 0);
        if negative {
            sum.chunks.iter_mut().for_each(|c| *c = -*c);
            sum.propagate();
        }
        // A positive number, so that every chunk is a limb.
        let limbs: Vec<u32> = sum.chunks.iter().map(|&c| u32::try_from(c).expect("carries have been propagated")).collect();
        let end = limbs.iter().rposition(|&l| l != 0).map_or(0, |i| i + 1);
        let start = limbs.iter().position(|&l| l != 0).unwrap_or(0);
        let low = if end == 0 { 0 } else { sum.low + start };
        Magnitude { negative, unit: (low * CHUNK_BITS) as i32 + UNIT, limbs: limbs[start.min(end)..end].to_vec() }
    }
}

impl Magnitude {
    /// The nearest float, half to even. `more` says that the number is greater by less than `limbs[0]`'s unit (there must be more than
    /// 54 bits then).
    fn nearest(&self, more: bool) -> f64 {
        let Some(top) = self.limbs.last() else { return 0.0 };
        let bits = (self.limbs.len() * CHUNK_BITS) as i32 - top.leading_zeros() as i32;
        let exponent = self.unit + bits - 1;
        // The power of two of the result's last bit.
        let last = (exponent - 52).max(UNIT);
        let dropped = last - self.unit;
        let mut mantissa = self.bits_from(dropped);
        if dropped > 0 {
            let half = self.bits_from(dropped - 1) & 1 == 1;
            let rest = more || self.any_below(dropped - 1);
            mantissa += u64::from(half && (rest || mantissa & 1 == 1));
        }
        let magnitude = if exponent > 1023 {
            f64::INFINITY
        } else {
            // A mantissa of 2^53 carries into the exponent, up to infinity; one below 2^52 is subnormal, with the exponent field 0.
            f64::from_bits(((last - UNIT) as u64 * (1 << 52)) + mantissa)
        };
        if self.negative { -magnitude } else { magnitude }
    }

    /// The nearest float to this number divided by `divisor`.
    fn nearest_quotient(&self, divisor: u64) -> f64 {
        // 160 bits more than the number has: at least 96 of them are in the quotient.
        const MORE_LIMBS: usize = 5;
        let mut quotient = vec![0; MORE_LIMBS];
        quotient.extend(&self.limbs);
        let divisor = u128::from(divisor);
        let mut rest = 0;
        for limb in quotient.iter_mut().rev() {
            let dividend = rest << CHUNK_BITS | u128::from(*limb);
            *limb = (dividend / divisor) as u32;
            rest = dividend % divisor;
        }
        let end = quotient.iter().rposition(|&l| l != 0).map_or(0, |i| i + 1);
        quotient.truncate(end);
        let unit = self.unit - (MORE_LIMBS * CHUNK_BITS) as i32;
        Magnitude { negative: self.negative, unit, limbs: quotient }.nearest(rest != 0)
    }

    /// The number divided by 2^`place`, rounded down, of which no more than 64 bits are wanted.
    fn bits_from(&self, place: i32) -> u64 {
        if place < 0 {
            return self.bits_from(0) << -place;
        }
        let (first, shift) = (place as usize / CHUNK_BITS, place as usize % CHUNK_BITS);
        let limb = |i: usize| u128::from(self.limbs.get(first + i).copied().unwrap_or(0));
        ((limb(0) | limb(1) << 32 | limb(2) << 64) >> shift) as u64
    }

    /// Whether any bit below this place is set.
    fn any_below(&self, place: i32) -> bool {
        let (whole, rest) = (place as usize / CHUNK_BITS, place as usize % CHUNK_BITS);
        self.limbs.iter().take(whole).any(|&l| l != 0) || self.limbs.get(whole).is_some_and(|l| l & ((1 << rest) - 1) != 0)
    }
}

/// The float nearest to a whole number divided by another.
pub fn nearest_mean_of_integers(sum: i128, count: u64) -> f64 {
    const EXACT: u128 = 1 << 53;
    if sum.unsigned_abs() <= EXACT && u128::from(count) <= EXACT {
        // Both are floats, and IEEE division rounds once.
        return sum as f64 / count as f64;
    }
    let magnitude = sum.unsigned_abs();
    let limbs = (0..4).map(|i| (magnitude >> (CHUNK_BITS * i)) as u32).collect();
    Magnitude { negative: sum < 0, unit: 0, limbs }.nearest_quotient(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|&v| sum.add(v));
        sum
    }

    #[test]
    fn one_value_is_itself() {
        let least = f64::from_bits(1);
        for v in [0.0, 1.0, -1.0, 0.1, -1e-300, least, -least, f64::MIN_POSITIVE, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(sum(&[v]).nearest().to_bits(), v.to_bits(), "{v}");
            assert_eq!(sum(&[v, v, v]).nearest_mean(3).to_bits(), v.to_bits(), "{v}");
        }
        assert!(sum(&[f64::NAN]).nearest().is_nan());
        assert!(sum(&[f64::INFINITY, 1.0, f64::NEG_INFINITY]).nearest().is_nan());
    }

    #[test]
    fn overflow_is_that_of_the_sum() {
        assert_eq!(sum(&[1e308, 1e308, -1e308, -1e308]).nearest(), 0.0);
        assert_eq!(sum(&[1e308, 1e308]).nearest(), f64::INFINITY);
        assert_eq!(sum(&[1e308, 1e308]).nearest_mean(2), 1e308);
        assert_eq!(sum(&[f64::MIN, f64::MIN, -1.0]).nearest(), f64::NEG_INFINITY);
        // Half a unit in the last place above the greatest float is rounded to even, that is up.
        assert_eq!(sum(&[f64::MAX, 2f64.powi(970)]).nearest(), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, 2f64.powi(970), -f64::from_bits(1)]).nearest(), f64::MAX);
    }

    #[test]
    fn halves_go_to_even_and_the_least_bit_decides() {
        let (one, half) = (1.0, 2f64.powi(-53));
        let next = 1.0 + f64::EPSILON;
        assert_eq!(sum(&[one, half]).nearest(), one);
        assert_eq!(sum(&[next, half]).nearest(), next + f64::EPSILON);
        assert_eq!(sum(&[one, half, f64::from_bits(1)]).nearest(), next);
        assert_eq!(sum(&[-one, -half, -f64::from_bits(1)]).nearest(), -next);
        assert_eq!(sum(&[1e16, 1.0, 1e-16, -1e16]).nearest(), 1.0 + 1e-16);
        assert_eq!(sum(&[f64::from_bits(1), f64::from_bits(2)]).nearest_mean(2).to_bits(), 2, "1.5 units of the least are 2");
    }

    #[test]
    fn bytes_are_the_sum() {
        let special = &[f64::INFINITY, 0.1, f64::NAN, f64::INFINITY];
        for values in [&[][..], &[0.1, 1e300, -1e-300], &[-1e308, -1e308, 5e-324], &[1.0, -1.0], &[-0.1], special] {
            let all = sum(values);
            let read = ExactSum::from_bytes(&all.to_bytes()).unwrap();
            assert_eq!(read.to_bytes(), all.to_bytes(), "{values:?}");
            let mut more = read;
            more.merge(&all);
            let mut twice = all.clone();
            values.iter().for_each(|&v| twice.add(v));
            assert_eq!(more.to_bytes(), twice.to_bytes(), "{values:?}");
        }
        for not in [&[][..], &[0], &[2, 0, 0], &[3, 0, 0], &[0, 0, 0], &[0, 0xce, 0xfb, 1], &[0, 0xcf, 0xfb]] {
            assert!(ExactSum::from_bytes(not).is_none(), "{not:?}");
        }
        assert!(ExactSum::from_bytes(&[0, 0xce, 0xfb]).is_some(), "nothing is zero");
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let before = sum(&[0.1, -1e300, f64::INFINITY]);
        let other = sum(&[1e-300, 0.1, f64::NAN, -7.5, f64::MAX, f64::NEG_INFINITY, f64::INFINITY]);
        let (mut first, mut second) = (before.clone(), before.clone());
        first.merge(&other);
        assert!(first.nearest().is_nan());
        first.retract(&other);
        // The other way round is the same in the end.
        second.retract(&other);
        second.merge(&other);
        for left in [first, second] {
            assert_eq!(left.to_bytes(), before.to_bytes());
            assert_eq!(left.nearest(), f64::INFINITY);
        }
    }

    #[test]
    fn carries_are_propagated_in_time() {
        let mut all = sum(&[-0.1, f64::MIN_POSITIVE]);
        for _ in 0..40 {
            let copy = all.clone();
            all.merge(&copy);
            // As if there had been that many.
            all.additions = ADDITIONS_MAX;
        }
        assert_eq!(all.nearest(), -0.1 * 2f64.powi(40));
        assert_eq!(all.nearest_mean(1 << 40), -0.1);
    }

    #[test]
    fn means_of_integers_are_rounded_once() {
        assert_eq!(nearest_mean_of_integers(i128::MAX, 1), i128::MAX as f64);
        assert_eq!(nearest_mean_of_integers(-(1 << 60) - 1, 3), -384307168202282325.33);
    }
}
