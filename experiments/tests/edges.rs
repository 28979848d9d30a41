//! Edges under pressure: every event is delivered or dropped, exactly once, with its offsets. Counts only, never times.

use std::collections::VecDeque;
use std::time::Duration;

use arrow_array::RecordBatch;
use proptest::prelude::*;
use twopath::scenarios::backpressure::{BackpressureSettings, EDGE_GROUP, Piece, Pressure, edge, run_backpressure};
use twopath_base::{Offset, PartitionId};
use twopath_events::workloads::Pageviews;
use twopath_log::{Durability, Log, PartitionBy, Topic, TopicConfig};

fn topic(dir: &std::path::Path) -> Topic {
    let config = Pageviews::default().workload().topic_config(1, Durability::None);
    Log::open(dir).unwrap().create_topic(TopicConfig { partition_by: PartitionBy::RoundRobin, ..config }).unwrap()
}

fn batch(from: u64, rows: u64) -> RecordBatch {
    Pageviews::default().batch(from, rows as usize)
}

fn piece(from: u64, rows: u64) -> Piece {
    Piece { from: Offset(from), to: Offset(from + rows), batch: batch(from, rows) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Sends and receives in any order, against the most obvious model of a queue that is full now and then.
    #[test]
    fn what_is_dropped_is_known_by_its_offsets(acts in prop::collection::vec((any::<bool>(), 1..5u64), 0..60), capacity in 1..6usize) {
        let dir = tempfile::tempdir().unwrap();
        let (sender, mut receiver) = edge(Pressure::Drop, capacity, &topic(dir.path())).unwrap();
        let mut queue = VecDeque::new();
        let (mut sent, mut dropped, mut received) = (0, Vec::new(), Vec::new());
        for (send, rows) in acts {
            if send {
                sender.send(piece(sent, rows));
                if queue.len() < capacity { queue.push_back((sent, sent + rows)) } else { dropped.extend(sent..sent + rows) }
                sent += rows;
            } else if let Some((from, to)) = queue.pop_front() {
                let piece = receiver.receive().unwrap().unwrap();
                prop_assert_eq!((piece.from.0, piece.to.0), (from, to));
                prop_assert_eq!(piece.batch, batch(from, to - from));
                received.extend(from..to);
            }
            prop_assert_eq!(sender.lag(), queue.iter().map(|(from, to)| to - from).sum::<u64>());
        }
        sender.close();
        while let Some(piece) = receiver.receive().unwrap() {
            received.extend(piece.from.0..piece.to.0);
        }
        let counts = sender.counts();
        prop_assert_eq!((counts.delivered, counts.records_dropped(), counts.sent.0), (received.len() as u64, dropped.len() as u64, sent));
        prop_assert_eq!(counts.dropped.iter().flat_map(|(from, to)| from.0..to.0).collect::<Vec<_>>(), dropped.clone());
        prop_assert!(counts.dropped.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges that abut are put together");
        received.extend(dropped);
        received.sort_unstable();
        prop_assert!(received.into_iter().eq(0..sent));
    }
}

#[test]
fn blocking_and_buffering_lose_nothing_and_only_buffering_lets_the_producer_go_ahead() {
    for pressure in [Pressure::Block, Pressure::Buffer] {
        let dir = tempfile::tempdir().unwrap();
        let topic = topic(dir.path());
        let (sender, mut receiver) = edge(pressure, 2, &topic).unwrap();
        let producer = std::thread::spawn({
            let topic = topic.clone();
            move || {
                let writer = topic.writer().unwrap();
                for i in 0..50 {
                    writer.append_to(PartitionId(0), &batch(i * 3, 3), None).unwrap();
                    sender.send(piece(i * 3, 3));
                }
                sender.close();
                sender
            }
        });
        let mut received = Vec::new();
        if pressure == Pressure::Buffer {
            // The producer ends though nothing was received yet.
            let sender = producer.join().unwrap();
            assert_eq!((sender.lag(), sender.counts().lag_max), (150, 150));
            while let Some(piece) = receiver.receive().unwrap() {
                received.extend(piece.from.0..piece.to.0);
            }
            assert_eq!((sender.lag(), sender.counts().delivered), (0, 150));
            drop(receiver);
            assert_eq!(topic.local().unwrap().group(EDGE_GROUP).unwrap().lag().unwrap(), 0, "committed");
        } else {
            while let Some(piece) = receiver.receive().unwrap() {
                received.extend(piece.from.0..piece.to.0);
            }
            let counts = producer.join().unwrap().counts();
            assert!(counts.lag_max <= 6, "two frames wait at most: {counts:?}");
            assert_eq!((counts.delivered, counts.records_dropped()), (150, 0));
        }
        assert!(received.into_iter().eq(0..150), "{pressure:?}");
    }
}

#[test]
fn what_the_topic_had_before_is_not_of_the_edge() {
    let dir = tempfile::tempdir().unwrap();
    let topic = topic(dir.path());
    let writer = topic.writer().unwrap();
    for run in 0..2 {
        let from = run * 10;
        writer.append_to(PartitionId(0), &batch(from, 7), None).unwrap();
        let (sender, mut receiver) = edge(Pressure::Buffer, 1, &topic).unwrap();
        writer.append_to(PartitionId(0), &batch(from + 7, 3), None).unwrap();
        sender.send(piece(from + 7, 3));
        let piece = receiver.receive().unwrap().unwrap();
        assert_eq!((piece.from, piece.to, sender.lag()), (Offset(from + 7), Offset(from + 10), 0));
        sender.close();
        assert!(receiver.receive().unwrap().is_none());
    }
}

#[test]
fn a_producer_is_not_held_up_for_ever_by_a_consumer_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, receiver) = edge(Pressure::Block, 1, &topic(dir.path())).unwrap();
    sender.send(piece(0, 1));
    let gone = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        drop(receiver);
    });
    sender.send(piece(1, 1));
    gone.join().unwrap();
    sender.send(piece(2, 1));
    assert_eq!(sender.counts().sent, Offset(1));
}

#[test]
fn the_scenario_accounts_for_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let settings = BackpressureSettings { rate: 20_000.0, duration: Duration::from_millis(400), slow_factor: 3.0, capacity: 4, seed: 7 };
    let mut heard = Vec::new();
    let result = run_backpressure(&settings, dir.path(), |p| heard.push(p)).unwrap();
    assert_eq!(heard, [Pressure::Block, Pressure::Drop, Pressure::Buffer]);
    for choice in &result.choices {
        assert_eq!(choice.slow_delivered + choice.slow_dropped, choice.produced, "{choice:?}");
        assert_eq!(choice.fast_seen, choice.produced);
        assert_eq!(choice.slow_dropped, choice.slow_dropped_ranges.iter().map(|(from, to)| to - from).sum::<u64>());
        assert!(choice.produced > 0 && choice.slow_delivered > 0);
    }
    assert_eq!((result.choices[0].slow_dropped, result.choices[2].slow_dropped), (0, 0));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it cleans up");
    let wrong = BackpressureSettings { rate: 1.0, ..settings };
    assert!(run_backpressure(&wrong, dir.path(), |_| {}).unwrap_err().to_string().contains("--rate"));
}
