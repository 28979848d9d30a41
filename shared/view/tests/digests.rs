//! The digest that the reference keeps as it rolls forward is that of the engine's answer at every moment, and of no other answer.

use twopath_query::arbitrary::{Random, batches, schema, sql};
use twopath_reference::{Reference, compare, digest};
use twopath_view::{GroupTable, Selection, answer};

#[test]
fn digests_agree_where_answers_do() {
    let (mut agreed, mut told_apart) = (0, 0);
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let schema = schema(&mut random);
        let sql = sql(&mut random, "t", &schema);
        let query = twopath_query::parse(&sql, "t", &schema).unwrap_or_else(|e| panic!("seed {seed}: {}", e.report(&sql)));
        let mut reference = Reference::new(query.clone());
        reference.keep_digest();
        let mut table = GroupTable::new(&query);
        for batch in batches(&mut random, &schema, 60) {
            reference.push(&batch);
            if table.update_from_log(&query, &batch).is_err() {
                break;
            }
            let Ok(given) = answer(&query, &[&table], &Selection::default()) else { continue };
            let rows = twopath_query::values::rows(&given);
            let same = compare(&query, &reference.answer(), &rows).is_ok();
            let Some((kept, given_digest)) = reference.digest().zip(digest(&query, &given).unwrap()) else { continue };
            // A digest is stricter than a comparison with a tolerance, and never laxer.
            assert!(same || kept != given_digest, "seed {seed}: {sql}");
            // A reference that has seen the same rows at once gives the same as one that rolled forward.
            agreed += u32::from(kept == given_digest);
            if given.num_rows() > 0 {
                let shorter = given.slice(0, given.num_rows() - 1);
                assert_ne!(digest(&query, &shorter).unwrap(), Some(given_digest), "seed {seed}: a row is missing: {sql}");
                told_apart += 1;
            }
        }
    }
    assert!(agreed > 300 && told_apart > 200, "{agreed} agreed, {told_apart} told apart");
}

#[test]
fn queries_with_an_order_of_their_own_have_no_digest() {
    let mut random = Random::new(1);
    let schema = schema(&mut random);
    let column = schema.field(0).name();
    for sql in [
        format!("SELECT {column}, COUNT(*) AS n FROM t GROUP BY {column} ORDER BY n"),
        format!("SELECT {column}, COUNT(*) AS n FROM t GROUP BY {column} LIMIT 3"),
        format!("SELECT COUNT(*) AS n FROM t GROUP BY {column}"),
    ] {
        let query = twopath_query::parse(&sql, "t", &schema).unwrap();
        let mut reference = Reference::new(query);
        reference.keep_digest();
        assert_eq!(reference.digest(), None, "{sql}");
    }
}
