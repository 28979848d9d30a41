//! `report.html`: one file that needs nothing else, made of the page's parts, the chart library and the result itself.

use super::page::{fill, in_script};
use crate::result::{CompareResult, RunResult, Series};

const TEMPLATE: &str = include_str!("page/template.html");
const SCRIPTS: [&str; 9] = [
    include_str!("page/words.js"),
    include_str!("page/summary.js"),
    include_str!("page/charts.js"),
    include_str!("page/change.js"),
    include_str!("page/effects.js"),
    include_str!("page/sweep.js"),
    include_str!("page/cost.js"),
    include_str!("page/code.js"),
    include_str!("page/page.js"),
];

/// The page. The raw histograms stay in `result.json`.
pub fn report(result: &CompareResult) -> String {
    let shown = CompareResult { runs: result.runs.iter().map(without_histograms).collect(), ..result.clone() };
    let data = serde_json::to_string(&shown).expect("a result is plain data");
    let sections: std::collections::BTreeMap<&str, &str> =
        result.questions.iter().map(|question| (question.id.as_str(), super::questions::section(&question.id))).collect();
    let sections = serde_json::to_string(&sections).expect("a map of texts");
    fill(TEMPLATE, &SCRIPTS, &[("data", in_script(&data)), ("sections", in_script(&sections))])
}

fn without_histograms(run: &RunResult) -> RunResult {
    let series = Series { freshness_hdr: String::new(), query_latency_hdr: String::new(), ..run.series.clone() };
    RunResult { series, ..run.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{sample, swept};

    #[test]
    fn nothing_in_a_result_can_end_the_script() {
        let mut result = sample();
        result.settings.sql_v1 = "SELECT '</script><script>alert(1)</script><!-- {{data}}'".into();
        let page = report(&result);
        assert!(!page.contains("alert(1)</script>"));
        let (_, after) = page.split_once(r#"<script type="application/json" id="result">"#).unwrap();
        let (json, _) = after.split_once("</script>").unwrap();
        let read: CompareResult = serde_json::from_str(json).unwrap();
        assert_eq!(read.settings.sql_v1, result.settings.sql_v1);
    }

    /// For looking at: `TWOPATH_SAMPLE=FILE cargo test sample_page`.
    #[test]
    fn sample_page() {
        if let Some(file) = std::env::var_os("TWOPATH_SAMPLE") {
            std::fs::write(file, report(&swept())).unwrap();
        }
    }

    #[test]
    fn the_page_asks_nothing_of_the_network() {
        let page = report(&sample());
        for from_elsewhere in ["src=\"", "href=\"http", "@import", "url(http", "fetch("] {
            assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
        }
    }
}
