//! Real packets: listeners for everybody, all probes at once, and what is seen of them.
//!
//! Sockets are made in their party's namespace and then driven from one thread by epoll. A probe carries a nonce of
//! the run and its own number; whoever listens sends it back. Lost time cannot change a verdict: what should get
//! through is tried again until the limit, what should not must show its drop event, and listeners stay open to the
//! end for packets that come late.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ir::port::Protocol;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

mod receive;

use super::cancel::Cancel;
use super::evidence::{Drop, DropSource, Observation};
use super::party::{Party, PartyId};
use super::probe::{Probe, Question, Tuple};
use super::topology::Topology;
use super::{handshake, message, sockets};
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
    Raw {
        socket: OwnedFd,
        at: IpAddr,
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
        raw: BTreeMap::new(),
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
    for wave in opening.chunks(WAVE) {
        exchange.start(topology, parties, wave)?;
        exchange.wait(wave, evidence, limit)?;
        exchange.close_probes();
    }
    exchange.listen_raw(topology, parties)?;
    for wave in unsolicited.chunks(WAVE) {
        exchange.start(topology, parties, wave)?;
        exchange.wait(wave, evidence, limit)?;
    }
    exchange.wait_for_quiet(evidence, limit)?;
    Ok(exchange.seen)
}

struct Exchange<'a> {
    epoll: Epoll,
    watched: BTreeMap<u64, Watched>,
    next_token: u64,
    /// The listeners that unsolicited replies are sent from.
    datagram_ports: BTreeMap<SocketAddr, u64>,
    /// The raw sockets, by address.
    raw: BTreeMap<IpAddr, u64>,
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
            let unsolicited = self.probes.iter().filter(|probe| {
                probe.destination == id
                    && probe.question == Question::UnsolicitedReply
                    && probe.protocol == Protocol::Udp
            });
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

    /// Opens the raw sockets that strange handshake segments leave from and are seen on: only now, because they see
    /// every other segment, too.
    fn listen_raw(&mut self, topology: &Topology, parties: &[Party]) -> Result<(), ExchangeError> {
        let mut needed: BTreeMap<PartyId, BTreeSet<IpAddr>> = BTreeMap::new();
        for probe in self.probes {
            if probe.question == Question::UnsolicitedReply && probe.protocol == Protocol::Tcp {
                needed.entry(probe.source).or_default().insert(probe.from.ip());
                needed.entry(probe.destination).or_default().insert(probe.to.ip());
            }
        }
        for (id, addresses) in needed {
            let Some(party) = parties.get(id.0) else { continue };
            let Some(namespace) = topology.namespace_of(id, party) else {
                continue;
            };
            let made = namespace.run(move || {
                addresses
                    .into_iter()
                    .map(sockets::raw)
                    .collect::<Result<Vec<_>, _>>()
            })?;
            let failed = |(action, source)| ExchangeError::Socket {
                party: party.label.clone(),
                action,
                source,
            };
            for (at, socket) in made.map_err(failed)? {
                let token = self.watch(Watched::Raw { socket, at }, EpollFlags::EPOLLIN)?;
                self.raw.insert(at, token);
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
            Watched::Raw { socket, .. } => socket.as_fd(),
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
    fn wait_for_quiet(
        &mut self,
        evidence: &mut [Box<dyn DropSource>],
        limit: Duration,
    ) -> Result<(), ExchangeError> {
        let begin = Instant::now();
        while self.turn(evidence, QUIET)? && begin.elapsed() < limit {}
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

    fn ask(&self, socket: &UdpSocket, probe: usize) {
        // What cannot be sent now is sent again; an error that stays is read from the socket.
        let _ = socket.send(&message::write(self.nonce, message::ASKING, probe));
    }

    fn send_from_listener(&self, index: usize) {
        let Some(probe) = self.probes.get(index) else {
            return;
        };
        let token = match probe.protocol {
            Protocol::Tcp => self.raw.get(&probe.from.ip()),
            _ => self.datagram_ports.get(&probe.from),
        };
        // What cannot be sent now is sent again.
        match token.and_then(|token| self.watched.get(token)) {
            Some(Watched::Datagrams { socket }) => {
                let _ = socket.send_to(&message::write(self.nonce, message::ASKING, index), probe.to);
            }
            Some(Watched::Raw { socket, .. }) => {
                let _ = sockets::send_raw(socket, &handshake::syn_ack(probe.from, probe.to), probe.to.ip());
            }
            _ => {}
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
