//! Expressions over columns, vectorised, with PostgreSQL's semantics as [`twopath_query`] states them.
//!
//! A **guard** goes down with every expression that can fail: the rows for which its value is wanted at all. Where CASE, AND and OR do
//! not need a row, one operand is made NULL there before the operator runs, and an operator over NULL raises nothing.

use std::sync::Arc;

use arrow_arith::boolean::{and_kleene, is_not_null, is_null, not, or_kleene};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, Int64Array, PrimitiveArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_ord::cmp;
use arrow_select::{nullif::nullif, take::take, zip::zip};
use fastdivide::DividerU64;

use super::canonical::{arrow_type, as_i64, canonical, from_i64, is_canonical, one_row, ordinals};
use super::cast::cast;
use super::decimal;
use super::divisible::Divisible;
use super::function as functions;
use super::time::{extract, floor_to, truncate};
use twopath_query::{BinaryOp, DataType, EvalError, Expr, ExprKind, Function, UnaryOp};

/// The values of `expr` for each of `rows` rows of `columns`, in the canonical Arrow type of its SQL type
/// ([`super::arrow_type`]). Columns may be of any Arrow type that the topic's schema may have.
///
/// # Errors
/// The [`EvalError`] of one of the rows that raise one.
pub fn eval(expr: &Expr, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef, EvalError> {
    // A constant that fails is no error where there is no row to need it.
    if rows == 0 {
        return Ok(arrow_array::new_empty_array(&arrow_type(expr.data_type)));
    }
    Ok(value(expr, columns, rows, None)?.into_array(rows))
}

/// The rows for which a condition is TRUE (not NULL, not FALSE), as a mask without nulls.
pub fn eval_condition(expr: &Expr, columns: &[ArrayRef], rows: usize) -> Result<BooleanBuffer, EvalError> {
    Ok(is_true(eval(expr, columns, rows)?.as_boolean()))
}

/// The rows whose values are wanted; `None` is all.
type Guard<'a> = Option<&'a BooleanBuffer>;

/// A column, or one value for all rows.
#[derive(Clone)]
struct Operand {
    array: ArrayRef,
    scalar: bool,
}

impl Datum for Operand {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.scalar)
    }
}

impl Operand {
    fn column(array: ArrayRef) -> Self {
        Operand { array, scalar: false }
    }

    fn into_array(self, rows: usize) -> ArrayRef {
        if self.scalar { take(&self.array, &UInt32Array::from_value(0, rows), None).expect("the first row exists") } else { self.array }
    }

    /// NULL in the rows that are not wanted.
    fn guarded(self, guard: Guard, rows: usize) -> Self {
        let Some(guard) = guard else { return self };
        let unwanted = BooleanArray::new(!guard, None);
        Operand::column(nullif(&self.into_array(rows), &unwanted).expect("guards are as long as columns"))
    }
}

fn value(expr: &Expr, columns: &[ArrayRef], rows: usize, guard: Guard) -> Result<Operand, EvalError> {
    let arg = |e: &Expr| value(e, columns, rows, guard);
    // Conversions that can fail see NULL in unwanted rows.
    let wanted = |e: &Expr| Ok::<_, EvalError>(value(e, columns, rows, guard)?.guarded(guard, rows));
    Ok(match &expr.kind {
        ExprKind::Column(index) => {
            let column = &columns[*index];
            if is_canonical(column.as_ref(), expr.data_type) {
                Operand::column(column.clone())
            } else {
                let column = Operand::column(column.clone()).guarded(guard, rows);
                Operand::column(canonical(&column.array, expr.data_type)?)
            }
        }
        ExprKind::Literal(v) => Operand { array: one_row(v, expr.data_type), scalar: true },
        ExprKind::Unary { op: UnaryOp::Not, arg: e } => map(arg(e)?, |a| Ok(Arc::new(not(a.as_boolean()).expect("NOT takes booleans"))))?,
        ExprKind::Unary { op: UnaryOp::Negate, arg: e } => map(wanted(e)?, |a| negate(a, expr.data_type))?,
        ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            let left = arg(left)?;
            logic(*op, left, right, columns, rows, guard)?
        }
        ExprKind::Binary { op, left, right } => {
            if let Some(asked) = Divisible::of(*op, left, right) {
                return map(arg(asked.arg)?, |a| Ok(Arc::new(asked.of_values(&as_i64(a.as_ref())))));
            }
            let data_type = left.data_type;
            let (l, r) = (arg(left)?, arg(right)?);
            if op.is_comparison() && left.data_type != right.data_type {
                let array = decimal::compare(*op, (&l.array, l.scalar, left.data_type), (&r.array, r.scalar, right.data_type));
                Operand { array, scalar: l.scalar && r.scalar }
            } else if op.is_comparison() {
                compare(*op, &l, &r, data_type)
            } else {
                // One NULL operand is enough; where the left one is a constant, the right one costs no more.
                let (l, r) = if l.scalar { (l, r.guarded(guard, rows)) } else { (l.guarded(guard, rows), r) };
                let decimal = |e: &Expr| matches!(e.data_type, DataType::Decimal { .. });
                if decimal(left) || decimal(right) {
                    decimal_arithmetic(decimal::kernel(*op, data_type, right.data_type, expr.data_type), &l, &r, expr.data_type)?
                } else {
                    arithmetic(*op, &l, &r, data_type, expr.data_type)?
                }
            }
        }
        ExprKind::IsNull { arg: e, negated } => {
            map(arg(e)?, |a| Ok(Arc::new(if *negated { is_not_null(a) } else { is_null(a) }.expect("every column has nulls or has not"))))?
        }
        ExprKind::Case { branches, otherwise } => case(branches, otherwise.as_deref(), expr.data_type, columns, rows, guard)?,
        ExprKind::Cast { arg: e } => map(wanted(e)?, |a| cast(a, e.data_type, expr.data_type))?,
        ExprKind::Extract { field, arg: e } => map(arg(e)?, |a| Ok(extract(*field, a, e.data_type)))?,
        ExprKind::DateTrunc { unit, arg: e } => map(wanted(e)?, |a| truncate(*unit, a))?,
        ExprKind::Call { function: Function::Greatest, args } => most(BinaryOp::Greater, args, columns, rows, guard)?,
        ExprKind::Call { function: Function::Least, args } => most(BinaryOp::Less, args, columns, rows, guard)?,
        ExprKind::Call { function, args } => call(function, args, columns, rows, guard)?,
        ExprKind::Tumble { arg: e, size_us } => map(wanted(e)?, |a| floor_to(a, *size_us, 0))?,
    })
}

fn map(operand: Operand, f: impl FnOnce(&ArrayRef) -> Result<ArrayRef, EvalError>) -> Result<Operand, EvalError> {
    Ok(Operand { array: f(&operand.array)?, scalar: operand.scalar })
}

/// TRUE rows; NULL counts as FALSE.
fn is_true(condition: &BooleanArray) -> BooleanBuffer {
    match condition.nulls() {
        None => condition.values().clone(),
        Some(nulls) => condition.values() & nulls.inner(),
    }
}

/// Whether evaluating it can raise an error in a row. A column too: unsigned and coarse-grained ones may not fit 64 bits.
fn fallible(expr: &Expr, columns: &[ArrayRef]) -> bool {
    let mut found = expr.can_fail();
    expr.visit(&mut |e| found |= matches!(e.kind, ExprKind::Column(i) if !is_canonical(columns[i].as_ref(), e.data_type)));
    found
}

/// A function; one argument that is NULL in the rows that are not wanted keeps it from failing there.
fn call(function: &Function, args: &[Expr], columns: &[ArrayRef], rows: usize, guard: Guard) -> Result<Operand, EvalError> {
    let mut operands = args.iter().map(|e| value(e, columns, rows, guard)).collect::<Result<Vec<_>, _>>()?;
    let scalar = operands.iter().all(|o| o.scalar);
    if guard.is_some() && !scalar {
        let column = operands.iter().position(|o| !o.scalar).expect("one is no constant");
        operands[column] = operands[column].clone().guarded(guard, rows);
    } else if guard.is_some_and(|g| g.count_set_bits() == 0) {
        operands[0] = operands[0].clone().guarded(guard, rows);
        return Ok(Operand::column(functions::call(function, &arguments(operands), rows)?));
    }
    let array = functions::call(function, &arguments(operands), if scalar { 1 } else { rows })?;
    Ok(Operand { array, scalar })
}

fn arguments(operands: Vec<Operand>) -> Vec<functions::Argument> {
    operands.into_iter().map(|o| functions::Argument { array: o.array, scalar: o.scalar }).collect()
}

/// GREATEST or LEAST: the value that a comparison prefers, NULLs left out; of equal ones the first.
fn most(op: BinaryOp, args: &[Expr], columns: &[ArrayRef], rows: usize, guard: Guard) -> Result<Operand, EvalError> {
    let (first, others) = args.split_first().expect("the parser counts arguments");
    let mut best = value(first, columns, rows, guard)?.into_array(rows);
    for other in others {
        let other = value(other, columns, rows, guard)?.into_array(rows);
        let (b, o) = (Operand::column(best.clone()), Operand::column(other.clone()));
        let better = compare(op, &o, &b, first.data_type);
        let missing = is_null(&best).expect("every column has nulls or has not");
        let better = BooleanArray::new(&is_true(better.array.as_boolean()) | missing.values(), None);
        best = zip(&better, &o, &b).expect("all arguments have one type");
    }
    Ok(Operand::column(best))
}

fn narrowed(guard: Guard, by: &BooleanBuffer) -> BooleanBuffer {
    guard.map_or_else(|| by.clone(), |g| g & by)
}

fn logic(op: BinaryOp, left: Operand, right: &Expr, columns: &[ArrayRef], rows: usize, guard: Guard) -> Result<Operand, EvalError> {
    let left = left.into_array(rows);
    let left = left.as_boolean();
    let right = if fallible(right, columns) {
        // Where the left side is FALSE (AND) or TRUE (OR), the right one is not wanted.
        let decided = if op == BinaryOp::And { is_true(&not(left).expect("a boolean")) } else { is_true(left) };
        value(right, columns, rows, Some(&narrowed(guard, &!&decided)))?
    } else {
        value(right, columns, rows, guard)?
    };
    let right = right.into_array(rows);
    let kernel = if op == BinaryOp::And { and_kleene } else { or_kleene };
    Ok(Operand::column(Arc::new(kernel(left, right.as_boolean()).expect("both sides have the same rows"))))
}

fn case(
    branches: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    data_type: DataType,
    columns: &[ArrayRef],
    rows: usize,
    guard: Guard,
) -> Result<Operand, EvalError> {
    let mut left_over = guard.cloned().unwrap_or_else(|| BooleanBuffer::new_set(rows));
    let mut taken = Vec::with_capacity(branches.len());
    for (condition, then) in branches {
        let condition = value(condition, columns, rows, Some(&left_over))?.into_array(rows);
        let mask = is_true(condition.as_boolean());
        let wanted = &left_over & &mask;
        taken.push((value(then, columns, rows, Some(&wanted))?, wanted));
        left_over = &left_over & &!&mask;
    }
    let mut result = match otherwise {
        Some(e) => value(e, columns, rows, Some(&left_over))?,
        None => Operand { array: arrow_array::new_null_array(&arrow_type(data_type), 1), scalar: true },
    };
    // The masks exclude one another, so that the order does not matter.
    for (then, mask) in taken {
        result = if result.scalar && result.array.is_null(0) {
            then.guarded(Some(&mask), rows)
        } else {
            chosen(&mask, &then, &result, data_type)
        };
    }
    Ok(result)
}

/// The one operand where the mask is set, and the other where it is not.
fn chosen(mask: &BooleanBuffer, set: &Operand, unset: &Operand, data_type: DataType) -> Operand {
    let zipped = || zip(&BooleanArray::new(mask.clone(), None), set, unset).expect("all of CASE has one type");
    // Arrow's kernel copies from run to run of the mask, which takes long where runs are short.
    let array = match data_type {
        _ if set.scalar && unset.scalar => zipped(),
        DataType::Bool | DataType::Text => zipped(),
        DataType::Int | DataType::Timestamp | DataType::Interval => {
            let (s, u) = (as_i64(set.array.as_ref()), as_i64(unset.array.as_ref()));
            from_i64(chosen_values(mask, (&s, set.scalar), (&u, unset.scalar)), data_type)
        }
        DataType::Float => {
            let (s, u) = (set.array.as_primitive::<Float64Type>(), unset.array.as_primitive::<Float64Type>());
            Arc::new(chosen_values(mask, (s, set.scalar), (u, unset.scalar)))
        }
        DataType::Numeric | DataType::Decimal { .. } => {
            let (s, u) = (set.array.as_primitive::<Decimal128Type>(), unset.array.as_primitive::<Decimal128Type>());
            Arc::new(chosen_values(mask, (s, set.scalar), (u, unset.scalar)).with_data_type(arrow_type(data_type)))
        }
    };
    Operand::column(array)
}

/// Each a column, or a column of one row that is a constant.
fn chosen_values<T: ArrowPrimitiveType>(
    mask: &BooleanBuffer,
    (set, set_scalar): (&PrimitiveArray<T>, bool),
    (unset, unset_scalar): (&PrimitiveArray<T>, bool),
) -> PrimitiveArray<T> {
    let (s, u) = (set.values(), unset.values());
    let at = |scalar: bool, row: usize| if scalar { 0 } else { row };
    let values: Vec<T::Native> =
        mask.iter().enumerate().map(|(row, is_set)| if is_set { s[at(set_scalar, row)] } else { u[at(unset_scalar, row)] }).collect();
    let valid = |array: &PrimitiveArray<T>, scalar: bool| match array.nulls() {
        Some(nulls) if scalar && nulls.is_null(0) => BooleanBuffer::new_unset(mask.len()),
        Some(nulls) if !scalar => nulls.inner().clone(),
        _ => BooleanBuffer::new_set(mask.len()),
    };
    let nulls = (set.null_count() + unset.null_count() > 0)
        .then(|| NullBuffer::new(&(mask & &valid(set, set_scalar)) | &(&!mask & &valid(unset, unset_scalar))));
    PrimitiveArray::new(values.into(), nulls)
}

fn compare(op: BinaryOp, left: &Operand, right: &Operand, data_type: DataType) -> Operand {
    let ordered = |o: &Operand| match data_type {
        DataType::Bool | DataType::Text | DataType::Numeric | DataType::Decimal { .. } => o.clone(),
        _ => Operand { array: Arc::new(ordinals(o.array.as_ref())), scalar: o.scalar },
    };
    let (l, r) = (ordered(left), ordered(right));
    let kernel = match op {
        BinaryOp::Equal => cmp::eq,
        BinaryOp::NotEqual => cmp::neq,
        BinaryOp::Less => cmp::lt,
        BinaryOp::LessOrEqual => cmp::lt_eq,
        BinaryOp::Greater => cmp::gt,
        BinaryOp::GreaterOrEqual => cmp::gt_eq,
        _ => unreachable!("{op:?} is no comparison"),
    };
    Operand { array: Arc::new(kernel(&l, &r).expect("the parser compares equal types only")), scalar: l.scalar && r.scalar }
}

fn negate(array: &dyn Array, data_type: DataType) -> Result<ArrayRef, EvalError> {
    Ok(match data_type {
        DataType::Float => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| -v)),
        DataType::Decimal { .. } => {
            let negated = array.as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(|v| -v);
            Arc::new(negated.with_data_type(arrow_type(data_type)))
        }
        DataType::Numeric => numeric(array.as_primitive::<Decimal128Type>().try_unary(|v| v.checked_neg().ok_or(EvalError::OutOfRange))?),
        _ => from_i64(as_i64(array).try_unary(|v| v.checked_neg().ok_or(EvalError::OutOfRange))?, data_type),
    })
}

fn numeric(values: PrimitiveArray<Decimal128Type>) -> ArrayRef {
    Arc::new(values.with_data_type(arrow_type(DataType::Numeric)))
}

fn decimal_arithmetic(kernel: decimal::Kernel, left: &Operand, right: &Operand, result: DataType) -> Result<Operand, EvalError> {
    let (l, r) = (left.array.as_primitive::<Decimal128Type>(), right.array.as_primitive::<Decimal128Type>());
    let values = binary::<Decimal128Type, Decimal128Type>(l, left.scalar, r, right.scalar, kernel)?;
    Ok(Operand { array: Arc::new(values.with_data_type(arrow_type(result))), scalar: left.scalar && right.scalar })
}

/// `data_type` is that of the left operand; where the other differs (Timestamp and Interval), both are 64-bit integers.
fn arithmetic(op: BinaryOp, left: &Operand, right: &Operand, data_type: DataType, result: DataType) -> Result<Operand, EvalError> {
    let scalar = left.scalar && right.scalar;
    let array = match data_type {
        DataType::Float => {
            let (l, r) = (left.array.as_primitive::<Float64Type>(), right.array.as_primitive::<Float64Type>());
            Arc::new(binary::<Float64Type, Float64Type>(l, left.scalar, r, right.scalar, |a, b| float_op(op, a, b))?)
        }
        DataType::Numeric => {
            let (l, r) = (left.array.as_primitive::<Decimal128Type>(), right.array.as_primitive::<Decimal128Type>());
            if result == DataType::Float {
                let divide = |a: i128, b: i128| if b == 0 { Err(EvalError::DivisionByZero) } else { Ok(a as f64 / b as f64) };
                Arc::new(binary::<Decimal128Type, Float64Type>(l, left.scalar, r, right.scalar, divide)?)
            } else {
                numeric(binary::<Decimal128Type, Decimal128Type>(l, left.scalar, r, right.scalar, |a, b| numeric_op(op, a, b))?)
            }
        }
        _ => {
            let (l, r) = (as_i64(left.array.as_ref()), as_i64(right.array.as_ref()));
            let values = match op {
                BinaryOp::Divide | BinaryOp::Modulo if right.scalar && !left.scalar && divides_each(&r) => Ok(by_one(op, &l, r.value(0))),
                BinaryOp::Add => binary(&l, left.scalar, &r, right.scalar, |a, b| a.checked_add(b).ok_or(EvalError::OutOfRange)),
                BinaryOp::Subtract => binary(&l, left.scalar, &r, right.scalar, |a, b| a.checked_sub(b).ok_or(EvalError::OutOfRange)),
                BinaryOp::Multiply => binary(&l, left.scalar, &r, right.scalar, |a, b| a.checked_mul(b).ok_or(EvalError::OutOfRange)),
                _ => binary::<Int64Type, Int64Type>(&l, left.scalar, &r, right.scalar, |a, b| int_division(op, a, b)),
            }?;
            from_i64(values, result)
        }
    };
    Ok(Operand { array, scalar })
}

fn int_division(op: BinaryOp, a: i64, b: i64) -> Result<i64, EvalError> {
    match (op, b) {
        (_, 0) => Err(EvalError::DivisionByZero),
        (BinaryOp::Divide, _) => a.checked_div(b).ok_or(EvalError::OutOfRange),
        // The remainder of the smallest integer by -1 is 0, although the quotient overflows.
        (BinaryOp::Modulo, _) => Ok(a.wrapping_rem(b)),
        _ => unreachable!("{op:?} is no arithmetic"),
    }
}

/// Whether the one value divides every integer: by 0 none can be divided, and by -1 not the smallest.
fn divides_each(by: &Int64Array) -> bool {
    !by.is_null(0) && !matches!(by.value(0), 0 | -1)
}

/// Integers divided by one that [`divides_each`]: by multiplying, which takes a fraction of the time.
fn by_one(op: BinaryOp, values: &Int64Array, by: i64) -> Int64Array {
    let divisor = by.unsigned_abs();
    let divider = DividerU64::divide_by(divisor);
    let signed = |magnitude: u64, negative: bool| if negative { (magnitude as i64).wrapping_neg() } else { magnitude as i64 };
    match op {
        BinaryOp::Modulo => values.unary(|a: i64| {
            let magnitude = a.unsigned_abs();
            signed(magnitude - divider.divide(magnitude) * divisor, a < 0)
        }),
        _ => values.unary(|a: i64| signed(divider.divide(a.unsigned_abs()), (a < 0) != (by < 0))),
    }
}

/// A Numeric has at most 38 digits.
const NUMERIC_LIMIT: u128 = 10u128.pow(38);

fn numeric_op(op: BinaryOp, a: i128, b: i128) -> Result<i128, EvalError> {
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::Modulo if b == 0 => return Err(EvalError::DivisionByZero),
        BinaryOp::Modulo => Some(a.wrapping_rem(b)),
        _ => unreachable!("{op:?} over two Numeric is no Numeric"),
    }
    .filter(|v| v.unsigned_abs() < NUMERIC_LIMIT)
    .ok_or(EvalError::OutOfRange)
}

fn float_op(op: BinaryOp, a: f64, b: f64) -> Result<f64, EvalError> {
    let v = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide | BinaryOp::Modulo if b == 0.0 => return Err(EvalError::DivisionByZero),
        BinaryOp::Divide => a / b,
        BinaryOp::Modulo => a % b,
        _ => unreachable!("{op:?} is no arithmetic"),
    };
    if v.is_infinite() && a.is_finite() && b.is_finite() { Err(EvalError::OutOfRange) } else { Ok(v) }
}

/// An operator over two columns, a column and a constant, or two constants. It does not see rows in which one side is NULL.
fn binary<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    left: &PrimitiveArray<A>,
    left_scalar: bool,
    right: &PrimitiveArray<A>,
    right_scalar: bool,
    f: impl Fn(A::Native, A::Native) -> Result<B::Native, EvalError>,
) -> Result<PrimitiveArray<B>, EvalError> {
    if left_scalar && !right_scalar {
        return if left.is_null(0) { Ok(PrimitiveArray::new_null(right.len())) } else { right.try_unary(|b| f(left.value(0), b)) };
    }
    if right_scalar && !left_scalar {
        return if right.is_null(0) { Ok(PrimitiveArray::new_null(left.len())) } else { left.try_unary(|a| f(a, right.value(0))) };
    }
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let pairs = left.values().iter().zip(right.values().iter());
    let values: Vec<B::Native> = match &nulls {
        None => pairs.map(|(&a, &b)| f(a, b)).collect::<Result<_, _>>()?,
        Some(nulls) => nulls
            .iter()
            .zip(pairs)
            .map(|(valid, (&a, &b))| if valid { f(a, b) } else { Ok(B::default_value()) })
            .collect::<Result<_, _>>()?,
    };
    Ok(PrimitiveArray::new(values.into(), nulls))
}
