//! An edge of the graph whose consumer may be slower than its producer, and what is done about it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use serde::Serialize;
use twopath_base::sync::lock;
use twopath_base::{Offset, PartitionId};
use twopath_log::{Entry, LogError, Member, MemberOptions, Start, Topic};

/// What happens when a consumer is slower than its producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pressure {
    /// The producer waits: nothing is lost, and everybody behind the producer waits with it.
    Block,
    /// What does not fit is dropped, counted, and known by its offsets.
    Drop,
    /// The log is the buffer: the consumer reads there at its own pace, as a group of its own.
    Buffer,
}

/// A frame on its way: the records of one partition from `from` up to, and without, `to`.
#[derive(Debug, Clone)]
pub struct Piece {
    pub from: Offset,
    pub to: Offset,
    pub batch: RecordBatch,
}

/// What happened on an edge so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Everything below it was sent.
    pub sent: Offset,
    /// Everything below it was received or dropped.
    pub done: Offset,
    /// Records received.
    pub delivered: u64,
    /// The ranges that were dropped, in order, those that abut put together.
    pub dropped: Vec<(Offset, Offset)>,
    /// How far the consumer was behind at most: records sent and neither received nor dropped.
    pub lag_max: u64,
    /// How long the producer waited.
    pub blocked: Duration,
}

impl EdgeCounts {
    /// Records dropped.
    pub fn records_dropped(&self) -> u64 {
        self.dropped.iter().map(|(from, to)| to.0 - from.0).sum()
    }
}

struct State {
    queue: VecDeque<Piece>,
    counts: EdgeCounts,
    /// Records sent and neither received nor dropped.
    lag: u64,
    /// The producer is done, or the consumer is gone.
    closed: bool,
}

struct Shared {
    pressure: Pressure,
    /// Frames that may wait; of no meaning where the log is the buffer.
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }
}

/// The producer's end.
pub struct EdgeSender(Arc<Shared>);

/// The consumer's end.
pub struct EdgeReceiver {
    shared: Arc<Shared>,
    /// Where the log is the buffer.
    member: Option<Member>,
}

/// The group that reads the log where that is the buffer.
pub const EDGE_GROUP: &str = "edge";

/// An edge for what is appended to a topic's partition 0 from now on. With `Block` and `Drop`, `capacity` frames (at least one) wait in memory
/// at most.
pub fn edge(pressure: Pressure, capacity: usize, topic: &Topic) -> Result<(EdgeSender, EdgeReceiver), LogError> {
    let member = match pressure {
        Pressure::Block | Pressure::Drop => None,
        Pressure::Buffer => {
            let options = MemberOptions { partitions: Some(vec![PartitionId(0)]), ..MemberOptions::default() };
            let group = topic.local()?.group_or_new(EDGE_GROUP)?;
            group.seek(Start::End)?;
            Some(group.join("consumer", options)?)
        }
    };
    let state = State { queue: VecDeque::new(), counts: EdgeCounts::default(), lag: 0, closed: false };
    let shared = Arc::new(Shared { pressure, capacity: capacity.max(1), state: Mutex::new(state), changed: Condvar::new() });
    Ok((EdgeSender(shared.clone()), EdgeReceiver { shared, member }))
}

impl EdgeSender {
    /// Hands on what was just appended to the topic. Does nothing once the consumer is gone.
    pub fn send(&self, piece: Piece) {
        let shared = &*self.0;
        let mut state = shared.state();
        if shared.pressure == Pressure::Block && state.queue.len() >= shared.capacity {
            let since = Instant::now();
            while state.queue.len() >= shared.capacity && !state.closed {
                state = shared.wait(state);
            }
            state.counts.blocked += since.elapsed();
        }
        if state.closed {
            return;
        }
        assert!(piece.from >= state.counts.sent && piece.to > piece.from, "pieces are sent in order");
        let records = piece.to.0 - piece.from.0;
        state.counts.sent = piece.to;
        if shared.pressure == Pressure::Drop && state.queue.len() >= shared.capacity {
            match state.counts.dropped.last_mut() {
                Some((_, to)) if *to == piece.from => *to = piece.to,
                _ => state.counts.dropped.push((piece.from, piece.to)),
            }
            return;
        }
        state.lag += records;
        state.counts.lag_max = state.counts.lag_max.max(state.lag);
        if shared.pressure != Pressure::Buffer {
            state.queue.push_back(piece);
        }
        drop(state);
        shared.changed.notify_all();
    }

    /// Nothing more comes: the consumer gets what there is. Dropping it does the same.
    pub fn close(&self) {
        self.0.close();
    }

    /// What happened so far.
    pub fn counts(&self) -> EdgeCounts {
        self.0.state().counts.clone()
    }

    /// Records sent and neither received nor dropped.
    pub fn lag(&self) -> u64 {
        self.0.state().lag
    }
}

impl Drop for EdgeSender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl EdgeReceiver {
    /// The next piece, waited for; `None` once the producer is done and everything was received.
    pub fn receive(&mut self) -> Result<Option<Piece>, LogError> {
        let piece = match &mut self.member {
            None => self.next_of_queue(),
            Some(_) => self.next_of_log()?,
        };
        if let Some(piece) = &piece {
            let mut state = self.shared.state();
            let records = piece.to.0 - piece.from.0;
            state.lag -= records;
            state.counts.delivered += records;
            state.counts.done = piece.to;
        }
        self.shared.changed.notify_all();
        Ok(piece)
    }

    fn next_of_queue(&self) -> Option<Piece> {
        let mut state = self.shared.state();
        while state.queue.is_empty() && !state.closed {
            state = self.shared.wait(state);
        }
        state.queue.pop_front()
    }

    fn next_of_log(&mut self) -> Result<Option<Piece>, LogError> {
        let Some(member) = &mut self.member else { return Ok(None) };
        loop {
            let mut state = self.shared.state();
            // What the log has, but the producer has not sent yet, is not the edge's yet.
            while state.lag == 0 && !state.closed {
                state = self.shared.wait(state);
            }
            if state.lag == 0 {
                member.commit()?;
                return Ok(None);
            }
            drop(state);
            if let Some(Entry::Records(records)) = member.poll(Duration::from_millis(100))? {
                return Ok(Some(Piece { from: records.base, to: records.end, batch: records.batch }));
            }
        }
    }
}

impl Drop for EdgeReceiver {
    fn drop(&mut self) {
        self.shared.close();
    }
}
