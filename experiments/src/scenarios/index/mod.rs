//! `index`: an inverted index over documents that change, kept per change against rebuilt in batch: what Percolator did to MapReduce.
//!
//! ```text
//!            ┌─→ kept per change:  each change, as it comes, into the index ──→ what a search finds
//! log ───────┤
//! (changes)  └─→ rebuilt:          the whole log, at an interval, into a new index, which then takes the old one's place
//! ```
//!
//! The index is tantivy's, which takes minutes to build: the experiment is there with the cargo feature `index`.

#[cfg(feature = "index")]
mod experiment;

#[cfg(feature = "index")]
use experiment::run;

use super::Scenario;
#[cfg(not(feature = "index"))]
use super::{Lab, Notes, ScenarioError};

pub const SCENARIO: Scenario = Scenario {
    name: "index",
    asks: "An inverted index kept per change, or rebuilt in batch: how old is what a search finds, and what does each change cost?",
    says: "An index that is kept per change instead of rebuilt halves the average age of the documents that searches find; the median document gets \
           into it over 100 times faster; keeping up with the same rate takes about twice the resources.",
    source: "D. Peng, F. Dabek, Large-scale Incremental Processing Using Distributed Transactions and Notifications (OSDI 2010), abstract: the average age \
             reduced by 50 % at the same number of documents a day; the other two figures as C. Metz quotes the paper and its authors (The Register, \
             24 September 2010)",
    confirmed_by: "at the shortest interval of rebuilding at which what searches find is at least twice as old as from an index kept per change, the median \
                   change takes at least 100 times as long until it can be found, and the index kept per change takes at most twice the CPU per change; by \
                   paired ratios over repeats",
    repeats: (5, 1),
    run,
};

/// Never called: whoever asks for it by name is told before.
#[cfg(not(feature = "index"))]
fn run(_: &Lab, _: &mut Notes) -> Result<(), ScenarioError> {
    Err(ScenarioError::NotBuilt { name: SCENARIO.name, feature: "index" })
}
