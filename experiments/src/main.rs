//! The `twopath` program; everything it does is in the library.

fn main() -> std::process::ExitCode {
    twopath::cli::main()
}
