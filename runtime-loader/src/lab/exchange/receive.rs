//! What a ready socket has to say, and which probe it is about.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;

use ir::port::Protocol;
use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::super::evidence::Drop;
use super::super::probe::{Question, Tuple};
use super::super::{handshake, message, sockets};
use super::{Exchange, ExchangeError, Watched};

impl Exchange<'_> {
    /// Credits a drop to the probe whose packet or answer it was.
    pub(super) fn note_drop(&mut self, drop: Drop) {
        if let Some(seen) = self
            .by_tuple
            .get(&drop.tuple)
            .and_then(|index| self.seen.get_mut(*index))
        {
            seen.dropped.push(drop);
        } else if let Some(&index) = self.by_tuple.get(&drop.tuple.reversed())
            // The receiver of a handshake's second segment answers with a reset, which nobody waits for.
            && !self.is_stray_handshake(index)
            && let Some(seen) = self.seen.get_mut(index)
        {
            seen.answer_dropped.push(drop);
        }
        // Anything else is the kernel's own (multicast reports, say) and no probe's.
    }

    /// Reads what a ready socket has; it goes back under its token unless it is done.
    pub(super) fn handle(&mut self, token: u64, socket: Watched) -> Result<(), ExchangeError> {
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
                if let Some((message::ASKING, probe)) = message::read(self.nonce, &got) {
                    got.clear();
                    self.arrived(probe);
                    // A full send buffer is impossible for thirteen bytes.
                    let _ = stream.write(&message::write(self.nonce, message::ANSWERING, probe));
                }
                open.then_some(Watched::Accepted { stream, got })
            }
            Watched::Datagrams { socket } => {
                let mut buffer = [0; 64];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    match buffer
                        .get(..length)
                        .and_then(|bytes| message::read(self.nonce, bytes))
                    {
                        Some((message::ASKING, probe)) => {
                            self.arrived(probe);
                            let _ =
                                socket.send_to(&message::write(self.nonce, message::ANSWERING, probe), from);
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
                if message::read(self.nonce, &got) == Some((message::ANSWERING, probe)) {
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
                                .and_then(|bytes| message::read(self.nonce, bytes));
                            if answer == Some((message::ANSWERING, probe)) {
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
            Watched::Raw { socket, at } => {
                let mut buffer = [0; 256];
                while let Ok((length, from)) = sockets::receive_raw(&socket, &mut buffer) {
                    let packet = buffer.get(..length).unwrap_or_default();
                    let from = from.or_else(|| handshake::ipv4_source(packet));
                    if let (Some(from), Some((source, destination))) =
                        (from, handshake::read_syn_ack(packet, at))
                        && let Some(&probe) = self.by_tuple.get(&Tuple {
                            protocol: Protocol::Tcp,
                            source: (from, source).into(),
                            destination: (at, destination).into(),
                        })
                        && self.is_stray_handshake(probe)
                    {
                        // Nothing comes back on this path: to have arrived is all.
                        self.arrived(probe);
                        self.answered(probe);
                    }
                }
                Some(Watched::Raw { socket, at })
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
                if let Err(error) = stream.write(&message::write(self.nonce, message::ASKING, probe)) {
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

    fn is_stray_handshake(&self, probe: usize) -> bool {
        self.probes.get(probe).is_some_and(|probe| {
            probe.question == Question::UnsolicitedReply && probe.protocol == Protocol::Tcp
        })
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
