//! Which type a column of texts has.

use twopath_query::time::parse_timestamp;

use super::cell::parse_bool;
use super::schema::ColumnType;

/// What the values of one column look like.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    bools: usize,
    ints: usize,
    floats: usize,
    timestamps: usize,
    texts: usize,
}

impl Seen {
    /// A CSV cell.
    pub fn text(&mut self, cell: &str) {
        let bare = cell.trim();
        let digits = bare.strip_prefix(['-', '+']).unwrap_or(bare);
        if cell.is_empty() {
        } else if bare.parse::<i64>().is_ok() {
            self.ints += 1;
        } else if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && !digits.bytes().all(|b| b.is_ascii_digit())
            && bare.parse::<f64>().is_ok()
        {
            self.floats += 1;
        } else if parse_bool(bare).is_some() {
            self.bools += 1;
        } else if parse_timestamp(bare).is_some() {
            self.timestamps += 1;
        } else {
            self.texts += 1;
        }
    }

    /// A JSON value.
    pub fn json(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::Bool(_) => self.bools += 1,
            serde_json::Value::Number(n) if n.is_i64() => self.ints += 1,
            serde_json::Value::Number(_) => self.floats += 1,
            serde_json::Value::String(s) if parse_timestamp(s).is_some() => self.timestamps += 1,
            _ => self.texts += 1,
        }
    }

    /// The type that nearly all values have. One in twenty may be of another (at least one, from three values on): these are
    /// shown to the user as cells that do not fit, rather than making a column of numbers one of text.
    pub fn column_type(&self) -> ColumnType {
        let all = self.bools + self.ints + self.floats + self.timestamps + self.texts;
        let misfits = if all < 3 { 0 } else { (all / 20).max(1) };
        let nearly_all = |n: usize| n > 0 && n + misfits >= all;
        if nearly_all(self.ints + self.floats) {
            if self.floats > 0 { ColumnType::Float } else { ColumnType::Int }
        } else if nearly_all(self.timestamps) {
            ColumnType::Timestamp
        } else if nearly_all(self.bools) {
            ColumnType::Bool
        } else {
            ColumnType::Text
        }
    }
}
