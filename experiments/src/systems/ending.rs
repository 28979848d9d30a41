//! Processes that end with who started them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the system kill the command's process when the thread that starts it ends, also by `kill -9`: nothing is left behind.
pub fn end_with_parent(command: &mut Command) -> &mut Command {
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        let set = move || {
            // SAFETY: both calls take and give numbers.
            let (set, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong), libc::getppid()) };
            if set != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have gone before the call: then nobody would ever send the signal.
            if now as u32 == parent { Ok(()) } else { Err(io::Error::other("the parent has gone")) }
        };
        // SAFETY: between fork and exec it makes two system calls and allocates nothing unless it fails.
        unsafe { command.pre_exec(set) };
    }
    command
}
