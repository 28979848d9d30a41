//! A batch run that goes on from the last one's view, against one that reads the log whole.

use std::path::Path;

use twopath_base::{Offset, Position};
use twopath_batch::{Engine, Logic, run_batch, run_incremental};
use twopath_log::{Durability, Log, Topic};
use twopath_query::{Query, parse};
use twopath_view::store::ViewStore;

use super::events::Pageviews;
use super::{BenchError, Ratio, Setting, side_by_side, speed_ratio, timed};

/// With one event in a hundred new. Both publish their view: that costs the same, and more the more groups there are.
pub fn one_percent(Setting { dir, size, .. }: Setting) -> Result<Vec<Ratio>, BenchError> {
    let made = Pageviews::generate(size.events, 1, 65_536);
    let topic = made.log(&Log::open(dir)?, "pageviews", 2, Durability::None)?;
    drop(made);
    let end = topic.end()?;
    let before = Position::new(end.iter().map(|(_, offset)| Offset(offset.0 - offset.0 / 100)).collect());
    let few = parse(
        "SELECT url % 1000 AS site, COUNT(*) AS n, SUM(duration_ms) AS ms FROM pageviews GROUP BY url % 1000",
        "pageviews",
        topic.schema(),
    )
    .expect("it is a query over pageviews");
    let rows = [
        ("incremental", "a thousand groups", 10.0, 50.0, few),
        ("incremental_groups", "a group a minute and url", 1.0, 3.0, Pageviews::query(&topic)),
    ];
    rows.into_iter()
        .map(|(id, groups, floor, aim, query)| row(dir, size, (&topic, &query), (&before, &end), (id, groups, floor, aim)))
        .collect()
}

fn row(
    dir: &Path,
    size: super::Size,
    (topic, query): (&Topic, &Query),
    (before, end): (&Position, &Position),
    (id, groups, floor, aim): (&'static str, &str, f64, f64),
) -> Result<Ratio, BenchError> {
    let dir = dir.join(id);
    let (first, full) = (dir.join("first"), ViewStore::open(&dir.join("full"), 1).map_err(twopath_batch::BatchError::from)?);
    let kept = ViewStore::open(&first, 1).map_err(twopath_batch::BatchError::from)?;
    run_incremental(topic, query, Engine::Rayon, 0, before, &kept)?;
    let pairs = side_by_side(
        size.rounds,
        |round| {
            // Each round goes on from the same view.
            let mine = dir.join(format!("round-{round}"));
            copy(&first, &mine)?;
            let store = ViewStore::open(&mine, 1).map_err(twopath_batch::BatchError::from)?;
            let (run, took) = timed(|| run_incremental(topic, query, Engine::Rayon, 0, end, &store));
            let run = run?;
            super::same(id, run.read_from.records(), before.records())?;
            let right = twopath_batch::compute(topic, query, &Logic::Sql, Engine::Rayon, end)?;
            if run.view.table.to_batch() != right.to_batch() {
                return Err(BenchError::Answers { bench: id, left: "the view that went on".into(), right: "the whole one".into() });
            }
            Ok::<_, BenchError>(took)
        },
        |_| {
            let (run, took) = timed(|| run_batch(topic, query, &Logic::Sql, Engine::Rayon, 0, end, &full));
            run?;
            Ok(took)
        },
    )?;
    let what =
        format!("batch run with 1 % new events and {groups}, going on from the last view, against a run over the whole log; both publish");
    Ok(speed_ratio(id, &what, floor, aim, &pairs, 1.0, "runs/s"))
}

fn copy(from: &Path, to: &Path) -> Result<(), BenchError> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            std::fs::copy(entry.path(), &place)?;
        }
    }
    Ok(())
}
