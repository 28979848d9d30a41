//! One run as a child process, from the parent's side: started, watched, and ended whatever it does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::spec::RunProgress;
use crate::systems::ending::end_with_parent;
use twopath_results::result::Outcome;

/// Of the child's standard error, what a report shows of a crash.
const ERROR_LINES: usize = 12;
/// A line longer than this is cut.
const ERROR_LINE_BYTES: usize = 400;
/// How soon the parent notices Ctrl-C or the time limit.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildEnd {
    /// With exit code 0.
    Done,
    /// By itself with another exit code or a signal, or killed at its time limit.
    Failed(Outcome),
    /// Killed because `stop` was set.
    Stopped,
}

/// Starts `command` in a process group of its own (so that Ctrl-C in the terminal reaches the parent alone), hands its progress on,
/// and returns when it has ended: killed, with all that it started, at `limit` or when `stop` is set.
pub fn run_child(
    command: &mut Command,
    limit: Duration,
    stop: &AtomicBool,
    mut on_progress: impl FnMut(RunProgress),
) -> std::io::Result<ChildEnd> {
    let mut child = end_with_parent(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()?;
    let started = Instant::now();
    let progress = read_progress(&mut child);
    let errors = read_errors(&mut child);
    let mut killed_at_limit = false;
    let status = loop {
        match progress.recv_timeout(LOOK_EVERY) {
            Ok(line) => on_progress(line),
            Err(RecvTimeoutError::Timeout) => {}
            // The child closed its output: all that is left is to wait for its end.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY.min(Duration::from_millis(5))),
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if stop.load(Ordering::SeqCst) {
            kill_group(&mut child);
            child.wait()?;
            return Ok(ChildEnd::Stopped);
        }
        if started.elapsed() > limit {
            kill_group(&mut child);
            killed_at_limit = true;
            break child.wait()?;
        }
    };
    // What the child left running would keep the pipes open, and their readers waiting.
    kill_group(&mut child);
    // To the last line: the reading thread may be behind the child, and ends with the pipe.
    progress.iter().for_each(&mut on_progress);
    if status.success() && !killed_at_limit {
        return Ok(ChildEnd::Done);
    }
    let errors = errors.join().unwrap_or_default();
    Ok(ChildEnd::Failed(failure(status, killed_at_limit.then_some(limit), &errors)))
}

/// What a run of this length may take at most: loading, checking and a slow machine are all allowed for.
pub fn time_limit(duration: Duration) -> Duration {
    Duration::from_secs(120) + duration * 8
}

fn failure(status: ExitStatus, limit: Option<Duration>, errors: &[String]) -> Outcome {
    let (exit_code, signal) = (status.code(), status.signal());
    let what = match (limit, exit_code, signal) {
        (Some(limit), ..) => format!("did not end within its limit of {} s and was killed", limit.as_secs_f64().ceil()),
        (None, Some(code), _) => format!("ended with exit code {code}"),
        (None, None, Some(signal)) => format!("was killed by signal {signal}{}", signal_name(signal)),
        (None, None, None) => "ended in a way that the operating system does not tell".to_string(),
    };
    let message = if errors.is_empty() { what } else { format!("{what}; its last words:\n{}", errors.join("\n")) };
    Outcome::Crashed { message, exit_code, signal }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGKILL => " (SIGKILL: by hand, or by the system when memory ran out)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGTERM => " (SIGTERM)",
        _ => "",
    }
}

fn kill_group(child: &mut Child) {
    if let Ok(id) = libc::pid_t::try_from(child.id()) {
        // SAFETY: a system call on numbers. The group is the child's own (`process_group(0)`); where it is gone, the call fails.
        unsafe { libc::kill(-id, libc::SIGKILL) };
    }
}

/// Lines that are no progress are passed over: a library may print.
fn read_progress(child: &mut Child) -> Receiver<RunProgress> {
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(progress) = serde_json::from_str(&line)
                    && sender.send(progress).is_err()
                {
                    return;
                }
            }
        });
    }
    receiver
}

/// The last lines of the child's standard error, once it has closed it.
fn read_errors(child: &mut Child) -> JoinHandle<Vec<String>> {
    let output = child.stderr.take();
    std::thread::spawn(move || {
        let mut last = VecDeque::new();
        let mut reader = BufReader::new(output.map_or_else(|| Box::new(std::io::empty()) as Box<dyn Read + Send>, |o| Box::new(o)));
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            line.truncate(ERROR_LINE_BYTES);
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            if !text.is_empty() {
                last.push_back(text);
            }
            if last.len() > ERROR_LINES {
                last.pop_front();
            }
            line.clear();
        }
        last.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::spec::Phase;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    fn run(script: &str, limit: Duration) -> (ChildEnd, Vec<RunProgress>) {
        let mut seen = Vec::new();
        let end = run_child(&mut shell(script), limit, &AtomicBool::new(false), |p| seen.push(p)).unwrap();
        (end, seen)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn progress_is_handed_on_and_other_lines_are_passed_over() {
        let (end, seen) = run(r#"echo hello; echo '{"phase":"steady","fraction":0.5}'; echo '{"phase":"check","fraction":1.0}'"#, MINUTE);
        assert_eq!(end, ChildEnd::Done);
        let at = |phase, fraction| RunProgress { phase, fraction, catch_up: None };
        assert_eq!(seen, [at(Phase::Steady, 0.5), at(Phase::Check, 1.0)]);
    }

    #[test]
    fn an_exit_code_and_the_last_words_are_reported() {
        let (end, _) = run("for i in $(seq 40); do echo line $i >&2; done; echo the disk is full >&2; exit 3", MINUTE);
        let ChildEnd::Failed(Outcome::Crashed { message, exit_code, signal }) = end else { panic!("{end:?}") };
        assert_eq!((exit_code, signal), (Some(3), None));
        assert!(message.starts_with("ended with exit code 3; its last words:\nline 30\n"), "{message}");
        assert!(message.ends_with("the disk is full"), "{message}");
    }

    #[test]
    fn a_signal_is_reported() {
        let (end, _) = run("kill -9 $$", MINUTE);
        let ChildEnd::Failed(Outcome::Crashed { message, exit_code, signal }) = end else { panic!("{end:?}") };
        assert_eq!((exit_code, signal), (None, Some(9)));
        assert!(message.contains("signal 9 (SIGKILL"), "{message}");
    }

    #[test]
    fn a_hung_child_is_killed_at_its_limit_with_what_it_started() {
        // A grandchild that holds both pipes open must not keep the parent waiting either.
        let (end, _) = run("echo about to hang >&2; sleep 1000 & sleep 1000", Duration::from_millis(300));
        let ChildEnd::Failed(Outcome::Crashed { message, signal, .. }) = end else { panic!("{end:?}") };
        assert_eq!(signal, Some(9));
        assert!(message.contains("did not end within its limit") && message.ends_with("about to hang"), "{message}");
    }

    #[test]
    fn a_grandchild_left_behind_is_no_hang() {
        assert_eq!(run("sleep 1000 & exit 0", MINUTE).0, ChildEnd::Done);
        assert!(matches!(run("sleep 1000 & exit 1", MINUTE).0, ChildEnd::Failed(_)));
    }

    #[test]
    fn stop_kills_the_child() {
        let stop = AtomicBool::new(false);
        let end = run_child(&mut shell(r#"echo '{"phase":"load","fraction":0}'; sleep 1000"#), MINUTE, &stop, |_| {
            stop.store(true, Ordering::SeqCst);
        });
        assert_eq!(end.unwrap(), ChildEnd::Stopped);
    }

    #[test]
    fn endless_output_is_not_kept() {
        let (end, _) = run("head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; exit 1", MINUTE);
        let ChildEnd::Failed(Outcome::Crashed { message, .. }) = end else { panic!("{end:?}") };
        assert!(message.len() < 2000, "{}", message.len());
    }
}
