//! The rows of the table: what is done, and the ratios that are wanted.

use twopath_speed::Engine;

/// Which of the files a work is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Topic `wide`: keys of many values, texts, and numbers.
    Wide,
    /// Topic `pageviews`.
    Pageviews,
}

/// What Twopath does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ours {
    /// `twopath query` over the topic, by the batch layer.
    Query { data: Data, sql: &'static str },
    /// A query of NEXMark's, as published, by the stream with 1 worker. timely keeps the groups or rows that it is made of, and what is above them is computed when it is asked;
    /// differential keeps the rows that it comes to as they come and go.
    Nexmark { query: &'static str, engine: Engine },
    /// `twopath log import` of this kind of file of pageviews into a new log.
    Import { extension: &'static str },
    /// The query by kappa with 2 workers over 2 partitions, against 1 and 1: there is no peer.
    Replay { sql: &'static str },
    /// The query by kappa with 2 workers over 2 partitions, against streams of others.
    Stream { sql: &'static str },
    /// `twopath compare` of kappa from this SQL alone, pageviews coming at this rate: how late events are seen.
    Freshness { sql: &'static str, rate: u64, seconds: u64 },
}

/// One piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// What `--only` and the peers' script call it.
    pub name: &'static str,
    pub what: &'static str,
    pub ours: Ours,
    pub peers: &'static [&'static str],
    /// Ours ÷ the first peer's, wall time: wanted at most.
    pub wall_at_most: Option<f64>,
    /// The same of peak memory.
    pub memory_at_most: Option<f64>,
}

const DUCKDB: &str = "duckdb";
const POLARS: &str = "polars";
/// Both want Java.
pub const FLINK: &str = "flink";
pub const SPARK: &str = "spark";
/// A program of its own, in `experiments/benches/dbsp`: it keeps an answer as events come, with one worker.
pub const DBSP: &str = "dbsp";
/// Ours ÷ Flink's, p99 freshness: wanted at most.
pub const FRESHNESS_AT_MOST: f64 = 1.0;
/// Ours ÷ dbsp's, CPU time: wanted at most.
pub const DBSP_CPU_AT_MOST: f64 = 1.0;

/// Counts and sums by minute and url, in order.
const WINDOWS: &str = "SELECT window_start, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms \
    FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url ORDER BY window_start, url";

/// The same, in no order.
const COUNTED_BY_MINUTE: &str = "SELECT window_start, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms \
    FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url";

/// The same groups, of which little is put out: the time is that of the replay.
const MOST_VIEWED: &str = "SELECT window_start, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms \
    FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url \
    ORDER BY views DESC, window_start, url LIMIT 10";

/// The same groups, counted.
const COUNTED: &str = "SELECT COUNT(*) AS n, SUM(views) AS views, SUM(duration_ms) AS duration_ms FROM (\
    SELECT window_start, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms \
    FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url) windows";

pub const WORKS: [Work; 29] = [
    Work {
        name: "keys",
        what: "count and sum by an integer key with a quarter as many values as rows",
        ours: Ours::Query {
            data: Data::Wide,
            sql: "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM wide GROUP BY k HAVING COUNT(*) > 14 ORDER BY k",
        },
        peers: &[DUCKDB, POLARS],
        wall_at_most: Some(0.9),
        memory_at_most: Some(1.5),
    },
    Work {
        name: "text-keys",
        what: "count and sum of floats by a text and an integer, 50 rows a group",
        ours: Ours::Query {
            data: Data::Wide,
            sql: "SELECT s, g, COUNT(*) AS n, CAST(SUM(x) * 1024 AS BIGINT) AS sx FROM wide GROUP BY s, g HAVING COUNT(*) > 75 ORDER BY s, g",
        },
        peers: &[DUCKDB, POLARS],
        wall_at_most: Some(1.0),
        memory_at_most: None,
    },
    Work {
        name: "distinct",
        what: "COUNT(DISTINCT integer), 1,000 rows a group",
        ours: Ours::Query {
            data: Data::Wide,
            sql: "SELECT h, COUNT(DISTINCT u) AS d FROM wide GROUP BY h HAVING COUNT(DISTINCT u) > 1090 ORDER BY h",
        },
        peers: &[DUCKDB, POLARS],
        wall_at_most: Some(1.0),
        memory_at_most: None,
    },
    Work {
        name: "top",
        what: "the first 10 rows by ORDER BY v DESC, k, t",
        ours: Ours::Query { data: Data::Wide, sql: "SELECT t, k, v FROM wide ORDER BY v DESC, k, t LIMIT 10" },
        peers: &[DUCKDB, POLARS],
        wall_at_most: Some(1.0),
        memory_at_most: None,
    },
    Work {
        name: "windows",
        what: "count and sum by minute and url, 10 rows put out",
        ours: Ours::Query { data: Data::Pageviews, sql: MOST_VIEWED },
        peers: &[DUCKDB, POLARS],
        wall_at_most: Some(0.6),
        memory_at_most: None,
    },
    Work {
        name: "windows-csv",
        what: "count and sum by minute and url, all rows sorted and written as CSV",
        ours: Ours::Query { data: Data::Pageviews, sql: WINDOWS },
        peers: &[DUCKDB, POLARS],
        wall_at_most: Some(0.8),
        memory_at_most: None,
    },
    Work {
        name: "import-csv",
        what: "import of a CSV file (the peer writes Parquet)",
        ours: Ours::Import { extension: "csv" },
        peers: &[DUCKDB],
        wall_at_most: Some(0.9),
        memory_at_most: None,
    },
    Work {
        name: "import-parquet",
        what: "import of a Parquet file (the peer writes Parquet)",
        ours: Ours::Import { extension: "parquet" },
        peers: &[DUCKDB],
        wall_at_most: Some(0.8),
        memory_at_most: None,
    },
    asked("nexmark-q1", "q1", "NEXMark q1 (each bid in another currency) by timely, 1 worker: computed once, when asked"),
    kept("nexmark-q1-kept", "q1", "NEXMark q1 (each bid in another currency) by differential, 1 worker: kept as events come"),
    asked("nexmark-q2", "q2", "NEXMark q2 (bids of some auctions) by timely, 1 worker: computed once, when asked"),
    kept("nexmark-q2-kept", "q2", "NEXMark q2 (bids of some auctions) by differential, 1 worker: kept as events come"),
    asked("nexmark-q3", "q3", "NEXMark q3 (auctions joined with persons) by timely, 1 worker: computed once, when asked"),
    kept("nexmark-q3-kept", "q3", "NEXMark q3 (auctions joined with persons) by differential, 1 worker: kept as events come"),
    asked("nexmark-q4", "q4", "NEXMark q4 (the mean closing price by category) by timely, 1 worker: computed once, when asked"),
    kept("nexmark-q4-kept", "q4", "NEXMark q4 (the mean closing price by category) by differential, 1 worker: kept as events come"),
    asked("nexmark-q5", "q5", "NEXMark q5 (the auctions with most bids, by hopping window) by timely, 1 worker: computed once, when asked"),
    kept(
        "nexmark-q5-kept",
        "q5",
        "NEXMark q5 (the auctions with most bids, by hopping window) by differential, 1 worker: kept as events come",
    ),
    asked("nexmark-q7", "q7", "NEXMark q7 (the highest bids of each window) by timely, 1 worker: computed once, when asked"),
    kept("nexmark-q7-kept", "q7", "NEXMark q7 (the highest bids of each window) by differential, 1 worker: kept as events come"),
    asked(
        "nexmark-q8",
        "q8",
        "NEXMark q8 (persons who opened an auction in the window in which they came) by timely, 1 worker: computed once, when asked",
    ),
    kept(
        "nexmark-q8-kept",
        "q8",
        "NEXMark q8 (persons who opened an auction in the window in which they came) by differential, 1 worker: kept as events come",
    ),
    asked("nexmark-q9", "q9", "NEXMark q9 (the winning bid of each auction) by timely, 1 worker: computed once, when asked"),
    kept("nexmark-q9-kept", "q9", "NEXMark q9 (the winning bid of each auction) by differential, 1 worker: kept as events come"),
    asked("nexmark-q20", "q20", "NEXMark q20 (bids joined with auctions) by timely, 1 worker: computed once, when asked"),
    kept("nexmark-q20-kept", "q20", "NEXMark q20 (bids joined with auctions) by differential, 1 worker: kept as events come"),
    Work {
        name: "stream",
        what: "count and sum by minute and url as a stream, 2 workers (Flink reads the rows as numbers in a CSV file)",
        ours: Ours::Stream { sql: COUNTED },
        peers: &[FLINK, SPARK],
        wall_at_most: None,
        memory_at_most: None,
    },
    Work {
        name: "stream-freshness",
        what: "p99 of how late 200,000 pageviews a second are seen in counts and sums by minute and url, while version 2 is deployed; Flink's DataStream, buffer timeout 1 ms, without a log and without readers",
        ours: Ours::Freshness { sql: COUNTED_BY_MINUTE, rate: 200_000, seconds: 15 },
        peers: &[FLINK],
        wall_at_most: None,
        memory_at_most: None,
    },
    Work {
        name: "replay",
        what: "replay by kappa, 2 workers and 2 partitions, against 1 and 1",
        ours: Ours::Replay { sql: MOST_VIEWED },
        peers: &[],
        wall_at_most: Some(1.0 / 1.7),
        memory_at_most: None,
    },
];

const fn asked(name: &'static str, query: &'static str, what: &'static str) -> Work {
    nexmark(name, query, Engine::Timely, what)
}

const fn kept(name: &'static str, query: &'static str, what: &'static str) -> Work {
    nexmark(name, query, Engine::Differential, what)
}

const fn nexmark(name: &'static str, query: &'static str, engine: Engine, what: &'static str) -> Work {
    // DuckDB has neither windows as functions nor the decimals of q1, and is asked for joins alone.
    let (peers, wall_at_most): (&[&str], _) = match query.as_bytes() {
        b"q3" | b"q4" | b"q9" | b"q20" => (&[DUCKDB, DBSP], Some(1.0 / 0.3)),
        _ => (&[DBSP], None),
    };
    Work { name, what, ours: Ours::Nexmark { query, engine }, peers, wall_at_most, memory_at_most: None }
}

/// What is put out of the answer to a query of NEXMark's: figures that any slip would change.
///
/// # Panics
/// Where no work has the query.
pub fn nexmark_figures(query: &str) -> &'static str {
    match query {
        "q1" => {
            "SELECT COUNT(*) AS n, SUM(auction) AS auctions, SUM(bidder) AS bidders, CAST(SUM(price * 1000) AS BIGINT) AS prices, SUM(LENGTH(extra)) AS extra"
        }
        "q2" => "SELECT COUNT(*) AS n, SUM(auction) AS auctions, SUM(price) AS prices",
        "q5" => "SELECT COUNT(*) AS n, SUM(auction) AS auctions, SUM(bids) AS bids",
        "q7" => "SELECT COUNT(*) AS n, SUM(auction) AS auctions, SUM(bidder) AS bidders, SUM(price) AS prices, SUM(LENGTH(extra)) AS extra",
        "q8" => "SELECT COUNT(*) AS n, SUM(id) AS ids, SUM(LENGTH(name)) AS name",
        "q3" => "SELECT COUNT(*) AS n, SUM(id) AS ids, SUM(LENGTH(name)) AS name, SUM(LENGTH(city)) AS city",
        "q4" => "SELECT COUNT(*) AS n, SUM(category) AS categories, CAST(SUM(FLOOR(average)) AS BIGINT) AS averages",
        "q9" => "SELECT COUNT(*) AS n, SUM(id) AS ids, SUM(price) AS prices, SUM(LENGTH(item_name)) AS item_name",
        "q20" => "SELECT COUNT(*) AS n, SUM(auction) AS auctions, SUM(bidder) AS bidders, SUM(price) AS prices, SUM(LENGTH(url)) AS url",
        other => panic!("no figures of NEXMark's {other} are wanted"),
    }
}

/// What is asked of both sides after an import.
pub const IMPORTED: &str =
    "SELECT COUNT(*) AS n, SUM(url) AS urls, SUM(duration_ms) AS duration_ms, COUNT(DISTINCT time) AS times FROM pageviews";
