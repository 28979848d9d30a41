//! One partition of a topic in a folder: its segments, who writes them, who reads them, and who holds them.

pub(crate) mod barriers;
pub(crate) mod hold;
pub(crate) mod locks;
pub(crate) mod reader;
pub(crate) mod recovery;
pub(crate) mod segment;
pub(crate) mod state;
pub(crate) mod tail;
pub(crate) mod times;
pub(crate) mod verify;
pub(crate) mod walk;
pub(crate) mod writer;
