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
use crate::state::{Changes, Writes};

/// The published state: the workers' shares put together.
pub(crate) struct Publisher {
    pub progress: ReadProgress,
    /// See [`ReadProgress::generations`]: a job that follows the tail holds back, a bounded replay does not.
    pub whole_barriers: bool,
    /// Whether there is one generation, which no barrier ends.
    pub is_one: bool,
    /// Whether it is the base of the rows, which nobody reads and which is put at rest.
    pub is_base: bool,
    /// Per worker: its runs by generation.
    pub shares: Vec<Vec<(u64, Vec<Arc<GroupTable>>)>>,
    /// The error of the oldest generation that has one.
    pub error: Option<(u64, EvalError)>,
    /// What is in the shares, and whoever writes it has not heard of yet.
    pub changes: Changes,
    /// Where the state is kept outside the process.
    pub writes: Option<Writes>,
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
        let kept = match &error {
            None => self.keep(&ranges),
            Some(_) if self.error.is_some() => {
                // It stays, and nothing is written any more.
                self.changes.clear();
                Ok(())
            }
            Some(_) => Ok(()),
        };
        if let Err(error) = kept {
            return self.control.fail(error);
        }
        let generations = match &self.writes {
            Some(Writes::Behind(behind)) => {
                let generations = behind.generations(ranges);
                self.control.set_state_bytes(0, behind.bytes());
                generations
            }
            _ => ranges.into_iter().map(|r| Generation::of(r.number, (r.lower, r.upper), self.tables(r.number))).collect(),
        };
        let view = RealtimeView { generations, published_us: self.control.now_us(), error };
        if self.is_base {
            return self.control.set_base(view);
        }
        self.control.publish(view);
        if let Some(feed) = &mut self.feed {
            // Nobody listens any more to a feed that has been stopped.
            feed.reached.drain(..).for_each(|reached| drop(feed.told.send(reached)));
        }
    }

    /// Takes what is kept outside the process to where the view is to be. What belongs to a generation that is held back waits with it.
    fn keep(&mut self, ranges: &[GenerationRange]) -> Result<(), SpeedError> {
        let Some(writes) = &mut self.writes else { return Ok(()) };
        let (first, last) = (ranges[0].number, ranges[ranges.len() - 1].number);
        let later = self.changes.split_off(&(last + 1));
        let mut changes = std::mem::replace(&mut self.changes, later);
        changes.retain(|&generation, _| generation >= first);
        match writes {
            Writes::Behind(behind) => behind.put(ranges, changes, &self.control),
            Writes::Through(keeper) => {
                if let Some(feed) = self.feed.as_ref().filter(|_| !changes.is_empty()) {
                    // A state that outlived its output would be a hole in it.
                    (feed.sync)()?;
                }
                keeper.advance(&self.topic, ranges, &changes, self.control.now_us(), || self.control.stopped())?;
                self.control.set_stored(keeper.costs(), keeper.position().cloned());
            }
        }
        Ok(())
    }

    fn tables(&self, generation: u64) -> Vec<Arc<GroupTable>> {
        self.shares.iter().flatten().filter(|(g, _)| *g == generation).flat_map(|(_, tables)| tables.iter().cloned()).collect()
    }
}
