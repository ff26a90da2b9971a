//! A day of the calendar, as acceptances name the last one on which they hold.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// A day, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Text that is no day.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a day such as 2027-01-31")]
pub struct NotADate(String);

impl Date {
    /// Today in UTC, so that a job says the same wherever it runs. Before 1970 it is 1970-01-01.
    #[must_use]
    pub fn today() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::after_epoch(since.as_secs() / 86_400)
    }

    /// The day so many days after 1970-01-01.
    fn after_epoch(mut days: u64) -> Self {
        let mut year = 1970;
        while let Some(rest) = days.checked_sub(days_of_year(year)) {
            (days, year) = (rest, year.saturating_add(1));
        }
        let mut month = 1;
        while let Some(rest) = days.checked_sub(u64::from(days_of_month(year, month))) {
            (days, month) = (rest, month + 1);
        }
        Self {
            year,
            month,
            day: u8::try_from(days + 1).unwrap_or(u8::MAX),
        }
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u16) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let not_a_date = || NotADate(text.to_owned());
        let numbers: Option<Vec<u16>> = text
            .split('-')
            .zip([4, 2, 2])
            .map(|(part, length)| {
                let digits = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| part.parse().ok()).flatten()
            })
            .collect();
        let Some([year, month, day]) = numbers.as_deref() else {
            return Err(not_a_date());
        };
        let month = u8::try_from(*month).map_err(|_| not_a_date())?;
        let day = u8::try_from(*day).map_err(|_| not_a_date())?;
        let exists = (1..=12).contains(&month) && (1..=days_of_month(*year, month)).contains(&day);
        let date = Self {
            year: *year,
            month,
            day,
        };
        // The parts joined again are the text: nothing stood behind the third.
        if exists && date.to_string() == text {
            Ok(date)
        } else {
            Err(not_a_date())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_compared() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert!(day("2026-12-31") < day("2027-01-01"));
        assert!(day("2024-02-29") < day("2024-03-01"));
        for text in [
            "2027-13-01",
            "2027-00-01",
            "2027-02-29",
            "2027-1-1",
            "27-01-01",
            "2027-01-01x",
            "2027-01-01-1",
            "",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_counted_from_the_epoch() {
        for (days, date) in [
            (0, "1970-01-01"),
            (31, "1970-02-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_819, "2027-01-01"),
        ] {
            assert_eq!(Date::after_epoch(days).to_string(), date);
        }
    }
}
