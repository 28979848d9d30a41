//! Checkpoints: a job that ended at any moment goes on from one, and every view before and after says what the reference says.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::{Events, QUERIES, Views};
use twopath_base::Position;
use twopath_log::Topic;
use twopath_query::Query;
use twopath_speed::checkpoint::newest_checkpoint;
use twopath_speed::{Backend, Checkpoints, Engine, Logic, Publish, SpeedError, SpeedJob, SpeedOptions, start};
use twopath_storage::FaultyStorage;

/// No checkpoint is taken but those that a test asks for.
const NEVER: Duration = Duration::from_secs(3600);

/// One job and its folder of checkpoints.
struct Kept {
    query: Arc<Query>,
    from: Position,
    dir: PathBuf,
    engine: Engine,
}

impl Kept {
    fn new(events: &Events, sql: &str, engine: Engine) -> Kept {
        Kept { query: events.query(sql), from: events.start(), dir: events.dir.path().join("kept/state"), engine }
    }

    fn options(&self, workers: usize, interval: Duration) -> SpeedOptions {
        let backend = Backend::Checkpoints(Checkpoints::every(interval, &self.dir));
        SpeedOptions { workers, publish_interval: Duration::from_micros(200), backend, ..SpeedOptions::default() }
    }

    fn try_start(&self, topic: &Topic, options: SpeedOptions, publish: Publish) -> Result<SpeedJob, SpeedError> {
        start(topic, Arc::clone(&self.query), Logic::Sql, self.engine, (0, self.from.clone()), options, publish)
    }

    fn start(&self, events: &Events, workers: usize) -> (SpeedJob, Arc<Views>) {
        let (views, publish) = Views::new();
        (self.try_start(&events.topic, self.options(workers, NEVER), publish).unwrap(), views)
    }

    /// A checkpoint at the log's end.
    fn checkpoint(&self, events: &Events, job: &SpeedJob) -> Position {
        let end = events.end();
        while job.progress().position != end {
            std::thread::sleep(Duration::from_micros(200));
        }
        job.take_checkpoint().unwrap();
        end
    }

    /// Starts it again, and holds it to the reference at the log's end. Gives the position that it started from.
    fn goes_on(&self, events: &Events, workers: usize) -> Position {
        let (job, views) = self.start(events, workers);
        let end = events.end();
        let view = views.wait_for(&end);
        events.check(&self.query, &self.from, &view);
        assert!(!job.progress().recovering);
        let checkpoint = job.recovery().checkpoint.as_ref();
        checkpoint.map_or_else(|| self.from.clone(), |checkpoint| checkpoint.position().clone())
    }

    fn files(&self, begin: &str) -> Vec<PathBuf> {
        files(&self.dir, begin)
    }
}

fn files(dir: &Path, begin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with(begin)).collect();
    files.sort();
    files
}

#[test]
fn a_job_goes_on_with_any_number_of_workers_and_by_the_other_engine() {
    for (i, sql) in QUERIES.into_iter().enumerate() {
        for (engine, other) in [(Engine::Timely, Engine::Differential), (Engine::Differential, Engine::Timely)] {
            let mut events = Events::new(3, 300 + i as u64);
            let mut kept = Kept::new(&events, sql, engine);
            for workers in [1, 3, 3, 2, 1] {
                let (job, views) = kept.start(&events, workers);
                events.append_some(12);
                let taken = kept.checkpoint(&events, &job);
                // What comes after it is read again.
                events.append_some(12);
                views.wait_for(&events.end());
                job.stop().unwrap();
                for view in views.sample(4) {
                    events.check(&kept.query, &kept.from, &view);
                }
                kept.engine = if workers == 2 { other } else { engine };
                assert_eq!(kept.goes_on(&events, workers), taken);
            }
        }
    }
}

#[test]
fn nothing_is_published_before_recovery_is_finished() {
    let mut events = Events::new(2, 21);
    let kept = Kept::new(&events, QUERIES[0], Engine::Timely);
    let (job, _) = kept.start(&events, 2);
    events.append_some(10);
    let taken = kept.checkpoint(&events, &job);
    job.stop().unwrap();
    events.append_some(300);
    let end = events.end();
    let (job, views) = kept.start(&events, 1);
    assert_eq!(job.view().position(), &taken, "it answers for the checkpoint meanwhile");
    events.check(&kept.query, &kept.from, &job.view());
    views.wait_for(&end);
    assert!(views.all().iter().all(|view| view.position().covers(&end)), "readers who saw the log's end are not set back");
    job.stop().unwrap();
}

#[test]
fn a_run_is_written_once() {
    let mut events = Events::new(1, 22);
    let kept = Kept::new(&events, "SELECT time, COUNT(*), SUM(d) FROM events GROUP BY time", Engine::Timely);
    let (job, _) = kept.start(&events, 1);
    // One epoch, and so one run: runs of like size would be merged now and then, and what they are merged into is written anew.
    let batch = events.batch(30_000);
    events.writer.append(&batch).unwrap();
    kept.checkpoint(&events, &job);
    let full = job.checkpoint_stats();
    // One in a hundred keys changes.
    let batch = events.batch(300);
    events.writer.append(&batch).unwrap();
    kept.checkpoint(&events, &job);
    let more = job.checkpoint_stats();
    let (written, whole) = (more.bytes_written - full.bytes_written, full.bytes_written);
    assert!(written * 20 <= whole, "{written} bytes after {whole}");
    assert_eq!(more.taken, 2);
    job.take_checkpoint().unwrap();
    assert_eq!(job.checkpoint_stats().taken, 2, "there was nothing new");
    job.stop().unwrap();

    // Also after a restart: what it started from is at rest already.
    let (job, _) = kept.start(&events, 1);
    let batch = events.batch(300);
    events.writer.append(&batch).unwrap();
    kept.checkpoint(&events, &job);
    assert!(job.checkpoint_stats().bytes_written * 20 <= whole, "{:?}", job.checkpoint_stats());
    job.stop().unwrap();
    kept.goes_on(&events, 2);
}

#[test]
fn some_are_kept_and_the_rest_is_swept() {
    let mut events = Events::new(2, 23);
    let kept = Kept::new(&events, QUERIES[0], Engine::Timely);
    let (job, _) = kept.start(&events, 1);
    for _ in 0..12 {
        events.append_some(5);
        kept.checkpoint(&events, &job);
    }
    let manifests = kept.files("checkpoint-");
    assert_eq!(manifests.len(), 3);
    let text: String = manifests.iter().map(|m| fs::read_to_string(m).unwrap()).collect();
    for run in kept.files("run-") {
        assert!(text.contains(&*run.file_name().unwrap().to_string_lossy()), "{} is named by none", run.display());
    }
    job.stop().unwrap();
    kept.goes_on(&events, 1);
}

#[test]
fn generations_that_were_dropped_are_not_in_the_next_checkpoint() {
    let mut events = Events::new(2, 24);
    let kept = Kept::new(&events, QUERIES[0], Engine::Timely);
    let (job, views) = kept.start(&events, 2);
    events.append_some(10);
    let barrier = events.writer.barrier().unwrap();
    events.append_some(3);
    let end = events.end();
    views.wait_for(&end);
    job.drop_generations_below(barrier.number);
    let dropped = views.wait("without the old generation", |v| v.generations[0].number == barrier.number && *v.position() == end);
    events.check(&kept.query, &barrier.position, &dropped);
    job.take_checkpoint().unwrap();
    job.stop().unwrap();
    let (job, views) = kept.start(&events, 1);
    events.append_some(5);
    let view = views.wait_for(&events.end());
    assert_eq!(view.generations[0].number, barrier.number);
    events.check(&kept.query, &barrier.position, &view);
    job.stop().unwrap();
}

/// A process that was taken for dead, and was not.
#[test]
fn a_zombie_commits_nothing_and_sweeps_nothing() {
    let mut events = Events::new(2, 25);
    let kept = Kept::new(&events, QUERIES[0], Engine::Timely);
    let (zombie, _) = kept.start(&events, 1);
    events.append_some(10);
    kept.checkpoint(&events, &zombie);
    let (job, _) = kept.start(&events, 2);
    events.append_some(10);
    let files = kept.files("checkpoint-");
    while zombie.progress().position != events.end() {
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(matches!(zombie.take_checkpoint(), Err(SpeedError::Fenced { epoch: 1, newest: 2, .. })));
    assert_eq!(kept.files("checkpoint-"), files);
    let taken = kept.checkpoint(&events, &job);
    assert!(matches!(zombie.take_checkpoint(), Err(SpeedError::Fenced { .. })));
    job.stop().unwrap();
    drop(zombie);
    assert_eq!(kept.goes_on(&events, 1), taken);

    // One that takes checkpoints by itself stops.
    let zombie = kept.try_start(&events.topic, kept.options(1, Duration::from_millis(1)), Arc::new(|_| {})).unwrap();
    let (job, _) = kept.start(&events, 1);
    events.append_some(3);
    while zombie.progress().failure.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(zombie.stop(), Err(SpeedError::Fenced { .. })));
    job.stop().unwrap();
}

/// Three checkpoints, of which the newer ones are damaged in every way.
#[test]
fn what_is_damaged_is_refused_by_file_and_the_next_older_one_is_used() {
    let mut events = Events::new(2, 26);
    let kept = Kept::new(&events, QUERIES[2], Engine::Timely);
    let (job, _) = kept.start(&events, 1);
    let mut taken = Vec::new();
    for _ in 0..3 {
        events.append_some(8);
        taken.push(kept.checkpoint(&events, &job));
    }
    job.stop().unwrap();
    let newest = |kept: &Kept| newest_checkpoint(&kept.dir, &events.topic, &kept.query).unwrap();
    assert!(newest(&kept).refused.is_empty());
    let manifests = kept.files("checkpoint-");
    let last = manifests.last().unwrap();
    let whole = fs::read(last).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damages = [Vec::new(), whole[..whole.len() / 2].to_vec(), changed(3), changed(whole.len() - 9), vec![0; whole.len()]];
    for damage in damages {
        fs::write(last, damage).unwrap();
        let found = newest(&kept);
        assert_eq!(found.manifest.unwrap().position(), &taken[1]);
        assert_eq!(&found.refused[0].file, last);
    }
    fs::remove_file(last).unwrap();
    assert_eq!(newest(&kept).manifest.unwrap().position(), &taken[1]);
    fs::write(last, &whole).unwrap();

    // Of the newest checkpoint's own runs, each in turn is damaged; one that is in all three leaves none.
    let named = |manifest: &PathBuf| {
        let text = fs::read_to_string(manifest).unwrap();
        kept.files("run-").into_iter().filter(|run| text.contains(&*run.file_name().unwrap().to_string_lossy())).collect::<Vec<_>>()
    };
    let older: Vec<_> = manifests[..2].iter().flat_map(named).collect();
    let own: Vec<_> = named(last).into_iter().filter(|run| !older.contains(run)).collect();
    assert!(!own.is_empty());
    for run in own {
        let bytes = fs::read(&run).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x10;
        for damage in [Some(&bytes[..bytes.len() - 1]), Some(&flipped), Some(&[][..]), None] {
            match damage {
                Some(damage) => fs::write(&run, damage).unwrap(),
                None => fs::remove_file(&run).unwrap(),
            }
            let found = newest(&kept);
            assert_eq!((found.manifest.unwrap().position(), &found.refused[0].file), (&taken[1], &run));
        }
        fs::write(&run, bytes).unwrap();
    }
    assert_eq!(kept.goes_on(&events, 2), taken[2]);
}

#[test]
fn a_foreign_checkpoint_is_refused_and_left_alone() {
    let mut events = Events::new(2, 27);
    let kept = Kept::new(&events, QUERIES[0], Engine::Timely);
    let (job, _) = kept.start(&events, 1);
    events.append_some(8);
    kept.checkpoint(&events, &job);
    job.stop().unwrap();
    // Another query, and the same query over another topic of the same name.
    let mut others = Events::new(2, 28);
    others.append_some(8);
    let other_query = Kept { query: events.query(QUERIES[1]), ..Kept::new(&events, QUERIES[1], Engine::Timely) };
    let other_topic = Kept { dir: kept.dir.clone(), ..Kept::new(&others, QUERIES[0], Engine::Timely) };
    let before = kept.files("checkpoint-");
    for (events, kept, word) in [(&mut events, &other_query, "another query"), (&mut others, &other_topic, "another topic")] {
        let (job, views) = kept.start(events, 1);
        assert!(job.recovery().checkpoint.is_none());
        assert!(job.recovery().refused[0].reason.contains(word), "{:?}", job.recovery().refused);
        for _ in 0..5 {
            events.append_some(3);
            kept.checkpoint(events, &job);
        }
        events.check(&kept.query, &kept.from, &views.wait_for(&events.end()));
        job.stop().unwrap();
    }
    assert!(before.iter().all(|file| file.exists()));
    assert!(kept.goes_on(&events, 1).records() > 0, "its own is still whole");
}

/// A log whose machine died may have lost records that a checkpoint has seen, and has others in their place by now.
#[test]
fn a_checkpoint_ahead_of_its_log_is_refused() {
    let mut events = Events::new(1, 29);
    let kept = Kept::new(&events, QUERIES[0], Engine::Timely);
    events.append_some(3);
    let snapshot = events.dir.path().join("snapshot");
    copy(&events.dir.path().join("events"), &snapshot);
    events.append_some(3);
    let (job, _) = kept.start(&events, 1);
    kept.checkpoint(&events, &job);
    job.stop().unwrap();
    let ends = events.end();

    // As the disk had it before.
    let mut again = Events::new(1, 30);
    let place = again.dir.path().join("events");
    drop(std::mem::replace(&mut again.writer, Events::new(1, 1).writer));
    fs::remove_dir_all(&place).unwrap();
    copy(&snapshot, &place);
    let topic = twopath_log::Log::open(again.dir.path()).unwrap().topic("events").unwrap();
    let found = newest_checkpoint(&kept.dir, &topic, &kept.query).unwrap();
    assert!(found.manifest.is_none() && found.refused[0].reason.contains("lost its end"), "{found:?}");

    again.topic = topic.clone();
    again.writer = topic.writer().unwrap();
    while !again.end().covers(&ends) {
        again.append_some(1);
    }
    let found = newest_checkpoint(&kept.dir, &topic, &kept.query).unwrap();
    assert!(found.manifest.is_none() && found.refused[0].reason.contains("has others at their offsets"), "{found:?}");
    assert_eq!(kept.goes_on(&again, 1), kept.from);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// State that vanished is not taken for a new start, where the log no longer has what it was made of.
#[test]
fn lost_checkpoints_over_a_log_without_its_beginning_are_told() {
    let mut events = Events::new(1, 31);
    let kept = Kept::new(&events, QUERIES[1], Engine::Timely);
    let (job, _) = kept.start(&events, 1);
    events.append_some(8);
    kept.checkpoint(&events, &job);
    job.stop().unwrap();
    for file in kept.files("checkpoint-") {
        fs::remove_file(file).unwrap();
    }
    // All is in the log: nothing is lost.
    assert_eq!(kept.goes_on(&events, 1), kept.from);
    let later = Kept { from: events.end(), dir: kept.dir.clone(), ..Kept::new(&events, QUERIES[1], Engine::Timely) };
    let error = later.try_start(&events.topic, later.options(1, NEVER), Arc::new(|_| {})).map(drop).unwrap_err();
    assert!(matches!(&error, SpeedError::StateGone { lower, .. } if *lower == kept.from), "{error}");
}

/// A write is torn, or a sync fails, at every place of a commit: the job goes on, and so does a start after it.
#[test]
fn torn_writes_leave_the_checkpoint_before() {
    let mut events = Events::new(2, 32);
    let kept = Kept::new(&events, QUERIES[0], Engine::Timely);
    events.append_some(5);
    let mut struck = 0;
    for round in 0..60_u64 {
        let storage = FaultyStorage::default();
        let mut options = kept.options(1 + round as usize % 2, NEVER);
        let Backend::Checkpoints(checkpoints) = options.backend else { panic!("it keeps checkpoints") };
        options.backend = Backend::Checkpoints(Checkpoints { storage: Arc::new(storage.clone()), ..checkpoints });
        let (views, publish) = Views::new();
        let job = kept.try_start(&events.topic, options, publish).unwrap();
        let before = job.recovery().checkpoint.as_ref().map(|c| c.position().clone());
        events.append_some(2);
        let end = events.end();
        views.wait_for(&end);
        match round % 3 {
            0 => storage.crash_after_bytes(round * round * 7),
            1 => storage.full_after_bytes(round * round * 7),
            _ => storage.fail_sync_after(round / 6),
        }
        let taken = job.take_checkpoint();
        assert_eq!(taken.is_err(), storage.struck(), "{taken:?}");
        struck += u32::from(storage.struck());
        if storage.struck() && round % 3 == 1 {
            // There is room again.
            storage.heal();
            job.take_checkpoint().unwrap();
        } else if storage.struck() {
            drop(job);
            let found = newest_checkpoint(&kept.dir, &events.topic, &kept.query).unwrap().manifest.map(|m| m.position().clone());
            // A failed sync of the folder leaves the new one in its place.
            assert!(found == before || found == Some(end), "round {round}: {found:?}");
            continue;
        }
        job.stop().unwrap();
        assert_eq!(kept.goes_on(&events, 1), end);
    }
    assert!(struck > 15, "{struck} faults");
}
