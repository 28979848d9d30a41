//! A feed of what a query leaves out because it is late: a topic of its own, as side outputs are elsewhere.

use std::path::Path;

use twopath_query::Late;

use super::{Definition, FeedError};
use crate::systems::StateBackend;

impl Definition {
    /// The feed that appends to `output` what a query leaves out of its topic; it has the output's name.
    ///
    /// # Errors
    /// [`FeedError::Late`]: a query without a WATERMARK or with several; a topic that another feed of that name appends to.
    pub fn of_late(dir: &Path, late: &[Late], output: &str) -> Result<Definition, FeedError> {
        let refuse = |what: String| Err(FeedError::Late { output: output.to_owned(), what });
        let late = match late {
            [late] => late,
            [] => {
                return refuse(
                    "nothing is late for a query without a watermark: write FROM WATERMARK(TABLE t, DESCRIPTOR(c), INTERVAL '5' SECOND)"
                        .into(),
                );
            }
            [first, ..] => {
                let (input, sql) = (&first.topic, first.sql());
                return refuse(format!(
                    "the query has several watermarks; give each a topic with `twopath feed run {input} {output} --sql \"{sql}\"`"
                ));
            }
        };
        if late.is_hidden() {
            return refuse(format!("a column of '{}' has the name _watermark, and hides the log's own", late.topic));
        }
        let (name, input, sql) = (output.to_owned(), late.topic.clone(), late.sql());
        let feed = Definition {
            name,
            input,
            beside: Vec::new(),
            output: output.to_owned(),
            sql,
            state: StateBackend::Memory,
            every_ms: None,
            on_time_us: None,
            topics: None,
        };
        match feed.check(dir) {
            Err(FeedError::Differs { is, wanted, .. }) => refuse(format!("the feed of that name {is}, not {wanted}; choose another topic")),
            checked => checked.map(|()| feed),
        }
    }
}
