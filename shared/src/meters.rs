//! What a run cost, as the operating system counts it.
