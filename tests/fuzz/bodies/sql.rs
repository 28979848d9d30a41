//! SQL text: parsed, bound, and answered over a few rows by the engines' groups and by the reference.

use std::sync::{Arc, OnceLock};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use twopath_query::arbitrary::{Random, batches, schema, sql as random_sql};
use twopath_query::{QueryError, parse, topics_of, values};
use twopath_reference::{Reference, compare};
use twopath_view::{GroupTable, Selection, answer};

/// Of the random schemas and rows that all inputs are asked of.
const SEED: u64 = 11;
const ROWS_MAX: usize = 24;

/// Whether the input is a query. An error names a place in the text; an answer is the reference's.
pub fn sql(data: &[u8]) -> bool {
    let (schema, batches) = events();
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if let Err(e) = topics_of(text) {
        placed(&e, text);
    }
    let query = match parse(text, "events", schema) {
        Ok(query) => query,
        Err(e) => {
            placed(&e, text);
            return false;
        }
    };
    assert!(!query.to_string().is_empty());
    let mut reference = Reference::new(query.clone());
    batches.iter().for_each(|batch| reference.push(batch));
    let expected = reference.answer();
    let query = Arc::new(query);
    let (mut first, mut rest) = (GroupTable::new(&query), GroupTable::new(&query));
    let folded = batches.iter().enumerate().try_for_each(|(i, batch)| {
        let table = if i % 2 == 0 { &mut first } else { &mut rest };
        table.update_from_log(&query, batch)
    });
    let rows = folded.and_then(|()| answer(&query, &[&first, &rest], &Selection::default())).and_then(|rows| values::rows(&rows));
    compare(&query, &expected, &rows).unwrap_or_else(|difference| panic!("{difference}\n{text}\n{query}"));
    true
}

fn events() -> &'static (SchemaRef, Vec<RecordBatch>) {
    static EVENTS: OnceLock<(SchemaRef, Vec<RecordBatch>)> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let mut random = Random::new(SEED);
        let schema = schema(&mut random);
        let batches = batches(&mut random, &schema, ROWS_MAX);
        (schema, batches)
    })
}

/// Queries to start from.
pub fn seeds() -> Vec<String> {
    (0..24).map(|seed| random_sql(&mut Random::new(seed), "events", &events().0)).collect()
}

fn placed(error: &QueryError, text: &str) {
    assert!(text.get(error.span.clone()).is_some(), "the span {:?} is not inside the text", error.span);
    assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty());
    assert!(!error.report(text).is_empty());
}
