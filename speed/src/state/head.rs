//! The head of a store: whose state it is, and up to where.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Manifest, decode_checked, encode_checked};

/// What a store says of itself. It is a checkpoint's manifest without runs: what they are to a checkpoint, groups by key are to a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub manifest: Manifest,
    /// By generation of the manifest: how many groups it has.
    pub groups: Vec<u64>,
}

impl Head {
    pub fn encode(&self) -> Vec<u8> {
        encode_checked(self)
    }

    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Head, String> {
        let head: Head = decode_checked(bytes)?;
        head.manifest.check()?;
        let (groups, generations) = (head.groups.len(), head.manifest.generations.len());
        if groups != generations {
            return Err(format!("it counts groups of {groups} generations, and has {generations}"));
        }
        Ok(head)
    }

    /// The generations, and how many groups each has.
    pub fn generations(&self) -> impl Iterator<Item = (u64, u64)> {
        self.manifest.generations.iter().map(|g| g.number).zip(self.groups.iter().copied())
    }
}

/// The generations that a head names: none, if it is none.
pub(super) fn generations_of(head: &[u8]) -> Vec<u64> {
    let generations = Head::decode(head).map(|head| head.manifest.generations).unwrap_or_default();
    generations.iter().map(|g| g.number).collect()
}
