//! Whether an engine's answer is the reference's.

use std::fmt;

use twopath_query::{AggregateFunction, EvalError, Expr, ExprKind, Query, Value};

/// DDSketch states 1 %; the slack is for the rounding of its logarithms.
const QUANTILE_ERROR_RELATIVE: f64 = 0.010_000_01;
/// Five standard errors of a HyperLogLog of 4096 registers.
const DISTINCT_ERROR_RELATIVE: f64 = 0.082;
const DISTINCT_ERROR_ABSOLUTE: f64 = 2.0;

/// The first place where two answers differ.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// One side is an error, and the other is not.
    Outcome {
        expected: String,
        actual: String,
    },
    RowCount {
        expected: usize,
        actual: usize,
    },
    Cell {
        row: usize,
        column: String,
        expected: Box<Value>,
        actual: Box<Value>,
    },
    /// The row has no counterpart; only where an estimate decides the order, so that rows are not compared place by place.
    Row {
        expected: Vec<Value>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Outcome { expected, actual } => write!(f, "expected {expected}, got {actual}"),
            Difference::RowCount { expected, actual } => write!(f, "expected {expected} rows, got {actual}"),
            Difference::Cell { row, column, expected, actual } => {
                write!(f, "row {row}, column {column}: expected {expected:?}, got {actual:?}")
            }
            Difference::Row { expected } => write!(f, "expected a row {expected:?}, which is not there"),
        }
    }
}

impl std::error::Error for Difference {}

/// How exactly an expression's values can be compared, from exact to loosest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tolerance {
    Exact,
    Quantile,
    Distinct,
}

/// Whether `actual` is what `expected`, the reference's answer, says: exact, floats to the last bit (-0.0 being 0.0, and NaN being NaN), but
/// for output columns with sketch aggregates (DDSketch 1 %; HyperLogLog five standard errors, or 2). Where both are errors they agree,
/// whatever the errors are: which of several comes first depends on the order of evaluation.
///
/// Rows are compared place by place, the order being total (see [`Query`]). Where ORDER BY rests on a sketch, they are compared as a bag;
/// with LIMIT, then, only their number is. A HAVING that rests on one is taken at its word: do not judge such
/// a query near the threshold.
///
/// # Errors
/// The first difference.
pub fn compare(
    query: &Query,
    expected: &Result<Vec<Vec<Value>>, EvalError>,
    actual: &Result<Vec<Vec<Value>>, EvalError>,
) -> Result<(), Difference> {
    if query.finish.is_some() {
        let names: Vec<String> = query.answer_columns().into_iter().map(|(name, _)| name).collect();
        return compare_rows(&names, expected, actual);
    }
    let Some((expected, actual)) = outcomes(expected, actual)? else { return Ok(()) };
    let tolerances: Vec<Tolerance> = query.output.iter().map(|o| aggregate_tolerance(query, &o.expr)).collect();
    let order_is_exact = query.order_by.iter().all(|o| aggregate_tolerance(query, &o.expr) == Tolerance::Exact);
    if order_is_exact {
        let names: Vec<String> = query.output.iter().map(|o| o.name.clone()).collect();
        return in_place(&names, &tolerances, expected, actual);
    }
    if query.limit.is_some() { Ok(()) } else { as_bag(&tolerances, expected, actual) }
}

/// Whether the rows of a plan's answer are those of the reference's, place by place and to the last bit (-0.0 being 0.0, and NaN being NaN). Where both are errors they
/// agree, as in [`compare`]. `names` are the columns'.
///
/// # Errors
/// The first difference.
pub fn compare_rows(
    names: &[String],
    expected: &Result<Vec<Vec<Value>>, EvalError>,
    actual: &Result<Vec<Vec<Value>>, EvalError>,
) -> Result<(), Difference> {
    let Some((expected, actual)) = outcomes(expected, actual)? else { return Ok(()) };
    in_place(names, &vec![Tolerance::Exact; names.len()], expected, actual)
}

type Rows = Vec<Vec<Value>>;

/// As many rows of both; none where both are errors.
fn outcomes<'a>(
    expected: &'a Result<Rows, EvalError>,
    actual: &'a Result<Rows, EvalError>,
) -> Result<Option<(&'a Rows, &'a Rows)>, Difference> {
    match (expected, actual) {
        (Ok(expected), Ok(actual)) if expected.len() != actual.len() => {
            Err(Difference::RowCount { expected: expected.len(), actual: actual.len() })
        }
        (Ok(expected), Ok(actual)) => Ok(Some((expected, actual))),
        (Err(_), Err(_)) => Ok(None),
        (expected, actual) => {
            let text = |r: &Result<Rows, EvalError>| match r {
                Ok(rows) => format!("{} rows", rows.len()),
                Err(e) => format!("the error '{e}'"),
            };
            Err(Difference::Outcome { expected: text(expected), actual: text(actual) })
        }
    }
}

fn in_place(names: &[String], tolerances: &[Tolerance], expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), Difference> {
    for (row, (e, a)) in expected.iter().zip(actual).enumerate() {
        assert_eq!(e.len(), tolerances.len(), "an expected row has the query's output columns");
        if e.len() != a.len() {
            return Err(Difference::Row { expected: e.clone() });
        }
        if let Some(column) = (0..e.len()).find(|&c| !agree(tolerances[c], &e[c], &a[c])) {
            let name = names[column].clone();
            return Err(Difference::Cell { row, column: name, expected: e[column].clone().into(), actual: a[column].clone().into() });
        }
    }
    Ok(())
}

/// Pairs every expected row with another actual row. Quadratic only among rows out of place.
fn as_bag(tolerances: &[Tolerance], expected: &[Vec<Value>], actual: &[Vec<Value>]) -> Result<(), Difference> {
    let same = |e: &[Value], a: &[Value]| e.len() == a.len() && (0..e.len()).all(|c| agree(tolerances[c], &e[c], &a[c]));
    let mut left: Vec<&Vec<Value>> = Vec::new();
    let mut missing: Vec<&Vec<Value>> = Vec::new();
    for (e, a) in expected.iter().zip(actual) {
        if !same(e, a) {
            missing.push(e);
            left.push(a);
        }
    }
    for e in missing {
        let Some(at) = left.iter().position(|a| same(e, a)) else {
            return Err(Difference::Row { expected: e.clone() });
        };
        left.swap_remove(at);
    }
    Ok(())
}

/// The loosest tolerance of the aggregates in an expression over a group's row.
fn aggregate_tolerance(query: &Query, expr: &Expr) -> Tolerance {
    let mut loosest = Tolerance::Exact;
    expr.visit(&mut |e| {
        let ExprKind::Column(i) = e.kind else { return };
        let Some(aggregate) = i.checked_sub(query.keys.len()).map(|i| &query.aggregates[i]) else { return };
        loosest = loosest.max(match aggregate.function {
            AggregateFunction::ApproxCountDistinct => Tolerance::Distinct,
            AggregateFunction::ApproxQuantile(_) => Tolerance::Quantile,
            _ => Tolerance::Exact,
        });
    });
    loosest
}

fn agree(tolerance: Tolerance, expected: &Value, actual: &Value) -> bool {
    let (relative, absolute) = match tolerance {
        Tolerance::Exact => (0.0, 0.0),
        Tolerance::Quantile => (QUANTILE_ERROR_RELATIVE, 0.0),
        Tolerance::Distinct => (DISTINCT_ERROR_RELATIVE, DISTINCT_ERROR_ABSOLUTE),
    };
    let near = |e: f64, a: f64| e == a || (e.is_finite() && (e - a).abs() <= e.abs() * relative + absolute);
    match (expected, actual) {
        (Value::Float(e), Value::Float(a)) => (e.is_nan() && a.is_nan()) || near(*e, *a),
        (e, a) if e == a => true,
        (Value::Int(e), Value::Int(a)) => tolerance > Tolerance::Exact && near(*e as f64, *a as f64),
        (Value::Decimal(e), Value::Decimal(a)) if e.scale == a.scale => {
            tolerance > Tolerance::Exact && near(e.unscaled as f64, a.unscaled as f64)
        }
        (Value::Numeric(e), Value::Numeric(a)) => tolerance > Tolerance::Exact && near(*e as f64, *a as f64),
        _ => false,
    }
}
