//! Stores that there are: folders, and S3.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_buffer::Buffer;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};

use super::runtime::wait_for;
use super::{ObjectError, ObjectStores, Objects};

const FILE: &str = "file://";
const S3: &str = "s3://";
/// An object larger than this is sent in parts.
const PART_BYTES: u64 = 16 << 20;
/// S3 takes 10,000 of them.
const PARTS_MAX: u64 = 9_000;

/// Folders and, with the cargo feature `s3`, S3, whose keys and endpoint come from the usual `AWS_*` variables of the environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealStores;

/// That a text is a store's address, without looking for the store.
pub fn check_store_address(text: &str) -> Result<(), ObjectError> {
    let wrong = |what: &str| Err(ObjectError::Failed(what.into()));
    if let Some(rest) = text.strip_prefix(S3) {
        return if rest.split('/').next().is_some_and(|b| !b.is_empty()) {
            Ok(())
        } else {
            wrong("it names no bucket: write s3://BUCKET/PREFIX")
        };
    }
    match text.strip_prefix(FILE) {
        None if text.contains("://") => wrong("this kind of store is not known: write a folder, file:///FOLDER or s3://BUCKET/PREFIX"),
        path if path.unwrap_or(text).is_empty() => wrong("it names no folder: write a folder, file:///FOLDER or s3://BUCKET/PREFIX"),
        _ => Ok(()),
    }
}

/// The address as it is kept: `file:///a/b` of a folder (which may be given as a path, and is made where it is missing), `s3://bucket/prefix`.
pub fn canonical_address(text: &str) -> Result<String, ObjectError> {
    check_store_address(text)?;
    if let Some(rest) = text.strip_prefix(S3) {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        return Ok(if prefix.is_empty() { format!("{S3}{bucket}") } else { format!("{S3}{bucket}/{prefix}") });
    }
    let path = Path::new(text.strip_prefix(FILE).unwrap_or(text));
    let made = fs::create_dir_all(path).and_then(|()| path.canonicalize());
    let path = made.map_err(|e| ObjectError::Failed(format!("the folder cannot be made: {e}")))?;
    let path = path.to_str().ok_or_else(|| ObjectError::Failed("its name is not Unicode: choose another folder".into()))?;
    Ok(format!("{FILE}{path}"))
}

impl ObjectStores for RealStores {
    fn open(&self, address: &str) -> Result<Arc<dyn Objects>, ObjectError> {
        if let Some(folder) = address.strip_prefix(FILE) {
            // An unmounted disk is not to be taken for an empty store.
            let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| failed(&e))?.with_fsync(true);
            return Ok(Arc::new(Store { store: Arc::new(store), prefix: Name::default(), folder: Some(folder.into()) }));
        }
        let Some(rest) = address.strip_prefix(S3) else {
            return Err(ObjectError::Failed("this kind of store is not known".into()));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Arc::new(Store { store: s3(bucket)?, prefix: Name::from(prefix), folder: None }))
    }
}

#[cfg(feature = "s3")]
fn s3(bucket: &str) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    use object_store::RetryConfig;
    use object_store::aws::AmazonS3Builder;
    use std::time::Duration;
    // A store that is gone is said to be so within a minute or so. (`AWS_TIMEOUT` and `AWS_CONNECT_TIMEOUT` set what one request may take.)
    let retry = RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() };
    let store = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build().map_err(|e| failed(&e))?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "s3"))]
fn s3(_bucket: &str) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    Err(ObjectError::Failed(
        "this program was built without S3: build it with the cargo feature s3 (`cargo build --release -p twopath --features s3`)".into(),
    ))
}

struct Store {
    store: Arc<dyn ObjectStore>,
    prefix: Name,
    /// Of a store that is a folder.
    folder: Option<PathBuf>,
}

impl Store {
    fn name(&self, name: &str) -> Name {
        self.prefix.parts().chain(Name::from(name).parts()).collect()
    }
}

impl Objects for Store {
    fn put(&self, name: &str, bytes: Buffer) -> Result<(), ObjectError> {
        let (store, name) = (self.store.clone(), self.name(name));
        // Shares the bytes of the mapped segment.
        let bytes = Bytes::from_owner(bytes);
        wait_for(async move {
            let len = bytes.len() as u64;
            if len <= PART_BYTES {
                return store.put(&name, PutPayload::from(bytes)).await.map(drop).map_err(|e| failed(&e));
            }
            let part_bytes = PART_BYTES.max(len.div_ceil(PARTS_MAX)) as usize;
            let mut upload = store.put_multipart(&name).await.map_err(|e| failed(&e))?;
            for from in (0..bytes.len()).step_by(part_bytes) {
                let part = bytes.slice(from..bytes.len().min(from + part_bytes));
                if let Err(e) = upload.put_part(PutPayload::from(part)).await {
                    let _ = upload.abort().await;
                    return Err(failed(&e));
                }
            }
            upload.complete().await.map(drop).map_err(|e| failed(&e))
        })
    }

    fn get(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ObjectError> {
        let (store, name) = (self.store.clone(), self.name(name));
        wait_for(async move {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
            let found = store.get_opts(&name, options).await.map_err(|e| failed(&e))?;
            Ok(found.bytes().await.map_err(|e| failed(&e))?.into())
        })
    }

    fn len(&self, name: &str) -> Result<u64, ObjectError> {
        let (store, name) = (self.store.clone(), self.name(name));
        wait_for(async move { Ok(store.head(&name).await.map_err(|e| failed(&e))?.size) })
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        if let Some(folder) = &self.folder {
            remove_unfinished(&folder.join(name)).map_err(|e| ObjectError::Failed(e.to_string()))?;
        }
        let (store, name) = (self.store.clone(), self.name(name));
        match wait_for(async move { store.delete(&name).await.map_err(|e| failed(&e)) }) {
            Err(ObjectError::Missing) => Ok(()),
            other => other,
        }
    }
}

/// Removes what a process that died while it made this object in a folder left beside it: files named as it is, `#` and a number.
fn remove_unfinished(path: &Path) -> std::io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let unfinished =
            entry.file_name().to_string_lossy().strip_prefix(&*name.to_string_lossy()).is_some_and(|rest| rest.starts_with('#'));
        if unfinished {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn failed(error: &object_store::Error) -> ObjectError {
    if matches!(error, object_store::Error::NotFound { .. }) {
        return ObjectError::Missing;
    }
    // Its sources say what happened; its own words often repeat them.
    let mut what = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(e) = source {
        let more = e.to_string();
        if !what.contains(&more) {
            what = format!("{what}: {more}");
        }
        source = e.source();
    }
    ObjectError::Failed(what)
}
