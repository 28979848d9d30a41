//! The operating system's files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{AppendFile, Storage};

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsStorage;

/// The file's cursor stands at its end. (Linux knows files that append by themselves, but does not write anywhere else in those.)
struct OsFile(File);

/// How many slices one writev takes (POSIX guarantees 16, Linux takes 1024).
const SLICES_MAX: usize = 1024;

impl AppendFile for OsFile {
    fn append(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        for chunk in parts.chunks(SLICES_MAX) {
            let mut left: Vec<IoSlice<'_>> = chunk.to_vec();
            let mut left = left.as_mut_slice();
            while left.iter().any(|s| !s.is_empty()) {
                match (&self.0).write_vectored(left) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => IoSlice::advance_slices(&mut left, written),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.0.write_all_at(&vec![0; bytes as usize], self.len()?)
    }

    fn start_writing(&self) {
        // From 0 for no length: all of the file. Where the file system cannot do this, the sync has more to do.
        // SAFETY: the descriptor is open for as long as the file is, and no memory is passed.
        unsafe { libc::sync_file_range(self.0.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)?;
        (&self.0).seek(SeekFrom::Start(len)).map(drop)
    }

    fn len(&self) -> io::Result<u64> {
        (&self.0).stream_position()
    }
}

impl Storage for OsStorage {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        Ok(Arc::new(OsFile(OpenOptions::new().write(true).create_new(true).open(path)?)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn AppendFile>> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Arc::new(OsFile(file)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write_again(&self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = vec![0; (to - from) as usize];
        file.read_exact_at(&mut bytes, from)?;
        file.write_all_at(&bytes, from)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}
