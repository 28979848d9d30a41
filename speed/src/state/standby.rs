//! A second process beside the owner of a local state. It keeps an index of its own by following the changelog, and is the owner once
//! there is no other any more: then it has little left to read, however large the state is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use twopath_base::Position;
use twopath_query::Query;

use super::changelog::Changelog;
use super::codec::Codec;
use super::head::Head;
use super::index::{Index, split_key};
use super::local::{Local, LocalStore, Taken, check_counts, count, follow, made_anew, open_index, opening};
use super::store::StoreError;
use crate::error::SpeedError;

/// Stands by a job of compiled SQL whose state is [`Local`].
///
/// It trusts nothing that it has not looked at: what its index had when it was opened, and by number of groups what it has after each step. So whatever
/// compaction took of the changelog while nobody stood by (the removal of a group, say) is noticed, and the index is made again.
pub struct Standby {
    local: Local,
    codec: Arc<Codec>,
    /// `None` once it was handed over, and while it is made again.
    index: Option<Index>,
    /// By generation: how many groups the index has.
    groups: BTreeMap<u64, u64>,
    /// `None` until the owner has made it.
    changelog: Option<Changelog>,
    position: Option<Position>,
}

impl Standby {
    /// Opens the folder's free index, looks at all of it, and takes in what it has not.
    ///
    /// # Errors
    /// Two other processes have the folder's indexes open; or files or the changelog fail.
    pub fn beside(local: &Local, query: &Query) -> Result<Standby, SpeedError> {
        let failed = |error: StoreError| SpeedError::Store { place: local.dir.display().to_string(), reason: error.reason() };
        let codec = Codec::new(&Arc::new(query.clone())).map_err(|reason| failed(StoreError::Failed(reason)))?;
        let index = open_index(local).map_err(failed)?;
        let mut standby = Standby {
            local: local.clone(),
            codec: Arc::new(codec),
            index: Some(index),
            groups: BTreeMap::new(),
            changelog: None,
            position: None,
        };
        if let Err(StoreError::Damaged(reason)) = standby.look() {
            standby.begin_again(&reason).map_err(failed)?;
        }
        standby.follow()?;
        Ok(standby)
    }

    /// Takes in what is in the changelog now. Returns up to where the state goes that it has; `None` where there is none yet.
    ///
    /// # Errors
    /// The changelog or the index fails.
    pub fn follow(&mut self) -> Result<Option<&Position>, SpeedError> {
        self.catch_up().map_err(|error| self.failed(error))?;
        Ok(self.position.as_ref())
    }

    /// Takes the job over if nobody owns it any more: what its next start goes on from. `None` where somebody does.
    ///
    /// # Errors
    /// As of [`Standby::follow`].
    pub fn take_over(&mut self) -> Result<Option<Local>, SpeedError> {
        let changelog = match Changelog::open_to_write(&self.local.log, &self.local.changelog, &self.codec) {
            Err(StoreError::Taken(_)) => return Ok(None),
            changelog => changelog.map_err(|error| self.failed(error))?,
        };
        // What the owner wrote before it went.
        self.follow()?;
        let index = Arc::new(self.index.take().expect("it is handed over once"));
        let store = LocalStore::of(self.local.clone(), Arc::clone(&self.codec), index, changelog);
        Ok(Some(Local { owns: true, taken: Some(Taken::of(store)), ..self.local.clone() }))
    }

    /// Follows until nobody owns the job any more, and takes it over; `told` hears of each position that the state has come to.
    ///
    /// # Errors
    /// As of [`Standby::follow`].
    pub fn wait(mut self, look_every: Duration, mut told: impl FnMut(&Position)) -> Result<Local, SpeedError> {
        let mut last = None;
        loop {
            if let Some(local) = self.take_over()? {
                return Ok(local);
            }
            let at = self.follow()?;
            if at != last.as_ref() {
                last = at.cloned();
                last.iter().for_each(&mut told);
            }
            thread::sleep(look_every);
        }
    }

    fn catch_up(&mut self) -> Result<(), StoreError> {
        if self.changelog.is_none() {
            self.changelog = Changelog::open(&self.local.log, &self.local.changelog, &self.codec)?;
        }
        if let Err(StoreError::Damaged(reason)) = self.step() {
            self.begin_again(&reason)?;
            return self.step();
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), StoreError> {
        let Some(changelog) = &self.changelog else { return Ok(()) };
        let index = self.index.as_ref().expect("it is handed over once");
        let (at, end) = (index.changelog()?, changelog.end()?);
        if end < at || end == at && index.is_torn()? {
            // The machine lost the changelog's end, and the owner appends it anew; what is ahead of it here may come otherwise.
            return Err(StoreError::Damaged("it is ahead of its changelog".into()));
        }
        if at == end && (self.position.is_some() || end.0 == 0) {
            return Ok(());
        }
        if at == end {
            return self.look_at_head();
        }
        let groups = &mut self.groups;
        follow(index, changelog, &self.codec, |key, will_be| {
            let Some((generation, _)) = split_key(key) else { return Ok(()) };
            let count = groups.entry(generation).or_default();
            match (index.get(None, key)?.is_some(), will_be) {
                (false, true) => *count += 1,
                // What was not counted shows when all is counted.
                (true, false) => *count = count.saturating_sub(1),
                _ => {}
            }
            Ok(())
        })?;
        self.look_at_head()
    }

    /// Looks at all that the index has.
    fn look(&mut self) -> Result<(), StoreError> {
        let index = self.index.as_ref().expect("it is handed over once");
        let Some(head) = index.head()? else {
            // What there is without a head was left in between.
            return if index.changelog()?.0 == 0 { Ok(()) } else { Err(StoreError::Damaged("it was not finished".into())) };
        };
        let head = Head::decode(&head).map_err(StoreError::Damaged)?;
        self.groups = count(index, head.generations().map(|(number, _)| number))?;
        Ok(())
    }

    fn look_at_head(&mut self) -> Result<(), StoreError> {
        let index = self.index.as_ref().expect("it is handed over once");
        let Some(head) = index.head()? else { return Ok(()) };
        let head = Head::decode(&head).map_err(StoreError::Damaged)?;
        check_counts(&head, &self.groups)?;
        self.groups.retain(|_, count| *count > 0);
        self.position = Some(head.manifest.position().clone());
        Ok(())
    }

    fn begin_again(&mut self, reason: &str) -> Result<(), StoreError> {
        let _opening = opening(&self.local)?;
        let dir = self.index.take().expect("it is handed over once").dir().to_owned();
        made_anew(&dir, reason);
        self.groups.clear();
        self.position = None;
        self.index = Some(Index::open_emptied(&dir, self.local.memory)?);
        Ok(())
    }

    fn failed(&self, error: StoreError) -> SpeedError {
        SpeedError::Store { place: self.local.dir.display().to_string(), reason: error.reason() }
    }
}
