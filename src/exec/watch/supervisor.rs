//! Serves the calls of a watched run until its last process has ended, or until the session asks it to stop.

use super::access::Observer;
use super::calls::observe;
use super::listener::{Listener, Waited};
use super::orphans;
use super::sockets::Sockets;
use super::stopped::Stopped;
use crate::exec::order::Request;
use crate::exec::{Hazard, Trace};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

/// Pause between looks for orphans.
const IDLE_MILLISECONDS: u16 = 1000;
const CALLS_BETWEEN_LOOKS: u32 = 4096;

/// Serves `listener`; what thread `own` does is ours; `command` is the process of the command once it is known. `stop` ends it early: then processes are left behind, and a
/// small process of its own answers their calls from then on.
pub(super) fn serve(
    listener: &Arc<Listener>,
    stop: &OwnedFd,
    (own, command): (libc::pid_t, &AtomicI32),
    mut observer: Observer<'_>,
) -> Trace {
    let mut sockets = Sockets::default();
    let mut calls: u32 = 0;
    let mut is_ended = false;
    let left_behind = loop {
        match listener.wait(stop.as_fd(), IDLE_MILLISECONDS) {
            Waited::Call => {
                calls = calls.wrapping_add(1);
                if calls.is_multiple_of(CALLS_BETWEEN_LOOKS) {
                    orphans::collect();
                }
                if let Err(error) = serve_one(listener, own, &mut observer, &mut sockets) {
                    observer.hazard(Hazard::Incomplete(format!("cannot receive a call: {error}")));
                    break true;
                }
            }
            Waited::Idle => orphans::collect(),
            Waited::Gone => break false,
            Waited::Stop => {
                break is_left_behind(&mut || listener.wait(stop.as_fd(), 0), &mut orphans::collect);
            }
        }
        if !is_ended && observer.must_end() {
            is_ended = end(command);
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

/// Whether processes outlive the command. Kernels before 6.11 release a filter only when its last process is collected, so
/// processes are collected once more before this is reported.
fn is_left_behind(wait: &mut dyn FnMut() -> Waited, collect: &mut dyn FnMut()) -> bool {
    collect();
    !matches!(wait(), Waited::Gone)
}

/// Ends the command with SIGTERM, as a user would. Returns whether its process is known already.
#[expect(unsafe_code, reason = "the number is all that there is")]
fn end(command: &AtomicI32) -> bool {
    let command = command.load(SeqCst);
    // SAFETY: `kill` takes numbers only. The session sets it to 0 before the number becomes somebody else's.
    command > 0 && unsafe { libc::kill(command, libc::SIGTERM) } == 0
}

fn serve_one(
    listener: &Arc<Listener>,
    own: libc::pid_t,
    observer: &mut Observer<'_>,
    sockets: &mut Sockets,
) -> std::io::Result<()> {
    let Some(call) = listener.receive()? else { return Ok(()) };
    let tid = call.pid.cast_signed();
    if tid == 0 {
        // It is outside of the processes that we can see.
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
        if let Some(disguise) = observer.ordering.take_disguise()
            && disguise.put_on(tid)
        {
            listener.resume_with(call.id, disguise.value);
            return Ok(());
        }
        if let (Some(then), Some(order)) = (observer.ordering.take(), observer.ordering.order()) {
            let (listener, id) = (Arc::clone(listener), call.id);
            order.ask(Request { by: tid, then, release: Box::new(move || listener.resume(id)) });
            return Ok(());
        }
    }
    listener.resume(call.id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A listener as older kernels have it: it learns that all are gone when the last of them is collected.
    fn old_kernel(alive: bool) -> bool {
        let collected = Cell::new(false);
        let mut wait = || if collected.get() && !alive { Waited::Gone } else { Waited::Stop };
        is_left_behind(&mut wait, &mut || collected.set(true))
    }

    #[test]
    fn who_has_ended_and_was_not_collected_is_not_left_behind() {
        assert!(!old_kernel(false));
        assert!(old_kernel(true));
        // One that makes a call lives.
        assert!(is_left_behind(&mut || Waited::Call, &mut || {}));
    }
}
