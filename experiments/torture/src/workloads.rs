//! Every workload of up to three operations, under every durability policy, cut after every change to the files. One that uses the object
//! store starts with a topic that has segments there, the others with an empty one.

use twopath_log::Durability;
use twopath_storage::Disk;

use super::Item;
use super::dice::Dice;
use super::power::check_image;
use super::tally::Tally;
use super::world::{Action, DURABILITIES, World};

const OPERATIONS_MAX: u32 = 3;

/// All sequences of up to three operations, the empty one too.
fn sequences() -> u64 {
    (0..=OPERATIONS_MAX).map(|n| (Action::ALL.len() as u64).pow(n)).sum()
}

pub(super) fn items(_long: bool) -> u64 {
    sequences() * DURABILITIES.len() as u64
}

/// The sequence of that number: shorter ones first.
fn sequence(mut number: u64) -> Vec<Action> {
    let all = Action::ALL.len() as u64;
    let mut length = 0;
    while number >= all.pow(length) {
        number -= all.pow(length);
        length += 1;
    }
    (0..length).map(|i| Action::ALL[(number / all.pow(i) % all) as usize]).collect()
}

/// Whether the sequence starts with a topic that has a past.
fn is_aged(actions: &[Action]) -> bool {
    actions.iter().any(|action| action.wants_segments())
}

pub(super) fn run(item: &Item<'_>, tally: &Tally) {
    let images = if item.long { 20 } else { 1 };
    let actions = sequence(item.number % sequences());
    let durability = DURABILITIES[(item.number / sequences()) as usize];
    if is_aged(&actions) && !item.long && matches!(durability, Durability::Interval(_)) {
        // What moves segments does the same under both policies that sync.
        return;
    }
    let live = item.scratch.join("live");
    std::fs::create_dir(&live).expect("the scratch folder is ours");
    let mut world = World::new(&live, durability);
    world.open().expect("no fault was asked for");
    if is_aged(&actions) {
        world.age().expect("no fault was asked for");
    }
    // The cuts before the last operation are those of the shorter sequences. Without the object store these start with an empty topic; so the
    // first offloading of a topic with a past shows what comes before it, too.
    let shows_all = actions.last() == Some(&Action::Offload) && !is_aged(&actions[..actions.len() - 1]);
    let mut from = if is_aged(&actions) { world.storage.len() + 1 } else { 0 };
    for action in &actions {
        if !shows_all {
            from = world.storage.len() + 1;
        }
        world.act(*action).expect("no fault was asked for");
    }
    let changes = world.storage.changes();
    let mut disk = Disk::default();
    for cut in 0..=changes.len() {
        for image in 0..if cut >= from { images } else { 0 } {
            let mut dice = Dice::new(item.seed, (item.number + 1) << 24 | (cut as u64) << 8 | image);
            let place =
                || format!("{:?}, {actions:?}, cut after {cut} of {} changes, image {image}", world.model.durability, changes.len());
            tally.check(item.number, place, || check_image(&disk, item.scratch, &mut dice, &world, cut));
        }
        changes.get(cut).into_iter().for_each(|change| disk.apply(change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_has_one_number() {
        let all: Vec<_> = (0..sequences()).map(sequence).collect();
        assert_eq!((all[0].len(), all[1].len(), all[all.len() - 1].len()), (0, 1, 3));
        assert!(all.iter().enumerate().all(|(i, a)| all[..i].iter().all(|b| a != b)));
    }
}
