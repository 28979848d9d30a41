//! The bytes of the log: frames, segments and their seals, manifests. Nothing here opens a topic, or knows where one is.

pub(crate) mod decode;
pub(crate) mod frame;
pub(crate) mod index;
pub(crate) mod manifest;
pub(crate) mod meta;
pub(crate) mod producer;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod stub;
