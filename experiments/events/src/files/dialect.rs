//! How the rows and cells of a CSV file are told apart.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use memchr::{memchr, memchr_iter, memchr2};

use super::FileError;
use super::options::Quote;
use super::rows::{Grammar, Next};

/// What separates cells and rows, and what encloses cells. A quote encloses a cell only where the cell begins with it; elsewhere it is a
/// character like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub quote: Option<u8>,
    /// Whether the user said that there are quotes, so that cells of several lines are taken as they come.
    pub is_quote_told: bool,
    /// A line feed, or, in files without one, the carriage return.
    pub line_end: u8,
}

/// Where a cell stands in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
    pub is_quoted: bool,
    /// It has quotes within, which are written twice.
    pub has_quotes: bool,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RowFault {
    /// Something stands between the quote that ends a cell and the next delimiter.
    BehindQuote,
    /// The quote at the start of a cell ends nowhere.
    OpenQuote,
}

/// Delimiters that are looked for, in the order of preference.
const DELIMITERS: [u8; 4] = *b",;\t|";

impl Dialect {
    /// From what the user says and what the file's start looks like.
    pub fn of(path: &Path, start: &[u8], delimiter: Option<u8>, quote: Quote, nothing_follows: bool) -> Self {
        let line_end = if memchr(b'\n', start).is_none() && memchr(b'\r', start).is_some() { b'\r' } else { b'\n' };
        let quote_byte = match quote {
            Quote::Auto => Some(b'"'),
            Quote::None => None,
            Quote::Is(byte) => Some(byte),
        };
        let dialect = |delimiter| Dialect { delimiter, quote: quote_byte, is_quote_told: matches!(quote, Quote::Is(_)), line_end };
        if let Some(delimiter) = delimiter {
            return dialect(delimiter);
        }
        let name = path.to_string_lossy().to_ascii_lowercase();
        let usual = if name.ends_with(".tsv") || name.contains(".tsv.") || name.ends_with(".tab") { b'\t' } else { b',' };
        let widths = |delimiter: u8| dialect(delimiter).widths(start, nothing_follows);
        let is_table = |widths: &[usize]| widths[0] > 1 && widths.iter().all(|w| *w == widths[0]);
        let mut candidates: Vec<(u8, Vec<usize>)> = vec![(usual, widths(usual))];
        candidates.extend(DELIMITERS.iter().filter(|d| **d != usual).map(|d| (*d, widths(*d))));
        candidates.retain(|(_, widths)| !widths.is_empty());
        // The usual one wherever it makes a table; else the one that makes the widest; else the one that divides the header.
        let best = |fits: &dyn Fn(&[usize]) -> bool| {
            let usual = candidates.first().filter(|(delimiter, widths)| *delimiter == usual && fits(widths));
            usual.or_else(|| candidates.iter().rev().filter(|(_, widths)| fits(widths)).max_by_key(|(_, widths)| widths[0])).map(|c| c.0)
        };
        dialect(best(&is_table).or_else(|| best(&|widths| widths[0] > 1)).unwrap_or(usual))
    }

    /// The numbers of cells in the first rows.
    fn widths(&self, start: &[u8], nothing_follows: bool) -> Vec<usize> {
        let mut grammar = CsvGrammar { dialect: *self, path: PathBuf::new(), has_one_column: false };
        let (mut at, mut widths, mut spans) = (0, Vec::new(), Vec::new());
        while widths.len() < 50 {
            match grammar.next(&start[at..], nothing_follows, 1) {
                Ok(Next::Row { row, end, .. }) => {
                    if !row.is_empty() {
                        // With another delimiter, what stands behind a quote is none.
                        let fits = self.cells(&start[at + row.start..at + row.end], &mut spans).is_ok();
                        widths.push(if fits { spans.len() } else { 0 });
                    }
                    at += end;
                }
                Ok(Next::More | Next::End) | Err(_) => break,
            }
        }
        widths
    }

    /// The cells of a row, which includes its line end.
    pub fn cells(&self, row: &[u8], spans: &mut Vec<Span>) -> Result<(), RowFault> {
        spans.clear();
        let row = without_line_end(row, self.line_end);
        // Most rows have no quote.
        if self.quote.is_none_or(|quote| memchr(quote, row).is_none()) {
            let mut start = 0;
            for end in memchr_iter(self.delimiter, row).chain([row.len()]) {
                spans.push(Span { start, end, is_quoted: false, has_quotes: false });
                start = end + 1;
            }
            return Ok(());
        }
        let mut at = 0;
        loop {
            if self.quote.is_some() && row.get(at) == self.quote.as_ref() {
                let quote = row[at];
                let (end, has_quotes) = end_of_quoted(row, at + 1, quote).ok_or(RowFault::OpenQuote)?;
                spans.push(Span { start: at + 1, end, is_quoted: true, has_quotes });
                at = end + 1;
                match row.get(at) {
                    None => return Ok(()),
                    Some(byte) if *byte == self.delimiter => at += 1,
                    Some(_) => return Err(RowFault::BehindQuote),
                }
                continue;
            }
            match memchr(self.delimiter, &row[at..]) {
                Some(length) => {
                    spans.push(Span { start: at, end: at + length, is_quoted: false, has_quotes: false });
                    at += length + 1;
                }
                None => {
                    spans.push(Span { start: at, end: row.len(), is_quoted: false, has_quotes: false });
                    return Ok(());
                }
            }
        }
    }

    /// The text of a cell.
    pub fn cell<'a>(&self, row: &'a [u8], span: Span) -> Result<Cow<'a, str>, std::str::Utf8Error> {
        Ok(self.unquoted(std::str::from_utf8(&row[span.start..span.end])?, span))
    }

    /// The same of a cell that is known to be a text.
    pub fn unquoted<'a>(&self, text: &'a str, span: Span) -> Cow<'a, str> {
        match self.quote {
            Some(quote) if span.has_quotes => {
                let quote = char::from(quote).to_string();
                Cow::Owned(text.replace(&quote.repeat(2), &quote))
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// Whether a row of several lines looks as if it were several rows, which a lone quote made one: each line has as many cells as the
    /// header. The cell of a long text seldom has.
    pub fn looks_like_rows(&self, row: &[u8], width: usize) -> bool {
        let row = without_line_end(row, self.line_end);
        let is_row = |line: &[u8]| memchr_iter(self.delimiter, line).count() + 1 == width;
        !self.is_quote_told && width > 1 && memchr(self.line_end, row).is_some() && row.split(|b| *b == self.line_end).all(is_row)
    }
}

/// Where a quoted cell ends that begins at `from`, and whether there are doubled quotes in it.
fn end_of_quoted(row: &[u8], from: usize, quote: u8) -> Option<(usize, bool)> {
    let (mut at, mut has_quotes) = (from, false);
    loop {
        let end = at + memchr(quote, row.get(at..)?)?;
        if row.get(end + 1) != Some(&quote) {
            return Some((end, has_quotes));
        }
        has_quotes = true;
        at = end + 2;
    }
}

fn without_line_end(row: &[u8], line_end: u8) -> &[u8] {
    let row = row.strip_suffix(&[line_end]).unwrap_or(row);
    if line_end == b'\n' { row.strip_suffix(b"\r").unwrap_or(row) } else { row }
}

/// Rows of a dialect.
pub(super) struct CsvGrammar {
    pub dialect: Dialect,
    pub path: PathBuf,
    /// In a file of one column an empty line is a row.
    pub has_one_column: bool,
}

impl Grammar for CsvGrammar {
    fn next(&mut self, text: &[u8], is_all: bool, line: u64) -> Result<Next, FileError> {
        let Dialect { delimiter, quote, line_end, .. } = self.dialect;
        if text.is_empty() {
            return Ok(if is_all { Next::End } else { Next::More });
        }
        let first = memchr(line_end, text);
        // Most rows have no quote, and are one line.
        let is_line = first.is_some_and(|end| quote.is_none_or(|quote| memchr(quote, &text[..end]).is_none()));
        let end = match quote {
            _ if is_line => first,
            None => first,
            Some(quote) => {
                let mut at = 0;
                loop {
                    if text.get(at) == Some(&quote) {
                        match end_of_quoted(text, at + 1, quote) {
                            // The last byte may be the first of two quotes.
                            Some((end, _)) if end + 1 < text.len() || is_all => at = end + 1,
                            _ if is_all => return Err(FileError::OpenQuote { path: self.path.clone(), line }),
                            _ => return Ok(Next::More),
                        }
                        // What stands behind the quote is told as the row's fault; it ends with its line.
                    }
                    match memchr2(delimiter, line_end, &text[at..]) {
                        Some(length) if text[at + length] == line_end => break Some(at + length),
                        Some(length) => at += length + 1,
                        None => break None,
                    }
                }
            }
        };
        let end = match end {
            Some(end) => end + 1,
            None if is_all => text.len(),
            None => return Ok(Next::More),
        };
        let is_blank = without_line_end(&text[..end], line_end).is_empty() && !self.has_one_column;
        let lines = if is_line { 1 } else { memchr_iter(line_end, &text[..end]).count() as u64 };
        Ok(Next::Row { row: if is_blank { 0..0 } else { 0..end }, end, lines, lines_before: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(start: &str) -> Dialect {
        Dialect::of(Path::new("a.csv"), start.as_bytes(), None, Quote::Auto, true)
    }

    #[test]
    fn delimiters_are_found() {
        for (start, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2\n", b';'),
            ("a\tb\n1,5\t2,5\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("a\n1\n", b','),
            ("a\nx;y\n", b','),
            ("a,b;c\n1,2;3\n", b','),
            ("a;b,c;d\n1;2;3\n4;5;6\n", b';'),
            ("\"a;x\",b\n1,2\n", b','),
            ("a,b\n1\n1,2\n", b','),
            ("\"a\";\"b\"\n1;\"x,y\"\n", b';'),
            ("", b','),
        ] {
            assert_eq!(of(start).delimiter as char, delimiter as char, "{start:?}");
        }
        assert_eq!(Dialect::of(Path::new("a.TSV"), b"a,x\tb\n1,2\t3\n", None, Quote::Auto, true).delimiter, b'\t');
        assert_eq!(of("a,b\r1,2\r").line_end, b'\r');
    }

    fn rows(text: &str, dialect: Dialect) -> Result<Vec<Vec<String>>, FileError> {
        let mut grammar = CsvGrammar { dialect, path: "a.csv".into(), has_one_column: false };
        let (mut at, mut rows, mut spans) = (0, Vec::new(), Vec::new());
        loop {
            match grammar.next(&text.as_bytes()[at..], true, 1)? {
                Next::Row { row, end, .. } => {
                    if !row.is_empty() {
                        let row = &text.as_bytes()[at + row.start..at + row.end];
                        match dialect.cells(row, &mut spans) {
                            Ok(()) => rows.push(spans.iter().map(|s| dialect.cell(row, *s).unwrap().into_owned()).collect()),
                            Err(fault) => rows.push(vec![format!("{fault:?}")]),
                        }
                    }
                    at += end;
                }
                Next::More | Next::End => return Ok(rows),
            }
        }
    }

    #[test]
    fn cells_are_told_apart() {
        let text = "a,\"b\"\"c\",\"d\ne,f\"\r\n\n3\",5\" pipe,\"\"\n\"x\" y,1\n,,";
        let wanted = [vec!["a", "b\"c", "d\ne,f"], vec!["3\"", "5\" pipe", ""], vec!["BehindQuote"], vec!["", "", ""]];
        assert_eq!(rows(text, of(text)).unwrap(), wanted);
        let plain = Dialect { quote: None, ..of(text) };
        assert_eq!(rows("\"a,b\n", plain).unwrap(), [vec!["\"a", "b"]]);
        let other = Dialect { quote: Some(b'\''), ..plain };
        assert_eq!(rows("'a,b',\"c\n", other).unwrap(), [vec!["a,b", "\"c"]]);
        assert!(matches!(rows("1,\"a\n2,b\n", of("x,y\n")), Err(FileError::OpenQuote { line: 1, .. })));
    }

    #[test]
    fn swallowed_rows_are_noticed() {
        let dialect = of("a,b,c\n");
        assert!(dialect.looks_like_rows(b"1,\"4,2\n2,5\",3\n", 3));
        assert!(!dialect.looks_like_rows(b"1,\"two\nlines\",3\n", 3));
        assert!(!dialect.looks_like_rows(b"1,\"4,2\",3\n", 3));
        assert!(!Dialect { is_quote_told: true, ..dialect }.looks_like_rows(b"1,\"4,2\n2,5\",3\n", 3));
    }

    proptest::proptest! {
        /// Against the csv crate, over what it writes.
        #[test]
        fn as_the_csv_crate(table in proptest::collection::vec(proptest::collection::vec("[ab,;\"\n\r|é]{0,4}", 3), 1..6)) {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Necessary).from_writer(Vec::new());
            table.iter().for_each(|row| writer.write_record(row).unwrap());
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let dialect = Dialect { delimiter: b',', quote: Some(b'"'), is_quote_told: true, line_end: b'\n' };
            proptest::prop_assert_eq!(rows(&text, dialect).unwrap(), table);
        }
    }
}
