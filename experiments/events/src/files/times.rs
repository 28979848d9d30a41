//! Times as files have them, in microseconds since 1970, UTC. What is finer than a microsecond is cut off downwards, everywhere.

use std::fmt;

use twopath_query::time::{US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, days_from_civil, days_in_month};

use super::cell::trimmed;
use super::number::Decimal;
use super::schema::TimeUnitOfNumbers;
use super::time_format::TimeFormat;

/// How times are written in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// What numbers count since 1970; none: a number is no time.
    pub unit: Option<TimeUnitOfNumbers>,
    /// Tried one after the other before what is found out from the text itself.
    pub formats: Vec<TimeFormat>,
}

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTime {
    Unknown,
    /// A day and a month that may be either.
    DayOrMonth,
    /// There is such a day, but not in 64 bits of microseconds.
    TooFar,
    /// A bare number, and nobody said what it counts.
    Number,
}

/// What is said of a time that microseconds in 64 bits do not reach.
pub const TOO_FAR: &str = "is farther away than a timestamp reaches (from the year -290307 to 294247)";

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoTime::Unknown => "is not a timestamp",
            NoTime::DayOrMonth => {
                "may begin with the day or with the month; say which with --time-format '%d/%m/%Y' or '%m/%d/%Y' and the like"
            }
            NoTime::TooFar => TOO_FAR,
            NoTime::Number => "is a number; say what it counts with --time-unit, or how it is written with --time-format",
        })
    }
}

impl From<Option<TimeUnitOfNumbers>> for Times {
    fn from(unit: Option<TimeUnitOfNumbers>) -> Self {
        Times { unit, formats: Vec::new() }
    }
}

impl Times {
    /// Whether a number may be a time.
    pub(super) fn read_numbers(&self) -> bool {
        self.unit.is_some() || !self.formats.is_empty()
    }

    /// Reads a text that stands where a time should.
    pub(super) fn text(&self, text: &str) -> Result<i64, NoTime> {
        let text = trimmed(text);
        for format in &self.formats {
            if let Some(us) = format.parse(text) {
                return us.ok_or(NoTime::TooFar);
            }
        }
        if let Some(us) = usual(text.as_bytes()) {
            return Ok(us);
        }
        match parse(text) {
            // Who says how times are written does not want a guess about days and months.
            Err(NoTime::DayOrMonth) if !self.formats.is_empty() => Err(NoTime::Unknown),
            Err(NoTime::Unknown) => self.number(text),
            read => read,
        }
    }

    /// Reads a number, as digits.
    pub(super) fn number(&self, text: &str) -> Result<i64, NoTime> {
        for format in &self.formats {
            if let Some(us) = format.parse(text) {
                return us.ok_or(NoTime::TooFar);
            }
        }
        let number = Decimal::parse(text).ok_or(NoTime::Unknown)?;
        let unit = self.unit.ok_or(NoTime::Number)?;
        number.floor_times_ten_to(unit.places()).ok_or(NoTime::TooFar)
    }
}

/// What most programs write, `2024-05-01T12:00:00.25Z` or with less of it, read faster than [`parse`] reads the same. None for all else.
fn usual(text: &[u8]) -> Option<i64> {
    let (day, rest) = text.split_first_chunk::<10>()?;
    let (time, rest) = rest.split_first_chunk::<9>()?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *day else { return None };
    let [b'T' | b' ', h0, h1, b':', i0, i1, b':', s0, s1] = *time else { return None };
    let two = |a: u8, b: u8| (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'));
    let mut rest = Scan(rest);
    let fraction = if rest.byte(b'.').is_some() { rest.microseconds().ok()? } else { 0 };
    let days = days(two(y0, y1)? * 100 + two(y2, y3)?, two(m0, m1)?, two(d0, d1)?).ok()?;
    let time_of_day = clock(two(h0, h1)?, two(i0, i1)?, two(s0, s1)?, fraction)?;
    matches!(rest.0, b"" | b"Z").then(|| total(days, time_of_day, 0))?
}

/// Reads a time in one of the forms that say themselves what they are: ISO 8601 with all its variants that programs write, dates with
/// slashes and dots, the day first or the month first where only one of them can be meant, and dates with the month's name (RFC 2822,
/// web servers' logs, ctime, Go). UTC where no zone is given.
pub(super) fn parse(text: &str) -> Result<i64, NoTime> {
    let text = text.trim();
    let before_christ = text.strip_suffix(" BC").or_else(|| text.strip_suffix(" BCZ"));
    let mut scan = Scan(before_christ.unwrap_or(text).as_bytes());
    let day = scan.date(before_christ.is_some())?;
    scan.rest_of(day)
}

/// A day, and what stood with it already.
struct Day {
    days: i64,
    /// ctime writes the time before the year.
    time_of_day: Option<i64>,
    zone: Option<i64>,
}

/// What is left of a text that is being read.
pub(super) struct Scan<'a>(pub &'a [u8]);

impl Scan<'_> {
    /// The day; where it is one before Christ, as PostgreSQL writes years before 1, the year 1 is the year 0.
    fn date(&mut self, before_christ: bool) -> Result<Day, NoTime> {
        let plain = |days| Day { days, time_of_day: None, zone: None };
        let sign = self.one_of(b"+-");
        let (signed, sign) = (sign.is_some(), if sign == Some(b'-') { -1 } else { 1 });
        let count = self.count_digits();
        match count {
            // 20240501T120000
            8 if !signed && self.0.get(8).is_some_and(|b| b"Tt ".contains(b)) && self.0.get(9).is_some_and(u8::is_ascii_digit) => {
                let (year, month, day) = (self.digits(4)?, self.digits(2)?, self.digits(2)?);
                days(year, month, day).map(plain)
            }
            4..=6 => {
                let year = sign * self.digits(count)?;
                let year = if before_christ { 1 - year } else { year };
                let separator = self.one_of(b"-/.").ok_or(NoTime::Unknown)?;
                let month = self.up_to_two_digits()?;
                self.byte(separator).ok_or(NoTime::Unknown)?;
                let day = self.up_to_two_digits()?;
                days(year, month, day).map(plain)
            }
            1 | 2 if !signed => {
                let first = self.digits(count)?;
                let separator = self.one_of(b"-/. ").ok_or(NoTime::Unknown)?;
                self.spaces();
                if let Some(month) = self.month() {
                    self.one_of(b".,");
                    self.one_of(b"-/ ").ok_or(NoTime::Unknown)?;
                    self.spaces();
                    let year = self.year()?;
                    return days(year, month, first).map(plain);
                }
                let second = self.up_to_two_digits()?;
                self.byte(separator).ok_or(NoTime::Unknown)?;
                let year = self.year()?;
                match (first, second) {
                    (1..=12, 1..=12) if first != second => Err(NoTime::DayOrMonth),
                    (13.., _) => days(year, second, first).map(plain),
                    _ => days(year, first, second).map(plain),
                }
            }
            0 if !signed => self.date_with_names(),
            _ => Err(NoTime::Unknown),
        }
    }

    /// `Wed, 01 May 2024`, `May 1, 2024`, `Wed May  1 12:00:00 UTC 2024`.
    fn date_with_names(&mut self) -> Result<Day, NoTime> {
        if self.name(&WEEKDAYS).is_some() {
            self.one_of(b".");
            self.one_of(b",");
            self.spaces();
            if self.0.first().is_some_and(u8::is_ascii_digit) {
                return self.date(false);
            }
        }
        let month = self.month().ok_or(NoTime::Unknown)?;
        self.one_of(b".");
        self.spaces();
        let day = self.up_to_two_digits()?;
        self.one_of(b",");
        self.spaces();
        if self.count_digits() == 4 {
            let year = self.year()?;
            return Ok(Day { days: days(year, month, day)?, time_of_day: None, zone: None });
        }
        let time_of_day = Some(self.time_of_day()?);
        self.spaces();
        let zone = if self.0.first().is_some_and(u8::is_ascii_digit) { None } else { self.zone()? };
        self.spaces();
        let year = self.year()?;
        Ok(Day { days: days(year, month, day)?, time_of_day, zone })
    }

    /// What comes after the day, to the end.
    fn rest_of(&mut self, day: Day) -> Result<i64, NoTime> {
        let Day { days, mut time_of_day, mut zone } = day;
        if time_of_day.is_none() && !self.0.is_empty() {
            self.one_of(b",");
            let separator = self.one_of(b"Tt:_");
            if separator.is_none() {
                self.byte(b' ').ok_or(NoTime::Unknown)?;
                self.spaces();
            }
            // Whole hours, `T12Z`.
            time_of_day = Some(match (separator, self.count_digits(), self.0.get(2).copied()) {
                (Some(b'T' | b't'), 2, None | Some(b'Z' | b'z' | b'+' | b'-')) => clock(self.digits(2)?, 0, 0, 0).ok_or(NoTime::Unknown)?,
                _ => self.time_of_day()?,
            });
        }
        if zone.is_none() {
            zone = self.zone()?;
        }
        self.zone_name(zone.is_some());
        if !self.0.is_empty() {
            return Err(NoTime::Unknown);
        }
        total(days, time_of_day.unwrap_or(0), zone.unwrap_or(0)).ok_or(NoTime::TooFar)
    }

    pub fn byte(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first().filter(|(first, _)| bytes.contains(first))?;
        self.0 = rest;
        Some(*first)
    }

    pub fn spaces(&mut self) {
        while self.byte(b' ').is_some() {}
    }

    pub fn count_digits(&self) -> usize {
        self.0.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    /// A number of so many digits.
    pub fn digits(&mut self, count: usize) -> Result<i64, NoTime> {
        let (digits, rest) = self.0.split_at_checked(count).ok_or(NoTime::Unknown)?;
        if count == 0 || count > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(NoTime::Unknown);
        }
        self.0 = rest;
        Ok(digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }

    pub fn up_to_two_digits(&mut self) -> Result<i64, NoTime> {
        self.digits(self.count_digits().min(2))
    }

    /// Four digits, before what is no digit.
    fn year(&mut self) -> Result<i64, NoTime> {
        if self.count_digits() == 4 { self.digits(4) } else { Err(NoTime::Unknown) }
    }

    /// One of these names, in full or by its first three letters: which, from 1.
    pub fn name(&mut self, names: &[&str]) -> Option<i64> {
        let letters = self.0.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let word = &self.0[..letters];
        let is = |name: &&str| {
            word.eq_ignore_ascii_case(name.as_bytes()) || (word.len() == 3 && name.as_bytes()[..3].eq_ignore_ascii_case(word))
        };
        let index = names.iter().position(is)?;
        self.0 = &self.0[letters..];
        Some(index as i64 + 1)
    }

    pub fn month(&mut self) -> Option<i64> {
        self.name(&MONTHS).or_else(|| {
            // The one name that is often cut to four letters.
            let rest = self.0.get(..4).filter(|w| w.eq_ignore_ascii_case(b"sept") && !self.0.get(4).is_some_and(u8::is_ascii_alphabetic));
            rest.is_some().then(|| {
                self.0 = &self.0[4..];
                9
            })
        })
    }

    /// `5:15`, `05:15:00.25`, `05:15:00,123`, `051500`, `1:00:00 PM`, `24:00`, and a leap second, which is the next minute's first.
    fn time_of_day(&mut self) -> Result<i64, NoTime> {
        let digits = self.count_digits();
        let (mut hours, minutes, seconds, fraction) = match digits {
            4 | 6 => {
                let (hours, minutes) = (self.digits(2)?, self.digits(2)?);
                let seconds = if digits == 6 { Some(self.digits(2)?) } else { None };
                (hours, minutes, seconds, seconds.map_or(Ok(0), |_| self.fraction())?)
            }
            1 | 2 => {
                let hours = self.digits(digits)?;
                self.byte(b':').ok_or(NoTime::Unknown)?;
                let minutes = self.up_to_two_digits()?;
                let seconds = if self.byte(b':').is_some() { Some(self.up_to_two_digits()?) } else { None };
                (hours, minutes, seconds, seconds.map_or(Ok(0), |_| self.fraction())?)
            }
            _ => return Err(NoTime::Unknown),
        };
        if let Some(afternoon) = self.half_of_day() {
            hours = half_day(hours, afternoon).ok_or(NoTime::Unknown)?;
        }
        clock(hours, minutes, seconds.unwrap_or(0), fraction).ok_or(NoTime::Unknown)
    }

    /// Digits after a point or a comma, in microseconds; what is finer is cut off.
    fn fraction(&mut self) -> Result<i64, NoTime> {
        if self.one_of(b".,").is_none() {
            return Ok(0);
        }
        self.microseconds()
    }

    /// The digits of a fraction, in microseconds.
    pub fn microseconds(&mut self) -> Result<i64, NoTime> {
        let count = self.count_digits();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        if count == 0 {
            return Err(NoTime::Unknown);
        }
        Ok((0..6).fold(0, |n, i| n * 10 + digits.get(i).map_or(0, |b| i64::from(b - b'0'))))
    }

    /// ` PM`: whether it is the afternoon.
    pub fn half_of_day(&mut self) -> Option<bool> {
        let rest = self.0.iter().position(|b| *b != b' ').map_or(&self.0[..0], |at| &self.0[at..]);
        let afternoon = match rest.get(..2)? {
            w if w.eq_ignore_ascii_case(b"am") => false,
            w if w.eq_ignore_ascii_case(b"pm") => true,
            _ => return None,
        };
        self.0 = &rest[2..];
        Some(afternoon)
    }

    /// Nothing, `Z`, `UTC`, `GMT`, `+02`, `+0230`, `-02:30`, `+02:30:00`: microseconds east of Greenwich.
    pub fn zone(&mut self) -> Result<Option<i64>, NoTime> {
        let before = self.0;
        self.spaces();
        for name in ["UTC", "GMT", "UT", "Z"] {
            if let Some(start) = self.0.get(..name.len())
                && start.eq_ignore_ascii_case(name.as_bytes())
                && !self.0.get(name.len()).is_some_and(u8::is_ascii_alphanumeric)
            {
                self.0 = &self.0[name.len()..];
                // `GMT+0200`, as browsers write it.
                if !matches!(self.0.first(), Some(b'+' | b'-')) {
                    return Ok(Some(0));
                }
                break;
            }
        }
        let sign = match self.one_of(b"+-") {
            Some(b'+') => 1,
            Some(_) => -1,
            None => {
                self.0 = before;
                return Ok(None);
            }
        };
        let (hours, minutes, seconds) = match self.count_digits() {
            4 => (self.digits(2)?, self.digits(2)?, 0),
            1 | 2 => {
                let hours = self.up_to_two_digits()?;
                let minutes = if self.byte(b':').is_some() { self.digits(2)? } else { 0 };
                (hours, minutes, if self.byte(b':').is_some() { self.digits(2)? } else { 0 })
            }
            _ => return Err(NoTime::Unknown),
        };
        if hours > 18 || minutes > 59 || seconds > 59 {
            return Err(NoTime::Unknown);
        }
        Ok(Some(sign * (hours * US_PER_HOUR + minutes * US_PER_MINUTE + seconds * US_PER_SECOND)))
    }

    /// What may stand behind a zone and changes nothing: ` UTC`, ` CEST` (Go), `(CEST)`, `[Europe/Berlin]` (Java), ` m=+0.1` (Go).
    fn zone_name(&mut self, has_offset: bool) {
        let text = std::str::from_utf8(self.0).unwrap_or("");
        let (zone, monotonic) = text.split_once(" m=").unwrap_or((text, "0"));
        let name = zone.trim();
        let enclosed = |open: char, close: char| name.strip_prefix(open).and_then(|z: &str| z.strip_suffix(close));
        let known = match enclosed('[', ']').or_else(|| enclosed('(', ')')) {
            Some(name) => has_offset && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_- +".contains(&b)),
            // A name without an offset before it would say where the clock stood, which is not known here.
            None => name.is_empty() || (has_offset && (2..=5).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase())),
        };
        if known && Decimal::parse(monotonic).is_some() {
            self.0 = &[];
        }
    }
}

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
pub(super) const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Days since 1970 of a day that exists. The year before 1 is 0, as ISO 8601 counts.
pub(super) fn days(year: i64, month: i64, day: i64) -> Result<i64, NoTime> {
    let month = u32::try_from(month).ok().filter(|m| (1..=12).contains(m)).ok_or(NoTime::Unknown)?;
    let day = u32::try_from(day).ok().filter(|d| (1..=days_in_month(year, month)).contains(d)).ok_or(NoTime::Unknown)?;
    Ok(days_from_civil(year, month, day))
}

/// The hour of a clock with two halves.
pub(super) fn half_day(hours: i64, afternoon: bool) -> Option<i64> {
    (1..=12).contains(&hours).then(|| hours % 12 + if afternoon { 12 } else { 0 })
}

/// Microseconds since midnight: 24:00 is the day's end, and second 60 the next minute's first, as clocks that leap show it.
pub(super) fn clock(hours: i64, minutes: i64, seconds: i64, us: i64) -> Option<i64> {
    let is_end = hours == 24 && minutes == 0 && seconds == 0 && us == 0;
    let exists = (hours < 24 && minutes < 60 && seconds <= 60) || is_end;
    exists.then_some(hours * US_PER_HOUR + minutes * US_PER_MINUTE + seconds * US_PER_SECOND + us)
}

/// The instant at a time of a day, so far east of Greenwich; none beyond 64 bits.
pub(super) fn total(days: i64, time_of_day: i64, east: i64) -> Option<i64> {
    // The first day of all begins before the first instant.
    let us = i128::from(days) * i128::from(US_PER_DAY) + i128::from(time_of_day) - i128::from(east);
    i64::try_from(us).ok()
}

#[cfg(test)]
mod tests {
    use twopath_query::time::format_timestamp;

    use super::super::iso::iso;
    use super::*;
    use twopath_query::time::parse_timestamp;

    /// What is read by its places is read the same by its parts.
    #[test]
    fn usual_times_are_read_as_all_are() {
        let days = ["2024-05-01", "2023-02-29", "0000-02-29", "2024-13-01", "2024-00-10", "9999-12-31", "2024-5-01", "-024-05-01"];
        let times = ["12:00:00", "23:59:60", "24:00:00", "24:00:01", "25:00:00", "12:60:00", "1:00:00", "12:00"];
        let ends = ["", "Z", ".5Z", ".123456789", ".Z", ".", ",5", "+01:00", " PM", "z", " BC"];
        let mut read = 0;
        for number in 0..128 * ends.len() {
            let text = format!("{}{}{}{}", days[number % 8], ["T", " "][number / 64 % 2], times[number / 8 % 8], ends[number / 128]);
            if let Some(us) = usual(text.as_bytes()) {
                assert_eq!(parse(&text), Ok(us), "{text}");
                read += 1;
            }
        }
        assert_eq!(read, 3 * 2 * (4 + 4 + 2));
    }

    /// The ways in which one instant is written.
    #[test]
    fn forms_of_one_time() {
        let wanted = parse_timestamp("2024-05-01 12:00:00");
        assert!(wanted.is_some());
        for text in [
            "2024-05-01 12:00",
            "2024-05-01T12:00:00Z",
            "2024-05-01t12:00:00z",
            "2024-05-01 12:00:00,000",
            "2024-05-01 12:00:00.0000009",
            "2024-05-01 12:00:00 UTC",
            "2024-05-01 12:00:00 +0000 UTC",
            "2024-05-01 14:00:00.0 +0200 CEST",
            "2024-05-01 14:00:00 +0200 CEST m=+0.000123",
            "2024-05-01T14:00+02:00[Europe/Berlin]",
            "2024-05-01_12:00:00",
            "+2024-05-01T12:00:00Z",
            "20240501T120000Z",
            "20240501T1200Z",
            "20240501T140000.000+0200",
            "20240501 12:00:00",
            "2024/05/01 12:00:00",
            "2024/5/1 12:00",
            "2024.05.01 12:00",
            "01/May/2024:12:00:00 +0000",
            "1-May-2024 12:00",
            "1 May 2024 12:00:00",
            "Wed, 01 May 2024 12:00:00 GMT",
            "Wed, 01 May 2024 14:00:00 +0200 (CEST)",
            "Wed, 1 May 2024 12:00:00 -0000",
            "May 1, 2024 12:00 PM",
            "May 1, 2024, 12:00:00 PM",
            "Wednesday, May 1, 2024 12:00",
            "Wed May  1 12:00:00 2024",
            "Wed May  1 12:00:00 UTC 2024",
            "Wed May  1 14:00:00 +0200 2024",
            "Wed May 01 2024 14:00:00 GMT+0200 (CEST)",
            "2024-05-01 12:00:00PM",
        ] {
            assert_eq!(parse(text).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn days_and_months_are_not_guessed() {
        let day = parse_timestamp("2024-05-13");
        for text in ["05/13/2024", "13/05/2024", "13.05.2024", "5-13-2024", "13.5.2024 00:00:00", "13/May/2024"] {
            assert_eq!(parse(text).ok(), day, "{text}");
        }
        assert_eq!(parse("05/05/2024").ok(), parse_timestamp("2024-05-05"));
        for text in ["05/01/2024", "01.05.2024 12:00", "1-5-2024"] {
            assert_eq!(parse(text), Err(NoTime::DayOrMonth), "{text}");
        }
    }

    #[test]
    fn ends_of_minutes_days_and_eras() {
        let same = |text: &str, wanted: &str| assert_eq!(parse(text).ok(), parse_timestamp(wanted), "{text}");
        same("2024-05-01T24:00:00", "2024-05-02");
        same("2024-12-31T24:00Z", "2025-01-01");
        same("2024-06-30T23:59:60Z", "2024-07-01");
        same("2024-06-30T23:59:60.5Z", "2024-07-01T00:00:00.5");
        same("2024-12-31T23:59:59.9999999Z", "2024-12-31T23:59:59.999999");
        same("2024-05-01 12:30 AM", "2024-05-01 00:30");
        // The year 0 of ISO 8601 is 1 BC; 366 days, as its number is divided by 400.
        let year_1 = parse_timestamp("0001-01-01").unwrap();
        assert_eq!(parse("0000-12-31T00:00:00Z"), Ok(year_1 - US_PER_DAY));
        assert_eq!(parse("0001-12-31 00:00:00 BC"), Ok(year_1 - US_PER_DAY));
        assert_eq!(parse("-0001-12-31"), Ok(year_1 - 367 * US_PER_DAY));
        assert_eq!(parse("0002-12-31 BC"), Ok(year_1 - 367 * US_PER_DAY));
        assert_eq!(parse("294247-01-10T04:00:54.775807Z"), Ok(i64::MAX));
        assert_eq!(parse("294247-01-10T04:00:54.775808Z"), Err(NoTime::TooFar));
        assert_eq!(parse("-290308-12-21T19:59:05.224192Z"), Ok(i64::MIN));
    }

    #[test]
    fn years_before_the_first_are_written() {
        assert_eq!(iso(parse("0000-12-31").unwrap()), "0000-12-31T00:00:00Z");
        assert_eq!(iso(parse("-0001-01-01T00:00:00.5").unwrap()), "-0001-01-01T00:00:00.5Z");
        assert_eq!(iso(parse("2024-05-01 12:00").unwrap()), "2024-05-01T12:00:00Z");
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "now",
            "2024",
            "2024-05",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-05-01 25:00",
            "2024-05-01 24:00:01",
            "2024-05-01 12:60",
            "2024-05-01 12:00:61",
            "2024-05-01 12:00 EST",
            "2024-05-01x",
            "2024-05-01 12",
            "01-May-24",
            "May 2024",
            "1.5",
            "12:00:00",
            "2024-05-01T12:00:00.",
            "2024-05-01 13:00 PM",
            "13/13/2024",
            "2024-05-01 12:00:00é",
            "1 Mayo 2024",
            "2024-05-01 12:00 [Europe/Berlin]",
            "- 2024-05-01",
            "2024/05-01",
        ] {
            assert_eq!(parse(text), Err(NoTime::Unknown), "{text}");
        }
    }

    #[test]
    fn numbers_want_a_unit() {
        let times = |unit| Times { unit, formats: Vec::new() };
        let us = Some(TimeUnitOfNumbers::Us);
        assert_eq!(times(None).text("1714564800"), Err(NoTime::Number));
        assert_eq!(times(Some(TimeUnitOfNumbers::S)).text("1714564800.25"), Ok(1_714_564_800_250_000));
        assert_eq!(times(Some(TimeUnitOfNumbers::S)).text("-0.0000001"), Ok(-1));
        assert_eq!(times(Some(TimeUnitOfNumbers::Ms)).number("1.7145648e12"), Ok(1_714_564_800_000_000));
        assert_eq!(times(Some(TimeUnitOfNumbers::Ns)).number("-1"), Ok(-1));
        assert_eq!(times(us).number("0.9"), Ok(0));
        assert_eq!(times(Some(TimeUnitOfNumbers::S)).number("9223372036854775807"), Err(NoTime::TooFar));
        assert_eq!(times(us).text("2024-05-01"), Ok(parse_timestamp("2024-05-01").unwrap()));
        assert_eq!(times(us).text("soon"), Err(NoTime::Unknown));
    }

    proptest::proptest! {
        /// As the query language writes and reads times.
        #[test]
        fn as_queries_have_them(us in i64::MIN..=i64::MAX) {
            proptest::prop_assert_eq!(parse(&format_timestamp(us)), Ok(us));
            proptest::prop_assert_eq!(parse(&iso(us)), Ok(us));
        }
    }
}
