//! State beside the process: an index on the disk, and a changelog from which it can be made again.
//!
//! A step is appended to the changelog and then applied to the index. A process that dies in between leaves an index that is a step behind, and
//! a start applies what is in the changelog after it; an index that is gone or damaged is one that is all steps behind. An index that is ahead of
//! its changelog (which lost its end with the machine) has all of it appended again.
//!
//! Readers are served from the index, so that the state may be larger than memory: a published view has the index as it was at the last step, and over it
//! what came since ([`super::behind`]).
//!
//! One process has both open. One that only reads takes the state from the changelog, and so does one that stands by ([`super::Standby`]), which has an index of
//! its own.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use twopath_base::Offset;
use twopath_base::sync::lock;
use twopath_log::Log;
use twopath_view::KeptGroups;

use super::changelog::{Changelog, Frame, Row};
use super::codec::{Codec, check};
use super::head::{Head, generations_of};
use super::index::{Change, GroupChange, Index, at_once, full_key, index_dirs, split_key};
use super::kept::IndexedGroups;
use super::store::{Found, Group, Groups, Loaded, Put, Read, Step, Store, StoreError, Wanted};
use crate::costs::StoreCosts;
use crate::error::SpeedError;

/// What the state may take of memory where nobody says otherwise, in bytes.
pub const LOCAL_MEMORY: u64 = 256 << 20;

/// Changes of groups that are taken from a changelog and put into an index together.
const CHANGES_AT_ONCE: usize = 64 << 10;

/// A folder for the index, and the topic that is the changelog.
#[derive(Clone)]
pub struct Local {
    pub dir: PathBuf,
    /// Where the changelog is, or is made.
    pub log: Log,
    pub changelog: String,
    /// Whether the job writes; one that does not only starts from what the changelog has.
    pub owns: bool,
    /// About how many bytes of memory the state takes, however large it is ([`LOCAL_MEMORY`]): of the index, and of the changes that are on their way to it.
    pub memory: u64,
    /// How often it is written: what came since is read again after a crash.
    pub interval: Duration,
    /// What a process that stood by has open already.
    pub taken: Option<Taken>,
}

/// A store that somebody who stood by hands to the job that he starts; the first start takes it.
#[derive(Clone)]
pub struct Taken(Arc<Mutex<Option<LocalStore>>>);

impl Taken {
    pub(super) fn of(store: LocalStore) -> Taken {
        Taken(Arc::new(Mutex::new(Some(store))))
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an index and its changelog")
    }
}

pub(super) struct LocalStore {
    local: Local,
    codec: Arc<Codec>,
    /// `None` for one that only reads.
    open: Option<(Arc<Index>, Changelog)>,
    /// Whether all of the index was looked at since it was opened.
    is_checked: bool,
    costs: StoreCosts,
}

impl LocalStore {
    pub fn open(local: &Local, codec: Arc<Codec>) -> Result<LocalStore, SpeedError> {
        if let Some(store) = local.taken.as_ref().and_then(|taken| lock(&taken.0).take()) {
            return Ok(store);
        }
        let mut store = LocalStore { local: local.clone(), codec, open: None, is_checked: false, costs: StoreCosts::default() };
        if local.owns {
            let open = store.open_both();
            store.open = Some(open.map_err(|error| SpeedError::Store { place: store.place(), reason: error.reason() })?);
        }
        Ok(store)
    }

    /// One whose index was looked at, and has all that the changelog has.
    pub fn of(local: Local, codec: Arc<Codec>, index: Arc<Index>, changelog: Changelog) -> LocalStore {
        LocalStore { local, codec, open: Some((index, changelog)), is_checked: true, costs: StoreCosts::default() }
    }

    fn open_both(&self) -> Result<(Arc<Index>, Changelog), StoreError> {
        let changelog = Changelog::open_to_write(&self.local.log, &self.local.changelog, &self.codec)?;
        Ok((Arc::new(open_index(&self.local)?), changelog))
    }

    /// Brings index and changelog to the same step.
    fn reconcile(&self, (index, changelog): &(Arc<Index>, Changelog)) -> Result<(), StoreError> {
        let (at, end) = (index.changelog()?, changelog.end()?);
        if at >= end && index.is_torn()? {
            return Err(StoreError::Damaged("it was to follow its changelog, which has lost its end".into()));
        }
        if at < end {
            follow(index, changelog, &self.codec, |_, _| Ok(()))?;
        } else if end < at {
            let Some(head) = index.head()? else { return Ok(()) };
            self.remove_other(index)?;
            let manifest = Head::decode(&head).map_err(StoreError::Damaged)?.manifest;
            let puts = manifest.generations.iter().map(|g| self.put(index, g.number)).collect::<Result<Vec<_>, _>>()?;
            let end = changelog.append(&Step { puts: &puts, gone: &[], number: manifest.number, head: &head }, &[])?;
            index.apply(Change { groups: Vec::new(), head: Some(&head), changelog: end })?;
        }
        Ok(())
    }

    /// Removes the folder's other index: where it is in the changelog means nothing once the changelog has lost its end and gets another one.
    fn remove_other(&self, index: &Index) -> Result<(), StoreError> {
        let _opening = opening(&self.local)?;
        for dir in index_dirs(&self.local.dir).into_iter().filter(|dir| dir != index.dir() && dir.exists()) {
            match Index::open(&dir, self.local.memory) {
                Err(error @ (StoreError::Taken(_) | StoreError::Failed(_))) => return Err(error),
                // Its lock goes with it.
                other => drop(other),
            }
            std::fs::remove_dir_all(&dir).map_err(|e| StoreError::Failed(e.to_string()))?;
        }
        Ok(())
    }

    /// All groups of a generation, as the changelog has them.
    fn put(&self, index: &Index, generation: u64) -> Result<Put, StoreError> {
        let groups = index.scan(&index.now(), generation).collect::<Result<Vec<Group>, _>>()?;
        let batch = if groups.is_empty() {
            RecordBatch::new_empty(self.codec.schema().clone())
        } else {
            let pairs = groups.iter().map(|(key, value)| (&key[..], &value[..]));
            self.codec.decode(generation, pairs).map_err(StoreError::Damaged)?.to_batch_unsorted()
        };
        let keys = self.codec.keys_of(&batch);
        Ok(self.codec.encode(generation, batch, keys))
    }

    /// What the index has; every byte of it is looked at once.
    fn loaded(&self, (index, _): &(Arc<Index>, Changelog)) -> Result<Option<Loaded>, StoreError> {
        let Some(head) = index.head()? else { return Ok(None) };
        let counted = Head::decode(&head).map_err(StoreError::Damaged)?;
        if !self.is_checked {
            let found = count(index, counted.generations().map(|(number, _)| number))?;
            check_counts(&counted, &found)?;
        }
        Ok(Some(Loaded { head, groups: Groups::Kept }))
    }

    /// What the changelog has.
    fn told(&self) -> Result<Option<Loaded>, StoreError> {
        let Some(changelog) = Changelog::open(&self.local.log, &self.local.changelog, &self.codec)? else { return Ok(None) };
        let mut groups: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut head = None;
        changelog.read(Offset(0), &self.codec, |Frame { rows, .. }| {
            for row in rows {
                match row {
                    Row::Group { key, value } => drop(groups.insert(key, value)),
                    Row::Gone { key } => drop(groups.remove(&key)),
                    Row::Head(bytes) => head = Some(bytes),
                }
            }
            Ok(())
        })?;
        let Some(head) = head else { return Ok(None) };
        let mut generations: Vec<_> = generations_of(&head).into_iter().map(|generation| (generation, Vec::new())).collect();
        for (key, value) in groups {
            let Some((generation, key)) = split_key(&key) else { continue };
            if let Some((_, groups)) = generations.iter_mut().find(|(number, _)| *number == generation) {
                groups.push((key.to_vec(), value));
            }
        }
        Ok(Some(Loaded { head, groups: Groups::InMemory(generations) }))
    }
}

/// Lets one process at a time look which of a folder's indexes are free, and make or remove one: until the file is closed, also by the process's end.
pub(super) fn opening(local: &Local) -> Result<File, StoreError> {
    let failed = |e: std::io::Error| StoreError::Failed(e.to_string());
    std::fs::create_dir_all(&local.dir).map_err(failed)?;
    let file = File::create(local.dir.join("opening")).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// Opens the one of a folder's indexes that is furthest, of those that no other process has open.
pub(super) fn open_index(local: &Local) -> Result<Index, StoreError> {
    let _opening = opening(local)?;
    let (mut found, mut free, mut taken): (Vec<(Offset, Index)>, Vec<PathBuf>, _) = (Vec::new(), Vec::new(), None);
    for dir in index_dirs(&local.dir) {
        if !dir.exists() {
            free.push(dir);
            continue;
        }
        match Index::open(&dir, local.memory).and_then(|index| Ok((index.changelog()?, index))) {
            Ok(index) => found.push(index),
            Err(StoreError::Damaged(reason)) => {
                made_anew(&dir, &reason);
                free.insert(0, dir);
            }
            Err(error @ StoreError::Taken(_)) => taken = Some(error),
            Err(error) => return Err(error),
        }
    }
    let furthest = found.into_iter().max_by_key(|(at, _)| *at).map(|(_, index)| index);
    match (furthest, free.first(), taken) {
        (Some(index), ..) => Ok(index),
        (None, Some(dir), _) => Index::open_emptied(dir, local.memory),
        (None, None, error) => Err(error.expect("each of its indexes is free or taken")),
    }
}

/// Tells that an index is thrown away.
pub(super) fn made_anew(dir: &Path, reason: &str) {
    tracing::warn!(index = %dir.display(), reason, "the index is made again from its changelog");
}

/// Takes an index to where its changelog ends. Before a group is put or removed, `each` hears of its key, and whether it will be there.
///
/// What is put before the last of it does not move the head: an index that is left in between is taken on from there.
pub(super) fn follow(
    index: &Index,
    changelog: &Changelog,
    codec: &Codec,
    mut each: impl FnMut(&[u8], bool) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut changed: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    let mut head = None;
    let mut put = |changed: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>, head: Option<&[u8]>, changelog| {
        changed.iter().try_for_each(|(key, value)| each(key, value.is_some()))?;
        let groups = changed.iter().filter_map(|(key, value)| {
            let (generation, key) = split_key(key)?;
            Some((generation, key, value.as_deref()))
        });
        let groups = groups.collect();
        index.apply(Change { groups, head, changelog })?;
        changed.clear();
        Ok(())
    };
    let mut up_to = index.changelog()?;
    let end = changelog.read(up_to, codec, |Frame { rows, end }| {
        // The last frame and its head are put together: an index that is at the changelog's end has the head there.
        if changed.len() >= CHANGES_AT_ONCE {
            put(&mut changed, None, up_to)?;
        }
        up_to = end;
        for row in rows {
            match row {
                Row::Group { key, value } => drop(changed.insert(key, Some(value))),
                Row::Gone { key } => drop(changed.insert(key, None)),
                Row::Head(bytes) => head = Some(bytes),
            }
        }
        Ok(())
    })?;
    let Some(head) = head else { return Err(StoreError::Damaged("the changelog ends without a head".into())) };
    put(&mut changed, Some(&head), end)
}

/// How many groups an index has of some generations; every byte of them is looked at.
pub(super) fn count(index: &Index, generations: impl Iterator<Item = u64>) -> Result<BTreeMap<u64, u64>, StoreError> {
    let now = index.now();
    let mut counts = BTreeMap::new();
    for generation in generations {
        let mut groups = 0;
        for some in at_once(index.scan(&now, generation)) {
            let some = some?;
            some.iter().try_for_each(|(key, value)| check(generation, key, value)).map_err(StoreError::Damaged)?;
            groups += some.len() as u64;
        }
        counts.insert(generation, groups);
    }
    Ok(counts)
}

/// That there are as many groups as the head says.
pub(super) fn check_counts(head: &Head, found: &BTreeMap<u64, u64>) -> Result<(), StoreError> {
    match head.generations().find(|(generation, groups)| found.get(generation).copied().unwrap_or(0) != *groups) {
        None => Ok(()),
        Some((generation, _)) => Err(StoreError::Damaged(format!("it has not all groups of generation {generation}"))),
    }
}

impl Store for LocalStore {
    fn place(&self) -> String {
        self.local.dir.display().to_string()
    }

    fn load(&mut self) -> Result<Option<Loaded>, StoreError> {
        let Some(open) = &self.open else { return self.told() };
        let loaded = match self.reconcile(open).and_then(|()| self.loaded(open)) {
            Err(StoreError::Damaged(reason)) => {
                let (index, changelog) = self.open.take().expect("it is open");
                let dir = index.dir().to_owned();
                made_anew(&dir, &reason);
                let _opening = opening(&self.local)?;
                // Its lock goes with it.
                drop(index);
                let open = (Arc::new(Index::open_emptied(&dir, self.local.memory)?), changelog);
                self.is_checked = false;
                let loaded = self.reconcile(&open).and_then(|()| self.loaded(&open));
                self.open = Some(open);
                loaded
            }
            loaded => loaded,
        }?;
        self.is_checked = true;
        Ok(loaded)
    }

    fn read(&mut self, wanted: &[Wanted<'_>]) -> Result<Read, StoreError> {
        let (index, _) = self.open.as_ref().expect("it was opened to write");
        let found = |Wanted { generation, keys }: &Wanted<'_>| Ok(Found { values: index.get_all(*generation, keys)?, groups: None });
        Ok(Read { head: index.head()?, found: wanted.iter().map(found).collect::<Result<_, StoreError>>()? })
    }

    fn write(&mut self, step: &Step<'_>) -> Result<bool, StoreError> {
        let (index, changelog) = self.open.as_ref().expect("it was opened to write");
        let mut gone = Vec::new();
        let now = index.now();
        for &generation in step.gone {
            for group in index.scan(&now, generation) {
                gone.push(full_key(generation, &group?.0));
            }
        }
        let end = changelog.append(step, &gone)?;
        let put = step.puts.iter().flat_map(|put| {
            let pairs = put.keys.iter().zip(put.values.iter());
            pairs.map(|(key, value)| (put.generation, key, Some(value)))
        });
        let removed = gone.iter().filter_map(|key| split_key(key)).map(|(generation, key)| (generation, key, None));
        let groups: Vec<GroupChange> = removed.chain(put).collect();
        let bytes: usize = groups.iter().map(|(g, key, value)| size_of_val(g) + key.len() + value.map_or(0, <[u8]>::len)).sum();
        index.apply(Change { groups, head: Some(step.head), changelog: end })?;
        self.costs.steps += 1;
        self.costs.bytes_written += (bytes + step.head.len()) as u64;
        Ok(true)
    }

    fn kept(&self, generation: u64, groups: u64) -> Option<Arc<dyn KeptGroups>> {
        let (index, _) = self.open.as_ref()?;
        let (at, index, codec) = (index.now(), Arc::clone(index), Arc::clone(&self.codec));
        Some(Arc::new(IndexedGroups { index, at, codec, generation, groups }))
    }

    fn costs(&self) -> StoreCosts {
        self.costs
    }
}
