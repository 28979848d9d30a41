#![no_main]
#![doc = "See `fuzz/bodies/json.rs`."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    twopath_fuzz::json::json(data);
});
