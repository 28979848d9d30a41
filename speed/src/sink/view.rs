//! A view as sink: on worker 0, one immutable view for the last of the epochs that have been completed.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use timely::dataflow::Stream;
use twopath_log::{LogError, Topic};
use twopath_query::EvalError;
use twopath_view::{Generation, GroupTable, RealtimeView};

use crate::control::Control;
use crate::epoch::{GenerationRange, Parcels, Reached, ReadProgress, Share, take_complete};
use crate::error::SpeedError;
use crate::state::{Changes, Keeper};

/// The published state: the workers' shares put together.
pub(crate) struct Publisher {
    pub progress: ReadProgress,
    /// See [`ReadProgress::generations`]: a job that follows the tail holds back, a bounded replay does not.
    pub whole_barriers: bool,
    /// Whether there is one generation, which no barrier ends.
    pub is_one: bool,
    /// Per worker: its runs by generation.
    pub shares: Vec<Vec<(u64, Vec<Arc<GroupTable>>)>>,
    /// The error of the oldest generation that has one.
    pub error: Option<(u64, EvalError)>,
    /// What is in the shares, and the keeper has not heard of yet.
    pub changes: Changes,
    /// Where the state is kept outside the process.
    pub keeper: Option<Keeper>,
    /// Of a feed that keeps its state.
    pub feed: Option<FeedEnd>,
    pub topic: Topic,
    /// Per worker: what its derived rows raise now.
    pub raised: Vec<Option<EvalError>>,
    pub control: Arc<Control>,
}

/// What a feed that keeps its state has behind its output: its view is its state, which no reader asks for.
pub(crate) struct FeedEnd {
    /// Makes the output durable.
    pub sync: Box<dyn Fn() -> Result<(), LogError>>,
    pub told: Sender<Reached>,
    /// What was read and is not told yet.
    pub reached: Vec<Reached>,
}

pub(crate) trait Publish<'s> {
    /// Nothing comes out; the stream's frontier says what has been published.
    fn publish(self, publisher: Publisher) -> Stream<'s, u64, Vec<()>>;
}

impl<'s> Publish<'s> for Stream<'s, u64, Parcels<Share>> {
    fn publish(self, mut publisher: Publisher) -> Stream<'s, u64, Vec<()>> {
        take_complete(self, "Publish", move |shares| {
            shares.into_iter().for_each(|share| publisher.take(share));
            publisher.publish();
        })
    }
}

impl Publisher {
    fn take(&mut self, share: Share) {
        self.progress.join(&share.reached);
        if let Some(feed) = &mut self.feed {
            feed.reached.push(share.reached);
        }
        self.shares[share.worker] = share.generations;
        for (generation, table) in share.changes {
            self.changes.entry(generation).or_default().push(table);
        }
        self.raised[share.worker] = share.raised;
        for (generation, error) in share.errors {
            if self.error.as_ref().is_none_or(|(g, _)| generation < *g) {
                self.error = Some((generation, error));
            }
        }
    }

    fn publish(&mut self) {
        let ranges = if self.is_one { vec![self.progress.whole()] } else { self.progress.generations(self.whole_barriers) };
        let last = ranges.last().map_or(0, |r| r.number);
        let dropped = self.control.drop_up_to(last);
        self.shares.iter_mut().for_each(|share| share.retain(|(generation, _)| *generation >= dropped));
        let error = self.error.as_ref().filter(|(generation, _)| *generation <= last).map(|(_, error)| error);
        let error = error.or_else(|| self.raised.iter().flatten().next()).cloned();
        let ranges: Vec<GenerationRange> = ranges.into_iter().filter(|range| range.number >= dropped).collect();
        // A row's error is not kept: a restart meets the row again.
        if error.is_none()
            && let Err(error) = self.keep(&ranges)
        {
            return self.control.fail(error);
        }
        let generations = ranges
            .into_iter()
            .map(|range| {
                let kept = self.keeper.as_ref().and_then(|keeper| keeper.kept(range.number));
                Generation { kept, ..Generation::of(range.number, (range.lower, range.upper), self.tables(range.number)) }
            })
            .collect();
        self.control.publish(RealtimeView { generations, published_us: self.control.now_us(), error });
        if let Some(feed) = &mut self.feed {
            // Nobody listens any more to a feed that has been stopped.
            feed.reached.drain(..).for_each(|reached| drop(feed.told.send(reached)));
        }
    }

    /// Takes what is kept outside the process to where the view is to be. What belongs to a generation that is held back waits with it.
    fn keep(&mut self, ranges: &[GenerationRange]) -> Result<(), SpeedError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let (first, last) = (ranges[0].number, ranges[ranges.len() - 1].number);
        let later = self.changes.split_off(&(last + 1));
        let mut changes = std::mem::replace(&mut self.changes, later);
        changes.retain(|&generation, _| generation >= first);
        if let Some(feed) = self.feed.as_ref().filter(|_| !changes.is_empty()) {
            // A state that outlived its output would be a hole in it.
            (feed.sync)()?;
        }
        keeper.advance(&self.topic, ranges, &changes, self.control.now_us(), || self.control.stopped())?;
        self.control.set_store_costs(keeper.costs());
        Ok(())
    }

    fn tables(&self, generation: u64) -> Vec<Arc<GroupTable>> {
        self.shares.iter().flatten().filter(|(g, _)| *g == generation).flat_map(|(_, tables)| tables.iter().cloned()).collect()
    }
}
