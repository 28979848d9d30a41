//! The `twopath` program; everything it does is in the library.

/// Replays and batch runs make and drop large tables on several threads; with the system's allocator a good part of their time goes
/// into page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    twopath::cli::main()
}
