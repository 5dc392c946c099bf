//! Frames on a unix socket: a length (32 bits, little endian) and as many bytes. The descriptor of a file may come with a frame.
//!
//! The helper compiles this file too.

use super::fields::malformed;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, send, sendmsg,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Longer frames are refused: eight records and some more.
const MAX_FRAME: usize = 16 << 20;

/// Sends a frame, and the file that belongs to it.
pub(super) fn send_frame(stream: &mut UnixStream, frame: &[u8], file: Option<&File>) -> io::Result<()> {
    let length = u32::try_from(frame.len()).ok().filter(|_| frame.len() <= MAX_FRAME);
    let bytes = [length.ok_or_else(malformed)?.to_le_bytes().as_slice(), frame].concat();
    let mut rest = bytes.as_slice();
    if let Some(file) = file {
        let descriptors = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(malformed());
        }
        let sent = retry_on_intr(|| sendmsg(&*stream, &[IoSlice::new(rest)], &mut control, quiet()))?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    send_all(stream, rest)
}

/// Sends all bytes. If the other side is gone, that is an error and not a signal.
///
/// # Errors
/// When the other side is gone.
pub(super) fn send_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = retry_on_intr(|| send(stream, bytes, quiet()))?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(target_os = "linux")]
const fn quiet() -> SendFlags {
    SendFlags::NOSIGNAL
}

#[cfg(not(target_os = "linux"))]
const fn quiet() -> SendFlags {
    SendFlags::empty()
}

/// Receives a frame, and the file that came with it. `None`: the other side has closed the connection.
pub(super) fn receive_frame(stream: &mut UnixStream) -> io::Result<Option<(Vec<u8>, Option<File>)>> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    let receive = || recvmsg(&*stream, &mut [IoSliceMut::new(&mut length)], &mut control, flags);
    let received = retry_on_intr(receive)?.bytes;
    let mut file = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            file = descriptors.last().map(File::from);
        }
    }
    if received == 0 {
        return Ok(None);
    }
    stream.read_exact(length.get_mut(received..).unwrap_or_default())?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(malformed());
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(Some((frame, file)))
}
