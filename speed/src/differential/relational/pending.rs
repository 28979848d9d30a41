//! What has come of epochs, for whoever needs all of an epoch.

use std::collections::BTreeMap;

use timely::dataflow::operators::{Capability, InputCapability};
use timely::progress::frontier::MutableAntichain;

/// What has come of each epoch that is not complete, with what it takes to give something of it then.
pub struct Pending<C>(BTreeMap<u64, (Capability<u64>, C)>);

impl<C: Default> Pending<C> {
    pub fn new() -> Self {
        Pending(BTreeMap::new())
    }

    /// What has come of an epoch. What is made of it once it is complete is to be given at `given_at`.
    pub fn of(&mut self, epoch: u64, capability: &InputCapability<u64>, given_at: u64) -> &mut C {
        &mut self.0.entry(epoch).or_insert_with(|| (capability.delayed(&given_at, 0), C::default())).1
    }

    /// The next epoch of which no more comes on either side.
    pub fn complete(&mut self, frontiers: [&MutableAntichain<u64>; 2]) -> Option<(u64, Capability<u64>, C)> {
        let first = self.0.first_entry().filter(|first| !frontiers.iter().any(|frontier| frontier.less_equal(first.key())))?;
        let (epoch, (capability, come)) = first.remove_entry();
        Some((epoch, capability, come))
    }
}
