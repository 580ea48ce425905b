//! The sockets of multicast DNS, on every interface.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use if_addrs::IfAddr;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// The port of multicast DNS.
pub(super) const PORT: u16 = 5353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The maximal size of a datagram.
const MAX_DATAGRAM_SIZE: usize = 65_536;

/// Two sockets for each IP version: one receives from the group and answers, one sends queries.
///
/// Answers go to the port of the query. Of several sockets on the port of the group only one would receive them.
pub(super) struct Sockets {
    v4: Option<Pair>,
    v6: Option<Pair>,
    /// The joined interfaces. Locked while sending, as the outgoing interface is set for the whole socket.
    interfaces: Mutex<Interfaces>,
}

struct Pair {
    group: UdpSocket,
    asking: UdpSocket,
}

#[derive(Default)]
struct Interfaces {
    v4: BTreeSet<Ipv4Addr>,
    v6: BTreeSet<u32>,
}

/// The source port of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Port 5353, required for responses.
    GroupPort,
    /// The port of the query socket, which receives the answers.
    OwnPort,
}

impl Sockets {
    /// Opens the sockets and joins the group on every interface that can.
    pub(super) fn open() -> io::Result<Self> {
        let (v4, v6) = (open_v4(), open_v6());
        let failed = v4
            .as_ref()
            .err()
            .map(|error| io::Error::new(error.kind(), error.to_string()));
        let sockets = Sockets {
            v4: v4.ok(),
            v6: v6.ok(),
            interfaces: Mutex::default(),
        };
        sockets.join();
        let interfaces = sockets.interfaces.lock();
        if interfaces.v4.is_empty() && interfaces.v6.is_empty() {
            let none = || io::Error::other("no network interface takes multicast");
            return Err(failed.unwrap_or_else(none));
        }
        drop(interfaces);
        Ok(sockets)
    }

    /// Joins the group on new interfaces.
    pub(super) fn join(&self) {
        let Ok(found) = if_addrs::get_if_addrs() else {
            return;
        };
        let mut interfaces = self.interfaces.lock();
        for interface in found {
            match (&interface.addr, interface.index) {
                (IfAddr::V4(address), _) if !interfaces.v4.contains(&address.ip) => {
                    let Some(pair) = &self.v4 else { continue };
                    let group = SockRef::from(&pair.group);
                    if group.join_multicast_v4(&GROUP_V4, &address.ip).is_ok() {
                        interfaces.v4.insert(address.ip);
                    }
                }
                (IfAddr::V6(_), Some(index)) if !interfaces.v6.contains(&index) => {
                    let Some(pair) = &self.v6 else { continue };
                    let group = SockRef::from(&pair.group);
                    if group.join_multicast_v6(&GROUP_V6, index).is_ok() {
                        interfaces.v6.insert(index);
                    }
                }
                _ => {}
            }
        }
    }

    /// Sends to the group on every interface. Skips interfaces that fail.
    pub(super) fn multicast(&self, from: Source, bytes: &[u8]) {
        let interfaces = self.interfaces.lock();
        if let Some(pair) = &self.v4 {
            let socket = SockRef::from(pair.socket(from));
            let group = SocketAddr::from((GROUP_V4, PORT)).into();
            for address in &interfaces.v4 {
                if socket.set_multicast_if_v4(address).is_ok() {
                    let _ = socket.send_to(bytes, &group);
                }
            }
        }
        if let Some(pair) = &self.v6 {
            let socket = SockRef::from(pair.socket(from));
            let group = SocketAddr::from((GROUP_V6, PORT)).into();
            for index in &interfaces.v6 {
                if socket.set_multicast_if_v6(*index).is_ok() {
                    let _ = socket.send_to(bytes, &group);
                }
            }
        }
    }

    /// Sends an answer to the sender of a query only, or to the group if the query asks for that.
    pub(super) fn answer(&self, to: SocketAddr, alone: bool, bytes: &[u8]) {
        if to.port() == PORT && !alone {
            return self.multicast(Source::GroupPort, bytes);
        }
        let pair = match to.ip() {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        if let Some(pair) = pair {
            // A lost answer is like any lost datagram: the client queries again.
            let _ = SockRef::from(&pair.group).send_to(bytes, &to.into());
        }
    }

    /// Receives the next datagram and its sender.
    pub(super) async fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<SocketAddr> {
        buffer.resize(MAX_DATAGRAM_SIZE, 0);
        loop {
            // Ready sockets are polled in random order.
            let socket: &UdpSocket = tokio::select! {
                ready = either(self.v4.as_ref()) => ready?,
                ready = either(self.v6.as_ref()) => ready?,
            };
            match socket.try_recv_from(buffer) {
                Ok((length, from)) => {
                    buffer.truncate(length);
                    return Ok(from);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Pair {
    fn socket(&self, from: Source) -> &UdpSocket {
        match from {
            Source::GroupPort => &self.group,
            Source::OwnPort => &self.asking,
        }
    }
}

/// Waits until a socket of a pair is readable.
async fn either(pair: Option<&Pair>) -> io::Result<&UdpSocket> {
    let Some(Pair { group, asking }) = pair else {
        return std::future::pending().await;
    };
    tokio::select! {
        ready = group.readable() => ready.map(|()| group),
        ready = asking.readable() => ready.map(|()| asking),
    }
}

fn open_v4() -> io::Result<Pair> {
    let open = |address: SocketAddr| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_multicast_loop_v4(true)?;
        // As required by RFC 6762, section 11.
        socket.set_multicast_ttl_v4(255)?;
        bind(socket, address)
    };
    Ok(Pair {
        group: open((shared_v4(), PORT).into())?,
        asking: open((Ipv4Addr::UNSPECIFIED, 0).into())?,
    })
}

fn open_v6() -> io::Result<Pair> {
    let open = |address: SocketAddr| {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_only_v6(true)?;
        socket.set_multicast_loop_v6(true)?;
        socket.set_multicast_hops_v6(255)?;
        bind(socket, address)
    };
    Ok(Pair {
        group: open((Ipv6Addr::UNSPECIFIED, PORT).into())?,
        asking: open((Ipv6Addr::UNSPECIFIED, 0).into())?,
    })
}

/// The address to bind: the group where possible, so that other datagrams are filtered. (Linux cannot bind a link-local
/// group.)
fn shared_v4() -> Ipv4Addr {
    match cfg!(unix) {
        true => GROUP_V4,
        false => Ipv4Addr::UNSPECIFIED,
    }
}

fn bind(socket: Socket, address: SocketAddr) -> io::Result<UdpSocket> {
    if address.port() != 0 {
        socket.set_reuse_address(true)?;
        // On Linux `SO_REUSEADDR` is enough to share the port, and other processes may not set `SO_REUSEPORT`.
        #[cfg(all(unix, not(target_os = "linux")))]
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
