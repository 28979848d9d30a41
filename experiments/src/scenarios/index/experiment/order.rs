//! What an index holds where the log's order is not kept. Nothing is timed.
//!
//! Consumers that share a topic's changes without heed of their documents, or a queue that hands them out as it likes, apply what is near each
//! other in any order: here, each stretch of so many changes is shuffled. An index that takes changes as they come then holds, of each
//! document, whatever came last. One that remembers of each document the offset of the last change that it took, deletions too, takes
//! no older one, and needs no order.

use std::collections::HashMap;
use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use twopath_results::scenario::{Axis, Cell, Chart, Figure, Line, Point, Table};

use super::documents::{Change, Documents};
use super::inverted::{Inverted, Snapshot};
use super::truth::Truth;
use crate::scenarios::{Lab, Notes, ScenarioError};

/// Changes that are applied in any order among themselves.
const STRETCHES: [usize; 4] = [1, 10, 100, 1_000];

/// What there is of an index that was fed out of order.
struct Fed {
    documents_wrong: u64,
    searches_wrong: u64,
}

pub(super) fn lost_order(lab: &Lab, notes: &mut Notes, documents: Documents) -> Result<(), ScenarioError> {
    let (number, searches) = (documents.ids * lab.pick(8, 5), lab.pick(200, 40));
    let changes: Vec<(u64, Change)> = (0..number).map(|n| (n, documents.change(n))).collect();
    let mut truth = Truth::default();
    changes.iter().for_each(|(offset, change)| truth.apply(*offset, change));
    let all = truth.documents().len();
    let (mut rows, mut points): (Vec<Vec<Cell>>, Vec<Point>) = (vec![], vec![]);
    for stretch in STRETCHES.into_iter().filter(|stretch| *stretch < changes.len()).chain([changes.len()]) {
        let told = match stretch {
            1 => "in order".to_owned(),
            _ if stretch == changes.len() => "in any order".into(),
            _ => format!("{stretch} changes in any order"),
        };
        lab.step(&told)?;
        let mut mixed = changes.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(lab.seed);
        mixed.chunks_mut(stretch).for_each(|chunk| chunk.shuffle(&mut rng));
        let as_they_come = judge(&truth, &documents, &feed(&mixed)?, searches)?;
        let newest: Vec<_> = newer(&mixed).collect();
        let by_offset = judge(&truth, &documents, &feed(&newest)?, searches)?;
        // What is right by its making is an answer that is checked, and anything else a bug.
        notes.answers_checked += 2 * searches;
        notes.answers_wrong_by_engine += by_offset.searches_wrong + by_offset.documents_wrong;
        if stretch == 1 {
            notes.answers_wrong_by_engine += as_they_come.searches_wrong + as_they_come.documents_wrong;
        }
        let share = as_they_come.documents_wrong as f64 / all as f64;
        notes.figures.push(Figure::exact("documents_wrong", &told, "share", share));
        notes.figures.push(Figure::exact(
            "documents_wrong",
            &format!("{told}, offsets kept"),
            "share",
            by_offset.documents_wrong as f64 / all as f64,
        ));
        notes.figures.push(Figure::exact("searches_wrong", &told, "share", as_they_come.searches_wrong as f64 / searches as f64));
        points.push(Point::at(stretch as f64, 100.0 * share));
        rows.push(vec![
            told.into(),
            (as_they_come.documents_wrong as f64, "count").into(),
            (share, "share").into(),
            (as_they_come.searches_wrong as f64 / searches as f64, "share").into(),
            (by_offset.documents_wrong as f64, "count").into(),
        ]);
    }
    notes.charts.push(Chart {
        title: "Documents that an index holds wrong where the log's order is not kept".into(),
        hint: "The farther apart two changes may be that change places, the more documents keep an old text, or come back after they were deleted.".into(),
        x: Axis::log("changes that are applied in any order among themselves", "count"),
        y: Axis::linear("documents wrong, in percent", "number"),
        lines: vec![Line { name: "as they come".into(), points }],
    });
    notes.tables.push(Table {
        title: format!("{number} changes of {} documents applied out of order, of which {all} are left in the end", documents.ids),
        columns: [
            "the changes came",
            "documents wrong",
            "share",
            "searches wrong",
            "documents wrong, if older changes are refused by offset",
        ]
        .map(String::from)
        .to_vec(),
        rows,
    });
    Ok(())
}

/// The index after all changes, as they come.
fn feed(changes: &[(u64, Change)]) -> Result<Snapshot, ScenarioError> {
    let mut index = Inverted::new(Arc::default())?;
    for (offset, change) in changes {
        index.apply(*offset, change)?;
    }
    let snapshot = index.publish(changes.len() as u64)?;
    index.close()?;
    Ok(snapshot)
}

/// The changes without those that are older than one that came before, of the same document.
fn newer(changes: &[(u64, Change)]) -> impl Iterator<Item = (u64, Change)> + '_ {
    let mut last: HashMap<u64, u64> = HashMap::new();
    changes
        .iter()
        .filter(move |(offset, change)| {
            let newest = last.entry(change.id).or_insert(*offset);
            let takes = *newest <= *offset;
            *newest = (*newest).max(*offset);
            takes
        })
        .cloned()
}

/// Documents and searches in which an index differs from the truth.
fn judge(truth: &Truth, documents: &Documents, index: &Snapshot, searches: u64) -> Result<Fed, ScenarioError> {
    let mut searches_wrong = 0;
    for number in 0..searches {
        let term = documents.term(number);
        searches_wrong += u64::from(index.search(&term)? != truth.search(&term));
    }
    Ok(Fed { documents_wrong: truth.wrong(&index.documents()?), searches_wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(offset: u64, id: u64, body: &str) -> (u64, Change) {
        (offset, Change { id, body: (!body.is_empty()).then(|| body.into()) })
    }

    #[test]
    fn by_hand() {
        let changes = [change(0, 1, "a"), change(1, 1, "b"), change(2, 2, "a"), change(3, 2, "")];
        let mut truth = Truth::default();
        changes.iter().for_each(|(offset, change)| truth.apply(*offset, change));
        assert_eq!(truth.wrong(&feed(&changes).unwrap().documents().unwrap()), 0);
        // The first document keeps its old text, and the second one comes back.
        let mixed = [1, 0, 3, 2].map(|at: usize| changes[at].clone());
        let index = feed(&mixed).unwrap();
        assert_eq!(truth.wrong(&index.documents().unwrap()), 2);
        assert_eq!(index.search("a").unwrap().len(), 2);
        let newest: Vec<_> = newer(&mixed).collect();
        assert_eq!(newest, [changes[1].clone(), changes[3].clone()]);
        let index = feed(&newest).unwrap();
        assert_eq!(index.search("b").unwrap(), truth.search("b"));
        assert_eq!(index.documents().unwrap(), truth.documents());
    }
}
