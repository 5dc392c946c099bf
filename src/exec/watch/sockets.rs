//! Sockets: which addresses belong to the run, and which reach outside.
//!
//! A Unix socket that the run bound belongs to it. A loopback port belongs to the run if one of its processes holds a socket
//! bound to it when a connection is made, or if the run binds it later (a client that waits for its server).

use super::access::Observer;
use super::ports::{Holder, Ports};
use super::process::{link, to_path};
use super::stopped::Stopped;
use super::table::{Argument, Call};
use crate::error::{is_inconclusive, means_absent};
use crate::exec::Hazard;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The largest address of any family.
const MAX_ADDRESS: usize = 128;
/// Maximum number of messages and control blocks of one call that are examined.
const MAX_MESSAGES: u64 = 1024;
const MAX_CONTROL: usize = 4096;
const HEADER: usize = 56;
const MESSAGE: u64 = 64;

/// Sockets of name services and displays. What they are asked for does not count.
const TOLERATED: &[&[u8]] = &[
    b"/run/nscd/",
    b"/var/run/nscd/",
    b"/run/systemd/userdb/",
    b"/var/lib/sss/pipes/",
    b"/tmp/.X11-unix/",
    b"@/tmp/.X11-unix/",
];

/// The addresses that the run's sockets are bound to.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    names: FxHashSet<Vec<u8>>,
    ports: BTreeSet<u16>,
    /// Loopback ports that were connected to while no process held them.
    awaited: BTreeSet<SocketAddr>,
    /// The threads of the run. Their processes hold the run's sockets.
    processes: FxHashSet<libc::pid_t>,
    /// Loopback addresses that belong to a process outside of the run.
    outside: BTreeSet<SocketAddr>,
    held: Ports,
}

enum Address {
    Inet(SocketAddr),
    /// A path as given, or an abstract name after `@`.
    Unix(Vec<u8>),
    Harmless,
    Other(i32),
}

impl Sockets {
    /// Observes a call that names an address.
    ///
    /// # Errors
    /// When the caller's memory cannot be read.
    pub(super) fn observe(
        &mut self,
        stopped: &Stopped<'_>,
        call: Call,
        observer: &mut Observer<'_>,
    ) -> io::Result<()> {
        let argument = |which| stopped.argument(which);
        match call {
            Call::Connect | Call::Bind => {
                let address = address(stopped, argument(Argument::A1), argument(Argument::A2))?;
                if call == Call::Bind {
                    self.bind(stopped, address, observer);
                } else {
                    self.reach(stopped, address, observer);
                }
            }
            Call::SendTo => {
                let length = stopped.arguments.get(5).copied().unwrap_or(0);
                let address = address(stopped, argument(Argument::A4), length)?;
                self.reach(stopped, address, observer);
            }
            Call::SendMessage => self.message(stopped, argument(Argument::A1), observer)?,
            Call::SendMessages => {
                let count = argument(Argument::A2) & 0xffff_ffff;
                for index in 0..count.min(MAX_MESSAGES) {
                    let at = argument(Argument::A1).wrapping_add(index * MESSAGE);
                    self.message(stopped, at, observer)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A thread of the run made a call.
    pub(super) fn seen(&mut self, tid: libc::pid_t) {
        self.processes.insert(tid);
    }

    /// The addresses that the run reached and that never belonged to it.
    pub(super) fn into_hazards(self) -> impl Iterator<Item = Hazard> {
        let ports = self.ports;
        let outside = self.awaited.into_iter().filter(move |address| !ports.contains(&address.port()));
        outside.map(|address| Hazard::Network(address.to_string()))
    }

    fn bind(&mut self, stopped: &Stopped<'_>, address: Address, observer: &mut Observer<'_>) {
        match address {
            Address::Inet(address) => {
                self.ports.insert(address.port());
                if !address.ip().is_loopback() {
                    observer.hazard(Hazard::Network(address.to_string()));
                }
            }
            Address::Unix(name) if name.starts_with(b"@") || name.is_empty() => {
                self.names.insert(name);
            }
            Address::Unix(name) => {
                if let Some(path) = absolute(stopped.tid, &name, observer) {
                    let named = observer.clean(&path);
                    observer.make(&named);
                    self.names.insert(named.path);
                }
            }
            Address::Harmless => {}
            Address::Other(family) => {
                observer.hazard(Hazard::Network(format!("an address of family {family}")));
            }
        }
    }

    fn reach(&mut self, stopped: &Stopped<'_>, address: Address, observer: &mut Observer<'_>) {
        match address {
            // A second connection to the outside adds nothing.
            Address::Inet(address) if self.outside.contains(&address) => {}
            Address::Inet(address) if address.ip().is_loopback() || address.ip().is_unspecified() => {
                match self.held.holder(address, &self.processes) {
                    Holder::Run => {}
                    Holder::Nobody => {
                        self.awaited.insert(address);
                    }
                    Holder::Outside => {
                        self.outside.insert(address);
                        observer.hazard(Hazard::Network(address.to_string()));
                    }
                }
            }
            Address::Inet(address) => observer.hazard(Hazard::Network(address.to_string())),
            Address::Unix(name) if name.starts_with(b"@") => {
                if !self.names.contains(&name) && !is_tolerated(&name) {
                    observer.hazard(Hazard::Socket(to_path(name)));
                }
            }
            Address::Unix(name) => {
                let Some(path) = absolute(stopped.tid, &name, observer) else { return };
                let named = observer.clean(&path);
                if is_tolerated(&named.path) || self.names.contains(&named.path) {
                    return;
                }
                observer.look(&named, true);
                let there = fs::metadata(super::process::as_path(&named.path));
                let is_absent = there.is_err_and(|error| means_absent(&error));
                if !is_absent && !observer.is_own(&named.path) {
                    observer.hazard(Hazard::Socket(to_path(named.path)));
                }
            }
            Address::Harmless => {}
            Address::Other(family) => {
                observer.hazard(Hazard::Network(format!("an address of family {family}")));
            }
        }
    }

    /// `struct msghdr`: an address, and descriptors that are sent.
    fn message(&mut self, stopped: &Stopped<'_>, at: u64, observer: &mut Observer<'_>) -> io::Result<()> {
        let mut header = [0; HEADER];
        stopped.memory(at, &mut header)?;
        let name = long(&header, 0);
        let length = long(&header, 8) & 0xffff_ffff;
        if name != 0 && length != 0 {
            let address = address(stopped, name, length)?;
            self.reach(stopped, address, observer);
        }
        let (control, length) = (long(&header, 32), usize::try_from(long(&header, 40)).unwrap_or(usize::MAX));
        if control != 0 && length != 0 {
            if length > MAX_CONTROL {
                observer.hazard(Hazard::Incomplete("sendmsg: too much control data".to_owned()));
                return Ok(());
            }
            let mut bytes = vec![0; length];
            stopped.memory(control, &mut bytes)?;
            for descriptor in passed(&bytes) {
                observer.descriptors.opened(stopped.tid, descriptor);
            }
        }
        Ok(())
    }
}

fn address(stopped: &Stopped<'_>, at: u64, length: u64) -> io::Result<Address> {
    let length = usize::try_from(length & 0xffff_ffff).unwrap_or(MAX_ADDRESS).min(MAX_ADDRESS);
    let mut buffer = [0; MAX_ADDRESS];
    let bytes = buffer.get_mut(..length).unwrap_or_default();
    stopped.memory(at, bytes)?;
    Ok(parse(bytes))
}

fn parse(bytes: &[u8]) -> Address {
    let half = |at: usize| bytes.get(at..at + 2)?.try_into().ok();
    let Some(family) = half(0).map(u16::from_ne_bytes) else { return Address::Harmless };
    let port = half(2).map_or(0, u16::from_be_bytes);
    match i32::from(family) {
        libc::AF_UNSPEC | libc::AF_NETLINK => Address::Harmless,
        libc::AF_INET => {
            let ip: Option<[u8; 4]> = bytes.get(4..8).and_then(|bytes| bytes.try_into().ok());
            ip.map_or(Address::Harmless, |ip| {
                Address::Inet(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port))
            })
        }
        libc::AF_INET6 => {
            let ip: Option<[u8; 16]> = bytes.get(8..24).and_then(|bytes| bytes.try_into().ok());
            ip.map_or(Address::Harmless, |ip| {
                let ip = Ipv6Addr::from(ip);
                let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
                Address::Inet(SocketAddr::new(ip, port))
            })
        }
        libc::AF_UNIX => {
            let name = bytes.get(2..).unwrap_or_default();
            match name.split_first() {
                None => Address::Unix(Vec::new()),
                Some((0, rest)) => Address::Unix([b"@".as_slice(), rest].concat()),
                Some(_) => {
                    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                    Address::Unix(name.get(..end).unwrap_or_default().to_vec())
                }
            }
        }
        family => Address::Other(family),
    }
}

/// The path of a socket; `None` for one without a name, or of a process that has ended.
fn absolute(tid: libc::pid_t, name: &[u8], observer: &mut Observer<'_>) -> Option<Vec<u8>> {
    if name.is_empty() {
        return None;
    }
    if name.starts_with(b"/") {
        return Some(name.to_vec());
    }
    match link(tid, "cwd") {
        Ok(directory) => Some([&directory, b"/".as_slice(), name].concat()),
        Err(error) => {
            if is_inconclusive(&error) {
                observer.hazard(Hazard::Socket(to_path(name.to_vec())));
            }
            None
        }
    }
}

fn is_tolerated(name: &[u8]) -> bool {
    let is_wayland = || {
        let mut names = name.rsplitn(2, |byte| *byte == b'/');
        let last = names.next().unwrap_or_default();
        last.starts_with(b"wayland-") && names.next().is_some_and(|above| above.starts_with(b"/run/user/"))
    };
    TOLERATED.iter().any(|known| name.starts_with(known)) || is_wayland()
}

/// The descriptors in a block of control messages.
fn passed(control: &[u8]) -> Vec<i32> {
    let mut found = Vec::new();
    let mut rest = control;
    while let Some(header) = rest.get(..16) {
        let length = usize::try_from(long(header, 0)).unwrap_or(usize::MAX);
        let (level, kind) = (long(header, 8) & 0xffff_ffff, long(header, 8) >> 32);
        if length < 16 || length > rest.len() {
            break;
        }
        if level == libc::SOL_SOCKET as u64 && kind == libc::SCM_RIGHTS as u64 {
            let numbers = rest.get(16..length).unwrap_or_default();
            found.extend(
                numbers.chunks_exact(4).filter_map(|number| number.try_into().ok().map(i32::from_ne_bytes)),
            );
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
    }
    found
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}
