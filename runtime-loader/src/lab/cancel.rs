//! The wish to stop: set by a signal, heeded between steps and inside waits.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::{io, thread};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};

/// A wish to stop that many can look at.
#[derive(Clone, Debug)]
pub struct Cancel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The signal's number; 0 while there is none.
    signal: AtomicI32,
    wake: EventFd,
}

impl Cancel {
    /// No wish yet.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self {
            shared: Arc::new(Shared {
                signal: AtomicI32::new(0),
                wake,
            }),
        })
    }

    /// Turns SIGINT, SIGTERM and SIGHUP into the wish. Call it before the process has other threads: the signals
    /// are blocked in this one and in all that it starts, and a thread of their own waits for them. A second
    /// signal changes nothing: what was begun is being taken down already.
    ///
    /// # Errors
    /// When the signals cannot be blocked or the thread cannot be started.
    pub fn on_signals() -> io::Result<Self> {
        let cancel = Self::new()?;
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let asked = cancel.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while let Ok(signal) = signals.wait() {
                asked.request(signal);
            }
        })?;
        Ok(cancel)
    }

    /// Wishes.
    pub fn request(&self, signal: Signal) {
        // The first signal stays the one that is reported.
        let _ = self
            .shared
            .signal
            .compare_exchange(0, signal as i32, Ordering::SeqCst, Ordering::SeqCst);
        // Fails only when the counter is full, and then the waiters are awake.
        let _ = self.shared.wake.write(1);
    }

    /// The signal that asked to stop, if one did.
    #[must_use]
    pub fn requested(&self) -> Option<Signal> {
        Signal::try_from(self.shared.signal.load(Ordering::SeqCst)).ok()
    }

    /// Readable from the moment of the wish on.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}
