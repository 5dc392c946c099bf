//! The name and the command line by which a process is listed. Processes that we fork for our own use have neither ours nor the
//! command's, so that a program that sends signals by name or by command line does not find them.

/// Where the command line of this process, and of its copies, lies in memory: from the first byte to the one after the last.
/// Two zeros where that is unknown.
pub(super) fn words() -> (usize, usize) {
    /// Of the words' beginning and end among the values after the name of the program.
    const WORDS: usize = 45;
    let text = std::fs::read("/proc/self/stat").unwrap_or_default();
    let after = text.iter().rposition(|byte| *byte == b')').and_then(|at| text.get(at + 2..));
    let mut values = after.unwrap_or_default().split(|byte| *byte == b' ').skip(WORDS);
    let mut number = || std::str::from_utf8(values.next()?).ok()?.parse::<usize>().ok();
    match (number(), number()) {
        (Some(first @ 1..), Some(last)) => (first, last),
        _ => (0, 0),
    }
}

/// Gives this process another name and an empty command line.
///
/// # Safety
/// Only in a process that was forked for it, with what [`words`] returned. The command line must not be used afterwards.
#[expect(unsafe_code, reason = "the kernel alone knows where the words are")]
pub(super) unsafe fn set(name: &std::ffi::CStr, (first, last): (usize, usize)) {
    // SAFETY: a plain system call; the words lie in our own memory, which may be written.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        if first > 0 {
            let words = std::ptr::with_exposed_provenance_mut::<u8>(first);
            std::ptr::write_bytes(words, 0, last.saturating_sub(first));
        }
    }
}
