//! Groups in a local index, for readers: as they were at one moment, whatever is written since.

use std::fmt;
use std::sync::Arc;

use twopath_query::Value;
use twopath_view::{GroupTable, KeptError, KeptGroups};

use super::codec::Codec;
use super::index::{Index, Moment, at_once, full_key};
use super::store::{Group, StoreError};

/// See the module.
pub(super) struct IndexedGroups {
    pub index: Arc<Index>,
    pub at: Moment,
    pub codec: Arc<Codec>,
    pub generation: u64,
    /// How many there are.
    pub groups: u64,
}

impl IndexedGroups {
    fn table(&self, groups: &[Group]) -> Result<GroupTable, KeptError> {
        let pairs = groups.iter().map(|(key, value)| (&key[..], &value[..]));
        self.codec.decode(self.generation, pairs).map_err(|reason| self.unreadable(reason))
    }

    fn failed(&self, error: StoreError) -> KeptError {
        self.unreadable(error.reason())
    }

    fn unreadable(&self, reason: String) -> KeptError {
        KeptError::Unreadable { place: self.index.place(), reason }
    }
}

impl KeptGroups for IndexedGroups {
    fn find(&self, key: &[Value]) -> Result<Option<GroupTable>, KeptError> {
        let Some(key) = self.codec.key_of(key) else { return Ok(None) };
        let value = self.index.get(Some(&self.at), &full_key(self.generation, &key)).map_err(|e| self.failed(e))?;
        value.map(|value| self.table(&[(key, value)])).transpose()
    }

    fn scan(&self, each: &mut dyn FnMut(GroupTable) -> Result<(), KeptError>) -> Result<(), KeptError> {
        let mut found = 0;
        for groups in at_once(self.index.scan(&self.at, self.generation)) {
            let groups = groups.map_err(|e| self.failed(e))?;
            found += groups.len() as u64;
            each(self.table(&groups)?)?;
        }
        match found == self.groups {
            true => Ok(()),
            false => {
                Err(self
                    .unreadable(format!("generation {} has {found} groups there, and was written with {}", self.generation, self.groups)))
            }
        }
    }
}

impl fmt::Debug for IndexedGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} groups of generation {} in {}", self.groups, self.generation, self.index.place())
    }
}
