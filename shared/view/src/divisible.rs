//! Whether integers are divisible by a constant: told by one multiplication and one comparison, without the remainder.
//!
//! T. Granlund and P. Montgomery, Division by invariant integers using multiplication (PLDI 1994), section 9: an odd divisor has an inverse modulo 2⁶⁴, and its multiples are the numbers
//! that the inverse takes to small ones; the twos of an even divisor are rotated out of the way.

use arrow_array::{Array, BooleanArray, Int64Array};
use arrow_buffer::BooleanBuffer;

use twopath_query::{BinaryOp, DataType, Expr, ExprKind, Value};

/// `arg % by = 0` where `by` is a constant but 0, or the same with `<>`.
pub(super) struct Divisible<'e> {
    pub arg: &'e Expr,
    by: u64,
    negated: bool,
}

impl<'e> Divisible<'e> {
    /// What a comparison asks, if it asks that.
    pub fn of(op: BinaryOp, left: &'e Expr, right: &Expr) -> Option<Self> {
        let negated = match op {
            BinaryOp::Equal => false,
            BinaryOp::NotEqual => true,
            _ => return None,
        };
        let ExprKind::Binary { op: BinaryOp::Modulo, left: arg, right: by } = &left.kind else { return None };
        match (&by.kind, &right.kind) {
            (ExprKind::Literal(Value::Int(by)), ExprKind::Literal(Value::Int(0))) if *by != 0 && arg.data_type == DataType::Int => {
                Some(Divisible { arg, by: by.unsigned_abs(), negated })
            }
            _ => None,
        }
    }

    /// The answer for each of these values.
    pub fn of_values(&self, values: &Int64Array) -> BooleanArray {
        let (by, negated) = (self.by, self.negated);
        let (twos, greatest) = (by.trailing_zeros(), u64::MAX / by);
        let inverse = inverse_of_odd(by >> twos);
        let v = values.values();
        let is = |row: usize| (v[row].unsigned_abs().wrapping_mul(inverse).rotate_right(twos) <= greatest) != negated;
        BooleanArray::new(BooleanBuffer::collect_bool(v.len(), is), values.nulls().cloned())
    }
}

/// The number that multiplied with this odd one gives 1, modulo 2⁶⁴. By Newton's method: each step doubles the bits that are right, of which there are 3 at first.
fn inverse_of_odd(odd: u64) -> u64 {
    (0..5).fold(odd, |inverse, _| inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_remainder_says() {
        let near = |n: i64| (-3..=3).map(move |d| n.wrapping_add(d));
        let numbers: Vec<i64> =
            [0, i64::MIN, i64::MAX, 1 << 32, 123 * 456_789, -(7_i64.pow(20)), 6_i64.pow(20)].into_iter().flat_map(near).collect();
        let column = |v: &i64| Expr::literal(Value::Int(*v), DataType::Int);
        for by in numbers.iter().filter(|by| **by != 0) {
            for (op, when_divisible) in [(BinaryOp::Equal, true), (BinaryOp::NotEqual, false)] {
                let arg = Expr::column(0, DataType::Int);
                let remainder = Expr::binary(BinaryOp::Modulo, arg, column(by), DataType::Int);
                let asked = Divisible::of(op, &remainder, &column(&0)).unwrap();
                let multiples = (-3..=3).map(|n: i64| by.wrapping_mul(n));
                let values: Vec<Option<i64>> = numbers.iter().copied().chain(multiples).map(Some).chain([None]).collect();
                let found = asked.of_values(&Int64Array::from(values.clone()));
                for (row, value) in values.iter().enumerate() {
                    let wanted = value.map(|v| (v.wrapping_rem(*by) == 0) == when_divisible);
                    assert_eq!(found.is_valid(row).then(|| found.value(row)), wanted, "{value:?} by {by}");
                }
            }
        }
        let remainder = Expr::binary(BinaryOp::Modulo, Expr::column(0, DataType::Int), column(&0), DataType::Int);
        assert!(Divisible::of(BinaryOp::Equal, &remainder, &column(&0)).is_none(), "which is an error");
    }
}
