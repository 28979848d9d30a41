//! Objects in memory, with when each was made and deleted: for tests.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_buffer::Buffer;

use super::{ObjectError, ObjectStores, Objects};
use crate::RecordingStorage;

/// Stores in memory, at any address, whose objects are dated by how many changes a [`RecordingStorage`] had seen: so that an image of its
/// files can be read with the objects that there were at the time. Clones share the objects.
#[derive(Clone)]
pub struct RecordingStores {
    storage: RecordingStorage,
    /// By address and name: an object is made, deleted, and perhaps made again.
    objects: Arc<Mutex<HashMap<String, Vec<Life>>>>,
}

#[derive(Clone)]
struct Life {
    bytes: Buffer,
    /// Changes before it was made, and before it was deleted.
    made: usize,
    deleted: Option<usize>,
}

impl RecordingStores {
    /// Nothing yet.
    pub fn new(storage: &RecordingStorage) -> Self {
        RecordingStores { storage: storage.clone(), objects: Arc::default() }
    }

    /// Apart from these, the objects that there were when so many changes had been made. Of those that were being made or deleted just then,
    /// there are those of which `also` says so.
    pub fn at(&self, changes: usize, also: &mut dyn FnMut() -> bool) -> RecordingStores {
        let mut there = |life: &Life| {
            let being = life.made <= changes && life.deleted.is_none_or(|at| at >= changes);
            let surely = life.made < changes && life.deleted != Some(changes);
            being && (surely || also())
        };
        let recorded = self.objects();
        let mut names: Vec<_> = recorded.keys().collect();
        // In an order of their own, so that the same answers of `also` give the same objects.
        names.sort_unstable();
        let mut now = HashMap::new();
        for name in names {
            if let Some(life) = recorded[name].iter().find(|life| there(life)) {
                now.insert(name.clone(), vec![Life { deleted: None, ..life.clone() }]);
            }
        }
        RecordingStores { storage: self.storage.clone(), objects: Arc::new(Mutex::new(now)) }
    }

    /// How many objects there are now.
    pub fn count(&self) -> usize {
        self.objects().values().filter(|lives| lives.last().is_some_and(|life| life.deleted.is_none())).count()
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<String, Vec<Life>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, name: &str, read: impl FnOnce(&Buffer) -> T) -> Result<T, ObjectError> {
        let objects = self.objects();
        let life = objects.get(name).and_then(|lives| lives.last()).filter(|life| life.deleted.is_none());
        life.map(|life| read(&life.bytes)).ok_or(ObjectError::Missing)
    }
}

impl ObjectStores for RecordingStores {
    fn open(&self, address: &str) -> Result<Arc<dyn Objects>, ObjectError> {
        Ok(Arc::new(RecordedObjects { stores: self.clone(), address: address.to_owned() }))
    }
}

struct RecordedObjects {
    stores: RecordingStores,
    address: String,
}

impl RecordedObjects {
    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }
}

impl Objects for RecordedObjects {
    fn put(&self, name: &str, bytes: Buffer) -> Result<(), ObjectError> {
        let made = self.stores.storage.len();
        let mut objects = self.stores.objects();
        let lives = objects.entry(self.name(name)).or_default();
        if let Some(life) = lives.last_mut() {
            life.deleted.get_or_insert(made);
        }
        // A copy: the bytes may be those of a mapped file that a test damages later.
        lives.push(Life { bytes: Buffer::from(bytes.as_slice()), made, deleted: None });
        Ok(())
    }

    fn get(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        self.stores.read(&self.name(name), |bytes| {
            let end = bytes.len().min(range.end as usize);
            bytes[end.min(range.start as usize)..end].to_vec()
        })
    }

    fn len(&self, name: &str) -> Result<u64, ObjectError> {
        self.stores.read(&self.name(name), |bytes| bytes.len() as u64)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let now = self.stores.storage.len();
        if let Some(life) = self.stores.objects().get_mut(&self.name(name)).and_then(|lives| lives.last_mut()) {
            life.deleted.get_or_insert(now);
        }
        Ok(())
    }
}
