//! `twopath completions`: for the user's shell.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure};

/// Prints completions for a shell
///
/// They are written to standard output; where they belong depends on the shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  twopath completions bash > ~/.local/share/bash-completion/completions/twopath
  twopath completions zsh > ~/.zfunc/_twopath
  twopath completions fish > ~/.config/fish/completions/twopath.fish")]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "twopath", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(ExitCode::SUCCESS)
}
