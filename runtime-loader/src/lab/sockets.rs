//! Making sockets, in the calling thread's namespace. None of them ever blocks.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind,
    connect as connect_to, listen as listen_on, recvfrom, sendto, setsockopt, socket, sockopt,
};

use super::probe::Tuple;

/// What was tried, as an infinitive, and why it failed.
pub(super) type Failed = (String, io::Error);

/// A probe's socket.
pub(super) enum Client {
    /// TCP, connecting.
    Stream(TcpStream),
    /// UDP, connected: an ICMP error comes back as an error of the socket.
    Datagrams(UdpSocket),
}

/// Connections that may wait to be accepted. One thread accepts for everybody, so a whole wave may.
const BACKLOG: i32 = 4096;

/// A TCP listener on exactly this address.
pub(super) fn listen(at: SocketAddr) -> Result<(SocketAddr, TcpListener), Failed> {
    let make = || -> nix::Result<TcpListener> {
        let listener = stream(at)?;
        setsockopt(&listener, sockopt::ReuseAddr, &true)?;
        bind(listener.as_raw_fd(), &SockaddrStorage::from(at))?;
        listen_on(&listener, Backlog::new(BACKLOG)?)?;
        Ok(listener.into())
    };
    make()
        .map(|listener| (at, listener))
        .map_err(|errno| (format!("listen on TCP {at}"), errno.into()))
}

/// A UDP socket on exactly this address: its answers then come from there, too.
pub(super) fn datagrams(at: SocketAddr) -> Result<(SocketAddr, UdpSocket), Failed> {
    let make = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(at)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    make()
        .map(|socket| (at, socket))
        .map_err(|source| (format!("listen on UDP {at}"), source))
}

/// A TCP connection under way from the tuple's source to its destination.
pub(super) fn connect(tuple: Tuple) -> Result<TcpStream, Failed> {
    let make = || -> nix::Result<TcpStream> {
        let client = stream(tuple.source)?;
        setsockopt(&client, sockopt::ReuseAddr, &true)?;
        bind(client.as_raw_fd(), &SockaddrStorage::from(tuple.source))?;
        match connect_to(client.as_raw_fd(), &SockaddrStorage::from(tuple.destination)) {
            Ok(()) | Err(nix::Error::EINPROGRESS) => Ok(client.into()),
            Err(errno) => Err(errno),
        }
    };
    make().map_err(|errno| (format!("open {tuple}"), errno.into()))
}

/// A UDP socket from the tuple's source, connected to its destination.
pub(super) fn connected_datagrams(tuple: Tuple) -> Result<UdpSocket, Failed> {
    let make = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(tuple.source)?;
        socket.set_nonblocking(true)?;
        socket.connect(tuple.destination)?;
        Ok(socket)
    };
    make().map_err(|source| (format!("open {tuple}"), source))
}

/// A raw TCP socket on exactly this address: it sends segments that no connection would, and sees copies of all that
/// arrive.
pub(super) fn raw(at: IpAddr) -> Result<(IpAddr, OwnedFd), Failed> {
    let make = || -> nix::Result<OwnedFd> {
        let family = if at.is_ipv4() {
            AddressFamily::Inet
        } else {
            AddressFamily::Inet6
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let raw = socket(family, SockType::Raw, flags, SockProtocol::Tcp)?;
        bind(raw.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from((at, 0))))?;
        Ok(raw)
    };
    make()
        .map(|socket| (at, socket))
        .map_err(|errno| (format!("open a raw TCP socket on {at}"), errno.into()))
}

/// Sends a segment through a raw socket.
pub(super) fn send_raw(socket: &OwnedFd, segment: &[u8], to: IpAddr) -> nix::Result<usize> {
    let to = SockaddrStorage::from(SocketAddr::from((to, 0)));
    sendto(socket.as_raw_fd(), segment, &to, MsgFlags::empty())
}

/// The next packet that a raw socket has, and its sender where that is told apart from the packet (IPv6).
pub(super) fn receive_raw(socket: &OwnedFd, buffer: &mut [u8]) -> nix::Result<(usize, Option<IpAddr>)> {
    let (length, from) = recvfrom::<SockaddrStorage>(socket.as_raw_fd(), buffer)?;
    let from = from.and_then(|from| from.as_sockaddr_in6().map(|from| IpAddr::V6(from.ip())));
    Ok((length, from))
}

fn stream(like: SocketAddr) -> nix::Result<OwnedFd> {
    let family = if like.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    socket(
        family,
        SockType::Stream,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        None,
    )
}

/// Eight bytes that no other run has.
pub(super) fn nonce() -> io::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Raises this process's limit of open files as far as it may.
///
/// # Errors
/// When the kernel refuses even that.
pub fn raise_open_files() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}
