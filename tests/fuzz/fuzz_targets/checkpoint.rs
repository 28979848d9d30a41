#![no_main]
#![doc = "See `fuzz/bodies/checkpoint.rs`."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    twopath_fuzz::checkpoint::checkpoint(data);
});
