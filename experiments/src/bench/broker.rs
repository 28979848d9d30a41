//! The server at the other end of a socket, if it runs on this machine: which process it is, and what CPU it used.

use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

/// A process that listens on a port of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Broker {
    pid: u32,
}

impl Broker {
    /// The listener at `HOST:PORT`; none where it is another machine's, or its process cannot be seen (other users' need root).
    pub fn at(server: &str) -> Option<Broker> {
        let address = server.to_socket_addrs().ok()?.find(|a| is_here(a.ip()))?;
        let sockets = listening(address.port());
        let of_process = |pid: &u32| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).ok();
            let links = open.into_iter().flatten().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
            links.into_iter().any(|link| sockets.iter().any(|s| link.as_os_str() == s.as_str()))
        };
        let numbers = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.into_iter().find(of_process).map(|pid| Broker { pid })
    }

    /// CPU time of all its threads so far, to a hundredth of a second; none once it has ended.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name, in parentheses, may hold blanks. After it: state, ten numbers, user ticks, system ticks.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        // Linux counts these in hundredths of a second, whatever its own clock.
        Some(Duration::from_millis(ticks * 10))
    }
}

/// Whether an address is one of this machine's: nobody else's can be bound.
fn is_here(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// What the links of `/proc/PID/fd` say of sockets that listen on a port.
fn listening(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|path| fs::read_to_string(path).ok());
    let mut found = Vec::new();
    for table in tables {
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else { continue };
            let of_port = local.rsplit_once(':').and_then(|(_, p)| u16::from_str_radix(p, 16).ok()) == Some(port);
            if of_port {
                found.push(format!("socket:[{inode}]"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_listens_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let broker = Broker::at(&server).unwrap();
        assert_eq!(broker.pid, std::process::id());
        let before = broker.cpu().unwrap();
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(100) {
            std::hint::black_box(before);
        }
        assert!(broker.cpu().unwrap() > before);
        drop(listener);
        assert!(Broker::at(&server).is_none(), "nobody listens there any more");
    }
}
