//! What a comparison found, for people: the questions and their answers, the terminal table, and `report.html`; a scenario's page is made of
//! the same parts.

pub mod facts;
pub mod findings;
pub mod html;
mod page;
pub mod questions;
pub mod recommendation;
pub mod scenario;
pub mod table;
mod why;
