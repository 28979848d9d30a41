//! An object that holds a sealed segment: read and checked, made and checked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow_buffer::Buffer;

use twopath_base::PartitionId;
use twopath_storage::{ObjectError, ObjectStores, Objects};

use crate::error::LogError;
use crate::format::manifest::ObjectRef;
use twopath_base::checksum::Crc32c;
use twopath_base::sync::lock;

/// Bytes that are asked for at once.
const READ_BYTES: u64 = 16 << 20;

/// The stores that were needed so far, by their addresses.
pub(crate) struct OpenStores {
    pub stores: Arc<dyn ObjectStores>,
    pub open: Mutex<HashMap<String, Arc<dyn Objects>>>,
}

impl OpenStores {
    pub fn get(&self, address: &str) -> Result<Arc<dyn Objects>, ObjectError> {
        let mut open = lock(&self.open);
        if let Some(objects) = open.get(address) {
            return Ok(objects.clone());
        }
        let objects = self.stores.open(address)?;
        open.insert(address.to_owned(), objects.clone());
        Ok(objects)
    }
}

/// An object, and the store that it is in.
#[derive(Clone)]
pub(crate) struct Object {
    pub stores: Arc<OpenStores>,
    /// Its store's address.
    pub store: String,
    /// Below that address.
    pub name: String,
    pub bytes: u64,
    pub crc: u32,
}

/// An object's name below its store's address: the topic, the partition, and the segment by its first offset and its checksum, so that
/// no two segments ever share a name.
pub(crate) fn name(topic: &str, topic_id: u64, partition: PartitionId, object: &ObjectRef) -> String {
    format!("{topic}-{topic_id:016x}/p{partition}/{:020}-{:08x}.arrow", object.base.0, object.crc)
}

impl Object {
    pub fn address(&self) -> String {
        format!("{}/{}", self.store, self.name)
    }

    fn failed(&self, action: &'static str, error: ObjectError) -> LogError {
        match error {
            ObjectError::Missing if action != "write" => LogError::ObjectMissing { address: self.address() },
            ObjectError::Missing => LogError::Store { action, address: self.address(), what: "there is no such bucket or folder".into() },
            ObjectError::Failed(what) => LogError::Store { action, address: self.address(), what },
        }
    }

    fn objects(&self, action: &'static str) -> Result<Arc<dyn Objects>, LogError> {
        self.stores.get(&self.store).map_err(|e| self.failed(action, e))
    }

    /// Reads all of it, part by part, and checks its length and checksum.
    pub fn read(&self, mut take: impl FnMut(&[u8]) -> Result<(), LogError>) -> Result<(), LogError> {
        let objects = self.objects("read")?;
        let wrong = |at: u64, what: String| LogError::corrupt(self.address().as_ref(), at, what);
        let mut crc = Crc32c::new();
        let mut at = 0;
        while at < self.bytes {
            let to = self.bytes.min(at + READ_BYTES);
            let part = objects.get(&self.name, at..to).map_err(|e| self.failed("read", e))?;
            if part.len() as u64 != to - at {
                return Err(wrong(at + part.len() as u64, format!("the object ends here, though it was made with {} bytes", self.bytes)));
            }
            crc.update(&part);
            take(&part)?;
            at = to;
        }
        if crc.value() != self.crc {
            return Err(wrong(0, "the object's checksum is not that of the segment that was stored in it".into()));
        }
        Ok(())
    }

    /// Its length, as the store says.
    fn len(&self) -> Result<u64, LogError> {
        self.objects("look at")?.len(&self.name).map_err(|e| self.failed("look at", e))
    }

    /// All bytes that are there, whatever they are.
    pub fn bytes(&self) -> Result<Vec<u8>, LogError> {
        let (objects, len) = (self.objects("read")?, self.len()?);
        let mut bytes = Vec::with_capacity(len as usize);
        while (bytes.len() as u64) < len {
            let at = bytes.len() as u64;
            let part = objects.get(&self.name, at..len.min(at + READ_BYTES)).map_err(|e| self.failed("read", e))?;
            if part.is_empty() {
                break;
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    fn check_len(&self) -> Result<(), LogError> {
        let len = self.len()?;
        if len == self.bytes {
            return Ok(());
        }
        let what = format!("the object has {len} bytes, though it was made with {}", self.bytes);
        Err(LogError::corrupt(self.address().as_ref(), len.min(self.bytes), what))
    }

    /// Makes it, and reads it back.
    pub fn make(&self, bytes: Buffer) -> Result<(), LogError> {
        self.objects("write")?.put(&self.name, bytes).map_err(|e| self.failed("write", e))?;
        let checked = self.check_len().and_then(|()| self.read(|_| Ok(())));
        checked.map_err(|e| match e {
            LogError::Corrupt { offset, what, .. } => {
                let what = format!("what was written is not what is there, from byte {offset} on: {what}");
                LogError::Store { action: "write", address: self.address(), what }
            }
            other => other,
        })
    }

    /// Deletes it, if it is there.
    pub fn delete(&self) -> Result<(), LogError> {
        self.objects("delete")?.delete(&self.name).map_err(|e| self.failed("delete", e))
    }
}
