//! A DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019,
//! <https://arxiv.org/abs/1908.10693>): values are counted in bins whose bounds grow by a constant factor.
//!
//! All finite floats have bins: none is too small, and no bins are put together, so that the guarantee has no exceptions (the sketches
//! of libraries count what is below 1e-9 as 0, and limit the bins). A sketch takes memory for the magnitudes that it has seen.

use std::sync::LazyLock;

/// An estimate is within this share of the true value.
const RELATIVE_ERROR: f64 = 0.01;
const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
static GAMMA_LN: LazyLock<f64> = LazyLock::new(|| GAMMA.ln());
/// Bins are numbered from -37,223 (the least subnormal float) to 35,488 (the greatest float).
const BIN_MAX: i32 = 40_000;
const PAGE_BINS: usize = 64;

/// Counts of finite floats, and their least and greatest.
#[derive(Debug, Clone, PartialEq)]
pub struct DdSketch {
    min: f64,
    max: f64,
    zeros: u64,
    /// By magnitude.
    negative: Bins,
    positive: Bins,
}

/// Counts per bin, in pages by number. Bin n holds the magnitudes from gamma^n to gamma^(n + 1).
#[derive(Debug, Clone, Default, PartialEq)]
struct Bins {
    count: u64,
    pages: Vec<(i32, Box<[u64; PAGE_BINS]>)>,
}

impl Default for DdSketch {
    fn default() -> Self {
        DdSketch { min: f64::INFINITY, max: f64::NEG_INFINITY, zeros: 0, negative: Bins::default(), positive: Bins::default() }
    }
}

impl DdSketch {
    /// Takes a finite value.
    pub fn add(&mut self, value: f64) {
        // -0.0 becomes 0.0, so that the least of them does not depend on the order.
        let value = value + 0.0;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let bin = || (value.abs().ln() / *GAMMA_LN).floor() as i32;
        if value > 0.0 {
            self.positive.add(bin(), 1);
        } else if value < 0.0 {
            self.negative.add(bin(), 1);
        } else {
            self.zeros += 1;
        }
    }

    pub fn merge(&mut self, other: &DdSketch) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.zeros += other.zeros;
        self.negative.merge(&other.negative);
        self.positive.merge(&other.positive);
    }

    /// The value of rank floor(q * (n - 1)) in ascending order, within 1 %; the first and the last are exact. `None` without values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.negative.count + self.zeros + self.positive.count;
        let last = count.checked_sub(1)?;
        let rank = ((q * last as f64) as u64).min(last);
        let estimate = if rank == 0 {
            self.min
        } else if rank == last {
            self.max
        } else if rank < self.negative.count {
            -self.negative.at(self.negative.count - rank - 1)
        } else if rank < self.negative.count + self.zeros {
            0.0
        } else {
            self.positive.at(rank - self.negative.count - self.zeros)
        };
        Some(estimate.clamp(self.min, self.max))
    }

    /// At rest: min and max (Float64), the number of zeros (64 bits), the number of negative bins (32 bits); then every bin that is not
    /// empty, negative ones first, by number: its number (32 bits) and its count (64 bits). All little-endian. Equal sketches have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.min.to_le_bytes());
        bytes.extend(self.max.to_le_bytes());
        bytes.extend(self.zeros.to_le_bytes());
        bytes.extend((self.negative.iter().count() as u32).to_le_bytes());
        for (bin, count) in self.negative.iter().chain(self.positive.iter()) {
            bytes.extend(bin.to_le_bytes());
            bytes.extend(count.to_le_bytes());
        }
        bytes
    }

    /// The inverse of [`DdSketch::to_bytes`]. The error says what the bytes are not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "it is too short";
        let (min, rest) = bytes.split_first_chunk().ok_or(SHORT)?;
        let (max, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (zeros, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (negative_bins, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (min, max, zeros) = (f64::from_le_bytes(*min), f64::from_le_bytes(*max), u64::from_le_bytes(*zeros));
        let negative_bins = u32::from_le_bytes(*negative_bins) as usize;
        let bins = rest.chunks_exact(12);
        if !bins.remainder().is_empty() || negative_bins > bins.len() {
            return Err("its bins are cut off");
        }
        let mut sketch = DdSketch { min, max, zeros, ..DdSketch::default() };
        let mut last = i32::MIN;
        for (i, bin) in bins.enumerate() {
            let number = i32::from_le_bytes([bin[0], bin[1], bin[2], bin[3]]);
            let count = u64::from_le_bytes([bin[4], bin[5], bin[6], bin[7], bin[8], bin[9], bin[10], bin[11]]);
            if i == negative_bins {
                last = i32::MIN;
            }
            if number <= last || !(-BIN_MAX..=BIN_MAX).contains(&number) || count == 0 || count > i64::MAX as u64 / 2_000_000 {
                return Err("its bins are not in order");
            }
            last = number;
            if i < negative_bins { sketch.negative.add(number, count) } else { sketch.positive.add(number, count) }
        }
        let empty = sketch.negative.count + sketch.positive.count == 0 && zeros == 0;
        if empty || zeros > i64::MAX as u64 || !(min <= max && min.is_finite() && max.is_finite()) {
            return Err("it has no values between its least and its greatest");
        }
        Ok(sketch)
    }

    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        const PAGE: usize = size_of::<(i32, Box<[u64; PAGE_BINS]>)>() + size_of::<[u64; PAGE_BINS]>();
        size_of::<Self>() + (self.negative.pages.len() + self.positive.pages.len()) * PAGE
    }
}

impl Bins {
    fn page(&mut self, number: i32) -> &mut [u64; PAGE_BINS] {
        let at = match self.pages.binary_search_by_key(&number, |(n, _)| *n) {
            Ok(at) => at,
            Err(at) => {
                self.pages.insert(at, (number, Box::new([0; PAGE_BINS])));
                at
            }
        };
        &mut self.pages[at].1
    }

    fn add(&mut self, bin: i32, count: u64) {
        self.page(bin.div_euclid(PAGE_BINS as i32))[bin.rem_euclid(PAGE_BINS as i32) as usize] += count;
        self.count += count;
    }

    fn merge(&mut self, other: &Bins) {
        for (number, theirs) in &other.pages {
            self.page(*number).iter_mut().zip(theirs.iter()).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.count += other.count;
    }

    /// The bins that are not empty, by number.
    fn iter(&self) -> impl Iterator<Item = (i32, u64)> {
        let page = |(number, bins): &(i32, Box<[u64; PAGE_BINS]>)| {
            let first = number * PAGE_BINS as i32;
            let bins: Vec<(i32, u64)> = (first..).zip(bins.iter().copied()).filter(|(_, count)| *count > 0).collect();
            bins
        };
        self.pages.iter().flat_map(page)
    }

    /// What stands for the magnitude of this rank (below the count): the middle of its bin, in that it errs as much to either side.
    fn at(&self, rank: u64) -> f64 {
        let mut seen = 0;
        for (number, bins) in &self.pages {
            let within: u64 = bins.iter().sum();
            if seen + within <= rank {
                seen += within;
                continue;
            }
            for (i, count) in bins.iter().enumerate() {
                seen += count;
                if seen > rank {
                    let bin = number * PAGE_BINS as i32 + i as i32;
                    return (f64::from(bin) * *GAMMA_LN).exp() * (2.0 * GAMMA / (1.0 + GAMMA));
                }
            }
        }
        unreachable!("a rank below the count is in a bin")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: &[f64]) -> DdSketch {
        let mut sketch = DdSketch::default();
        values.iter().for_each(|&v| sketch.add(v));
        sketch
    }

    /// The guarantee over all magnitudes that floats have, for both signs.
    #[test]
    fn every_magnitude_has_its_relative_error() {
        let mut magnitude = f64::from_bits(1);
        while magnitude.is_finite() {
            for v in [magnitude, -magnitude] {
                // Between two others, so that the estimate is a bin's.
                let estimate = sketch(&[v, f64::MIN, f64::MAX]).quantile(0.5).unwrap();
                assert!((estimate - v).abs() <= v.abs() * RELATIVE_ERROR * (1.0 + 1e-9), "{v:e} is estimated as {estimate:e}");
                assert_eq!(sketch(&[v]).quantile(0.5), Some(v));
                assert_eq!(sketch(&[v, v, v]).quantile(0.5), Some(v));
            }
            magnitude *= 1.37;
            // Subnormal numbers that are rounded back to themselves.
            magnitude = magnitude.next_up();
        }
        assert_eq!(sketch(&[]).quantile(0.5), None);
    }

    #[test]
    fn ranks_go_from_the_least_to_the_greatest() {
        let values = [-2e-10, -1e-10, 0.0, -0.0, 1e-10, 2e-10, 3e-10, 1e300, f64::MAX];
        let all = sketch(&values);
        for (rank, v) in values.iter().enumerate() {
            let estimate = all.quantile(rank as f64 / 8.0).unwrap();
            assert!((estimate - v).abs() <= v.abs() * 0.010_001, "{v:e} is estimated as {estimate:e}");
        }
        let mut merged = sketch(&values[5..]);
        merged.merge(&sketch(&values[..5]));
        assert_eq!(merged, all);
        assert_eq!(DdSketch::from_bytes(&all.to_bytes()), Ok(all));
    }

    #[test]
    fn bytes_that_are_no_sketch_are_refused() {
        let good = sketch(&[-1.0, 2.0, 2.0]).to_bytes();
        assert!(DdSketch::from_bytes(&good).is_ok());
        for end in 0..good.len() {
            assert!(DdSketch::from_bytes(&good[..end]).is_err(), "{end}");
        }
        for (at, byte) in [(7, 0x7f), (24, 9), (31, 0x70), (43, 0x70)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(DdSketch::from_bytes(&bad).is_err(), "{at}");
        }
    }
}
