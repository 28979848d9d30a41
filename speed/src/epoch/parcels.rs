//! The container that travels between workers: items, each with the worker that it is for.

use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::progress::Stamp;

/// Items with the index of the worker that each is for.
pub(crate) struct Parcels<T>(pub Vec<(usize, T)>);

impl<T> Default for Parcels<T> {
    fn default() -> Self {
        Parcels(Vec::new())
    }
}

impl<T> Accountable for Parcels<T> {
    fn record_count(&self) -> i64 {
        self.0.len() as i64
    }
}

/// The workers of a job are threads of one process: parcels are moved, never serialised.
impl<T> ContainerBytes for Parcels<T> {
    fn from_bytes(_: Bytes) -> Self {
        unreachable!("parcels do not leave the process")
    }
    fn length_in_bytes(&self) -> usize {
        unreachable!("parcels do not leave the process")
    }
    fn into_bytes<W: std::io::Write>(&self, _: &mut W) {
        unreachable!("parcels do not leave the process")
    }
}

/// Brings every parcel to its worker. With one worker timely passes whole containers on, and nothing is touched.
pub(crate) fn by_address() -> DistributorPact<fn(usize) -> ByAddress> {
    DistributorPact(|_peers| ByAddress)
}

pub(crate) struct ByAddress;

impl<T> Distributor<Parcels<T>> for ByAddress {
    fn partition<S: Clone, P: Push<Message<S, Parcels<T>>>>(&mut self, parcels: &mut Parcels<T>, stamp: &Stamp<S>, pushers: &mut [P]) {
        let mut bins: Vec<Parcels<T>> = pushers.iter().map(|_| Parcels::default()).collect();
        for (to, item) in parcels.0.drain(..) {
            bins[to].0.push((to, item));
        }
        for (mut bin, pusher) in bins.into_iter().zip(pushers) {
            if !bin.0.is_empty() {
                Message::push_at(&mut bin, stamp.clone(), pusher);
            }
        }
    }

    /// Nothing is kept back.
    fn flush<S: Clone, P: Push<Message<S, Parcels<T>>>>(&mut self, _: &Stamp<S>, _: &mut [P]) {}
}
