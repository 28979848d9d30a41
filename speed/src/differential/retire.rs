//! Generations that a batch view covers leave differential's arrangements by being retracted.
//!
//! The log never takes a row back, but a dropped generation's rows would otherwise stay in the arrangements for ever. A generation is
//! dropped once it was published whole; so all its updates are in the traces by then, and each worker retracts what its own traces hold.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::{KeySpine, ValSpine};
use differential_dataflow::trace::{Cursor, TraceReader};
use timely::progress::Antichain;

use super::datum::Datum;
use super::elements::{Element, Slot};
use crate::control::Control;

pub type DistinctTrace = TraceAgent<KeySpine<Element, u64, isize>>;
pub type ExtremeTrace = TraceAgent<ValSpine<Slot, Datum, u64, isize>>;

/// The traces of a worker that are to forget generations. They are put in once the arrangements are built.
#[derive(Default)]
pub struct Traces {
    pub distinct: Option<DistinctTrace>,
    pub extremes: Option<ExtremeTrace>,
}

/// Retracts what [`Control::dropped_below`] says, once.
pub struct Retire {
    pub control: Arc<Control>,
    pub traces: Rc<RefCell<Traces>>,
    pub below: u64,
}

impl Retire {
    /// Adds the retractions of what has been dropped since the last call, and lets the traces compact up to this epoch.
    pub fn retract(&mut self, epoch: u64, distinct: &mut Vec<(Element, u64, isize)>, extremes: &mut Vec<((Slot, Datum), u64, isize)>) {
        let below = self.control.dropped_below();
        let traces = &mut *self.traces.borrow_mut();
        let is_new = below > self.below;
        self.below = below;
        if let Some(trace) = &mut traces.distinct {
            if is_new {
                retract_elements(trace, below, |element, n| distinct.push((element, epoch, -n)));
            }
            compact(trace, epoch);
        }
        if let Some(trace) = &mut traces.extremes {
            if is_new {
                retract_values(trace, below, |data, n| extremes.push((data, epoch, -n)));
            }
            compact(trace, epoch);
        }
    }
}

/// A handle that is not moved on would keep the trace's whole history.
fn compact(trace: &mut impl TraceReader<Time = u64>, epoch: u64) {
    let frontier = Antichain::from_elem(epoch);
    trace.set_logical_compaction(frontier.borrow());
    trace.set_physical_compaction(frontier.borrow());
}

/// Gives each element of the generations below `below`, and how often it is held.
fn retract_elements(trace: &mut DistinctTrace, below: u64, mut give: impl FnMut(Element, isize)) {
    let batches = trace.batches_through(Antichain::new().borrow()).expect("all that there is can be read");
    let (mut cursor, storage) = cursor_list(batches);
    while let Some(element) = cursor.get_key(&storage).filter(|e| e.slot.group.generation < below) {
        let mut held = 0;
        cursor.map_times(&storage, |_, diff| held += diff);
        if held != 0 {
            give(element.clone(), held);
        }
        cursor.step_key(&storage);
    }
}

/// Gives each value of the generations below `below`, and how often it is held.
fn retract_values(trace: &mut ExtremeTrace, below: u64, mut give: impl FnMut((Slot, Datum), isize)) {
    let batches = trace.batches_through(Antichain::new().borrow()).expect("all that there is can be read");
    let (mut cursor, storage) = cursor_list(batches);
    while let Some(slot) = cursor.get_key(&storage).filter(|s| s.group.generation < below) {
        while let Some(value) = cursor.get_val(&storage) {
            let mut held = 0;
            cursor.map_times(&storage, |_, diff| held += diff);
            if held != 0 {
                give((slot.clone(), value.clone()), held);
            }
            cursor.step_val(&storage);
        }
        cursor.step_key(&storage);
    }
}
