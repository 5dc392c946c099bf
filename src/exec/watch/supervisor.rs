//! Serves the calls of a watched run until its last process is gone, or until it is told to stop.

use super::access::Observer;
use super::calls::observe;
use super::listener::{Listener, Waited};
use super::orphans;
use super::sockets::Sockets;
use super::stopped::Stopped;
use crate::exec::{Hazard, Trace};
use std::os::fd::{AsFd, OwnedFd};

/// Between looks for processes that nobody waits for.
const IDLE_MILLISECONDS: u16 = 1000;
const CALLS_BETWEEN_LOOKS: u32 = 4096;

/// Serves `listener`; what thread `own` does is ours. `stop` ends it early: then processes are left behind, and a
/// small process of its own answers their calls from then on.
pub(super) fn serve(
    listener: Listener,
    stop: &OwnedFd,
    own: libc::pid_t,
    mut observer: Observer<'_>,
) -> Trace {
    let mut sockets = Sockets::default();
    let mut calls: u32 = 0;
    let left_behind = loop {
        match listener.wait(stop.as_fd(), IDLE_MILLISECONDS) {
            Waited::Call => {
                calls = calls.wrapping_add(1);
                if calls.is_multiple_of(CALLS_BETWEEN_LOOKS) {
                    orphans::collect();
                }
                if let Err(error) = serve_one(&listener, own, &mut observer, &mut sockets) {
                    observer.hazard(Hazard::Incomplete(format!("cannot receive a call: {error}")));
                    break true;
                }
            }
            Waited::Idle => orphans::collect(),
            Waited::Gone => break false,
            Waited::Stop => break true,
        }
    };
    if left_behind {
        observer.hazard(Hazard::LeftBehind);
        orphans::answer_from_now_on(listener);
    }
    for hazard in sockets.into_hazards() {
        observer.hazard(hazard);
    }
    observer.into_trace()
}

fn serve_one(
    listener: &Listener,
    own: libc::pid_t,
    observer: &mut Observer<'_>,
    sockets: &mut Sockets,
) -> std::io::Result<()> {
    let Some(call) = listener.receive()? else { return Ok(()) };
    let tid = call.pid.cast_signed();
    if tid == 0 {
        // It is outside the processes that we can see.
        observer.hazard(Hazard::Namespace("pid"));
    } else if tid != own {
        sockets.seen(tid);
        let stopped = Stopped {
            tid,
            architecture: call.data.arch,
            number: call.data.nr.cast_unsigned(),
            arguments: call.data.args,
            is_valid: &|| listener.is_waiting(call.id),
        };
        observe(&stopped, observer, sockets);
    }
    listener.resume(call.id);
    Ok(())
}
