//! Tests that span the crates; see `tests/tests`. The library itself is empty.
