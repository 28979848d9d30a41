use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_schema::{DataType, Field, Schema};
use twopath_query::{Query, parse};
use twopath_view::{BatchView, GroupTable};

use super::*;

fn query() -> Arc<Query> {
    let schema = Schema::new(vec![Field::new("k", DataType::Utf8, true)]);
    Arc::new(parse("SELECT k, COUNT(*) AS n FROM t GROUP BY k", "t", &schema).unwrap())
}

fn empty_table() -> Arc<Table> {
    Arc::new(Table::new(query(), 1))
}

/// A table that answers.
fn ready_table() -> Arc<Table> {
    let table = empty_table();
    table.publish_batch(BatchView {
        version: 1,
        barrier: 1,
        lower: Position::zero(1),
        upper: Position::zero(1),
        table: Arc::new(GroupTable::new(&query())),
    });
    table
}

/// State by version, as the manifest has it.
fn states(tables: &Tables) -> Vec<(u64, VersionState)> {
    tables.status().iter().map(|v| (v.version, v.state)).collect()
}

use VersionState::{Active, CatchingUp, Standby};

#[test]
fn from_deployment_to_deletion() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    assert!(matches!(tables.answer(&Selection::default()), Err(ServingError::NoActiveVersion { .. })));

    let first = empty_table();
    tables.deploy(1, "first", first).unwrap();
    assert!(matches!(tables.cutover(1), Err(ServingError::NotReady { version: 1, .. })));
    assert!(matches!(tables.cutover(7), Err(ServingError::UnknownVersion { version: 7, .. })));
    tables.deploy(2, "second", ready_table()).unwrap();
    assert!(matches!(tables.deploy(2, "again", ready_table()), Err(ServingError::AlreadyRunning { version: 2, .. })));
    tables.cutover(2).unwrap();
    assert_eq!(states(&tables), [(1, CatchingUp), (2, Active)]);
    assert!(matches!(tables.rollback(), Err(ServingError::NothingToRollBackTo { .. })));

    tables.deploy(3, "third", ready_table()).unwrap();
    tables.cutover(3).unwrap();
    assert_eq!(states(&tables), [(1, CatchingUp), (2, Standby), (3, Active)]);
    assert_eq!(tables.rollback().unwrap(), 2);
    assert_eq!(tables.answer(&Selection::default()).unwrap().0, 2);
    assert_eq!(tables.rollback().unwrap(), 3, "and forward again");
    assert!(matches!(tables.delete(3), Err(ServingError::IsActive { version: 3, .. })));

    assert!(tables.version_dir(2).is_dir());
    tables.delete(2).unwrap();
    assert!(!tables.version_dir(2).exists());
    assert_eq!(states(&tables), [(1, CatchingUp), (3, Active)]);
    assert!(matches!(tables.rollback(), Err(ServingError::NothingToRollBackTo { .. })));
}

#[test]
fn after_a_restart_versions_are_to_be_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    for version in [1, 2] {
        tables.deploy(version, "", ready_table()).unwrap();
        tables.cutover(version).unwrap();
    }
    drop(tables);

    let tables = Tables::open(dir.path(), "delays").unwrap();
    assert_eq!(states(&tables), [(1, Standby), (2, Active)]);
    assert!(tables.status().iter().all(|v| !v.running));
    assert!(tables.active().is_none());
    assert!(matches!(tables.rollback(), Err(ServingError::NotRunning { version: 1, .. })));
    tables.deploy(2, "", ready_table()).unwrap();
    assert_eq!(tables.answer(&Selection::default()).unwrap().0, 2, "the active version serves once it runs");
    tables.deploy(1, "", ready_table()).unwrap();
    assert_eq!(tables.rollback().unwrap(), 1);
}

/// Runs a command on versions 1 (standby), 2 (active) and 3 (catching up), crashing before its n-th step for every n, and gives the
/// states that reopening found, with those before and after the command.
fn crash_everywhere(command: impl Fn(&Tables) -> Result<(), ServingError>) {
    let prepare = || {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::open(dir.path(), "delays").unwrap();
        for version in [1, 2, 3] {
            tables.deploy(version, "", ready_table()).unwrap();
            if version < 3 {
                tables.cutover(version).unwrap();
            }
        }
        (dir, tables)
    };
    let (_dir, tables) = prepare();
    let before = states(&tables);
    command(&tables).unwrap();
    let after = states(&tables);
    assert_ne!(before, after, "a command changes something");

    let mut seen = Vec::new();
    for step in 0.. {
        let (dir, tables) = prepare();
        tables.steps_until_crash.store(step, Ordering::SeqCst);
        let done = command(&tables).is_ok();
        let served = tables.active().map(|a| a.version);
        drop(tables);
        let reopened = Tables::open(dir.path(), "delays").unwrap();
        let found = states(&reopened);
        assert!(found == before || found == after, "crashed before step {step}: {found:?}, neither {before:?} nor {after:?}");
        if found == before {
            assert_eq!(served, Some(2), "readers are not ahead of the manifest, before step {step}");
        }
        let folders = fs::read_dir(reopened.dir.clone()).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count();
        assert!(folders <= found.len(), "no folder without its version, before step {step}");
        seen.push(found);
        if done {
            break;
        }
    }
    assert!(seen.contains(&before) && seen.contains(&after) && seen.len() > 4, "crashed at {} steps only", seen.len());
}

#[test]
fn a_deployment_survives_a_crash_at_every_step() {
    crash_everywhere(|tables| tables.deploy(4, "", ready_table()));
}

#[test]
fn a_cutover_survives_a_crash_at_every_step() {
    crash_everywhere(|tables| tables.cutover(3));
}

#[test]
fn a_rollback_survives_a_crash_at_every_step() {
    crash_everywhere(|tables| tables.rollback().map(drop));
}

#[test]
fn a_deletion_survives_a_crash_at_every_step() {
    crash_everywhere(|tables| tables.delete(1));
}

#[test]
fn what_is_no_manifest_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    drop(Tables::open(dir.path(), "delays").unwrap());
    let path = dir.path().join("jobs/delays/tables.json");
    let message = |text: &str| {
        fs::write(&path, text).unwrap();
        Tables::open(dir.path(), "delays").err().expect("refused").to_string()
    };
    assert!(message("{").contains("tables.json: not a job's manifest"));
    assert!(message(r#"{"format":9,"active":null,"previous":null,"versions":[]}"#).contains("written in format 9"));
    assert!(message(r#"{"format":1,"active":4,"previous":null,"versions":[]}"#).contains("names version 4, which it does not list"));
    assert!(Tables::open(dir.path(), "../up").err().unwrap().to_string().contains("'../up' is not a job's name"));
}

/// The error, which must be one of the operating system's at this path.
fn io_error_at(result: Result<impl Sized, ServingError>, at: &std::path::Path) -> io::ErrorKind {
    match result.err().expect("an error") {
        ServingError::Io { path, source } => {
            assert_eq!(path, at);
            source.kind()
        }
        other => panic!("not an error of the file: {other}"),
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    tables.deploy(1, "first", ready_table()).unwrap();
    let path = tables.dir.join("tables.json");
    drop(tables);
    // What a folder of the name gives is an error of every read, also where the user may do all.
    fs::rename(&path, dir.path().join("aside")).unwrap();
    fs::create_dir(&path).unwrap();
    assert_ne!(io_error_at(Tables::open(dir.path(), "delays"), &path), io::ErrorKind::NotFound);
    fs::remove_dir(&path).unwrap();
    fs::rename(dir.path().join("aside"), &path).unwrap();
    assert_eq!(states(&Tables::open(dir.path(), "delays").unwrap()), [(1, CatchingUp)]);
}

#[test]
fn a_folder_that_cannot_be_removed_is_an_error_and_one_that_is_gone_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    for version in [1, 2, 3] {
        tables.deploy(version, "", ready_table()).unwrap();
    }
    let folder = tables.version_dir(1);
    assert_eq!(folder, dir.path().join("jobs/delays/v1"));
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "in the folder's place").unwrap();
    assert_ne!(io_error_at(tables.delete(1), &folder), io::ErrorKind::NotFound);
    assert_eq!(states(&tables), [(2, CatchingUp), (3, CatchingUp)], "it is decided: the version is gone");
    fs::remove_file(&folder).unwrap();

    fs::remove_dir(tables.version_dir(2)).unwrap();
    tables.delete(2).unwrap();
    assert!(matches!(tables.delete(2), Err(ServingError::UnknownVersion { version: 2, known, .. }) if known == "3"));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_and_the_version_does_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    fs::write(tables.version_dir(4), "in the folder's place").unwrap();
    io_error_at(tables.deploy(4, "", ready_table()), &tables.version_dir(4));
    assert!(matches!(tables.cutover(4), Err(ServingError::NotRunning { version: 4, .. })));
    fs::remove_file(tables.version_dir(4)).unwrap();
    tables.deploy(4, "", ready_table()).unwrap();
    tables.cutover(4).unwrap();
}

#[test]
fn what_a_deletion_left_behind_is_cleared_away_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    tables.deploy(1, "", ready_table()).unwrap();
    let job = tables.dir.clone();
    drop(tables);
    fs::write(job.join("v1/groups"), "of version 1").unwrap();
    for name in ["v2/table", "w3", "v", "vx4"] {
        fs::create_dir_all(job.join(name)).unwrap();
    }
    drop(Tables::open(dir.path(), "delays").unwrap());
    let mut left: Vec<String> = fs::read_dir(&job).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["tables.json", "v", "v1", "vx4", "w3"]);
    assert!(job.join("v1/groups").exists());
    // One that cannot be cleared away is an error.
    fs::write(job.join("v5"), "no folder").unwrap();
    io_error_at(Tables::open(dir.path(), "delays"), &job.join("v5"));
}

#[test]
fn versions_are_told_in_ascending_order_with_what_they_were_deployed_as() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    let unknown = |result: Result<(), ServingError>| match result {
        Err(ServingError::UnknownVersion { known, .. }) => known,
        _ => panic!("a version that nobody deployed"),
    };
    assert_eq!(unknown(tables.cutover(1)), "none");
    tables.deploy(10, "tenth", ready_table()).unwrap();
    tables.deploy(9, "ninth", empty_table()).unwrap();
    assert_eq!(unknown(tables.delete(1)), "9, 10");
    let told: Vec<_> = tables.status().into_iter().map(|v| (v.version, v.description, v.running, v.position.is_some())).collect();
    assert_eq!(told, [(9, "ninth".to_owned(), true, false), (10, "tenth".to_owned(), true, true)]);
}

#[test]
fn the_only_version_goes_while_nobody_reads_it_and_else_not_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    tables.deploy(1, "", ready_table()).unwrap();
    tables.delete(1).unwrap();
    assert_eq!(states(&tables), []);
    tables.deploy(1, "", ready_table()).unwrap();
    tables.cutover(1).unwrap();
    assert!(matches!(tables.delete(1), Err(ServingError::IsOnly { version: 1, .. })));
    tables.deploy(2, "", ready_table()).unwrap();
    assert!(matches!(tables.delete(1), Err(ServingError::IsActive { version: 1, .. })));
    assert_eq!(states(&tables), [(1, Active), (2, CatchingUp)], "a refusal changes nothing");
}

#[test]
fn a_second_cutover_to_the_same_version_keeps_the_one_to_go_back_to() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), "delays").unwrap();
    for version in [1, 2] {
        tables.deploy(version, "", ready_table()).unwrap();
        tables.cutover(version).unwrap();
    }
    tables.cutover(2).unwrap();
    assert_eq!(states(&tables), [(1, Standby), (2, Active)]);
    assert_eq!(tables.rollback().unwrap(), 1);
    // A version that is neither of the two leaves both where they are.
    tables.deploy(3, "", ready_table()).unwrap();
    tables.delete(3).unwrap();
    assert_eq!(states(&tables), [(1, Active), (2, Standby)]);
    drop(tables);
    // A name starts with a letter or a digit, and goes on with some signs.
    for name in ["", ".hidden", "-x", "a/b", "a b", "ä"] {
        assert!(matches!(Tables::open(dir.path(), name), Err(ServingError::JobName { job }) if job == name));
    }
    for name in ["a", "7", "a-b_c.d"] {
        assert_eq!(states(&Tables::open(dir.path(), name).unwrap()), []);
    }
}
