//! What can be done about rows that do not fit: only what would help with these.

use twopath_events::files::{ColumnType, EventFile, FileFormat, ReadOptions, Rejected, TOO_FAR};

/// What programs write for a value that is missing.
const MISSING: [&str; 8] = ["NA", "N/A", "NULL", "null", "None", "\\N", "-", "?"];

/// The ways out, of which one is enough. `topic` is the one that the rows go into, where it exists already.
pub(super) fn advice(shown: &[Rejected], file: &EventFile, options: &ReadOptions, topic: Option<&str>) -> String {
    let faults: Vec<(&str, &str)> = shown.iter().filter_map(|r| Some((r.column.as_deref()?, r.reason.as_str()))).collect();
    let is_time_column = |column: &str| options.time_column.as_deref() == Some(column);
    let others: Vec<(&str, &str)> = faults.iter().filter(|(column, _)| !is_time_column(column)).copied().collect();
    let mut ways = vec!["correct them".to_owned()];
    match (others.first(), topic) {
        (Some((column, reason)), _) => ways.push(of_column(column, reason, file, topic)),
        // That of a topic stays.
        (None, None) if !faults.is_empty() => ways.push("take another column for the time (--time-column)".into()),
        _ => {}
    }
    if file.format() == FileFormat::Csv && !others.is_empty() {
        let null = MISSING.iter().find(|text| others.iter().any(|(_, reason)| reason.starts_with(&format!("'{text}' "))));
        ways.push(format!("name what stands for NULL (--null {})", null.unwrap_or(&"TEXT")));
    }
    let is_unread = |(column, reason): &(&str, &str)| {
        type_of(file, column) == Some(ColumnType::Timestamp) && !reason.starts_with("there is no ") && !is_beyond(file, reason)
    };
    if faults.iter().any(is_unread) {
        ways.push("say how times are written (--time-format, --time-unit)".into());
    }
    format!("{}, or go on without them (--bad-rows set-aside)", ways.join(", "))
}

/// What to do about a column of which values do not fit.
fn of_column(column: &str, reason: &str, file: &EventFile, topic: Option<&str>) -> String {
    let left_out = format!("leave column '{column}' out (--columns A,B,...)");
    match (type_of(file, column), topic) {
        // As text it is read already, or it has none.
        (Some(ColumnType::Text), _) => left_out,
        (Some(has), Some(topic)) => format!("import them into another topic ('{topic}' has column '{column}' as {})", has.text()),
        (None, Some(_)) => "name the columns to take (--columns A,B,...)".into(),
        (None, None) => format!("give the column's type (--schema '{column}:text, *')"),
        (Some(_), None) if is_beyond(file, reason) => left_out,
        (Some(_), None) => match blocked_at(column, reason) {
            Some(whole) => format!("take '{whole}' whole, as text (--schema '{whole}:text, *')"),
            None => format!("read the column as another type (--schema '{column}:text, *')"),
        },
    }
}

fn type_of(file: &EventFile, column: &str) -> Option<ColumnType> {
    ColumnType::of(file.schema().field_with_name(column).ok()?.data_type())
}

/// Whether a value is a time that a file's own type reaches and no text or timestamp here does.
fn is_beyond(file: &EventFile, reason: &str) -> bool {
    matches!(file.format(), FileFormat::Parquet | FileFormat::Arrow) && reason.ends_with(TOO_FAR)
}

/// Where a value stands that a path into objects does not lead into.
fn blocked_at<'a>(path: &'a str, reason: &str) -> Option<&'a str> {
    let (rest, _) = reason.strip_prefix('\'')?.split_once("' is looked for within ")?;
    path.strip_suffix(rest)?.strip_suffix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_blocked_where_it_is_looked_further() {
        assert_eq!(blocked_at("a.b", "'b' is looked for within 1, which is no object"), Some("a"));
        assert_eq!(blocked_at("a.b.c.d", "'c.d' is looked for within \"x\", which is no object"), Some("a.b"));
        assert_eq!(blocked_at("a.b", "'x' is not an integer of 64 bits"), None);
    }
}
