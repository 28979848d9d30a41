//! What is put out of an answer: how many rows it has, and sums over them.

use std::sync::{Arc, Mutex};

use anyhow::{Result, anyhow};
use dbsp::dynamic::DowncastTrait;
use dbsp::trace::{BatchReader as _, Cursor};
use dbsp::{IndexedZSet, RootCircuit, Stream};

/// The figures of an answer as far as the circuit has brought it.
pub struct Figures<const N: usize> {
    names: [&'static str; N],
    sums: Arc<Mutex<Sums<N>>>,
}

/// Figures are linear: what a step changes in the answer changes them by the changed rows' values times their weights.
struct Sums<const N: usize> {
    rows: i128,
    values: [i128; N],
}

impl<const N: usize> Figures<N> {
    /// Keeps the figures of `answer`; `values` takes out of a row (a key and its value) what is summed.
    pub fn of<Z: IndexedZSet>(
        answer: &Stream<RootCircuit, Z>,
        names: [&'static str; N],
        values: impl Fn(&Z::Key, &Z::Val) -> [i64; N] + 'static,
    ) -> Self {
        let sums = Arc::new(Mutex::new(Sums { rows: 0, values: [0; N] }));
        let kept = sums.clone();
        // Not by an output handle: a step's delta may come in several batches, which a handle would first gather.
        answer.inspect(move |delta| {
            let mut sums = kept.lock().expect("no other thread fails while it has the sums");
            // The cursor lends rows, where the batch's iterator would copy their texts.
            let mut cursor = delta.inner().cursor();
            while cursor.key_valid() {
                while cursor.val_valid() {
                    let weight = i128::from(**cursor.weight());
                    let row = values(cursor.key().downcast_checked(), cursor.val().downcast_checked());
                    sums.rows += weight;
                    sums.values.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * i128::from(value));
                    cursor.step_val();
                }
                cursor.step_key();
            }
        });
        Figures { names, sums }
    }

    /// A header and a line, as SQL has it: sums over no rows are NULL.
    pub fn csv(&self) -> Result<String> {
        let sums = self.sums.lock().map_err(|_| anyhow!("the circuit failed"))?;
        let (mut header, mut line) = (String::from("n"), sums.rows.to_string());
        for (name, value) in self.names.iter().zip(sums.values) {
            header += &format!(",{name}");
            line += &if sums.rows == 0 { ",".to_owned() } else { format!(",{value}") };
        }
        Ok(format!("{header}\n{line}\n"))
    }
}

/// SQL's LENGTH.
pub fn length(text: &str) -> i64 {
    text.chars().count() as i64
}
