//! The power goes: random workloads, cut anywhere, and the files as a disk may hold them then (see [`twopath_storage::Disk`]).

use std::path::Path;

use twopath_storage::{Change, Disk};

use super::Item;
use super::check::check;
use super::dice::Dice;
use super::tally::Tally;
use super::world::{Action, DURABILITIES, World};

const IMAGES: u64 = 100;

pub(super) fn items(long: bool) -> u64 {
    if long { 10_000 } else { 200 }
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let mut dice = Dice::new(item.seed, item.number);
    let live = item.scratch.join("live");
    std::fs::create_dir(&live).expect("the scratch folder is ours");
    let mut world = World::new(&live, dice.pick(&DURABILITIES));
    world.open().expect("no fault was asked for");
    if dice.one_in(2) {
        world.age().expect("no fault was asked for");
    }
    for _ in 0..4 + dice.below(12) {
        world.act(action(&mut dice)).expect("no fault was asked for");
    }
    // As it is while the writer lives: its closing is not a part of it.
    let changes = world.storage.changes();
    at_cuts(&changes, 0, IMAGES, &mut dice, |disk, cut, image| {
        let mut dice = Dice::new(item.seed, (item.number + 1) << 20 | image);
        let place = || format!("{:?}, image {image}, cut after {cut} of {} changes", world.model.durability, changes.len());
        tally.check(item.number, place, || check_image(disk, item.scratch, &mut dice, &world, cut));
    });
}

/// Shows what a disk has seen of the changes at random cuts after the first `made` of them, the earliest first, with each cut and its number.
pub(super) fn at_cuts(changes: &[Change], made: usize, images: u64, dice: &mut Dice, mut show: impl FnMut(&Disk, usize, u64)) {
    let mut cuts: Vec<_> = (0..images).map(|image| (made + dice.below((changes.len() - made) as u64 + 1) as usize, image)).collect();
    cuts.sort_unstable();
    let mut disk = Disk::default();
    let mut done = 0;
    for (cut, image) in cuts {
        changes[done..cut].iter().for_each(|change| disk.apply(change));
        done = cut;
        show(&disk, cut, image);
    }
}

/// Small appends often, large ones seldom.
fn action(dice: &mut Dice) -> Action {
    match dice.below(10) {
        0..5 => Action::Append { partition: dice.below(2) as u32, rows: 1 + dice.below(40) as u8 },
        _ => dice.pick(Action::ALL),
    }
}

/// Checks an image of the disk against what the world had been promised at the cut.
pub(super) fn check_image(disk: &Disk, scratch: &Path, dice: &mut Dice, world: &World, cut: usize) -> Result<(), String> {
    let objects = world.objects.at(cut, &mut || dice.one_in(2));
    with_image(disk, scratch, dice, |root| check(root, &objects, &world.promised_at(cut)))
}

/// Makes an image of the disk, and removes it after `check`.
pub(super) fn with_image(
    disk: &Disk,
    scratch: &Path,
    dice: &mut Dice,
    check: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let root = scratch.join("image");
    let io = |e: std::io::Error| format!("the image cannot be made: {e}");
    if root.exists() {
        // One before it panicked.
        std::fs::remove_dir_all(&root).map_err(io)?;
    }
    std::fs::create_dir(&root).map_err(io)?;
    disk.image(&root, &mut |n| dice.below(n)).map_err(io)?;
    let checked = check(&root);
    std::fs::remove_dir_all(&root).map_err(io)?;
    checked
}
