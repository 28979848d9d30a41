//! query: several topics, windows that overlap, late records, and what is computed of groups; by every engine. The answers were worked out by hand.

use crate::sandbox::Sandbox;

const ENGINES: [&str; 7] = ["reference", "batch-polars", "batch-rayon", "speed-timely", "speed-differential", "merged", "kappa"];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "bids.csv",
        "time,auction,bidder,price\n\
         2020-01-01T00:00:01Z,1,10,5\n\
         2020-01-01T00:00:04Z,2,11,7\n\
         2020-01-01T00:00:09Z,1,12,9\n\
         2020-01-01T00:00:12Z,2,10,3\n\
         2020-01-01T00:00:31Z,1,11,8\n",
    );
    // Appended after those: the first is 26 s behind, the second one.
    sandbox.write("late.csv", "time,auction,bidder,price\n2020-01-01T00:00:05Z,3,11,1\n2020-01-01T00:00:30Z,3,10,2\n");
    sandbox.write("auctions.csv", "at,id,seller\n2020-01-01T00:00:00Z,1,ann\n2020-01-01T00:00:00Z,2,bob\n2020-01-01T00:00:20Z,1,cid\n");
    sandbox.ok(&["log", "create", "auctions", "--schema", "at:timestamp, id:int, seller:text", "--time-column", "at", "--key", "id"]);
    sandbox.ok(&["log", "import", "auctions", "--from", "auctions.csv", "--time-column", "at"]);
    sandbox.ok(&["log", "import", "bids", "--from", "bids.csv", "--time-column", "time"]);
    sandbox.ok(&["log", "import", "bids", "--from", "late.csv", "--time-column", "time"]);
    sandbox
}

/// Asks every engine, with these further arguments, and compares with the rows without their header.
fn every_engine(sandbox: &Sandbox, sql: &str, more: &[&str], rows: &[&str]) {
    for engine in ENGINES {
        let args = [&["query", "--sql", sql, "--engine", engine, "--format", "csv"], more].concat();
        let answer = sandbox.ok(&args);
        let given: Vec<&str> = answer.lines().skip(1).collect();
        assert_eq!(given, rows, "{engine}: {sql}");
    }
}

/// A row that an outer join leaves without the other side is final by the window of the side that is there.
#[test]
fn a_row_of_one_side_is_final_by_its_own_window() {
    let sandbox = Sandbox::new();
    sandbox.write("l.csv", "id,t\n1,2020-01-01T00:00:01Z\n3,2020-01-01T00:00:04Z\n9,2020-01-01T00:05:00Z\n");
    sandbox.write("r.csv", "id,t\n1,2020-01-01T00:00:02Z\n2,2020-01-01T00:00:03Z\n9,2020-01-01T00:05:00Z\n");
    for topic in ["l", "r"] {
        sandbox.ok(&["log", "import", topic, "--from", &format!("{topic}.csv"), "--time-column", "t"]);
    }
    let on_time = |topic: &str| format!("WATERMARK(TABLE {topic}, DESCRIPTOR(t), INTERVAL '5' SECOND)");
    let window = |topic: &str| format!("TUMBLE(TABLE {}, DESCRIPTOR(t), INTERVAL '10' SECOND)", on_time(topic));
    let (both, left, right) = ("1,1", "3,", ",2");
    for (kind, rows) in
        [("JOIN", &[both][..]), ("LEFT JOIN", &[both, left]), ("RIGHT JOIN", &[right, both]), ("FULL JOIN", &[right, both, left])]
    {
        let ordered = |from: String| format!("SELECT a.id AS l, b.id AS r FROM {from} ORDER BY l NULLS FIRST EMIT ON WINDOW CLOSE");
        let windows = format!("{} a {kind} {} b ON a.id = b.id AND a.window_start = b.window_start", window("l"), window("r"));
        every_engine(&sandbox, &ordered(windows), &[], rows);
        let rows_alone = format!("{} a {kind} {} b ON a.id = b.id", on_time("l"), on_time("r"));
        let near = |ahead: u32| format!("{rows_alone} AND b.t BETWEEN a.t - INTERVAL '{ahead}' SECOND AND a.t + INTERVAL '{ahead}' SECOND");
        every_engine(&sandbox, &ordered(near(10)), &[], rows);
        // Until 00:05:55 and more, which no watermark has passed, a row of before may find another.
        let found: Vec<&str> = rows.iter().copied().filter(|row| *row == both).collect();
        every_engine(&sandbox, &ordered(near(360)), &[], &found);
        let never = sandbox.run(&["query", "--sql", &ordered(rows_alone)]);
        assert_eq!(never.code == 0, kind == "JOIN", "{}", never.stderr);
        assert!(kind == "JOIN" || never.stderr.contains("may find one at any time"), "{}", never.stderr);
    }
}

/// What OVER computes of rows to come waits for them.
#[test]
fn rows_that_look_ahead_wait() {
    let sandbox = Sandbox::new();
    sandbox.write("s.csv", "id,v,t\n1,5,2020-01-01T00:00:01Z\n2,6,2020-01-01T00:00:02Z\n3,7,2020-01-01T00:00:09Z\n");
    sandbox.write("more.csv", "id,v,t\n4,9,2020-01-01T00:00:30Z\n");
    sandbox.ok(&["log", "import", "s", "--from", "s.csv", "--time-column", "t"]);
    let from = "FROM WATERMARK(TABLE s, DESCRIPTOR(t), INTERVAL '5' SECOND)";
    let lead = format!("SELECT id, LEAD(id) OVER (ORDER BY t) AS next, LAG(id) OVER (ORDER BY t) AS before {from} EMIT ON WINDOW CLOSE");
    let beside =
        format!("SELECT id, MAX(v) OVER (ORDER BY t ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS most {from} EMIT ON WINDOW CLOSE");
    every_engine(&sandbox, &lead, &[], &["1,2,"]);
    every_engine(&sandbox, &beside, &[], &["1,6"]);
    sandbox.ok(&["log", "import", "s", "--from", "more.csv", "--time-column", "t"]);
    every_engine(&sandbox, &lead, &[], &["1,2,", "2,3,1"]);
    every_engine(&sandbox, &beside, &[], &["1,6", "2,7"]);
    for over in [
        "COUNT(*) OVER ()",
        "LEAD(id) OVER (ORDER BY v)",
        "LAST_VALUE(id) OVER (ORDER BY t ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)",
    ] {
        let refused = sandbox.run(&["query", "--sql", &format!("SELECT id, {over} AS x {from} EMIT ON WINDOW CLOSE")]);
        assert!(refused.code == 1 && refused.stderr.contains("rows after them that are still to come"), "{over}: {}", refused.stderr);
    }
}

/// Arguments with names are told by them, in any order.
#[test]
fn arguments_by_name() {
    let sandbox = sandbox();
    let counts = |call: &str| format!("SELECT window_end, COUNT(*) AS n FROM TABLE({call}) GROUP BY window_start, window_end");
    let (data, time) = ("DATA => TABLE bids", "TIMECOL => DESCRIPTOR(time)");
    let rows =
        ["2020-01-01T00:00:10Z,4", "2020-01-01T00:00:20Z,5", "2020-01-01T00:00:30Z,1", "2020-01-01T00:00:40Z,2", "2020-01-01T00:00:50Z,2"];
    for call in [
        format!("HOP({data}, {time}, SIZE => INTERVAL '20' SECOND, SLIDE => INTERVAL '10' SECOND)"),
        format!("HOP({time}, SLIDE => INTERVAL '10' SECOND, {data}, SIZE => INTERVAL '20' SECOND)"),
        "HOP(TABLE bids, DESCRIPTOR(time), size => INTERVAL '20' SECOND, slide => INTERVAL '10' SECOND)".to_owned(),
    ] {
        every_engine(&sandbox, &counts(&call), &[], &rows);
    }
    let offset = format!("TUMBLE({data}, {time}, \"OFFSET\" => INTERVAL '3' SECOND, SIZE => INTERVAL '1' MINUTE)");
    every_engine(&sandbox, &counts(&offset), &[], &["2020-01-01T00:00:03Z,1", "2020-01-01T00:01:03Z,6"]);
    let by_key = format!("SESSION(DATA => TABLE bids PARTITION BY bidder, {time}, GAP => INTERVAL '1' HOUR)");
    every_engine(
        &sandbox,
        &format!("SELECT bidder, COUNT(*) AS n FROM TABLE({by_key}) GROUP BY bidder, window_start"),
        &[],
        &["10,3", "11,3", "12,1"],
    );
    for (call, wanted) in [
        (format!("TUMBLE({data}, {time}, BOGUS => INTERVAL '1' HOUR)"), "TUMBLE has no argument BOGUS: it has DATA, TIMECOL, SIZE, OFFSET"),
        (format!("HOP({data}, {time}, SIZE => INTERVAL '1' HOUR)"), "SLIDE is missing"),
        (format!("TUMBLE({data}, {data}, {time}, SIZE => INTERVAL '1' HOUR)"), "DATA is given twice"),
        (format!("TUMBLE({data}, DESCRIPTOR(time), INTERVAL '1' HOUR)"), "an argument without a name stands before those with one"),
    ] {
        let refused = sandbox.run(&["query", "--sql", &counts(&call)]);
        assert!(refused.code == 1 && refused.stderr.contains(wanted), "{call}: {} {}", refused.code, refused.stderr);
    }
}

#[test]
fn windows_that_overlap() {
    let sandbox = sandbox();
    every_engine(
        &sandbox,
        "SELECT window_end, COUNT(*) AS n, AVG(price) AS mean FROM TABLE(HOP(TABLE bids, DESCRIPTOR(time), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end",
        &[],
        &[
            "2020-01-01T00:00:10Z,4,5.5",
            "2020-01-01T00:00:20Z,5,5",
            "2020-01-01T00:00:30Z,1,3",
            "2020-01-01T00:00:40Z,2,5",
            "2020-01-01T00:00:50Z,2,5",
        ],
    );
    every_engine(
        &sandbox,
        "SELECT bidder, window_start, window_end, COUNT(*) AS n FROM SESSION(TABLE bids PARTITION BY bidder, DESCRIPTOR(time), INTERVAL '11' SECOND) GROUP BY bidder, window_start, window_end",
        &[],
        &[
            // Exactly the gap apart is apart.
            "10,2020-01-01T00:00:01Z,2020-01-01T00:00:12Z,1",
            "10,2020-01-01T00:00:12Z,2020-01-01T00:00:23Z,1",
            "10,2020-01-01T00:00:30Z,2020-01-01T00:00:41Z,1",
            "11,2020-01-01T00:00:04Z,2020-01-01T00:00:16Z,2",
            "11,2020-01-01T00:00:31Z,2020-01-01T00:00:42Z,1",
            "12,2020-01-01T00:00:09Z,2020-01-01T00:00:20Z,1",
        ],
    );
    every_engine(
        &sandbox,
        "SELECT window_end, SUM(price) AS so_far FROM CUMULATE(TABLE bids, DESCRIPTOR(time), INTERVAL '20' SECOND, INTERVAL '1' MINUTE) GROUP BY window_start, window_end",
        &[],
        &["2020-01-01T00:00:20Z,25", "2020-01-01T00:00:40Z,35", "2020-01-01T00:01:00Z,35"],
    );
}

#[test]
fn joins() {
    let sandbox = sandbox();
    // As of the bid: auction 1 changes hands after 20 s. As of now: it has.
    let prices = "SELECT a.seller, SUM(b.price) AS total FROM bids b LEFT JOIN";
    let as_of = format!("{prices} auctions FOR SYSTEM_TIME AS OF b.time AS a ON b.auction = a.id GROUP BY a.seller");
    every_engine(&sandbox, &as_of, &[], &["ann,14", "bob,10", "cid,8", ",3"]);
    let now = format!("{prices} UPSERT(TABLE auctions) a ON b.auction = a.id GROUP BY a.seller");
    every_engine(&sandbox, &now, &[], &["bob,10", "cid,22", ",3"]);
    // At a joint position: before the change, and before the last bids.
    every_engine(&sandbox, &now, &["--at", "auctions=2", "--at", "bids=4"], &["ann,14", "bob,10"]);
    every_engine(&sandbox, &now, &["--at", "bids=0"], &[]);
    let nearest = "SELECT b.price, a.seller FROM bids b ASOF LEFT JOIN auctions a MATCH_CONDITION (b.time >= a.at) ON b.auction = a.id WHERE b.price > 6";
    every_engine(&sandbox, nearest, &[], &["7,bob", "8,cid", "9,ann"]);
    let full = "SELECT b.auction, a.id FROM (SELECT DISTINCT auction FROM bids) b FULL JOIN (SELECT id FROM UPSERT(TABLE auctions) WHERE id > 1) a ON b.auction = a.id";
    every_engine(&sandbox, full, &[], &["1,", "2,2", "3,"]);
}

#[test]
fn more_of_groups() {
    let sandbox = sandbox();
    let best = "SELECT auction, price FROM (SELECT auction, price, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS place FROM bids) s WHERE place = 1";
    every_engine(&sandbox, best, &[], &["1,9", "2,7", "3,2"]);
    let most = "SELECT MAX(n) AS most FROM (SELECT auction, COUNT(*) AS n FROM bids GROUP BY auction) s";
    every_engine(&sandbox, most, &[], &["3"]);
    let both = "SELECT price FROM bids WHERE price > 7 UNION ALL SELECT id FROM auctions ORDER BY 1 DESC LIMIT 3";
    every_engine(&sandbox, both, &[], &["9", "8", "2"]);
    let so_far = "SELECT auction, SUM(price) OVER (PARTITION BY auction ROWS UNBOUNDED PRECEDING) AS so_far FROM bids WHERE auction = 1";
    every_engine(&sandbox, so_far, &[], &["1,5", "1,14", "1,22"]);
}

#[test]
fn late_records_and_final_windows() {
    let sandbox = sandbox();
    let on_time = "SELECT auction, price FROM WATERMARK(TABLE bids, DESCRIPTOR(time), INTERVAL '2' SECOND) WHERE auction = 3";
    every_engine(&sandbox, on_time, &[], &["3,2"]);
    let of = |delay: &str, emit: &str| {
        format!(
            "SELECT window_start, COUNT(*) AS n FROM TUMBLE(TABLE WATERMARK(TABLE bids, DESCRIPTOR(time), INTERVAL '{delay}' SECOND), DESCRIPTOR(time), INTERVAL '10' SECOND) GROUP BY window_start{emit}"
        )
    };
    every_engine(&sandbox, &of("2", ""), &[], &["2020-01-01T00:00:00Z,3", "2020-01-01T00:00:10Z,1", "2020-01-01T00:00:30Z,2"]);
    // The watermark is 29 s: the window of 30 s is open.
    every_engine(&sandbox, &of("2", " EMIT ON WINDOW CLOSE"), &[], &["2020-01-01T00:00:00Z,3", "2020-01-01T00:00:10Z,1"]);
    // 26 s late is in time, and nothing but the first window of 0 s is final at 5 s: none is.
    every_engine(&sandbox, &of("26", " EMIT ON WINDOW CLOSE"), &[], &[]);
    every_engine(&sandbox, &of("26", ""), &["--at", "6"], &["2020-01-01T00:00:00Z,4", "2020-01-01T00:00:10Z,1", "2020-01-01T00:00:30Z,1"]);
}

/// By the log's clock: one partition is silent for longer than the other's events are apart.
#[test]
fn idle_partitions_do_not_hold_windows_up() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["log", "create", "t", "--schema", "time:timestamp,k:int", "--time-column", "time", "--key", "k", "--partitions", "2"]);
    let says = |k: u32, second: u32| {
        let event = format!("{{\"time\":\"2020-01-01T00:00:{second:02}Z\",\"k\":{k}}}\n");
        assert_eq!(sandbox.run_with(&["log", "append", "t", "--quiet"], &event).code, 0);
    };
    // Two keys of different partitions.
    let other = (2..50).find(|k| {
        says(*k, 1);
        sandbox.ok(&["query", "--sql", "SELECT COUNT(DISTINCT _partition) AS n FROM t", "--format", "csv"]) == "n\n2\n"
    });
    let (other, first) = (other.expect("keys are in both partitions"), 2);
    std::thread::sleep(std::time::Duration::from_millis(400));
    says(first, 25);
    let of = |idle: &str| {
        format!(
            "SELECT window_start, COUNT(DISTINCT k) > 0 AS some FROM TUMBLE(TABLE WATERMARK(TABLE t, DESCRIPTOR(time), INTERVAL '2' SECOND{idle}), DESCRIPTOR(time), INTERVAL '10' SECOND) \
             GROUP BY window_start EMIT ON WINDOW CLOSE"
        )
    };
    every_engine(&sandbox, &of(""), &[], &[]);
    every_engine(&sandbox, &of(", IDLE(INTERVAL '1' HOUR)"), &[], &[]);
    every_engine(&sandbox, &of(", IDLE(INTERVAL '0.3' SECOND)"), &[], &["2020-01-01T00:00:00Z,true"]);
    // It is no longer idle, and holds up what it had not reached.
    says(other, 11);
    every_engine(&sandbox, &of(", IDLE(INTERVAL '1' HOUR)"), &[], &[]);
    let refused = sandbox.run(&["query", "--sql", &of(", IDLE(3)")]);
    assert!(refused.code == 1 && refused.stderr.contains("the time without a record is an INTERVAL"), "{}", refused.stderr);
}

#[test]
fn standing_jobs_compute_more_of_one_topic() {
    let sandbox = sandbox();
    let hot = "SELECT window_end, auction, n FROM (SELECT window_end, auction, COUNT(*) AS n, RANK() OVER (PARTITION BY window_end ORDER BY COUNT(*) DESC) AS place \
               FROM HOP(TABLE bids, DESCRIPTOR(time), INTERVAL '10' SECOND, INTERVAL '20' SECOND) GROUP BY window_start, window_end, auction) s WHERE place = 1";
    sandbox.ok(&["job", "deploy", "hot", "--sql", hot]);
    let answer = sandbox.ok(&["job", "query", "hot", "--format", "csv"]);
    assert_eq!(
        answer,
        "window_end,auction,n\n2020-01-01T00:00:10Z,1,2\n2020-01-01T00:00:20Z,1,2\n2020-01-01T00:00:20Z,2,2\n2020-01-01T00:00:30Z,2,1\n\
         2020-01-01T00:00:40Z,1,1\n2020-01-01T00:00:40Z,3,1\n2020-01-01T00:00:50Z,1,1\n2020-01-01T00:00:50Z,3,1\n"
    );
    let by_key = sandbox.run(&["job", "query", "hot", "--key", "1", "--key", "1"]);
    assert_eq!(by_key.code, 2);
    assert!(by_key.stderr.contains("ask for the whole answer"), "{}", by_key.stderr);
}

/// Windows that cumulate have one start and several ends.
#[test]
fn windows_that_are_alike_in_what_is_put_out_are_one() {
    let sandbox = sandbox();
    let sql = "SELECT DISTINCT window_start FROM CUMULATE(TABLE bids, DESCRIPTOR(time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)";
    every_engine(&sandbox, sql, &[], &["2020-01-01T00:00:00Z"]);
}

/// Of a table's past compaction keeps nothing but what it is now.
#[test]
fn the_past_of_a_compacted_table_is_not_made_up() {
    let sandbox = sandbox();
    sandbox.ok(&["log", "compact", "auctions", "--dirty-ratio", "0"]);
    let as_of = "SELECT b.price, a.seller FROM bids b JOIN auctions FOR SYSTEM_TIME AS OF b.time AS a ON b.auction = a.id";
    for engine in ENGINES {
        let refused = sandbox.run(&["query", "--sql", as_of, "--engine", engine]);
        assert!(
            refused.code == 1 && refused.stderr.contains("topic 'auctions' was compacted up to position"),
            "{engine}: {}",
            refused.stderr
        );
    }
    let refused = sandbox.run(&["job", "deploy", "j", "--sql", as_of]);
    assert!(refused.code == 1 && refused.stderr.contains("UPSERT(TABLE auctions)"), "{}", refused.stderr);
    every_engine(&sandbox, "SELECT id, seller FROM UPSERT(TABLE auctions) a ORDER BY id", &[], &["1,cid", "2,bob"]);
    // A new version of what reads the table as it is now misses nothing.
    let sellers = "SELECT a.seller, COUNT(*) AS n FROM bids b JOIN UPSERT(TABLE auctions) a ON b.auction = a.id GROUP BY a.seller";
    sandbox.ok(&["job", "deploy", "j", "--sql", sellers]);
    sandbox.ok(&["job", "deploy", "j", "--sql", &sellers.replace("COUNT(*)", "MAX(b.price)")]);
    let past = sandbox.run(&["job", "deploy", "j", "--sql", "SELECT COUNT(*) AS n FROM bids b JOIN auctions a ON b.auction = a.id"]);
    assert!(past.code == 1 && past.stderr.contains("would count less than those before it"), "{}", past.stderr);
}

/// What compaction has taken is not counted, and whoever counts is told; not who reads each key's newest row alone.
#[test]
fn what_compaction_took_of_what_is_counted_is_told() {
    let sandbox = sandbox();
    let (counted, newest) = ("SELECT COUNT(*) AS n FROM auctions", "SELECT COUNT(*) AS n FROM UPSERT(TABLE auctions) a");
    let told = "of auctions compaction has kept each key's newest event alone below ";
    assert!(!sandbox.run(&["query", "--sql", counted]).stderr.contains("compaction"));
    sandbox.ok(&["log", "compact", "auctions", "--dirty-ratio", "0"]);
    let json =
        |sql: &str| -> serde_json::Value { serde_json::from_str(&sandbox.ok(&["query", "--sql", sql, "--format", "json"])).unwrap() };
    for format in ["table", "csv"] {
        let done = sandbox.run(&["query", "--sql", counted, "--format", format]);
        assert!(done.code == 0 && done.stderr.contains(told), "{}", done.stderr);
    }
    assert_eq!((&json(counted)["compacted"][0]["topic"], json(counted)["compacted"][0]["to"].is_string()), (&"auctions".into(), true));
    assert!(json(newest)["compacted"].is_null() && !sandbox.run(&["query", "--sql", newest]).stderr.contains("compaction"));
    // A job's first version counts less than none before it, and says so.
    let first = sandbox.run(&["job", "deploy", "counts", "--sql", counted]);
    assert!(first.code == 0 && first.stderr.contains(told), "{}", first.stderr);
    let first = sandbox.run(&["job", "deploy", "newest", "--sql", newest]);
    assert!(first.code == 0 && !first.stderr.contains("compaction"), "{}", first.stderr);
}

#[test]
fn mistakes_say_what_to_write() {
    let sandbox = sandbox();
    let refused = |args: &[&str], code: i32, says: &str| {
        let done = sandbox.run(args);
        assert!(done.code == code && done.stderr.contains(says) && done.stdout.is_empty(), "{args:?}: {} {}", done.code, done.stderr);
    };
    let join = "SELECT b.price FROM bids b JOIN auctions a ON b.auction = a.id";
    refused(&["query", "--sql", join, "--at", "3"], 2, "name the one that is meant, as in --at bids=7");
    refused(&["query", "--sql", join, "--at", "planes=3"], 2, "the query reads no topic planes");
    refused(&["query", "--sql", join, "--at", "bids=70"], 2, "lies beyond the end of the topic");
    refused(&["query", "--sql", join, "--engine", "merged", "--horizon", "3"], 2, "the query reads several");
    refused(
        &["query", "--sql", "SELECT price, id FROM bids JOIN auctions USING (id)"],
        1,
        "the left side of the join has no column 'id' for USING",
    );
    refused(&["query", "--sql", "SELECT time FROM bids b JOIN bids b ON TRUE"], 1, "two relations are known as b");
    refused(
        &["query", "--sql", "SELECT seller FROM bids b JOIN bids FOR SYSTEM_TIME AS OF b.time AS a ON TRUE"],
        1,
        "topic bids has no key",
    );
    refused(
        &["query", "--sql", "SELECT COUNT(*) FROM bids EMIT ON WINDOW CLOSE"],
        1,
        "EMIT ON WINDOW CLOSE stands at a query that reads a watermark",
    );
    refused(
        &["query", "--sql", "SELECT COUNT(*) FROM CUMULATE(TABLE bids, DESCRIPTOR(time), INTERVAL '7' SECOND, INTERVAL '1' MINUTE)"],
        1,
        "a whole number of steps",
    );
}
