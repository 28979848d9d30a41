//! Plans as text: an indented tree.

use std::fmt;

use super::{Distance, Frame, JoinKind, Node, OverCall, OverFunction, Plan, Upserts, Window};
use crate::decimal::Decimal;
use crate::display::{aggregate_text, identifier};
use crate::types::*;

/// How many rows that a text writes out are shown.
const VALUES_SHOWN: usize = 5;

/// An indented tree, each operator above its input.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree(f, 0)
    }
}

impl Plan {
    fn tree(&self, f: &mut fmt::Formatter<'_>, level: usize) -> fmt::Result {
        write!(f, "{:1$}", "", 2 * level)?;
        self.line(f)?;
        self.inputs().into_iter().try_for_each(|input| {
            f.write_str("\n")?;
            input.tree(f, level + 1)
        })
    }

    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.inputs().into_iter().flat_map(Plan::names).collect();
        let listed = |columns: &[NamedExpr]| {
            let column = |c: &NamedExpr| {
                let (text, name) = (c.expr.named(&names).to_string(), identifier(&c.name));
                if text == name { text } else { format!("{text} AS {name}") }
            };
            columns.iter().map(column).collect::<Vec<_>>().join(", ")
        };
        match &self.node {
            Node::Scan { topic, .. } => write!(f, "Scan {}", identifier(topic)),
            Node::Filter { condition, .. } => write!(f, "Filter {}", condition.named(&names)),
            Node::Project { columns, .. } => write!(f, "Project {}", listed(columns)),
            Node::Input { number, .. } => write!(f, "Input {number}"),
            Node::Values { columns, rows } => {
                let row = |row: &Vec<Expr>| format!("({})", row.iter().map(Expr::to_string).collect::<Vec<_>>().join(", "));
                let mut shown: Vec<String> = rows.iter().take(VALUES_SHOWN).map(row).collect();
                if rows.len() > VALUES_SHOWN {
                    shown.push(format!("and {} more", rows.len() - VALUES_SHOWN));
                }
                let columns: Vec<String> = columns.iter().map(|(name, _)| identifier(name)).collect();
                write!(f, "Values {} as ({})", shown.join(", "), columns.join(", "))
            }
            Node::Window { column, window, .. } => {
                let column = Expr::column(*column, DataType::Timestamp);
                match window {
                    Window::Tumble { size, offset_us } => write!(f, "Window {}", size.start(column, *offset_us).named(&names)),
                    Window::Hop { slide_us, size_us, offset_us } => {
                        write!(f, "Window HOP {} of {} every {}", column.named(&names), interval(*size_us), interval(*slide_us))?;
                        offset(f, *offset_us)
                    }
                    Window::Cumulate { step_us, size_us, offset_us } => {
                        write!(f, "Window CUMULATE {} up to {} by {}", column.named(&names), interval(*size_us), interval(*step_us))?;
                        offset(f, *offset_us)
                    }
                    Window::Session { gap_us, by } => {
                        write!(f, "Window SESSION {} gap {}", column.named(&names), interval(*gap_us))?;
                        let by: Vec<&str> = by.iter().map(|&i| names[i].as_str()).collect();
                        if by.is_empty() { Ok(()) } else { write!(f, " by {}", by.join(", ")) }
                    }
                }
            }
            Node::Aggregate { keys, aggregates, .. } => {
                let aggregates: Vec<String> = aggregates.iter().map(|a| aggregate_text(a, &names)).collect();
                write!(f, "Aggregate {}", aggregates.join(", "))?;
                let keys: Vec<String> = keys.iter().map(|k| k.expr.named(&names).to_string()).collect();
                if keys.is_empty() { Ok(()) } else { write!(f, "{}by {}", if aggregates.is_empty() { "" } else { " " }, keys.join(", ")) }
            }
            Node::Sort { by, .. } => {
                let by = by.iter().map(|o| format!("{} {}", o.expr.named(&names), o.direction()));
                write!(f, "Sort {}", by.collect::<Vec<_>>().join(", "))
            }
            Node::Distinct { .. } => f.write_str("Distinct"),
            Node::Limit { limit, offset, .. } => {
                f.write_str("Limit")?;
                limit.map_or(Ok(()), |rows| write!(f, " {rows}"))?;
                if *offset > 0 { write!(f, " after {offset}") } else { Ok(()) }
            }
            Node::Join { kind, on, .. } => {
                write!(f, "{} join", kind.name())?;
                on.as_ref().map_or(Ok(()), |on| write!(f, " on {}", on.named(&names)))
            }
            Node::AsOfJoin { left, right, kind, on, op, left_at, right_at } => {
                let (left_at, right_at) = (left_at.named(&left.names()).to_string(), right_at.named(&right.names()).to_string());
                write!(f, "{} as-of join where {left_at} {} {right_at}", kind.name(), op.sql_name())?;
                on.as_ref().map_or(Ok(()), |on| write!(f, " on {}", on.named(&names)))
            }
            Node::TemporalJoin { left, right, kind, on, at, upserts } => {
                let (left_at, right_at) = (at.left_at.named(&left.names()).to_string(), at.right_at.named(&right.names()).to_string());
                let op = if at.inclusive { ">=" } else { ">" };
                write!(f, "{} temporal join where {left_at} {op} {right_at}, newest by {}", kind.name(), upserts.key_text(&right.names()))?;
                on.as_ref().map_or(Ok(()), |on| write!(f, " on {}", on.named(&names)))
            }
            Node::Union { .. } => f.write_str("Union"),
            Node::Latest { upserts, .. } => write!(f, "Latest by {}", upserts.key_text(&names)),
            Node::Over { calls, .. } => {
                let calls: Vec<String> = calls.iter().map(|c| c.text(&names)).collect();
                write!(f, "Over {}", calls.join(", "))
            }
        }
    }
}

fn interval(us: i64) -> String {
    crate::time::format_interval(us)
}

fn offset(f: &mut fmt::Formatter<'_>, us: i64) -> fmt::Result {
    if us == 0 { Ok(()) } else { write!(f, " offset {}", interval(us)) }
}

impl JoinKind {
    fn name(self) -> &'static str {
        match self {
            JoinKind::Inner => "Inner",
            JoinKind::Left => "Left",
            JoinKind::Right => "Right",
            JoinKind::Full => "Full",
        }
    }
}

impl Upserts {
    fn key_text(&self, names: &[String]) -> String {
        self.key.iter().map(|&i| names[i].as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl OverCall {
    fn text(&self, names: &[String]) -> String {
        let of = |e: &Expr| e.named(names).to_string();
        let mut text = match &self.function {
            OverFunction::RowNumber => "ROW_NUMBER()".to_owned(),
            OverFunction::Rank => "RANK()".to_owned(),
            OverFunction::DenseRank => "DENSE_RANK()".to_owned(),
            OverFunction::Aggregate(aggregate) => aggregate_text(aggregate, names),
            OverFunction::Lag { arg, rows, default } => {
                let (name, rows) = if *rows < 0 { ("LEAD", rows.unsigned_abs()) } else { ("LAG", rows.unsigned_abs()) };
                let default = default.as_ref().map_or(String::new(), |d| format!(", {}", of(d)));
                format!("{name}({}, {rows}{default})", of(arg))
            }
            OverFunction::First(arg) => format!("FIRST_VALUE({})", of(arg)),
            OverFunction::Last(arg) => format!("LAST_VALUE({})", of(arg)),
            OverFunction::Nth { arg, row } => format!("NTH_VALUE({}, {row})", of(arg)),
            OverFunction::Known { arg, last } => {
                format!("{}({}) IGNORE NULLS", if *last { "LAST_VALUE" } else { "FIRST_VALUE" }, of(arg))
            }
        };
        let mut clauses = Vec::new();
        if !self.partition_by.is_empty() {
            clauses.push(format!("PARTITION BY {}", self.partition_by.iter().map(of).collect::<Vec<_>>().join(", ")));
        }
        if !self.order_by.is_empty() {
            let by = self.order_by.iter().map(|o| format!("{} {}", of(&o.expr), o.direction()));
            clauses.push(format!("ORDER BY {}", by.collect::<Vec<_>>().join(", ")));
        }
        match self.frame {
            Frame::Partition => {}
            Frame::Range { before: None } if !self.order_by.is_empty() => {}
            Frame::Range { before } => {
                clauses.push(format!("RANGE BETWEEN {} AND CURRENT ROW", bound(before.map(|b| b.unsigned_abs()), "PRECEDING")))
            }
            Frame::Rows { before, after } => {
                clauses.push(format!("ROWS BETWEEN {} AND {}", bound(before, "PRECEDING"), bound(after, "FOLLOWING")));
            }
            Frame::RowsBetween { start, end } => clauses.push(between("ROWS", start.map(counted), end.map(counted))),
            Frame::GroupsBetween { start, end } => clauses.push(between("GROUPS", start.map(counted), end.map(counted))),
            Frame::RangeBetween { start, end } => {
                let far = |distance| far(distance, self.order_by[0].expr.data_type);
                clauses.push(between("RANGE", start.map(far), end.map(far)));
            }
        }
        text.push_str(&format!(" OVER ({})", clauses.join(" ")));
        text
    }
}

fn bound(rows: Option<u64>, direction: &str) -> String {
    match rows {
        None => format!("UNBOUNDED {direction}"),
        Some(0) => "CURRENT ROW".to_owned(),
        Some(rows) => format!("{rows} {direction}"),
    }
}

fn between(units: &str, start: Option<String>, end: Option<String>) -> String {
    let (start, end) = (start.unwrap_or("UNBOUNDED PRECEDING".to_owned()), end.unwrap_or("UNBOUNDED FOLLOWING".to_owned()));
    format!("{units} BETWEEN {start} AND {end}")
}

fn counted(rows: i64) -> String {
    bound(Some(rows.unsigned_abs()), if rows < 0 { "PRECEDING" } else { "FOLLOWING" })
}

fn far(distance: Distance, of: DataType) -> String {
    let (is_before, text) = match (distance, of) {
        (Distance::Float(0.0) | Distance::Exact(0), _) => return "CURRENT ROW".to_owned(),
        (Distance::Float(by), _) => (by < 0.0, by.abs().to_string()),
        (Distance::Exact(by), DataType::Decimal { scale, .. }) => (by < 0, Decimal { unscaled: by.abs(), scale }.to_string()),
        (Distance::Exact(by), _) => (by < 0, by.unsigned_abs().to_string()),
    };
    format!("{text} {}", if is_before { "PRECEDING" } else { "FOLLOWING" })
}
