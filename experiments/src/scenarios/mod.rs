//! Questions asked of architectures, and of the log. A scenario that is not named here does not exist.

pub mod backpressure;
pub mod compare;
pub mod state;
