//! A process, and what it cost.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use serde::Serialize;

use super::super::BenchError;

/// What one process took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    pub wall_s: f64,
    /// User and system.
    pub cpu_s: f64,
    /// The most memory that was resident at once, mapped files included.
    pub peak_bytes: u64,
    /// Where that was measured: how late 99 of 100 events were seen at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness_p99_ms: Option<f64>,
}

/// Runs a command to its end, with its standard output in a file.
///
/// # Errors
/// That it cannot be started, or failed; then with what it said.
pub fn run(command: &mut Command, out: &Path) -> Result<Cost, BenchError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(File::create(out)?).stderr(Stdio::piped()).spawn()?;
    let mut said = String::new();
    child.stderr.take().expect("it was piped").read_to_string(&mut said)?;
    let mut status = 0;
    // SAFETY: both are plain numbers, which the call fills; the child is ours and has not been waited for.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage), usage)
    };
    if waited < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let wall_s = started.elapsed().as_secs_f64();
    let status = ExitStatus::from_raw(status);
    if !status.success() {
        return Err(BenchError::Peer(format!("{name}: {status}: {}", said.trim())));
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    Ok(Cost {
        wall_s,
        cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak_bytes: usage.ru_maxrss as u64 * 1024,
        freshness_p99_ms: None,
    })
}
