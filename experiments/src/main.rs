//! The `twopath` program; everything it does is in the library.

/// Replays and batch runs make and drop large tables on several threads; with the system's allocator a good part of their time goes
/// into page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of mimalloc's option for how many milliseconds after it was freed memory goes back to the system (`mi_option_e` in its
/// header; -1 for never).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> std::process::ExitCode {
    keep_freed_memory();
    twopath::cli::main()
}

/// A speed layer makes tables as large as it dropped a moment ago. Giving their memory back and getting it anew stopped its thread for
/// 5 ms at a time, and so made up the tail of its freshness.
fn keep_freed_memory() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: it stores a number, and there is one thread so far.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: it reads a number. (The header numbers the options, and its default for this one is 1000.)
        let before = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert!(before == 1000 || std::env::var_os("MIMALLOC_PURGE_DELAY").is_some(), "{before}");
        keep_freed_memory();
    }
}
