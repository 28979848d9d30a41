//! What names mean: the columns of what stands in FROM, the window's columns, and the nearest name to a mistyped one.

use arrow_schema::{DataType as ArrowType, Schema};
use sqlparser::ast::Ident;
use twopath_base::LogColumn;

use crate::plan::{Plan, Window, later};
use crate::types::*;

/// The names that expressions can use: the columns of what stands in FROM.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// What FROM names, from left to right.
    pub relations: Vec<Relation>,
    /// Those of each relation in its order.
    pub columns: Vec<Column>,
    /// How many columns the input has: aggregates are numbered from here.
    pub width: usize,
    /// Windows, and the input's first column that says which one it is.
    pub windows: Vec<(Window, usize)>,
    /// The watermarks of topics that have one.
    pub watermarks: Vec<Watermark>,
}

/// How far a topic's event time is known to be complete.
#[derive(Debug, Clone)]
pub(super) struct Watermark {
    /// The event time, over the input's columns.
    pub time: Expr,
    /// One row with one column: the watermark, NULL while there is none.
    pub plan: Plan,
}

/// A topic, a query of WITH, or a subquery by its alias.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub name: String,
    pub is_topic: bool,
    pub alias: Option<String>,
}

/// A name with what it means over the input's columns.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Into [`Scope::relations`].
    pub relation: usize,
    pub name: String,
    /// What its bare name means: of one that USING made of two, what both come to.
    pub expr: Expr,
    /// What its name means behind its relation's.
    pub own: Expr,
    /// Whether USING made one column of it and another, which is the one that its bare name means.
    pub is_merged: bool,
    /// Its place in `SELECT *`.
    pub place: usize,
    /// Whether `SELECT *` leaves it out, and another column of the name hides it: the log's own.
    pub is_hidden: bool,
}

impl Scope {
    pub fn new(relation: &str, is_topic: bool, columns: Vec<(String, DataType)>) -> Self {
        let width = columns.len();
        let column = |(i, (name, t))| Column::of(name, Expr::column(i, t), i);
        let columns = columns.into_iter().enumerate().map(column).collect();
        let relations = vec![Relation { name: relation.to_owned(), is_topic, alias: None }];
        Scope { relations, columns, width, windows: Vec::new(), watermarks: Vec::new() }
    }

    /// The names over a topic's columns and the log's own behind them.
    pub fn of_topic(topic: &str, columns: Vec<(String, DataType)>) -> Self {
        let mut scope = Scope::new(topic, true, columns);
        let first = scope.width - LogColumn::EACH.len();
        scope.columns[first..].iter_mut().for_each(|c| c.is_hidden = true);
        scope
    }

    /// The log's own column: of the topic, or of what a subquery puts out under its name and in its type.
    pub fn log_column(&self, column: LogColumn) -> Option<Expr> {
        let is_it = |c: &&Column| {
            let is_topic = self.relations[c.relation].is_topic;
            c.name == column.name() && c.expr.data_type == log_column_type(column) && c.is_hidden == is_topic
        };
        match self.columns.iter().filter(is_it).collect::<Vec<_>>()[..] {
            [one] => Some(one.expr.clone()),
            _ => None,
        }
    }

    /// Adds the names of a window's start and end, and Flink's of its last millisecond, which `*` does not show. The input has the columns that say which window it is as its last ones.
    pub fn add_window(&mut self, window: &Window) {
        let (start, end) = (window.start(self.width), window.end(self.width));
        // A subquery over a window may have put these names out: those of this window are meant.
        self.columns.retain(|c| !["window_start", "window_end", "window_time"].contains(&&c.name[..]));
        let time = later(end.clone(), -1_000);
        for (name, expr, is_hidden) in [("window_start", start, false), ("window_end", end, false), ("window_time", time, true)] {
            self.columns.push(Column { is_hidden, ..Column::of(name.to_owned(), expr, self.next_place()) });
        }
        self.windows.push((window.clone(), self.width));
        self.width += window.columns().len();
    }

    /// The names of a join: its columns are those of the left side and then those of the right one.
    #[must_use]
    pub fn beside(mut self, right: Scope) -> Self {
        let (relations, width, place) = (self.relations.len(), self.width, self.next_place());
        let moved = |expr: &Expr| expr.renumbered(|i| i + width);
        let column =
            |c: Column| Column { relation: c.relation + relations, expr: moved(&c.expr), own: moved(&c.own), place: c.place + place, ..c };
        self.columns.extend(right.columns.into_iter().map(column));
        self.windows.extend(right.windows.into_iter().map(|(window, first)| (window.after(width), first + width)));
        let watermarks = right.watermarks.into_iter().map(|w| Watermark { time: moved(&w.time), ..w });
        self.watermarks.extend(watermarks);
        self.relations.extend(right.relations);
        self.width += right.width;
        self
    }

    /// Behind all columns, in `SELECT *`.
    fn next_place(&self) -> usize {
        self.columns.iter().map(|c| c.place + 1).max().unwrap_or(0)
    }

    /// Puts these columns before all others in `SELECT *`.
    pub fn put_first(&mut self, columns: &[usize]) {
        self.columns.iter_mut().for_each(|c| c.place += columns.len());
        columns.iter().enumerate().for_each(|(place, &column)| self.columns[column].place = place);
    }

    /// The columns of `SELECT *`, in its order.
    pub fn shown(&self) -> Vec<&Column> {
        let mut shown: Vec<&Column> = self.columns.iter().filter(|c| !c.is_hidden && !c.is_merged).collect();
        shown.sort_by_key(|c| c.place);
        shown
    }

    /// The columns of this name: none, one, or several that cannot be told apart. An unquoted name that no column has exactly is looked for
    /// without regard to case.
    pub fn named(&self, name: &Ident) -> Vec<&Column> {
        self.among(name, |c| !c.is_merged)
    }

    /// As [`Scope::named`], of the relation that is known by this name, which has columns of its own beside those that USING makes of two.
    pub fn named_in(&self, relation: &Ident, name: &Ident) -> Vec<&Column> {
        self.among(name, |c| same_name(relation, self.relations[c.relation].known_as()))
    }

    fn among(&self, name: &Ident, of: impl Fn(&Column) -> bool) -> Vec<&Column> {
        let shown = self.spelled(name, |c| of(c) && !c.is_hidden);
        if shown.is_empty() { self.spelled(name, |c| of(c) && c.is_hidden) } else { shown }
    }

    fn spelled(&self, name: &Ident, of: impl Fn(&Column) -> bool) -> Vec<&Column> {
        let exactly = |wanted: &str| self.columns.iter().filter(|c| of(c) && c.name == wanted).collect::<Vec<_>>();
        if name.quote_style.is_some() {
            return exactly(&name.value);
        }
        match exactly(&name.value.to_lowercase()) {
            none if none.is_empty() => self.columns.iter().filter(|c| of(c) && c.name.eq_ignore_ascii_case(&name.value)).collect(),
            some => some,
        }
    }

    /// The column of this name, where there is exactly one.
    pub fn column(&self, name: &Ident) -> Option<&Column> {
        match self.named(name)[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether `name` is a relation or its alias, as in `flights.origin`.
    pub fn is_relation(&self, name: &Ident) -> bool {
        self.relations.iter().any(|r| same_name(name, r.known_as()))
    }

    /// What FROM names, for messages.
    pub fn known_as(&self) -> String {
        self.relations.iter().map(Relation::known_as).collect::<Vec<_>>().join(" and ")
    }

    /// What to say about a name that no column has.
    pub fn unknown_column(&self, name: &str) -> String {
        let near = nearest(name, self.columns.iter().map(|c| c.name.as_str()));
        let listed = self.columns.iter().filter(|c| !c.is_hidden).map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let relation = match &self.relations[..] {
            [] => return format!("no column '{name}' is known where nothing is read: write FROM and a topic"),
            [one] => format!("{}{}", if one.is_topic { "topic " } else { "" }, one.name),
            _ => "what stands in FROM".to_owned(),
        };
        match near {
            Some(near) => format!("{relation} has no column '{name}': did you mean '{near}'?"),
            None if name.starts_with("window_") && self.windows.is_empty() => {
                let table = self.relations.first().map_or("t", |r| r.name.as_str());
                format!("'{name}' needs a window: write FROM TUMBLE(TABLE {table}, DESCRIPTOR(column), INTERVAL '1' HOUR)")
            }
            None => format!("{relation} has no column '{name}': its columns are {listed}"),
        }
    }
}

impl Column {
    /// Of the first relation.
    fn of(name: String, expr: Expr, place: usize) -> Self {
        Column { relation: 0, name, own: expr.clone(), expr, is_merged: false, place, is_hidden: false }
    }
}

impl Relation {
    pub fn known_as(&self) -> &str {
        self.alias.as_ref().unwrap_or(&self.name)
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
    // Of one letter or two any other is as near.
    let tolerance = (name.chars().count() / 3).min(3);
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
