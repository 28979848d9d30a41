//! Which type a column has whose values are texts.

use super::cell::parse_bool;
use super::number::{Decimal, exact_float, is_exact_as_float, special_float};
use super::schema::ColumnType;
use super::times::Times;

/// What the values of one column look like.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    bools: usize,
    ints: usize,
    floats: usize,
    /// Integers that no float is equal to.
    ints_only: usize,
    /// Numbers that neither an integer of 64 bits nor a float is equal to.
    too_long: usize,
    /// NaN and infinities.
    specials: usize,
    timestamps: usize,
    texts: usize,
}

impl Seen {
    /// A CSV cell.
    pub fn text(&mut self, cell: &str, times: &Times) {
        let bare = cell.trim();
        // An empty cell tells nothing, and a number has been counted where it was found to be one.
        if cell.is_empty() || self.number(bare) {
            return;
        }
        if special_float(bare).is_some() {
            self.specials += 1;
        } else if parse_bool(bare).is_some() {
            self.bools += 1;
        } else {
            self.time_or_text(bare, times);
        }
    }

    /// Takes a number; false where the text is none.
    pub fn number(&mut self, text: &str) -> bool {
        if let Ok(integer) = text.parse::<i64>() {
            self.ints += 1;
            self.ints_only += usize::from(!is_exact_as_float(integer));
            return true;
        }
        let Some(number) = Decimal::parse(text) else { return false };
        match exact_float(text) {
            Ok(_) if !number.is_written_as_integer() => self.floats += 1,
            _ => self.too_long += 1,
        }
        true
    }

    /// What a JSON string holds.
    pub fn string(&mut self, text: &str, times: &Times) {
        match special_float(text) {
            Some(_) => self.specials += 1,
            None => self.time_or_text(text, times),
        }
    }

    pub fn bool(&mut self) {
        self.bools += 1;
    }

    /// A value that only a column of texts takes.
    pub fn other(&mut self) {
        self.texts += 1;
    }

    fn time_or_text(&mut self, text: &str, times: &Times) {
        match times.text(text) {
            // A column of times is one also where a day is not told from a month: the user is asked about it.
            Ok(_) | Err(super::times::NoTime::DayOrMonth | super::times::NoTime::TooFar) => self.timestamps += 1,
            Err(_) => self.texts += 1,
        }
    }

    /// The type that nearly all values have. One in twenty may be of another (at least one, from three values on): these are
    /// shown to the user as cells that do not fit, rather than making a column of numbers one of text. Numbers become texts
    /// where more of them than that would lose digits.
    pub fn column_type(&self) -> ColumnType {
        let numbers = self.ints + self.floats + self.too_long + self.specials;
        let all = numbers + self.bools + self.timestamps + self.texts;
        let misfits = if all < 3 { 0 } else { (all / 20).max(1) };
        let nearly_all = |n: usize| n > 0 && n + misfits >= all;
        if nearly_all(numbers) {
            let is_float = self.floats + self.specials > 0;
            let lost = self.too_long + if is_float { self.ints_only } else { 0 };
            match lost > misfits {
                true => ColumnType::Text,
                false if is_float => ColumnType::Float,
                false => ColumnType::Int,
            }
        } else if nearly_all(self.timestamps) {
            ColumnType::Timestamp
        } else if nearly_all(self.bools) {
            ColumnType::Bool
        } else {
            ColumnType::Text
        }
    }

    /// Whether a column of texts is one because its numbers have too many digits.
    pub fn is_long_numbers(&self) -> bool {
        self.column_type() == ColumnType::Text && self.too_long + self.ints_only > 0 && self.texts == 0
    }
}
