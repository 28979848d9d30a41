//! Every call to the file system fails once: with EIO, with ENOSPC, with a short write; a sync that fails drops what it should have written.
//! Every call to the object store fails once, loses its answer, or lies; or the store is gone from then on until the topic is opened anew.

use std::path::Path;

use twopath_log::Durability;
use twopath_storage::{Disk, Fault, ObjectFault};

use super::Item;
use super::check::check;
use super::dice::Dice;
use super::power::check_image;
use super::tally::Tally;
use super::world::{Action, DURABILITIES, World};

/// What a call does.
#[derive(Debug, Clone, Copy)]
enum CallFault {
    File(Fault),
    Object(ObjectFault),
}

const FAULTS: [CallFault; 8] = [
    CallFault::File(Fault::Io),
    CallFault::File(Fault::NoSpace),
    CallFault::File(Fault::Short),
    CallFault::Object(ObjectFault::Fails),
    CallFault::Object(ObjectFault::AnswerLost),
    CallFault::Object(ObjectFault::Truncates),
    CallFault::Object(ObjectFault::Garbles),
    CallFault::Object(ObjectFault::Gone),
];

impl CallFault {
    fn after(self, calls: u64, world: &World) {
        match self {
            CallFault::File(fault) => world.storage.fail_after(calls, fault),
            CallFault::Object(fault) => world.stores.fail_after(calls, fault),
        }
    }
}

/// Something of everything.
const ACTIONS: [Action; 20] = [
    Action::Append { partition: 0, rows: 3 },
    Action::Append { partition: 1, rows: 9 },
    Action::Commit,
    Action::Append { partition: 0, rows: 140 },
    Action::Sync,
    Action::Roll,
    Action::Append { partition: 1, rows: 5 },
    Action::Begin,
    Action::Produce,
    Action::Roll,
    Action::Offload,
    Action::Produce,
    Action::Reopen,
    // One partition has nothing to roll.
    Action::Roll,
    Action::Recall,
    Action::Compact,
    Action::Begin,
    Action::Retain,
    Action::Produce,
    Action::Append { partition: 0, rows: 2 },
];

pub(super) fn items(_long: bool) -> u64 {
    (FAULTS.len() * DURABILITIES.len()) as u64
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let durability = DURABILITIES[item.number as usize % DURABILITIES.len()];
    let fault = FAULTS[item.number as usize / DURABILITIES.len()];
    for calls in 0.. {
        let root = item.scratch.join(format!("call-{calls}"));
        std::fs::create_dir(&root).expect("the scratch folder is ours");
        let mut struck = None;
        let place = || format!("{durability:?}, call {calls}");
        tally.check(item.number, place, || {
            let mut world = World::new(&root, durability);
            fault.after(calls, &world);
            let run = go_through(&mut world);
            struck = world.storage.struck().or(world.stores.struck());
            world.stores.heal();
            let what = |what: String| format!("{}: {what}", struck.as_deref().unwrap_or("no fault"));
            run.and_then(|()| after(&mut world, &root, item, calls)).map_err(what)
        });
        let _ = std::fs::remove_dir_all(&root);
        if struck.is_none() {
            return;
        }
    }
}

/// Does everything until something fails; what failed is closed, opened anew, and the rest is done.
fn go_through(world: &mut World) -> Result<(), String> {
    let again = |world: &mut World, error: String| {
        world.drop_all();
        world.stores.heal();
        world.open().map_err(|e| format!("after '{error}' it cannot be opened anew: {e}"))
    };
    if let Err(e) = world.open() {
        again(world, e.to_string())?;
    }
    for action in ACTIONS {
        let Err(e) = world.act(action) else { continue };
        if matches!(action, Action::Append { .. } | Action::Sync | Action::Roll | Action::Begin | Action::Produce) {
            // Nothing is acknowledged until it was opened anew.
            for next in [Action::Append { partition: 0, rows: 1 }, Action::Append { partition: 1, rows: 1 }, Action::Roll, Action::Begin] {
                if world.act(next).is_ok() {
                    return Err(format!("after {action:?} failed ({e}), {next:?} is acknowledged"));
                }
            }
        }
        again(world, e.to_string())?;
        world.found_again()?;
    }
    Ok(())
}

/// What was acknowledged is there: for whoever opens it next, and after the power went.
fn after(world: &mut World, scratch: &Path, item: &Item<'_>, calls: u64) -> Result<(), String> {
    let changes = world.storage.changes();
    let mut disk = Disk::default();
    changes.iter().for_each(|change| disk.apply(change));
    let images = match durability_images(world) {
        true if item.long => 100,
        true => 2,
        false => 0,
    };
    for image in 0..images {
        let mut dice = Dice::new(item.seed, (item.number + 1) << 40 | calls << 16 | image);
        check_image(&disk, scratch, &mut dice, world, changes.len()).map_err(|e| format!("after the power went (image {image}): {e}"))?;
    }
    world.drop_all();
    // No power was lost: everything acknowledged counts, under any policy.
    let mut model = world.model.clone();
    model.durability = Some(Durability::Batch);
    model.durable = model.acknowledged.clone();
    check(scratch, &world.objects, &model)
}

fn durability_images(world: &World) -> bool {
    world.model.durability != Some(Durability::None)
}
