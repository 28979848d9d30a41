//! A folder of topics.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use twopath_base::Offset;
use twopath_base::clock::{Clock, SystemClock};
use twopath_storage::{ObjectStores, OsStorage, RealStores, Storage, create_dir_durably, remove_dir_with_content, write_atomically};

use crate::config::{self, Durability, Retention, TopicConfig};
use crate::error::LogError;
use crate::groups::group;
use crate::local::topic::{LocalTopic, is_topic, names};
use crate::lock::Held;
use crate::partition::hold::holds;
use crate::partition::locks::holds_lock;
use crate::partition::state::TopicState;
use crate::partition::writer::create_segment;
use crate::topic::Topic;
use crate::upkeep::offload;
use twopath_base::sync::lock;

/// A folder of topics. Clones, and the topics opened through them, share their mappings and what they know of which checksums hold.
#[derive(Clone)]
pub struct Log {
    dir: PathBuf,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    stores: Arc<dyn ObjectStores>,
    open: Arc<Mutex<HashMap<String, Weak<TopicState>>>>,
}

impl Log {
    /// Opens (and where needed makes) a folder of topics.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::with(Arc::new(OsStorage), Arc::new(SystemClock), dir)
    }

    /// As [`Self::open`], with the storage that the writer uses and the clock that gives arrival times.
    pub fn with(storage: Arc<dyn Storage>, clock: Arc<dyn Clock>, dir: &Path) -> Result<Self, LogError> {
        create_dir_durably(&*storage, dir).map_err(LogError::io("create", dir))?;
        Ok(Log { dir: dir.to_owned(), storage, clock, stores: Arc::new(RealStores), open: Arc::default() })
    }

    /// The same folder, with other object stores for segments that were offloaded.
    pub fn with_stores(self, stores: Arc<dyn ObjectStores>) -> Self {
        Log { stores, open: Arc::default(), ..self }
    }

    /// Makes a topic: all of it or nothing.
    pub fn create_topic(&self, mut config: TopicConfig) -> Result<Topic, LogError> {
        config.check()?;
        if let Some(offload) = &mut config.offload {
            // The same store wherever a later writer is started.
            offload.to = offload::store_address(&offload.to)?;
        }
        let dir = self.dir.join(&config.name);
        let exists = || LogError::TopicExists { name: config.name.clone() };
        if dir.exists() {
            return Err(exists());
        }
        let id = RandomState::new().hash_one((self.clock.now_us(), std::process::id(), &config.name));
        let beside = self.dir.join(format!(".{}.new-{id:016x}", config.name));
        for p in 0..config.partitions {
            let dir = beside.join(format!("p{p}"));
            self.storage.create_dir(&dir).map_err(LogError::io("create", &dir))?;
        }
        let path = beside.join("topic.json");
        write_atomically(&*self.storage, &path, &config::to_json(&config, id)).map_err(LogError::io("write", &path))?;
        {
            let topic = TopicState::open(&beside, self.storage.clone(), self.clock.clone(), self.stores.clone())?;
            for p in topic.partition_ids() {
                let (path, file, _) = create_segment(&topic, p, Offset(0))?;
                // A reader takes a first segment to have its head.
                if config.durability != Durability::None {
                    file.sync_data().map_err(LogError::io("sync", &path))?;
                }
            }
        }
        match self.storage.rename(&beside, &dir) {
            Err(e) if matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => return Err(exists()),
            other => other.map_err(LogError::io("make", &dir))?,
        }
        self.storage.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        let topic = self.topic(&config.name)?;
        // Empty partitions are committed up to their heads: an open and a close say so.
        topic.writer()?.close()?;
        Ok(topic)
    }

    /// Opens a topic for reading.
    pub fn topic(&self, name: &str) -> Result<Topic, LogError> {
        config::check_name(name)?;
        let dir = self.dir.join(name);
        if !is_topic(&dir) {
            return Err(LogError::NoSuchTopic { name: name.to_owned(), dir: self.dir.clone(), known: self.topics()? });
        }
        let topic = TopicState::open(&dir, self.storage.clone(), self.clock.clone(), self.stores.clone())?;
        let mut open = lock(&self.open);
        // A topic of that name may have been deleted and made anew.
        if let Some(shared) = open.get(name).and_then(Weak::upgrade).filter(|shared| shared.meta.id == topic.meta.id) {
            return Ok(Topic::in_folder(LocalTopic(shared)));
        }
        open.insert(name.to_owned(), Arc::downgrade(&topic));
        Ok(Topic::in_folder(LocalTopic(topic)))
    }

    /// Deletes a topic, with its groups and with its objects in stores.
    ///
    /// # Errors
    /// Somebody writes, reads or tidies it; an object cannot be deleted (then the topic is there still, without the segments that went); or
    /// a file cannot be moved or removed.
    pub fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        let topic = self.topic(name)?;
        let topic = topic.local()?;
        let _no_writer = Held::for_this_process(&topic.0.lock_path(), name)?;
        if let Some(who) = reader_by_name(&topic.0)? {
            return Err(LogError::InUse { topic: name.to_owned(), who });
        }
        // As retention forgets them, so that a death on the way leaves a topic that knows of every object that there is.
        let has_objects = |p| topic.0.manifest(p).map(|m| !m.remote.is_empty() || !m.unneeded.is_empty());
        if topic.0.partition_ids().map(has_objects).collect::<Result<Vec<_>, _>>()?.contains(&true) {
            let left = topic.retain(&Retention::of_bytes(0), true)?.objects_left;
            if left > 0 {
                return Err(LogError::ObjectsLeft { topic: name.to_owned(), left });
            }
        }
        let dir = self.dir.join(name);
        remove_dir_with_content(&*self.storage, &dir).map_err(LogError::io("delete", &dir))
    }

    /// The names of the topics, sorted.
    pub fn topics(&self) -> Result<Vec<String>, LogError> {
        names(&self.dir)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// One who reads a topic now and has said so: by a hold, or as a member of a group.
fn reader_by_name(topic: &Arc<TopicState>) -> Result<Option<String>, LogError> {
    let _claims_stay = holds_lock(topic)?;
    if let Some((who, _)) = holds(topic)?.into_iter().next() {
        return Ok(Some(who));
    }
    for name in group::names(topic)? {
        let progress = group::named(topic, &name)?.progress()?;
        if let Some(owner) = progress.into_iter().find_map(|p| p.owner) {
            return Ok(Some(format!("'{owner}' of group '{name}'")));
        }
    }
    Ok(None)
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("dir", &self.dir).finish_non_exhaustive()
    }
}
