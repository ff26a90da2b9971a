//! One meaning, in the kernel: the emitted programs, loaded and run by `BPF_PROG_TEST_RUN`, do with generated packets
//! what the reference evaluator says, under the reason that it says. The same stories as the interpreter's.
#![cfg(test)]

#[path = "../../codegen-ebpf/tests/support/mod.rs"]
mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aya::maps::PerCpuArray;
use codegen_ebpf::datapath::records::{COUNTERS, PASS, Reason};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runtime_loader::load::{LoadedProgram, Loader, MapPins};
use runtime_loader::object::PolicyObject;
use runtime_loader::test_run::test_run_from;
use support::oracle::{Directory, Oracle};
use support::scenario::{self, Enforced, Sent, Story, at, same_in_table};

/// Stories in a run, and flows in each: ten thousand and more.
const STORIES: u32 = 50;
const FLOWS: usize = 300;
const BPFFS: &str = "/sys/fs/bpf";

/// Runs a test in a mount namespace of its own with a BPF file system of its own; both go with the thread, pins and
/// all, however the test ends.
fn sandbox(test: &str, body: impl FnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        assert!(
            std::env::var_os("PORTCULLIS_REQUIRE_KERNEL").is_none(),
            "{test} needs root"
        );
        eprintln!("SKIPPED (needs root): {test}");
        return;
    }
    let thread = std::thread::Builder::new().name(test.to_owned()).spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>).unwrap();
        body();
    });
    if let Err(panic) = thread.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// An endpoint's programs in the kernel, under both models of a story, with one connection table and one set of
/// counters between them.
struct Kernel {
    /// By model, then by hook.
    programs: Vec<LoadedProgram>,
    counted: BTreeMap<(u8, Reason), u64>,
    directory: PathBuf,
}

impl Kernel {
    fn new(loader: &mut Loader, enforced: &[Enforced; 2], directory: PathBuf) -> Result<Self, TestCaseError> {
        std::fs::create_dir(&directory).unwrap();
        let pins = MapPins {
            conntrack: directory.join("conntrack"),
            events: directory.join("events"),
            counters: directory.join("counters"),
        };
        let mut programs = Vec::new();
        for one in enforced.iter().flat_map(|one| &one.programs) {
            let object = PolicyObject::parse(&one.object.bytes).unwrap();
            let loaded = loader.load(&object, Some(&pins));
            programs.push(loaded.map_err(|error| TestCaseError::fail(format!("{error:?}")))?);
        }
        Ok(Self {
            programs,
            counted: BTreeMap::new(),
            directory,
        })
    }

    /// What the program did with a packet: whether it passed, and the reason it counted.
    fn judged(&mut self, sent: &Sent, frame: &[u8]) -> Result<Reason, String> {
        let program = &self.programs[2 * sent.model + at(sent.hook)];
        let result = test_run_from(program.classifier().unwrap(), sent.ingress_ifindex(), frame, 1)
            .map_err(|error| error.to_string())?;
        let map = program.map(COUNTERS.name).unwrap();
        let counters = PerCpuArray::<_, [u64; 2]>::try_from(map).unwrap();
        let mut found = Vec::new();
        // The ring buffer is not read here and runs full.
        for reason in Reason::ALL
            .into_iter()
            .filter(|reason| *reason != Reason::EventLost)
        {
            let key = u32::from(sent.hook.number() << 4 | reason.number());
            let packets = counters
                .get(&key, 0)
                .unwrap()
                .iter()
                .map(|[packets, _]| packets)
                .sum();
            let before = self
                .counted
                .insert((sent.hook.number(), reason), packets)
                .unwrap_or_default();
            if packets != before {
                found.push((reason, packets - before));
            }
        }
        match found[..] {
            [(reason, 1)] if (result.action == PASS) == reason.passes() => Ok(reason),
            _ => Err(format!("counted {found:?} and returned {}", result.action)),
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// Sends a story's packets, and some of them cut off behind every byte; what became of them.
fn follow(story: &Story, loader: &mut Loader, directory: PathBuf) -> Result<Vec<Reason>, TestCaseError> {
    let mut reasons = Vec::new();
    if story.packets.is_empty() {
        return Ok(reasons);
    }
    let enforced = story
        .models
        .each_ref()
        .map(|model| Enforced::new(model, story.endpoint));
    let mut kernel = Kernel::new(loader, &enforced, directory)?;
    let addresses = Directory::of(&story.models[0]);
    let mut oracle = Oracle::default();
    for (number, sent) in story.packets.iter().enumerate() {
        same_in_table(story, sent, &enforced[sent.model], &addresses)?;
        let (frame, needed) = sent.segment.frame();
        // The kernel hands no frame to a test run whose type says IP and that has no whole IP header.
        let shortest = if sent.segment.source.is_ipv4() { 34 } else { 54 };
        let from = if number % 50 == 0 { shortest } else { frame.len() };
        for length in from..=frame.len() {
            let model = &story.models[sent.model];
            let unrestricted = enforced[sent.model].unrestricted();
            let expected = if length < needed && !sent.segment.shape.vlan {
                Reason::Truncated
            } else {
                oracle.judge(
                    model,
                    unrestricted,
                    &addresses,
                    story.endpoint,
                    sent.hook,
                    &sent.segment,
                    sent.forwarded,
                )
            };
            let found = kernel.judged(sent, &frame[..length]);
            // The protocol of the wrong family shows before its header is complete.
            let early = found == Ok(Reason::UnknownHeader) && length < needed;
            prop_assert!(
                found == Ok(expected) || early,
                "{found:?}, not {expected:?}, for {length} bytes of {sent:?}"
            );
            reasons.push(expected);
        }
    }
    Ok(reasons)
}

#[test]
fn the_kernel_does_what_the_evaluator_says() {
    sandbox("the_kernel_does_what_the_evaluator_says", || {
        let config = Config {
            cases: STORIES,
            failure_persistence: None,
            ..Config::default()
        };
        let loader = RefCell::new(Loader::new());
        let (flows, told) = (Cell::new(0), Cell::new(0));
        let reasons = RefCell::new(BTreeMap::<Reason, u32>::new());
        let result = TestRunner::new(config).run(&scenario::story(FLOWS), |story| {
            flows.set(flows.get() + story.flows);
            told.set(told.get() + 1);
            let directory = Path::new(BPFFS).join(format!("story-{}", told.get()));
            for reason in follow(&story, &mut loader.borrow_mut(), directory)? {
                *reasons.borrow_mut().entry(reason).or_default() += 1;
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
        let reasons = reasons.into_inner();
        eprintln!(
            "{} flows; packets by what became of them: {reasons:?}",
            flows.get()
        );
        assert!(flows.get() >= 10_000, "only {} flows", flows.get());
        for reason in [
            Reason::Allowed,
            Reason::Reply,
            Reason::Policy,
            Reason::Spoofed,
            Reason::Truncated,
        ] {
            assert!(reasons.get(&reason) > Some(&100), "{reason:?} in {reasons:?}");
        }
    });
}
