//! `--log`: what is said of bad addresses, and, with the feature `kafka` and a server (see `tests/kafka/server`), every command that takes
//! one against a real Apache Kafka.

use crate::sandbox::Sandbox;

#[test]
fn bad_addresses_are_told() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "time,n\n2024-01-01,1\n");
    let commands: &[&[&str]] = &[
        &["log", "stat", "--log", "kafka://"],
        &["log", "stat", "--log", "kafka://host"],
        &["log", "stat", "--log", "kafka://host:port/t"],
        &["log", "stat", "--log", "kafka://host:9092/no/topic"],
        &["log", "stat", "--log", "http://host:9092/t"],
        &["log", "stat", "--log", "kafka://host:9092/t", "--dir", "d"],
        &["log", "cat", "--log", "kafka://host:9092/t", "u"],
        &["log", "cat", "--log", "kafka://host:9092"],
        &["log", "import", "--from", "a.csv"],
        &["log", "verify", "t", "--log", "kafka://host:9092/t"],
        &["log", "groups", "--log", "kafka://host:9092"],
        &["log", "groups"],
        &["log", "groups", "--log", "kafka://host:9092/t", "--group", "g", "--remove"],
        &["log", "cat", "--log", "kafka://host:9092/t", "--group", "g"],
        &["query", "--log", "kafka://host:9092/t", "--sql", "SELECT n FROM u"],
        &["query", "--sql", "SELECT n FROM t", "--schema", "n:int"],
        &["query", "--log", "kafka://host:9092/t", "--sql", "SELECT n FROM t", "--schema", "n:number"],
        &["query", "--log", "kafka://host:9092/t", "--sql", "SELECT n FROM t", "--schema", "n:int, *"],
        &["query", "--log", "kafka://host:9092/t", "--sql", "SELECT n FROM t", "--time-column", "n"],
        &["graph", "--log", "kafka://host:9092"],
        &["job", "status", "j", "--log", "kafka://host:9092"],
        &["compare", "--log", "kafka://host:9092"],
        &["compare", "--log", "folder"],
        &["bench", "log"],
        &["bench", "--kafka", "host:9092"],
        &["bench", "log", "--kafka", "host"],
    ];
    insta::assert_snapshot!(crate::errors::said(&sandbox, commands));
}

/// Whoever builds without it learns how to build with it.
#[cfg(not(feature = "kafka"))]
#[test]
fn a_program_without_kafka_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "time,n\n2024-01-01,1\n");
    let at = ["--log", "kafka://localhost:9092/t"];
    let commands: &[&[&str]] = &[
        &["log", "create", "--schema", "n:int"],
        &["log", "import", "--from", "a.csv"],
        &["log", "append"],
        &["log", "cat"],
        &["log", "stat"],
        &["log", "groups"],
        &["query", "--sql", "SELECT n FROM t"],
        &["query", "--sql", "SELECT n FROM t", "--schema", "n:int"],
        &["compare"],
    ];
    let commands: Vec<Vec<&str>> = commands.iter().map(|command| [command, &at[..]].concat()).collect();
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    insta::assert_snapshot!(crate::errors::said(&sandbox, &commands));
}

#[cfg(feature = "kafka")]
mod over_a_server {
    use std::net::TcpListener;
    use std::time::Duration;

    use rdkafka::config::ClientConfig;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use twopath_log::Kafka;

    use super::*;

    const ENGINES: [&str; 5] = ["reference", "batch", "speed", "merged", "kappa"];

    /// The server, and the beginning of this test's topics' names.
    fn server(test: &str) -> Option<(String, String)> {
        let Ok(servers) = std::env::var("TWOPATH_TEST_KAFKA") else {
            eprintln!("skipped: TWOPATH_TEST_KAFKA names no server; run it through `tests/kafka/server run`");
            return None;
        };
        Some((servers, format!("{test}_{}", std::process::id())))
    }

    #[test]
    fn a_missing_server_or_topic_is_one_clear_error() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sandbox = Sandbox::new();
        for command in [&["log", "stat"][..], &["query", "--sql", "SELECT n FROM t"], &["compare"]] {
            let done = sandbox.run(&[command, &["--log", &format!("kafka://127.0.0.1:{port}/t")]].concat());
            assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{}", done.stderr);
            let said = format!("could not connect at kafka://127.0.0.1:{port}: ");
            assert!(done.stderr.contains(&said) && done.stderr.lines().count() <= 2, "{}", done.stderr);
        }
        let Some((servers, name)) = server("missing") else { return };
        let done = sandbox.run(&["log", "cat", "--log", &format!("kafka://{servers}/{name}")]);
        assert_eq!(done.code, 1);
        assert!(done.stderr.contains(&format!("there is no topic '{name}' in kafka://{servers}")), "{}", done.stderr);
    }

    /// The same file, imported here and there, gives the same answers by every engine, the same rows and the same figures.
    #[test]
    fn answers_are_those_of_the_embedded_log() {
        let Some((servers, name)) = server("flights") else { return };
        let sandbox = Sandbox::new();
        sandbox.write("flights.parquet", twopath_events::workloads::flights_parquet());
        let log = format!("kafka://{servers}/{name}");
        let import = ["log", "import", "--from", "flights.parquet", "--time-column", "sched_dep", "--key", "tailnum", "--partitions", "2"];
        sandbox.ok(&[&import[..], &[&name]].concat());
        sandbox.ok(&[&import[..], &["--log", &log]].concat());
        let again = sandbox.run(&[&import[..], &["--log", &log]].concat());
        assert!(again.code == 0 && again.stderr.contains("already imported: all 336776 events"), "{}", again.stderr);

        let workload = twopath_events::workloads::flights();
        for query in workload.queries.iter().take(2) {
            sandbox.write("query.sql", query.sql(2).replace("flights", &name));
            for at in [&[][..], &["--at", "100000,5000"]] {
                let ask = |engine: &str, log: &[&str]| {
                    sandbox.ok(&[&["query", "--sql", "query.sql", "--format", "csv", "--engine", engine], at, log].concat())
                };
                for engine in ENGINES {
                    let (embedded, kafka) = (ask(engine, &[]), ask(engine, &["--log", &log]));
                    assert!(embedded.lines().count() > 100, "{}", query.name);
                    let difference = embedded.lines().zip(kafka.lines()).find(|(a, b)| a != b);
                    assert!(embedded == kafka, "{} by {engine} at {at:?}: {difference:?}", query.name);
                }
            }
        }
        let cat =
            |log: &[&str]| sandbox.ok(&[&["log", "cat", &name, "--partition", "1", "--from", "1000", "--limit", "500"], log].concat());
        assert_eq!(cat(&[]), cat(&["--log", &log]));
        let stat = |log: &[&str]| {
            serde_json::from_str::<serde_json::Value>(&sandbox.ok(&[&["log", "stat", &name, "--format", "json"], log].concat())).unwrap()
        };
        let (embedded, kafka) = (stat(&[]), stat(&["--log", &log]));
        for field in ["topic", "records", "end", "columns", "key", "time_column", "durability", "barriers"] {
            assert_eq!(embedded[field], kafka[field], "{field}");
        }
        assert_eq!(embedded["partitions"][1]["event_time_max"], kafka["partitions"][1]["event_time_max"]);
        let (bytes_here, bytes_there) = (embedded["bytes"].as_f64().unwrap(), kafka["bytes"].as_f64().unwrap());
        assert!((0.5..2.0).contains(&(bytes_there / bytes_here)), "{bytes_here} and {bytes_there} bytes");
        assert!(sandbox.ok(&["log", "stat", "--log", &format!("kafka://{servers}")]).contains(&name));
        Kafka::connect(&servers).unwrap().delete_topic(&name).unwrap();
    }

    #[test]
    fn create_append_and_query() {
        let Some((servers, name)) = server("made") else { return };
        let sandbox = Sandbox::new();
        let log = format!("kafka://{servers}/{name}");
        sandbox.ok(&["log", "create", "--schema", "time:timestamp,n:int", "--time-column", "time", "--log", &log]);
        let again = sandbox.run(&["log", "create", "--schema", "n:int", "--log", &log]);
        assert!(again.code == 1 && again.stderr.contains(&format!("topic '{name}' exists already")), "{}", again.stderr);
        let lines: String = (0..50).map(|n| format!("{{\"time\":\"2024-05-01T00:00:{:02}Z\",\"n\":{n}}}\n", n % 60)).collect();
        let appended = sandbox.run_with(&["log", "append", "--log", &log], &lines);
        assert!(appended.code == 0 && appended.stdout.ends_with("50\n"), "{}{}", appended.stdout, appended.stderr);
        for engine in ENGINES {
            let sql = format!("SELECT COUNT(*) AS c, SUM(n) AS s FROM {name}");
            assert_eq!(sandbox.ok(&["query", "--sql", &sql, "--format", "csv", "--engine", engine, "--log", &log]), "c,s\n50,1225\n");
        }
        Kafka::connect(&servers).unwrap().delete_topic(&name).unwrap();
    }

    /// Rows of which fewer fit a Kafka record than a chunk has: chunks end by bytes, too.
    #[test]
    fn fat_rows_are_imported() {
        use std::sync::Arc;

        use arrow_array::{Int64Array, RecordBatch, StringArray};

        let Some((servers, name)) = server("fat") else { return };
        let sandbox = Sandbox::new();
        let fat = "x".repeat(1 << 20);
        sandbox.write("fat.csv", (0..70).fold("n,text\n".to_owned(), |text, n| text + &format!("{n},{fat}\n")));
        sandbox.write("fat.jsonl", (0..70).fold(String::new(), |text, n| text + &format!("{{\"n\":{n},\"text\":\"{fat}\"}}\n")));
        let (n, text) = (Int64Array::from_iter_values(0..70), StringArray::from_iter_values((0..70).map(|_| &fat)));
        let batch = RecordBatch::try_from_iter([("n", Arc::new(n) as _), ("text", Arc::new(text) as _)]).unwrap();
        let mut file = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        file.write(&batch).unwrap();
        sandbox.write("fat.arrow", file.into_inner().unwrap());
        let log = format!("kafka://{servers}/{name}");
        for (i, file) in ["fat.csv", "fat.jsonl", "fat.arrow"].into_iter().enumerate() {
            sandbox.ok(&["log", "import", "--from", file, "--log", &log]);
            let again = sandbox.run(&["log", "import", "--from", file, "--log", &log]);
            assert!(again.code == 0 && again.stderr.contains("already imported: all 70 events"), "{}", again.stderr);
            let sql = format!("SELECT COUNT(*) AS c, SUM(n) AS s FROM {name}");
            let expected = format!("c,s\n{},{}\n", 70 * (i + 1), 2415 * (i + 1));
            assert_eq!(sandbox.ok(&["query", "--sql", &sql, "--format", "csv", "--log", &log]), expected, "{file}");
        }
        let lines = std::fs::read_to_string(sandbox.path("fat.jsonl")).unwrap();
        let appended = sandbox.run_with(&["log", "append", "--log", &log], &lines);
        assert!(appended.code == 0 && appended.stdout.ends_with("280\n"), "{}{}", appended.stdout, appended.stderr);
        Kafka::connect(&servers).unwrap().delete_topic(&name).unwrap();
    }

    /// Groups whose positions Kafka keeps: ours, one that another program commits, and one with a live member.
    #[test]
    fn groups_are_listed_and_set() {
        let Some((servers, name)) = server("groups") else { return };
        let sandbox = Sandbox::new();
        let log = format!("kafka://{servers}/{name}");
        let (ours, theirs) = (format!("{name}.ours"), format!("{name} of others"));
        sandbox.ok(&[
            "log",
            "create",
            "--schema",
            "time:timestamp,n:int",
            "--time-column",
            "time",
            "--key",
            "n",
            "--partitions",
            "2",
            "--log",
            &log,
        ]);
        for from in [0, 40] {
            let lines: String =
                (from..from + 40).map(|n| format!("{{\"time\":\"2024-05-01T00:{:02}:{:02}Z\",\"n\":{n}}}\n", n / 60, n % 60)).collect();
            assert_eq!(sandbox.run_with(&["log", "append", "--log", &log], &lines).code, 0);
        }
        let groups = |args: &[&str]| sandbox.run(&[&["log", "groups", "--log", &log], args].concat());
        let rows = |args: &[&str]| -> Vec<serde_json::Value> {
            let done = groups(&[args, &["--format", "json"]].concat());
            assert_eq!(done.code, 0, "{}", done.stderr);
            serde_json::from_str(&done.stdout).unwrap()
        };
        let end = |p: usize| rows(&["--group", &ours])[p]["end"].as_u64().unwrap();
        let none = groups(&[]);
        assert!(none.code == 0 && none.stdout.is_empty() && none.stderr.contains("has no consumer groups"), "{}", none.stderr);
        assert_eq!(rows(&[]).len(), 0);
        let missing = groups(&["--group", &ours]);
        assert!(missing.code == 1 && missing.stderr.contains(&format!("has no consumer group '{ours}'")), "{}", missing.stderr);

        // Ours, also within a frame, to the end, and by time.
        let set = groups(&["--group", &ours, "--seek", "7,3"]);
        assert!(set.stderr.contains("goes on at 7,3"), "{}", set.stderr);
        let set = rows(&["--group", &ours]);
        assert_eq!(set.len(), 2);
        for (row, at) in set.iter().zip([7_u64, 3]) {
            assert_eq!((row["committed"].as_u64().unwrap(), &row["owner"]), (at, &serde_json::Value::Null));
            assert_eq!(row["lag"].as_u64().unwrap(), row["end"].as_u64().unwrap() - at);
        }
        assert_eq!(end(0) + end(1), 80);
        let later = groups(&["--group", &ours, "--seek", "2024-05-01T00:00:40Z"]);
        assert_eq!(later.code, 0, "{}", later.stderr);
        assert!(rows(&["--group", &ours]).iter().all(|row| (1..80).contains(&row["committed"].as_u64().unwrap())));
        assert_eq!(groups(&["--group", &ours, "--seek", "end"]).code, 0);
        assert!(rows(&["--group", &ours]).iter().all(|row| row["lag"] == 0));
        let beyond = groups(&["--group", &ours, "--seek", "1000"]);
        assert!(beyond.code == 1 && beyond.stderr.contains("1000"), "{}", beyond.stderr);
        assert_eq!(groups(&["--group", &ours, "--seek", "1,2,3"]).code, 2);

        // Another program's, without a row's offset beside its own: the second record of a topic of ours is its first frame.
        commit(&servers, &theirs, &name, 1, 1);
        let table = groups(&[]);
        assert!(table.stdout.starts_with("group "), "{}", table.stdout);
        assert_eq!(table.stdout.lines().count(), 2 + 4, "{}", table.stdout);
        let all = rows(&[]);
        assert_eq!(all.iter().map(|r| r["group"].as_str().unwrap()).collect::<Vec<_>>(), [&theirs, &theirs, &ours, &ours]);
        assert_eq!((&all[0]["committed"], &all[1]["committed"]), (&serde_json::Value::Null, &serde_json::json!(0)));
        assert_eq!(all[0]["lag"], all[0]["end"], "all of what was never committed is left");

        // A live member: it is named, and nobody sets its group elsewhere.
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let member: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &servers).set("group.id", &ours).set("client.id", "reader").create().unwrap();
        member.subscribe(&[&name]).unwrap();
        for _ in 0..300 {
            let _ = member.poll(Duration::from_millis(50));
            if member.assignment().unwrap().count() == 2 {
                break;
            }
        }
        let owned = rows(&["--group", &ours]);
        assert!(owned.iter().all(|row| row["owner"].as_str().is_some_and(|o| o.starts_with("reader"))), "{owned:?}");
        let busy = groups(&["--group", &ours, "--seek", "first"]);
        assert!(busy.code == 1 && busy.stderr.contains("has members at work"), "{}", busy.stderr);
        drop(member);
        Kafka::connect(&servers).unwrap().delete_topic(&name).unwrap();
    }

    /// What another program does that has done everything below a Kafka offset.
    fn commit(servers: &str, group: &str, topic: &str, partition: i32, at: i64) {
        use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", servers).set("group.id", group).create().unwrap();
        let mut places = rdkafka::TopicPartitionList::new();
        places.add_partition_offset(topic, partition, rdkafka::Offset::Offset(at)).unwrap();
        consumer.commit(&places, CommitMode::Sync).unwrap();
    }

    /// JSON that another program produced, read with a schema.
    #[test]
    fn json_of_others() {
        let Some((servers, name)) = server("orders") else { return };
        let sandbox = Sandbox::new();
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &servers).set("allow.auto.create.topics", "true").create().unwrap();
        make_topic(&servers, &name);
        let send = |value: &str| {
            let record: BaseRecord<'_, [u8], str> = BaseRecord::to(&name).partition(0).payload(value);
            producer.send(record).map_err(|(e, _)| e).unwrap();
        };
        for i in 0..30 {
            send(&format!(r#"{{"at":{},"item":"i{}","price":{}.5,"note":{{"deep":[1]}}}}"#, 1_700_000_000_000_i64 + i * 1000, i % 3, i));
        }
        producer.flush(Duration::from_secs(10)).unwrap();
        sandbox.write("orders.schema", "at:timestamp\nitem:text\nprice:float # in dollars\n");
        let log = format!("kafka://{servers}/{name}");
        let how = ["--log", &log, "--schema", "orders.schema", "--time-column", "at", "--time-unit", "ms"];
        let sql = format!("SELECT item, COUNT(*) AS n, SUM(price) AS sum FROM {name} GROUP BY item");
        let ask = |engine: &str| sandbox.run(&[&["query", "--sql", &sql, "--format", "csv", "--engine", engine][..], &how].concat());
        for engine in ENGINES {
            let done = ask(engine);
            assert_eq!(done.stdout, "item,n,sum\ni0,10,140\ni1,10,150\ni2,10,160\n", "{engine}: {}", done.stderr);
        }
        let cat = sandbox.ok(&[&["log", "cat", "--from", "28"][..], &how].concat());
        assert_eq!(
            cat,
            "{\"at\":\"2023-11-14T22:13:48Z\",\"item\":\"i1\",\"price\":28.5}\n{\"at\":\"2023-11-14T22:13:49Z\",\"item\":\"i2\",\"price\":29.5}\n"
        );
        assert!(sandbox.ok(&[&["log", "stat"][..], &how].concat()).contains("30 records"));
        let group = format!("{name}.g");
        let groups = |args: &[&str]| sandbox.run(&[&["log", "groups", "--group", &group], args, &how].concat());
        assert!(groups(&["--seek", "2023-11-14T22:13:25Z"]).stderr.contains("goes on at"));
        commit(&servers, &group, &name, 0, 12);
        let told: serde_json::Value = serde_json::from_str(&groups(&["--format", "json"]).stdout).unwrap();
        assert_eq!((&told[0]["committed"], &told[0]["end"], &told[0]["lag"]), (&12.into(), &30.into(), &18.into()));

        let without = sandbox.run(&["log", "cat", "--log", &log]);
        assert!(without.code == 1 && without.stderr.contains("--schema"), "{}", without.stderr);
        send(r#"{"at":1700000000000,"item":"bad","price":"dear"}"#);
        producer.flush(Duration::from_secs(10)).unwrap();
        for engine in ENGINES {
            let done = ask(engine);
            assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{engine}");
            assert!(done.stderr.contains("partition 0, Kafka offset 30: column 'price': "), "{engine}: {}", done.stderr);
        }
        let import = sandbox.run(&["log", "append", "--log", &log]);
        assert_eq!(import.code, 1, "what others write is not appended to: {}", import.stderr);
        Kafka::connect(&servers).unwrap().delete_topic(&name).unwrap();
    }

    fn make_topic(servers: &str, name: &str) {
        use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
        use rdkafka::client::DefaultClientContext;
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers);
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        // Sent when it is made; whether it worked shows in the topics.
        let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
        let options = AdminOptions::new();
        let made = admin.create_topics([&topic], &options);
        let consumer: BaseConsumer = config.create().unwrap();
        for _ in 0..200 {
            let metadata = consumer.fetch_metadata(Some(name), Duration::from_secs(10)).unwrap();
            if metadata.topics().iter().any(|t| t.error().is_none() && t.partitions().iter().any(|p| p.leader() >= 0)) {
                drop(made);
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("topic {name} was not made");
    }

    /// A short comparison: every architecture, each answer checked against the reference, and no topic left behind.
    #[test]
    fn compare_over_kafka() {
        let Some((servers, prefix)) = server("compare") else { return };
        let sandbox = Sandbox::new();
        let log = format!("kafka://{servers}/{prefix}");
        let args = ["compare", "--log", &log, "--repeats", "1", "--duration", "1s", "--rate", "2000", "--out", "out", "--format", "json"];
        let done = sandbox.run(&args);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let result: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!((result["complete"].as_bool(), result["settings"]["log"].as_str()), (Some(true), Some(log.as_str())));
        let runs = result["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 4);
        for run in runs {
            let architecture = run["architecture"].as_str().unwrap();
            assert_eq!(run["outcome"]["kind"].as_str().or(run["outcome"].as_str()), Some("ok"), "{}", run["outcome"]);
            assert_eq!(run["answers"]["wrong_engine"], 0, "{architecture}");
            assert!(run["answers"]["checked"].as_u64().unwrap() > 100, "{architecture}");
            assert_eq!(run["events_never_covered"], 0, "{architecture}");
            assert!(run["cost"]["log_bytes"].as_u64().unwrap() > 10_000_000, "{architecture}: the brokers say what they keep");
        }
        let left = Kafka::connect(&servers).unwrap().topics().unwrap();
        assert!(!left.iter().any(|name| name.starts_with(&prefix)), "{left:?}");
    }

    #[test]
    fn the_bench_runs_small() {
        let Some((servers, _)) = server("bench") else { return };
        let sandbox = Sandbox::new();
        let text = sandbox.ok(&["bench", "log", "--kafka", &servers, "--quick", "--format", "json"]);
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ids: Vec<&str> = result["ratios"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
        let loads = ["none", "small_none", "batch", "small_batch"].iter().flat_map(|l| [format!("log_cpu_{l}"), format!("log_rate_{l}")]);
        assert_eq!(ids, loads.chain(["log_e2e_none".into(), "log_e2e_batch".into()]).collect::<Vec<_>>());
        let left = Kafka::connect(&servers).unwrap().topics().unwrap();
        assert!(!left.iter().any(|name| name.starts_with("twopath-bench")), "{left:?}");
    }
}
