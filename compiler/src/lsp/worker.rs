//! The threads on which analyses run, as the server sees them: jobs go in, outcomes come out.

use super::analysis::{self, Job, Outcome};
use crate::limits::Limits;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// What works off jobs, one after the other.
pub(super) struct Worker {
    jobs: Sender<Job>,
    /// The generation of the newest job: one that is older stops between its steps.
    newest: Arc<AtomicU64>,
}

impl Worker {
    /// Starts it. `tell` is given each outcome, and says whether anybody still listens.
    pub(super) fn start(
        roots: Vec<PathBuf>,
        limits: Limits,
        tell: impl Fn(Outcome) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, to_do) = channel();
        let (out, outcomes) = channel();
        let newest = Arc::new(AtomicU64::new(0));
        let seen = newest.clone();
        thread::Builder::new()
            .name("analysis".to_owned())
            .spawn(move || analysis::work(roots, limits, &to_do, &seen, &out))?;
        thread::Builder::new()
            .name("outcomes".to_owned())
            .spawn(move || {
                for outcome in outcomes {
                    if !tell(outcome) {
                        return;
                    }
                }
            })?;
        Ok(Self { jobs, newest })
    }

    /// Hands over a job, which overtakes those before it. False where the work has ended.
    pub(super) fn begin(&self, job: Job) -> bool {
        self.newest.store(job.generation, Ordering::Relaxed);
        self.jobs.send(job).is_ok()
    }
}
