//! Which groups an answer is asked for.

use twopath_query::Value;

/// What an answer is asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only the group with this key (one value per key of the query).
    pub key: Option<Vec<Value>>,
    /// Only groups whose first key is in this range (both inclusive; either may be open).
    pub first_key: (Option<Value>, Option<Value>),
}
