//! How much the brokers keep of a topic.
//!
//! Kafka's protocol tells it (`DescribeLogDirs`, answered by each broker for what it has itself), and librdkafka does not ask. So it is
//! asked here, over a connection of its own to each broker.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::error::LogError;

use super::client::{ANSWER_WAIT, Address, Quiet, connect};

const DESCRIBE_LOG_DIRS: i16 = 35;
/// The oldest version that Kafka 4 still answers, and the newest whose form is this simple.
const VERSION: i16 = 1;
const REQUEST: i32 = 1;
/// An answer longer than this is none.
const ANSWER_BYTES_MAX: u32 = 64 << 20;

/// Bytes of all partitions' files; of several replicas, the largest counts.
pub(super) fn bytes(address: &Address, asker: &BaseConsumer<Quiet>, topic: &str, partitions: u32) -> Result<u64, LogError> {
    const ACTION: &str = "ask for the size of a topic";
    let metadata = asker.fetch_metadata(Some(topic), ANSWER_WAIT).map_err(address.failed(ACTION))?;
    let mut sizes = BTreeMap::new();
    for broker in metadata.brokers() {
        let place = format!("{}:{}", broker.host(), broker.port());
        let failed = |what: String| LogError::Kafka { place: format!("kafka://{place}"), action: ACTION, what };
        let answer = ask(broker.host(), broker.port() as u16, &request(topic, partitions)).map_err(|e| failed(e.to_string()))?;
        for (partition, size) in parse(&answer, topic).map_err(failed)? {
            let largest = sizes.entry(partition).or_insert(0);
            *largest = size.max(*largest);
        }
    }
    Ok(sizes.values().sum())
}

fn request(topic: &str, partitions: u32) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(DESCRIBE_LOG_DIRS.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(REQUEST.to_be_bytes());
    text(&mut body, "twopath");
    body.extend(1_i32.to_be_bytes());
    text(&mut body, topic);
    body.extend(partitions.to_be_bytes());
    (0..partitions).for_each(|p| body.extend(p.to_be_bytes()));
    let mut request = (body.len() as u32).to_be_bytes().to_vec();
    request.append(&mut body);
    request
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as i16).to_be_bytes());
    to.extend(text.as_bytes());
}

fn ask(host: &str, port: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect((host, port), ANSWER_WAIT)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    stream.write_all(request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::other(format!("an answer of {length} bytes")));
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Partitions and their bytes.
fn parse(answer: &[u8], topic: &str) -> Result<Vec<(i32, u64)>, String> {
    let mut input = Input(answer);
    sizes(&mut input, topic).unwrap_or_else(|| Err("the answer is cut off".into()))
}

/// None where the answer ends too early.
fn sizes(input: &mut Input<'_>, topic: &str) -> Option<Result<Vec<(i32, u64)>, String>> {
    let mut sizes = Vec::new();
    if input.i32()? != REQUEST {
        return Some(Err("this is the answer to another question".into()));
    }
    let _throttled_ms = input.i32()?;
    for _ in 0..input.i32()? {
        let error = input.i16()?;
        if error != 0 {
            return Some(Err(format!("Kafka's error {error}")));
        }
        let _dir = input.text()?;
        for _ in 0..input.i32()? {
            let name = input.text()?;
            for _ in 0..input.i32()? {
                let (partition, size, _lag) = (input.i32()?, input.i64()?, input.i64()?);
                let being_moved_here = input.take(1)? != [0];
                if name == topic.as_bytes() && !being_moved_here {
                    sizes.push((partition, size.max(0) as u64));
                }
            }
        }
    }
    Some(Ok(sizes))
}

/// What is left of an answer.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.i16()?;
        self.take(usize::try_from(length).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Vec<u8> {
        let mut a = REQUEST.to_be_bytes().to_vec();
        a.extend(0_i32.to_be_bytes());
        a.extend(2_i32.to_be_bytes());
        for dir in 0..2_i32 {
            a.extend(0_i16.to_be_bytes());
            text(&mut a, "/some/dir");
            a.extend(1_i32.to_be_bytes());
            text(&mut a, "t");
            a.extend(1_i32.to_be_bytes());
            a.extend(dir.to_be_bytes());
            a.extend((1000_i64 + i64::from(dir)).to_be_bytes());
            a.extend(0_i64.to_be_bytes());
            a.push(0);
        }
        a
    }

    #[test]
    fn an_answer_is_read() {
        assert_eq!(parse(&answer(), "t"), Ok(vec![(0, 1000), (1, 1001)]));
        assert_eq!(parse(&answer(), "u"), Ok(vec![]));
    }

    #[test]
    fn a_short_or_wrong_answer_is_an_error() {
        let answer = answer();
        for cut in 0..answer.len() {
            assert!(parse(&answer[..cut], "t").is_err(), "{cut}");
        }
        let mut wrong = answer.clone();
        wrong[3] = 9;
        assert!(parse(&wrong, "t").unwrap_err().contains("another question"));
        let mut refused = answer;
        refused[13] = 31;
        assert!(parse(&refused, "t").unwrap_err().contains("error 31"));
    }
}
