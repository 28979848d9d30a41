//! One of those who share a topic's partitions in the name of a group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::LogError;
use crate::lock::{Held, holder};
use crate::partition::locks::holds_lock;
use crate::partition::reader::LocalReader;
use crate::partition::state::{LocalTail, TopicState};
use crate::records::{Entry, Start};
use twopath_base::{Offset, PartitionId, Position};

use super::group::{Group, check_name, named_or_new};
use super::record::{GroupPosition, Kind};

/// A member looks this often who has come or died; while it waits, those who come and go by themselves wake it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A member that is woken for nothing looks no more often than this.
const LOOKS_APART: Duration = Duration::from_millis(2);

/// How one is a member. `Default`: shares the partitions, reads all columns, starts at the log's start.
#[derive(Debug, Clone)]
pub struct MemberOptions {
    /// These partitions and no others, instead of a share of all. A partition that another member owns is taken once it is free.
    pub partitions: Option<Vec<PartitionId>>,
    /// The columns that entries hold (ascending indexes); all where `None`.
    pub projection: Option<Vec<usize>>,
    /// Where the group starts in a partition in which it committed nothing.
    pub start: Start,
}

impl Default for MemberOptions {
    fn default() -> Self {
        MemberOptions { partitions: None, projection: None, start: Start::First }
    }
}

/// A member of a consumer group: reads its partitions, each in its order, and commits how far it is.
///
/// [`Self::leave`] commits; dropping does not, so that a member that is dropped because of an error is as one that died.
pub struct Member {
    group: Group,
    id: String,
    options: MemberOptions,
    /// That it lives; `None` for one that named its partitions.
    presence: Option<Held>,
    /// Ascending.
    owned: Vec<Owned>,
    tail: LocalTail,
    /// Whose turn it is.
    turn: usize,
    /// When it looked last.
    looked: Option<Instant>,
    /// Why it takes no more commits.
    failed: Option<String>,
}

/// A partition that it owns.
struct Owned {
    partition: PartitionId,
    /// `None` while others read for it ([`Member::commit_read`]): a reader keeps the file that it stands in.
    reader: Option<LocalReader>,
    committed: GroupPosition,
    /// Up to where entries were given.
    delivered: GroupPosition,
    _lock: Held,
}

impl Owned {
    fn next(&mut self, topic: &Arc<TopicState>, projection: Option<&[usize]>) -> Result<Option<Entry>, LogError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(LocalReader::open(topic.clone(), self.partition, Start::Offset(self.delivered.offset), projection)?),
        };
        while let Some(entry) = reader.next()? {
            // Barriers right before the place where the reader started: they may be done already.
            let done = matches!(&entry, Entry::Barrier(b) if b.number <= self.delivered.generation);
            if !done {
                self.delivered = GroupPosition { offset: reader.offset(), generation: reader.generation() };
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl Group {
    /// Becomes a member; its name must differ from those of the other live members. The partitions come with the first poll.
    pub fn join(&self, member: &str, options: MemberOptions) -> Result<Member, LogError> {
        Member::join(self.clone(), member, options)
    }
}

impl Member {
    pub(super) fn join(group: Group, id: &str, options: MemberOptions) -> Result<Member, LogError> {
        check_name(id)?;
        let topic = group.topic.clone();
        for partition in options.partitions.iter().flatten() {
            topic.check_partition(*partition)?;
        }
        named_or_new(&topic, &group.name)?;
        let presence = match options.partitions {
            Some(_) => None,
            None => {
                let _lock = Held::take(&group.lock_path())?;
                let presence = Held::try_take(&group.member_path(id), id)?;
                let exists =
                    || LogError::MemberExists { topic: topic.meta.config.name.clone(), group: group.name.clone(), member: id.to_owned() };
                Some(presence.ok_or_else(exists)?)
            }
        };
        let tail = LocalTail::of(topic)?;
        tail.wake();
        Ok(Member { group, id: id.to_owned(), options, presence, owned: Vec::new(), tail, turn: 0, looked: None, failed: None })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The partitions that it owns now, ascending.
    pub fn owned(&self) -> Vec<PartitionId> {
        self.owned.iter().map(|owned| owned.partition).collect()
    }

    /// The next entry of its partitions, which get their turns one after the other; waits for one up to `timeout`.
    ///
    /// To call it says that what it gave before is done with: a partition that goes to another member is committed up to there.
    pub fn poll(&mut self, timeout: Duration) -> Result<Option<Entry>, LogError> {
        let called = Instant::now();
        if self.looked.is_none_or(|looked| called.duration_since(looked) >= LOOK_EVERY) {
            self.rebalance()?;
        }
        let mut look = timeout.is_zero();
        loop {
            let seen = self.tail.sequence();
            if let Some(entry) = self.next()? {
                return Ok(Some(entry));
            }
            if look
                && self.rebalance()?
                && let Some(entry) = self.next()?
            {
                return Ok(Some(entry));
            }
            let left = timeout.saturating_sub(called.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.tail.wait(seen, left.min(LOOK_EVERY));
            // If this brings nothing, then time has passed, or a member has come or gone, or others' partitions grow, for which one look is enough.
            look = self.looked.is_none_or(|looked| looked.elapsed() >= LOOKS_APART);
        }
    }

    fn next(&mut self) -> Result<Option<Entry>, LogError> {
        for _ in 0..self.owned.len() {
            self.turn = (self.turn + 1) % self.owned.len();
            if let Some(entry) = self.owned[self.turn].next(&self.group.topic, self.options.projection.as_deref())? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Looks who else is there, lets go of the partitions that are theirs now (committed as far as they were given), and takes its own as
    /// far as they are free. Whether anything changed. [`Self::poll`] does it by itself.
    pub fn rebalance(&mut self) -> Result<bool, LogError> {
        self.looked = Some(Instant::now());
        let wanted = self.wanted()?;
        let leaving: Vec<PartitionId> = self.owned().into_iter().filter(|p| !wanted.contains(p)).collect();
        if !leaving.is_empty() {
            self.commit_those(&leaving)?;
            self.owned.retain(|owned| wanted.contains(&owned.partition));
        }
        let mut taken = false;
        for partition in wanted {
            if !self.owned.iter().any(|owned| owned.partition == partition)
                && let Some(owned) = self.take(partition)?
            {
                taken = true;
                self.owned.push(owned);
            }
        }
        self.owned.sort_unstable_by_key(|owned| owned.partition);
        if !leaving.is_empty() {
            self.tail.wake();
        }
        Ok(taken || !leaving.is_empty())
    }

    /// What it is entitled to.
    fn wanted(&self) -> Result<Vec<PartitionId>, LogError> {
        if let Some(partitions) = &self.options.partitions {
            return Ok(partitions.clone());
        }
        let members = self.group.members()?;
        let mine = members.iter().position(|m| *m == self.id);
        let share = |p: &PartitionId| mine.is_some_and(|i| p.index() % members.len() == i);
        Ok(self.group.topic.partition_ids().filter(share).collect())
    }

    fn take(&self, partition: PartitionId) -> Result<Option<Owned>, LogError> {
        let path = self.group.owner_path(partition);
        if holder(&path)?.is_some() {
            return Ok(None);
        }
        let Some(lock) = Held::try_take(&path, &self.id)? else { return Ok(None) };
        // The log's end first: a writer that opens now sets the group back before the log grows.
        let log = self.group.topic.committed(partition)?;
        // Whoever owned it can commit no more, so that this is where it goes on.
        let committed = self.group.journal.read()?.of[partition.index()];
        let committed = committed.map(|place| self.group.set_back(partition, place, &log)).transpose()?;
        let start = committed.map_or(self.options.start, |place| Start::Offset(place.offset));
        let reader = LocalReader::open(self.group.topic.clone(), partition, start, self.options.projection.as_deref())?;
        let place = committed.unwrap_or(GroupPosition { offset: reader.offset(), generation: 0 });
        if committed.is_none() && start != Start::First {
            // What comes from now on must not be missed by whoever takes over.
            let generation = reader.generation();
            self.group.record(Kind::Seek, &[(partition, GroupPosition { generation, ..place })])?;
        }
        Ok(Some(Owned { partition, reader: Some(reader), committed: place, delivered: place, _lock: lock }))
    }

    /// Up to where entries were given, of the partitions that it owns.
    pub fn delivered(&self) -> Vec<(PartitionId, Offset)> {
        self.owned.iter().map(|owned| (owned.partition, owned.delivered.offset)).collect()
    }

    /// Commits everything that was given.
    pub fn commit(&mut self) -> Result<(), LogError> {
        self.commit_those(&self.owned())
    }

    fn commit_those(&mut self, partitions: &[PartitionId]) -> Result<(), LogError> {
        let behind = |o: &&Owned| o.delivered != o.committed && partitions.contains(&o.partition);
        let places: Vec<_> = self.owned.iter().filter(behind).map(|o| (o.partition, o.delivered)).collect();
        self.record(Kind::Commit, &places)
    }

    /// Commits how far readers of one's own have come, in place of [`Self::poll`], which would go on from there: by partition, the offset of the
    /// next record, and the number of barriers before it.
    ///
    /// # Errors
    /// A partition that it does not own, or that would go backwards or beyond the log's end.
    pub fn commit_read(&mut self, read: &[(PartitionId, Offset, u64)]) -> Result<(), LogError> {
        for &(partition, offset, barriers) in read {
            let committed = self.owned_partition(partition)?.committed;
            if offset < committed.offset {
                let (topic, group) = (self.group.topic.meta.config.name.clone(), self.group.name.clone());
                return Err(LogError::CommitBackwards { topic, group, partition, committed: committed.offset, offset });
            }
            let end = self.group.topic.committed(partition)?.end;
            if offset > end {
                return Err(LogError::OffsetOutOfRange { topic: self.group.topic.meta.config.name.clone(), partition, offset, end });
            }
            // A reader that stopped where it started has not passed the barriers that stand there, which may be done.
            let generation = if offset == committed.offset { barriers.max(committed.generation) } else { barriers };
            for owned in self.owned.iter_mut().filter(|owned| owned.partition == partition) {
                (owned.delivered, owned.reader) = (GroupPosition { offset, generation }, None);
            }
        }
        self.commit()
    }

    /// Commits one partition up to an offset that was given, exclusive.
    pub fn commit_at(&mut self, partition: PartitionId, offset: Offset) -> Result<(), LogError> {
        let owned = self.owned_partition(partition)?;
        let (committed, delivered) = (owned.committed, owned.delivered);
        let topic = self.group.topic.meta.config.name.clone();
        if offset < committed.offset {
            let group = self.group.name.clone();
            return Err(LogError::CommitBackwards { topic, group, partition, committed: committed.offset, offset });
        }
        if offset > delivered.offset {
            return Err(LogError::CommitBeyond { topic, member: self.id.clone(), partition, delivered: delivered.offset, offset });
        }
        // The barriers before an offset inside of what was given are found again by a reader that starts there.
        let generation = if offset == delivered.offset { delivered.generation } else { committed.generation };
        self.record(Kind::Commit, &[(partition, GroupPosition { offset, generation })])
    }

    /// Moves one of its partitions, forwards or back, and commits that.
    pub fn seek(&mut self, partition: PartitionId, start: Start) -> Result<Offset, LogError> {
        self.owned_partition(partition)?;
        let claims = holds_lock(&self.group.topic)?;
        let reader = LocalReader::open(self.group.topic.clone(), partition, start, self.options.projection.as_deref())?;
        // Barriers right before it come again.
        let place = GroupPosition { offset: reader.offset(), generation: 0 };
        self.record(Kind::Seek, &[(partition, place)])?;
        drop(claims);
        for owned in self.owned.iter_mut().filter(|owned| owned.partition == partition) {
            owned.delivered = place;
        }
        if let Some(i) = self.owned.iter().position(|owned| owned.partition == partition) {
            self.owned[i].reader = Some(reader);
        }
        Ok(place.offset)
    }

    fn owned_partition(&self, partition: PartitionId) -> Result<&Owned, LogError> {
        self.group.topic.check_partition(partition)?;
        if let Some(owned) = self.owned.iter().find(|owned| owned.partition == partition) {
            return Ok(owned);
        }
        let owner = holder(&self.group.owner_path(partition))?;
        let (topic, group) = (self.group.topic.meta.config.name.clone(), self.group.name.clone());
        Err(LogError::NotOwner { topic, group, member: self.id.clone(), partition, owner })
    }

    fn record(&mut self, kind: Kind, places: &[(PartitionId, GroupPosition)]) -> Result<(), LogError> {
        if let Some(cause) = &self.failed {
            return Err(LogError::MemberFailed { group: self.group.name.clone(), member: self.id.clone(), cause: cause.clone() });
        }
        if places.is_empty() {
            return Ok(());
        }
        self.group.record(kind, places).inspect_err(|e| self.failed = Some(e.to_string()))?;
        for &(partition, place) in places {
            for owned in self.owned.iter_mut().filter(|owned| owned.partition == partition) {
                owned.committed = place;
            }
        }
        Ok(())
    }

    /// Where the group is, as committed.
    pub fn committed(&self) -> Result<Position, LogError> {
        self.group.committed()
    }

    /// Commits everything that was given, and lets the others have its partitions.
    pub fn leave(mut self) -> Result<(), LogError> {
        self.commit()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.owned.clear();
        if let Some(presence) = self.presence.take() {
            presence.remove();
        }
        self.tail.wake();
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("id", &self.id).field("owned", &self.owned()).finish_non_exhaustive()
    }
}
