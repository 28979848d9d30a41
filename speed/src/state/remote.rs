//! State on a Redis server: a hash for each generation, and one string, the head.
//!
//! ```text
//! twopath:NAME        the head
//! twopath:NAME:7      generation 7: key → accumulators
//! ```
//!
//! A step is two round trips. The first watches the head and reads it, with the changed keys; the second writes inside MULTI and EXEC, which Redis does all of or
//! nothing of, and nothing where the head was written since it was watched. So a process that another took over from writes nothing. A connection that breaks
//! leaves in doubt whether the second was done; the head that the next try reads tells.
//!
//! What a server that dies keeps is its own affair (`appendonly`): a head that is older than the one that was acknowledged ends the job, and the next start goes on from
//! that older one.

use std::time::Duration;

use redis::{Cmd, Connection, ConnectionLike, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, Value, cmd};

use super::head::generations_of;
use super::slices::Slices;
use super::store::{Found, Group, Groups, Loaded, Read, Step, Store, StoreError, Wanted};
use crate::costs::StoreCosts;
use crate::error::SpeedError;

const CONNECT_FOR: Duration = Duration::from_secs(2);
/// Without a byte of an answer. A server that was stopped is not one that is slow.
const ANSWER_FOR: Duration = Duration::from_secs(10);

/// Groups that are written with one command.
const GROUPS_AT_ONCE: usize = 4096;

/// A server, and the name under which a job's state is kept there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// `redis://HOST:PORT`.
    pub server: String,
    pub name: String,
    /// Whether the job writes; one that does not only starts from what is there.
    pub owns: bool,
}

impl Remote {
    /// Whether this is an address of a server.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(server: &str) -> Result<(), String> {
        let is_of_redis = server.starts_with("redis://");
        match server.into_connection_info() {
            Ok(_) if is_of_redis => Ok(()),
            Ok(_) => Err("write it as redis://HOST:PORT".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// That a server answers there.
    ///
    /// # Errors
    /// Why it does not.
    pub fn ping(server: &str) -> Result<(), String> {
        let client = redis::Client::open(server).map_err(|e| e.to_string())?;
        let mut connection = client.get_connection_with_timeout(CONNECT_FOR).map_err(|e| e.to_string())?;
        cmd("PING").exec(&mut connection).map_err(|e| e.to_string())
    }

    /// Removes the state from the server.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn remove(&self) -> Result<(), SpeedError> {
        let failed = |error: StoreError| SpeedError::Store { place: self.place(), reason: error.reason() };
        RemoteStore::open(self)?.remove().map_err(failed)
    }

    fn place(&self) -> String {
        format!("{} (twopath:{})", self.server, self.name)
    }
}

pub(super) struct RemoteStore {
    remote: Remote,
    client: redis::Client,
    connection: Option<Connection>,
    costs: StoreCosts,
}

impl RemoteStore {
    pub fn open(remote: &Remote) -> Result<RemoteStore, SpeedError> {
        let client = redis::Client::open(&remote.server[..]);
        let client = client.map_err(|e| SpeedError::Store { place: remote.place(), reason: e.to_string() })?;
        Ok(RemoteStore { remote: remote.clone(), client, connection: None, costs: StoreCosts::default() })
    }

    fn head_key(&self) -> String {
        format!("twopath:{}", self.remote.name)
    }

    fn generation_key(&self, generation: u64) -> String {
        format!("twopath:{}:{generation}", self.remote.name)
    }

    /// Sends commands at once, and gives their answers. Whatever fails, the connection is not used again, and forgets what it watched.
    fn send(&mut self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let answers = self.send_by_connection(commands);
        if answers.is_err() {
            self.connection = None;
        }
        answers
    }

    fn send_by_connection(&mut self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = self.client.get_connection_with_timeout(CONNECT_FOR).map_err(unreachable)?;
                connection
                    .set_read_timeout(Some(ANSWER_FOR))
                    .and_then(|()| connection.set_write_timeout(Some(ANSWER_FOR)))
                    .map_err(unreachable)?;
                none.insert(connection)
            }
        };
        let packed = commands.get_packed_pipeline();
        self.costs.round_trips += 1;
        self.costs.bytes_sent += packed.len() as u64;
        let answers = connection.req_packed_commands(&packed, 0, commands.len()).map_err(unreachable)?;
        self.costs.bytes_received += answers.iter().map(bytes_of).sum::<u64>();
        answers.into_iter().map(|answer| answer.extract_error().map_err(unreachable)).collect()
    }

    fn watched_head(&self) -> Pipeline {
        let mut commands = Pipeline::new();
        commands.add_command(cmd("WATCH").arg(self.head_key()).take()).add_command(cmd("GET").arg(self.head_key()).take());
        commands
    }

    fn remove(&mut self) -> Result<(), StoreError> {
        let Some(head) = bytes(self.send(&self.watched_head())?.pop(), "GET")? else { return Ok(()) };
        let mut commands = Pipeline::new();
        for generation in generations_of(&head) {
            commands.add_command(cmd("UNLINK").arg(self.generation_key(generation)).take());
        }
        commands.add_command(cmd("UNLINK").arg(self.head_key()).take());
        self.send(&commands).map(drop)
    }
}

impl Store for RemoteStore {
    fn place(&self) -> String {
        self.remote.place()
    }

    fn load(&mut self) -> Result<Option<Loaded>, StoreError> {
        loop {
            let Some(head) = bytes(self.send(&self.watched_head())?.pop(), "GET")? else { return Ok(None) };
            let generations = generations_of(&head);
            let mut commands = Pipeline::new();
            commands.add_command(cmd("MULTI"));
            for &generation in &generations {
                commands.add_command(cmd("HGETALL").arg(self.generation_key(generation)).take());
            }
            commands.add_command(cmd("EXEC"));
            let hashes = match self.send(&commands)?.pop() {
                Some(Value::Array(hashes)) => hashes,
                // The head was written meanwhile.
                Some(Value::Nil) => continue,
                _ => return Err(strange("EXEC")),
            };
            let hashes = hashes.into_iter().map(pairs).collect::<Result<Vec<_>, _>>()?;
            return Ok(Some(Loaded { head, groups: Groups::InMemory(generations.into_iter().zip(hashes).collect()) }));
        }
    }

    fn read(&mut self, wanted: &[Wanted<'_>]) -> Result<Read, StoreError> {
        let mut commands = self.watched_head();
        for Wanted { generation, keys } in wanted {
            let hash = self.generation_key(*generation);
            commands.add_command(cmd("HLEN").arg(&hash).take());
            let mut get = cmd("HMGET");
            get.arg(&hash);
            for key in keys.iter() {
                get.arg(key);
            }
            commands.add_command(get);
        }
        let mut answers = self.send(&commands)?.into_iter().skip(1);
        let head = bytes(answers.next(), "GET")?;
        let mut found = Vec::new();
        for _ in wanted {
            let (Some(Value::Int(groups)), Some(Value::Array(values))) = (answers.next(), answers.next()) else {
                return Err(strange("HMGET"));
            };
            let mut found_values = Slices::default();
            for value in values {
                found_values.push(&[&bytes(Some(value), "HMGET")?.unwrap_or_default()]);
            }
            found.push(Found { values: found_values, groups: Some(groups as u64) });
        }
        Ok(Read { head, found })
    }

    fn write(&mut self, step: &Step<'_>) -> Result<bool, StoreError> {
        let mut commands = Pipeline::new();
        commands.add_command(cmd("MULTI"));
        for &generation in step.gone {
            commands.add_command(cmd("UNLINK").arg(self.generation_key(generation)).take());
        }
        let mut written = step.head.len();
        for put in step.puts {
            for first in (0..put.keys.len()).step_by(GROUPS_AT_ONCE) {
                let mut set: Cmd = cmd("HSET");
                set.arg(self.generation_key(put.generation));
                for group in first..put.keys.len().min(first + GROUPS_AT_ONCE) {
                    let (key, value) = (&put.keys[group], &put.values[group]);
                    written += key.len() + value.len();
                    set.arg(key).arg(value);
                }
                commands.add_command(set);
            }
        }
        commands.add_command(cmd("SET").arg(self.head_key()).arg(step.head).take());
        commands.add_command(cmd("EXEC"));
        let done = match self.send(&commands)?.pop() {
            Some(Value::Array(_)) => true,
            Some(Value::Nil) => false,
            _ => return Err(strange("EXEC")),
        };
        if done {
            self.costs.steps += 1;
            self.costs.bytes_written += written as u64;
        }
        Ok(done)
    }

    fn costs(&self) -> StoreCosts {
        self.costs
    }
}

/// A server that refuses for good says so; all else may pass.
fn unreachable(error: RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => StoreError::Failed(error.to_string()),
        _ => match error.code() {
            Some("WRONGTYPE") => StoreError::Damaged(format!("a key has another type than it was given: {error}")),
            Some("OOM" | "NOAUTH" | "WRONGPASS" | "NOPERM" | "READONLY") => StoreError::Failed(error.to_string()),
            _ => StoreError::Unreachable(error.to_string()),
        },
    }
}

fn strange(command: &str) -> StoreError {
    StoreError::Failed(format!("it answers {command} otherwise than Redis does"))
}

fn bytes(value: Option<Value>, command: &str) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
        Some(Value::Nil) => Ok(None),
        _ => Err(strange(command)),
    }
}

fn pairs(hash: Value) -> Result<Vec<Group>, StoreError> {
    let Value::Array(fields) = hash else { return Err(strange("HGETALL")) };
    let mut fields = fields.into_iter();
    let mut pairs = Vec::with_capacity(fields.len() / 2);
    while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
        let (Value::BulkString(key), Value::BulkString(value)) = (key, value) else { return Err(strange("HGETALL")) };
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// As it came over the socket.
fn bytes_of(value: &Value) -> u64 {
    let number = |n: i64| n.to_string().len() as u64;
    match value {
        Value::Nil => 5,
        Value::Int(n) => 3 + number(*n),
        Value::BulkString(bytes) => 5 + number(bytes.len() as i64) + bytes.len() as u64,
        Value::Array(values) => 3 + number(values.len() as i64) + values.iter().map(bytes_of).sum::<u64>(),
        Value::SimpleString(text) => 3 + text.len() as u64,
        Value::Okay => 5,
        _ => 0,
    }
}
