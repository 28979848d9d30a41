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
    /// A query of NEXMark's, as published, by the stream with 1 worker. timely keeps the rows that it is made of, and joins are computed when it is asked; differential keeps the
    /// rows that it comes to as they come and go.
    Nexmark { query: &'static str, engine: Engine },
    /// `twopath log import` of this kind of file of pageviews into a new log.
    Import { extension: &'static str },
    /// The query by kappa with 2 workers over 2 partitions, against 1 and 1: there is no peer.
    Replay { sql: &'static str },
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
    pub wall_at_most: f64,
    /// The same of peak memory.
    pub memory_at_most: Option<f64>,
}

const DUCKDB: &str = "duckdb";
const POLARS: &str = "polars";

/// Counts and sums by minute and url, in order.
const WINDOWS: &str = "SELECT window_start, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms \
    FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url ORDER BY window_start, url";

/// The same groups, of which little is put out: the time is that of the replay.
const MOST_VIEWED: &str = "SELECT window_start, url, COUNT(*) AS views, SUM(duration_ms) AS duration_ms \
    FROM TUMBLE(TABLE pageviews, DESCRIPTOR(time), INTERVAL '1' MINUTE) GROUP BY window_start, url \
    ORDER BY views DESC, window_start, url LIMIT 10";

pub const WORKS: [Work; 17] = [
    Work {
        name: "keys",
        what: "count and sum by an integer key with a quarter as many values as rows",
        ours: Ours::Query {
            data: Data::Wide,
            sql: "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM wide GROUP BY k HAVING COUNT(*) > 14 ORDER BY k",
        },
        peers: &[DUCKDB, POLARS],
        wall_at_most: 0.9,
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
        wall_at_most: 1.0,
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
        wall_at_most: 1.0,
        memory_at_most: None,
    },
    Work {
        name: "top",
        what: "the first 10 rows by ORDER BY v DESC, k, t",
        ours: Ours::Query { data: Data::Wide, sql: "SELECT t, k, v FROM wide ORDER BY v DESC, k, t LIMIT 10" },
        peers: &[DUCKDB, POLARS],
        wall_at_most: 1.0,
        memory_at_most: None,
    },
    Work {
        name: "windows",
        what: "count and sum by minute and url, 10 rows put out",
        ours: Ours::Query { data: Data::Pageviews, sql: MOST_VIEWED },
        peers: &[DUCKDB, POLARS],
        wall_at_most: 0.6,
        memory_at_most: None,
    },
    Work {
        name: "windows-csv",
        what: "count and sum by minute and url, all rows sorted and written as CSV",
        ours: Ours::Query { data: Data::Pageviews, sql: WINDOWS },
        peers: &[DUCKDB, POLARS],
        wall_at_most: 0.8,
        memory_at_most: None,
    },
    Work {
        name: "import-csv",
        what: "import of a CSV file (the peer writes Parquet)",
        ours: Ours::Import { extension: "csv" },
        peers: &[DUCKDB],
        wall_at_most: 0.9,
        memory_at_most: None,
    },
    Work {
        name: "import-parquet",
        what: "import of a Parquet file (the peer writes Parquet)",
        ours: Ours::Import { extension: "parquet" },
        peers: &[DUCKDB],
        wall_at_most: 0.8,
        memory_at_most: None,
    },
    nexmark(
        "nexmark-q3",
        "q3",
        Engine::Timely,
        "NEXMark q3 (auctions joined with persons): rows kept by timely, 1 worker, joined when asked",
    ),
    nexmark(
        "nexmark-q4",
        "q4",
        Engine::Timely,
        "NEXMark q4 (the mean closing price by category): rows kept by timely, 1 worker, joined when asked",
    ),
    nexmark(
        "nexmark-q9",
        "q9",
        Engine::Timely,
        "NEXMark q9 (the winning bid of each auction): rows kept by timely, 1 worker, joined when asked",
    ),
    nexmark(
        "nexmark-q20",
        "q20",
        Engine::Timely,
        "NEXMark q20 (bids joined with auctions): rows kept by timely, 1 worker, joined when asked",
    ),
    nexmark("nexmark-q3-kept", "q3", Engine::Differential, "NEXMark q3: its answer kept as events come, by differential, 1 worker"),
    nexmark("nexmark-q4-kept", "q4", Engine::Differential, "NEXMark q4: its answer kept as events come, by differential, 1 worker"),
    nexmark("nexmark-q9-kept", "q9", Engine::Differential, "NEXMark q9: its answer kept as events come, by differential, 1 worker"),
    nexmark("nexmark-q20-kept", "q20", Engine::Differential, "NEXMark q20: its answer kept as events come, by differential, 1 worker"),
    Work {
        name: "replay",
        what: "replay by kappa, 2 workers and 2 partitions, against 1 and 1",
        ours: Ours::Replay { sql: MOST_VIEWED },
        peers: &[],
        wall_at_most: 1.0 / 1.7,
        memory_at_most: None,
    },
];

const fn nexmark(name: &'static str, query: &'static str, engine: Engine, what: &'static str) -> Work {
    Work { name, what, ours: Ours::Nexmark { query, engine }, peers: &[DUCKDB], wall_at_most: 1.0 / 0.3, memory_at_most: None }
}

/// What is put out of the answer to a query of NEXMark's: figures that any slip would change.
///
/// # Panics
/// Where no work has the query.
pub fn nexmark_figures(query: &str) -> &'static str {
    match query {
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
