//! The calendar and the writing of times: proleptic Gregorian, UTC, without leap seconds, as PostgreSQL reckons.

pub const US_PER_SECOND: i64 = 1_000_000;
pub const US_PER_MINUTE: i64 = 60 * US_PER_SECOND;
pub const US_PER_HOUR: i64 = 60 * US_PER_MINUTE;
pub const US_PER_DAY: i64 = 24 * US_PER_HOUR;

/// Days from 1970-01-01 to a civil date; `month` and `day` from 1.
///
/// Counts in eras of 400 years that start on 1 March, so that the leap day is the last of its year.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date (year, month, day) of a number of days since 1970-01-01: the inverse of [`days_from_civil`].
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The number of days in a month.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads `2013-01-31`, `2013-01-31 05:15`, `2013-01-31T05:15:00.25Z`, `... +02:00`: microseconds since 1970, UTC where no zone is given.
/// `None` where the text is none of these, or no such day or time exists.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let mut scan = Scan(text.trim().as_bytes());
    let year = scan.digits(4, 6)?;
    scan.byte(b'-')?;
    let month = scan.digits(1, 2)? as u32;
    scan.byte(b'-')?;
    let day = scan.digits(1, 2)? as u32;
    if year == 0 || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let date = days_from_civil(year, month, day).checked_mul(US_PER_DAY)?;
    if scan.0.is_empty() {
        return Some(date);
    }
    if scan.byte(b' ').is_none() {
        scan.byte(b'T').or_else(|| scan.byte(b't'))?;
    }
    let time = scan.time_of_day()?;
    let offset = scan.zone()?;
    scan.0.is_empty().then(|| date.checked_add(time)?.checked_sub(offset))?
}

/// Reads PostgreSQL's interval texts as far as they have a fixed length: `1 hour 30 minutes`, `-2 days`, `01:30:00`, `1 day 02:00`.
/// A bare number counts in `unit` where one is given (as in `INTERVAL '5' MINUTE`), else in seconds. The error says what is wrong.
pub fn parse_interval(text: &str, unit: Option<&str>) -> Result<i64, String> {
    let bad =
        || format!("'{text}' is not an interval: write a number and a unit, such as INTERVAL '15' MINUTE or INTERVAL '1 day 12 hours'");
    let mut total: i128 = 0;
    let mut words = text.split_ascii_whitespace().peekable();
    if words.peek().is_none() {
        return Err(bad());
    }
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (sign, rest) = match word.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, word),
            };
            let mut scan = Scan(rest.as_bytes());
            let time = scan.duration().filter(|_| scan.0.is_empty()).ok_or_else(bad)?;
            total += sign * i128::from(time);
            continue;
        }
        let split = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
        let (number, attached) = word.split_at(split);
        let name = if !attached.is_empty() {
            attached
        } else if let Some(next) = words.next_if(|w| w.starts_with(|c: char| c.is_ascii_alphabetic())) {
            next
        } else {
            match words.peek() {
                None => unit.unwrap_or("second"),
                // Days before a clock's time have no unit, in standard SQL: '1 02:03:04'.
                Some(next) if next.contains(':') => "day",
                Some(_) => return Err(bad()),
            }
        };
        let unit_us = unit_us(name).ok_or_else(|| match name.to_ascii_lowercase().trim_end_matches('s') {
            "month" | "mon" | "year" | "y" | "quarter" | "decade" | "century" => {
                format!("a {name} has no fixed length: write days, as in INTERVAL '30 days'")
            }
            _ => bad(),
        })?;
        total += decimal_times(number, unit_us).ok_or_else(bad)?;
    }
    i64::try_from(total).map_err(|_| format!("the interval '{text}' is out of range: it must fit 64 bits of microseconds"))
}

/// Reads an interval of whole months alone: `1 month`, `2 years 3 months`, `'1'` with the unit QUARTER. `None` for every other text.
pub fn parse_months(text: &str, unit: Option<&str>) -> Option<i64> {
    let mut total: i64 = 0;
    let mut words = text.split_ascii_whitespace();
    let mut known = false;
    while let Some(word) = words.next() {
        let number: i64 = word.parse().ok()?;
        let name = words.next().or(if known { None } else { unit })?;
        let months = match name.to_ascii_lowercase().as_str() {
            "month" | "months" | "mon" | "mons" => 1,
            "quarter" | "quarters" => 3,
            "year" | "years" | "y" | "yr" | "yrs" => 12,
            "decade" | "decades" => 120,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(months)?)?;
        known = true;
    }
    known.then_some(total)
}

/// What clocks of an IANA zone show at a timestamp, as microseconds since 1970-01-01 00:00 on those clocks. `None` beyond the calendar of zones.
pub fn local_time(us: i64, zone: chrono_tz::Tz) -> Option<i64> {
    use chrono::{Offset, TimeZone};
    let at = chrono::DateTime::from_timestamp_micros(as_in_table(us)?)?.naive_utc();
    let east_s = zone.offset_from_utc_datetime(&at).fix().local_minus_utc();
    us.checked_add(i64::from(east_s) * US_PER_SECOND)
}

/// The last year that the tables of zones know, and where it ends.
const LAST_YEAR_OF_ZONES: i64 = 2099;
const END_OF_ZONES_US: i64 = 4_102_444_800 * US_PER_SECOND;

/// The moment of a year that the tables of zones know at which clocks are as far from UTC: behind their end summer time goes on as in the newest years that have as
/// many days and begin on the same day of the week. `None` where the time does not fit.
fn as_in_table(us: i64) -> Option<i64> {
    if us < END_OF_ZONES_US {
        return Some(us);
    }
    let (year, _, _) = civil_from_days(us.div_euclid(US_PER_DAY));
    let first = |year: i64| days_from_civil(year, 1, 1);
    // In 28 years all kinds of years come, where none of them ends a century.
    let alike =
        |known: &i64| first(known + 1) - first(*known) == first(year + 1) - first(year) && (first(year) - first(*known)).rem_euclid(7) == 0;
    let known = (LAST_YEAR_OF_ZONES - 27..=LAST_YEAR_OF_ZONES).rev().find(alike)?;
    us.checked_sub((first(year) - first(known)) * US_PER_DAY)
}

/// The IANA zone of this name, without regard to case.
pub fn zone(name: &str) -> Option<chrono_tz::Tz> {
    name.parse().ok().or_else(|| chrono_tz::TZ_VARIANTS.iter().copied().find(|z| z.name().eq_ignore_ascii_case(name)))
}

/// Microseconds of a unit of fixed length, by its singular, plural or PostgreSQL's short name.
fn unit_us(name: &str) -> Option<i64> {
    Some(match name.to_ascii_lowercase().as_str() {
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" => 1,
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1_000,
        "s" | "sec" | "secs" | "second" | "seconds" => US_PER_SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => US_PER_MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => US_PER_HOUR,
        "d" | "day" | "days" => US_PER_DAY,
        "w" | "week" | "weeks" => 7 * US_PER_DAY,
        _ => return None,
    })
}

/// A decimal text times a whole number, rounded toward zero.
fn decimal_times(text: &str, by: i64) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > 18 || fraction.len() > 15 {
        return None;
    }
    let all = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !all(whole) || !all(fraction) {
        return None;
    }
    let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
    Some(sign * mantissa * i128::from(by) / 10_i128.pow(fraction.len() as u32))
}

/// Writes microseconds since 1970 as `2013-01-31 05:15:00` or `2013-01-31 05:15:00.25` (UTC).
pub fn format_timestamp(us: i64) -> String {
    let (year, month, day) = civil_from_days(us.div_euclid(US_PER_DAY));
    let time = us.rem_euclid(US_PER_DAY);
    let seconds = time / US_PER_SECOND;
    let mut text = if year > 0 { format!("{year:04}") } else { format!("{:04}", 1 - year) };
    text += &format!("-{month:02}-{day:02} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    text += &fraction(time % US_PER_SECOND);
    if year <= 0 {
        text += " BC";
    }
    text
}

/// Writes microseconds as `26:15:00` or `-00:00:00.5`: hours, minutes, seconds.
pub fn format_interval(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let us = us.unsigned_abs();
    let seconds = us / US_PER_SECOND as u64;
    let fraction = fraction((us % US_PER_SECOND as u64) as i64);
    format!("{sign}{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn fraction(us: i64) -> String {
    if us == 0 {
        return String::new();
    }
    format!(".{us:06}").trim_end_matches('0').to_owned()
}

/// What is left of a text that is being read.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn byte(&mut self, byte: u8) -> Option<()> {
        let rest = self.0.strip_prefix(&[byte])?;
        self.0 = rest;
        Some(())
    }

    /// A number of at least `min` and at most `max` digits.
    fn digits(&mut self, min: usize, max: usize) -> Option<i64> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if count < min || count > max {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }

    fn time_of_day(&mut self) -> Option<i64> {
        let hours = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        (hours <= 2).then_some(())?;
        // The day's end may be written as 24:00, and is the next day's start.
        self.clock(60).filter(|us| *us <= US_PER_DAY)
    }

    /// `h:mm`, `h:mm:ss`, `h:mm:ss.ffffff`; what is finer than a microsecond is cut off.
    fn duration(&mut self) -> Option<i64> {
        self.clock(59)
    }

    /// With as many seconds in a minute as may be: in a time of day there may be a leap second, which is the next minute's start.
    fn clock(&mut self, seconds_max: i64) -> Option<i64> {
        let hours = self.digits(1, 9)?;
        self.byte(b':')?;
        let minutes = self.digits(1, 2)?;
        let mut us = hours * US_PER_HOUR + minutes * US_PER_MINUTE;
        let mut seconds = 0;
        if self.byte(b':').is_some() {
            seconds = self.digits(1, 2)?;
            us += seconds * US_PER_SECOND;
            if self.byte(b'.').is_some() {
                let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
                let (digits, rest) = self.0.split_at(count);
                self.0 = rest;
                if digits.is_empty() {
                    return None;
                }
                us += (0..6).fold(0, |n, i| n * 10 + digits.get(i).map_or(0, |b| i64::from(b - b'0')));
            }
        }
        (minutes < 60 && seconds <= seconds_max).then_some(us)
    }

    /// Nothing, `Z`, `UTC`, `+02`, `+0230` or `-02:30`: microseconds east of Greenwich.
    fn zone(&mut self) -> Option<i64> {
        while self.byte(b' ').is_some() {}
        if self.0.is_empty() {
            return Some(0);
        }
        if self.0.eq_ignore_ascii_case(b"z") || self.0.eq_ignore_ascii_case(b"utc") {
            self.0 = &[];
            return Some(0);
        }
        let sign = if self.byte(b'+').is_some() {
            1
        } else {
            self.byte(b'-')?;
            -1
        };
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (hours, minutes) = if digits == 4 {
            let both = self.digits(4, 4)?;
            (both / 100, both % 100)
        } else {
            let hours = self.digits(1, 2)?;
            let minutes = if self.byte(b':').is_some() { self.digits(2, 2)? } else { 0 };
            (hours, minutes)
        };
        (hours <= 15 && minutes < 60).then_some(sign * (hours * US_PER_HOUR + minutes * US_PER_MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `TZ=ZONE date -d` says, whose rules have no end.
    #[test]
    fn summer_time_goes_on_behind_the_tables() {
        assert_eq!(days_from_civil(LAST_YEAR_OF_ZONES + 1, 1, 1) * US_PER_DAY, END_OF_ZONES_US);
        let hours = |name: &str, year: i64, month: u32, day: u32, hour: i64| {
            let us = days_from_civil(year, month, day) * US_PER_DAY + hour * 3_600 * US_PER_SECOND;
            (local_time(us, zone(name).unwrap()).unwrap() - us) / (3_600 * US_PER_SECOND)
        };
        for year in [2098, 2099, 2100, 2101, 2104, 2150, 2400, 9999] {
            assert_eq!((hours("America/New_York", year, 1, 15, 0), hours("America/New_York", year, 7, 15, 0)), (-5, -4), "{year}");
            assert_eq!((hours("Australia/Sydney", year, 1, 15, 0), hours("Australia/Sydney", year, 7, 15, 0)), (11, 10), "{year}");
            assert_eq!((hours("Asia/Kolkata", year, 7, 15, 0), hours("UTC", year, 7, 15, 0)), (5, 0), "{year}");
        }
        // The last Sunday of March 2100 is the 28th.
        assert_eq!((hours("Europe/Berlin", 2100, 3, 28, 0), hours("Europe/Berlin", 2100, 3, 28, 1)), (1, 2));
        assert_eq!((hours("Europe/Berlin", 2100, 3, 27, 23), hours("Europe/Berlin", 2100, 10, 31, 1)), (1, 1));
    }

    /// By induction from 1970-01-01, both ways: every day is its neighbour's neighbour, from before year 1 to after year 9999.
    #[test]
    fn the_calendar_counts_every_day() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..2_940_000 {
            assert_eq!((days_from_civil(year, month, day), civil_from_days(days)), (days, (year, month, day)));
            day += 1;
            if day > days_in_month(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert!(year > 10_000);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in (-725_000..=0).rev() {
            assert_eq!((days_from_civil(year, month, day), civil_from_days(days)), (days, (year, month, day)));
            if day > 1 {
                day -= 1;
                continue;
            }
            (year, month) = if month > 1 { (year, month - 1) } else { (year - 1, 12) };
            day = days_in_month(year, month);
        }
        assert!(year < 0);
    }

    #[test]
    fn the_ends_of_time_have_dates() {
        for us in [i64::MIN, -1, 0, i64::MAX] {
            let day = us.div_euclid(US_PER_DAY);
            let (year, month, of_month) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, of_month), day);
            assert!(!format_timestamp(us).is_empty());
        }
    }

    #[test]
    fn timestamps_are_read_as_written() {
        for us in [0, -1, 1, 951_782_399_999_999, -62_135_596_800_000_000, 253_402_300_799_000_000] {
            let text = format_timestamp(us);
            assert_eq!(parse_timestamp(&text), Some(us), "{text}");
            assert_eq!(parse_timestamp(&(text.replace(' ', "T") + "Z")), Some(us), "{text}");
        }
        let noon = parse_timestamp("2013-01-31 12:00:00");
        for same in [
            "2013-01-31T12:00",
            " 2013-01-31 12:00:00 UTC ",
            "2013-01-31 12:00:00.0+00",
            "2013-01-31 14:30+02:30",
            "2013-01-31 07:00-0500",
            "2013-1-31 12:00:00.000000000Z",
            "2013-01-31 12:00:00.0000009999",
            "2013-01-31 11:59:60",
        ] {
            assert_eq!(parse_timestamp(same), noon, "{same}");
        }
        assert_eq!(parse_timestamp("2013-01-31 24:00:00"), parse_timestamp("2013-02-01"));
        for not in [
            "",
            "now",
            "2013",
            "2013-02-29",
            "2013-13-01",
            "2013-00-01",
            "2013-01-00",
            "0000-01-01",
            "2013-01-31 24:00:01",
            "2013-01-31 12:60",
            "2013-01-31 12:00:61",
            "2013-01-31 12",
            "2013-01-31 12:00 EST",
            "2013-01-31 12:00:00.",
            "2013-01-31 12:00+16",
            "2013-01-31x",
            "999999-01-01",
            "2013-01-31 12:00:00é",
        ] {
            assert_eq!(parse_timestamp(not), None, "{not}");
        }
    }

    #[test]
    fn intervals_are_read_as_written() {
        for us in [0, 1, -1, 90 * US_PER_MINUTE, -36 * US_PER_HOUR, 500_000] {
            assert_eq!(parse_interval(&format_interval(us), None), Ok(us));
        }
        let table = [
            ("5", Some("MINUTE"), 5 * US_PER_MINUTE),
            ("5", None, 5 * US_PER_SECOND),
            ("1.5 hours", None, 90 * US_PER_MINUTE),
            ("-2 days 3 hours", None, -45 * US_PER_HOUR),
            ("1 week 1 day", None, 8 * US_PER_DAY),
            ("1 day 02:00", None, 26 * US_PER_HOUR),
            ("-00:00:01.5", None, -1_500_000),
            (".5 s", None, 500_000),
            ("250ms", None, 250_000),
            ("1 02:03:04", None, US_PER_DAY + 2 * US_PER_HOUR + 184 * 1_000_000),
            ("2 -01:00", None, 47 * US_PER_HOUR),
        ];
        for (text, unit, us) in table {
            assert_eq!(parse_interval(text, unit), Ok(us), "{text}");
        }
        for not in [
            "",
            "  ",
            "soon",
            "1h30m",
            "1 fortnight",
            "1 month",
            "2 years",
            "hour",
            "1:2:3:4",
            "1e3 s",
            "--1 s",
            "1 2",
            "99999999999999 weeks",
        ] {
            assert!(parse_interval(not, None).is_err(), "{not}");
        }
    }
}
