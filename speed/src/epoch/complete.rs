//! Data held until their epoch is complete, and then handed over as one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use super::parcels::{Parcels, by_address};
use super::part::EpochPart;
use crate::control::Control;
use crate::error::SpeedError;

/// Gives `build` all data of an epoch once the epoch is complete, epoch by epoch, and hands what it makes to this worker's state. Data
/// come with the epoch that they belong to, which may be later than the one they were sent under. An error stops the job.
pub(crate) fn complete<'s, D: 'static>(
    data: Stream<'s, u64, Vec<(u64, D)>>,
    name: &str,
    mut build: impl FnMut(u64, Vec<D>) -> Result<Vec<EpochPart>, SpeedError> + 'static,
    control: &Arc<Control>,
) -> Stream<'s, u64, Parcels<EpochPart>> {
    let index = data.scope().index();
    let control = Arc::clone(control);
    let mut pending: BTreeMap<u64, (Capability<u64>, Vec<D>)> = BTreeMap::new();
    data.unary_frontier::<CapacityContainerBuilder<Parcels<EpochPart>>, _, _, _>(Pipeline, name, move |_, _| {
        move |(input, frontier), output| {
            input.for_each(|capability, data| {
                for (epoch, datum) in data.drain(..) {
                    let held = || (capability.delayed(&epoch, 0), Vec::new());
                    pending.entry(epoch).or_insert_with(held).1.push(datum);
                }
            });
            while let Some(entry) = pending.first_entry() {
                if frontier.less_equal(entry.key()) {
                    break;
                }
                let (epoch, (capability, data)) = entry.remove_entry();
                match build(epoch, data) {
                    Ok(parts) if parts.is_empty() => {}
                    Ok(parts) => {
                        let parcels = parts.into_iter().map(|part| (index, part)).collect();
                        output.session(&capability).give_container(&mut Parcels(parcels));
                    }
                    Err(error) => control.fail(error),
                }
            }
        }
    })
}

/// As [`take_complete`], and tells `done` what comes of it, which is what may be committed. From its first error on, which stops the job, nothing is taken.
pub(crate) fn take_and_tell<'s, T: Send + 'static, D: 'static>(
    parcels: Stream<'s, u64, Parcels<T>>,
    name: &str,
    mut take: impl FnMut(Vec<T>) -> Result<D, SpeedError> + 'static,
    done: Sender<D>,
    control: &Arc<Control>,
) -> Stream<'s, u64, Vec<()>> {
    let control = Arc::clone(control);
    let mut failed = false;
    take_complete(parcels, name, move |items| {
        if failed {
            return;
        }
        match take(items) {
            // Nobody listens any more to a feed that has been stopped.
            Ok(so_far) => drop(done.send(so_far)),
            Err(error) => {
                failed = true;
                control.fail(error);
            }
        }
    })
}

/// Gives `take` all parcels of the epochs that are complete, older epochs first, on the workers that they are for. Nothing comes out; the
/// stream's frontier says what has been taken.
pub(crate) fn take_complete<'s, T: Send + 'static>(
    parcels: Stream<'s, u64, Parcels<T>>,
    name: &str,
    mut take: impl FnMut(Vec<T>) + 'static,
) -> Stream<'s, u64, Vec<()>> {
    let mut pending: BTreeMap<u64, (Capability<u64>, Vec<T>)> = BTreeMap::new();
    parcels.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(by_address(), name, move |_, _| {
        move |(input, frontier), output| {
            input.for_each(|epoch, parcels| {
                let Some(capability) = epoch.retain_least(output.output_index()) else { return };
                let (_, items) = pending.entry(*capability.time()).or_insert_with(|| (capability, Vec::new()));
                items.extend(parcels.0.drain(..).map(|(_, item)| item));
            });
            let (mut complete, mut items) = (Vec::new(), Vec::new());
            while let Some(entry) = pending.first_entry() {
                if frontier.less_equal(entry.key()) {
                    break;
                }
                let (capability, of_epoch) = entry.remove();
                items.extend(of_epoch);
                complete.push(capability);
            }
            if !complete.is_empty() {
                take(items);
            }
        }
    })
}
