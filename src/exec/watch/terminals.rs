//! Calls on terminals: size and modes.

use super::access::Observer;
use super::process::{descriptor_path, is_terminal};
use super::stopped::{Stopped, Unknown, unknown};
use super::table::{ASK_MODES, ASK_READABLE, ASK_SIZE, Argument, SET_MODES};
use crate::exec::Hazard;
use crate::exec::terminal::Control;
use crate::exec::tty::modes as modes_of;
use crate::record::Stream;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;

/// `ioctl` on what may be a terminal. Some C libraries ask for the size to find out whether it is one.
pub(super) fn ask_terminal(
    stopped: &Stopped<'_>,
    observer: &mut Observer<'_>,
    number: i32,
    request: Argument,
) -> Result<(), Unknown> {
    let request = stopped.flags(request).cast_unsigned();
    if request == ASK_READABLE {
        observer.polled(stopped.tid, number);
        return Ok(());
    }
    if SET_MODES.contains(&request) {
        return set_modes(stopped, observer, number);
    }
    if (ASK_MODES.contains(&request) || request == ASK_SIZE)
        && let Some((terminal, _)) = own_terminal(stopped, observer, number)
        && !observer.caller().is_interpreter
    {
        terminal.asked_by_program();
    }
    if number == 0 {
        observer.ask(stopped.tid, number, |used| &mut used.terminal);
    }
    if request == ASK_SIZE && is_terminal(stopped.tid, number).map_err(|error| unknown(&error))? {
        match own_terminal(stopped, observer, number) {
            Some((terminal, stream)) => terminal.asked_size(stream),
            None => observer.hazard(Hazard::TerminalSize),
        }
    }
    Ok(())
}

/// The terminals of the run, and the stream whose terminal a descriptor is.
fn own_terminal(
    stopped: &Stopped<'_>,
    observer: &Observer<'_>,
    number: i32,
) -> Option<(Arc<Control>, Stream)> {
    let terminal = observer.descriptors.terminal()?;
    let there = std::fs::metadata(descriptor_path(stopped.tid, number)).ok()?;
    Some((Arc::clone(terminal), terminal.stream_of(there.rdev())?))
}

/// The modes of a terminal are set. Setting the present modes, as node does at its end, does not count.
fn set_modes(stopped: &Stopped<'_>, observer: &mut Observer<'_>, number: i32) -> Result<(), Unknown> {
    /// Size of the beginning of both structures: four sets of flags, the discipline, and the control characters.
    const BEGINNING: usize = 36;
    let Some((terminal, stream)) = own_terminal(stopped, observer, number) else { return Ok(()) };
    let mut asked = [0; BEGINNING];
    stopped.memory(stopped.argument(Argument::A2), &mut asked).map_err(|error| unknown(&error))?;
    let mut present = [0; BEGINNING];
    let mut options = std::fs::File::options();
    let shown = options.read(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
    let modes =
        shown.open(descriptor_path(stopped.tid, number)).ok().and_then(|shown| modes_of(shown.as_fd()));
    if let Some(modes) = modes {
        let flags = [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag];
        let flags = flags.iter().flat_map(|flags| flags.to_le_bytes());
        let rest = std::iter::once(modes.c_line).chain(modes.c_cc);
        for (to, from) in present.iter_mut().zip(flags.chain(rest)) {
            *to = from;
        }
        if present == asked {
            return Ok(());
        }
    }
    terminal.used(stream);
    observer.hazard(Hazard::TerminalModes);
    Ok(())
}
