//! SQL as people give it: a text, or the name of a file that holds one.

use std::path::Path;

/// The text itself, or what stands in the file of that name. What holds a blank or a line break is always a text.
///
/// ```
/// assert_eq!(twopath_events::sql_text("SELECT 1").unwrap(), "SELECT 1");
/// assert!(twopath_events::sql_text("no-such-file.sql").is_err());
/// ```
///
/// # Errors
/// A single word that is not the name of a file that can be read.
pub fn sql_text(text_or_file: &str) -> std::io::Result<String> {
    let path = Path::new(text_or_file);
    let one_word = !text_or_file.is_empty() && !text_or_file.trim().contains(char::is_whitespace);
    let looks_like_a_file = one_word || path.is_file();
    let text = if looks_like_a_file { std::fs::read_to_string(path)? } else { text_or_file.to_owned() };
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
