//! A clean folder to run the program in.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a command did.
pub struct Done {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Sandbox {
    pub fn new() -> Self {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twopath"));
        command.current_dir(self.folder.path()).args(args).env("LC_ALL", "C").env_remove("NO_COLOR");
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Done {
        self.run_with(args, "")
    }

    /// Runs the program with this on its standard input.
    pub fn run_with(&self, args: &[&str], stdin: &str) -> Done {
        let output = assert_cmd::Command::from_std(self.command(args)).write_stdin(stdin).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code().unwrap_or(-1) }
    }

    /// Runs the program, which must succeed, and gives what it wrote.
    pub fn ok(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!(done.code, 0, "{args:?} failed:\n{}", done.stderr);
        done.stdout
    }

    /// Starts the program with pipes.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}
