//! Jobs written by hand for the stream engine.

pub mod flights;
