//! What a case is: `cases.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use twopath_query::Value;

use crate::rows::{self, Record, Row};

/// Name and type of a column.
pub type Column = (String, String);

pub struct Case {
    pub id: String,
    pub collection: String,
    pub tables: Vec<TableOf>,
    /// Of the result.
    pub columns: Vec<Column>,
    /// The result after each step that is checked.
    pub expected: BTreeMap<i64, Vec<Row>>,
    changes: Vec<(String, Change)>,
}

/// A table as the case describes it.
pub struct TableOf {
    pub name: String,
    pub columns: Vec<Column>,
    pub primary_key: Option<String>,
}

/// One change of a table.
#[derive(Clone)]
pub struct Change {
    pub step: i64,
    pub op: Op,
    pub row: Row,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Op {
    Insert,
    Update,
    Delete,
}

impl Case {
    pub fn last_step(&self) -> i64 {
        let steps = self.changes.iter().map(|(_, change)| change.step);
        steps.chain(self.expected.keys().copied()).max().unwrap_or(0)
    }

    /// The changes of a table, in the order in which they come.
    pub fn changes(&self, table: &str) -> Vec<Change> {
        self.changes.iter().filter(|(of, _)| of == table).map(|(_, change)| change.clone()).collect()
    }
}

pub fn all(folder: &Path) -> Vec<Case> {
    let cases: Json = serde_json::from_str(&read(folder, "cases.json")).expect("cases.json is JSON");
    list(&cases["cases"]).iter().map(|case| of(folder, case)).collect()
}

fn of(folder: &Path, case: &Json) -> Case {
    let collection = text(&case["collection"]);
    let columns = columns(case);
    let in_steps = collection == "windows";
    let tables: Vec<TableOf> = list(&case[if in_steps { "tables" } else { "inputs" }]).iter().map(table).collect();
    let mut changes = Vec::new();
    if in_steps {
        for record in rows::csv(&read(folder, &text(&case["input"]))) {
            let of = |name: &str| record.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.clone()).expect("every change has it");
            let table = tables.iter().find(|t| t.name == of("table")).expect("the table is known");
            let op = match of("op").as_str() {
                "insert" => Op::Insert,
                "update" => Op::Update,
                "delete" => Op::Delete,
                other => panic!("{other} is no change"),
            };
            let step = of("step").parse().expect("steps are numbers");
            changes.push((table.name.clone(), Change { step, op, row: row(&record, &table.columns) }));
        }
    } else {
        for (input, table) in list(&case["inputs"]).iter().zip(&tables) {
            let file = read(folder, &text(&input["file"]));
            let of_table = |(op, record): (Op, Record)| (table.name.clone(), Change { step: 1, op, row: row(&record, &table.columns) });
            changes.extend(inputs(&file, input).into_iter().map(of_table));
        }
    }
    let file = read(folder, &text(&case["expected"]));
    let mut expected: BTreeMap<i64, Vec<Row>> = match case["checked_steps"].as_array() {
        Some(steps) => steps.iter().map(|s| (s.as_i64().expect("steps are numbers"), Vec::new())).collect(),
        None => BTreeMap::from([(1, Vec::new())]),
    };
    let after = ("after_step".to_owned(), "int".to_owned());
    for record in records(&file) {
        let step = if let Value::Int(step) = rows::value(&record, &after) { step } else { 1 };
        expected.get_mut(&step).expect("only checked steps have rows").push(row(&record, &columns));
    }
    Case { id: text(&case["id"]), collection, tables, columns, expected, changes }
}

/// The records of an input whose rows all come at once; of a change stream the changes.
fn inputs(file: &str, input: &Json) -> Vec<(Op, Record)> {
    if input["change_stream"] != Json::Bool(true) {
        return records(file).into_iter().map(|record| (Op::Insert, record)).collect();
    }
    let change = |change: Json| match change["op"].as_str() {
        Some("d") => (Op::Delete, rows::record(&change["before"])),
        Some("u") => (Op::Update, rows::record(&change["after"])),
        _ => (Op::Insert, rows::record(&change["after"])),
    };
    rows::jsonl(file).into_iter().map(change).collect()
}

fn records(file: &str) -> Vec<Record> {
    if file.starts_with('{') { rows::jsonl(file).iter().map(rows::record).collect() } else { rows::csv(file) }
}

fn row(record: &Record, columns: &[Column]) -> Row {
    columns.iter().map(|column| rows::value(record, column)).collect()
}

fn table(json: &Json) -> TableOf {
    let primary_key = json["primary_key"].as_array().and_then(|key| key.first()).map(text);
    TableOf { name: text(&json["table"]), columns: columns(json), primary_key }
}

fn columns(json: &Json) -> Vec<Column> {
    list(&json["columns"]).iter().map(|c| (text(&c[0]), text(&c[1]))).collect()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().expect("it is a list")
}

fn text(json: &Json) -> String {
    json.as_str().expect("it is a text").to_owned()
}

fn read(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
