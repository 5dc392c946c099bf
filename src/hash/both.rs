//! Two halves of a task on two cores, where threads can be started (`ulimit -u`).

use std::sync::OnceLock;

/// Whether there is a pool of threads. Its own crate would panic without one.
static POOL: OnceLock<bool> = OnceLock::new();

/// Does both, at once if it can.
pub(super) fn both<One: Send, Other: Send>(
    one: impl FnOnce() -> One + Send,
    other: impl FnOnce() -> Other + Send,
) -> (One, Other) {
    if *POOL.get_or_init(|| {
        // The program that uses this library may have created the pool before.
        rayon_core::ThreadPoolBuilder::new().build_global().is_ok()
            || rayon_core::current_thread_index().is_some()
    }) {
        rayon_core::join(one, other)
    } else {
        (one(), other())
    }
}
