//! A text file, cut into rows and handed to several threads in blocks, whose results come back in the file's order.

use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};

use twopath_base::sync::lock;

use super::input::{FileRange, Input};
use super::{CHUNK_ROWS, Chunk, FileError};

/// A block takes no more rows once it has this many bytes. Its columns then take at most about [`super::CHUNK_BYTES`]: a cell of one
/// character and its comma become eight bytes at most.
const BLOCK_BYTES: usize = 8 << 20;
/// A row longer than this is none: a quote or a bracket was not closed.
pub(super) const ROW_BYTES_MAX: usize = 64 << 20;
const READ_BYTES: usize = 1 << 20;

/// Rows of a file, as text.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub text: Vec<u8>,
    /// Of each row: its line, from 1, and where it stands in the text.
    pub rows: Vec<(u64, std::ops::Range<usize>)>,
}

/// Where the next row ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A row within the text, which ends there, with so many line ends up to it. An empty range is no row.
    Row { row: std::ops::Range<usize>, end: usize, lines: u64, lines_before: u64 },
    /// More text is needed to tell.
    More,
    /// There are no more rows, and nothing behind them matters.
    End,
}

/// How rows stand in a text.
pub(super) trait Grammar: Send {
    /// Looks for one row at the start of `text`, which goes on unless `is_all`; `line` is the line at its start.
    fn next(&mut self, text: &[u8], is_all: bool, line: u64) -> Result<Next, FileError>;
}

/// The rows of a part of a file, block by block.
pub(super) struct Rows<G> {
    name: PathBuf,
    reader: FileRange,
    grammar: G,
    text: Vec<u8>,
    line: u64,
    is_all: bool,
    is_over: bool,
    bytes_read: u64,
}

impl<G: Grammar> Rows<G> {
    /// From a byte on, which stands in line `line`, up to another.
    pub fn new(input: &Input, from: u64, to: u64, line: u64, grammar: G) -> Self {
        let reader = input.range(from, to);
        Rows { name: input.name().to_owned(), reader, grammar, text: Vec::new(), line, is_all: false, is_over: false, bytes_read: from }
    }

    /// At most `rows_max` rows; none at the end.
    pub fn block(&mut self, rows_max: usize) -> Result<Option<Block>, FileError> {
        let mut rows = Vec::new();
        let mut at = 0;
        while rows.len() < rows_max && at < BLOCK_BYTES && !self.is_over {
            match self.grammar.next(&self.text[at..], self.is_all, self.line)? {
                Next::Row { row, end, lines, lines_before } => {
                    if !row.is_empty() {
                        rows.push((self.line + lines_before, at + row.start..at + row.end));
                    }
                    at += end;
                    self.line += lines;
                }
                Next::More if self.text.len() - at > ROW_BYTES_MAX => {
                    return Err(FileError::EndlessRow { path: self.name.clone(), line: self.line });
                }
                Next::More => self.read()?,
                Next::End => self.is_over = true,
            }
        }
        let rest = self.text.split_off(at);
        let text = std::mem::replace(&mut self.text, rest);
        self.bytes_read += at as u64;
        Ok((!rows.is_empty()).then_some(Block { text, rows }))
    }

    fn read(&mut self) -> Result<(), FileError> {
        let before = self.text.len();
        self.text.resize(before + READ_BYTES.max(before / 2), 0);
        let read = self.reader.read(&mut self.text[before..]).map_err(|e| FileError::io(&self.name, e))?;
        self.text.truncate(before + read);
        self.is_all = read == 0;
        Ok(())
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The line that follows the rows given so far.
    pub fn line(&self) -> u64 {
        self.line
    }
}

/// What makes a chunk of a block.
pub(super) type Parse = dyn Fn(&Block) -> Result<Chunk, FileError> + Send + Sync;

type Parsed = Receiver<Result<Chunk, FileError>>;
type Work = (Block, Sender<Result<Chunk, FileError>>);

/// Chunks of rows that several threads read.
pub(super) struct Chunks<G> {
    rows: Rows<G>,
    parse: Arc<Parse>,
    threads: Option<std::sync::mpsc::SyncSender<Work>>,
    under_way: VecDeque<Parsed>,
    is_over: bool,
}

impl<G: Grammar> Chunks<G> {
    pub fn new(rows: Rows<G>, parse: Arc<Parse>) -> Self {
        Chunks { rows, parse, threads: None, under_way: VecDeque::new(), is_over: false }
    }

    pub fn rows(&self) -> &Rows<G> {
        &self.rows
    }

    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        while !self.is_over && self.under_way.len() < 2 * threads {
            let Some(block) = self.rows.block(CHUNK_ROWS)? else {
                self.is_over = true;
                break;
            };
            // A small file is not worth a thread.
            if self.under_way.is_empty() && (self.rows.is_over || threads == 1) {
                self.is_over = threads > 1;
                return (self.parse)(&block).map(Some);
            }
            let pool = self.threads.get_or_insert_with(|| start(threads, &self.parse));
            let (sender, receiver) = channel();
            self.under_way.push_back(receiver);
            pool.send((block, sender)).expect("the threads wait for work");
        }
        match self.under_way.pop_front() {
            None => Ok(None),
            Some(parsed) => parsed.recv().expect("a thread that takes work answers").map(Some),
        }
    }
}

/// Threads that parse until nobody has work for them.
fn start(threads: usize, parse: &Arc<Parse>) -> std::sync::mpsc::SyncSender<Work> {
    let (sender, receiver) = sync_channel::<Work>(2 * threads);
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..threads {
        let (receiver, parse) = (receiver.clone(), parse.clone());
        std::thread::spawn(move || {
            loop {
                let work = lock(&receiver).recv();
                let Ok((block, answer)) = work else { return };
                // Who asked may have gone.
                let _ = answer.send(parse(&block));
            }
        });
    }
    sender
}
