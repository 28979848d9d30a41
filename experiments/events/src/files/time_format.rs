//! `--time-format`: times written as `strftime` would write them.

use std::fmt;
use std::str::FromStr;

use twopath_query::time::US_PER_SECOND;

use super::times::{NoTime, Scan, WEEKDAYS, clock, days, half_day, total};

/// A pattern such as `%d/%m/%Y %H:%M:%S`, with the letters of `strftime` and, as Python has it, `%f` for the digits of a fraction.
///
/// ```
/// use twopath_events::files::TimeFormat;
///
/// let format: TimeFormat = "%d/%m/%Y %H:%M".parse().unwrap();
/// assert_eq!(format.parse("01/05/2024 12:00"), Some(Some(1_714_564_800_000_000)));
/// assert_eq!(format.parse("2024-05-01"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat {
    text: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Byte(u8),
    Spaces,
    /// The letter after `%`.
    Field(u8),
}

/// What has been read of a time.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hours: i64,
    afternoon: Option<bool>,
    minutes: i64,
    seconds: i64,
    us: i64,
    east: i64,
    since_1970: Option<i64>,
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            if byte.is_ascii_whitespace() {
                if items.last() != Some(&Item::Spaces) {
                    items.push(Item::Spaces);
                }
                continue;
            }
            if byte != b'%' {
                items.push(Item::Byte(byte));
                continue;
            }
            // `%-d`, `%:z` and `%3f` are read as `%d`, `%z` and `%f` are.
            while bytes.next_if(|b| matches!(b, b'-' | b'_' | b':' | b'3' | b'6' | b'9')).is_some() {}
            let expanded: &[u8] = match bytes.next() {
                Some(b'F') => b"Y-m-d",
                Some(b'D') => b"m/d/y",
                Some(b'T') => b"H:M:S",
                Some(b'R') => b"H:M",
                Some(b'%') => {
                    items.push(Item::Byte(b'%'));
                    continue;
                }
                Some(b'n' | b't') => {
                    items.push(Item::Spaces);
                    continue;
                }
                Some(letter) if b"YymdejHIklMSfLpPbBhaAzZs".contains(&letter) => {
                    items.push(Item::Field(letter));
                    continue;
                }
                Some(letter) => return Err(format!("%{} is not known; use %Y %m %d %H %M %S %f %b %p %z %s and the like", letter as char)),
                None => return Err("it ends in %; write %% for that sign itself".into()),
            };
            items.extend(expanded.iter().map(|b| if b.is_ascii_alphabetic() { Item::Field(*b) } else { Item::Byte(*b) }));
        }
        let has = |letters: &[u8]| items.iter().any(|item| matches!(item, Item::Field(l) if letters.contains(l)));
        match has(b"s") || has(b"Yy") {
            true => Ok(TimeFormat { text: text.to_owned(), items }),
            false => Err("it names no year: write %Y (or %y), or %s for seconds since 1970".into()),
        }
    }
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TimeFormat {
    /// Microseconds since 1970, UTC where the text tells no offset; none where the text is written otherwise, and `Some(None)` where it is a
    /// time that does not fit 64 bits.
    pub fn parse(&self, text: &str) -> Option<Option<i64>> {
        let mut scan = Scan(text.trim().as_bytes());
        let mut fields = Fields::default();
        for item in &self.items {
            match *item {
                Item::Byte(byte) => scan.byte(byte)?,
                Item::Spaces => scan.spaces(),
                Item::Field(letter) => fields.read(letter, &mut scan).ok()?,
            }
        }
        if !scan.0.is_empty() {
            return None;
        }
        fields.instant()
    }
}

impl Fields {
    fn read(&mut self, letter: u8, scan: &mut Scan) -> Result<(), NoTime> {
        match letter {
            b'Y' => {
                let sign = if scan.byte(b'-').is_some() { -1 } else { 1 };
                // As many digits as there are would take those of a month that follows at once.
                self.year = Some(sign * scan.digits(scan.count_digits().min(4))?);
            }
            // As POSIX has it: 69 to 99 are of the last century.
            b'y' => self.year = Some(scan.digits(2).map(|y| if y < 69 { 2000 + y } else { 1900 + y })?),
            b'm' => self.month = Some(scan.up_to_two_digits()?),
            b'b' | b'B' | b'h' => self.month = Some(scan.month().ok_or(NoTime::Unknown)?),
            b'd' | b'e' => {
                scan.spaces();
                self.day = Some(scan.up_to_two_digits()?);
            }
            b'j' => self.day_of_year = Some(scan.digits(scan.count_digits().min(3))?),
            b'H' | b'I' | b'k' | b'l' => {
                scan.spaces();
                self.hours = scan.up_to_two_digits()?;
            }
            b'M' => self.minutes = scan.up_to_two_digits()?,
            b'S' => self.seconds = scan.up_to_two_digits()?,
            b'f' | b'L' => self.us = scan.microseconds()?,
            b'p' | b'P' => self.afternoon = Some(scan.half_of_day().ok_or(NoTime::Unknown)?),
            b'a' | b'A' => {
                scan.name(&WEEKDAYS).ok_or(NoTime::Unknown)?;
            }
            b'z' | b'Z' => self.east = scan.zone()?.ok_or(NoTime::Unknown)?,
            _ => {
                let sign = if scan.byte(b'-').is_some() { -1 } else { 1 };
                self.since_1970 = Some(sign * scan.digits(scan.count_digits())?);
            }
        }
        Ok(())
    }

    fn instant(self) -> Option<Option<i64>> {
        if let Some(seconds) = self.since_1970 {
            return Some(seconds.checked_mul(US_PER_SECOND).and_then(|us| us.checked_add(self.us)));
        }
        let year = self.year?;
        let days = match self.day_of_year {
            Some(of_year) => {
                let first = days(year, 1, 1).ok()?;
                let next = days(year + 1, 1, 1).ok()?;
                Some(first + of_year - 1).filter(|d| (first..next).contains(d))?
            }
            None => days(year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()?,
        };
        let hours = match self.afternoon {
            Some(afternoon) => half_day(self.hours, afternoon)?,
            None => self.hours,
        };
        let time_of_day = clock(hours, self.minutes, self.seconds, self.us)?;
        Some(total(days, time_of_day, self.east))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twopath_query::time::parse_timestamp;

    #[test]
    fn times_are_read_as_told() {
        for (format, text, wanted) in [
            ("%d/%m/%Y", "05/01/2024", "2024-01-05"),
            ("%m/%d/%Y", "05/01/2024", "2024-05-01"),
            ("%m/%d/%Y %I:%M:%S %p", "5/1/2024 1:02:03 pm", "2024-05-01 13:02:03"),
            ("%Y%m%d", "20240501", "2024-05-01"),
            ("%Y%m%d%H%M%S", "20240501120000", "2024-05-01 12:00"),
            ("%d.%m.%y %H:%M", "01.05.24 12:00", "2024-05-01 12:00"),
            ("%d-%b-%y", "01-MAY-99", "1999-05-01"),
            ("%Y-%m-%dT%H:%M:%S.%f%z", "2024-05-01T12:00:00.1234567+02:00", "2024-05-01 10:00:00.123456"),
            ("%Y-%j", "2024-122", "2024-05-01"),
            ("%Y", "1952", "1952-01-01"),
            ("%b %Y", "May 2024", "2024-05-01"),
            ("%A, %d %B %Y", "Wednesday, 01 May 2024", "2024-05-01"),
            ("%s", "1714564800", "2024-05-01 12:00"),
            ("%s.%f", "1714564800.25", "2024-05-01 12:00:00.25"),
            ("%F %T", "2024-05-01 24:00:00", "2024-05-02"),
            ("%H%% %D", "12% 05/01/24", "2024-05-01 12:00"),
        ] {
            let read = format.parse::<TimeFormat>().unwrap().parse(text);
            assert_eq!(read, Some(parse_timestamp(wanted)), "{text} as {format}");
        }
        for (format, text) in [
            ("%d/%m/%Y", "05/13/2024"),
            ("%Y", "1952-01"),
            ("%Y-%j", "2023-366"),
            ("%Y %p", "2024 xm"),
            ("%Y-%m-%d", "2024-05"),
            ("%Y%z", "2024"),
        ] {
            assert_eq!(format.parse::<TimeFormat>().unwrap().parse(text), None, "{text} as {format}");
        }
        for format in ["", "%H:%M", "%Y-%q", "%Y%"] {
            assert!(format.parse::<TimeFormat>().is_err(), "{format}");
        }
    }
}
