//! Programs of ours that run side by side, each in a process group of its own. A signal reaches each of them once, together with
//! the processes that it started.

use super::startup::restore_signals_of_writing;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The programs that run now.
#[derive(Debug, Default)]
pub struct Group(Mutex<Vec<i32>>);

/// A program that was started.
#[derive(Debug)]
pub struct Beside<'a> {
    child: Child,
    group: &'a Group,
}

impl Group {
    /// Starts `command`, whose standard streams are to be set by the caller. It gets the dispositions of signals that this
    /// process was started with.
    ///
    /// # Errors
    /// When it cannot be started.
    #[expect(unsafe_code, reason = "what is done between fork and exec can be said in no other way")]
    pub fn start(&self, command: &mut Command) -> io::Result<Beside<'_>> {
        command.process_group(0);
        // SAFETY: the closure makes plain system calls only, and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                restore_signals_of_writing();
                Ok(())
            });
        }
        let mut running = self.running();
        let child = command.spawn()?;
        running.extend(i32::try_from(child.id()));
        Ok(Beside { child, group: self })
    }

    /// Sends a signal to all that run and to the processes that they started.
    pub fn signal(&self, signal: i32) {
        let Ok(signal) = nix::sys::signal::Signal::try_from(signal) else { return };
        for process in self.running().iter() {
            // A program that has just ended needs no signal.
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(*process), signal);
        }
    }

    fn running(&self) -> MutexGuard<'_, Vec<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beside<'_> {
    /// Waits until it ends.
    ///
    /// # Errors
    /// When the system does not report how it ended.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let process = i32::try_from(self.child.id()).unwrap_or(0);
        // It keeps its number until no signal can be sent to it any more.
        if let Some(pid) = Pid::from_raw(process) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).err() == Some(rustix::io::Errno::INTR) {}
        }
        self.group.running().retain(|running| *running != process);
        self.child.wait()
    }
}
