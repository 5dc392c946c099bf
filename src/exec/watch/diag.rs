//! Asks the kernel for the sockets that listen on one port (`NETLINK_SOCK_DIAG`). That takes some microseconds; reading the
//! tables of all sockets takes milliseconds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
const REQUEST: usize = 16 + 56;
/// Where an answer has the error of `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: usize = 16;
/// Where an answer (`struct inet_diag_msg`) has the number of the socket.
const INODE: usize = 16 + 68;
/// States of a socket that waits for a peer: `TCP_LISTEN`, and `TCP_CLOSE` as the state of UDP.
const ALL_STATES: u32 = u32::MAX;

/// The socket for questions to the kernel, opened with the first question.
#[derive(Debug, Default)]
pub(super) struct Diag(State);

#[derive(Debug, Default)]
enum State {
    #[default]
    New,
    Open(OwnedFd),
    /// The kernel refuses such sockets.
    Refused,
}

/// What an answer says.
enum Answer {
    Socket(u64),
    None,
    Refused,
}

impl Diag {
    /// The inodes of the TCP and UDP sockets that data sent to `address` reaches. `None` where the kernel cannot be asked.
    pub(super) fn waiting_at(&mut self, address: SocketAddr) -> Option<Vec<u64>> {
        if matches!(self.0, State::New) {
            self.0 = open().ok().filter(can_ask).map_or(State::Refused, State::Open);
        }
        let State::Open(socket) = &self.0 else { return None };
        let mut found = Vec::new();
        for protocol in [libc::IPPROTO_TCP, libc::IPPROTO_UDP] {
            match ask(socket, &request(protocol, Some(address))) {
                Answer::Socket(number) => found.push(number),
                Answer::None => {}
                Answer::Refused => {
                    self.0 = State::Refused;
                    return None;
                }
            }
        }
        Some(found)
    }
}

/// Whether the kernel answers for both protocols. A protocol without a module looks like a port without a listener, unless a
/// list is asked for.
fn can_ask(socket: &OwnedFd) -> bool {
    [libc::IPPROTO_TCP, libc::IPPROTO_UDP]
        .into_iter()
        .all(|protocol| matches!(ask(socket, &request(protocol, None)), Answer::None))
}

/// The question for the socket that `address` reaches; without one, for a list of no sockets.
fn request(protocol: i32, address: Option<SocketAddr>) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = request.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    let list = if address.is_none() { libc::NLM_F_DUMP } else { 0 };
    let flags = u16::try_from(libc::NLM_F_REQUEST | list).unwrap_or(0);
    let is_v6 = address.is_some_and(|address| address.is_ipv6());
    let family = if is_v6 { libc::AF_INET6 } else { libc::AF_INET };
    put(0, &u32::try_from(REQUEST).unwrap_or(0).to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    put(6, &flags.to_ne_bytes());
    put(16, &[family, protocol].map(|number| u8::try_from(number).unwrap_or(0)));
    if let Some(address) = address {
        put(20, &ALL_STATES.to_ne_bytes());
        // The kernel expects the listening end as the source for TCP, and as the destination for UDP.
        let (port, ip) = if protocol == libc::IPPROTO_TCP { (24, 28) } else { (26, 44) };
        put(port, &address.port().to_be_bytes());
        match address.ip() {
            IpAddr::V4(address) => put(ip, &address.octets()),
            IpAddr::V6(address) => put(ip, &address.octets()),
        }
    }
    // No cookie.
    put(64, &[0xff; 8]);
    request
}

/// Sends a question and takes the answer, which is available at once.
#[expect(unsafe_code, reason = "netlink is not wrapped here")]
fn ask(socket: &OwnedFd, request: &[u8; REQUEST]) -> Answer {
    let mut answer = [0_u8; 4096];
    // SAFETY: both buffers are ours and given with their lengths.
    let got = unsafe {
        let sent = libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), libc::MSG_DONTWAIT);
        if usize::try_from(sent) != Ok(request.len()) {
            return Answer::Refused;
        }
        libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT)
    };
    let bytes = usize::try_from(got).ok().and_then(|got| answer.get(..got)).unwrap_or_default();
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_ne_bytes)
    };
    let kind = bytes.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = word(ERROR).map(u32::cast_signed);
    match (kind.map(i32::from), error) {
        (Some(libc::NLMSG_ERROR), Some(error)) if error == -libc::ENOENT => Answer::None,
        (Some(libc::NLMSG_DONE), Some(0)) => Answer::None,
        (Some(kind), _) if kind == i32::from(BY_FAMILY) => {
            word(INODE).map_or(Answer::Refused, |number| Answer::Socket(number.into()))
        }
        _ => Answer::Refused,
    }
}

#[expect(unsafe_code, reason = "netlink is not wrapped here")]
fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers only; a non-negative answer is a new descriptor that nothing else owns.
    unsafe {
        let number = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG);
        if number < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(number)) }
    }
}
