//! What names mean: the columns of what stands in FROM, the window's columns, and the nearest name to a mistyped one.

use arrow_schema::{DataType as ArrowType, Schema};
use sqlparser::ast::Ident;
use twopath_base::LogColumn;

use crate::types::*;

/// The names that expressions can use: the columns of what stands in FROM.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// What FROM names: the topic, a query of WITH, or a subquery by its alias.
    pub relation: String,
    pub is_topic: bool,
    pub alias: Option<String>,
    /// Names with what they mean over the input's columns, in the order of `SELECT *`.
    pub columns: Vec<(String, Expr)>,
    /// As `columns`, but `SELECT *` leaves them out, and a column of that name hides them: the log's own.
    pub hidden: Vec<(String, Expr)>,
    /// How many columns the input has: aggregates are numbered from here.
    pub width: usize,
    /// A window's start and end.
    pub window: Option<(Expr, Expr)>,
}

impl Scope {
    pub fn new(relation: &str, is_topic: bool, columns: Vec<(String, DataType)>) -> Self {
        let width = columns.len();
        let columns = columns.into_iter().enumerate().map(|(i, (name, t))| (name, Expr::column(i, t))).collect();
        Scope { relation: relation.to_owned(), is_topic, alias: None, columns, hidden: Vec::new(), width, window: None }
    }

    /// The names over a topic's columns and the log's own behind them.
    pub fn of_topic(topic: &str, columns: Vec<(String, DataType)>) -> Self {
        let mut scope = Scope::new(topic, true, columns);
        scope.hidden = scope.columns.split_off(scope.width - LogColumn::ALL.len());
        scope
    }

    /// Adds the window's columns: its start, which the input has as its last column, and its end.
    pub fn add_window(&mut self, end: impl FnOnce(Expr) -> Expr) {
        let start = Expr::column(self.width, DataType::Timestamp);
        self.width += 1;
        let end = end(start.clone());
        // A subquery over a window may have put these names out: those of this window are meant.
        self.columns.retain(|(name, _)| name != "window_start" && name != "window_end");
        self.columns.push(("window_start".to_owned(), start.clone()));
        self.columns.push(("window_end".to_owned(), end.clone()));
        self.window = Some((start, end));
    }

    /// The columns of this name: none, one, or several that cannot be told apart. An unquoted name that no column has exactly is looked for
    /// without regard to case.
    pub fn named(&self, name: &Ident) -> Vec<&(String, Expr)> {
        let shown = named(&self.columns, name);
        if shown.is_empty() { named(&self.hidden, name) } else { shown }
    }

    /// The column of this name, where there is exactly one.
    pub fn column(&self, name: &Ident) -> Option<&(String, Expr)> {
        match self.named(name)[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether `name` is the relation or its alias, as in `flights.origin`.
    pub fn is_relation(&self, name: &Ident) -> bool {
        same_name(name, self.known_as())
    }

    pub fn known_as(&self) -> &str {
        self.alias.as_ref().unwrap_or(&self.relation)
    }

    /// What to say about a name that no column has.
    pub fn unknown_column(&self, name: &str) -> String {
        let near = nearest(name, self.columns.iter().chain(&self.hidden).map(|(n, _)| n.as_str()));
        let listed = self.columns.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", ");
        let relation = format!("{}{}", if self.is_topic { "topic " } else { "" }, self.relation);
        match near {
            Some(near) => format!("{relation} has no column '{name}': did you mean '{near}'?"),
            None if name.starts_with("window_") && self.window.is_none() => {
                format!("'{name}' needs a window: write FROM TUMBLE(TABLE {}, DESCRIPTOR(column), INTERVAL '1' HOUR)", self.relation)
            }
            None => format!("{relation} has no column '{name}': its columns are {listed}"),
        }
    }
}

fn named<'a>(columns: &'a [(String, Expr)], name: &Ident) -> Vec<&'a (String, Expr)> {
    let exactly = |wanted: &str| columns.iter().filter(|(n, _)| n == wanted).collect::<Vec<_>>();
    if name.quote_style.is_some() {
        return exactly(&name.value);
    }
    match exactly(&name.value.to_lowercase()) {
        none if none.is_empty() => columns.iter().filter(|(n, _)| n.eq_ignore_ascii_case(&name.value)).collect(),
        some => some,
    }
}

/// Whether an identifier means this name: exactly where it is quoted, without regard to case where not.
pub(super) fn same_name(ident: &Ident, name: &str) -> bool {
    if ident.quote_style.is_some() { ident.value == name } else { ident.value.eq_ignore_ascii_case(name) }
}

/// The topic's columns as a query sees them; the error names the column that no query can read.
pub(super) fn fields(topic: &str, schema: &Schema) -> Result<Vec<Field>, String> {
    let field = |f: &std::sync::Arc<arrow_schema::Field>| {
        let data_type = data_type(f.data_type()).ok_or_else(|| {
            let name = f.name();
            format!("column '{name}' of topic {topic} has the type {}, which queries cannot read: import it as text or a number, or leave it out", f.data_type())
        })?;
        Ok(Field { name: f.name().clone(), data_type, nullable: f.is_nullable() })
    };
    schema.fields().iter().map(field).collect()
}

/// The SQL type that a column of an Arrow type is read as; `None` where it cannot be read.
pub fn data_type(arrow: &ArrowType) -> Option<DataType> {
    Some(match arrow {
        ArrowType::Boolean => DataType::Bool,
        ArrowType::Float32 | ArrowType::Float64 => DataType::Float,
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => DataType::Text,
        ArrowType::Dictionary(_, value) if **value == ArrowType::Utf8 => DataType::Text,
        ArrowType::Timestamp(_, _) | ArrowType::Date32 | ArrowType::Date64 => DataType::Timestamp,
        ArrowType::Duration(_) => DataType::Interval,
        ArrowType::Decimal128(precision, scale) => {
            let scale = u8::try_from(*scale).ok().filter(|s| s <= precision)?;
            DataType::decimal(*precision, scale)
        }
        integer if integer.is_integer() => DataType::Int,
        _ => return None,
    })
}

/// The name nearest to a mistyped one, if any is near.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let tolerance = (name.chars().count() / 3).clamp(1, 3);
    names.map(|n| (distance(&name, &n.to_lowercase()), n)).min().filter(|(d, _)| *d <= tolerance).map(|(_, n)| n)
}

/// How many insertions, deletions, substitutions and swaps of neighbours lead from one text to another.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitute = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitute.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
