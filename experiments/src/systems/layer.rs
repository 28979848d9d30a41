//! A layer in a process of its own, from that process's side (`twopath run-layer`); [`super::twopath`] has the other one.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use twopath_base::meters::{self, Layer};
use twopath_base::sync::lock;
use twopath_log::Barrier;
use twopath_view::RealtimeView;
use twopath_view::store::ViewStore;

use super::process::SystemSpec;
use super::protocol::Connection;
use super::twopath::{Context, FromLayer, ToSpeed, VIEWS_KEPT, Views, Work};
use super::{Costs, SystemError};

/// How often a process looks whether its job still works, when it has nothing to tell.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Does the work that is told over standard input, which is a socket; what becomes of it goes back over it.
///
/// # Errors
/// The log is not there, or who started it has gone. What goes wrong with the work is told over the socket.
pub fn run(spec: &SystemSpec) -> Result<(), SystemError> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(SystemError::Process)?;
    let mut connection = Connection::new(UnixStream::from(stdin));
    let gone = || SystemError::Remote("who started this process has gone".into());
    let (work, _) = connection.receive::<Work>().map_err(SystemError::Process)?.ok_or_else(gone)?;
    let done = match work {
        Work::Batch { version, barrier: (number, position), views } => {
            let _main = meters::adopt(Layer::Batch);
            batch(spec, version, Barrier { number, position }, &views).map(|costs| FromLayer::Done { costs })
        }
        Work::Speed { version, from } => {
            let _main = meters::adopt(Layer::Speed);
            speed(spec, version, from, &mut connection)
        }
    };
    let told = done.unwrap_or_else(|e| FromLayer::Failed(e.to_string()));
    connection.send(&told, &[]).map_err(SystemError::Process)
}

fn context(spec: &SystemSpec, folder: &str) -> Result<Context, SystemError> {
    let topic = spec.topic()?;
    let none = || Err(SystemError::Remote("a layer has no barriers to give".into()));
    SystemSpec { dir: spec.dir.join(folder), ..spec.clone() }.context(topic, Box::new(none))
}

fn batch(spec: &SystemSpec, version: u32, barrier: Barrier, views: &std::path::Path) -> Result<Costs, SystemError> {
    let context = context(spec, "batch")?;
    context.batch_run(version, &barrier, &ViewStore::open(views, VIEWS_KEPT)?)?;
    Ok(context.costs())
}

/// Follows the log, and hands over each view that there is when the last one has been handed over. Ends with who started it.
fn speed(spec: &SystemSpec, version: u32, from: (u64, twopath_base::Position), to: &mut Connection) -> Result<FromLayer, SystemError> {
    let context = context(spec, "speed")?;
    // For the version's folder, where its checkpoints are: nobody asks this table.
    context.deploy(version)?;
    let newest: Arc<Mutex<Option<Arc<RealtimeView>>>> = Arc::default();
    let (wake, woken) = sync_channel(1);
    let publish = {
        let newest = newest.clone();
        move |view| {
            *lock(&newest) = Some(view);
            // One that is awake already sees this view, too.
            let _ = wake.try_send(());
        }
    };
    let job = context.speed_job(version, from, Arc::new(publish))?;
    let mut commands = to.again().map_err(SystemError::Process)?;
    let (covered, dropped) = channel();
    let listen = move || {
        while let Ok(Some((ToSpeed::DropGenerationsBelow(number), _))) = commands.receive() {
            // Who takes it lives as long as the process.
            let _ = covered.send(number);
        }
        std::process::exit(0);
    };
    meters::spawn(Layer::Speed, "commands", listen).map_err(SystemError::Thread)?;
    let mut views = Views::default();
    loop {
        if let Some(failure) = job.progress().failure {
            return Err(failure.into());
        }
        if woken.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
            return Err(SystemError::Stopped);
        }
        dropped.try_iter().for_each(|number| job.drop_generations_below(number));
        let Some(view) = lock(&newest).take() else { continue };
        if let Some(error) = &view.error {
            return Err(SystemError::Remote(error.to_string()));
        }
        let (generations, new, body) = views.encode(&view).map_err(|error| SystemError::Remote(error.to_string()))?;
        let told = FromLayer::View { generations, new, published_us: view.published_us, costs: context.costs() };
        to.send(&told, &body).map_err(SystemError::Process)?;
    }
}
