#![no_main]
#![doc = "See `shared/src/log/fuzzing/positions.rs`."]

use std::sync::OnceLock;

use twopath_log::fuzzing::{Bench, positions};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    positions(BENCH.get_or_init(twopath_fuzz::bench), data);
});
