//! The inverted index: tantivy's, in memory, with the bytes counted that it writes.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::collector::DocSetCollector;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{AntiCallToken, Directory, FileHandle, RamDirectory, TerminatingWrite, WatchCallback, WatchHandle, WritePtr};
use tantivy::merge_policy::LogMergePolicy;
use tantivy::query::{AllQuery, Query, TermQuery};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term};

use super::documents::Change;
use super::truth::Found;
use crate::scenarios::ScenarioError;

/// For what was not committed yet: the least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;

/// Segments with fewer documents than this are of one layer, and merged with each other. By its default of 10,000 tantivy would write all of an
/// index as small as ours anew with every eighth commit.
const LAYER_DOCUMENTS: u32 = 100;

/// An index that changes, of documents with the offset of the change that made them.
pub(super) struct Inverted {
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
    /// Documents put in so far.
    pub(super) indexed: u64,
}

#[derive(Clone, Copy)]
struct Fields {
    id: Field,
    version: Field,
    body: Field,
}

/// An index as it was when it was published: exactly the changes below a position.
#[derive(Clone)]
pub(super) struct Snapshot {
    searcher: Searcher,
    body: Field,
    pub(super) position: u64,
}

impl Inverted {
    /// An empty one. The bytes that it writes, merges of segments included, are added to `written`.
    pub(super) fn new(written: Arc<AtomicU64>) -> Result<Inverted, ScenarioError> {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default().set_tokenizer("whitespace").set_index_option(IndexRecordOption::Basic);
        let fields = Fields {
            id: schema.add_u64_field("id", INDEXED | FAST),
            version: schema.add_u64_field("version", FAST),
            body: schema.add_text_field("body", TextOptions::default().set_indexing_options(words)),
        };
        let directory = Counting { inner: RamDirectory::create(), written };
        let index = Index::create(directory, schema.build(), IndexSettings::default()).map_err(failed)?;
        let writer = index.writer_with_num_threads(1, WRITER_BYTES).map_err(failed)?;
        let mut policy = LogMergePolicy::default();
        policy.set_min_layer_size(LAYER_DOCUMENTS);
        writer.set_merge_policy(Box::new(policy));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        Ok(Inverted { fields, writer, reader, indexed: 0 })
    }

    /// Applies one change. What was there under its id goes.
    pub(super) fn apply(&mut self, offset: u64, change: &Change) -> Result<(), ScenarioError> {
        self.writer.delete_term(Term::from_field_u64(self.fields.id, change.id));
        change.body.as_ref().map_or(Ok(()), |body| self.add(Found { id: change.id, version: offset }, body))
    }

    /// Puts in a document that is not there yet.
    pub(super) fn add(&mut self, found: Found, body: &str) -> Result<(), ScenarioError> {
        let mut document = TantivyDocument::default();
        document.add_u64(self.fields.id, found.id);
        document.add_u64(self.fields.version, found.version);
        document.add_text(self.fields.body, body);
        self.writer.add_document(document).map_err(failed)?;
        self.indexed += 1;
        Ok(())
    }

    /// Makes everything so far searchable; it is what the changes below `position` come to.
    pub(super) fn publish(&mut self, position: u64) -> Result<Snapshot, ScenarioError> {
        self.writer.commit().map_err(failed)?;
        self.reader.reload().map_err(failed)?;
        Ok(Snapshot { searcher: self.reader.searcher(), body: self.fields.body, position })
    }

    /// Waits for what is still being merged, so that its work is done when this returns.
    pub(super) fn close(self) -> Result<(), ScenarioError> {
        self.writer.wait_merging_threads().map_err(failed)
    }
}

impl Snapshot {
    /// The documents in which a word stands, by id.
    pub(super) fn search(&self, term: &str) -> Result<Vec<Found>, ScenarioError> {
        self.found(&TermQuery::new(Term::from_field_text(self.body, term), IndexRecordOption::Basic))
    }

    /// All of them.
    pub(super) fn documents(&self) -> Result<Vec<Found>, ScenarioError> {
        self.found(&AllQuery)
    }

    fn found(&self, query: &dyn Query) -> Result<Vec<Found>, ScenarioError> {
        let columns = |segment: &tantivy::SegmentReader| Ok((segment.fast_fields().u64("id")?, segment.fast_fields().u64("version")?));
        let columns: Vec<_> = self.searcher.segment_readers().iter().map(columns).collect::<tantivy::Result<_>>().map_err(failed)?;
        let addresses = self.searcher.search(query, &DocSetCollector).map_err(failed)?;
        let mut found = vec![];
        for address in addresses {
            let (ids, versions) = &columns[address.segment_ord as usize];
            let (id, version) = (ids.first(address.doc_id), versions.first(address.doc_id));
            let (Some(id), Some(version)) = (id, version) else {
                return Err(ScenarioError::Index("a document without an id; this is a bug".into()));
            };
            found.push(Found { id, version });
        }
        found.sort_unstable();
        Ok(found)
    }
}

fn failed(error: tantivy::TantivyError) -> ScenarioError {
    ScenarioError::Index(error.to_string())
}

/// A directory in memory that counts the bytes that are written to it.
#[derive(Debug, Clone)]
struct Counting {
    inner: RamDirectory,
    written: Arc<AtomicU64>,
}

impl Directory for Counting {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let inner = self.inner.open_write(path)?;
        Ok(BufWriter::new(Box::new(CountingFile { inner, written: self.written.clone() })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.inner.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.inner.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}

struct CountingFile {
    inner: WritePtr,
    written: Arc<AtomicU64>,
}

impl Write for CountingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.written.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl TerminatingWrite for CountingFile {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        self.inner.terminate_ref(token)
    }
}
