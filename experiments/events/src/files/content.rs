//! What a file is, by what it begins with.

use super::input::{Input, mark};
use super::{FileError, FileFormat};

/// The format of a file: as the user says, else what its content shows beyond doubt, else what its name says, else what its first line looks like.
pub(super) fn format(input: &Input, told: Option<FileFormat>) -> Result<FileFormat, FileError> {
    let start = input.start(1 << 12)?;
    if let Some((what, advice)) = foreign(&start) {
        return Err(FileError::Foreign { path: input.name().to_owned(), what, advice });
    }
    if let Some(told) = told {
        return Ok(told);
    }
    let named = FileFormat::of_name(input.name());
    match (shown(&start), named) {
        (Some(shown), _) => Ok(shown),
        (None, Some(named)) => Ok(named),
        (None, None) if start.is_empty() => {
            let path = input.name().to_owned();
            Err(FileError::Foreign { path, what: "empty", advice: "give a file that has rows" })
        }
        (None, None) => guessed(&start).ok_or_else(|| FileError::UnknownFormat { path: input.name().to_owned() }),
    }
}

fn shown(start: &[u8]) -> Option<FileFormat> {
    match start {
        [b'P', b'A', b'R', b'1', ..] => Some(FileFormat::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(FileFormat::Arrow),
        _ => None,
    }
}

/// Text whose name says nothing, as of a pipe: an object or an array, or a line that a delimiter divides.
fn guessed(start: &[u8]) -> Option<FileFormat> {
    let text = start[mark(start)..].trim_ascii_start();
    let line = text.split(|b| *b == b'\n').next().filter(|line| !line.is_empty())?;
    match line[0] {
        b'{' | b'[' => Some(FileFormat::Jsonl),
        0xff => Some(FileFormat::Arrow),
        _ => (!line.contains(&0) && line.iter().any(|b| b",;\t|".contains(b))).then_some(FileFormat::Csv),
    }
}

/// Text of which each other byte is zero, as Latin letters are in UTF-16: what to do about it.
fn utf_16_without_mark(start: &[u8]) -> Option<&'static str> {
    let pairs = start[..start.len().min(64)].chunks_exact(2);
    let all = |is_text: usize, is_zero: usize| pairs.len() >= 4 && pairs.clone().all(|pair| pair[is_text] != 0 && pair[is_zero] == 0);
    if all(0, 1) {
        Some("convert it with `iconv -f UTF-16LE -t UTF-8`")
    } else {
        all(1, 0).then_some("convert it with `iconv -f UTF-16BE -t UTF-8`")
    }
}

/// What people take for a file of events and is none, with what to do about it.
fn foreign(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let starts = |magic: &[u8]| start.starts_with(magic);
    let text = start.get(..start.len().min(200)).map(|s| String::from_utf8_lossy(s).trim_start().to_lowercase()).unwrap_or_default();
    if starts(b"PK\x03\x04") {
        Some((
            "a zip archive or an Excel workbook",
            "save the sheet as CSV, or pipe the file in with `unzip -p FILE | twopath log import ... --from -`",
        ))
    } else if starts(b"\xd0\xcf\x11\xe0") {
        Some(("an old Excel workbook", "save the sheet as CSV"))
    } else if starts(b"\xff\xfe") || starts(b"\xfe\xff") {
        Some(("text in UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"))
    } else if let Some(order) = utf_16_without_mark(start) {
        Some(("text in UTF-16", order))
    } else if starts(b"BZh") && start.get(4..7) == Some(b"1AY") {
        Some(("compressed with bzip2", "pipe it in with `bzcat FILE | twopath log import ... --from -`"))
    } else if starts(b"\xfd7zXZ\0") {
        Some(("compressed with xz", "pipe it in with `xzcat FILE | twopath log import ... --from -`"))
    } else if starts(b"\x04\x22\x4d\x18") {
        Some(("compressed with lz4", "pipe it in with `lz4cat FILE | twopath log import ... --from -`"))
    } else if starts(b"SQLite format 3\0") {
        Some(("an SQLite database", "write the table as CSV with `sqlite3 -header -csv FILE 'SELECT * FROM ...'`"))
    } else if starts(b"Obj\x01") {
        Some(("an Avro file", "convert it to Parquet or JSON Lines"))
    } else if starts(b"ORC") && !start.contains(&b',') {
        Some(("an ORC file", "convert it to Parquet"))
    } else if starts(b"FEA1") {
        Some((
            "a Feather file of version 1",
            "write it anew as version 2, which is Arrow's format: pyarrow.feather.write_feather(table, FILE)",
        ))
    } else if starts(b"%PDF-") {
        Some(("a PDF document", "save its tables as CSV"))
    } else if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml") {
        Some(("a web page or an XML document", "look whether the download is an error message"))
    } else if text.starts_with("version https://git-lfs") {
        Some(("a pointer of Git LFS and not the file itself", "fetch it with `git lfs pull`"))
    } else {
        None
    }
}
