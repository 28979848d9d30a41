//! Rows of windows that are not final: what a window has so far (early), once most of it ought to be there (on time), and what comes after that (late).
//!
//! ```text
//!                       the window's end      + on time              + the watermark's delay
//!  event time ──────────────────┼──────────────────┼──────────────────────────┼──────────→
//!               early, early             on time        late, late          final
//! ```
//!
//! The final row is the one that the log alone decides ([`super::closing`]). The others are guesses, of which a column `firing` says what they are: what they have in them depends on
//! how far each partition was read. Rows that have not changed since they were appended last are not appended again.
//!
//! **A group that HAVING lets through no more** leaves a row that is NULL but for the columns that say which group and window it was, as in a changelog; the final one too, where
//! a row had been shown before.
//!
//! **After a restart** which rows were appended is known if nothing was read after that, so that a feed that is run to the end again and again says nothing twice. Else each open window's
//! row comes once more. No row that is not final comes behind the final one of its window.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use twopath_base::Position;
use twopath_query::{BinaryOp, Closing, Expr, ExprKind, PanedWindows, Value};
use twopath_view::{GroupTable, closed};

use super::When;
use crate::control::Control;
use crate::error::SpeedError;
use crate::sink::numbered::NumberedSink;

/// The column that says what a row is.
const COLUMN: &str = "firing";
const FINAL: &str = "final";

/// When rows of windows are appended before they are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Firings {
    /// What has changed of any window, at the feed's interval.
    pub early: bool,
    /// Once the newest event times of all partitions are so far past a window's end (microseconds), and from then on whenever it has changed.
    pub on_time_us: Option<i64>,
}

impl Firings {
    /// Whether there are any.
    pub fn are_some(&self) -> bool {
        *self != Firings::default()
    }

    /// The columns of the output's rows.
    ///
    /// # Errors
    /// [`SpeedError::NoFeed`]: what stands in the way.
    pub(super) fn schema_of(&self, closing: &Closing, rows: &Schema) -> Result<SchemaRef, SpeedError> {
        let refused = |what: String| Err(SpeedError::NoFeed { what });
        if matches!(closing.query.panes.as_ref().map(|panes| panes.windows), Some(PanedWindows::Session { .. })) {
            return refused(
                "a session's bounds change until it is final, so that its earlier rows would be of other windows; leave --every and --on-time out".into(),
            );
        }
        if rows.field_with_name(COLUMN).is_ok() {
            return refused(format!("a column of that name says whether a row is final; call {COLUMN} something else"));
        }
        if closing.query.having.is_some() {
            let said: Vec<Option<usize>> = closing.query.output.iter().map(|o| key_said(&o.expr, closing.query.keys.len())).collect();
            if let Some(key) = (0..closing.query.keys.len()).find(|&key| !said.contains(&Some(key))) {
                let name = &closing.query.keys[key].name;
                return refused(format!(
                    "its rows would not say which group HAVING hides; add to the select list what it groups by: {name}"
                ));
            }
            if said.iter().all(Option::is_some) {
                return refused(
                    "with HAVING it takes rows back, by such that are NULL but for the group's key; add another column, such as COUNT(*) AS n".into(),
                );
            }
        }
        let delay_us = closing.late.delay_us;
        if let Some(on_time) = self.on_time_us.filter(|&on_time| on_time >= delay_us) {
            let (on_time, delay) = (twopath_query::time::format_interval(on_time), twopath_query::time::format_interval(delay_us));
            return refused(format!(
                "its windows are final {delay} after their ends, by the query's WATERMARK, and on time {on_time} after them; let the one be later than the other"
            ));
        }
        let fields = rows.fields().iter().cloned().chain([Arc::new(Field::new(COLUMN, DataType::Utf8, true))]);
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

/// Rows with what they are.
fn labelled(rows: &RecordBatch, schema: &SchemaRef, firings: impl IntoIterator<Item = &'static str>) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(StringArray::from_iter_values(firings)));
    RecordBatch::try_new(schema.clone(), columns).expect("a text for each row")
}

/// Which of the first columns, those that are grouped by, an expression says: it itself, or a bound of the window that it tells. It fails for no group but at the ends of time.
fn key_said(expr: &Expr, of_keys: usize) -> Option<usize> {
    let (mut columns, mut is_plain) = (Vec::new(), true);
    expr.visit(&mut |e| match e.kind {
        ExprKind::Column(column) => columns.push(column),
        ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Subtract, .. } => {}
        ExprKind::Literal(_) | ExprKind::Tumble { .. } | ExprKind::DateTrunc { .. } => {}
        _ => is_plain = false,
    });
    let first = columns.first().copied().filter(|&column| is_plain && column < of_keys)?;
    columns.iter().all(|&column| column == first).then_some(first)
}

/// Rows of groups that HAVING hides: what they are grouped by, and NULL.
struct Hidden {
    closing: Closing,
    /// The columns that tell groups and windows apart.
    keys: Vec<usize>,
    converter: RowConverter,
    /// Those that show a row; `None` where that is not known, after a restart.
    shown: Option<HashSet<OwnedRow>>,
}

impl Hidden {
    /// `None` for a query without HAVING, which hides nothing.
    fn of(closing: &Closing, schema: &Schema, is_known: bool) -> Option<Hidden> {
        closing.query.having.as_ref()?;
        let mut closing = closing.clone();
        closing.query.having = None;
        let (of_keys, mut keys) = (closing.query.keys.len(), Vec::new());
        for (number, output) in closing.query.output.iter_mut().enumerate() {
            if key_said(&output.expr, of_keys).is_some() {
                keys.push(number);
            } else {
                output.expr = Expr::literal(Value::Null, output.expr.data_type);
            }
        }
        let fields = keys.iter().map(|&key| SortField::new(schema.field(key).data_type().clone()));
        let converter = RowConverter::new(fields.collect()).expect("columns of canonical types have an order");
        Some(Hidden { closing, keys, converter, shown: is_known.then(HashSet::new) })
    }

    fn keys_of(&self, rows: &RecordBatch) -> Vec<OwnedRow> {
        let keys = rows.project(&self.keys).expect("columns that are there");
        let keys = self.converter.convert_columns(keys.columns()).expect("columns of the converter's types");
        keys.iter().map(|key| key.owned()).collect()
    }

    /// The deletions of groups of such windows that are not among these, which show, and did or may have; with their ends, and the keys of those that show.
    fn deletions(
        &self,
        groups: &GroupTable,
        range: (Option<i64>, i64),
        showing: &RecordBatch,
    ) -> Option<(RecordBatch, Int64Array, HashSet<OwnedRow>)> {
        let showing: HashSet<OwnedRow> = self.keys_of(showing).into_iter().collect();
        let (rows, ends) = closed(&self.closing, groups, range).ok()?;
        let is_gone = |key: &OwnedRow| !showing.contains(key) && self.shown.as_ref().is_none_or(|shown| shown.contains(key));
        let keys = self.keys_of(&rows);
        let gone = UInt32Array::from_iter_values(keys.iter().enumerate().filter(|(_, key)| is_gone(key)).map(|(row, _)| row as u32));
        let ends = Int64Array::from_iter_values(gone.values().iter().map(|&row| ends.value(row as usize)));
        Some((take_record_batch(&rows, &gone).expect("rows that are there"), ends, showing))
    }
}

/// Appends rows that are not final, and knows which the output shows.
pub(crate) struct Firer {
    firings: Firings,
    when: When,
    sink: NumberedSink,
    converter: RowConverter,
    hidden: Option<Hidden>,
    /// The newest rows of windows that have one.
    shown: HashSet<OwnedRow>,
    /// Windows that end up to there were on time.
    on_time_to: Option<i64>,
    /// How far the input was read for what is shown.
    fired_at: Option<Position>,
    pub rows_appended: u64,
}

/// Which windows are meant, and what is known of them.
pub(crate) struct Moment<'a> {
    pub closing: &'a Closing,
    pub groups: &'a GroupTable,
    /// Windows that end up to there are final.
    pub closed_to: Option<i64>,
    /// The least of the partitions' greatest event times.
    pub newest: i64,
    /// How far the input was read.
    pub at: &'a Position,
    /// By output partition: windows that end up to there are final in it.
    pub final_to: &'a [Option<i64>],
}

impl Firer {
    /// Of the windows of `closing`. `schema` is that of the output, and `fired` what an earlier process left of it.
    pub fn new(firings: Firings, closing: &Closing, when: When, sink: NumberedSink, schema: &Schema, fired: Fired) -> Firer {
        let types = schema.fields()[..schema.fields().len() - 1].iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(types.collect()).expect("columns of canonical types have an order");
        let Fired { at: fired_at, on_time_to } = fired;
        // A process that died may have appended rows before it could say so.
        let has_shown = fired_at.is_some() || sink.reached().iter().any(|&number| number > 0);
        let hidden = Hidden::of(closing, schema, !has_shown);
        Firer { firings, when, sink, converter, hidden, shown: HashSet::new(), on_time_to, fired_at, rows_appended: 0 }
    }

    /// Begins where an earlier process was: all that it had read is read again, and maybe more.
    pub fn begin(&mut self, now: &Moment<'_>) {
        if self.fired_at.as_ref() == Some(now.at)
            && let Some(range) = self.range(now)
            && let Ok((rows, _)) = closed(now.closing, now.groups, range)
        {
            self.shown = self.owned(&rows).collect();
            if let Some(hidden) = &mut self.hidden {
                hidden.shown = Some(hidden.keys_of(&rows).into_iter().collect());
            }
        }
    }

    /// Whether rows are to be appended, at this position.
    pub fn is_time(&self, at: &Position, control: &Control) -> bool {
        self.when.is_now(at, control)
    }

    /// Appends the rows that show something new.
    pub fn fire(&mut self, now: &Moment<'_>, schema: &SchemaRef) -> Result<(), SpeedError> {
        let passed = self.passed(now);
        let Some(range) = self.range(now) else { return Ok(()) };
        // The error that a window raises is told when the window is final.
        let Ok((all, ends)) = closed(now.closing, now.groups, range) else { return Ok(()) };
        let (mut chosen, mut firings, mut shown) = (Vec::new(), Vec::new(), HashSet::new());
        for (row, (value, &end)) in self.owned(&all).zip(ends.values()).enumerate() {
            let is_new = !self.shown.contains(&value);
            let firing = match passed.is_some_and(|passed| end <= passed) {
                true if self.on_time_to.is_none_or(|to| end > to) => Some("on time"),
                true => is_new.then_some("late"),
                false => is_new.then_some("early"),
            };
            if let Some(firing) = firing {
                chosen.push(row as u32);
                firings.push(firing);
            }
            shown.insert(value);
        }
        let mut ends: Vec<i64> = chosen.iter().map(|&row| ends.value(row as usize)).collect();
        let mut rows = take_record_batch(&all, &UInt32Array::from(chosen)).expect("rows that are there");
        if let Some(hidden) = &mut self.hidden
            && let Some((gone, ends_of_gone, showing)) = hidden.deletions(now.groups, range, &all)
        {
            firings
                .extend(ends_of_gone.values().iter().map(|&end| if passed.is_some_and(|passed| end <= passed) { "late" } else { "early" }));
            ends.extend(ends_of_gone.values());
            rows = concat_batches(&rows.schema(), [&rows, &gone]).expect("rows of one schema");
            hidden.shown = Some(showing);
        }
        let rows = labelled(&rows, schema, firings);
        for (q, mut numbers) in self.sink.by_partition(&rows)? {
            // A process that died may have appended the final ones.
            numbers.retain(|&row| now.final_to[q.index()].is_none_or(|to| ends[row as usize] > to));
            if !numbers.is_empty() {
                let number = self.sink.reached()[q.index()] + 1;
                self.rows_appended += numbers.len() as u64;
                self.sink.append(q, &take_record_batch(&rows, &UInt32Array::from(numbers)).expect("rows that are there"), number)?;
            }
        }
        self.shown = shown;
        self.on_time_to = self.on_time_to.max(passed);
        self.fired_at = Some(now.at.clone());
        Ok(())
    }

    /// The rows that windows end with, of those that end after the one moment, if there is one, and not after the other; and their ends.
    pub fn finals(
        &self,
        groups: &GroupTable,
        range: (Option<i64>, i64),
        (rows, ends): (RecordBatch, Int64Array),
        schema: &SchemaRef,
    ) -> (RecordBatch, Int64Array) {
        let (rows, ends) = match self.hidden.as_ref().and_then(|hidden| hidden.deletions(groups, range, &rows)) {
            None => (rows, ends),
            Some((gone, ends_of_gone, _)) => (
                concat_batches(&rows.schema(), [&rows, &gone]).expect("rows of one schema"),
                Int64Array::from_iter_values(ends.values().iter().chain(ends_of_gone.values()).copied()),
            ),
        };
        let firings = std::iter::repeat_n(FINAL, rows.num_rows());
        (labelled(&rows, schema, firings), ends)
    }

    /// What a later process must know.
    pub fn fired(&self) -> Fired {
        Fired { at: self.fired_at.clone(), on_time_to: self.on_time_to }
    }

    /// Windows that end up to there are on time. That they were once stays true where a partition speaks that had been silent.
    fn passed(&self, now: &Moment<'_>) -> Option<i64> {
        self.firings.on_time_us.and_then(|on_time| now.newest.checked_sub(on_time)).max(self.on_time_to)
    }

    /// After which moment, and up to which, windows end that are not final and may show; `None` where there are none.
    fn range(&self, now: &Moment<'_>) -> Option<(Option<i64>, i64)> {
        let to = if self.firings.early { Some(i64::MAX) } else { self.passed(now) };
        to.filter(|&to| now.closed_to.is_none_or(|closed_to| to > closed_to)).map(|to| (now.closed_to, to))
    }

    fn owned(&self, rows: &RecordBatch) -> impl Iterator<Item = OwnedRow> + use<> {
        let rows = self.converter.convert_columns(rows.columns()).expect("columns of the converter's types");
        (0..rows.num_rows()).map(move |row| rows.row(row).owned())
    }
}

/// What is left of firings for a later process.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fired {
    /// How far the input was read for what is shown.
    pub at: Option<Position>,
    /// Windows that end up to there were on time (microseconds since 1970).
    pub on_time_to: Option<i64>,
}
