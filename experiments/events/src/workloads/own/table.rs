//! Which files of a user's own are events, what queries call them, and which of their columns is the event time.

use std::path::{Path, PathBuf};

/// A file of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTable {
    /// What stands after FROM; none where the user gave none.
    pub name: Option<String>,
    pub path: PathBuf,
    pub time_column: Option<String>,
}

impl OwnTable {
    /// What it is called where the user gave no name: as its file, without what stands behind the first dot.
    pub fn named(&self) -> String {
        self.name.clone().unwrap_or_else(|| stem(&self.path))
    }

    /// The tables that were given as `FILE` or `NAME=FILE`, and their event-time columns as `COLUMN`, of every table, or `NAME=COLUMN`. A table without one has no event
    /// times.
    ///
    /// ```
    /// use twopath_events::workloads::OwnTable;
    ///
    /// let tables = OwnTable::of(&["orders.csv", "buyers=people.csv"], &["orders=at"]).unwrap();
    /// assert_eq!(tables.iter().map(OwnTable::named).collect::<Vec<_>>(), ["orders", "buyers"]);
    /// assert_eq!((tables[0].time_column.as_deref(), &tables[1].time_column), (Some("at"), &None));
    /// assert!(OwnTable::of(&["orders.csv"], &["ordrs=at"]).unwrap_err().contains("no table is called 'ordrs'"));
    /// assert!(OwnTable::of(&["a/t.csv", "b/t.csv"], &[]).unwrap_err().contains("two tables are called 't'"));
    /// ```
    ///
    /// # Errors
    /// Two tables of one name, or two time columns of one table: what to write instead.
    pub fn of<S: AsRef<str>>(files: &[S], time_columns: &[S]) -> Result<Vec<OwnTable>, String> {
        let mut tables: Vec<OwnTable> = Vec::with_capacity(files.len());
        for file in files {
            let table = OwnTable::read(file.as_ref());
            if tables.iter().any(|other| other.named().eq_ignore_ascii_case(&table.named())) {
                let path = table.path.display();
                return Err(format!("two tables are called '{}': give the second another name, as in --events NAME={path}", table.named()));
            }
            tables.push(table);
        }
        let mut of_all = None;
        for column in time_columns {
            let column = column.as_ref();
            let (before, column) = match column.split_once('=').filter(|(name, _)| is_name(name)) {
                Some((name, column)) => match tables.iter().position(|table| table.named().eq_ignore_ascii_case(name)) {
                    Some(table) => (&mut tables[table].time_column, column),
                    None => {
                        let known = tables.iter().map(OwnTable::named).collect::<Vec<_>>().join(", ");
                        return Err(format!("--time-column {name}={column}: no table is called '{name}'; --events gives {known}"));
                    }
                },
                None => (&mut of_all, column),
            };
            if let Some(before) = before.replace(column.to_owned()) {
                return Err(format!(
                    "'{before}' and '{column}' cannot both be the event time: of several tables write --time-column TABLE=COLUMN"
                ));
            }
        }
        for table in tables.iter_mut().filter(|t| t.time_column.is_none()) {
            table.time_column.clone_from(&of_all);
        }
        Ok(tables)
    }

    /// A file that is there is one, whatever its name.
    fn read(text: &str) -> Self {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if is_name(name) && !Path::new(text).exists() => (Some(name.to_owned()), path),
            _ => (None, text),
        };
        OwnTable { name, path: path.into(), time_column: None }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').find(|part| !part.is_empty()).unwrap_or("events").to_owned()
}
