//! The file of a group: written anew in time, and whatever is damaged or torn in it found.

use twopath_storage::FaultyStorage;

use super::*;

#[test]
fn the_journal_is_written_anew_before_it_grows_large() {
    let dir = folder();
    let topic = topic_of(dir.path(), 3, 0, Durability::None);
    let writer = topic.writer().unwrap();
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    let file = topic.local().unwrap().dir().join("groups/g/positions");
    let mut largest = 0;
    for i in 0..600 {
        writer.append(&events(i..i + 1)).unwrap();
        assert!(poll(&mut member).is_some());
        member.commit().unwrap();
        largest = largest.max(std::fs::metadata(&file).unwrap().len());
        assert_eq!(group.committed().unwrap(), topic.end().unwrap());
    }
    assert!((10_000..=16_384).contains(&largest), "{largest}");
}

/// A journal of several commits of two partitions, and what it says.
fn journal(dir: &std::path::Path, durability: Durability) -> (Topic, std::path::PathBuf, Vec<u8>) {
    let topic = topic_of(dir, 2, 10, durability);
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    for _ in 0..4 {
        poll(&mut member);
        poll(&mut member);
        member.commit().unwrap();
    }
    drop(member);
    let path = topic.local().unwrap().dir().join("groups/g/positions");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 8 * 64);
    (topic, path, bytes)
}

#[test]
fn every_changed_byte_is_an_error_that_names_it_and_a_seek_repairs_it() {
    let dir = folder();
    let (topic, path, bytes) = journal(dir.path(), Durability::Batch);
    let group = topic.local().unwrap().group("g").unwrap();
    for i in 0..bytes.len() {
        for change in [1u8, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[i] ^= change;
            std::fs::write(&path, changed).unwrap();
            let error = group.committed().unwrap_err();
            let LogError::CorruptPositions { path: named, offset, .. } = &error else { panic!("byte {i}: {error}") };
            assert_eq!((named, *offset), (&path, (i / 64 * 64) as u64));
            assert!(group.progress().is_err() && topic.local().unwrap().committed_groups().is_err());
        }
    }
    assert_eq!(group.seek(Start::Offset(Offset(3))).unwrap(), position(&[3, 3]));
    assert_eq!(group.committed().unwrap(), position(&[3, 3]));
}

#[test]
fn a_journal_of_another_group_or_topic_or_out_of_order_is_refused() {
    let dir = folder();
    let (topic, path, bytes) = journal(dir.path(), Durability::Batch);
    let other = topic.local().unwrap().group_or_new("h").unwrap();
    std::fs::write(path.parent().unwrap().with_file_name("h").join("positions"), &bytes).unwrap();
    assert!(other.committed().unwrap_err().to_string().contains("of another group"));
    let group = topic.local().unwrap().group("g").unwrap();
    let record = |i: usize| &bytes[i * 64..(i + 1) * 64];
    for (order, what) in [(vec![0, 1, 3], "number 2 must follow"), (vec![0, 1, 1], "number 2 must follow")] {
        std::fs::write(&path, order.into_iter().flat_map(record).copied().collect::<Vec<u8>>()).unwrap();
        let error = group.committed().unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("byte 128"), "{error}");
    }
    let second = folder();
    let (topic, path, _) = journal(second.path(), Durability::Batch);
    std::fs::write(path, &bytes).unwrap();
    assert!(
        topic.local().unwrap().group("g").unwrap().committed().unwrap_err().to_string().contains("the position is of a topic with the id")
    );
}

/// At every length the journal is read as what was committed by then, and goes on from there.
#[test]
fn every_truncation_gives_an_earlier_position() {
    let dir = folder();
    let (topic, path, bytes) = journal(dir.path(), Durability::Batch);
    let group = topic.local().unwrap().group("g").unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let mut last = Position::zero(2);
    for len in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let committed = group.committed().unwrap();
        assert!(committed.covers(&last) && committed.records() == (len / 64 * 10) as u64, "{len}: {committed}");
        last = committed.clone();
        let mut member = group.join("bob", MemberOptions::default()).unwrap();
        let (p, base, _) = poll(&mut member).unwrap();
        assert_eq!(base, committed.get(p).0);
        member.leave().unwrap();
        assert_eq!(group.committed().unwrap().records(), committed.records() + 10);
    }
}

/// Sectors of the last write that never reached the disk read as zeros.
#[test]
fn lost_sectors_of_the_last_write_are_cut_away_and_earlier_ones_are_damage() {
    for durability in [Durability::Batch, Durability::None] {
        let dir = folder();
        let topic = topic_of(dir.path(), 20, 2, durability);
        let group = topic.local().unwrap().group_or_new("g").unwrap();
        let mut member = group.join("ann", MemberOptions::default()).unwrap();
        let path = topic.local().unwrap().dir().join("groups/g/positions");
        let mut commits = Vec::new();
        for _ in 0..2 {
            (0..20).for_each(|_| drop(poll(&mut member)));
            member.commit().unwrap();
            commits.push(std::fs::read(&path).unwrap());
        }
        drop(member);
        let (first, all) = (&commits[0], &commits[1]);
        assert_eq!((first.len(), all.len()), (1280, 2560));
        for lost in 0..all.len().div_ceil(512) {
            let mut bytes = all.clone();
            let sector = lost * 512..(lost + 1) * 512;
            bytes[sector.clone()].fill(0);
            std::fs::write(&path, &bytes).unwrap();
            let read = group.committed();
            // Sector 2 holds the end of the first write, which was synced, and the beginning of the second.
            if durability == Durability::Batch && sector.start < first.len() {
                assert!(matches!(read, Err(LogError::CorruptPositions { .. })), "{lost}: {read:?}");
            } else {
                assert!(read.unwrap().records() <= 400);
            }
        }
        // Only what the second write put into its first sector.
        let mut bytes = all.clone();
        bytes[1280..1536].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(group.committed().unwrap().records(), 200, "as after the first commit");
    }
}

#[test]
fn a_failed_commit_does_not_count_and_the_member_commits_no_more() {
    let dir = folder();
    drop(topic_of(dir.path(), 1, 10, Durability::Batch));
    let storage = FaultyStorage::default();
    let topic = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir.path()).unwrap().topic("t").unwrap();
    let group = topic.local().unwrap().group_or_new("g").unwrap();
    let mut member = group.join("ann", MemberOptions::default()).unwrap();
    poll(&mut member);
    member.commit().unwrap();
    poll(&mut member);
    let faults: [&dyn Fn(); 3] = [&|| storage.fail_sync_after(0), &|| storage.full_after_bytes(20), &|| storage.crash_after_bytes(20)];
    for fault in faults {
        fault();
        member.commit().unwrap_err();
        assert!(storage.struck());
        storage.heal();
        assert_eq!(group.committed().unwrap(), position(&[10]));
        let again = member.commit().unwrap_err();
        assert!(matches!(again, LogError::MemberFailed { .. }), "{again}");
        drop(member);
        member = group.join("ann", MemberOptions::default()).unwrap();
        assert_eq!(poll(&mut member).unwrap().1, 10);
    }
    member.commit().unwrap();
    assert_eq!(group.committed().unwrap(), position(&[20]));
}

/// Every commit at which every byte count tears the write: earlier commits are all there.
#[test]
fn a_commit_torn_at_every_byte() {
    for bytes_left in 0..=192 {
        let dir = folder();
        drop(topic_of(dir.path(), 3, 3, Durability::Batch));
        let storage = FaultyStorage::default();
        let topic = Log::with(Arc::new(storage.clone()), Arc::new(SystemClock), dir.path()).unwrap().topic("t").unwrap();
        let group = topic.local().unwrap().group_or_new("g").unwrap();
        let mut member = group.join("ann", MemberOptions::default()).unwrap();
        for _ in 0..3 {
            poll(&mut member);
        }
        member.commit().unwrap();
        for _ in 0..3 {
            poll(&mut member);
        }
        storage.crash_after_bytes(bytes_left);
        let done = member.commit();
        drop(member);
        storage.heal();
        let committed = group.committed().unwrap();
        assert!(committed.covers(&position(&[10, 10, 10])) && position(&[20, 20, 20]).covers(&committed), "{committed}");
        assert!(done.is_err() || committed == position(&[20, 20, 20]));
        group.seek(Start::First).unwrap();
        assert_eq!(group.committed().unwrap(), position(&[0, 0, 0]));
    }
}

#[test]
fn verify_names_a_damaged_journal() {
    let dir = folder();
    let topic = topic_of(dir.path(), 1, 2, Durability::Batch);
    topic.local().unwrap().group_or_new("g").unwrap().seek(Start::Offset(Offset(7))).unwrap();
    assert!(topic.local().unwrap().verify().unwrap().is_clean());
    let path = topic.local().unwrap().dir().join("groups/g/positions");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let problems = topic.local().unwrap().verify().unwrap().problems;
    assert_eq!(problems.iter().map(|p| (p.path.clone(), p.offset)).collect::<Vec<_>>(), [(path, 0)]);
}
