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
