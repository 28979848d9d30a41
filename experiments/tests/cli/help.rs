use crate::sandbox::Sandbox;

const COMMANDS: [&[&str]; 25] = [
    &[],
    &["compare"],
    &["query"],
    &["feed", "run"],
    &["graph"],
    &["run"],
    &["run", "backpressure"],
    &["results"],
    &["bench"],
    &["completions"],
    &["log", "create"],
    &["log", "import"],
    &["log", "append"],
    &["log", "cat"],
    &["log", "stat"],
    &["log", "groups"],
    &["log", "verify"],
    &["job", "deploy"],
    &["job", "query"],
    &["job", "diff"],
    &["job", "status"],
    &["job", "cutover"],
    &["job", "rollback"],
    &["job", "delete"],
    &["job", "run"],
];

#[test]
fn every_command_has_help_with_examples() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let help = sandbox.ok(&[command, &["--help"]].concat());
        assert!(help.contains("Usage: twopath"), "{command:?}:\n{help}");
        let example = format!("\n  {}", ["twopath"].iter().chain(command).copied().collect::<Vec<_>>().join(" "));
        let examples = help.split("Examples:").nth(1).unwrap_or_else(|| panic!("{command:?} has no examples"));
        assert!(examples.contains(&example) || command == ["log", "append"], "{command:?}:\n{examples}");
        assert!(!help.contains('\u{1b}'), "no colour where there is no terminal");
    }
}

#[test]
fn examples_are_understood() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let help = sandbox.ok(&[command, &["--help"]].concat());
        for line in help.split("Examples:").nth(1).unwrap().lines().filter(|l| l.trim_start().starts_with("twopath ")) {
            // Only whether the options are known: an unknown one ends with code 2 before anything is done.
            let words = shell_words(line);
            let mut args: Vec<&str> = words.iter().skip(1).map(String::as_str).take_while(|w| *w != ">" && *w != "|").collect();
            if matches!(args.first(), Some(&"compare" | &"bench" | &"run" | &"results")) {
                args.push("--help");
            } else if args.contains(&"--follow") && args[0] != "feed" {
                args.extend(["--limit", "0"]);
            }
            let done = sandbox.run(&args);
            assert_ne!(done.code, 2, "{line}\n{}", done.stderr);
        }
    }
}

/// Words with single quotes, as far as the examples use them.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('\'').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(String::from));
        }
    }
    words
}

#[test]
fn completions_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.ok(&["completions", shell]);
        assert!(script.contains("twopath") && script.contains("verify") && script.contains("durability"), "{shell}");
    }
}

#[test]
fn hidden_commands_stay_hidden() {
    assert!(!Sandbox::new().ok(&["--help"]).contains("run-child"));
}
