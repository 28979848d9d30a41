//! Publishing: on worker 0, one immutable view for the last of the epochs that have been completed.

use std::collections::BTreeMap;
use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use twopath_query::EvalError;
use twopath_view::{Generation, GroupTable, RealtimeView};

use super::Wiring;
use super::merge::Share;
use crate::control::Control;
use crate::epoch::{Parcels, ReadProgress, by_address};

/// The published state: the workers' shares put together.
pub(super) struct Publisher {
    progress: ReadProgress,
    /// See [`ReadProgress::generations`]: a job that follows the tail holds back, a bounded replay does not.
    whole_barriers: bool,
    /// Whether groups are final over all that was read. Then there is one generation, which no barrier ends.
    finals: bool,
    /// Per worker: its runs by generation.
    shares: Vec<Vec<(u64, Vec<Arc<GroupTable>>)>>,
    /// The error of the oldest generation that has one.
    error: Option<(u64, EvalError)>,
    control: Arc<Control>,
}

pub(super) trait Publish<'s> {
    /// Nothing comes out; the stream's frontier says what has been published.
    fn publish(self, publisher: Publisher) -> Stream<'s, u64, Vec<()>>;
}

impl<'s> Publish<'s> for Stream<'s, u64, Parcels<Share>> {
    fn publish(self, mut publisher: Publisher) -> Stream<'s, u64, Vec<()>> {
        let mut pending: BTreeMap<u64, (Capability<u64>, Vec<Share>)> = BTreeMap::new();
        self.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(by_address(), "Publish", move |_, _| {
            move |(input, frontier), output| {
                input.for_each(|epoch, parcels| {
                    let Some(capability) = epoch.retain_least(output.output_index()) else { return };
                    let (_, shares) = pending.entry(*capability.time()).or_insert_with(|| (capability, Vec::new()));
                    shares.extend(parcels.0.drain(..).map(|(_, share)| share));
                });
                let mut complete = Vec::new();
                while let Some(entry) = pending.first_entry() {
                    if frontier.less_equal(entry.key()) {
                        break;
                    }
                    let (capability, shares) = entry.remove();
                    shares.into_iter().for_each(|share| publisher.take(share));
                    complete.push(capability);
                }
                if !complete.is_empty() {
                    publisher.publish();
                }
            }
        })
    }
}

impl Publisher {
    pub fn new(wiring: &Wiring, peers: usize) -> Self {
        Publisher {
            progress: ReadProgress::new(wiring.from.clone(), &wiring.barriers),
            whole_barriers: wiring.to.is_none(),
            finals: wiring.middle.gives_finals(),
            shares: vec![Vec::new(); peers],
            error: None,
            control: Arc::clone(&wiring.control),
        }
    }

    fn take(&mut self, share: Share) {
        self.progress.join(&share.reached);
        self.shares[share.worker] = share.generations;
        for (generation, error) in share.errors {
            if self.error.as_ref().is_none_or(|(g, _)| generation < *g) {
                self.error = Some((generation, error));
            }
        }
    }

    fn publish(&mut self) {
        let ranges = if self.finals { vec![self.progress.whole()] } else { self.progress.generations(self.whole_barriers) };
        let last = ranges.last().map_or(0, |r| r.number);
        let dropped = self.control.drop_up_to(last);
        self.shares.iter_mut().for_each(|share| share.retain(|(generation, _)| *generation >= dropped));
        let generations = ranges
            .into_iter()
            .filter(|range| range.number >= dropped)
            .map(|range| Generation { number: range.number, lower: range.lower, upper: range.upper, tables: self.tables(range.number) })
            .collect();
        let error = self.error.as_ref().filter(|(generation, _)| *generation <= last).map(|(_, error)| error.clone());
        self.control.publish(RealtimeView { generations, published_us: self.control.now_us(), error });
    }

    fn tables(&self, generation: u64) -> Vec<Arc<GroupTable>> {
        self.shares.iter().flatten().filter(|(g, _)| *g == generation).flat_map(|(_, tables)| tables.iter().cloned()).collect()
    }
}
