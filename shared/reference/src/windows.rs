//! Which windows a moment falls in, by their definitions ([`twopath_query::plan::Window`]). All is microseconds.

use std::ops::Range;

use twopath_query::EvalError;

/// The start of the window of `size` that `t` lies in.
pub(super) fn tumbling(t: i64, size: i64, offset: i64) -> Result<i64, EvalError> {
    within(below(t, size, offset))
}

/// The starts of all windows of `size` that `t` lies in, one of which begins at every `slide`.
pub(super) fn hopping(t: i64, slide: i64, size: i64, offset: i64) -> Result<Vec<i64>, EvalError> {
    let mut starts = Vec::new();
    let mut start = below(t, slide, offset);
    while start > i128::from(t) - i128::from(size) {
        within(start + i128::from(size))?;
        starts.push(within(start)?);
        start -= i128::from(slide);
    }
    Ok(starts)
}

/// The ends of all windows that `t` lies in, which grow by `step` up to `size`.
pub(super) fn cumulating(t: i64, step: i64, size: i64, offset: i64) -> Result<Vec<i64>, EvalError> {
    let start = i128::from(within(below(t, size, offset))?);
    let ends = (1..=size / step).map(|steps| start + i128::from(steps) * i128::from(step));
    ends.filter(|end| *end > i128::from(t)).map(within).collect()
}

/// Cuts moments, which are in order, where one comes `gap` or more after the one before it.
pub(super) fn sessions(times: &[i64], gap: i64) -> Vec<Range<usize>> {
    let begins = |&i: &usize| i == 0 || i128::from(times[i]) - i128::from(times[i - 1]) >= i128::from(gap);
    let starts: Vec<usize> = (0..times.len()).filter(begins).collect();
    let ends = starts.iter().skip(1).copied().chain([times.len()]);
    starts.iter().zip(ends).map(|(&start, end)| start..end).collect()
}

/// The greatest moment that is not after `t` and congruent to `offset`.
fn below(t: i64, every: i64, offset: i64) -> i128 {
    i128::from(t) - (i128::from(t) - i128::from(offset)).rem_euclid(i128::from(every))
}

fn within(us: i128) -> Result<i64, EvalError> {
    i64::try_from(us).map_err(|_| EvalError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_definitions() {
        assert_eq!(tumbling(17, 10, 0), Ok(10));
        assert_eq!(tumbling(17, 10, 8), Ok(8));
        assert_eq!(tumbling(-1, 10, 3), Ok(-7));
        assert_eq!(tumbling(i64::MIN, 10, 0), Err(EvalError::OutOfRange));
        assert_eq!(hopping(17, 5, 10, 0), Ok(vec![15, 10]));
        assert_eq!(hopping(17, 4, 10, 1), Ok(vec![17, 13, 9]));
        // Where the slide is greater than the size, moments between windows are in none.
        assert_eq!(hopping(17, 10, 5, 0), Ok(vec![]));
        assert_eq!(hopping(14, 10, 5, 0), Ok(vec![10]));
        assert_eq!(hopping(i64::MAX, 5, 10, 0), Err(EvalError::OutOfRange));
        assert_eq!(cumulating(17, 5, 20, 0), Ok(vec![20]));
        assert_eq!(cumulating(10, 5, 20, 0), Ok(vec![15, 20]));
        assert_eq!(sessions(&[0, 1, 4, 10, 20], 5), [0..3, 3..4, 4..5]);
        // Exactly a gap apart are two.
        assert_eq!(sessions(&[0, 5], 5), [0..1, 1..2]);
        assert_eq!(sessions(&[i64::MIN, i64::MAX], 5), [0..1, 1..2]);
        assert!(sessions(&[], 5).is_empty());
    }
}
