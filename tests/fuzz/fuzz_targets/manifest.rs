#![no_main]
#![doc = "See `shared/src/log/fuzzing/manifest.rs`."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    twopath_log::fuzzing::manifest(data);
});
