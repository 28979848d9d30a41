//! The engines' groups and answers against the reference, over random queries and streams: folded at once, folded in parts that are merged, and with groups
//! that are not in memory, under newer ones that are.

use std::sync::Arc;

use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType as Arrow, Field, Schema};
use twopath_base::Position;
use twopath_query::arbitrary::{Profile, Random, batches, schema, schema_with_decimals, sql_of};
use twopath_query::{Query, Value, parse, values};
use twopath_reference::{Reference, compare};
use twopath_view::{Generation, GroupTable, KeptError, KeptGroups, Selection, answer, tables_for};

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

/// By `twopath torture --long --only state --seed 1 --number 1151`: the first two columns took all the room that there is for an order in one number, and the third,
/// all of whose bits count, was written over them.
#[test]
fn columns_for_which_no_room_is_left_do_not_count() {
    let fields = vec![Field::new("at", Arrow::Int64, false), Field::new("x", Arrow::Float64, false), Field::new("key", Arrow::Utf8, false)];
    let schema = Arc::new(Schema::new(fields));
    let at = Int64Array::from(vec![0, 3_600_000_000, 3_600_000_000, 3_600_000_000, 3_600_000_000, 3_600_000_000]);
    let x = Float64Array::from(vec![-45.125, -47.125, -41.75, -35.625, 19.1, -24.5]);
    let key = StringArray::from(vec!["k55", "k46", "k49", "é", "k82", ""]);
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(at), Arc::new(x), Arc::new(key)]).unwrap();
    let query = parse("SELECT key FROM events ORDER BY at DESC, x", "events", &schema).unwrap();
    let mut table = GroupTable::new(&query);
    table.update_from_log(&query, &batch).unwrap();
    let rows = values::rows(&answer(&query, &[&table], &Selection::default()).unwrap()).unwrap();
    let keys = ["k46", "k49", "é", "", "k82", "k55"].map(|key| vec![Value::Text(key.into())]);
    assert_eq!(rows, keys);
}

/// Groups in pieces, each group in one of them.
#[derive(Debug)]
struct Pieces(Arc<Query>, Vec<GroupTable>);

impl KeptGroups for Pieces {
    fn find(&self, key: &[Value]) -> Result<Option<GroupTable>, KeptError> {
        let found = self.1.iter().find_map(|piece| Some((piece, piece.find(key)?)));
        Ok(found.map(|(piece, group)| {
            let mut one = GroupTable::new(&self.0);
            one.merge_group(piece, group);
            one
        }))
    }

    fn scan(&self, each: &mut dyn FnMut(GroupTable) -> Result<(), KeptError>) -> Result<(), KeptError> {
        self.1.iter().try_for_each(|piece| each(piece.clone()))
    }
}

#[test]
fn kept_groups_under_newer_ones_answer_as_groups_in_memory() {
    let mut cut = 0;
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let schema = schema(&mut random);
        let text = sql_of(&mut random, "events", &schema, if seed % 2 == 0 { Profile::BASIC } else { Profile::ALL });
        let query = Arc::new(parse(&text, "events", &schema).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&text))));
        cut += u32::from(query.limit.is_some() || query.having.is_some());
        let mut tables: Vec<GroupTable> = (0..3).map(|_| GroupTable::new(&query)).collect();
        // None of the newer ones, sometimes.
        let parts = 1 + random.below(3);
        let stream = batches(&mut random, &schema, 150);
        if stream.iter().try_for_each(|batch| tables[random.below(parts)].update_from_log(&query, batch)).is_err() {
            continue;
        }
        let mut all = GroupTable::new(&query);
        tables.iter().for_each(|table| all.merge(table));
        let newer = tables.split_off(1).into_iter().filter(|table| !table.is_empty()).map(Arc::new).collect();
        let pieces = tables.remove(0).split(if query.is_global() { 1 } else { 1 + random.below(4) });
        let kept: Arc<dyn KeptGroups> = Arc::new(Pieces(query.clone(), pieces));
        let range = (Position::zero(1), Position::zero(1));
        let generation = Generation { kept: Some(kept), ..Generation::of(0, range, newer) };

        let mut asked = vec![Selection::default()];
        if !all.is_empty() && !query.is_global() {
            let mut key = || all.key(random.below(all.len()));
            let (one, from, to) = (key(), key().swap_remove(0), key().swap_remove(0));
            asked.push(Selection { key: Some(one), ..Selection::default() });
            asked.push(Selection { first_key: (Some(from), None), ..Selection::default() });
            asked.push(Selection { first_key: (None, Some(to)), ..Selection::default() });
        }
        for selection in asked {
            let plain = answer(&query, &[&all], &selection).and_then(|rows| values::rows(&rows));
            let tables = tables_for(std::slice::from_ref(&generation), &query, &selection, true);
            let found = match tables {
                Ok(tables) => {
                    let tables: Vec<&GroupTable> = tables.iter().map(|table| &**table).collect();
                    answer(&query, &tables, &selection).and_then(|rows| values::rows(&rows))
                }
                Err(KeptError::Eval(error)) => Err(error),
                Err(error) => panic!("seed {seed}: {error}"),
            };
            let told = |rows: Result<Vec<Vec<Value>>, _>| rows.ok().map(|rows| format!("{rows:?}"));
            assert_eq!(told(found), told(plain), "seed {seed}: {selection:?}\n{text}");
        }
    }
    assert!(cut > 500, "{cut} queries cut their answers");
}
