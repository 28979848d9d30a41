//! The seam to object stores: where sealed segments are moved to. A folder (`file:///path`), or an S3 address (`s3://bucket/prefix`, with
//! the cargo feature `s3`).
//!
//! Calls block; that the libraries beneath are asynchronous does not show. A test can let any call fail or lie ([`FaultyStores`]), and
//! know which objects there were when ([`RecordingStores`]).

mod faulty;
mod real;
mod recording;
mod runtime;

use std::ops::Range;
use std::sync::Arc;

use arrow_buffer::Buffer;

pub use faulty::{FaultyStores, ObjectFault};
pub use real::{RealStores, canonical_address, check_store_address};
pub use recording::RecordingStores;

/// Why a call to an object store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The store is there, and has no such object.
    #[error("there is no such object")]
    Missing,
    /// The store cannot be reached, refuses, or failed.
    #[error("{0}")]
    Failed(String),
}

/// The objects below one address. Names are relative to it, with `/` between their parts.
pub trait Objects: Send + Sync {
    /// Makes an object, whole or not at all; it is durable when this returns. One of that name is replaced.
    fn put(&self, name: &str, bytes: Buffer) -> Result<(), ObjectError>;
    /// A part of an object, which is shorter where the object ends before.
    fn get(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError>;
    /// An object's length in bytes.
    fn len(&self, name: &str) -> Result<u64, ObjectError>;
    /// Deletes an object. That it is gone already is no error.
    fn delete(&self, name: &str) -> Result<(), ObjectError>;
}

/// Opens stores by their addresses.
pub trait ObjectStores: Send + Sync {
    fn open(&self, address: &str) -> Result<Arc<dyn Objects>, ObjectError>;
}
