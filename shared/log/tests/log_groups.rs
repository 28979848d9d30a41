//! Consumer groups as their users see them.

#[path = "log_groups/journal.rs"]
mod journal;
mod log_common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use log_common::*;
use proptest::prelude::*;
use twopath_base::clock::SystemClock;
use twopath_base::{Offset, PartitionId, Position};
use twopath_log::*;
use twopath_storage::OsStorage;

const P0: PartitionId = PartitionId(0);

fn position(offsets: &[u64]) -> Position {
    Position::new(offsets.iter().map(|o| Offset(*o)).collect())
}

/// A topic whose partition `p` holds `frames` frames of ten events, whose ids say partition and offset.
fn topic_of(dir: &std::path::Path, partitions: u32, frames: i64, durability: Durability) -> Topic {
    let log = Log::open(dir).unwrap();
    let topic = log.create_topic(TopicConfig { segment_bytes: 4096, durability, ..config("t", partitions) }).unwrap();
    let writer = topic.writer().unwrap();
    for p in partition_ids(&topic) {
        for frame in 0..frames {
            let first = i64::from(p.0) * 1_000_000 + frame * 10;
            writer.append_to(p, &events(first..first + 10), None).unwrap();
        }
    }
    topic
}

fn poll(member: &mut Member) -> Option<(PartitionId, u64, Vec<i64>)> {
    match member.poll(Duration::ZERO).unwrap()? {
        Entry::Records(r) => Some((r.partition, r.base.0, ids(&[r.batch]))),
        Entry::Barrier(b) => panic!("no barrier was expected: {b:?}"),
    }
}

#[test]
fn a_group_goes_on_where_it_committed() {
    let dir = folder();
    let topic = topic_of(dir.path(), 1, 5, Durability::Batch);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    assert_eq!((group.committed().unwrap(), group.lag().unwrap()), (position(&[0]), 50));
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert_eq!(poll(&mut member).unwrap().1, 0);
    assert_eq!(poll(&mut member).unwrap().1, 10);
    member.commit().unwrap();
    assert!(member.poll(Duration::MAX).unwrap().is_some(), "however long it would wait");
    assert_eq!(group.members().unwrap(), ["ann"]);
    let progress = &group.progress().unwrap()[0];
    assert_eq!((progress.committed, progress.end, progress.lag()), (Some(Offset(20)), Offset(50), 30));
    assert_eq!(progress.owner.as_deref(), Some("ann"));
    // As if it had died: what was given after the commit is given again.
    drop(member);
    assert_eq!(group.members().unwrap(), [""; 0]);
    let mut member = group.join("bob", MemberOptions::default()).unwrap();
    assert_eq!(poll(&mut member).unwrap().1, 20);
    member.commit_at(P0, Offset(23)).unwrap();
    member.leave().unwrap();
    assert_eq!(group.committed().unwrap(), position(&[30]), "leaving commits what was given");
    assert_eq!(topic.groups().unwrap(), ["g"]);
    assert_eq!(topic.local().unwrap().committed_groups().unwrap(), [("g".to_owned(), position(&[30]))]);
}

#[test]
fn an_offset_inside_a_frame_can_be_committed() {
    let dir = folder();
    let topic = topic_of(dir.path(), 1, 3, Durability::None);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    poll(&mut member);
    member.commit_at(P0, Offset(7)).unwrap();
    drop(member);
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert_eq!(poll(&mut member).unwrap(), (P0, 7, vec![7, 8, 9]));
    assert_eq!(poll(&mut member).unwrap().1, 10);
}

#[test]
fn what_others_read_for_a_member_can_be_committed() {
    let dir = folder();
    let topic = topic_of(dir.path(), 1, 3, Durability::None);
    topic.writer().unwrap().barrier().unwrap();
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert!(matches!(member.commit_read(&[(P0, Offset(1), 0)]), Err(LogError::NotOwner { .. })));
    member.rebalance().unwrap();
    member.commit_read(&[(P0, Offset(17), 0)]).unwrap();
    assert_eq!(group.committed().unwrap(), position(&[17]));
    assert_eq!(poll(&mut member).unwrap(), (P0, 17, vec![17, 18, 19]), "a poll goes on from there");
    assert!(matches!(member.commit_read(&[(P0, Offset(16), 0)]), Err(LogError::CommitBackwards { .. })));
    assert!(matches!(member.commit_read(&[(P0, Offset(31), 0)]), Err(LogError::OffsetOutOfRange { .. })));
    // The barrier at the end is done, and stays so for a reader that did not pass it.
    member.commit_read(&[(P0, Offset(30), 1)]).unwrap();
    member.commit_read(&[(P0, Offset(30), 0)]).unwrap();
    assert_eq!(poll(&mut member), None);
}

#[test]
fn members_share_the_partitions_and_take_over() {
    let dir = folder();
    let topic = topic_of(dir.path(), 4, 3, Durability::None);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut ann = group.join("ann", MemberOptions::default()).unwrap();
    ann.rebalance().unwrap();
    assert_eq!(ann.owned().len(), 4);
    assert_eq!(poll(&mut ann).unwrap(), (PartitionId(1), 0, (1_000_000..1_000_010).collect()));
    let mut bob = group.join("bob", MemberOptions::default()).unwrap();
    assert_eq!(poll(&mut bob), None, "ann still owns all of it");
    ann.rebalance().unwrap();
    assert_eq!(ann.owned(), [PartitionId(0), PartitionId(2)]);
    assert_eq!(group.committed().unwrap(), position(&[0, 10, 0, 0]), "committed before it was let go of");
    bob.rebalance().unwrap();
    assert_eq!(bob.owned(), [PartitionId(1), PartitionId(3)]);
    drop(ann);
    bob.rebalance().unwrap();
    assert_eq!(bob.owned().len(), 4);
    let mut seen = BTreeMap::<u32, Vec<i64>>::new();
    while let Some((p, _, ids)) = poll(&mut bob) {
        seen.entry(p.0).or_default().extend(ids);
    }
    for (p, ids) in seen {
        let from = if p == 1 { 10 } else { 0 };
        assert_eq!(ids, (i64::from(p) * 1_000_000 + from..i64::from(p) * 1_000_000 + 30).collect::<Vec<_>>());
    }
}

#[test]
fn members_may_name_their_partitions() {
    let dir = folder();
    let topic = topic_of(dir.path(), 3, 1, Durability::None);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let fixed = |p: u32| MemberOptions { partitions: Some(vec![PartitionId(p)]), ..MemberOptions::default() };
    let mut ann = group.join("ann", fixed(2)).unwrap();
    assert_eq!(poll(&mut ann).unwrap().0, PartitionId(2));
    let mut bob = group.join("bob", fixed(2)).unwrap();
    assert_eq!(poll(&mut bob), None, "owned by ann");
    let refused = bob.commit_at(PartitionId(2), Offset(1)).unwrap_err();
    insta::assert_snapshot!(refused, @"member 'bob' of group 'g' does not own partition 2 of topic 't', so that it cannot commit there; ann does");
    ann.leave().unwrap();
    bob.rebalance().unwrap();
    assert_eq!(bob.owned(), [PartitionId(2)]);
    assert!(group.join("eve", fixed(3)).is_err(), "there is no partition 3");
}

#[test]
fn barriers_come_once() {
    let dir = folder();
    let topic = topic_of(dir.path(), 1, 1, Durability::None);
    let writer = topic.writer().unwrap();
    writer.barrier().unwrap();
    writer.barrier().unwrap();
    writer.append(&events(10..20)).unwrap();
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let shapes = |member: &mut Member, max: usize| -> Vec<u64> {
        let shape = |entry| match entry {
            Entry::Records(r) => r.base.0,
            Entry::Barrier(b) => 1_000 + b.number,
        };
        std::iter::from_fn(|| member.poll(Duration::ZERO).unwrap().map(shape)).take(max).collect()
    };
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert_eq!(shapes(&mut member, 2), [0, 1_001]);
    member.leave().unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert_eq!(shapes(&mut member, 9), [1_002, 10]);
    drop(member);
    group.seek(Start::Offset(Offset(10))).unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert_eq!(shapes(&mut member, 9), [1_001, 1_002, 10], "a seek goes before the barriers that stand right before its place");
}

#[test]
fn seeking() {
    let dir = folder();
    let topic = topic_of(dir.path(), 2, 30, Durability::Batch);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    assert_eq!(group.seek(Start::End).unwrap(), position(&[300, 300]));
    assert_eq!(group.lag().unwrap(), 0);
    assert_eq!(group.seek(Start::First).unwrap(), position(&[0, 0]));
    // Event times are ids in milliseconds: 117 ms is in the frame from 110 on; all of partition 1 is later.
    assert_eq!(group.seek(Start::EventTime(117_000)).unwrap(), position(&[110, 0]));
    assert_eq!(group.seek_to(&position(&[5, 299])).unwrap(), position(&[5, 299]));
    assert_eq!(group.committed().unwrap(), position(&[5, 299]));
    let beyond = group.seek_to(&position(&[5, 301])).unwrap_err();
    insta::assert_snapshot!(beyond, @"topic 't' partition 1 has no offset 301: it ends at 300");
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    member.rebalance().unwrap();
    let busy = group.seek(Start::First).unwrap_err();
    insta::assert_snapshot!(busy, @"group 'g' of topic 't' is at work: ann owns partition 0; stop its members first");
    member.seek(P0, Start::Offset(Offset(200))).unwrap();
    assert_eq!(group.committed().unwrap(), position(&[200, 299]));
    let firsts: BTreeMap<u32, u64> = std::iter::from_fn(|| poll(&mut member)).map(|(p, base, _)| (p.0, base)).rev_first();
    assert_eq!(firsts, BTreeMap::from([(0, 200), (1, 299)]));
    member.leave().unwrap();
    // What a process of this number left behind when it died removing such a group is in nobody's way.
    let left_behind = format!("groups/.g.gone-{}/members", std::process::id());
    std::fs::create_dir_all(topic.local().unwrap().dir().join(left_behind)).unwrap();
    group.clone().remove().unwrap();
    assert_eq!(topic.groups().unwrap(), [""; 0]);
    assert!(matches!(topic.local().unwrap().group("g"), Err(LogError::NoSuchGroup { .. })));
}

trait RevFirst {
    fn rev_first(self) -> BTreeMap<u32, u64>;
}

impl<I: Iterator<Item = (u32, u64)>> RevFirst for I {
    /// The first value of each key.
    fn rev_first(self) -> BTreeMap<u32, u64> {
        let mut first = BTreeMap::new();
        self.for_each(|(key, value)| {
            first.entry(key).or_insert(value);
        });
        first
    }
}

#[test]
fn a_group_that_starts_at_the_end_misses_nothing_after_its_first_poll() {
    let dir = folder();
    let topic = topic_of(dir.path(), 1, 3, Durability::None);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let at_end = || MemberOptions { start: Start::End, ..MemberOptions::default() };
    let mut member = group.join("ann", at_end()).unwrap();
    assert_eq!(poll(&mut member), None);
    drop(member);
    topic.writer().unwrap().append(&events(30..40)).unwrap();
    let mut member = group.join("ann", at_end()).unwrap();
    assert_eq!(poll(&mut member).unwrap().1, 30);
}

#[test]
fn clear_errors() {
    let dir = folder();
    let topic = topic_of(dir.path(), 1, 3, Durability::None);
    insta::assert_snapshot!(topic.local().unwrap().group("nobody").unwrap_err(), @"topic 't' has no consumer group 'nobody': it has none; one begins when its first member joins");
    insta::assert_snapshot!(topic.local().unwrap().group_or_new("../x").unwrap_err(), @"'../x' cannot be the name of a consumer group or a member: use letters, digits, '-', '_' and '.', not first a '.', at most 200 of them");
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    insta::assert_snapshot!(group.join("ann", MemberOptions::default()).unwrap_err(), @"group 'g' of topic 't' has a live member 'ann' already: give each member a name of its own");
    insta::assert_snapshot!(member.commit_at(P0, Offset(1)).unwrap_err(), @"member 'ann' of group 'g' does not own partition 0 of topic 't', so that it cannot commit there");
    poll(&mut member);
    poll(&mut member);
    member.commit().unwrap();
    insta::assert_snapshot!(member.commit_at(P0, Offset(19)).unwrap_err(), @"group 'g' has committed partition 0 of topic 't' up to 20: going back to 19 is a seek, not a commit");
    insta::assert_snapshot!(member.commit_at(P0, Offset(21)).unwrap_err(), @"member 'ann' was given partition 0 of topic 't' up to 20: it cannot commit 21");
    insta::assert_snapshot!(topic.local().unwrap().group("h").unwrap_err(), @"topic 't' has no consumer group 'h': it has g");
    assert!(matches!(group.clone().remove(), Err(LogError::GroupBusy { .. })));
}

#[test]
fn a_waiting_member_is_woken_by_an_append_and_by_a_leaving_member() {
    let dir = folder();
    let topic = topic_of(dir.path(), 2, 0, Durability::None);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut ann = group.join("ann", MemberOptions::default()).unwrap();
    ann.rebalance().unwrap();
    let mut bob = group.join("bob", MemberOptions::default()).unwrap();
    let follower = std::thread::spawn(move || {
        let mut bases = Vec::new();
        while bases.len() < 20 {
            if let Some(Entry::Records(r)) = bob.poll(Duration::from_secs(20)).unwrap() {
                bases.push((r.partition.0, r.base.0));
            }
        }
        bases
    });
    let writer = topic.writer().unwrap();
    drop(ann);
    for i in 0..20 {
        writer.append_to(PartitionId(i % 2), &events(0..1), None).unwrap();
    }
    let bases = follower.join().unwrap();
    for p in 0..2 {
        assert_eq!(bases.iter().filter(|b| b.0 == p).map(|b| b.1).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Join(usize),
    Leave(usize),
    /// Dropped without a commit, as if it had died.
    Die(usize),
    Poll(usize, usize),
    Commit(usize),
    Append(u32),
}

fn act(may_die: bool) -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..4usize).prop_map(Act::Join),
        1 => (0..4usize).prop_map(Act::Leave),
        u32::from(may_die) => (0..4usize).prop_map(Act::Die),
        8 => (0..4usize, 1..6usize).prop_map(|(m, n)| Act::Poll(m, n)),
        2 => (0..4usize).prop_map(Act::Commit),
        4 => (0..5u32).prop_map(Act::Append),
    ]
}

/// Plays the acts, lets one last member read the rest, and gives what was delivered by partition, in the order of delivery.
fn play(acts: &[Act], partitions: u32) -> (Vec<Vec<u64>>, Position) {
    let dir = folder();
    let topic = Log::with(Arc::new(OsStorage), Arc::new(SystemClock), dir.path()).unwrap().create_topic(config("t", partitions)).unwrap();
    let writer = topic.writer().unwrap();
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut members: [Option<Member>; 4] = Default::default();
    let mut delivered = vec![Vec::new(); partitions as usize];
    let take = |member: &mut Member, delivered: &mut Vec<Vec<u64>>| {
        let Some((p, base, ids)) = poll(member) else { return false };
        delivered[p.index()].extend(base..base + ids.len() as u64);
        true
    };
    for act in acts {
        match *act {
            Act::Join(m) if members[m].is_none() => members[m] = Some(group.join(&format!("m{m}"), MemberOptions::default()).unwrap()),
            Act::Leave(m) => {
                if let Some(member) = members[m].take() {
                    member.leave().unwrap();
                }
            }
            Act::Die(m) => members[m] = None,
            Act::Poll(m, mut n) => {
                if let Some(member) = &mut members[m] {
                    while n > 0 && take(member, &mut delivered) {
                        n -= 1;
                    }
                }
            }
            Act::Commit(m) => {
                if let Some(member) = &mut members[m] {
                    member.commit().unwrap();
                }
            }
            Act::Append(p) => drop(writer.append_to(PartitionId(p % partitions), &events(0..3), None).unwrap()),
            Act::Join(_) => {}
        }
        let owners: Vec<PartitionId> = members.iter().flatten().flat_map(Member::owned).collect();
        let distinct: std::collections::BTreeSet<_> = owners.iter().collect();
        assert_eq!(distinct.len(), owners.len(), "a partition has one owner");
    }
    for member in members.into_iter().flatten() {
        member.leave().unwrap();
    }
    let mut last = group.join("last", MemberOptions::default()).unwrap();
    while take(&mut last, &mut delivered) {}
    last.leave().unwrap();
    assert_eq!(group.committed().unwrap(), topic.end().unwrap());
    (delivered, topic.end().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn without_deaths_every_record_comes_once_and_in_order(acts in prop::collection::vec(act(false), 0..60), partitions in 1..5u32) {
        let (delivered, end) = play(&acts, partitions);
        for (partition, end) in end.iter() {
            prop_assert_eq!(&delivered[partition.index()], &(0..end.0).collect::<Vec<_>>());
        }
    }

    #[test]
    fn with_deaths_every_record_comes_at_least_once_and_goes_back_only_to_what_was_not_committed(
        acts in prop::collection::vec(act(true), 0..60),
        partitions in 1..5u32,
    ) {
        let (delivered, end) = play(&acts, partitions);
        for (partition, end) in end.iter() {
            let mut reached = 0;
            for offset in &delivered[partition.index()] {
                prop_assert!(*offset <= reached, "offset {} came before {}", offset, reached);
                reached = reached.max(offset + 1);
            }
            prop_assert_eq!(reached, end.0);
        }
    }
}

/// Cuts the log to its first 20 records, as the machine's death may where records were not synced: the group has done 40.
fn lose_half(dir: &std::path::Path) -> (Topic, std::path::PathBuf) {
    let log = Log::open(dir).unwrap();
    let topic = log.create_topic(TopicConfig { durability: Durability::Interval(Duration::from_secs(3600)), ..config("t", 1) }).unwrap();
    let writer = topic.writer().unwrap();
    writer.append(&events(0..20)).unwrap();
    let file = topic.local().unwrap().segments(P0).unwrap()[0].path.clone();
    let kept = std::fs::metadata(&file).unwrap().len();
    writer.append(&events(20..40)).unwrap();
    let mut member = topic.local().unwrap().group_or_new("g").unwrap().join("ann", MemberOptions::default()).unwrap();
    while poll(&mut member).is_some() {}
    member.leave().unwrap();
    drop(writer);
    std::fs::File::options().write(true).open(&file).unwrap().set_len(kept).unwrap();
    let topic_dir = topic.local().unwrap().dir().to_owned();
    std::fs::remove_file(topic_dir.join("tail")).unwrap();
    (Log::open(dir).unwrap().topic("t").unwrap(), topic_dir.join("groups/g/positions"))
}

#[test]
fn a_group_that_stands_ahead_of_the_log_is_given_what_takes_the_lost_offsets() {
    let dir = folder();
    let (topic, positions) = lose_half(dir.path());
    let group = topic.local().unwrap().group("g").unwrap();
    assert_eq!((group.committed().unwrap(), group.lag().unwrap()), (position(&[40]), 0));
    let report = topic.local().unwrap().verify().unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.problems[0].path, positions);
    assert!(report.problems[0].what.contains("up to offset 40"), "{}", report.problems[0]);

    let writer = topic.writer().unwrap();
    assert_eq!(group.committed().unwrap(), position(&[20]));
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
    writer.append(&events(100..130)).unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert_eq!(poll(&mut member).unwrap(), (P0, 20, (100..130).collect()));
    member.leave().unwrap();
    assert_eq!(group.committed().unwrap(), position(&[50]));
}

#[test]
fn a_member_sets_its_group_back_where_no_writer_did() {
    let dir = folder();
    let (topic, _) = lose_half(dir.path());
    let group = topic.local().unwrap().group("g").unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    assert_eq!(poll(&mut member), None);
    assert_eq!(group.committed().unwrap(), position(&[20]));
    topic.writer().unwrap().append(&events(100..110)).unwrap();
    assert_eq!(poll(&mut member).unwrap().2, (100..110).collect::<Vec<_>>());
    member.leave().unwrap();
    assert_eq!(group.committed().unwrap(), position(&[30]));
}
