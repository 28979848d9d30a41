#![no_main]
#![doc = "See `shared/src/log/fuzzing/topic_file.rs`."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    twopath_log::fuzzing::topic_file(data);
});
