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

/// Where everyone listens.
pub(super) const PORT: u16 = 5353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The longest datagram there is.
const MAX_DATAGRAM_SIZE: usize = 65_536;

/// One to hear the group by and answer from, and one to ask from; of each protocol that there is.
///
/// Answers come to the one who asked alone, and of those that share the group's port only one would get them.
pub(super) struct Sockets {
    v4: Option<Pair>,
    v6: Option<Pair>,
    /// Where it takes part: held while something is sent, as an interface is chosen for the whole socket.
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

/// What a message is sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The group's port, as what is known must be.
    GroupPort,
    /// One of its own, to which answers come.
    OwnPort,
}

impl Sockets {
    /// Opens them and takes part on every interface that can.
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

    /// Takes part on interfaces that have come since.
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

    /// Sends to everyone, on every interface; one that cannot is passed over, as others may.
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

    /// Answers one who asked, as everyone else does not need to know; all of them, where that is how it asked.
    pub(super) fn answer(&self, to: SocketAddr, alone: bool, bytes: &[u8]) {
        if to.port() == PORT && !alone {
            return self.multicast(Source::GroupPort, bytes);
        }
        let pair = match to.ip() {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        if let Some(pair) = pair {
            // Lost like any datagram where it cannot be sent: who asked will ask again.
            let _ = SockRef::from(&pair.group).send_to(bytes, &to.into());
        }
    }

    /// The next datagram, and who sent it.
    pub(super) async fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<SocketAddr> {
        buffer.resize(MAX_DATAGRAM_SIZE, 0);
        loop {
            // Of those that are ready each is read in its turn.
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

/// The socket of a pair from which something may be read.
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
        // As RFC 6762 has it in section 11.
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

/// Where to bind so that, where it can be said, only what is for the group comes. (Linux binds to no group of one link.)
fn shared_v4() -> Ipv4Addr {
    match cfg!(unix) {
        true => GROUP_V4,
        false => Ipv4Addr::UNSPECIFIED,
    }
}

fn bind(socket: Socket, address: SocketAddr) -> io::Result<UdpSocket> {
    if address.port() != 0 {
        socket.set_reuse_address(true)?;
        // Linux shares the port by the first alone, and others of the port may not have said the second.
        #[cfg(all(unix, not(target_os = "linux")))]
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
