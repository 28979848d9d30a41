//! The mergeable state of aggregates, stored by column: one accumulator holds one aggregate's state of every group.
//!
//! Merging is associative and commutative, and a group that saw no row is its identity: every kind is what differential dataflow calls a
//! semigroup. Those that are linear can also be taken back ([`Retract`]): abelian groups. One kind per file.

mod avg;
mod bits;
mod count;
mod ddsketch;
mod decimal;
mod distinct;
mod exact;
mod extreme;
mod first;
mod float_sum;
mod latest;
mod moments;
mod order;
mod presence;
mod quantile;
mod rational;
mod regression;
mod sketch;
mod sum;
mod texts;
mod values;
mod wide;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use avg::Avg;
use bits::Bits;
use count::Count;
use decimal::{DecimalExtreme, DecimalSum};
use distinct::Distinct;
use extreme::{Extreme, TextExtreme};
use first::{ByLog, ByValues, First};
use float_sum::FloatSum;
pub use latest::Latest;
use moments::Moments;
pub use presence::Presence;
use quantile::Quantiles;
use regression::Regression;
use sketch::DistinctSketch;
use sum::IntSum;
use texts::TextsInOrder;
use twopath_query::{Aggregate, AggregateFunction, DataType, EvalError};
use values::Values;

/// A named column at rest.
pub type Column = (&'static str, ArrayRef);

/// What every kind of accumulator does. Groups are numbered from 0.
pub trait Accumulate: Sized {
    /// One of the same kind without groups.
    fn emptied(&self) -> Self;

    /// Adds groups, up to `groups` in all. `complete` says that each of them gets a value before it is read.
    fn grow(&mut self, groups: usize, complete: bool);

    /// Folds in one value per row of each of [`Aggregate::args`]; row `i` belongs to group `groups[i]`.
    fn update(&mut self, args: &[ArrayRef], groups: &[u32]);

    /// Folds group `from[i]` of `other` into group `to[i]`, for every `i`.
    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]);

    /// Whether every group has seen a value.
    fn complete(&self) -> bool;

    /// The aggregate's values for these groups, in canonical type.
    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError>;

    /// These groups at rest.
    fn columns(&self, groups: &[u32]) -> Vec<Column>;

    /// Takes over what [`Accumulate::columns`] gave, into an empty accumulator.
    fn load(&mut self, read: &mut Reader) -> Result<(), String>;

    /// Approximate bytes in memory.
    fn bytes(&self) -> usize;
}

/// What can also be taken back: counts, sums, means, variances. Least and greatest values, sets and sketches cannot, since they keep nothing of
/// what something else outdid.
pub trait Retract: Accumulate {
    /// Takes group `from[i]` of `other` out of group `to[i]`, for every `i`. [`Accumulate::merge`] and this, in either order, leave what was there,
    /// to the last bit.
    fn retract(&mut self, other: &Self, from: &[u32], to: &[u32]);
}

/// Gives the columns at rest of one accumulator, in the order in which they were written.
pub struct Reader<'a> {
    pub columns: std::slice::Iter<'a, ArrayRef>,
    pub names: Vec<String>,
}

impl Reader<'_> {
    /// The next column, which must be called `name`, have this type and, unless `nullable`, no nulls.
    pub fn next(&mut self, name: &str, data_type: &arrow_schema::DataType, nullable: bool) -> Result<ArrayRef, String> {
        self.next_of(name, &[data_type], nullable)
    }

    /// As [`Reader::next`], of lists of this type, none of them null.
    pub fn next_lists(&mut self, name: &str, item: arrow_schema::DataType) -> Result<ArrayRef, String> {
        let lists = arrow_schema::DataType::List(Arc::new(arrow_schema::Field::new_list_field(item, true)));
        self.next(name, &lists, false)
    }

    /// As [`Reader::next`], of one of these types.
    pub fn next_of(&mut self, name: &str, data_types: &[&arrow_schema::DataType], nullable: bool) -> Result<ArrayRef, String> {
        let found = if self.names.is_empty() { None } else { Some(self.names.remove(0)) };
        let (Some(column), Some(found)) = (self.columns.next(), found) else {
            return Err(format!("the column '{name}' is missing"));
        };
        if found != name {
            return Err(format!("the column '{found}' stands where '{name}' belongs"));
        }
        if !data_types.contains(&column.data_type()) {
            return Err(format!("the column '{name}' is {}, not {}", column.data_type(), data_types[0]));
        }
        if !nullable && column.null_count() > 0 {
            return Err(format!("the column '{name}' has nulls"));
        }
        Ok(column.clone())
    }
}

/// One aggregate's state, of whatever kind.
#[derive(Debug, Clone)]
pub enum Accumulator {
    Count(Count),
    IntSum(IntSum),
    FloatSum(FloatSum),
    Avg(Avg),
    Extreme(Extreme),
    TextExtreme(TextExtreme),
    Distinct(Distinct),
    DistinctSketch(DistinctSketch),
    Quantiles(Quantiles),
    /// Of no aggregate: final values, as [`crate::Finals`] has them.
    Latest(Latest),
    DecimalSum(DecimalSum),
    DecimalExtreme(DecimalExtreme),
    Moments(Moments),
    Values(Values),
    Bits(Bits),
    First(First<ByLog>),
    Regression(Regression),
    FirstBy(First<ByValues>),
    TextsInOrder(TextsInOrder),
}

impl Accumulator {
    pub fn new(aggregate: &Aggregate) -> Self {
        use AggregateFunction::*;
        let data_type = aggregate.arg.as_ref().map_or(DataType::Int, |a| a.data_type);
        match (aggregate.function, data_type) {
            (Count, _) => Accumulator::Count(count::Count::default()),
            (Sum, DataType::Decimal { .. } | DataType::Numeric) => Accumulator::DecimalSum(DecimalSum::new(data_type)),
            (Sum, DataType::Float) => Accumulator::FloatSum(FloatSum::default()),
            (Sum, _) => Accumulator::IntSum(IntSum::new(data_type)),
            (Avg, _) => Accumulator::Avg(avg::Avg::new(data_type)),
            (Min, DataType::Text) => Accumulator::TextExtreme(TextExtreme::new(false)),
            (Max, DataType::Text) => Accumulator::TextExtreme(TextExtreme::new(true)),
            (Min | Max, DataType::Decimal { .. } | DataType::Numeric) => {
                Accumulator::DecimalExtreme(DecimalExtreme::new(aggregate.function == Max, data_type))
            }
            (Min, _) => Accumulator::Extreme(Extreme::new(false, data_type)),
            (Max, _) => Accumulator::Extreme(Extreme::new(true, data_type)),
            (CountDistinct | SumDistinct | AvgDistinct, _) => Accumulator::Distinct(Distinct::new(aggregate.function, data_type)),
            (ApproxCountDistinct, _) => Accumulator::DistinctSketch(DistinctSketch::default()),
            (ApproxQuantile(q), _) => Accumulator::Quantiles(Quantiles::new(q)),
            (VarPop, _) => Accumulator::Moments(Moments::new(false, data_type == DataType::Float)),
            (VarSamp, _) => Accumulator::Moments(Moments::new(true, data_type == DataType::Float)),
            (PercentileCont(q), _) => Accumulator::Values(Values::new(values::Wanted::Between(q), data_type)),
            (PercentileDisc(q), _) => Accumulator::Values(Values::new(values::Wanted::OneOf(q), data_type)),
            (Mode, _) => Accumulator::Values(Values::new(values::Wanted::Commonest, data_type)),
            (BitAnd | BitOr | BitXor, _) => Accumulator::Bits(Bits::new(aggregate.function)),
            (AggregateFunction::Regression(function), _) => Accumulator::Regression(regression::Regression::new(function)),
            (FirstValue { ignore_nulls }, _) => Accumulator::First(First::new(ByLog { last: false }, ignore_nulls, data_type)),
            (LastValue { ignore_nulls }, _) => Accumulator::First(First::new(ByLog { last: true }, ignore_nulls, data_type)),
            (AggregateFunction::FirstBy { ignore_nulls, order }, _) => {
                Accumulator::FirstBy(First::new(ByValues(order), ignore_nulls, data_type))
            }
            (StringAgg { distinct, order }, _) => Accumulator::TextsInOrder(TextsInOrder::new(distinct, order)),
        }
    }
}

impl Accumulator {
    /// That of an aggregate whose values can be taken back ([`Retract`]); none of other aggregates. SUM counts its values then, since it is
    /// NULL once the last of them is gone.
    pub fn retractable(aggregate: &Aggregate) -> Option<Self> {
        let data_type = aggregate.arg.as_ref().map_or(DataType::Int, |a| a.data_type);
        match aggregate.function {
            AggregateFunction::Sum => Some(Accumulator::Avg(Avg::counted_sum(data_type))),
            AggregateFunction::Count | AggregateFunction::Avg | AggregateFunction::VarPop | AggregateFunction::VarSamp => {
                Some(Accumulator::new(aggregate))
            }
            _ => None,
        }
    }

    /// As [`Retract::retract`].
    ///
    /// # Panics
    /// Unless both are of [`Accumulator::retractable`].
    pub fn retract(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        match (self, other) {
            (Accumulator::Count(a), Accumulator::Count(b)) => a.retract(b, from, to),
            (Accumulator::Avg(a), Accumulator::Avg(b)) => a.retract(b, from, to),
            (Accumulator::Moments(a), Accumulator::Moments(b)) => a.retract(b, from, to),
            _ => panic!("only a table that was laid out for it takes groups back"),
        }
    }
}

macro_rules! each {
    ($self:expr, $a:ident => $body:expr) => {
        match $self {
            Accumulator::Count($a) => $body,
            Accumulator::IntSum($a) => $body,
            Accumulator::FloatSum($a) => $body,
            Accumulator::Avg($a) => $body,
            Accumulator::Extreme($a) => $body,
            Accumulator::TextExtreme($a) => $body,
            Accumulator::Distinct($a) => $body,
            Accumulator::DistinctSketch($a) => $body,
            Accumulator::Quantiles($a) => $body,
            Accumulator::Latest($a) => $body,
            Accumulator::DecimalSum($a) => $body,
            Accumulator::DecimalExtreme($a) => $body,
            Accumulator::Moments($a) => $body,
            Accumulator::Values($a) => $body,
            Accumulator::Bits($a) => $body,
            Accumulator::First($a) => $body,
            Accumulator::Regression($a) => $body,
            Accumulator::FirstBy($a) => $body,
            Accumulator::TextsInOrder($a) => $body,
        }
    };
}

impl Accumulate for Accumulator {
    fn emptied(&self) -> Self {
        match self {
            Accumulator::Count(a) => Accumulator::Count(a.emptied()),
            Accumulator::IntSum(a) => Accumulator::IntSum(a.emptied()),
            Accumulator::FloatSum(a) => Accumulator::FloatSum(a.emptied()),
            Accumulator::Avg(a) => Accumulator::Avg(a.emptied()),
            Accumulator::Extreme(a) => Accumulator::Extreme(a.emptied()),
            Accumulator::TextExtreme(a) => Accumulator::TextExtreme(a.emptied()),
            Accumulator::Distinct(a) => Accumulator::Distinct(a.emptied()),
            Accumulator::DistinctSketch(a) => Accumulator::DistinctSketch(a.emptied()),
            Accumulator::Quantiles(a) => Accumulator::Quantiles(a.emptied()),
            Accumulator::Latest(a) => Accumulator::Latest(a.emptied()),
            Accumulator::DecimalSum(a) => Accumulator::DecimalSum(a.emptied()),
            Accumulator::DecimalExtreme(a) => Accumulator::DecimalExtreme(a.emptied()),
            Accumulator::Moments(a) => Accumulator::Moments(a.emptied()),
            Accumulator::Values(a) => Accumulator::Values(a.emptied()),
            Accumulator::Bits(a) => Accumulator::Bits(a.emptied()),
            Accumulator::First(a) => Accumulator::First(a.emptied()),
            Accumulator::Regression(a) => Accumulator::Regression(a.emptied()),
            Accumulator::FirstBy(a) => Accumulator::FirstBy(a.emptied()),
            Accumulator::TextsInOrder(a) => Accumulator::TextsInOrder(a.emptied()),
        }
    }

    fn grow(&mut self, groups: usize, complete: bool) {
        each!(self, a => a.grow(groups, complete))
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) {
        each!(self, a => a.update(args, groups))
    }

    fn merge(&mut self, other: &Self, from: &[u32], to: &[u32]) {
        match (self, other) {
            (Accumulator::Count(a), Accumulator::Count(b)) => a.merge(b, from, to),
            (Accumulator::IntSum(a), Accumulator::IntSum(b)) => a.merge(b, from, to),
            (Accumulator::FloatSum(a), Accumulator::FloatSum(b)) => a.merge(b, from, to),
            (Accumulator::Avg(a), Accumulator::Avg(b)) => a.merge(b, from, to),
            (Accumulator::Extreme(a), Accumulator::Extreme(b)) => a.merge(b, from, to),
            (Accumulator::TextExtreme(a), Accumulator::TextExtreme(b)) => a.merge(b, from, to),
            (Accumulator::Distinct(a), Accumulator::Distinct(b)) => a.merge(b, from, to),
            (Accumulator::DistinctSketch(a), Accumulator::DistinctSketch(b)) => a.merge(b, from, to),
            (Accumulator::Quantiles(a), Accumulator::Quantiles(b)) => a.merge(b, from, to),
            (Accumulator::Latest(a), Accumulator::Latest(b)) => a.merge(b, from, to),
            (Accumulator::DecimalSum(a), Accumulator::DecimalSum(b)) => a.merge(b, from, to),
            (Accumulator::DecimalExtreme(a), Accumulator::DecimalExtreme(b)) => a.merge(b, from, to),
            (Accumulator::Moments(a), Accumulator::Moments(b)) => a.merge(b, from, to),
            (Accumulator::Values(a), Accumulator::Values(b)) => a.merge(b, from, to),
            (Accumulator::Bits(a), Accumulator::Bits(b)) => a.merge(b, from, to),
            (Accumulator::First(a), Accumulator::First(b)) => a.merge(b, from, to),
            (Accumulator::Regression(a), Accumulator::Regression(b)) => a.merge(b, from, to),
            (Accumulator::FirstBy(a), Accumulator::FirstBy(b)) => a.merge(b, from, to),
            (Accumulator::TextsInOrder(a), Accumulator::TextsInOrder(b)) => a.merge(b, from, to),
            _ => panic!("tables of one query have the same aggregates"),
        }
    }

    fn complete(&self) -> bool {
        each!(self, a => a.complete())
    }

    fn finalise(&self, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        each!(self, a => a.finalise(groups))
    }

    fn columns(&self, groups: &[u32]) -> Vec<Column> {
        each!(self, a => a.columns(groups))
    }

    fn load(&mut self, read: &mut Reader) -> Result<(), String> {
        each!(self, a => a.load(read))
    }

    fn bytes(&self) -> usize {
        each!(self, a => a.bytes())
    }
}

/// `values[g]` for each of `groups`.
fn pick<T: Copy>(values: &[T], groups: &[u32]) -> Vec<T> {
    groups.iter().map(|&g| values[g as usize]).collect()
}

/// The argument of an aggregate that has one.
fn required(args: &[ArrayRef]) -> &ArrayRef {
    args.first().expect("only COUNT has no argument")
}
