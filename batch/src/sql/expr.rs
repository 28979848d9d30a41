//! SQL expressions as polars expressions, with PostgreSQL's semantics.
//!
//! A **guard** goes down with every operator that can raise an error: the rows for which its value is wanted at all. polars evaluates
//! every branch of CASE and both sides of AND and OR, so an operand is made NULL where the guard is not TRUE, and an operator over
//! NULL raises nothing. Where nothing can fail, there is no guard and it costs nothing.
//!
//! polars' expressions are trees. A condition that guards something is used in several places, so it becomes a column of its own (a
//! **step** that runs before), and CASE within CASE does not double with each level.

use std::cell::RefCell;

use arrow_schema::{DataType as ArrowType, Schema, TimeUnit};
use polars::prelude::{AnyValue, DataType as PolarsType, Expr as Plan, NULL, Scalar, col, lit, when};
use twopath_query::{BinaryOp, DataType, Expr, ExprKind, Function, UnaryOp, Value};

use super::calendar::{extract, truncate, tumble};
use super::checked::Raised;
use super::frame::physical_type;
use crate::{BatchError, Engine};

/// The name under which a topic's column stands in the frames that compiled expressions run over.
pub fn column_name(index: usize) -> String {
    format!("c{index}")
}

/// Compiles the expressions of one query over one topic.
pub struct Compiler<'a> {
    schema: &'a Schema,
    /// A column that every frame has, for the number of its rows.
    any_column: usize,
    raised: Raised,
    steps: RefCell<Vec<Plan>>,
    steps_made: RefCell<usize>,
}

impl<'a> Compiler<'a> {
    pub fn new(schema: &'a Schema, any_column: usize, raised: Raised) -> Self {
        Compiler { schema, any_column, raised, steps: RefCell::default(), steps_made: RefCell::default() }
    }

    /// The polars expression with the values of `expr`, in the physical type of its SQL type, over the topic's columns and those of the
    /// steps made so far.
    ///
    /// # Errors
    /// What polars, or this compiler, has not: [`BatchError::Unsupported`].
    pub fn compile(&self, expr: &Expr) -> Result<Plan, BatchError> {
        self.wanted(expr, None)
    }

    /// The columns to be added, one after the other, before what was compiled since the last call.
    pub fn take_steps(&self) -> Vec<Plan> {
        self.steps.take()
    }

    /// As [`Compiler::compile`]; where `guard` is not TRUE, values may be anything, and errors are not raised.
    fn wanted(&self, expr: &Expr, guard: Option<&Plan>) -> Result<Plan, BatchError> {
        let arg = |e: &Expr| self.wanted(e, guard);
        // What can fail sees NULL in unwanted rows.
        let guarded = |e: &Expr| Ok::<_, BatchError>(self.guarded(self.wanted(e, guard)?, e.data_type, guard));
        Ok(match &expr.kind {
            ExprKind::Call { function: function @ (Function::Greatest | Function::Least), args } => {
                let greatest = *function == Function::Greatest;
                let mut best = arg(&args[0])?;
                for other in &args[1..] {
                    // Each is used more than once.
                    let (one, other) = (self.step(best), self.step(arg(other)?));
                    let better = if greatest { other.clone().gt(one.clone()) } else { other.clone().lt(one.clone()) };
                    best = when(one.clone().is_null().or(better)).then(other).otherwise(one);
                }
                best
            }
            ExprKind::Call { function, args } => {
                let mut values = args.iter().map(arg).collect::<Result<Vec<_>, _>>()?;
                // One NULL argument is enough.
                let one = values.iter().position(has_column).unwrap_or(0);
                values[one] = self.guarded(values[one].clone(), args[one].data_type, guard);
                self.raised.call(function, values, expr.data_type)
            }
            ExprKind::Column(index) => self.column(*index, expr.data_type, guard)?,
            ExprKind::Literal(value) => literal(value, expr.data_type)?,
            ExprKind::IsNull { arg: e, negated: false } => arg(e)?.is_null(),
            ExprKind::IsNull { arg: e, negated: true } => arg(e)?.is_not_null(),
            ExprKind::Unary { op: UnaryOp::Not, arg: e } => arg(e)?.not(),
            ExprKind::Unary { op: UnaryOp::Negate, arg: e } => match expr.data_type {
                DataType::Float => -arg(e)?,
                DataType::Numeric | DataType::Decimal { .. } => self.raised.negate_decimal(arg(e)?),
                _ => self.raised.negate(guarded(e)?),
            },
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
                let left = arg(left)?;
                let decides = *op == BinaryOp::Or;
                let (left, guard) = if self.fallible(right) {
                    let left = self.step(left);
                    let undecided = is_not(&left, decides);
                    (left, Some(self.step(and(guard, undecided))))
                } else {
                    (left, guard.cloned())
                };
                let right = self.wanted(right, guard.as_ref())?;
                if decides { left.or(right) } else { left.and(right) }
            }
            ExprKind::Binary { op, left, right } => match comparison(*op) {
                Some(_) if left.data_type != right.data_type => {
                    self.raised.compare_decimals(*op, (arg(left)?, left.data_type), (arg(right)?, right.data_type))
                }
                Some(compare) => compare(arg(left)?, arg(right)?),
                None => {
                    // One NULL operand is enough; where the left one is a constant, the right one costs less.
                    let (mut l, mut r) = (arg(left)?, arg(right)?);
                    if has_column(&l) || !has_column(&r) {
                        l = self.guarded(l, left.data_type, guard);
                    } else {
                        r = self.guarded(r, right.data_type, guard);
                    }
                    if left.data_type.decimal_scale().is_some() {
                        self.raised.decimals(*op, (l, left.data_type), (r, right.data_type), expr.data_type)
                    } else {
                        self.raised.arithmetic(*op, l, r, expr.data_type == DataType::Float)
                    }
                }
            },
            ExprKind::Case { branches, otherwise } => self.case(branches, otherwise.as_deref(), expr.data_type, guard)?,
            ExprKind::Cast { arg: e } => match (e.data_type, expr.data_type) {
                (from, to) if from == to => arg(e)?,
                (DataType::Int | DataType::Bool, to @ (DataType::Int | DataType::Float | DataType::Text)) => {
                    arg(e)?.cast(physical_type(to))
                }
                (DataType::Float, DataType::Int) => self.raised.round(guarded(e)?),
                (DataType::Text, DataType::Int) => self.raised.parse_int(guarded(e)?),
                (DataType::Text, DataType::Float) => self.raised.parse_float(guarded(e)?),
                (DataType::Text, DataType::Timestamp) => self.raised.parse_time(guarded(e)?),
                (DataType::Text, DataType::Bool) => self.raised.parse_bool(guarded(e)?),
                (DataType::Timestamp, DataType::Text) => self.raised.time_text(arg(e)?),
                (DataType::Float, DataType::Text) => self.raised.float_text(arg(e)?),
                (from, to) => self.raised.cast_decimal(guarded(e)?, from, to).ok_or_else(|| unsupported(expr))?,
            },
            ExprKind::Extract { field, arg: e } => extract(*field, arg(e)?, e.data_type, &self.raised),
            ExprKind::DateTrunc { unit, arg: e } => truncate(*unit, guarded(e)?, &self.raised),
            ExprKind::Tumble { arg: e, size_us } => tumble(guarded(e)?, *size_us, &self.raised),
        })
    }

    fn column(&self, index: usize, data_type: DataType, guard: Option<&Plan>) -> Result<Plan, BatchError> {
        let guarded = |column| self.guarded(column, data_type, guard);
        Ok(of_sql_type(col(column_name(index)), self.schema.field(index).data_type(), &self.raised, guarded))
    }

    fn case(
        &self,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        data_type: DataType,
        guard: Option<&Plan>,
    ) -> Result<Plan, BatchError> {
        let Some(((condition, then), rest)) = branches.split_first() else {
            return otherwise.map_or_else(|| literal(&Value::Null, data_type), |e| self.wanted(e, guard));
        };
        let mut condition = self.wanted(condition, guard)?;
        let later = rest.iter().flat_map(|(c, v)| [c, v]).chain(otherwise);
        let (then_fails, later_fails) = (self.fallible(then), later.into_iter().any(|e| self.fallible(e)));
        if then_fails || later_fails {
            condition = self.step(condition);
        }
        let then = if then_fails {
            let wanted = self.step(and(guard, condition.clone()));
            self.wanted(then, Some(&wanted))?
        } else {
            self.wanted(then, None)?
        };
        let left_over = later_fails.then(|| self.step(and(guard, is_not(&condition, true))));
        let rest = self.case(rest, otherwise, data_type, left_over.as_ref())?;
        Ok(when(condition).then(then).otherwise(rest))
    }

    /// An operand that is NULL in unwanted rows. One that is the same in every row is spread over them, as polars would evaluate it
    /// for a frame without rows, too.
    fn guarded(&self, operand: Plan, data_type: DataType, guard: Option<&Plan>) -> Plan {
        let every_row = (!has_column(&operand)).then(|| self.every_row());
        match guard.map(|g| and(every_row.as_ref(), g.clone())).or(every_row) {
            Some(wanted) => when(wanted).then(operand).otherwise(null(data_type)),
            None => operand,
        }
    }

    /// Makes an expression a column of its own.
    fn step(&self, plan: Plan) -> Plan {
        if matches!(plan, Plan::Column(_)) {
            return plan;
        }
        let mut made = self.steps_made.borrow_mut();
        let name = format!("s{made}");
        *made += 1;
        self.steps.borrow_mut().push(plan.alias(name.as_str()));
        col(name)
    }

    /// TRUE in every row.
    fn every_row(&self) -> Plan {
        let column = col(column_name(self.any_column));
        column.clone().is_null().or(column.is_not_null())
    }

    /// Whether evaluating it can raise an error in a row.
    fn fallible(&self, expr: &Expr) -> bool {
        let mut found = false;
        expr.visit(&mut |e| {
            found |= match &e.kind {
                ExprKind::Binary { op, .. } => comparison(*op).is_none() && !matches!(op, BinaryOp::And | BinaryOp::Or),
                ExprKind::Unary { op, .. } => *op == UnaryOp::Negate,
                ExprKind::Column(index) => matches!(units(self.schema.field(*index).data_type()), Units::Unsigned | Units::Microseconds(_)),
                ExprKind::Call { .. } | ExprKind::Cast { .. } | ExprKind::DateTrunc { .. } | ExprKind::Tumble { .. } => true,
                ExprKind::Literal(_) | ExprKind::IsNull { .. } | ExprKind::Case { .. } | ExprKind::Extract { .. } => false,
            }
        });
        found
    }
}

/// A column of the log, which stands there as [`frame::to_polars`](super::frame::to_polars) gives it, with the values of its SQL type;
/// `guarded` is called where one may not fit.
pub fn of_sql_type(column: Plan, from: &ArrowType, raised: &Raised, guarded: impl Fn(Plan) -> Plan) -> Plan {
    match units(from) {
        Units::AsIs => column,
        Units::Unsigned => raised.unsigned(guarded(column)),
        Units::Microseconds(us) => raised.arithmetic(BinaryOp::Multiply, guarded(column), lit(Scalar::from(us)), false),
        Units::Nanoseconds => raised.floor_divide(column, 1_000),
    }
}

/// How the 64-bit integers of a topic's column become those of its SQL type.
enum Units {
    AsIs,
    /// Unsigned, bit for bit.
    Unsigned,
    /// Times in a unit of so many microseconds.
    Microseconds(i64),
    Nanoseconds,
}

fn units(column: &ArrowType) -> Units {
    match column {
        ArrowType::UInt64 => Units::Unsigned,
        ArrowType::Date32 => Units::Microseconds(86_400_000_000),
        ArrowType::Date64 | ArrowType::Timestamp(TimeUnit::Millisecond, _) | ArrowType::Duration(TimeUnit::Millisecond) => {
            Units::Microseconds(1_000)
        }
        ArrowType::Timestamp(TimeUnit::Second, _) | ArrowType::Duration(TimeUnit::Second) => Units::Microseconds(1_000_000),
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) | ArrowType::Duration(TimeUnit::Nanosecond) => Units::Nanoseconds,
        _ => Units::AsIs,
    }
}

fn literal(value: &Value, data_type: DataType) -> Result<Plan, BatchError> {
    Ok(match value {
        Value::Null => null(data_type),
        Value::Bool(v) => lit(Scalar::from(*v)),
        Value::Int(v) | Value::Timestamp(v) | Value::Interval(v) => lit(Scalar::from(*v)),
        Value::Float(v) => lit(Scalar::from(*v)),
        Value::Text(v) => lit(v.to_string()),
        Value::Numeric(v) => lit(Scalar::new(PolarsType::Int128, AnyValue::Int128(*v))),
        Value::Decimal(v) => lit(Scalar::new(PolarsType::Int128, AnyValue::Int128(v.unscaled))),
    })
}

fn null(data_type: DataType) -> Plan {
    let data_type: PolarsType = physical_type(data_type);
    lit(NULL).cast(data_type)
}

/// polars' comparisons are SQL's: NaN equals itself and is greatest, -0.0 equals 0.0, texts are compared byte by byte.
fn comparison(op: BinaryOp) -> Option<fn(Plan, Plan) -> Plan> {
    Some(match op {
        BinaryOp::Equal => |a, b| a.eq(b),
        BinaryOp::NotEqual => |a, b| a.neq(b),
        BinaryOp::Less => |a, b| a.lt(b),
        BinaryOp::LessOrEqual => |a, b| a.lt_eq(b),
        BinaryOp::Greater => |a, b| a.gt(b),
        BinaryOp::GreaterOrEqual => |a, b| a.gt_eq(b),
        _ => return None,
    })
}

fn and(guard: Option<&Plan>, condition: Plan) -> Plan {
    match guard {
        None => condition,
        Some(guard) => guard.clone().and(condition),
    }
}

/// TRUE where a condition is `other` than this, or NULL.
fn is_not(condition: &Plan, this: bool) -> Plan {
    condition.clone().eq(lit(this)).fill_null(lit(false)).not()
}

pub fn has_column(plan: &Plan) -> bool {
    plan.into_iter().any(|e| matches!(e, Plan::Column(_)))
}

fn unsupported(expr: &Expr) -> BatchError {
    BatchError::Unsupported { engine: Engine::Polars, what: format!("the expression {expr}") }
}
