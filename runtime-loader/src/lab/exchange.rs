//! Real packets: listeners for everybody, all probes at once, and what is seen of them.
//!
//! Sockets are made in their party's namespace and then driven from one thread by epoll. A probe carries a nonce of
//! the run and its own number; whoever listens sends it back. Lost time cannot change a verdict: what should get
//! through is tried again until the limit, what should not must show its drop event, and listeners stay open to the
//! end for packets that come late.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ir::port::Protocol;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::cancel::Cancel;
use super::evidence::{Drop, DropSource, Observation};
use super::party::{Party, PartyId};
use super::probe::{Probe, Question, Tuple};
use super::sockets;
use super::topology::Topology;
use crate::netns::NetnsError;

/// How long a probe may go without any evidence before it is given up: several of TCP's and our own repetitions.
pub const LIMIT: Duration = Duration::from_secs(15);
/// How often a datagram is sent again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long nothing may happen before the listeners are closed.
const QUIET: Duration = Duration::from_millis(150);
/// How many probes are under way at once: bounds open files and the burst that ring buffers must hold.
const WAVE: usize = 1024;

/// Why probing stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// A namespace's thread.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// A socket of ours could not be made.
    #[error("`{party}` cannot {action}: {source}")]
    Socket {
        /// Whose.
        party: String,
        /// What was tried, as an infinitive.
        action: String,
        /// The system call's error.
        source: io::Error,
    },
    /// Waiting failed.
    #[error("cannot wait for sockets: {0}")]
    Wait(#[from] nix::Error),
    /// Drop events cannot be read.
    #[error("cannot read drop events: {0}")]
    Evidence(String),
    /// The run's nonce could not be drawn.
    #[error("cannot read /dev/urandom: {0}")]
    Nonce(io::Error),
    /// A signal came in between.
    #[error("interrupted")]
    Interrupted,
}

/// A message: the run's nonce, which way, the probe's number.
const MESSAGE: usize = 13;
const ASKING: u8 = b'?';
const ANSWERING: u8 = b'!';

fn message(nonce: [u8; 8], way: u8, probe: usize) -> [u8; MESSAGE] {
    let mut bytes = [0; MESSAGE];
    let number = u32::try_from(probe).unwrap_or(u32::MAX).to_be_bytes();
    for (to, from) in bytes.iter_mut().zip(nonce.into_iter().chain([way]).chain(number)) {
        *to = from;
    }
    bytes
}

fn read_message(nonce: [u8; 8], bytes: &[u8]) -> Option<(u8, usize)> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let (way, number) = rest.split_first()?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    (*head == nonce).then_some((*way, number as usize))
}

/// A socket that epoll watches.
enum Watched {
    Listener {
        socket: TcpListener,
        at: SocketAddr,
    },
    Accepted {
        stream: TcpStream,
        got: Vec<u8>,
    },
    Datagrams {
        socket: UdpSocket,
    },
    Connecting {
        stream: TcpStream,
        probe: usize,
    },
    Asked {
        stream: TcpStream,
        probe: usize,
        got: Vec<u8>,
    },
    DatagramProbe {
        socket: UdpSocket,
        probe: usize,
    },
}

/// Sends all probes and says what was seen of each, in their order.
///
/// # Errors
/// When a socket of our own fails, evidence cannot be read, or a signal comes.
pub fn run(
    topology: &Topology,
    parties: &[Party],
    ports: &BTreeSet<u16>,
    probes: &[Probe],
    evidence: &mut [Box<dyn DropSource>],
    limit: Duration,
    cancel: &Cancel,
) -> Result<Vec<Observation>, ExchangeError> {
    let mut exchange = Exchange {
        epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        watched: BTreeMap::new(),
        next_token: 1,
        datagram_ports: BTreeMap::new(),
        by_tuple: probes
            .iter()
            .enumerate()
            .map(|(index, probe)| (probe.tuple(), index))
            .collect(),
        nonce: sockets::nonce().map_err(ExchangeError::Nonce)?,
        probes,
        seen: vec![Observation::default(); probes.len()],
        drops: Vec::new(),
        cancel,
    };
    exchange
        .epoll
        .add(cancel.descriptor(), EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    for source in evidence.iter() {
        if let Some(descriptor) = source.descriptor() {
            exchange.epoll.add(
                descriptor,
                EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0),
            )?;
        }
    }
    exchange.listen(topology, parties, ports)?;
    let all: Vec<usize> = (0..probes.len()).collect();
    // Unsolicited replies come last: until then no flow of theirs may have left a trace in a connection table.
    let (opening, unsolicited): (Vec<usize>, Vec<usize>) = all.into_iter().partition(|index| {
        probes
            .get(*index)
            .is_some_and(|probe| probe.question == Question::Open)
    });
    for wave in opening.chunks(WAVE).chain(unsolicited.chunks(WAVE)) {
        exchange.start(topology, parties, wave)?;
        exchange.wait(wave, evidence, limit)?;
        exchange.close_probes();
    }
    exchange.wait_for_quiet(evidence)?;
    Ok(exchange.seen)
}

struct Exchange<'a> {
    epoll: Epoll,
    watched: BTreeMap<u64, Watched>,
    next_token: u64,
    /// The listeners that unsolicited replies are sent from.
    datagram_ports: BTreeMap<SocketAddr, u64>,
    by_tuple: BTreeMap<Tuple, usize>,
    nonce: [u8; 8],
    probes: &'a [Probe],
    seen: Vec<Observation>,
    drops: Vec<Drop>,
    cancel: &'a Cancel,
}

impl Exchange<'_> {
    /// Every party listens on every port that matters, and where unsolicited replies are to be met.
    fn listen(
        &mut self,
        topology: &Topology,
        parties: &[Party],
        ports: &BTreeSet<u16>,
    ) -> Result<(), ExchangeError> {
        for (position, party) in parties.iter().enumerate() {
            let id = PartyId(position);
            let Some(namespace) = topology.namespace_of(id, party) else {
                continue;
            };
            let on_all = party
                .addresses
                .iter()
                .flat_map(|address| ports.iter().map(move |port| SocketAddr::from((*address, *port))));
            let streams: Vec<SocketAddr> = on_all.clone().collect();
            let unsolicited = self
                .probes
                .iter()
                .filter(|probe| probe.destination == id && probe.question == Question::UnsolicitedReply);
            let datagrams: Vec<SocketAddr> = on_all.chain(unsolicited.map(|probe| probe.to)).collect();
            let (listeners, sockets) = namespace.run(move || {
                let listeners: Result<Vec<_>, _> = streams.into_iter().map(sockets::listen).collect();
                let sockets: Result<Vec<_>, _> = datagrams.into_iter().map(sockets::datagrams).collect();
                (listeners, sockets)
            })?;
            let failed = |(action, source)| ExchangeError::Socket {
                party: party.label.clone(),
                action,
                source,
            };
            for (at, socket) in listeners.map_err(failed)? {
                self.watch(Watched::Listener { socket, at }, EpollFlags::EPOLLIN)?;
            }
            for (at, socket) in sockets.map_err(failed)? {
                let token = self.watch(Watched::Datagrams { socket }, EpollFlags::EPOLLIN)?;
                self.datagram_ports.insert(at, token);
            }
        }
        Ok(())
    }

    /// Makes a wave's sockets, namespace by namespace, and sends its first packets.
    fn start(&mut self, topology: &Topology, parties: &[Party], wave: &[usize]) -> Result<(), ExchangeError> {
        let mut by_source: BTreeMap<PartyId, Vec<(usize, Tuple)>> = BTreeMap::new();
        for &index in wave {
            let Some(probe) = self.probes.get(index) else {
                continue;
            };
            match probe.question {
                Question::Open => by_source
                    .entry(probe.source)
                    .or_default()
                    .push((index, probe.tuple())),
                Question::UnsolicitedReply => self.send_from_listener(index),
            }
        }
        for (id, tuples) in by_source {
            let Some(party) = parties.get(id.0) else { continue };
            let Some(namespace) = topology.namespace_of(id, party) else {
                continue;
            };
            let made = namespace.run(move || {
                tuples
                    .into_iter()
                    .map(|(index, tuple)| {
                        let socket = match tuple.protocol {
                            Protocol::Tcp => sockets::connect(tuple).map(sockets::Client::Stream),
                            _ => sockets::connected_datagrams(tuple).map(sockets::Client::Datagrams),
                        };
                        (index, socket)
                    })
                    .collect::<Vec<_>>()
            })?;
            for (index, socket) in made {
                match socket {
                    Ok(sockets::Client::Stream(stream)) => {
                        let flags = EpollFlags::EPOLLOUT;
                        self.watch(Watched::Connecting { stream, probe: index }, flags)?;
                    }
                    Ok(sockets::Client::Datagrams(socket)) => {
                        self.ask(&socket, index);
                        let flags = EpollFlags::EPOLLIN;
                        self.watch(Watched::DatagramProbe { socket, probe: index }, flags)?;
                    }
                    Err((action, source)) => {
                        return Err(ExchangeError::Socket {
                            party: party.label.clone(),
                            action,
                            source,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn watch(&mut self, socket: Watched, flags: EpollFlags) -> Result<u64, ExchangeError> {
        let token = self.next_token;
        self.next_token += 1;
        let descriptor = match &socket {
            Watched::Listener { socket, .. } => socket.as_fd(),
            Watched::Datagrams { socket } | Watched::DatagramProbe { socket, .. } => socket.as_fd(),
            Watched::Accepted { stream, .. }
            | Watched::Connecting { stream, .. }
            | Watched::Asked { stream, .. } => stream.as_fd(),
        };
        self.epoll.add(descriptor, EpollEvent::new(flags, token))?;
        self.watched.insert(token, socket);
        Ok(token)
    }

    /// Drives sockets until every probe of the wave is decided or the limit is over.
    fn wait(
        &mut self,
        wave: &[usize],
        evidence: &mut [Box<dyn DropSource>],
        limit: Duration,
    ) -> Result<(), ExchangeError> {
        let begin = Instant::now();
        let mut sent = begin;
        loop {
            self.turn(evidence, AGAIN)?;
            let undecided: Vec<usize> = wave
                .iter()
                .copied()
                .filter(|index| self.seen.get(*index).is_some_and(|seen| !seen.is_decided()))
                .collect();
            if undecided.is_empty() || begin.elapsed() > limit {
                return Ok(());
            }
            if sent.elapsed() >= AGAIN {
                sent = Instant::now();
                self.send_again(&undecided);
            }
        }
    }

    /// Goes on until nothing has happened for a while: late arrivals and late drops count.
    fn wait_for_quiet(&mut self, evidence: &mut [Box<dyn DropSource>]) -> Result<(), ExchangeError> {
        while self.turn(evidence, QUIET)? {}
        Ok(())
    }

    /// Waits once, and handles whatever is there. False when nothing happened.
    fn turn(&mut self, evidence: &mut [Box<dyn DropSource>], wait: Duration) -> Result<bool, ExchangeError> {
        let mut events = [EpollEvent::empty(); 256];
        let wait = EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::ZERO);
        let count = match self.epoll.wait(&mut events, wait) {
            Ok(count) => count,
            Err(nix::Error::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        if self.cancel.requested().is_some() {
            return Err(ExchangeError::Interrupted);
        }
        for event in events.iter().take(count) {
            // Handlers put the socket back unless it is done.
            if let Some(socket) = self.watched.remove(&event.data()) {
                self.handle(event.data(), socket)?;
            }
        }
        for source in evidence.iter_mut() {
            source.drain(&mut self.drops).map_err(ExchangeError::Evidence)?;
        }
        let any = count > 0 || !self.drops.is_empty();
        for drop in std::mem::take(&mut self.drops) {
            self.note_drop(drop);
        }
        Ok(any)
    }

    fn note_drop(&mut self, drop: Drop) {
        if let Some(seen) = self
            .by_tuple
            .get(&drop.tuple)
            .and_then(|index| self.seen.get_mut(*index))
        {
            seen.dropped.push(drop);
        } else if let Some(seen) = self
            .by_tuple
            .get(&drop.tuple.reversed())
            .and_then(|index| self.seen.get_mut(*index))
        {
            seen.answer_dropped.push(drop);
        }
        // Anything else is the kernel's own (multicast reports, say) and no probe's.
    }

    fn handle(&mut self, token: u64, socket: Watched) -> Result<(), ExchangeError> {
        let keep = match socket {
            Watched::Listener { socket, at } => {
                while let Ok((stream, from)) = socket.accept() {
                    self.note_arrival(Tuple {
                        protocol: Protocol::Tcp,
                        source: from,
                        destination: at,
                    });
                    if stream.set_nonblocking(true).is_ok() {
                        self.watch(
                            Watched::Accepted {
                                stream,
                                got: Vec::new(),
                            },
                            EpollFlags::EPOLLIN,
                        )?;
                    }
                }
                Some(Watched::Listener { socket, at })
            }
            Watched::Accepted { mut stream, mut got } => {
                let open = read_some(&mut stream, &mut got);
                if let Some((ASKING, probe)) = read_message(self.nonce, &got) {
                    got.clear();
                    self.arrived(probe);
                    // A full send buffer is impossible for thirteen bytes.
                    let _ = stream.write(&message(self.nonce, ANSWERING, probe));
                }
                open.then_some(Watched::Accepted { stream, got })
            }
            Watched::Datagrams { socket } => {
                let mut buffer = [0; 64];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    match buffer
                        .get(..length)
                        .and_then(|bytes| read_message(self.nonce, bytes))
                    {
                        Some((ASKING, probe)) => {
                            self.arrived(probe);
                            let _ = socket.send_to(&message(self.nonce, ANSWERING, probe), from);
                        }
                        Some((_, probe)) => self.answered(probe),
                        None => {}
                    }
                }
                Some(Watched::Datagrams { socket })
            }
            Watched::Connecting { stream, probe } => self.connected(token, stream, probe)?,
            Watched::Asked {
                mut stream,
                probe,
                mut got,
            } => {
                let open = read_some(&mut stream, &mut got);
                if read_message(self.nonce, &got) == Some((ANSWERING, probe)) {
                    self.answered(probe);
                    None
                } else if open {
                    Some(Watched::Asked { stream, probe, got })
                } else {
                    self.fail(
                        probe,
                        "the connection was closed before the answer came".to_owned(),
                    );
                    None
                }
            }
            Watched::DatagramProbe { socket, probe } => {
                let mut buffer = [0; 64];
                let mut done = false;
                loop {
                    match socket.recv(&mut buffer) {
                        Ok(length) => {
                            let answer = buffer
                                .get(..length)
                                .and_then(|bytes| read_message(self.nonce, bytes));
                            if answer == Some((ANSWERING, probe)) {
                                self.answered(probe);
                                done = true;
                            }
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) => {
                            self.fail(probe, format!("the datagram came back: {error}"));
                            done = true;
                            break;
                        }
                    }
                }
                (!done).then_some(Watched::DatagramProbe { socket, probe })
            }
        };
        // A socket that is not kept is closed by going out of scope, and epoll forgets it.
        if let Some(socket) = keep {
            self.watched.insert(token, socket);
        }
        Ok(())
    }

    /// A connection attempt has an outcome.
    fn connected(
        &mut self,
        token: u64,
        mut stream: TcpStream,
        probe: usize,
    ) -> Result<Option<Watched>, ExchangeError> {
        match stream.take_error() {
            Ok(None) if stream.peer_addr().is_ok() => {
                if let Err(error) = stream.write(&message(self.nonce, ASKING, probe)) {
                    self.fail(probe, format!("connected, then: {error}"));
                    return Ok(None);
                }
                self.epoll
                    .modify(stream.as_fd(), &mut EpollEvent::new(EpollFlags::EPOLLIN, token))?;
                Ok(Some(Watched::Asked {
                    stream,
                    probe,
                    got: Vec::new(),
                }))
            }
            Ok(None) => Ok(Some(Watched::Connecting { stream, probe })),
            Ok(Some(error)) | Err(error) => {
                self.fail(probe, format!("no connection: {error}"));
                Ok(None)
            }
        }
    }

    fn note_arrival(&mut self, tuple: Tuple) {
        if let Some(&probe) = self.by_tuple.get(&tuple) {
            self.arrived(probe);
        }
    }

    fn arrived(&mut self, probe: usize) {
        if let Some(seen) = self.seen.get_mut(probe) {
            seen.arrived = true;
        }
    }

    fn answered(&mut self, probe: usize) {
        if let Some(seen) = self.seen.get_mut(probe) {
            seen.answered = true;
        }
    }

    fn fail(&mut self, probe: usize, reason: String) {
        if let Some(seen) = self.seen.get_mut(probe) {
            seen.failed.get_or_insert(reason);
        }
    }

    fn ask(&self, socket: &UdpSocket, probe: usize) {
        // What cannot be sent now is sent again; an error that stays is read from the socket.
        let _ = socket.send(&message(self.nonce, ASKING, probe));
    }

    fn send_from_listener(&self, index: usize) {
        let Some(probe) = self.probes.get(index) else {
            return;
        };
        let socket = self
            .datagram_ports
            .get(&probe.from)
            .and_then(|token| self.watched.get(token));
        if let Some(Watched::Datagrams { socket }) = socket {
            let _ = socket.send_to(&message(self.nonce, ASKING, index), probe.to);
        }
    }

    /// Datagrams are lost for good; TCP repeats itself.
    fn send_again(&self, undecided: &[usize]) {
        let undecided: BTreeSet<usize> = undecided.iter().copied().collect();
        for socket in self.watched.values() {
            if let Watched::DatagramProbe { socket, probe } = socket
                && undecided.contains(probe)
            {
                self.ask(socket, *probe);
            }
        }
        for index in undecided {
            if self
                .probes
                .get(index)
                .is_some_and(|probe| probe.question == Question::UnsolicitedReply)
            {
                self.send_from_listener(index);
            }
        }
    }

    /// Closes the senders of a wave that is over; listeners stay.
    fn close_probes(&mut self) {
        self.watched.retain(|_, socket| {
            matches!(
                socket,
                Watched::Listener { .. } | Watched::Accepted { .. } | Watched::Datagrams { .. }
            )
        });
    }
}

/// Reads what is there; false at the end of the stream or on an error.
fn read_some(stream: &mut TcpStream, got: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => got.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
}
