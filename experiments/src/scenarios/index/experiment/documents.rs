//! Documents that change, in a keyed topic: the newest record of an id is the document, and one without a body deletes it.
//!
//! The text is made by us: words of a vocabulary, each drawn by itself in proportion to 1/rank (Zipf's law, G. K. Zipf, "Human Behavior and
//! the Principle of Least Effort", 1949), which is how often words come in real text; without grammar, which an inverted index does not see.
//! Every change is made from its number alone.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};
use twopath_log::{PartitionBy, Records, TopicConfig};

/// Words of the vocabulary.
const VOCABULARY: f64 = 20_000.0;
/// Of this many changes, one deletes.
const DELETES: u64 = 20;
/// Searches draw from a stream of their own.
const SEARCHES: u64 = 1 << 63;

/// What is generated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Documents {
    pub(super) seed: u64,
    /// Ids are the numbers below this; each change is of any of them, all as likely.
    pub(super) ids: u64,
    /// Words of a document.
    pub(super) words: usize,
}

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: u64,
    /// None deletes.
    pub(super) body: Option<String>,
}

impl Documents {
    /// The topic that they go to. Nothing is compacted: the truth is looked up in it later.
    pub(super) fn topic() -> TopicConfig {
        let fields = vec![Field::new("id", DataType::Int64, false), Field::new("body", DataType::Utf8, true)];
        TopicConfig { partition_by: PartitionBy::Key("id".into()), ..TopicConfig::new("documents", Arc::new(Schema::new(fields))) }
    }

    pub(super) fn change(&self, number: u64) -> Change {
        let mut rng = self.rng(number);
        let id = rng.random_range(0..self.ids);
        let deletes = rng.random_range(0..DELETES) == 0;
        let body = (!deletes).then(|| words(&mut rng).take(self.words).collect::<Vec<_>>().join(" "));
        Change { id, body }
    }

    /// The term that search number `number` asks for: a word of a text, by chance.
    pub(super) fn term(&self, number: u64) -> String {
        words(&mut self.rng(SEARCHES | number)).next().expect("words have no end")
    }

    /// As rows of the topic.
    pub(super) fn batch(&self, from: u64, rows: u64) -> RecordBatch {
        let changes: Vec<Change> = (from..from + rows).map(|number| self.change(number)).collect();
        let ids = Int64Array::from_iter_values(changes.iter().map(|c| c.id as i64));
        let bodies = StringArray::from_iter(changes.iter().map(|c| c.body.as_deref()));
        RecordBatch::try_new(Self::topic().schema, vec![Arc::new(ids), Arc::new(bodies)]).expect("the columns are the schema's")
    }

    fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        rng
    }
}

fn words(rng: &mut ChaCha8Rng) -> impl Iterator<Item = String> + '_ {
    let zipf = Zipf::new(VOCABULARY, 1.0).expect("the vocabulary has words");
    zipf.sample_iter(rng).map(|rank| format!("w{}", rank as u64))
}

/// The changes of a frame, each with its offset.
pub(super) fn changes(records: &Records) -> impl Iterator<Item = (u64, Change)> + '_ {
    let (ids, bodies) = (records.batch.column(0).as_primitive::<Int64Type>(), records.batch.column(1).as_string::<i32>());
    (0..records.batch.num_rows()).map(move |row| {
        let body = bodies.is_valid(row).then(|| bodies.value(row).to_owned());
        (records.offset_of(row).0, Change { id: ids.value(row) as u64, body })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_of_its_number() {
        let documents = Documents { seed: 7, ids: 50, words: 30 };
        let all: Vec<Change> = (0..2_000).map(|n| documents.change(n)).collect();
        assert_eq!(all[1_234], documents.change(1_234));
        assert_ne!(all, (0..2_000).map(|n| Documents { seed: 8, ..documents }.change(n)).collect::<Vec<_>>());
        assert!(all.iter().all(|c| c.id < 50 && c.body.as_ref().is_none_or(|body| body.split(' ').count() == 30)));
        let deleted = all.iter().filter(|c| c.body.is_none()).count();
        assert!((50..200).contains(&deleted), "one in {DELETES}: {deleted}");
        // Zipf: the first word comes twice as often as the second.
        let count = |word: &str| all.iter().filter_map(|c| c.body.as_ref()).flat_map(|b| b.split(' ')).filter(|w| *w == word).count();
        let ratio = count("w1") as f64 / count("w2") as f64;
        assert!((1.7..2.3).contains(&ratio), "{ratio}");
    }
}
