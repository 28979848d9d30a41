//! A system in a process of its own: memory and CPU are then its own, and the load generator's, the clients' and the recorder's are not in
//! them.
//!
//! The driver writes the log and asks; the system's process reads the log where it is kept and listens on a socket ([`serve`]). Barriers are
//! put into the log by its writer, so the system asks its driver for them, over the first connection.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use twopath_base::meters::{self, Layer};
use twopath_base::sync::lock;
use twopath_log::{Address, Barrier, Topic};
use twopath_query::Value;

use super::ending::end_with_parent;
use super::protocol::{BarrierReply, Connection, Reply, Request};
use super::timeline::{Record, Timeline};
use super::twopath::{self, Apart, Barriers, Context};
use super::{Answered, Costs, Factors, Job, Killed, QuerySpec, Rows, StateBackend, System, SystemError, SystemProgress};

/// How long a process may take to open its socket.
const STARTING: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What a system is to be, and over what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SystemSpec {
    pub factors: Factors,
    pub query: QuerySpec,
    /// What stands after FROM: the topic's name, where the log is not Kafka's.
    pub source: String,
    /// Where the log is kept, and the topic's name.
    pub log: Address,
    pub topic: String,
    /// For its views and tables.
    pub dir: PathBuf,
    /// Timely workers of one speed job.
    pub workers: usize,
    pub batch_interval_ms: f64,
    /// Each batch run goes on from the view of the one before.
    #[serde(default)]
    pub incremental: bool,
    pub publish_interval_ms: f64,
    /// The speed layer alone leaves out what comes more than so much after newer records.
    #[serde(default)]
    pub speed_lateness_ms: Option<f64>,
    /// Where the speed layer's state lives.
    #[serde(default)]
    pub state: StateBackend,
    #[serde(default)]
    pub checkpoint_interval_ms: f64,
    /// Time 0 of the run ([`Timeline::began_us`]).
    pub began_us: u64,
    /// Records a second that the next version's stream reads at most.
    #[serde(default)]
    pub throttle: Option<f64>,
    /// Whether batch runs and speed layer have processes of their own, so that each can be killed alone.
    #[serde(default)]
    pub apart: bool,
}

impl SystemSpec {
    /// Starts it in this process.
    pub fn start(&self, topic: Topic, barriers: Barriers) -> Result<Box<dyn System>, SystemError> {
        let mut context = self.context(topic, barriers)?;
        if self.apart {
            let file = self.dir.join("apart.json");
            std::fs::write(&file, serde_json::to_vec(self).expect("a spec has text keys")).map_err(SystemError::Process)?;
            let program = std::env::current_exe().map_err(SystemError::Process)?;
            let command = move || {
                let mut command = Command::new(&program);
                command.arg("run-layer").arg(&file);
                command
            };
            context.apart = Some(Arc::new(Apart::new(Box::new(command))));
        }
        twopath::start(context)
    }

    /// Its log's topic.
    pub(super) fn topic(&self) -> Result<Topic, SystemError> {
        let no_topic = || SystemError::NoTopic { name: self.topic.clone(), place: self.log.to_string() };
        self.log.find(&self.topic)?.ok_or_else(no_topic)
    }

    /// What its layers are wired from; all of them in this process.
    pub(super) fn context(&self, topic: Topic, barriers: Barriers) -> Result<Context, SystemError> {
        let QuerySpec { name, sql_v1, sql_v2 } = &self.query;
        let job = Job::new(name, &self.source, topic.schema(), sql_v1, sql_v2)?;
        Ok(Context {
            topic,
            barriers,
            factors: self.factors,
            tables: Arc::new(twopath_serving::Tables::open(&self.dir, &job.name)?),
            job,
            timeline: Arc::new(Timeline::since(self.began_us)),
            workers: self.workers,
            batch_interval: Duration::from_secs_f64(self.batch_interval_ms / 1e3),
            incremental: self.incremental,
            publish_interval: Duration::from_secs_f64(self.publish_interval_ms / 1e3),
            speed_lateness: self.speed_lateness_ms.map(|ms| Duration::from_secs_f64(ms / 1e3)),
            state: self.state.clone(),
            checkpoint_interval: Duration::from_secs_f64(self.checkpoint_interval_ms / 1e3),
            throttle: self.throttle,
            apart: None,
        })
    }
}

/// A system in another process, from the driver's side. Dropping it kills the process.
pub struct Process {
    child: Mutex<Child>,
    /// Holds the socket alone, and goes with the process. A new one of its own each time: under a name made of process numbers, which
    /// come again, it could be that of a driver that was killed.
    folder: TempDir,
    /// Connections that nobody uses now.
    idle: Mutex<Vec<Connection>>,
}

impl Process {
    /// Starts `command`, which is to call [`serve`] on the path that becomes its last argument, and returns once version 1 serves. `barrier`
    /// puts barriers into the log.
    ///
    /// # Errors
    /// The process does not start, or ends before it serves; why stands on its standard error.
    pub fn start(mut command: Command, barrier: Barriers) -> Result<Self, SystemError> {
        // Where temporary files are, since a socket's path may have a hundred bytes only.
        let folder = tempfile::Builder::new().prefix("twopath-").tempdir().map_err(SystemError::Process)?;
        command.arg(socket_in(&folder));
        let child = end_with_parent(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(SystemError::Process)?;
        let process = Process { child: Mutex::new(child), folder, idle: Mutex::default() };
        let mut barriers = Connection::new(process.connect()?);
        let serve_barriers = move || {
            while let Ok(Some(((), _))) = barriers.receive::<()>() {
                let made: BarrierReply = barrier().map(|b| (b.number, b.position)).map_err(|e| e.to_string());
                if barriers.send(&made, &[]).is_err() {
                    return;
                }
            }
        };
        meters::spawn(Layer::Load, "barriers", serve_barriers).map_err(SystemError::Thread)?;
        match process.call(&Request::Started)? {
            (Reply::Done, _) => Ok(process),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Ends the process as `kill -9` does. Nothing can be asked of it any more.
    pub fn end(&self) {
        let mut child = lock(&self.child);
        // One that has ended by itself cannot be killed, and needs not be.
        let _ = child.kill();
        let _ = child.wait();
    }

    fn connect(&self) -> Result<UnixStream, SystemError> {
        let started = Instant::now();
        loop {
            match UnixStream::connect(socket_in(&self.folder)) {
                Ok(stream) => return Ok(stream),
                Err(e) if started.elapsed() > STARTING => return Err(SystemError::Process(e)),
                Err(_) => {}
            }
            let ended = lock(&self.child).try_wait().map_err(SystemError::Process)?;
            if let Some(status) = ended {
                return Err(SystemError::Remote(format!("its process ended before it served: {status}")));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn call(&self, request: &Request) -> Result<(Reply, Vec<u8>), SystemError> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::new(self.connect()?),
        };
        connection.send(request, &[]).map_err(SystemError::Process)?;
        let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "it ended while it was asked; see its last words");
        match connection.receive().map_err(SystemError::Process)?.ok_or_else(gone).map_err(SystemError::Process)? {
            (Reply::Failed(problem), _) => Err(SystemError::Remote(problem)),
            replied => {
                lock(&self.idle).push(connection);
                Ok(replied)
            }
        }
    }
}

fn unexpected(reply: &Reply) -> SystemError {
    SystemError::Remote(format!("{reply:?}, which was not asked"))
}

impl System for Process {
    fn deploy(&self, version: u32) -> Result<(), SystemError> {
        self.call(&Request::Deploy(version)).map(drop)
    }

    fn ask(&self, key: Option<&[Value]>) -> Result<Answered, SystemError> {
        match self.call(&Request::Ask(key.map(<[Value]>::to_vec)))? {
            (Reply::Answer { version, position, approximate }, rows) => {
                Ok(Answered { version, position, approximate, rows: Rows::from_bytes(rows) })
            }
            (other, _) => Err(unexpected(&other)),
        }
    }

    fn progress(&self) -> Result<SystemProgress, SystemError> {
        match self.call(&Request::Progress)? {
            (Reply::Progress(progress), _) => Ok(progress),
            (other, _) => Err(unexpected(&other)),
        }
    }

    fn costs(&self) -> Result<Costs, SystemError> {
        match self.call(&Request::Costs)? {
            (Reply::Costs(costs), _) => Ok(costs),
            (other, _) => Err(unexpected(&other)),
        }
    }

    fn kill(&self, layer: Killed) -> Result<(), SystemError> {
        self.call(&Request::Kill(layer)).map(drop)
    }

    fn stop(&self) -> Result<Record, SystemError> {
        match self.call(&Request::Stop)? {
            (Reply::Record(record), _) => Ok(record),
            (other, _) => Err(unexpected(&other)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn socket_in(folder: &TempDir) -> PathBuf {
    folder.path().join("socket")
}

/// The other side: starts the system, answers on `socket` until it is told to stop, and returns then.
///
/// # Errors
/// The log is not there, the system does not start, or the driver has gone.
pub fn serve(spec: &SystemSpec, socket: &Path) -> Result<(), SystemError> {
    let _main = meters::adopt(Layer::Serving);
    let listener = UnixListener::bind(socket).map_err(SystemError::Process)?;
    let (stream, _) = listener.accept().map_err(SystemError::Process)?;
    let driver = Mutex::new(Connection::new(stream));
    let barriers: Barriers = Box::new(move || {
        let mut driver = lock(&driver);
        driver.send(&(), &[]).map_err(SystemError::Process)?;
        let gone = || SystemError::Remote("the driver has gone".into());
        let (made, _) = driver.receive::<BarrierReply>().map_err(SystemError::Process)?.ok_or_else(gone)?;
        let (number, position) = made.map_err(SystemError::Remote)?;
        Ok(Barrier { number, position })
    });
    let topic = spec.topic()?;
    let system: Arc<dyn System> = Arc::from(spec.start(topic, barriers)?);
    let (ended, end) = std::sync::mpsc::channel();
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let (system, ended) = (system.clone(), ended.clone());
            let answer = move || {
                let mut connection = Connection::new(stream);
                while let Ok(Some((request, _))) = connection.receive::<Request>() {
                    let stops = matches!(request, Request::Stop);
                    let (reply, body) = reply(&*system, request).unwrap_or_else(|e| (Reply::Failed(e.to_string()), Vec::new()));
                    let sent = connection.send(&reply, &body);
                    if stops {
                        let _ = ended.send(());
                    }
                    if sent.is_err() {
                        return;
                    }
                }
            };
            if meters::spawn(Layer::Serving, "ask", answer).is_err() {
                return;
            }
        }
    };
    meters::spawn(Layer::Serving, "accept", accept).map_err(SystemError::Thread)?;
    // Threads that are seen while they live keep their figures.
    while end.recv_timeout(Duration::from_millis(100)).is_err() {
        meters::cpu();
    }
    Ok(())
}

fn reply(system: &dyn System, request: Request) -> Result<(Reply, Vec<u8>), SystemError> {
    let reply = match request {
        Request::Ask(key) => {
            let Answered { version, position, approximate, rows } = system.ask(key.as_deref())?;
            return Ok((Reply::Answer { version, position, approximate }, rows.into_bytes()));
        }
        Request::Started => Reply::Done,
        Request::Deploy(version) => system.deploy(version).map(|()| Reply::Done)?,
        Request::Progress => Reply::Progress(system.progress()?),
        Request::Costs => Reply::Costs(system.costs()?),
        Request::Kill(layer) => system.kill(layer).map(|()| Reply::Done)?,
        Request::Stop => Reply::Record(system.stop()?),
    };
    Ok((reply, Vec::new()))
}
