//! Removes the carriage returns that a terminal adds to line ends.

/// Removes from `bytes` one carriage return before each line feed. Returns the number of bytes that are left, at the start of
/// the slice.
pub(in crate::exec) fn take_out(bytes: &mut [u8]) -> usize {
    let Some(first) = memchr::memmem::find(bytes, b"\r\n") else { return bytes.len() };
    let mut left = first;
    let mut from = first;
    while from < bytes.len() {
        let is_made = bytes.get(from..from + 2) == Some(b"\r\n");
        from += usize::from(is_made);
        if let (Some(byte), true) = (bytes.get(from).copied(), left < from)
            && let Some(to) = bytes.get_mut(left)
        {
            *to = byte;
        }
        left += 1;
        from += 1;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_the_terminal_made_is_undone_exactly(text in "[ab\r\n]{0,40}") {
            let mut bytes = text.replace('\n', "\r\n").into_bytes();
            let left = take_out(&mut bytes);
            prop_assert_eq!(bytes.get(..left), Some(text.as_bytes()));
        }
    }
}
