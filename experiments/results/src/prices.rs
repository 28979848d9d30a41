//! Money per million events.
//!
//! For a run that took in *n* million events, of which *s* million in the steady phase of *d* hours:
//!
//! ```text
//! cpu     = CPU-hours of the layers under test per million events × cpu_hour
//! memory  = peak memory in GiB × d / s × memory_gib_hour           (what it takes to hold it for a million events at this rate)
//! storage = (log + batch views) in GiB / n × storage_gib_month     (kept for one month)
//! writing = bytes written in GiB / n × written_gib
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use super::result::{Prices, RunResult, Settings};

const BUNDLED: &str = include_str!("../prices.toml");
const GIB: f64 = (1u64 << 30) as f64;

#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    #[error(
        "cannot read the price file {path}: {source}; give a readable TOML file with --prices, or leave the option out for the bundled one"
    )]
    Unreadable { path: String, source: std::io::Error },
    #[error("the price file {path} does not hold what is needed: {message}\ncopy experiments/results/prices.toml and edit the figures")]
    Malformed { path: String, message: String },
}

/// The prices in `file`, or the bundled ones.
pub fn read_prices(file: Option<&Path>) -> Result<Prices, PricesError> {
    let (text, path) = match file {
        None => (BUNDLED.to_string(), "experiments/results/prices.toml".to_string()),
        Some(file) => {
            let path = file.display().to_string();
            (std::fs::read_to_string(file).map_err(|source| PricesError::Unreadable { path: path.clone(), source })?, path)
        }
    };
    let prices: Prices = toml::from_str(&text).map_err(|e| PricesError::Malformed { path: path.clone(), message: e.to_string() })?;
    let figures = [
        ("cpu_hour", prices.cpu_hour),
        ("memory_gib_hour", prices.memory_gib_hour),
        ("storage_gib_month", prices.storage_gib_month),
        ("written_gib", prices.written_gib),
    ];
    for (name, price) in figures {
        if !(price >= 0.0 && price.is_finite()) {
            return Err(PricesError::Malformed { path, message: format!("{name} = {price}, where 0 or more is expected") });
        }
    }
    Ok(prices)
}

/// Fills in what the run's cost comes to, in all and by part (`cpu`, `memory`, `storage`, `writing`).
pub fn charge(run: &mut RunResult, settings: &Settings) {
    let (events_steady, prices) = (settings.events_steady, &settings.prices);
    if run.events == 0 || events_steady == 0 {
        return;
    }
    let millions = run.events as f64 / 1e6;
    let steady_hours_per_million = run.duration_ms / 3.6e6 / (events_steady as f64 / 1e6);
    let cost = &mut run.cost;
    let at_rest = (cost.log_bytes + cost.view_bytes) as f64 / GIB;
    cost.money_by_part = BTreeMap::from([
        ("cpu".to_string(), cost.cpu_s_per_million_events.total / 3600.0 * prices.cpu_hour),
        ("memory".to_string(), cost.rss_bytes_max as f64 / GIB * steady_hours_per_million * prices.memory_gib_hour),
        ("storage".to_string(), at_rest / millions * prices.storage_gib_month),
        ("writing".to_string(), cost.bytes_written as f64 / GIB / millions * prices.written_gib),
    ]);
    cost.money_per_million_events = cost.money_by_part.values().sum();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;
    use crate::result::{Cost, LayerCost};

    #[test]
    fn the_formula_by_hand() {
        let prices = Prices {
            currency: "EUR".into(),
            cpu_hour: 36.0,
            memory_gib_hour: 1.0,
            storage_gib_month: 2.0,
            written_gib: 0.5,
            source: "test".into(),
        };
        let mut run = RunResult {
            events: 4_000_000,
            duration_ms: 3.6e6,
            cost: Cost {
                cpu_s_per_million_events: LayerCost { total: 3.0, by_layer: BTreeMap::new() },
                rss_bytes_max: 2 << 30,
                log_bytes: 3 << 30,
                view_bytes: 1 << 30,
                bytes_written: 8 << 30,
                ..Cost::default()
            },
            ..RunResult::default()
        };
        charge(&mut run, &Settings { events_steady: 2_000_000, prices, ..sample().settings });
        let part = |name: &str| run.cost.money_by_part[name];
        assert!((part("cpu") - 0.03).abs() < 1e-12);
        assert_eq!(part("memory"), 1.0); // 2 GiB × half an hour per million
        assert_eq!(part("storage"), 2.0); // 1 GiB per million
        assert_eq!(part("writing"), 1.0); // 2 GiB per million
        assert!((run.cost.money_per_million_events - 4.03).abs() < 1e-12);
    }

    #[test]
    fn bundled_prices_read_and_bad_ones_are_refused() {
        let bundled = read_prices(None).unwrap();
        assert!(bundled.source.contains("edit to yours"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.toml");
        std::fs::write(&file, BUNDLED.replace("cpu_hour = 0.040", "cpu_hour = -1")).unwrap();
        let message = read_prices(Some(&file)).unwrap_err().to_string();
        assert!(message.contains("cpu_hour = -1, where 0 or more is expected"), "{message}");
        std::fs::write(&file, "currency = 'USD'\n").unwrap();
        assert!(read_prices(Some(&file)).unwrap_err().to_string().contains("cpu_hour"));
        let message = read_prices(Some(&dir.path().join("none.toml"))).unwrap_err().to_string();
        assert!(message.contains("--prices"), "{message}");
    }
}
