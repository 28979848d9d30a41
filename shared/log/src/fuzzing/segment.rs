//! A segment's file: recovered, verified, read, and written on.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::{FileDecoder, FileReader};

use crate::error::LogError;
use crate::format::decode::Decoder;
use crate::format::frame::{HEADER_BYTES, Header, Kind, block_in_frame, get};
use crate::format::index::NO_EVENT_US;
use crate::format::producer::Producers;
use crate::format::scan::{Before, Found, Trailing, scan};
use crate::format::segment::{Head, Summary, head, is_seal};
use crate::local::topic::LocalTopic;
use crate::partition::verify;
use crate::records::{Entry, Records, Start};
use twopath_base::Offset;
use twopath_base::checksum::crc32c;

use super::{Bench, P0, PLAIN, seeds};

/// Whether the input is a segment's file with nothing wrong in it, sealed or not.
pub fn segment(bench: &Bench, data: &[u8]) -> bool {
    super::both(data, |bytes| mend(bytes), |bytes| check(bench, bytes))
}

/// Makes the checksums fit, from frame to frame, as far as the lengths lead.
fn mend(bytes: &mut [u8]) {
    let Ok(head) = Head::read(bytes) else { return };
    let mut pos = head.len as usize;
    loop {
        let rest = &mut bytes[pos..];
        if is_seal(rest) {
            return super::seal::mend(rest);
        }
        if rest.len() < HEADER_BYTES as usize {
            return;
        }
        let frame_len = get(rest, 88).checked_add(HEADER_BYTES).and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= rest.len());
        rest[100..104].copy_from_slice(&head.crc.to_le_bytes());
        if let Some(len) = frame_len {
            let crc = crc32c(&rest[HEADER_BYTES as usize..len]);
            rest[120..124].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = crc32c(&rest[..124]);
        rest[124..128].copy_from_slice(&crc.to_le_bytes());
        let Some(len) = frame_len else { return };
        pos += len;
    }
}

/// A frame whose header and body hold, and its records as Arrow's checking decoder gives them.
struct Frame {
    header: Header,
    batch: Option<RecordBatch>,
}

fn check(bench: &Bench, bytes: &[u8]) -> bool {
    let path = bench.dir.join("p0").join(super::name_of(Offset(0)));
    let report = verify::one_file(&bench.topic.0, P0, &path, bytes);
    for problem in &report.problems {
        assert!(problem.path == path && problem.offset <= bytes.len() as u64, "{problem} is no place in the file");
    }
    let found = match scan(&bench.topic.0.meta, P0, &before(), &path, bytes) {
        Ok(found) => found,
        Err(e) => {
            named(&e, &path, bytes);
            assert!(!report.is_clean(), "verify passes over what recovery refuses: {e}");
            return false;
        }
    };
    scans_again(bench, &path, bytes, &found);
    // What is wrong is behind the good frames: a torn end.
    let sound = report.problems.iter().all(|p| p.offset >= found.frames_end) && (found.trailing != Trailing::Seal || report.is_clean());
    if !sound || found.head.is_none() {
        return false;
    }
    let frames = frames(bench, bytes, &found);
    if found.trailing == Trailing::Seal {
        is_arrow(bytes, &frames);
    }
    in_a_folder(bench, &path, bytes, &found, &frames);
    report.is_clean()
}

fn before() -> Before {
    Before { summary: Summary::empty(Offset(0), 0, NO_EVENT_US), producers: Producers::default(), arrival_us: i64::MIN }
}

fn named(error: &LogError, path: &Path, bytes: &[u8]) {
    match error {
        LogError::Corrupt { path: named, offset, .. } => assert!(named == path && *offset <= bytes.len() as u64, "the place of '{error}'"),
        other => panic!("an error of another kind: {other}"),
    }
}

/// What was good is as good without what followed it, so that a second recovery finds what the first one left.
fn scans_again(bench: &Bench, path: &Path, bytes: &[u8], found: &Found) {
    let end = found.frames_end as usize;
    let again = scan(&bench.topic.0.meta, P0, &before(), path, &bytes[..end]).expect("the good frames alone");
    assert_eq!((&again.summary, &again.blocks, &again.notes), (&found.summary, &found.blocks, &found.notes));
    assert!(again.trailing == Trailing::Nothing && again.last_barrier == found.last_barrier);
}

/// The frames, one after the other; what was decoded is encoded to the same bytes, and each decoder gives the same records.
fn frames(bench: &Bench, bytes: &[u8], found: &Found) -> Vec<Frame> {
    let schema = bench.topic.0.meta.config.schema.clone();
    let checking = FileDecoder::new(schema, MetadataVersion::V5);
    let decoder = |projection| Decoder::new(&bench.topic.0.meta.config, projection).expect("columns of the topic");
    let (all, plain) = (decoder(None), decoder(Some(&PLAIN)));
    let file = Buffer::from(bytes);
    let mut frames = Vec::new();
    let mut offset = Offset(0);
    let mut pos = found.head.expect("there is a head").len;
    while pos < found.frames_end {
        let header = Header::decode(&bytes[pos as usize..]).expect("a frame that was scanned");
        assert_eq!(header.encode(), bytes[pos as usize..][..HEADER_BYTES as usize], "the header as it was");
        assert_eq!(header.base, offset, "frames without a hole");
        let body = file.slice_with_length((pos + HEADER_BYTES) as usize, header.body_len as usize);
        let batch = (header.kind == Kind::Records).then(|| {
            let batch = checking.read_record_batch(&block_in_frame(&header), &body).expect("verified").expect("records");
            assert_eq!(all.decode(&header, &body).expect("verified"), batch, "what readers decode");
            assert_eq!(plain.decode(&header, &body).expect("verified"), batch.project(&PLAIN).expect("columns"), "decoded in place");
            batch
        });
        offset = header.end();
        pos += header.frame_len();
        frames.push(Frame { header, batch });
    }
    assert_eq!((pos, offset), (found.frames_end, found.summary.end), "the frames come to what the scan says");
    frames
}

/// A sealed segment is a standard Arrow file.
fn is_arrow(bytes: &[u8], frames: &[Frame]) {
    let reader = FileReader::try_new(std::io::Cursor::new(bytes), None).expect("Arrow's own reader opens it");
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("Arrow's own reader reads it");
    assert!(batches.iter().eq(frames.iter().filter_map(|f| f.batch.as_ref())), "Arrow's own reader reads the same");
}

/// As a process finds it that opens the topic: a reader from anywhere, then a writer.
fn in_a_folder(bench: &Bench, path: &Path, bytes: &[u8], found: &Found, frames: &[Frame]) {
    let end = found.summary.end;
    let next = (super::name_of(end), head(&bench.topic.0.meta.config.schema));
    let first = super::name_of(Offset(0));
    // A sealed segment without records would be followed by one of its own name.
    match found.trailing == Trailing::Seal && end > Offset(0) {
        true => bench.lay(&[(&first, bytes), (&next.0, &next.1)]),
        false => bench.lay(&[(&first, bytes)]),
    }
    let topic = bench.open();
    if let Err(e) = found.refuse_damage(&topic.0.meta, path, bytes) {
        named(&e, path, bytes);
        for refused in [read(&topic, Start::First).map(drop), bench.open().writer().map(drop)] {
            named(&refused.expect_err("good frames follow what is damaged"), path, bytes);
        }
        return;
    }
    let all = read(&topic, Start::First).expect("what verify passes");
    same(&all, frames);
    if found.trailing == Trailing::Seal {
        topic.0.segment(P0, Offset(0)).ends().expect("what verify passes");
    }
    seeks(&topic, frames, end);
    // Seldom, because it is slow.
    if crc32c(bytes).is_multiple_of(8) && end.0 < u64::MAX - 8 && found.summary.arrival_us.1 <= super::NOW_US {
        goes_on(&topic, &all);
    }
}

fn read(topic: &LocalTopic, start: Start) -> Result<Vec<Records>, LogError> {
    let mut reader = topic.reader(P0, start, None)?;
    let mut all = Vec::new();
    while let Some(entry) = reader.next()? {
        if let Entry::Records(records) = entry {
            all.push(records);
        }
    }
    Ok(all)
}

fn same(read: &[Records], frames: &[Frame]) {
    let batches = frames.iter().filter_map(|f| Some((&f.header, f.batch.as_ref()?)));
    assert_eq!(read.len(), batches.clone().count(), "every frame of records is read");
    for (records, (header, batch)) in read.iter().zip(batches) {
        assert!((records.base, records.end, records.arrival_us) == (header.base, header.end(), header.arrival_us));
        assert_eq!(records.batch, *batch);
        for row in 0..batch.num_rows() {
            assert!((header.base..header.end()).contains(&records.offset_of(row)), "an offset outside of its frame");
        }
    }
}

/// A reader that starts somewhere is where a walk over all frames would be.
fn seeks(topic: &LocalTopic, frames: &[Frame], end: Offset) {
    let at = |start| topic.reader(P0, start, Some(&[])).map(|reader| reader.offset());
    assert_eq!(at(Start::End).expect("the end"), end);
    let first = |wanted: &dyn Fn(&Header) -> bool| frames.iter().find(|f| wanted(&f.header)).map_or(end, |f| f.header.base);
    for Frame { header, .. } in frames.iter().take(8) {
        for offset in [header.base, Offset(header.base.0 + (header.end().0 - header.base.0) / 2)] {
            assert_eq!(at(Start::Offset(offset)).expect("an offset of the log"), offset);
        }
        let by_arrival = at(Start::ArrivalTime(header.arrival_us)).expect("a time of the log");
        assert_eq!(by_arrival, first(&|h| h.kind == Kind::Records && h.arrival_us >= header.arrival_us));
        for us in header.event_us.map_or(Vec::new(), |(min, max)| vec![min, max]) {
            let by_event = at(Start::EventTime(us)).expect("a time of the log");
            assert_eq!(by_event, first(&|h| h.event_us.is_some_and(|(_, max)| max >= us)));
        }
    }
    if let Some(beyond) = end.0.checked_add(1) {
        assert!(matches!(at(Start::Offset(Offset(beyond))), Err(LogError::OffsetOutOfRange { .. })));
    }
}

/// A writer mends the torn end and appends; then nothing is wrong, and nothing else has changed.
fn goes_on(topic: &LocalTopic, before: &[Records]) {
    let more = seeds::events(900..902);
    let writer = topic.writer().expect("what readers read can be written on");
    let base = writer.append_to(P0, &more, None).expect("an append");
    writer.close().expect("a close");
    let report = topic.verify().expect("files that are there");
    assert!(report.is_clean(), "after a writer mended it: {:?}", report.problems);
    let after = read(topic, Start::First).expect("what a writer mended");
    let (last, kept) = after.split_last().expect("what was appended");
    assert!((last.base, &last.batch) == (base, &more), "what was appended is there");
    assert!(kept.len() == before.len() && kept.iter().zip(before).all(|(a, b)| a.batch == b.batch && a.base == b.base));
}
