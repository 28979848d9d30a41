//! State beside the process: an index on the disk, and a changelog from which it can be made again.
//!
//! A step is appended to the changelog and then applied to the index. A process that dies in between leaves an index that is a step behind, and
//! a start applies what is in the changelog after it; an index that is gone or damaged is one that is all steps behind. An index that is ahead of
//! its changelog (which lost its end with the machine) has all of it appended again.
//!
//! One process has both open. One that only reads takes the state from the changelog.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use twopath_base::Offset;
use twopath_log::Log;

use super::changelog::{Changelog, Row};
use super::codec::{Codec, check};
use super::head::{Head, generations_of};
use super::index::{Change, Index, full_key, index_dir, split_key};
use super::store::{Found, Loaded, Put, Read, Step, Store, StoreError, Wanted};
use crate::costs::StoreCosts;
use crate::error::SpeedError;

/// A folder for the index, and the topic that is the changelog.
#[derive(Clone)]
pub struct Local {
    pub dir: PathBuf,
    /// Where the changelog is, or is made.
    pub log: Log,
    pub changelog: String,
    /// Whether the job writes; one that does not only starts from what the changelog has.
    pub owns: bool,
}

pub(super) struct LocalStore {
    local: Local,
    codec: Arc<Codec>,
    /// `None` for one that only reads.
    open: Option<(Index, Changelog)>,
    costs: StoreCosts,
}

impl LocalStore {
    pub fn open(local: &Local, codec: Arc<Codec>) -> Result<LocalStore, SpeedError> {
        let mut store = LocalStore { local: local.clone(), codec, open: None, costs: StoreCosts::default() };
        if local.owns {
            let open = store.open_both();
            store.open = Some(open.map_err(|error| SpeedError::Store { place: store.place(), reason: error.reason() })?);
        }
        Ok(store)
    }

    fn open_both(&self) -> Result<(Index, Changelog), StoreError> {
        let dir = index_dir(&self.local.dir);
        std::fs::create_dir_all(&self.local.dir).map_err(|e| StoreError::Failed(e.to_string()))?;
        let changelog = Changelog::open_to_write(&self.local.log, &self.local.changelog, &self.codec)?;
        let index = match Index::open(&dir) {
            Err(StoreError::Damaged(reason)) => self.made_anew(&reason)?,
            index => index?,
        };
        Ok((index, changelog))
    }

    fn made_anew(&self, reason: &str) -> Result<Index, StoreError> {
        let dir = index_dir(&self.local.dir);
        tracing::warn!(index = %dir.display(), reason, "the index is made again from its changelog");
        Index::open_emptied(&dir)
    }

    /// Brings index and changelog to the same step.
    fn reconcile(&self, (index, changelog): &(Index, Changelog)) -> Result<(), StoreError> {
        let (at, end) = (index.changelog()?, changelog.end()?);
        if at < end {
            let mut groups: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
            let mut head = None;
            let end = changelog.read(at, &self.codec, |row| match row {
                Row::Group { key, value } => drop(groups.insert(key, Some(value))),
                Row::Gone { key } => drop(groups.insert(key, None)),
                Row::Head(bytes) => head = Some(bytes),
            })?;
            let Some(head) = head else { return Err(StoreError::Damaged("the changelog ends without a head".into())) };
            let groups = groups.iter().map(|(key, value)| (key.clone(), value.as_deref())).collect();
            index.apply(Change { groups, head: &head, changelog: end })?;
        } else if end < at {
            let Some(head) = index.head()? else { return Ok(()) };
            let manifest = Head::decode(&head).map_err(StoreError::Damaged)?.manifest;
            let puts = manifest.generations.iter().map(|g| self.put(index, g.number)).collect::<Result<Vec<_>, _>>()?;
            let end = changelog.append(&Step { puts: &puts, gone: &[], number: manifest.number, head: &head }, &[])?;
            index.apply(Change { groups: Vec::new(), head: &head, changelog: end })?;
        }
        Ok(())
    }

    /// All groups of a generation, as the changelog has them.
    fn put(&self, index: &Index, generation: u64) -> Result<Put, StoreError> {
        let groups = index.scan(generation)?;
        let batch = if groups.is_empty() {
            RecordBatch::new_empty(self.codec.schema().clone())
        } else {
            let pairs = groups.iter().map(|(key, value)| (&key[..], &value[..]));
            self.codec.decode(generation, pairs).map_err(StoreError::Damaged)?.to_batch_unsorted()
        };
        Ok(self.codec.encode(generation, batch))
    }

    /// What the index has, every byte of it looked at.
    fn loaded(&self, (index, _): &(Index, Changelog)) -> Result<Option<Loaded>, StoreError> {
        let Some(head) = index.head()? else { return Ok(None) };
        let counted = Head::decode(&head).map_err(StoreError::Damaged)?;
        let mut generations = Vec::new();
        for (generation, count) in counted.generations() {
            let groups = index.scan(generation)?;
            groups.iter().try_for_each(|(key, value)| check(generation, key, value)).map_err(StoreError::Damaged)?;
            if groups.len() as u64 != count {
                return Err(StoreError::Damaged(format!("it has not all groups of generation {generation}")));
            }
            generations.push((generation, groups));
        }
        Ok(Some(Loaded { head, generations }))
    }

    /// What the changelog has.
    fn told(&self) -> Result<Option<Loaded>, StoreError> {
        let Some(changelog) = Changelog::open(&self.local.log, &self.local.changelog, &self.codec)? else { return Ok(None) };
        let mut groups: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut head = None;
        changelog.read(Offset(0), &self.codec, |row| match row {
            Row::Group { key, value } => drop(groups.insert(key, value)),
            Row::Gone { key } => drop(groups.remove(&key)),
            Row::Head(bytes) => head = Some(bytes),
        })?;
        let Some(head) = head else { return Ok(None) };
        let mut generations: Vec<_> = generations_of(&head).into_iter().map(|generation| (generation, Vec::new())).collect();
        for (key, value) in groups {
            let Some((generation, key)) = split_key(&key) else { continue };
            if let Some((_, groups)) = generations.iter_mut().find(|(number, _)| *number == generation) {
                groups.push((key.to_vec(), value));
            }
        }
        Ok(Some(Loaded { head, generations }))
    }
}

impl Store for LocalStore {
    fn place(&self) -> String {
        self.local.dir.display().to_string()
    }

    fn load(&mut self) -> Result<Option<Loaded>, StoreError> {
        let Some(open) = &self.open else { return self.told() };
        match self.reconcile(open).and_then(|()| self.loaded(open)) {
            Err(StoreError::Damaged(reason)) => {
                let (index, changelog) = self.open.take().expect("it is open");
                // Its lock goes with it.
                drop(index);
                let open = (self.made_anew(&reason)?, changelog);
                let loaded = self.reconcile(&open).and_then(|()| self.loaded(&open));
                self.open = Some(open);
                loaded
            }
            loaded => loaded,
        }
    }

    fn read(&mut self, wanted: &[Wanted<'_>]) -> Result<Read, StoreError> {
        let (index, _) = self.open.as_ref().expect("it was opened to write");
        let found = |Wanted { generation, keys }: &Wanted<'_>| {
            let values = keys.iter().map(|key| index.get(&full_key(*generation, key))).collect::<Result<_, _>>()?;
            Ok(Found { values, groups: None })
        };
        Ok(Read { head: index.head()?, found: wanted.iter().map(found).collect::<Result<_, StoreError>>()? })
    }

    fn write(&mut self, step: &Step<'_>) -> Result<bool, StoreError> {
        let (index, changelog) = self.open.as_ref().expect("it was opened to write");
        let mut gone = Vec::new();
        for &generation in step.gone {
            gone.extend(index.scan(generation)?.into_iter().map(|(key, _)| full_key(generation, &key)));
        }
        let end = changelog.append(step, &gone)?;
        let mut groups: Vec<(Vec<u8>, Option<&[u8]>)> = gone.into_iter().map(|key| (key, None)).collect();
        for put in step.puts {
            groups.extend(put.keys.iter().zip(&put.values).map(|(key, value)| (full_key(put.generation, key), Some(&value[..]))));
        }
        let bytes: usize = groups.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len)).sum();
        index.apply(Change { groups, head: step.head, changelog: end })?;
        self.costs.steps += 1;
        self.costs.bytes_written += (bytes + step.head.len()) as u64;
        Ok(true)
    }

    fn costs(&self) -> StoreCosts {
        self.costs
    }
}
