#![no_main]
#![doc = "See `fuzz/bodies/sql.rs`."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    twopath_fuzz::sql::sql(data);
});
