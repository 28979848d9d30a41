//! Days and dates of the proleptic Gregorian calendar, over the whole range of 64-bit microseconds, which is wider than most date
//! libraries go.

/// Microseconds in a second, a minute, an hour, a day.
pub const SECOND_US: i64 = 1_000_000;
pub const MINUTE_US: i64 = 60 * SECOND_US;
pub const HOUR_US: i64 = 60 * MINUTE_US;
pub const DAY_US: i64 = 24 * HOUR_US;

/// Days in 400 years, after which the calendar repeats, weekdays included.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_FROM_MARCH_0: i64 = 719_468;

/// A date: year (0 is 1 BC), month 1..=12, day 1..=31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

impl Date {
    /// The date `days` days after 1970-01-01.
    ///
    /// Years are counted from 1 March, so that the leap day is a year's last and month lengths follow one linear rule.
    pub fn from_days(days: i64) -> Self {
        let shifted = days + EPOCH_FROM_MARCH_0;
        let era = shifted.div_euclid(ERA_DAYS);
        let day_of_era = shifted.rem_euclid(ERA_DAYS);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA_DAYS - 1)) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Date { year: year_of_era + era * 400 + i64::from(month <= 2), month, day: day_of_year - (153 * month_from_march + 2) / 5 + 1 }
    }

    /// Days since 1970-01-01; the inverse of [`Date::from_days`].
    pub fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_FROM_MARCH_0
    }

    /// Whether the calendar has this date.
    pub fn exists(self) -> bool {
        Date::from_days(self.days()) == self
    }

    /// 1 for 1 January.
    pub fn day_of_year(self) -> i64 {
        self.days() - Date { year: self.year, month: 1, day: 1 }.days() + 1
    }
}

/// 0 for Sunday.
pub fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The ISO week (1..=53): that of the year in which the week's Thursday lies.
pub fn iso_week(days: i64) -> i64 {
    let thursday = days + 3 - (days + 3).rem_euclid(7);
    (Date::from_days(thursday).day_of_year() - 1) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i64, month: i64, day: i64) -> Date {
        Date { year, month, day }
    }

    #[test]
    fn known_days() {
        assert_eq!(date(1970, 1, 1).days(), 0);
        assert_eq!(date(2000, 2, 29).days(), 11_016);
        assert_eq!(date(1969, 12, 31).days(), -1);
        assert_eq!(date(2013, 1, 1).days(), 15_706);
        assert!(!date(2013, 2, 29).exists());
        assert!(!date(1900, 2, 29).exists());
        assert_eq!(date(2013, 12, 31).day_of_year(), 365);
    }

    #[test]
    fn every_day_of_1200_years_comes_back() {
        let mut last = Date::from_days(-219_147);
        for days in -219_146..219_146 {
            let d = Date::from_days(days);
            assert_eq!(d.days(), days);
            assert!((d.year, d.month, d.day) > (last.year, last.month, last.day));
            last = d;
        }
    }

    #[test]
    fn weeks() {
        assert_eq!(weekday(0), 4);
        assert_eq!(iso_week(date(2013, 1, 1).days()), 1);
        assert_eq!(iso_week(date(2012, 12, 31).days()), 1);
        assert_eq!(iso_week(date(2010, 1, 3).days()), 53);
        assert_eq!(iso_week(date(2020, 12, 31).days()), 53);
        assert_eq!(iso_week(date(1969, 12, 29).days()), 1);
    }
}
