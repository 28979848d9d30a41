//! Keeps a job's groups in a store, step by step: each step takes the store from one position of the log to a later one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use twopath_base::Position;
use twopath_log::{Hold, Topic};
use twopath_query::Query;
use twopath_view::{Generation, GroupTable, KeptGroups};

use super::Backend;
use super::codec::Codec;
use super::head::Head;
use super::local::LocalStore;
use super::remote::RemoteStore;
use super::slices::Slices;
use super::store::{Groups, Loaded, Put, Step, Store, StoreError, Wanted};
use crate::checkpoint::{GenerationAtRest, Identity, Manifest, Refused, Restored, arrivals_us, misfit};
use crate::costs::StoreCosts;
use crate::epoch::GenerationRange;
use crate::error::SpeedError;
use crate::input::Input;

/// How long a store that went away is waited for, while the job stands still.
const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How often a start begins again because another process wrote meanwhile.
const ATTEMPTS: usize = 5;

/// How often what a restart would have to replay is told to the log's retention.
const HOLD_EVERY: Duration = Duration::from_secs(1);

/// A job's groups in a store, and up to where they go.
pub(crate) struct Keeper {
    store: Box<dyn Store>,
    codec: Arc<Codec>,
    identity: Identity,
    owns: bool,
    /// Of a store that serves readers.
    pace: Option<Pace>,
    /// What the store says since this keeper's last step.
    head: Option<Head>,
    hold: Option<Hold>,
    held: Instant,
}

/// How a store is written that serves readers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub interval: Duration,
    /// About how many bytes of memory the state may take.
    pub memory: u64,
}

/// What was found in a store.
struct Kept {
    /// `None` where the log is to be read from where the job was told.
    restored: Option<Restored>,
    refused: Vec<Refused>,
    groups: u64,
}

/// What a step changes, by generation.
pub(crate) type Changes = BTreeMap<u64, Vec<Arc<GroupTable>>>;

/// What a job of compiled SQL over this topic would start from, where its backend is a store: the manifest and the number of groups; `None` where
/// there is nothing, and for other backends. The store is only read.
///
/// # Errors
/// It cannot be reached, or what it has is another job's.
pub fn kept_state(backend: &Backend, topic: &Topic, query: &Query) -> Result<Option<(Manifest, u64)>, SpeedError> {
    let layout = Arc::new(query.clone());
    let Some(mut keeper) = Keeper::open(backend, Identity::of(topic, query, "sql"), &layout)? else { return Ok(None) };
    let kept = keeper.look(topic)?;
    Ok(kept.restored.map(|restored| (restored.manifest, kept.groups)))
}

impl Keeper {
    /// Opens the store of a backend; `None` for one that has none.
    pub fn open(backend: &Backend, identity: Identity, layout: &Arc<Query>) -> Result<Option<Keeper>, SpeedError> {
        let codec = || Codec::new(layout).map(Arc::new);
        let (store, codec, owns, pace): (Box<dyn Store>, _, bool, _) = match backend {
            Backend::Memory | Backend::Checkpoints(_) => return Ok(None),
            Backend::Remote(remote) => (Box::new(RemoteStore::open(remote)?), codec(), remote.owns, None),
            Backend::Local(local) => {
                let failed = |reason| SpeedError::Store { place: local.dir.display().to_string(), reason };
                let codec = codec().map_err(failed)?;
                let pace = Pace { interval: local.interval, memory: local.memory };
                (Box::new(LocalStore::open(local, codec.clone())?), Ok(codec), local.owns, Some(pace))
            }
        };
        let codec = codec.map_err(|reason| SpeedError::Store { place: store.place(), reason })?;
        Ok(Some(Keeper { store, codec, identity, owns, pace, head: None, hold: None, held: Instant::now() }))
    }

    /// Whether it writes.
    pub fn owns(&self) -> bool {
        self.owns
    }

    /// How it is written, where readers are served from the store, so that nobody else has the groups.
    pub fn pace(&self) -> Option<Pace> {
        self.pace
    }

    /// Up to where the state goes that the store has.
    pub fn position(&self) -> Option<&Position> {
        self.head.as_ref().map(|head| head.manifest.position())
    }

    /// The groups of each generation as they are after the last step, where readers are served from the store.
    pub fn kept(&self) -> BTreeMap<u64, Arc<dyn KeptGroups>> {
        let generations = self.head.iter().flat_map(Head::generations);
        generations.filter_map(|(number, groups)| Some((number, self.store.kept(number, groups)?))).collect()
    }

    /// Finds what a job is to start from, whose log would else be read from `from` on, and why what is there may not do. An owner takes the
    /// store over.
    ///
    /// # Errors
    /// What is there is another job's; or it cannot be started from, and the log no longer has what it began with; or the store fails.
    pub fn begin(&mut self, topic: &Topic, from: &(u64, Position)) -> Result<(Option<Restored>, Vec<Refused>), SpeedError> {
        let kept = if self.owns { self.take_over(topic, from)? } else { self.look(topic)? };
        if kept.restored.is_none() && !self.owns {
            self.check_origin(self.head.as_ref(), &from.1, &kept.refused)?;
        }
        Ok((kept.restored, kept.refused))
    }

    /// Finds what there is, and takes it over: an owner before this one writes nothing from here on.
    fn take_over(&mut self, topic: &Topic, from: &(u64, Position)) -> Result<Kept, SpeedError> {
        for _ in 0..ATTEMPTS {
            let kept = self.look(topic)?;
            let before = self.head.take();
            if kept.restored.is_none() {
                self.check_origin(before.as_ref(), &from.1, &kept.refused)?;
            }
            let (number, epoch) = before.as_ref().map_or((1, 1), |head| (head.manifest.number + 1, head.manifest.epoch + 1));
            let (head, gone) = match (&kept.restored, &before) {
                (Some(_), Some(before)) => {
                    (Head { manifest: Manifest { number, epoch, ..before.manifest.clone() }, ..before.clone() }, Vec::new())
                }
                _ => {
                    let start = GenerationAtRest { number: from.0, lower: from.1.clone(), upper: from.1.clone(), runs: Vec::new() };
                    let (identity, arrivals_us) = (self.identity.clone(), arrivals_us(&Input::of(topic), &from.1)?);
                    let manifest = Manifest { number, epoch, identity, taken_us: 0, generations: vec![start], arrivals_us };
                    let gone = before.iter().flat_map(|head| &head.manifest.generations).map(|g| g.number).collect();
                    (Head { manifest, groups: vec![0] }, gone)
                }
            };
            let now = self.store.read(&[]).map_err(|e| self.failed(e))?.head;
            if now != before.as_ref().map(Head::encode) {
                continue;
            }
            let step = Step { puts: &[], gone: &gone, number, head: &head.encode() };
            if self.store.write(&step).map_err(|e| self.failed(e))? {
                self.head = Some(head);
                self.hold_again(topic);
                return Ok(kept);
            }
        }
        Err(SpeedError::StateLost { place: self.store.place(), reason: "other processes take it over all the time".into() })
    }

    /// Finds what there is, and leaves it alone.
    fn look(&mut self, topic: &Topic) -> Result<Kept, SpeedError> {
        let loaded = self.store.load().map_err(|e| self.failed(e))?;
        let Some(loaded) = loaded else {
            self.head = None;
            return Ok(Kept { restored: None, refused: Vec::new(), groups: 0 });
        };
        let place = self.store.place();
        let foreign = |reason| SpeedError::StateForeign { place: place.clone(), reason };
        let head = Head::decode(&loaded.head).map_err(foreign)?;
        let (of, identity) = (&head.manifest.identity, &self.identity);
        if of.topic_id != identity.topic_id || of.query != identity.query {
            let (mine, its) = (format!("{} (id {})", identity.topic, identity.topic_id), format!("{} (id {})", of.topic, of.topic_id));
            return Err(foreign(format!(
                "it is of topic {its} and query or code {}, and this job of topic {mine} and {}",
                of.query, identity.query
            )));
        }
        let found = match misfit(&head.manifest, &self.identity, &Input::of(topic))? {
            Some(reason) => Err(reason),
            None => self.decode(&head, &loaded),
        };
        let groups = head.groups.iter().sum();
        let (restored, refused) = match found {
            Ok(generations) => (Some(Restored { manifest: head.manifest.clone(), generations }), Vec::new()),
            Err(reason) => {
                tracing::warn!(place, reason, "kept state is passed over");
                (None, vec![Refused { file: place.into(), reason }])
            }
        };
        self.head = Some(head);
        Ok(Kept { restored, refused, groups })
    }

    fn decode(&self, head: &Head, loaded: &Loaded) -> Result<Vec<Generation>, String> {
        let generation = |(of, &groups): (&GenerationAtRest, &u64)| {
            let Groups::InMemory(generations) = &loaded.groups else {
                let kept = self.store.kept(of.number, groups);
                return Ok(Generation { kept, ..Generation::of(of.number, (of.lower.clone(), of.upper.clone()), Vec::new()) });
            };
            let entries = generations.iter().find(|(number, _)| *number == of.number).map_or(&[][..], |(_, entries)| entries);
            if entries.len() as u64 != groups {
                return Err(format!("generation {} has {} groups, and its head counts {groups}", of.number, entries.len()));
            }
            let mut tables = Vec::new();
            if !entries.is_empty() {
                let entries = entries.iter().map(|(key, value)| (&key[..], &value[..]));
                tables.push(Arc::new(self.codec.decode(of.number, entries)?));
            }
            Ok(Generation::of(of.number, (of.lower.clone(), of.upper.clone()), tables))
        };
        head.manifest.generations.iter().zip(&head.groups).map(generation).collect()
    }

    /// A job that lost its state and began at another place than it began at first would count less than before.
    fn check_origin(&self, before: Option<&Head>, from: &Position, refused: &[Refused]) -> Result<(), SpeedError> {
        let Some(lower) = before.map(|head| head.manifest.lower()).filter(|lower| *lower != from) else { return Ok(()) };
        let told = refused.iter().map(|r| r.reason.clone()).collect::<Vec<_>>().join("; ");
        Err(SpeedError::StateGone { place: self.store.place(), lower: lower.clone(), from: from.clone(), told })
    }

    /// Takes the store on to these generations: what has changed in them is merged into what it has.
    ///
    /// A store that cannot be reached is waited for; `stopped` says when not to any more.
    ///
    /// # Errors
    /// [`SpeedError::Fenced`] where another process has taken over, [`SpeedError::StateLost`] where the store has not what it had said that it has.
    pub fn advance(
        &mut self,
        topic: &Topic,
        ranges: &[GenerationRange],
        changes: &Changes,
        now_us: i64,
        stopped: impl Fn() -> bool,
    ) -> Result<(), SpeedError> {
        let before = self.head.as_ref().expect("the store was taken over").manifest.clone();
        let moved = !before.generations.iter().map(|g| (g.number, &g.upper)).eq(ranges.iter().map(|r| (r.number, &r.upper)));
        if !moved && changes.is_empty() {
            return Ok(());
        }
        let generations: Vec<GenerationAtRest> = ranges.iter().map(at_rest).collect();
        let position = &generations.last().expect("a view has a generation").upper;
        let arrivals_us = if before.position() == position { before.arrivals_us } else { arrivals_us(&Input::of(topic), position)? };
        let manifest = Manifest { number: before.number + 1, taken_us: now_us, generations, arrivals_us, ..before };
        let changed: Vec<Changed> = changes.iter().map(|(&g, tables)| self.changed(g, tables)).collect();
        let started = Instant::now();
        let head = loop {
            match self.step(&manifest, &changed) {
                Ok(head) => break head,
                Err(NotDone::Interrupted) => {}
                Err(NotDone::Store(StoreError::Unreachable(reason))) if started.elapsed() < PATIENCE && !stopped() => {
                    tracing::warn!(place = self.store.place(), reason, "the state is not reached, and waited for");
                    std::thread::sleep(AGAIN_AFTER);
                }
                Err(NotDone::Store(error)) => return Err(self.failed(error)),
                Err(NotDone::For(error)) => return Err(error),
            }
        };
        self.head = Some(head);
        self.hold_again(topic);
        Ok(())
    }

    /// One try of a step. It may have been done by an earlier try whose answer was lost.
    fn step(&mut self, manifest: &Manifest, changed: &[Changed<'_>]) -> Result<Head, NotDone> {
        let wanted: Vec<Wanted> = changed.iter().map(|c| Wanted { generation: c.generation, keys: &c.keys }).collect();
        let read = self.store.read(&wanted)?;
        let before = self.head.as_ref().expect("the store was taken over");
        let now = read.head.as_deref().map(Head::decode).transpose().map_err(StoreError::Damaged)?;
        match now {
            Some(now) if now == *before => {}
            Some(now) if now.manifest == *manifest => return Ok(now),
            Some(now) if now.manifest.epoch > before.manifest.epoch => {
                let (epoch, newest) = (before.manifest.epoch, now.manifest.epoch);
                return Err(NotDone::For(SpeedError::Fenced { place: self.store.place(), epoch, newest }));
            }
            now => {
                let at = now.map_or("nothing".into(), |now| format!("what was there at {}", now.manifest.position()));
                let reason = format!("it had acknowledged the state up to {}, and has {at}", before.manifest.position());
                return Err(NotDone::For(SpeedError::StateLost { place: self.store.place(), reason }));
            }
        }
        let mut counts: BTreeMap<u64, u64> = before.generations().collect();
        let mut puts: Vec<Put> = Vec::new();
        for (Changed { generation, table, batch, keys }, found) in changed.iter().zip(&read.found) {
            let count = counts.entry(*generation).or_default();
            if let Some(there) = found.groups.filter(|there| there != count) {
                let reason = format!("it had acknowledged {count} groups of generation {generation}, and has {there}");
                return Err(NotDone::For(SpeedError::StateLost { place: self.store.place(), reason }));
            }
            let there = keys.iter().zip(found.values.iter()).filter(|(_, value)| !value.is_empty());
            let known = there.clone().count();
            let batch = if known == 0 {
                batch.clone()
            } else {
                let mut merged = self.codec.decode(*generation, there).map_err(StoreError::Damaged)?;
                merged.merge(table);
                merged.to_batch()
            };
            *count += (keys.len() - known) as u64;
            // Merged with what there was, the groups are the same, in the same order.
            puts.push(self.codec.encode(*generation, batch, Arc::clone(keys)));
        }
        let is_kept = |number: &u64| manifest.generations.iter().any(|g| g.number == *number);
        let gone: Vec<u64> = before.manifest.generations.iter().map(|g| g.number).filter(|number| !is_kept(number)).collect();
        let groups = manifest.generations.iter().map(|g| counts.get(&g.number).copied().unwrap_or(0)).collect();
        let head = Head { manifest: manifest.clone(), groups };
        let step = Step { puts: &puts, gone: &gone, number: manifest.number, head: &head.encode() };
        if self.store.write(&step)? { Ok(head) } else { Err(NotDone::Interrupted) }
    }

    /// What a restart would have to replay stays in the log.
    fn hold_again(&mut self, topic: &Topic) {
        let Some(head) = self.head.as_ref().filter(|_| self.hold.is_none() || self.held.elapsed() >= HOLD_EVERY) else { return };
        if let Ok(Some(hold)) = topic.hold("a job that starts again from its state", head.manifest.position()) {
            self.hold = Some(hold);
        }
        self.held = Instant::now();
    }

    /// What it has cost so far.
    pub fn costs(&self) -> StoreCosts {
        self.store.costs()
    }

    fn failed(&self, error: StoreError) -> SpeedError {
        let place = self.store.place();
        match error {
            StoreError::Damaged(reason) => SpeedError::StateLost { place, reason },
            other => SpeedError::Store { place, reason: other.reason() },
        }
    }

    fn changed<'a>(&self, generation: u64, tables: &'a [Arc<GroupTable>]) -> Changed<'a> {
        let table = match tables {
            [one] => Cow::Borrowed(&**one),
            several => {
                let mut merged = GroupTable::new(self.codec.layout());
                several.iter().for_each(|table| merged.merge(table));
                Cow::Owned(merged)
            }
        };
        // In the order of keys, in which an index is quicker to read and to write. (NULLs are last here, and first there.)
        let batch = table.to_batch();
        let keys = self.codec.keys_of(&batch);
        Changed { generation, table, batch, keys }
    }
}

/// What is to be merged into a generation.
struct Changed<'a> {
    generation: u64,
    table: Cow<'a, GroupTable>,
    /// The same at rest.
    batch: RecordBatch,
    /// By row.
    keys: Arc<Slices>,
}

/// Why a try of a step came to nothing.
enum NotDone {
    /// Somebody wrote between reading and writing.
    Interrupted,
    Store(StoreError),
    For(SpeedError),
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        NotDone::Store(error)
    }
}

fn at_rest(range: &GenerationRange) -> GenerationAtRest {
    GenerationAtRest { number: range.number, lower: range.lower.clone(), upper: range.upper.clone(), runs: Vec::new() }
}
