//! What a scenario's page shows, as data.

use serde::{Deserialize, Serialize};

/// Lines over one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    pub title: String,
    /// What to see in it.
    pub hint: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

/// One axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// In words: `events of history`.
    pub label: String,
    /// As of a [`Figure`](super::Figure).
    pub unit: String,
    /// In powers of ten.
    pub log: bool,
}

impl Axis {
    pub fn linear(label: &str, unit: &str) -> Self {
        Axis { label: label.into(), unit: unit.into(), log: false }
    }

    pub fn log(label: &str, unit: &str) -> Self {
        Axis { log: true, ..Axis::linear(label, unit) }
    }
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// A preset's name has its colour everywhere.
    pub name: String,
    /// Ascending in x.
    pub points: Vec<Point>,
}

/// One point of a line, with its interval where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Point {
    pub fn at(x: f64, y: f64) -> Self {
        Point { x, y, low: None, high: None }
    }
}

/// Who is best where: a field of two parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Map {
    pub title: String,
    /// What to see in it.
    pub hint: String,
    pub x: Axis,
    pub y: Axis,
    /// Ascending.
    pub xs: Vec<f64>,
    /// Ascending.
    pub ys: Vec<f64>,
    /// Who can be best.
    pub names: Vec<String>,
    /// For each y, for each x: the index of the best one's name, and by how many times it is better than the next.
    pub cells: Vec<Vec<(usize, f64)>>,
}

/// Rows under a heading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    Text(String),
    /// A value in a unit, as of a [`Figure`](super::Figure).
    Value(f64, String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<(f64, &str)> for Cell {
    fn from((value, unit): (f64, &str)) -> Self {
        Cell::Value(value, unit.into())
    }
}

impl From<(Option<f64>, &str)> for Cell {
    fn from((value, unit): (Option<f64>, &str)) -> Self {
        value.map_or_else(|| Cell::Text("–".into()), |value| Cell::Value(value, unit.into()))
    }
}
