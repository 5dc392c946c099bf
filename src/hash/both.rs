//! Two halves of a work on all cores, where threads can be had (`ulimit -u`).

use std::sync::OnceLock;

/// Whether there is a pool of threads. Its own crate would panic without one.
static POOL: OnceLock<bool> = OnceLock::new();

/// Does both, at once if it can.
pub(super) fn both<One: Send, Other: Send>(
    one: impl FnOnce() -> One + Send,
    other: impl FnOnce() -> Other + Send,
) -> (One, Other) {
    if *POOL.get_or_init(|| {
        // Whoever made it before has it.
        rayon_core::ThreadPoolBuilder::new().build_global().is_ok()
            || rayon_core::current_thread_index().is_some()
    }) {
        rayon_core::join(one, other)
    } else {
        (one(), other())
    }
}
