//! What a comparison found, for people: the questions and their answers, the terminal table, and `report.html`; a scenario's page, and the
//! one that lays runs side by side, are made of the same parts.

pub mod beside;
pub mod facts;
pub mod findings;
pub mod html;
mod page;
pub mod questions;
pub mod recommendation;
pub mod scenario;
pub mod table;
mod why;
