//! Clients of a cluster, and what their errors say.

use std::future::Future;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;

use crate::error::LogError;
use crate::servers::are_servers;

/// How long a server may take to answer.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// The largest message that a topic of ours takes. (A server takes requests of 100 MiB unless told otherwise.)
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The value of a record of ours is at most this large: Kafka counts the header and what it wraps around them, too.
pub(super) const RECORD_BYTES_MAX: usize = MESSAGE_BYTES_MAX - (4 << 10);

/// Where a cluster is.
pub(super) struct Address {
    pub servers: String,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kafka://{}", self.servers)
    }
}

/// What a consumer is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetch {
    /// Single records here and there.
    One,
    /// All from a place on.
    Stream,
    /// As `Stream`, in a topic that others write: without what their transactions did not commit, and telling where a partition ends.
    Foreign,
}

impl Address {
    /// That each server is a `HOST:PORT`.
    pub fn check(&self) -> Result<(), LogError> {
        if are_servers(&self.servers) { Ok(()) } else { Err(LogError::BadAddress { address: self.to_string() }) }
    }

    /// That one of the servers can be reached: where nobody listens, Kafka's client would try on, and tell only that time is over.
    pub fn reach(&self) -> Result<(), LogError> {
        let mut last = None;
        for server in self.servers.split(',') {
            match connect(server, ANSWER_WAIT / 4) {
                Ok(_) => return Ok(()),
                Err(e) => last = Some(e),
            }
        }
        let what = last.map_or_else(|| "it has no address".to_owned(), |e| e.to_string());
        Err(LogError::Kafka { place: self.to_string(), action: "connect", what })
    }

    /// For `map_err`: an error of Kafka's, with what was being done.
    pub fn failed(&self, action: &'static str) -> impl FnOnce(KafkaError) -> LogError + use<> {
        let place = self.to_string();
        move |e| LogError::Kafka { place, action, what: e.to_string() }
    }

    pub fn silent(&self, action: &'static str) -> LogError {
        LogError::Kafka { place: self.to_string(), action, what: format!("no answer within {} seconds", ANSWER_WAIT.as_secs()) }
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.servers)
            .set("client.id", "twopath")
            // After a failed connection, so that an answer comes within the time that a caller waits.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.nagle.disable", "true")
            .set_log_level(RDKafkaLogLevel::Critical);
        config
    }

    pub fn consumer(&self, fetch: Fetch) -> Result<BaseConsumer<Quiet>, LogError> {
        let mut config = self.config();
        config
            .set("group.id", "twopath")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_uncommitted")
            .set("check.crcs", "true")
            .set("allow.auto.create.topics", "false")
            .set("fetch.error.backoff.ms", "10")
            // After a queue was full. (Kafka's client would wait for a second, also where it was then sent elsewhere.)
            .set("fetch.queue.backoff.ms", "1");
        match fetch {
            // A server answers a connection's requests in order: one that waits for more records would hold up the questions behind it.
            Fetch::One => config.set("fetch.message.max.bytes", "1").set("queued.min.messages", "1").set("fetch.wait.max.ms", "5"),
            Fetch::Foreign => config
                .set("fetch.message.max.bytes", "8388608")
                .set("fetch.wait.max.ms", "500")
                .set("isolation.level", "read_committed")
                .set("enable.partition.eof", "true"),
            Fetch::Stream => config.set("fetch.message.max.bytes", "8388608").set("fetch.wait.max.ms", "500"),
        };
        config.create_with_context(Quiet).map_err(self.failed("connect"))
    }

    pub fn admin(&self) -> Result<AdminClient<DefaultClientContext>, LogError> {
        self.config().create().map_err(self.failed("connect"))
    }
}

/// A connection to a server, at the first of its addresses that takes one.
pub(super) fn connect(server: impl ToSocketAddrs, wait: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::other("it has no address");
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, wait) {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e,
        }
    }
    Err(last)
}

pub(super) fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WAIT)).operation_timeout(Some(ANSWER_WAIT))
}

/// A client's context that says nothing on its own: what fails is told where it is asked for.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Quiet {}

/// Waits for a future on this thread. (The admin client has a thread of its own that drives it.)
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
