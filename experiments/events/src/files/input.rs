//! Where a file's bytes come from: each is opened once, and read from its start as often as need be.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use parquet::file::reader::{ChunkReader, Length};
use twopath_base::checksum::Crc32c;

use super::FileError;

/// The bytes of a file, of a pipe, or of what a compressed one holds. A pipe and a compressed file are written to a temporary file first, as
/// they can be read only once.
#[derive(Debug, Clone)]
pub struct Input {
    name: PathBuf,
    file: Arc<File>,
    bytes: u64,
    /// Where it stands, if it is a file that stands somewhere.
    path: Option<PathBuf>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let io = |e| FileError::io(path, e);
        let is_stdin = path == Path::new("-");
        let (mut start, mut source): (Vec<u8>, Box<dyn Read>) = (Vec::new(), Box::new(io::stdin()));
        let mut regular = None;
        if !is_stdin {
            let file = File::open(path).map_err(io)?;
            let metadata = file.metadata().map_err(io)?;
            if metadata.is_dir() {
                return Err(FileError::Folder { path: path.to_owned() });
            }
            if metadata.is_file() {
                regular = Some((file.try_clone().map_err(io)?, metadata.len()));
            }
            source = Box::new(file);
        }
        source.by_ref().take(6).read_to_end(&mut start).map_err(io)?;
        let compression = Compression::of(&start);
        let placed = regular.is_some().then(|| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let (file, bytes) = match (compression, regular) {
            (None, Some(file)) => file,
            (compression, _) => {
                let all = io::Cursor::new(start).chain(source);
                let spooled = match compression {
                    None => spool(all),
                    Some(Compression::Gzip) => spool(Members(Some(GzDecoder::new(BufReader::with_capacity(1 << 16, all))))),
                    Some(Compression::Zstd) => zstd::stream::read::Decoder::new(all).and_then(spool),
                };
                spooled.map_err(|source| match compression {
                    Some(how) if source.raw_os_error().is_none() => {
                        FileError::Malformed { path: path.to_owned(), format: how.name(), reason: source.to_string() }
                    }
                    _ => FileError::Spool { path: path.to_owned(), folder: std::env::temp_dir(), source },
                })?
            }
        };
        let name = if is_stdin { PathBuf::from("standard input") } else { path.to_owned() };
        Ok(Input { name, file: Arc::new(file), bytes, path: placed })
    }

    /// As the user named it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Where the file stands; none for a pipe.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How many bytes there were when it was opened; what is written to it later is not read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads from byte `from` to byte `to`.
    pub(super) fn range(&self, from: u64, to: u64) -> FileRange {
        FileRange { file: self.file.clone(), at: from, end: to.min(self.bytes) }
    }

    /// The first bytes.
    pub(super) fn start(&self, count: usize) -> Result<Vec<u8>, FileError> {
        let mut start = Vec::new();
        self.range(0, count as u64).read_to_end(&mut start).map_err(|e| FileError::io(&self.name, e))?;
        Ok(start)
    }

    /// What tells the content of the first so many bytes from any other's, for each of `lengths`, which ascend.
    pub fn fingerprints(&self, lengths: &[u64]) -> Result<Vec<String>, FileError> {
        let mut reader = self.range(0, self.bytes);
        let mut fingerprint = Fingerprint { crc: Crc32c::new(), mixed: 0, rest: Vec::new() };
        let mut buffer = vec![0; 1 << 18];
        let mut prints = Vec::new();
        let mut at = 0;
        for length in lengths {
            while at < *length {
                let wanted = buffer.len().min((*length - at) as usize);
                let read = reader.read(&mut buffer[..wanted]).map_err(|e| FileError::io(&self.name, e))?;
                if read == 0 {
                    break;
                }
                fingerprint.update(&buffer[..read]);
                at += read as u64;
            }
            prints.push(fingerprint.text());
        }
        Ok(prints)
    }

    /// How many line feeds stand before a byte.
    pub fn line_ends(&self, before: u64) -> Result<u64, FileError> {
        let mut reader = self.range(0, before);
        let mut buffer = vec![0; 1 << 18];
        let mut count = 0;
        loop {
            match reader.read(&mut buffer).map_err(|e| FileError::io(&self.name, e))? {
                0 => return Ok(count),
                read => count += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64,
            }
        }
    }

    /// The byte before, and the byte at a place: none outside of the file.
    pub fn around(&self, at: u64) -> Result<(Option<u8>, Option<u8>), FileError> {
        let byte = |at: Option<u64>| -> Result<Option<u8>, FileError> {
            let Some(at) = at.filter(|at| *at < self.bytes) else { return Ok(None) };
            let mut one = [0];
            self.file.read_exact_at(&mut one, at).map_err(|e| FileError::io(&self.name, e))?;
            Ok(Some(one[0]))
        };
        Ok((byte(at.checked_sub(1))?, byte(Some(at))?))
    }
}

#[derive(Debug, Clone, Copy)]
enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// By the bytes that such a file begins with, whatever it is called.
    fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// What the members of a gzip file hold, one after the other. Zeros behind the last one pad the file, as tapes and block devices do; anything else there is an error.
struct Members<R: BufRead>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.0.take().map(GzDecoder::into_inner) else { break };
            skip_zeros(&mut rest)?;
            match rest.fill_buf()? {
                [] => break,
                [0x1f, ..] => self.0 = Some(GzDecoder::new(rest)),
                _ => {
                    let what = "bytes stand behind its end that are no gzip file; cut them off, or take what is whole with `gzip -dc FILE`";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
            }
        }
        Ok(0)
    }
}

fn skip_zeros(source: &mut impl BufRead) -> io::Result<()> {
    loop {
        let ahead = source.fill_buf()?;
        let zeros = ahead.iter().take_while(|b| **b == 0).count();
        let is_end = zeros < ahead.len() || ahead.is_empty();
        source.consume(zeros);
        if is_end {
            return Ok(());
        }
    }
}

/// How many bytes of a text's start are byte-order marks: programs that add one do so also where there is one.
pub(super) fn mark(text: &[u8]) -> usize {
    text.chunks(3).take_while(|bytes| *bytes == b"\xef\xbb\xbf").count() * 3
}

/// Writes all of it to a temporary file that has no name.
fn spool(mut source: impl Read) -> io::Result<(File, u64)> {
    let mut file = tempfile::tempfile()?;
    let bytes = io::copy(&mut source, &mut file)?;
    file.flush()?;
    Ok((file, bytes))
}

/// A part of a file.
#[derive(Debug, Clone)]
pub struct FileRange {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for FileRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min((self.end.saturating_sub(self.at)) as usize);
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if read == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for FileRange {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => i128::from(at),
            SeekFrom::End(by) => i128::from(self.end) + i128::from(by),
            SeekFrom::Current(by) => i128::from(self.at) + i128::from(by),
        };
        self.at = u64::try_from(at).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "before the start"))?;
        Ok(self.at)
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Input {
    type T = BufReader<FileRange>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(self.range(start, self.bytes)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.range(start, self.bytes).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A checksum, and a second one that is made otherwise: two files of one length that agree in both are the same.
struct Fingerprint {
    crc: Crc32c,
    mixed: u64,
    /// What does not fill a word yet.
    rest: Vec<u8>,
}

impl Fingerprint {
    fn update(&mut self, mut part: &[u8]) {
        self.crc.update(part);
        if !self.rest.is_empty() {
            let (fill, behind) = part.split_at(part.len().min(8 - self.rest.len()));
            self.rest.extend_from_slice(fill);
            part = behind;
            if self.rest.len() < 8 {
                return;
            }
            self.mixed = self.rest.chunks_exact(8).fold(self.mixed, mix);
            self.rest.clear();
        }
        let words = part.chunks_exact(8);
        self.rest.extend_from_slice(words.remainder());
        self.mixed = words.fold(self.mixed, mix);
    }

    fn text(&self) -> String {
        let mut last = self.rest.clone();
        last.resize(8, 0);
        format!("{:08x}{:016x}", self.crc.value(), mix(self.mixed, &last))
    }
}

fn mix(mixed: u64, word: &[u8]) -> u64 {
    let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
    let product = (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str, content: &[u8]) -> Input {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Input::open(&path).unwrap()
    }

    fn content(input: &Input) -> Vec<u8> {
        let mut all = Vec::new();
        input.range(0, u64::MAX).read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn what_is_compressed_is_read_as_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..100_000_u32).flat_map(|i| format!("{i}\n").into_bytes()).collect();
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let plain = file(&folder, "a", &text);
        let zipped = file(&folder, "b", &gzip(&text));
        // Two members, as of files that were put one behind the other.
        let two = file(&folder, "c", &[gzip(&text[..10]), gzip(&text[10..])].concat());
        let zstd = file(&folder, "d", &zstd::encode_all(&*text, 0).unwrap());
        let padded = file(&folder, "f", &[gzip(&text), vec![0; 100_000]].concat());
        for input in [&plain, &zipped, &two, &padded, &zstd] {
            assert_eq!((input.bytes(), content(input) == text), (text.len() as u64, true));
            assert_eq!(input.fingerprints(&[7, 50_000, input.bytes()]).unwrap(), plain.fingerprints(&[7, 50_000, plain.bytes()]).unwrap());
        }
        let cut = folder.path().join("e");
        std::fs::write(&cut, &gzip(&text)[..1000]).unwrap();
        assert!(Input::open(&cut).unwrap_err().to_string().contains("gzip"));
        std::fs::write(&cut, [gzip(&text), b"more".to_vec()].concat()).unwrap();
        assert!(Input::open(&cut).unwrap_err().to_string().contains("behind its end"));
    }

    #[test]
    fn fingerprints_are_of_prefixes() {
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect();
        let whole = file(&folder, "a", &text);
        for length in [0, 1, 7, 8, 9, 262_144, 262_145, 299_999] {
            let part = file(&folder, "b", &text[..length]);
            let both = whole.fingerprints(&[length as u64, text.len() as u64]).unwrap();
            assert_eq!(both[0], part.fingerprints(&[length as u64]).unwrap()[0]);
            assert_eq!(both[1], whole.fingerprints(&[text.len() as u64]).unwrap()[0]);
            assert_ne!(both[0], both[1]);
        }
    }

    #[test]
    fn what_is_written_later_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let input = file(&folder, "a", b"one\n");
        std::fs::OpenOptions::new().append(true).open(folder.path().join("a")).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(content(&input), b"one\n");
        assert_eq!(input.around(3).unwrap(), (Some(b'e'), Some(b'\n')));
        assert_eq!(input.around(4).unwrap(), (Some(b'\n'), None));
    }
}
