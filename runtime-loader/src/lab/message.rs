//! What probes carry: eight bytes that no other run has, which way, the probe's number.

const LENGTH: usize = 13;
/// From the sender.
pub(super) const ASKING: u8 = b'?';
/// Sent back by the listener.
pub(super) const ANSWERING: u8 = b'!';

/// The message of a probe.
pub(super) fn write(nonce: [u8; 8], way: u8, probe: usize) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let number = u32::try_from(probe).unwrap_or(u32::MAX).to_be_bytes();
    for (to, from) in bytes.iter_mut().zip(nonce.into_iter().chain([way]).chain(number)) {
        *to = from;
    }
    bytes
}

/// Which way a message goes and of which probe it is; nothing for anybody else's bytes.
pub(super) fn read(nonce: [u8; 8], bytes: &[u8]) -> Option<(u8, usize)> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let (way, number) = rest.split_first()?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    (*head == nonce).then_some((*way, number as usize))
}
