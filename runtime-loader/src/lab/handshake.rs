//! A TCP segment that nobody asked for: the second of a handshake (SYN and ACK), as a server would send it.
//!
//! No kernel sends one on request, so it is built here (RFC 9293, 3.1) and leaves through a raw socket, the IP header
//! being the kernel's.

use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
/// The protocol's number, in the pseudo-header too.
const TCP: u8 = 6;
const SYN_AND_ACK: u8 = 0x12;

/// The segment, 20 bytes, with its checksum.
pub(super) fn syn_ack(from: SocketAddr, to: SocketAddr) -> [u8; HEADER] {
    let mut segment = Vec::with_capacity(HEADER);
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    // Sequence and acknowledgement numbers: any.
    segment.extend([0x70, 0x63, 0, 1, 0x70, 0x63, 0, 2]);
    // Five words of header; a window; the checksum, 0 while it is computed; no urgent data.
    segment.extend([5 << 4, SYN_AND_ACK, 0xff, 0xff, 0, 0, 0, 0]);
    let [high, low] = checksum(from.ip(), to.ip(), &segment).to_be_bytes();
    let mut bytes = [0; HEADER];
    for (position, (to, from)) in bytes.iter_mut().zip(segment).enumerate() {
        *to = match position {
            16 => high,
            17 => low,
            _ => from,
        };
    }
    bytes
}

/// The ports of a SYN-ACK as a raw socket reads it: with the IP header in IPv4, without in IPv6 (raw(7), ipv6(7)).
/// Nothing for any other segment.
pub(super) fn read_syn_ack(packet: &[u8], at: IpAddr) -> Option<(u16, u16)> {
    let header = match at {
        IpAddr::V4(_) => usize::from(packet.first()? & 0xf) * 4,
        IpAddr::V6(_) => 0,
    };
    let segment = packet.get(header..)?;
    let port = |position: usize| {
        Some(u16::from_be_bytes([
            *segment.get(position)?,
            *segment.get(position + 1)?,
        ]))
    };
    (*segment.get(13)? == SYN_AND_ACK).then_some((port(0)?, port(2)?))
}

/// The sender of a packet as a raw IPv4 socket reads it.
pub(super) fn ipv4_source(packet: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    Some(octets.into())
}

/// RFC 1071 over the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) and the segment.
fn checksum(from: IpAddr, to: IpAddr, segment: &[u8]) -> u16 {
    let mut bytes = Vec::new();
    for address in [from, to] {
        match address {
            IpAddr::V4(v4) => bytes.extend(v4.octets()),
            IpAddr::V6(v6) => bytes.extend(v6.octets()),
        }
    }
    // Protocol and length: the IPv6 layout has wider fields and the same sum.
    bytes.extend([0, TCP, 0, HEADER as u8]);
    bytes.extend(segment);
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let high = pair.first().copied().unwrap_or_default();
        let low = pair.get(1).copied().unwrap_or_default();
        sum += u32::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Folded to sixteen bits.
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_sums_to_nothing_and_reads_back() {
        for (from, to) in [
            ("10.0.0.1:8080", "10.0.0.2:20001"),
            ("[fd00::1]:8080", "[fd00:1::2]:20001"),
        ] {
            let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let segment = syn_ack(from, to);
            assert_eq!(
                checksum(from.ip(), to.ip(), &segment),
                0,
                "with its checksum in place the sum is 0"
            );
            let mut packet = segment.to_vec();
            if let IpAddr::V4(v4) = from.ip() {
                let mut header = vec![0x45; 12];
                header.extend(v4.octets());
                header.extend([0; 4]);
                header.extend(&packet);
                packet = header;
                assert_eq!(ipv4_source(&packet), Some(from.ip()));
            }
            assert_eq!(read_syn_ack(&packet, to.ip()), Some((8080, 20001)));
        }
        assert_eq!(read_syn_ack(&[0x45; 8], "10.0.0.1".parse().unwrap()), None);
    }
}
