#![no_main]
#![doc = "See `shared/src/log/fuzzing/seal.rs`."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    twopath_log::fuzzing::seal(data);
});
