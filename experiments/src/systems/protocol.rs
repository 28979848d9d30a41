//! What a system's process and its driver say to each other over a Unix socket: frames of a JSON header and a body.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twopath_base::Position;
use twopath_query::Value;

use super::timeline::Record;
use super::{Costs, Killed, SystemProgress};

/// A header longer than this is not from one of us.
const HEADER_BYTES_MAX: usize = 1 << 28;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Answered once version 1 serves.
    Started,
    Deploy(u32),
    Ask(Option<Vec<Value>>),
    Progress,
    Costs,
    /// Answered once it has been killed.
    Kill(Killed),
    Stop,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Done,
    /// The body has the rows.
    Answer {
        version: u32,
        position: Position,
        approximate: bool,
    },
    Progress(SystemProgress),
    Costs(Costs),
    Record(Record),
    Failed(String),
}

/// A barrier that the driver has put into the log for the system, or why not.
pub(super) type BarrierReply = Result<(u64, Position), String>;

/// One end of a connection. What goes through it is in no figure of the file system's.
pub(super) struct Connection(UnixStream);

impl Connection {
    pub fn new(stream: UnixStream) -> Self {
        Connection(stream)
    }

    /// A second hold of the same end: one to send, one to receive.
    pub fn again(&self) -> io::Result<Self> {
        self.0.try_clone().map(Connection)
    }

    pub fn send(&mut self, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
        let header = serde_json::to_vec(header)?;
        let mut frame = Vec::with_capacity(12 + header.len());
        frame.extend_from_slice(&(header.len() as u32).to_le_bytes());
        frame.extend_from_slice(&(body.len() as u64).to_le_bytes());
        frame.extend_from_slice(&header);
        let mut socket = Unmetered(&self.0);
        socket.write_all(&frame)?;
        socket.write_all(body)
    }

    /// None where the other end has closed it.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        let mut socket = Unmetered(&self.0);
        let mut lengths = [0; 12];
        match socket.read_exact(&mut lengths) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let (header, body) = lengths.split_at(4);
        let header = u32::from_le_bytes(header.try_into().expect("four bytes")) as usize;
        let body = u64::from_le_bytes(body.try_into().expect("eight bytes")) as usize;
        if header > HEADER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame of another protocol"));
        }
        let mut text = vec![0; header];
        socket.read_exact(&mut text)?;
        let mut bytes = vec![0; body];
        socket.read_exact(&mut bytes)?;
        Ok(Some((serde_json::from_slice(&text)?, bytes)))
    }
}

/// The socket by the calls that are made for sockets: `read` and `write` would be counted as file traffic in `/proc/self/io`.
struct Unmetered<'a>(&'a UnixStream);

impl Read for Unmetered<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer and the length are those of `into`, which nobody else can touch meanwhile.
        let n = unsafe { libc::recv(self.0.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), 0) };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    }
}

impl Write for Unmetered<'_> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        // SAFETY: the pointer and the length are those of `from`. A closed other end is an error, not a signal.
        let n = unsafe { libc::send(self.0.as_raw_fd(), from.as_ptr().cast(), from.len(), libc::MSG_NOSIGNAL) };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (Connection::new(a), Connection::new(b));
        let sender = std::thread::spawn(move || {
            a.send(&Request::Ask(Some(vec![Value::Int(7), Value::Null])), &[]).unwrap();
            // More than a socket holds at once.
            a.send(&Reply::Done, &vec![5; 3 << 20]).unwrap();
        });
        let (request, body) = b.receive::<Request>().unwrap().unwrap();
        assert!(matches!(request, Request::Ask(Some(key)) if key == [Value::Int(7), Value::Null]));
        assert!(body.is_empty());
        let (_, body) = b.receive::<Reply>().unwrap().unwrap();
        assert_eq!(body, vec![5; 3 << 20]);
        sender.join().unwrap();
        assert!(b.receive::<Reply>().unwrap().is_none(), "the other end has gone");
    }
}
