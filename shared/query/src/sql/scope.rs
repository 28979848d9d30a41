//! What names mean: the topic's columns, the window's columns, and the nearest name to a mistyped one.

use arrow_schema::{DataType as ArrowType, Schema};
use sqlparser::ast::Ident;

use crate::types::*;

/// The tumbling window of `FROM TUMBLE(...)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The timestamp column that it cuts.
    pub column: usize,
    pub size_us: i64,
}

impl Window {
    pub fn start(&self) -> Expr {
        let arg = Box::new(Expr::column(self.column, DataType::Timestamp));
        Expr { kind: ExprKind::Tumble { arg, size_us: self.size_us }, data_type: DataType::Timestamp }
    }

    pub fn end(&self) -> Expr {
        let size = Expr::literal(Value::Interval(self.size_us), DataType::Interval);
        Expr::binary(BinaryOp::Add, self.start(), size, DataType::Timestamp)
    }
}

/// The names that expressions can use.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub topic: String,
    pub alias: Option<String>,
    pub fields: Vec<Field>,
    pub window: Option<Window>,
}

impl Scope {
    /// All columns as `SELECT *` gives them.
    pub fn columns(&self) -> Vec<(String, Expr)> {
        let mut all: Vec<_> = self.fields.iter().enumerate().map(|(i, f)| (f.name.clone(), Expr::column(i, f.data_type))).collect();
        if let Some(window) = &self.window {
            all.push(("window_start".to_owned(), window.start()));
            all.push(("window_end".to_owned(), window.end()));
        }
        all
    }

    /// The column of this name. An unquoted name that no column has exactly is looked for without regard to case.
    pub fn column(&self, name: &Ident) -> Option<(String, Expr)> {
        let mut columns = self.columns();
        let position = |wanted: &str| columns.iter().position(|(n, _)| n == wanted);
        if name.quote_style.is_some() {
            return position(&name.value).map(|i| columns.swap_remove(i));
        }
        if let Some(i) = position(&name.value.to_lowercase()) {
            return Some(columns.swap_remove(i));
        }
        let mut alike = columns.into_iter().filter(|(n, _)| n.eq_ignore_ascii_case(&name.value));
        alike.next().filter(|_| alike.next().is_none())
    }

    /// Whether `name` is the topic or its alias, as in `flights.origin`.
    pub fn is_relation(&self, name: &Ident) -> bool {
        let wanted = self.alias.as_ref().unwrap_or(&self.topic);
        same_name(name, wanted)
    }

    /// What to say about a name that no column has.
    pub fn unknown_column(&self, name: &str) -> String {
        let columns = self.columns();
        let near = nearest(name, columns.iter().map(|(n, _)| n.as_str()));
        let listed = columns.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", ");
        match near {
            Some(near) => format!("topic {} has no column '{name}': did you mean '{near}'?", self.topic),
            None if name.starts_with("window_") && self.window.is_none() => {
                format!("'{name}' needs a window: write FROM TUMBLE(TABLE {}, DESCRIPTOR(column), INTERVAL '1' HOUR)", self.topic)
            }
            None => format!("topic {} has no column '{name}': its columns are {listed}", self.topic),
        }
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
