//! The logical query and its types.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twopath_base::LogColumn;

pub use crate::data_type::DataType;
use crate::decimal::{DIGITS_MAX, Decimal, QUOTIENT_SCALE};
use crate::function::Function;

/// One SQL value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp(i64),
    /// Microseconds.
    Interval(i64),
    Numeric(i128),
    Decimal(Decimal),
}

/// A typed expression. Integer and float operands of one operator have been brought to one type by the parser (with
/// [`ExprKind::Cast`]), so that an evaluator never converts on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    pub kind: ExprKind,
    pub data_type: DataType,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExprKind {
    /// A column by index: of the topic's schema, with the log's own columns behind it ([`LogColumn`]), in `filter`, `keys` and `aggregates`; of
    /// the group row (keys first, then aggregates) in `output`, `having` and `order_by`.
    Column(usize),
    Literal(Value),
    Unary {
        op: UnaryOp,
        arg: Box<Expr>,
    },
    /// AND and OR evaluate left to right: where the left side decides, an error of the right side does not happen.
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    IsNull {
        arg: Box<Expr>,
        negated: bool,
    },
    /// `CASE WHEN c THEN v ... ELSE e END`; a branch that is not taken raises no error. All values have this expression's type.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// Besides those below: Text → Bool (`t`, `true`, `y`, `yes`, `on`, `1` and their opposites, in any case, unique beginnings too); Text → Timestamp
    /// ([`crate::time::parse_timestamp`]); Timestamp → Text (`2013-01-31 05:15:00.25`); Numeric → Text; Float → Text (the fewest digits that
    /// give it back, with an exponent below 1e-4 and from 1e15 on, as PostgreSQL writes it).
    ///
    /// From → to, and no others: Int → Float; Int → Numeric; Int → Text (decimal); Bool → Int (0, 1); Bool → Text (`false`, `true`);
    /// Float → Int (rounds half to even; NaN or beyond 64 bits is [`EvalError::OutOfRange`]); Numeric → Int (range-checked);
    /// Numeric → Float; Text → Int (ASCII white space around it, a sign, decimal digits; beyond 64 bits is `OutOfRange`, anything
    /// else [`EvalError::InvalidText`]); Int, Numeric, Decimal, Float, Text → Decimal and Numeric (rounded half away from zero to the scale; a
    /// float as the shortest digits that mean it; NaN, an infinity or too many digits is `OutOfRange`); Decimal → Int (rounded likewise),
    /// Float (to the nearest), Text (all digits); Numeric → Text; Text → Float (as Rust's `f64::from_str` after trimming ASCII white space; finite digits that give
    /// infinity are `OutOfRange`). NULL gives NULL.
    Cast {
        arg: Box<Expr>,
    },
    /// `EXTRACT(field FROM arg)` of a timestamp (UTC, proleptic Gregorian, with a year 0) or an interval. Int, except EPOCH, which is Float
    /// (microseconds / 1e6). Of an interval: DAY (whole days), HOUR (below 24), MINUTE, SECOND, each truncated toward zero and with the
    /// interval's sign, and EPOCH.
    Extract {
        field: TimeField,
        arg: Box<Expr>,
    },
    /// `DATE_TRUNC(unit, arg)` of a timestamp, in UTC. A start before the first 64-bit microsecond is [`EvalError::OutOfRange`].
    DateTrunc {
        unit: TimeUnit,
        arg: Box<Expr>,
    },
    /// The start of the tumbling window of `size_us` (positive) microseconds, aligned to 1970-01-01 UTC, that a timestamp falls in (rounded
    /// down, also before 1970). A start before the first 64-bit microsecond is [`EvalError::OutOfRange`].
    Tumble {
        arg: Box<Expr>,
        size_us: i64,
    },
    /// A function of its arguments, whose number and types are those that [`Function`] names; NULL where one of them is NULL, unless it says otherwise.
    Call {
        function: Function,
        args: Vec<Expr>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnaryOp {
    Not,
    Negate,
}

/// Operand types: arithmetic over two Int, two Float or (in `output`, `having`, `order_by`) two Numeric; Timestamp - Timestamp
/// gives Interval; Timestamp ± Interval gives Timestamp; Interval ± Interval gives Interval. Comparison over two of the same type, or of two
/// decimals (Numeric or Decimal) of any scales.
/// Int / Int truncates toward zero; Int % Int takes the dividend's sign; division by zero is an error, also for Float (PostgreSQL),
/// whatever the dividend. Int, Timestamp and Interval results beyond 64 bits, and Numeric results of more than 38 digits, are
/// [`EvalError::OutOfRange`] (`i64::MIN / -1` and `-i64::MIN` too; `i64::MIN % -1` is 0). Numeric / Numeric gives Float: both as Float, divided.
/// Float % Float takes the dividend's sign (IEEE fmod). A Float result that is infinite though both operands are finite is `OutOfRange`, as in
/// PostgreSQL; underflow gives 0. Where either operand is NULL the result is NULL, and no error is raised (NULL / 0 is NULL). For comparison and
/// grouping, NaN equals NaN and is greater than every number; -0.0 equals 0.0 (and is stored as 0.0 in a key).
///
/// Where one of two numbers is a Decimal and neither is a Float: + - % over two of one scale, which the result has; * over any two scales,
/// of which the result has the sum; / over any two scales, with [`QUOTIENT_SCALE`] digits after the point in the result, or as many as the
/// operand has that has more, rounded half away from zero. More than 38 digits are `OutOfRange`.
///
/// AND and OR: a left side that decides (FALSE for AND, TRUE for OR) keeps the right side from being evaluated; a left side that is NULL
/// does not, so an error of the right side happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// Fields of EXTRACT. `Dow` is 0 for Sunday; `Week` is the ISO week; `Second` is whole seconds; `Microsecond` is the seconds with their fraction, times
/// a million (so that `EXTRACT(SECOND FROM t)`, which has a fraction, is this as a float, divided by 1e6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeField {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Dow,
    Doy,
    Hour,
    Minute,
    Second,
    Microsecond,
    Epoch,
}

/// Units of DATE_TRUNC; `Week` starts on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

/// An aggregate over the rows of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// `None` for COUNT(*) only.
    pub arg: Option<Expr>,
    /// What else it looks at in a row: of CORR and its kind the second value; of FIRST_VALUE and LAST_VALUE the row's place in the log's order
    /// (arrival, partition, offset), which is NULL in rows that FILTER leaves out; of what has an order of its own
    /// ([`AggregateFunction::FirstBy`], [`AggregateFunction::StringAgg`]) what it goes by, and last something that is NULL in rows that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Expr>,
}

/// What each gives (NULLs are ignored; over no non-NULL value the result is NULL, or 0 for the counts). Accumulating and merging raise no
/// error: what does not fit is found out when an answer is finalised, so that it does not depend on the order of merging.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateFunction {
    /// Rows, or non-NULL values of the argument. Int.
    Count,
    /// Decimal gives a Decimal of 38 digits and its scale, and Numeric gives Numeric: exact, `OutOfRange` at answering time where it has more
    /// digits. Int gives Numeric (exact), Interval gives Interval (summed in 128 bits; a sum beyond 64 bits is [`EvalError::OutOfRange`] at answering
    /// time). Float gives Float: the exact sum, rounded once to the nearest float (half to even) at answering time, so that it depends on no
    /// order; infinite only where the exact sum is beyond the floats. A NaN, or infinities of both signs, give NaN; else an infinity stays.
    Sum,
    /// Int, Float, Text, Timestamp, Interval, Numeric, Decimal; the argument's type.
    Min,
    Max,
    /// Float: the exact sum divided by the count and rounded once, at answering time; so the mean of huge floats is one though their sum is
    /// not. (PostgreSQL rounds the sum first, and refuses that one.) Decimal and Numeric give a Decimal with [`QUOTIENT_SCALE`] digits after
    /// the point, or as many as the argument if that has more, rounded half away from zero. Over Int, Float or Interval (there: an Interval, truncated toward zero).
    Avg,
    /// Exact. Int.
    CountDistinct,
    /// HyperLogLog, 2^12 registers: standard error 1.04 / sqrt(4096) = 1.6 %. Int.
    ApproxCountDistinct,
    /// DDSketch: the value of rank floor(q * (n - 1)) in ascending order, q in 0..=1, with a relative error of at most 1 %, whatever the
    /// values' sizes; the least and the greatest are exact, and so is any where all values are equal. Over Int or Float; Float. NaN and
    /// infinities are left out, as NULLs are.
    ApproxQuantile(f64),
    /// The variance of the values about their mean: of Int or Float, Float. The sums of the values and of their squares are exact, the numerator
    /// of `(n * sum(x^2) - sum(x)^2) / n^2` is rounded once: so it depends on no order. NaN where a value is NaN or infinite; beyond the
    /// floats [`EvalError::OutOfRange`].
    VarPop,
    /// As [`AggregateFunction::VarPop`], divided by `n * (n - 1)`; NULL for fewer than two values.
    VarSamp,
    /// The exact quantile between values: with `p = q * (n - 1)` the value of rank floor(p) (ascending, from 0), plus the fraction of `p` times the
    /// distance to the next. Of Int or Float; Float. Keeps every value.
    PercentileCont(f64),
    /// The least value of whose rank the share is at least `q`: one of the values. Of any type that MIN takes. Keeps every value.
    PercentileDisc(f64),
    /// Bitwise AND, OR, XOR of Int; Int.
    BitAnd,
    BitOr,
    BitXor,
    /// The value of the row that comes first in the log's order: by arrival, then partition, then offset ([`Aggregate::beside`]). Of any type, its
    /// own. NULL is a value like any other here, unless NULLs are to be ignored.
    FirstValue {
        ignore_nulls: bool,
    },
    /// As [`AggregateFunction::FirstValue`], of the last row.
    LastValue {
        ignore_nulls: bool,
    },
    /// The value of the row that comes first by the values beside it, as [`Directions`] says of each: FIRST_VALUE, LAST_VALUE, MIN_BY and MAX_BY
    /// with an order of their own, which ends with the log's where the rows say it, or else with the value. Of any type, its own; NULL is a value like
    /// any other here, unless NULLs are to be ignored.
    FirstBy {
        ignore_nulls: bool,
        order: Directions,
    },
    /// Texts one after the other, each but the first behind a separator, by the values beside them: the first of those is the separator, the
    /// others are an order as [`AggregateFunction::FirstBy`] has it. Distinct: of texts that are alike, one. Text; keeps every text.
    StringAgg {
        distinct: bool,
        order: Directions,
    },
    /// As [`AggregateFunction::Sum`], of values that are alike one.
    SumDistinct,
    /// As [`AggregateFunction::Avg`], of values that are alike one.
    AvgDistinct,
    /// The value that is there most often; of several the least. Of any type that MIN takes. Keeps every value.
    Mode,
    /// Of pairs of two Floats (y, x), y being the argument and x what stands beside it: rows where one is NULL are left out. Float.
    Regression(Regression),
}

/// How rows are ordered by several values, one after the other: a bit of each, the lowest of the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directions {
    pub descending: u16,
    pub nulls_first: u16,
}

impl Directions {
    /// So many values can be told apart.
    pub const MAX: usize = 16;

    /// That of rows in this order.
    ///
    /// # Panics
    /// If it has more than [`Directions::MAX`] values.
    pub fn of(order: &[Order]) -> Self {
        assert!(order.len() <= Self::MAX, "an order of too many values");
        let bits = |is: fn(&Order) -> bool| order.iter().enumerate().map(|(i, o)| u16::from(is(o)) << i).sum();
        Directions { descending: bits(|o| o.descending), nulls_first: bits(|o| o.nulls_first) }
    }

    /// Whether the value of this number descends, and whether its NULLs come first.
    pub fn get(self, i: usize) -> (bool, bool) {
        (self.descending >> i & 1 == 1, self.nulls_first >> i & 1 == 1)
    }
}

/// What can be asked of pairs (y, x), as PostgreSQL defines it; rounded once. With `n` pairs, and `S_ab` the sum of the products of a's and b's
/// distances from their means: NULL where there is no pair or the denominator is zero, NaN where a value that counts is NaN or infinite,
/// [`EvalError::OutOfRange`] beyond the floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regression {
    /// `S_xy / n`.
    CovarPop,
    /// `S_xy / (n - 1)`; NULL for fewer than two pairs.
    CovarSamp,
    /// `S_xy / sqrt(S_xx * S_yy)`.
    Corr,
    /// `S_xy / S_xx`.
    Slope,
    /// Where the line through the means with that slope has x = 0.
    Intercept,
    /// `S_xy² / (S_xx * S_yy)`; 1 where all y are one value.
    R2,
    Sxx,
    Syy,
    Sxy,
}

impl Aggregate {
    /// Of one argument, or of none.
    pub fn new(function: AggregateFunction, arg: Option<Expr>) -> Self {
        Aggregate { function, arg, beside: Vec::new() }
    }

    /// Everything that it looks at in a row.
    pub fn args(&self) -> impl Iterator<Item = &Expr> {
        self.arg.iter().chain(&self.beside)
    }

    /// The same over columns of another numbering: see [`Expr::over`].
    ///
    /// # Panics
    /// If it reads a column that is not among them.
    pub fn over(&self, columns: &[usize]) -> Aggregate {
        let over = |e: &Expr| e.over(columns);
        Aggregate { function: self.function, arg: self.arg.as_ref().map(over), beside: self.beside.iter().map(over).collect() }
    }

    /// The type of the finalised aggregate.
    pub fn data_type(&self) -> DataType {
        let arg = self.arg.as_ref().map(|a| a.data_type);
        match (self.function, arg) {
            (AggregateFunction::Count | AggregateFunction::CountDistinct | AggregateFunction::ApproxCountDistinct, _) => DataType::Int,
            (AggregateFunction::Sum | AggregateFunction::SumDistinct, Some(DataType::Int)) => DataType::Numeric,
            (AggregateFunction::Avg | AggregateFunction::AvgDistinct, Some(DataType::Interval)) => DataType::Interval,
            (AggregateFunction::Sum | AggregateFunction::SumDistinct, Some(DataType::Decimal { scale, .. })) => {
                DataType::decimal(DIGITS_MAX, scale)
            }
            (AggregateFunction::Avg | AggregateFunction::AvgDistinct, Some(t @ (DataType::Decimal { .. } | DataType::Numeric))) => {
                DataType::decimal(DIGITS_MAX, t.decimal_scale().unwrap_or(0).max(QUOTIENT_SCALE))
            }
            (AggregateFunction::Avg | AggregateFunction::AvgDistinct | AggregateFunction::ApproxQuantile(_), _) => DataType::Float,
            (AggregateFunction::VarPop | AggregateFunction::VarSamp | AggregateFunction::PercentileCont(_), _) => DataType::Float,
            (AggregateFunction::Regression(_), _) => DataType::Float,
            (_, Some(t)) => t,
            (_, None) => unreachable!("only COUNT has no argument"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedExpr {
    pub name: String,
    pub expr: Expr,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub expr: Expr,
    pub descending: bool,
    /// PostgreSQL's default: NULLs last ascending, first descending.
    pub nulls_first: bool,
}

/// A column of the topic's schema as a query sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
}

/// The type in which a query sees one of the log's own columns.
pub fn log_column_type(column: LogColumn) -> DataType {
    match column {
        LogColumn::Arrival | LogColumn::Watermark => DataType::Timestamp,
        LogColumn::Partition | LogColumn::Offset => DataType::Int,
    }
}

impl Expr {
    pub fn new(kind: ExprKind, data_type: DataType) -> Self {
        Expr { kind, data_type }
    }

    /// A column by index; see [`ExprKind::Column`].
    pub fn column(index: usize, data_type: DataType) -> Self {
        Expr { kind: ExprKind::Column(index), data_type }
    }

    pub fn literal(value: Value, data_type: DataType) -> Self {
        Expr { kind: ExprKind::Literal(value), data_type }
    }

    pub fn binary(op: BinaryOp, left: Expr, right: Expr, data_type: DataType) -> Self {
        Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, data_type }
    }

    /// Both conditions, this one first.
    #[must_use]
    pub fn and(self, other: Expr) -> Self {
        Expr::binary(BinaryOp::And, self, other, DataType::Bool)
    }

    /// The same over columns of another numbering: those whose numbers here are `columns`, ascending.
    ///
    /// # Panics
    /// If it reads a column that is not among them.
    pub fn over(&self, columns: &[usize]) -> Expr {
        self.renumbered(|i| columns.binary_search(&i).expect("every column that is read is named"))
    }

    /// The same with another number for each column.
    pub fn renumbered(&self, number: impl Fn(usize) -> usize) -> Expr {
        let Ok(expr) = self.try_columns(&mut |i, t| Ok::<_, std::convert::Infallible>(Expr::column(number(i), t)));
        expr
    }

    /// The same with what `f` gives in the place of each column.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_columns<E>(&self, f: &mut impl FnMut(usize, DataType) -> Result<Expr, E>) -> Result<Expr, E> {
        match self.kind {
            ExprKind::Column(i) => f(i, self.data_type),
            _ => self.try_map(&mut |e| e.try_columns(f)),
        }
    }

    /// The same with what `f` gives in the place of each direct operand.
    ///
    /// # Errors
    /// The first that `f` gives.
    pub fn try_map<E>(&self, f: &mut impl FnMut(&Expr) -> Result<Expr, E>) -> Result<Expr, E> {
        let kind = match &self.kind {
            ExprKind::Column(i) => ExprKind::Column(*i),
            ExprKind::Literal(v) => ExprKind::Literal(v.clone()),
            ExprKind::Unary { op, arg } => ExprKind::Unary { op: *op, arg: Box::new(f(arg)?) },
            ExprKind::Binary { op, left, right } => ExprKind::Binary { op: *op, left: Box::new(f(left)?), right: Box::new(f(right)?) },
            ExprKind::IsNull { arg, negated } => ExprKind::IsNull { arg: Box::new(f(arg)?), negated: *negated },
            ExprKind::Case { branches, otherwise } => {
                let branches = branches.iter().map(|(c, v)| Ok((f(c)?, f(v)?))).collect::<Result<_, E>>()?;
                ExprKind::Case { branches, otherwise: otherwise.as_ref().map(|e| Ok(Box::new(f(e)?))).transpose()? }
            }
            ExprKind::Cast { arg } => ExprKind::Cast { arg: Box::new(f(arg)?) },
            ExprKind::Extract { field, arg } => ExprKind::Extract { field: *field, arg: Box::new(f(arg)?) },
            ExprKind::DateTrunc { unit, arg } => ExprKind::DateTrunc { unit: *unit, arg: Box::new(f(arg)?) },
            ExprKind::Tumble { arg, size_us } => ExprKind::Tumble { arg: Box::new(f(arg)?), size_us: *size_us },
            ExprKind::Call { function, args } => {
                ExprKind::Call { function: function.clone(), args: args.iter().map(f).collect::<Result<_, E>>()? }
            }
        };
        Ok(Expr { kind, data_type: self.data_type })
    }

    /// The direct operands, in the order in which they are written.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Column(_) | ExprKind::Literal(_) => Vec::new(),
            ExprKind::Unary { arg, .. }
            | ExprKind::IsNull { arg, .. }
            | ExprKind::Cast { arg }
            | ExprKind::Extract { arg, .. }
            | ExprKind::DateTrunc { arg, .. }
            | ExprKind::Tumble { arg, .. } => vec![arg],
            ExprKind::Binary { left, right, .. } => vec![left, right],
            ExprKind::Case { branches, otherwise } => branches.iter().flat_map(|(c, v)| [c, v]).chain(otherwise.as_deref()).collect(),
            ExprKind::Call { args, .. } => args.iter().collect(),
        }
    }

    /// Calls `f` on this expression and on all below it, parents first.
    pub fn visit<'a>(&'a self, f: &mut impl FnMut(&'a Expr)) {
        f(self);
        for child in self.children() {
            child.visit(f);
        }
    }

    /// Whether it reads a column of those that are meant.
    pub fn reads(&self, mut is_meant: impl FnMut(usize) -> bool) -> bool {
        let mut reads = false;
        self.visit(&mut |e| {
            if let ExprKind::Column(column) = e.kind {
                reads = reads || is_meant(column);
            }
        });
        reads
    }

    /// The conditions that all hold where it does: what its ANDs connect, from left to right.
    pub fn conjuncts(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Binary { op: BinaryOp::And, left, right } => [left.conjuncts(), right.conjuncts()].concat(),
            _ => vec![self],
        }
    }

    /// Whether a row can make it raise an error.
    pub fn can_fail(&self) -> bool {
        let mut found = false;
        self.visit(&mut |e| {
            found |= match &e.kind {
                ExprKind::Binary { op, left, right } => {
                    !op.is_comparison() && !matches!(op, BinaryOp::And | BinaryOp::Or) && !is_sure_division(*op, left, right)
                }
                ExprKind::Cast { arg } => !is_sure(arg.data_type, e.data_type),
                ExprKind::Unary { op, .. } => *op == UnaryOp::Negate,
                ExprKind::Call { function, .. } => !function.is_of_bits(),
                ExprKind::DateTrunc { .. } | ExprKind::Tumble { .. } => true,
                ExprKind::Column(_) | ExprKind::Literal(_) | ExprKind::IsNull { .. } | ExprKind::Case { .. } | ExprKind::Extract { .. } => {
                    false
                }
            }
        });
        found
    }

    /// How many nodes it has.
    pub fn size(&self) -> usize {
        let mut size = 0;
        self.visit(&mut |_| size += 1);
        size
    }

    /// A call of a function.
    pub fn call(function: Function, args: Vec<Expr>, data_type: DataType) -> Self {
        Expr { kind: ExprKind::Call { function, args }, data_type }
    }
}

/// Whether it is a division of integers by a literal by which each can be divided: by -1 not the smallest.
fn is_sure_division(op: BinaryOp, left: &Expr, right: &Expr) -> bool {
    let ExprKind::Literal(Value::Int(by)) = right.kind else { return false };
    let fits = match op {
        BinaryOp::Modulo => by != 0,
        BinaryOp::Divide => by != 0 && by != -1,
        _ => false,
    };
    fits && left.data_type == DataType::Int && right.data_type == DataType::Int
}

/// Whether every value can be converted.
fn is_sure(from: DataType, to: DataType) -> bool {
    use DataType::{Bool, Decimal, Float, Int, Numeric, Text};
    matches!((from, to), (_, Text) | (Bool, _) | (Int | Numeric | Decimal { .. }, Float) | (Int, Numeric))
}

/// What can go wrong with a value while a query runs. An answer over a row that raises one is that error, in every engine, as in
/// PostgreSQL, where the statement fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvalError {
    #[error("division by zero; guard it, as in CASE WHEN b <> 0 THEN a / b END")]
    DivisionByZero,
    #[error("number out of range; cast to DOUBLE PRECISION before the arithmetic, if an approximate result will do")]
    OutOfRange,
    #[error("'{text}' is no {}; filter such rows out, or guard the CAST with CASE", to.sql_name())]
    InvalidText { text: String, to: DataType },
    /// A function has no value for this argument.
    #[error("{what}; filter such rows out, or guard the call with CASE")]
    InvalidArgument { what: String },
}
