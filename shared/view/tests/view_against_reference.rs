//! The engines' groups and answers against the reference, over random queries and streams: folded at once, and folded in parts that
//! are merged.

use std::sync::Arc;

use twopath_query::arbitrary::{Profile, Random, batches, schema, schema_with_decimals, sql_of};
use twopath_query::{parse, values};
use twopath_reference::{Reference, compare};
use twopath_view::{GroupTable, Selection, answer};

#[test]
fn views_agree_with_the_reference() {
    for seed in 0..4_000 {
        let mut random = Random::new(seed);
        let schema = if seed % 2 == 0 { schema(&mut random) } else { schema_with_decimals(&mut random) };
        let profile = if seed % 4 < 2 { Profile::BASIC } else { Profile::ALL };
        let text = sql_of(&mut random, "events", &schema, profile);
        let query = parse(&text, "events", &schema).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&text)));
        let stream = batches(&mut random, &schema, 150);
        let mut reference = Reference::new(query.clone());
        stream.iter().for_each(|batch| reference.push(batch));
        let expected = reference.answer();

        let query = Arc::new(query);
        let parts = 1 + random.below(3);
        let mut tables: Vec<GroupTable> = (0..parts).map(|_| GroupTable::new(&query)).collect();
        let folded = stream.iter().try_for_each(|batch| tables[random.below(parts)].update_from_log(&query, batch));
        let tables: Vec<&GroupTable> = tables.iter().collect();
        let rows = folded.and_then(|()| answer(&query, &tables, &Selection::default())).and_then(|rows| values::rows(&rows));
        compare(&query, &expected, &rows).unwrap_or_else(|d| panic!("seed {seed}: {d}\n{text}\n{query}"));
    }
}
