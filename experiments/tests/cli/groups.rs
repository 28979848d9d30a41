//! Consumer groups of real processes, some of which are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

const PARTITIONS: u64 = 4;

/// A topic with `rows` events, spread over four partitions by user.
fn topic(sandbox: &Sandbox, rows: std::ops::Range<u64>) {
    let lines: String = rows.map(|i| format!("2024-01-01T00:00:00Z,user{},{i}\n", i % 97)).collect();
    sandbox.write("a.csv", format!("time,user,n\n{lines}"));
    let import = ["log", "import", "a", "--from", "a.csv", "--time-column", "time", "--key", "user", "--partitions", "4"];
    sandbox.ok(&import);
}

fn groups(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    serde_json::from_str(&sandbox.ok(&["log", "groups", "a", "--format", "json"])).unwrap()
}

/// What a member shows, line by line: partition, offset, number.
fn lines_of(child: &mut Child) -> Receiver<[u64; 3]> {
    let (sender, receiver) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) else { return };
            let field = |name: &str| value[name].as_u64().unwrap();
            let _ = sender.send([field("_partition"), field("_offset"), field("n")]);
        }
    });
    receiver
}

fn member(sandbox: &Sandbox, name: &str) -> (Child, Receiver<[u64; 3]>) {
    let mut child = sandbox.start(&["log", "cat", "a", "--group", "g", "--member", name, "--follow", "--with-offsets", "--columns", "n"]);
    let lines = lines_of(&mut child);
    (child, lines)
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn members_share_and_the_survivors_take_over_from_what_was_committed() {
    let sandbox = Sandbox::new();
    topic(&sandbox, 0..2000);
    let owners = |sandbox: &Sandbox| -> BTreeMap<u64, String> {
        let owner = |row: serde_json::Value| Some((row["partition"].as_u64()?, row["owner"].as_str()?.to_owned()));
        groups(sandbox).into_iter().filter_map(owner).collect()
    };
    let (mut ann, ann_lines) = member(&sandbox, "ann");
    let (mut bob, bob_lines) = member(&sandbox, "bob");
    wait_for("both to own their share", || owners(&sandbox).values().collect::<BTreeSet<_>>().len() == 2);
    let owned = owners(&sandbox);
    assert_eq!(owned.iter().filter(|(p, _)| *p % 2 == 0).filter(|(_, o)| *o == "ann").count(), 2, "{owned:?}");

    // More comes while they share it; ann is killed at some moment of that.
    let mut more = sandbox.start(&["log", "append", "a", "--quiet"]);
    let mut input = more.stdin.take().unwrap();
    let line = |i: u64| format!("{{\"time\":\"2024-01-01T00:00:01Z\",\"user\":\"user{}\",\"n\":{i}}}\n", i % 97);
    for i in 2000..3000 {
        input.write_all(line(i).as_bytes()).unwrap();
        if i == 2500 {
            ann.kill().unwrap();
            ann.wait().unwrap();
        }
    }
    drop(input);
    assert!(more.wait().unwrap().success());
    wait_for("bob to own all and to have committed all", || {
        let rows = groups(&sandbox);
        rows.iter().all(|r| r["owner"] == "bob" && r["lag"] == 0) && rows.iter().map(|r| r["end"].as_u64().unwrap()).sum::<u64>() == 3000
    });
    bob.kill().unwrap();
    bob.wait().unwrap();

    let mut seen = BTreeSet::new();
    let mut last = BTreeMap::new();
    let shown: [Vec<[u64; 3]>; 2] = [ann_lines.into_iter().collect(), bob_lines.into_iter().collect()];
    for [partition, offset, n] in shown.iter().flatten() {
        seen.insert(*n);
        // Within one member's reign a partition's offsets go up; only a takeover goes back.
        last.entry(*partition).or_insert_with(Vec::new).push(*offset);
    }
    assert!(seen.into_iter().eq(0..3000), "every event was shown");
    for offsets in last.values() {
        let steps_back = offsets.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        assert!(steps_back <= 2, "{offsets:?}");
        assert_eq!(offsets.iter().copied().collect::<BTreeSet<_>>().len() as u64, offsets.iter().max().unwrap() + 1);
    }
    assert_eq!(last.len() as u64, PARTITIONS);
}

#[test]
fn a_group_is_seen_moved_and_forgotten() {
    let sandbox = Sandbox::new();
    topic(&sandbox, 0..100);
    assert!(sandbox.run(&["log", "groups", "a"]).stderr.contains("has no consumer groups"));
    let cat = ["log", "cat", "a", "--group", "g", "--columns", "n", "--format", "csv"];
    let limited = sandbox.ok(&[&cat[..], &["--limit", "30"]].concat());
    let rest = sandbox.ok(&cat);
    let numbers = |text: &str| -> Vec<u64> { text.lines().skip(1).map(|l| l.parse().unwrap()).collect() };
    let mut all = [numbers(&limited), numbers(&rest)].concat();
    assert_eq!(numbers(&limited).len(), 30);
    all.sort_unstable();
    assert!(all.into_iter().eq(0..100), "each event once");
    assert_eq!(numbers(&sandbox.ok(&cat)), [0; 0]);
    let sum = |field: &str| groups(&sandbox).iter().map(|row| row[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("committed"), sum("lag"), groups(&sandbox).len()), (100, 0, 4));

    let seek = |to: &str| sandbox.run(&["log", "groups", "a", "--group", "g", "--seek", to]);
    assert!(seek("first").stderr.contains("group 'g' goes on at 0,0,0,0"));
    assert_eq!(numbers(&sandbox.ok(&[&cat[..], &["--partitions", "0,1"]].concat())).len() as u64, sum("committed"));
    assert!(seek("2024-01-01T00:00:00Z").stderr.contains("goes on at 0,0,0,0"));
    assert_eq!(seek("end").code, 0);
    assert_eq!(sum("lag"), 0);
    assert_eq!((seek("1,2").code, seek("sometime").code, seek("5000").code), (2, 2, 1));
    assert!(seek("5000").stderr.contains("has no offset 5000"));
    assert!(sandbox.ok(&["log", "groups", "a"]).starts_with("group  partition  committed  end  lag  owner\n"));
    assert_eq!(sandbox.run(&["log", "groups", "a", "--group", "h"]).code, 1);
    sandbox.ok(&["log", "groups", "a", "--group", "g", "--remove"]);
    assert_eq!(groups(&sandbox), [serde_json::Value::Null; 0]);
}
