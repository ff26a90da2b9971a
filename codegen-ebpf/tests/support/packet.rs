//! Ethernet frames made to measure.

use std::net::IpAddr;

use ir::port::Protocol;

/// TCP flags.
pub(crate) const SYN: u8 = 0x02;
pub(crate) const SYN_ACK: u8 = 0x12;
pub(crate) const ACK: u8 = 0x10;

/// How the IP packet is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// It is not.
    Whole,
    /// The first fragment, with the transport header.
    First,
    /// A later one.
    Later,
}

/// An IPv6 extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// Hop-by-hop, routing or destination options (0, 43, 60), this many units of 8 bytes beyond the first.
    Options(u8, u8),
}

/// What lies around and between the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// IPv4: words of options, 0 to 10.
    pub(crate) options: u8,
    /// IPv6: headers before the transport, fragment header apart.
    pub(crate) extensions: Vec<Extension>,
    pub(crate) fragment: Fragment,
    /// An 802.1Q tag in the bytes.
    pub(crate) vlan: bool,
    /// Bytes behind the transport header.
    pub(crate) payload: usize,
}

impl Shape {
    pub(crate) const PLAIN: Self = Self {
        options: 0,
        extensions: Vec::new(),
        fragment: Fragment::Whole,
        vlan: false,
        payload: 4,
    };
}

/// One packet. For ICMP echo `source_port` is the identifier; for ICMP `destination_port` is the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: Protocol,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) flags: u8,
    pub(crate) shape: Shape,
}

impl Segment {
    /// The frame, and how many of its bytes a judge has to see.
    pub(crate) fn frame(&self) -> (Vec<u8>, usize) {
        let transport = self.transport();
        let transport_number = number(self.protocol);
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if self.shape.vlan {
            frame.extend([0x81, 0x00, 0x00, 0x2a]);
        }
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend([0x08, 0x00]);
                let options = usize::from(self.shape.options) * 4;
                let length = (20 + options + transport.len() + self.shape.payload) as u16;
                let fragment: u16 = match self.shape.fragment {
                    Fragment::Whole => 0x4000,
                    Fragment::First => 0x2000,
                    Fragment::Later => 0x0010,
                };
                frame.extend([0x45 + self.shape.options, 0]);
                frame.extend(length.to_be_bytes());
                frame.extend([0x12, 0x34]);
                frame.extend(fragment.to_be_bytes());
                frame.extend([64, transport_number, 0, 0]);
                frame.extend(source.octets());
                frame.extend(destination.octets());
                frame.extend(vec![1; options]);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame.extend([0x86, 0xdd]);
                let (extensions, first) = self.extensions(transport_number);
                let length = (extensions.len() + transport.len() + self.shape.payload) as u16;
                frame.extend([0x60, 0, 0, 0]);
                frame.extend(length.to_be_bytes());
                frame.extend([first, 64]);
                frame.extend(source.octets());
                frame.extend(destination.octets());
                frame.extend(extensions);
            }
            families => panic!("one packet, two families: {families:?}"),
        }
        // Behind a later fragment's IP header lies the middle of a message.
        let mut needed = frame.len();
        if self.shape.fragment != Fragment::Later {
            needed += transport.len();
        } else if self.source.is_ipv4() {
            // That it is a later fragment shows before the options.
            needed -= usize::from(self.shape.options) * 4;
        }
        frame.extend(transport);
        frame.extend(std::iter::repeat_n(0xa5, self.shape.payload));
        (frame, needed)
    }

    /// The extension headers and the number of the first header.
    fn extensions(&self, transport: u8) -> (Vec<u8>, u8) {
        let mut kinds: Vec<u8> = self
            .shape
            .extensions
            .iter()
            .map(|Extension::Options(kind, _)| *kind)
            .collect();
        if self.shape.fragment != Fragment::Whole {
            kinds.push(44);
        }
        kinds.push(transport);
        let mut bytes = Vec::new();
        for (at, Extension::Options(_, units)) in self.shape.extensions.iter().enumerate() {
            bytes.extend([kinds[at + 1], *units]);
            bytes.extend(vec![0; 6 + usize::from(*units) * 8]);
        }
        match self.shape.fragment {
            Fragment::Whole => {}
            Fragment::First => bytes.extend([transport, 0, 0, 1, 0, 0, 0, 9]),
            Fragment::Later => bytes.extend([transport, 0, 0, 0x40, 0, 0, 0, 9]),
        }
        (bytes, kinds[0])
    }

    fn transport(&self) -> Vec<u8> {
        let ports = [
            self.source_port.to_be_bytes(),
            self.destination_port.to_be_bytes(),
        ]
        .concat();
        let rest = |len: usize| vec![0; len];
        match self.protocol {
            Protocol::Tcp => [ports, rest(8), vec![0x50, self.flags], rest(6)].concat(),
            Protocol::Udp => [ports, vec![0, 8, 0, 0]].concat(),
            Protocol::Sctp => [ports, rest(8)].concat(),
            Protocol::Icmp | Protocol::Icmpv6 => [
                vec![self.destination_port as u8, 0, 0, 0],
                self.source_port.to_be_bytes().to_vec(),
                rest(2),
            ]
            .concat(),
            Protocol::Other => Vec::new(),
        }
    }
}

/// The IP protocol number; for "other", generic routing encapsulation.
pub(crate) fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
        Protocol::Icmp => 1,
        Protocol::Icmpv6 => 58,
        Protocol::Other => 47,
    }
}
