//! What a comparison found, for people: the questions and their answers, the terminal table, and `report.html`.

pub mod facts;
pub mod findings;
pub mod html;
pub mod questions;
pub mod recommendation;
pub mod table;
mod why;
