//! Where a topic's remote segments are: the object stores that its manifests name, and the cache of what was fetched from them.

pub(crate) mod cache;
pub(crate) mod object;

use std::path::Path;
use std::sync::{Arc, Mutex};

use twopath_base::PartitionId;
use twopath_storage::{ObjectError, ObjectStores, Storage};

use crate::error::LogError;
use crate::format::manifest::{ObjectRef, PartitionManifest};
use crate::tier::cache::Cache;
use crate::tier::object::{Object, OpenStores};

pub(crate) struct Tier {
    stores: Arc<OpenStores>,
    pub cache: Arc<Cache>,
}

impl Tier {
    pub fn new(stores: Arc<dyn ObjectStores>, topic_dir: &Path, storage: Arc<dyn Storage>) -> Tier {
        Tier { stores: Arc::new(OpenStores { stores, open: Mutex::default() }), cache: Arc::new(Cache::of(topic_dir, storage)) }
    }

    /// That there is a store at an address.
    pub fn check(&self, address: &str) -> Result<(), LogError> {
        let failed = |e: ObjectError| LogError::Store { action: "open", address: address.to_owned(), what: e.to_string() };
        self.stores.get(address).map(drop).map_err(failed)
    }

    /// An object that a manifest names.
    pub fn object(&self, topic: &str, topic_id: u64, manifest: &PartitionManifest, partition: PartitionId, object: &ObjectRef) -> Object {
        Object {
            stores: self.stores.clone(),
            store: manifest.stores[object.store].clone(),
            name: object::name(topic, topic_id, partition, object),
            bytes: object.bytes,
            crc: object.crc,
        }
    }
}
