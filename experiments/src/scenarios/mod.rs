//! Questions asked of architectures. A scenario that is not named here does not exist.

pub mod backpressure;
pub mod compare;
