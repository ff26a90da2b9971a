//! A packet through a loaded program without a device: `BPF_PROG_TEST_RUN`.

use std::time::Duration;

use aya::programs::SchedClassifier;
use aya::{TestRun as _, TestRunOptions};

/// Room for a program that lengthens the packet.
const HEADROOM: usize = 256;

/// Offset of `ingress_ifindex` in `struct __sk_buff` (include/uapi/linux/bpf.h).
const INGRESS_IFINDEX: usize = 36;

/// Why a test run gave no result.
#[derive(Debug, thiserror::Error)]
pub enum TestRunError {
    /// The kernel takes no packet shorter than an Ethernet header (`bpf_test_init` in net/bpf/test_run.c).
    #[error("a test run needs a packet of at least 14 bytes, not {0}")]
    TooShort(usize),
    /// The kernel refused.
    #[error("the test run failed: {0}")]
    Refused(#[from] aya::programs::ProgramError),
}

/// What a program did with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// The return value: a `TC_ACT_*` (include/uapi/linux/pkt_cls.h); `TC_ACT_UNSPEC` is -1.
    pub action: i32,
    /// The packet as the program left it.
    pub packet: Vec<u8>,
    /// Mean time of one run, as the kernel measured it.
    pub duration: Duration,
}

/// Runs a program over an Ethernet frame, `repeat` times over the same one; the result is the last run's.
///
/// The frame reaches the program as a packet that the host itself sends, on the loopback device of the calling
/// thread's network namespace. Maps are read and written as in a real run.
///
/// # Errors
/// A frame without an Ethernet header; what the kernel refused.
pub fn test_run(program: &SchedClassifier, frame: &[u8], repeat: u32) -> Result<TestRun, TestRunError> {
    test_run_from(program, 0, frame, repeat)
}

/// [`test_run`] of a packet that came to this host by the device of that index; 0 for one that it sends itself.
///
/// # Errors
/// As [`test_run`].
pub fn test_run_from(
    program: &SchedClassifier,
    ingress_ifindex: u32,
    frame: &[u8],
    repeat: u32,
) -> Result<TestRun, TestRunError> {
    if frame.len() < 14 {
        return Err(TestRunError::TooShort(frame.len()));
    }
    let mut packet = vec![0; frame.len() + HEADROOM];
    // The head of a `struct __sk_buff`; what is not given is zero (`bpf_ctx_init` in net/bpf/test_run.c).
    let mut context = [0; INGRESS_IFINDEX + 4];
    if let Some(field) = context.last_chunk_mut() {
        *field = ingress_ifindex.to_ne_bytes();
    }
    let mut options = TestRunOptions::new();
    options.ctx_in = Some(&context);
    options.data_in = Some(frame);
    options.data_out = Some(&mut packet);
    options.repeat = repeat;
    let result = program.test_run(options)?;
    packet.truncate(result.data_size_out as usize);
    Ok(TestRun {
        action: result.return_value.cast_signed(),
        packet,
        duration: result.duration,
    })
}
