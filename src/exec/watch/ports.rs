//! Which process listens on a port of this machine. The kernel is asked for that one port, and the answer is remembered by the
//! inode of the socket.

use super::diag::Diag;
use crate::error::means_absent;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The holder of a socket that listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A process of the run.
    Run,
    /// No process.
    Nobody,
    /// Another process.
    Outside,
}

/// What is known of ports.
#[derive(Debug, Default)]
pub(super) struct Ports {
    diag: Diag,
    /// Thread and name of the descriptor by which a process of the run held a socket, by the inode of the socket.
    known: FxHashMap<u64, (libc::pid_t, String)>,
}

impl Ports {
    /// The holder of the socket that a connection to `address` reaches. `processes` are the threads of the run.
    pub(super) fn holder(&mut self, address: SocketAddr, processes: &FxHashSet<libc::pid_t>) -> Holder {
        let address = SocketAddr::new(specified(address.ip()), address.port());
        let sockets = match self.diag.waiting_at(address) {
            Some(sockets) => sockets,
            None => match listed(address.port()) {
                Some(sockets) => sockets,
                None => return Holder::Outside,
            },
        };
        if sockets.is_empty() {
            return Holder::Nobody;
        }
        let held = sockets.iter().any(|socket| self.is_still_held(*socket))
            || processes.iter().any(|tid| self.find(*tid, &sockets));
        if held { Holder::Run } else { Holder::Outside }
    }

    /// Whether the process of the run that was found to hold `socket` still does.
    fn is_still_held(&self, socket: u64) -> bool {
        self.known.get(&socket).is_some_and(|(tid, descriptor)| {
            number_of(&format!("/proc/{tid}/fd/{descriptor}")) == Some(socket)
        })
    }

    /// Looks for one of `sockets` among the descriptors of a thread, and remembers it.
    fn find(&mut self, tid: libc::pid_t, sockets: &[u64]) -> bool {
        let directory = format!("/proc/{tid}/fd");
        let Ok(descriptors) = fs::read_dir(&directory) else { return false };
        for name in descriptors.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if let Some(socket) = number_of(&format!("{directory}/{name}"))
                && sockets.contains(&socket)
            {
                self.known.insert(socket, (tid, name));
                return true;
            }
        }
        false
    }
}

/// The address that a connection to `ip` reaches: the unspecified address is this machine.
fn specified(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    }
}

/// The inode of the socket that the link `path` of `/proc` leads to.
fn number_of(path: &str) -> Option<u64> {
    let target = fs::read_link(path).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The sockets that listen on `port`, by the kernel's tables of all sockets, which are slow to read. `None` where they cannot be
/// read.
fn listed(port: u16) -> Option<Vec<u64>> {
    let mut sockets = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = match fs::read_to_string(format!("/proc/self/net/{table}")) {
            Ok(text) => text,
            // A kernel without IPv6 has no such table.
            Err(error) if means_absent(&error) => continue,
            Err(_) => return None,
        };
        sockets.extend(text.lines().filter_map(|line| waiting(line, port)));
    }
    Some(sockets)
}

/// The inode of the socket in a line of `/proc/net/tcp` or a similar table, if it listens on `port`.
fn waiting(line: &str, port: u16) -> Option<u64> {
    const LISTENING_OR_UNCONNECTED: [&str; 2] = ["0A", "07"];
    let mut words = line.split_whitespace();
    let local = words.nth(1)?;
    let state = words.nth(1)?;
    let socket = words.nth(5)?;
    let at = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    if at == port && LISTENING_OR_UNCONNECTED.contains(&state) { socket.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn a_port_is_found_as_the_tables_have_it() {
        let mut diag = Diag::default();
        let mut both = |address: SocketAddr| {
            let tables = listed(address.port()).unwrap();
            // Where the kernel is not to be asked, there is nothing to compare.
            let asked = diag.waiting_at(address).unwrap_or_else(|| tables.clone());
            assert_eq!(asked, tables, "{address}");
            asked.len()
        };
        for ip in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            let Ok(tcp) = TcpListener::bind((ip, 0)) else { continue };
            let at = tcp.local_addr().unwrap();
            let at = SocketAddr::new(specified(at.ip()), at.port());
            assert_eq!(both(at), 1, "{ip}");
            if ip == "::" && !fs::read_to_string("/proc/sys/net/ipv6/bindv6only").unwrap().starts_with('1') {
                assert_eq!(both(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), at.port())), 1);
            }
            drop(tcp);
            assert_eq!(both(at), 0, "{ip}");
            let udp = UdpSocket::bind((ip, 0)).unwrap();
            let at = udp.local_addr().unwrap();
            assert_eq!(both(SocketAddr::new(specified(at.ip()), at.port())), 1, "{ip}");
        }
    }

    #[test]
    fn a_socket_of_the_run_is_told_from_another_and_remembered() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let us = std::process::id().cast_signed();
        let mut ports = Ports::default();
        assert_eq!(ports.holder(address, &FxHashSet::default()), Holder::Outside);
        assert_eq!(ports.holder(address, &[us].into_iter().collect()), Holder::Run);
        assert_eq!(ports.known.len(), 1);
        assert_eq!(ports.holder(address, &FxHashSet::default()), Holder::Run, "it was not remembered");
        drop(socket);
        assert_eq!(ports.holder(address, &[us].into_iter().collect()), Holder::Nobody);
    }
}
