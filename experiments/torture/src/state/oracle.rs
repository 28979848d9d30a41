//! The reference, rolled forward over a topic from one position to the next.

use twopath_base::Position;
use twopath_log::{Entry, Start, Topic};
use twopath_query::{EvalError, Query, Value, values};
use twopath_reference::{Reference, compare};
use twopath_view::{GroupTable, RealtimeView, Selection, answer, tables_for};

pub struct Oracle {
    topic: Topic,
    query: Query,
    reference: Reference,
    at: Position,
}

pub type Rows = Result<Vec<Vec<Value>>, EvalError>;

impl Oracle {
    pub fn new(topic: &Topic, query: &Query) -> Oracle {
        let at = Position::zero(topic.partitions());
        Oracle { topic: topic.clone(), query: query.clone(), reference: Reference::new(query.clone()), at }
    }

    /// Whether an answer at this position can be held against the reference still, which is only rolled forward.
    pub fn can_check(&self, position: &Position) -> bool {
        position.covers(&self.at)
    }

    /// Whether these are the rows at a position, which is not before that of the call before.
    pub fn check(&mut self, position: &Position, rows: &Rows) -> Result<(), String> {
        if !position.covers(&self.at) {
            return Err(format!("an answer at {position} comes after one at {}: readers were set back", self.at));
        }
        self.roll_to(position).map_err(|e| format!("the log cannot be read: {e}"))?;
        compare(&self.query, &self.reference.answer(), rows).map_err(|difference| format!("at {position}: {difference}\n{}", self.query))
    }

    fn roll_to(&mut self, position: &Position) -> Result<(), twopath_log::LogError> {
        for (partition, end) in position.iter() {
            let from = self.at.get(partition);
            if from >= end {
                continue;
            }
            let mut reader = self.topic.reader(partition, Start::Offset(from), None)?;
            while reader.offset() < end {
                let Some(Entry::Records(records)) = reader.next()? else { continue };
                let records = records.cut(from, end);
                (0..records.batch.num_rows()).for_each(|row| self.reference.push_row(&records.batch, row));
            }
        }
        self.at = position.clone();
        Ok(())
    }
}

/// What a view answers.
pub fn rows_of(query: &Query, view: &RealtimeView) -> Rows {
    if let Some(error) = &view.error {
        return Err(error.clone());
    }
    let tables = tables_for(&view.generations, query, &Selection::default(), true).expect("kept groups can be read");
    let parts: Vec<&GroupTable> = tables.iter().map(|table| &**table).collect();
    values::rows(&answer(query, &parts, &Selection::default())?)
}
