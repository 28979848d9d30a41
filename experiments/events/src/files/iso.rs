//! Times as text in ISO 8601.

use twopath_query::time::format_timestamp;

/// Microseconds since 1970 as ISO 8601 in UTC: `2013-01-01T10:00:00Z`, with a fraction only where there is one, and the year before 1 as
/// `0000`, the one before as `-0001`. What it writes is read again as the same time.
pub fn iso(us: i64) -> String {
    let text = format_timestamp(us);
    let Some(text) = text.strip_suffix(" BC") else { return text.replacen(' ', "T", 1) + "Z" };
    // PostgreSQL's writing, which is of people: the year 1 before Christ is the year 0.
    let (year, rest) = text.split_once('-').unwrap_or((text, ""));
    let year = 1 - year.parse::<i64>().unwrap_or(0);
    let year = if year < 0 { format!("-{:04}", -year) } else { format!("{year:04}") };
    format!("{year}-{}Z", rest.replacen(' ', "T", 1))
}

/// The same of nanoseconds, of which no digit is lost.
pub fn iso_of_ns(ns: i64) -> String {
    let (us, below) = (ns.div_euclid(1_000), ns.rem_euclid(1_000));
    if below == 0 {
        return iso(us);
    }
    let whole = iso(us - us.rem_euclid(1_000_000));
    let fraction = format!("{:09}", ns.rem_euclid(1_000_000_000));
    format!("{}.{}Z", whole.trim_end_matches('Z'), fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_lost() {
        assert_eq!(iso_of_ns(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(iso_of_ns(1_000_000_120), "1970-01-01T00:00:01.00000012Z");
        assert_eq!(iso_of_ns(1_500_000_000), "1970-01-01T00:00:01.5Z");
    }
}
