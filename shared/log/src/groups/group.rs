//! A consumer group: where it is, and how far it is.

use std::path::PathBuf;
use std::sync::Arc;

use twopath_base::{Offset, PartitionId, Position};
use twopath_storage::{create_dir_durably, remove_dir_with_content, write_atomically};

use crate::config;
use crate::error::LogError;
use crate::groups::journal::Journal;
use crate::groups::record::{GroupPosition, Kind};
use crate::hash::xxh64;
use crate::lock::{Held, holder};
use crate::partition::locks::holds_lock;
use crate::partition::reader::LocalReader;
use crate::partition::state::TopicState;
use crate::partition::tail::Committed;
use crate::records::Start;

/// The name of the file that says that a group needs the whole topic.
const NEEDS_ALL: &str = "needs-all";

/// A consumer group of a topic: where it is, and the way to become a member.
#[derive(Clone)]
pub struct Group {
    pub(super) topic: Arc<TopicState>,
    pub(super) name: String,
    dir: PathBuf,
    pub(super) journal: Journal,
}

/// How a group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionProgress {
    pub partition: PartitionId,
    /// Everything below it is done; `None` where nothing was committed yet.
    pub committed: Option<Offset>,
    /// The partition's committed end.
    pub end: Offset,
    /// The member that reads it now.
    pub owner: Option<String>,
}

impl PartitionProgress {
    /// Records between the committed position and the end.
    pub fn lag(&self) -> u64 {
        self.end.0.saturating_sub(self.committed.unwrap_or_default().0)
    }
}

/// The names of the topic's consumer groups, sorted.
pub(crate) fn names(topic: &TopicState) -> Result<Vec<String>, LogError> {
    let dir = groups_dir(topic);
    let mut names = match topic.storage.list(&dir) {
        Ok(names) => names,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(LogError::io("list", &dir)(e)),
    };
    names.retain(|name| config::check_name(name).is_ok());
    names.sort_unstable();
    Ok(names)
}

/// A consumer group that there is.
pub(crate) fn named(topic: &Arc<TopicState>, name: &str) -> Result<Group, LogError> {
    let group = Group::at(topic, name)?;
    let known = names(topic)?;
    if known.iter().any(|k| k == name) {
        return Ok(group);
    }
    Err(LogError::NoSuchGroup { topic: topic.meta.config.name.clone(), group: name.into(), known })
}

/// A consumer group, made where there is none of that name.
pub(crate) fn named_or_new(topic: &Arc<TopicState>, name: &str) -> Result<Group, LogError> {
    let group = Group::at(topic, name)?;
    let members = group.dir.join("members");
    if !members.is_dir() {
        let _claims = holds_lock(topic)?;
        create_dir_durably(&*topic.storage, &members).map_err(LogError::io("make", &members))?;
    }
    Ok(group)
}

/// What each group has done. One that committed nothing in a partition has done nothing of it.
pub(crate) fn committed(topic: &Arc<TopicState>) -> Result<Vec<(String, Position)>, LogError> {
    each_group(topic, Group::committed)
}

/// From where on each group still needs the topic.
pub(crate) fn held(topic: &Arc<TopicState>) -> Result<Vec<(String, Position)>, LogError> {
    each_group(topic, Group::needs)
}

fn each_group(
    topic: &Arc<TopicState>,
    position: impl Fn(&Group) -> Result<Position, LogError>,
) -> Result<Vec<(String, Position)>, LogError> {
    let of = |name: String| {
        let position = position(&Group::at(topic, &name)?)?;
        Ok((name, position))
    };
    names(topic)?.into_iter().map(of).collect()
}

/// Sets the groups that stand ahead of the log back to its end. Only for a writer that has not appended yet.
pub(crate) fn set_back(topic: &Arc<TopicState>, ends: &[Committed]) -> Result<(), LogError> {
    for name in names(topic)? {
        let group = Group::at(topic, &name)?;
        match group.journal.read() {
            Ok(places) => {
                for (partition, place, _) in places.each() {
                    group.set_back(partition, place, &ends[partition.index()])?;
                }
            }
            // The group's own trouble, of which its members are told.
            Err(e @ LogError::CorruptPositions { .. }) => tracing::warn!("{e}"),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn groups_dir(topic: &TopicState) -> PathBuf {
    topic.dir.join("groups")
}

pub(super) fn check_name(name: &str) -> Result<(), LogError> {
    config::check_name(name).map_err(|_| LogError::BadGroupName { name: name.to_owned() })
}

impl Group {
    fn at(topic: &Arc<TopicState>, name: &str) -> Result<Group, LogError> {
        check_name(name)?;
        let dir = groups_dir(topic).join(name);
        let journal = Journal { topic: topic.clone(), path: dir.join("positions"), group_hash: xxh64(name.as_bytes()) };
        Ok(Group { topic: topic.clone(), name: name.to_owned(), dir, journal })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// Everything below it is done; 0 where nothing was committed.
    pub fn committed(&self) -> Result<Position, LogError> {
        let places = self.journal.read()?;
        Ok(Position::new(places.of.iter().map(|place| place.unwrap_or_default().offset).collect()))
    }

    /// Says that the group needs the whole topic, wherever it is, until it is removed: for one whose state is made of all records, and
    /// made anew from them when it starts. Retention then takes nothing away unless it is forced to.
    pub fn need_all(&self) -> Result<(), LogError> {
        let path = self.dir.join(NEEDS_ALL);
        if path.exists() {
            return Ok(());
        }
        let _claims = holds_lock(&self.topic)?;
        write_atomically(&*self.topic.storage, &path, &[]).map_err(LogError::io("write", &path))
    }

    /// The first offset that it still needs of each partition.
    pub(super) fn needs(&self) -> Result<Position, LogError> {
        if self.dir.join(NEEDS_ALL).exists() { Ok(Position::zero(self.topic.partitions())) } else { self.committed() }
    }

    /// How it stands in each partition.
    pub fn progress(&self) -> Result<Vec<PartitionProgress>, LogError> {
        let places = self.journal.read()?;
        let progress = |(partition, place): (PartitionId, &Option<GroupPosition>)| {
            let end = self.topic.committed(partition)?.end;
            Ok(PartitionProgress { partition, committed: place.map(|p| p.offset), end, owner: holder(&self.owner_path(partition))? })
        };
        self.topic.partition_ids().zip(&places.of).map(progress).collect()
    }

    /// Records between the committed position and the end, of all partitions.
    pub fn lag(&self) -> Result<u64, LogError> {
        Ok(self.topic.end()?.records_since(&self.committed()?))
    }

    /// The live members that share the partitions, sorted. (Those that named their partitions are seen as owners, in [`Self::progress`].)
    pub fn members(&self) -> Result<Vec<String>, LogError> {
        let dir = self.dir.join("members");
        let mut live = Vec::new();
        for name in self.topic.storage.list(&dir).map_err(LogError::io("list", &dir))? {
            let path = dir.join(&name);
            if holder(&path)?.is_some() {
                live.push(name);
            } else if let Some(left_behind) = Held::try_take(&path, "")? {
                left_behind.remove();
            }
        }
        live.sort_unstable();
        Ok(live)
    }

    /// Sets the whole group to a place of the log. Its members must have stopped.
    pub fn seek(&self, start: Start) -> Result<Position, LogError> {
        let starts = vec![start; self.topic.partitions()];
        self.seek_each(&starts)
    }

    /// As [`Self::seek`], to an offset in each partition.
    pub fn seek_to(&self, position: &Position) -> Result<Position, LogError> {
        if position.partitions() != self.topic.partitions() {
            let (topic, partition) = (self.topic.meta.config.name.clone(), PartitionId(position.partitions() as u32 - 1));
            return Err(LogError::NoSuchPartition { topic, partition, partitions: self.topic.partitions() });
        }
        let starts: Vec<_> = position.offsets().iter().map(|o| Start::Offset(*o)).collect();
        self.seek_each(&starts)
    }

    /// As [`Self::seek`], to a place of its own in each partition.
    pub(crate) fn seek_each(&self, starts: &[Start]) -> Result<Position, LogError> {
        let _stopped = self.hold_all()?;
        let _claims = holds_lock(&self.topic)?;
        let place = |(partition, start): (PartitionId, &Start)| Ok((partition, self.place_of(partition, *start)?));
        let places = self.topic.partition_ids().zip(starts).map(place).collect::<Result<Vec<_>, LogError>>()?;
        self.record(Kind::Seek, &places)?;
        Ok(Position::new(places.iter().map(|(_, place)| place.offset).collect()))
    }

    /// Forgets the group. Its members must have stopped.
    pub fn remove(self) -> Result<(), LogError> {
        let _stopped = self.hold_all()?;
        let _lock = Held::take(&self.lock_path())?;
        if let Some(member) = self.members()?.first() {
            let (topic, group) = (self.topic.meta.config.name.clone(), self.name.clone());
            return Err(LogError::GroupBusy { topic, group, partition: PartitionId(0), owner: member.clone() });
        }
        remove_dir_with_content(&*self.topic.storage, &self.dir).map_err(LogError::io("remove", &self.dir))
    }

    /// Every partition, held for nobody else to own.
    fn hold_all(&self) -> Result<Vec<Held>, LogError> {
        let hold = |partition: PartitionId| {
            let path = self.owner_path(partition);
            if let Some(held) = Held::try_take(&path, "a seek")? {
                return Ok(held);
            }
            let owner = holder(&path)?.unwrap_or_else(|| "a member".into());
            Err(LogError::GroupBusy { topic: self.topic.meta.config.name.clone(), group: self.name.clone(), partition, owner })
        };
        self.topic.partition_ids().map(hold).collect()
    }

    /// Where a reader that starts there would be.
    fn place_of(&self, partition: PartitionId, start: Start) -> Result<GroupPosition, LogError> {
        let reader = LocalReader::open(self.topic.clone(), partition, start, Some(&[]))?;
        Ok(GroupPosition { offset: reader.offset(), generation: reader.generation() })
    }

    /// A committed place, set back to the log's end if it stands ahead of it.
    pub(super) fn set_back(&self, partition: PartitionId, place: GroupPosition, log: &Committed) -> Result<GroupPosition, LogError> {
        if place.is_in(log) {
            return Ok(place);
        }
        let back = place.set_back_to(log);
        tracing::warn!(
            topic = %self.topic.meta.config.name,
            group = %self.name,
            partition = partition.0,
            done = place.offset.0,
            end = log.end.0,
            "the group had done records that the log has lost: what is appended in their place is given to it"
        );
        self.record(Kind::Seek, &[(partition, back)])?;
        Ok(back)
    }

    /// Writes places down.
    pub(super) fn record(&self, kind: Kind, places: &[(PartitionId, GroupPosition)]) -> Result<(), LogError> {
        let _lock = Held::take(&self.lock_path())?;
        self.journal.append(kind, places)
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(super) fn owner_path(&self, partition: PartitionId) -> PathBuf {
        self.dir.join(format!("p{partition}.owner"))
    }

    pub(super) fn member_path(&self, member: &str) -> PathBuf {
        self.dir.join("members").join(member)
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("dir", &self.dir).finish_non_exhaustive()
    }
}
