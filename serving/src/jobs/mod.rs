//! What people write for the serving layer: how the parts that hand-written layers give merge and finish.

pub mod flights;
