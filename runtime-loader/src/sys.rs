//! The system calls that neither aya nor nix offers. The only module of the workspace with `unsafe` code.
#![expect(unsafe_code, reason = "raw bpf(2); every block states why it is sound")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `BPF_LINK_DETACH` of `enum bpf_cmd` (include/uapi/linux/bpf.h; Linux 5.9, commit 73b11c2ab072).
const BPF_LINK_DETACH: libc::c_long = 34;

/// The part of `union bpf_attr` that `BPF_LINK_DETACH` reads.
#[repr(C)]
struct LinkDetach {
    link_fd: u32,
}

/// Takes a link off its device at once, whoever else holds it.
///
/// Removing the link's pin would do so too, but only after an RCU grace period and a turn of the kernel's work
/// queue: the program would go on judging packets for a while after we said that it is gone.
///
/// # Errors
/// `EBADF` or `EINVAL` when the descriptor is no link; `EOPNOTSUPP` when its type cannot be detached (tcx can).
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    // A borrowed descriptor is open, hence not negative.
    let attributes = LinkDetach {
        link_fd: link.as_raw_fd().unsigned_abs(),
    };
    // SAFETY: the kernel reads `size_of::<LinkDetach>()` bytes at the pointer, which stays valid for the call, and
    // takes the rest of `bpf_attr` as zero (`bpf_check_uarg_tail_zero`); it writes nothing to our memory.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_DETACH,
            std::ptr::from_ref(&attributes),
            size_of::<LinkDetach>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
