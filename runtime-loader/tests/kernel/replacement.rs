//! Programs replaced while packets flow, and processes killed while they replace them.

use std::io::Read as _;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{ALLOW, DENY, Wire, assert_arrives, assert_dropped, counting_object, sandbox};
use codegen_ebpf::datapath::records::Reason;
use ir::policy::Direction;
use runtime_loader::attach::Mechanism;
use runtime_loader::counters::Counters;
use runtime_loader::device::EndpointName;
use runtime_loader::node::{Node, Others, Preference, Wanted};
use runtime_loader::object::PolicyObject;
use runtime_loader::pins::DEFAULT_ROOT;

fn wanted(endpoint: &EndpointName, object: &PolicyObject) -> [Wanted; 1] {
    [Wanted {
        endpoint: endpoint.clone(),
        device: endpoint.host_device(),
        direction: Direction::Ingress,
        object: object.clone(),
    }]
}

/// What a sender and a receiver saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traffic {
    admitted: u64,
    denied: u64,
    received: u64,
}

/// Sends from node to pod, where the sender learns each packet's verdict, until the work is done.
fn under_traffic(wire: &Wire, work: impl FnOnce()) -> Traffic {
    let (sender, receiver) = wire.node_to_pod();
    let (done, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let counting = {
        let (done, received) = (Arc::clone(&done), Arc::clone(&received));
        receiver
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        thread::spawn(move || count(&receiver, &done, &received))
    };
    let sending = {
        let (done, received) = (Arc::clone(&done), Arc::clone(&received));
        thread::spawn(move || send(&sender, &done, &received))
    };
    work();
    done.store(true, Ordering::SeqCst);
    let (admitted, denied) = sending.join().unwrap();
    counting.join().unwrap();
    Traffic {
        admitted,
        denied,
        received: received.load(Ordering::SeqCst),
    }
}

/// At most so many packets are under way, far fewer than any queue between the two sockets holds.
const WINDOW: u64 = 128;

fn send(sender: &UdpSocket, done: &AtomicBool, received: &AtomicU64) -> (u64, u64) {
    let (mut admitted, mut denied) = (0, 0);
    while !done.load(Ordering::SeqCst) {
        if admitted - received.load(Ordering::SeqCst) >= WINDOW {
            thread::yield_now();
            continue;
        }
        match sender.send(b"packet") {
            Ok(_) => admitted += 1,
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS), "{error}");
                denied += 1;
            }
        }
    }
    (admitted, denied)
}

fn count(receiver: &UdpSocket, done: &AtomicBool, received: &AtomicU64) {
    let mut buffer = [0; 16];
    loop {
        match receiver.recv(&mut buffer) {
            Ok(_) => _ = received.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
                if done.load(Ordering::SeqCst) {
                    return;
                }
            }
        }
    }
}

/// The packets under the first two keys of the counters of the generation in force.
fn counted(node: &Node) -> [u64; 2] {
    let slots = node.slots().unwrap();
    let pin = &slots[0].in_force.as_ref().unwrap().generation.counters;
    let counters = Counters::read(pin, Direction::Ingress).unwrap();
    [Reason::Allowed, Reason::Reply].map(|reason| counters.of(reason).packets)
}

fn every_packet_meets_one_program(mechanism: Mechanism) {
    let wire = Wire::new("swaps");
    let mut node = Node::open(Path::new(DEFAULT_ROOT), Preference::Only(mechanism)).unwrap();
    let objects = [counting_object(DENY, 0), counting_object(ALLOW, 1)];
    node.apply(&wanted(&wire.endpoint, &objects[0]), Others::Remove)
        .unwrap();
    let traffic = under_traffic(&wire, || {
        for object in objects.iter().cycle().skip(1).take(2000) {
            let applied = node
                .apply(&wanted(&wire.endpoint, object), Others::Remove)
                .unwrap();
            assert_eq!(applied.replaced, 1);
        }
    });
    let counts = counted(&node);
    eprintln!("{mechanism:?}: 2000 swaps between deny and allow, {traffic:?}");
    assert!(traffic.admitted > 0 && traffic.denied > 0, "both were met");
    assert_eq!(traffic.received, traffic.admitted, "what was admitted arrived");
    assert_eq!(
        counts,
        [traffic.denied, traffic.admitted],
        "each packet met one program, and counts survive swaps"
    );
    node.unload().unwrap();
}

fn no_packet_is_lost_between_equals(mechanism: Mechanism) {
    let wire = Wire::new("equals");
    let mut node = Node::open(Path::new(DEFAULT_ROOT), Preference::Only(mechanism)).unwrap();
    let objects = [counting_object(ALLOW, 0), counting_object(ALLOW, 1)];
    node.apply(&wanted(&wire.endpoint, &objects[0]), Others::Remove)
        .unwrap();
    let traffic = under_traffic(&wire, || {
        for object in objects.iter().cycle().skip(1).take(2000) {
            node.apply(&wanted(&wire.endpoint, object), Others::Remove)
                .unwrap();
        }
    });
    let counts = counted(&node);
    eprintln!("{mechanism:?}: 2000 swaps between equals, {traffic:?}");
    assert_eq!(traffic.denied, 0);
    assert_eq!(traffic.received, traffic.admitted);
    assert_eq!(
        counts[0] + counts[1],
        traffic.admitted,
        "no packet passed by either program"
    );
    assert!(counts[0] > 0 && counts[1] > 0);
    node.unload().unwrap();
}

#[test]
fn tcx_every_packet_meets_one_program() {
    sandbox("tcx_every_packet_meets_one_program", || {
        every_packet_meets_one_program(Mechanism::Tcx)
    });
}

#[test]
fn clsact_every_packet_meets_one_program() {
    sandbox("clsact_every_packet_meets_one_program", || {
        every_packet_meets_one_program(Mechanism::Clsact)
    });
}

#[test]
fn tcx_no_packet_is_lost_between_equals() {
    sandbox("tcx_no_packet_is_lost_between_equals", || {
        no_packet_is_lost_between_equals(Mechanism::Tcx)
    });
}

#[test]
fn clsact_no_packet_is_lost_between_equals() {
    sandbox("clsact_no_packet_is_lost_between_equals", || {
        no_packet_is_lost_between_equals(Mechanism::Clsact)
    });
}

/// Set in a process that is to replace programs until it is killed.
const VICTIM: &str = "PORTCULLIS_TEST_VICTIM";

/// No test of its own: the other end of [`enforcement_survives_kills`], in a process of its own.
#[test]
fn victim() {
    let Some(mechanism) = std::env::var_os(VICTIM) else {
        return;
    };
    let mechanism = if mechanism == "clsact" {
        Mechanism::Clsact
    } else {
        Mechanism::Tcx
    };
    let endpoint = EndpointName::new("test", "killed");
    let mut node = Node::open(Path::new(DEFAULT_ROOT), Preference::Only(mechanism)).unwrap();
    let objects = [counting_object(DENY, 0), counting_object(DENY, 1)];
    for (number, object) in objects.iter().cycle().enumerate() {
        node.apply(&wanted(&endpoint, object), Others::Remove).unwrap();
        if number == 1 {
            // The parent may kill from here on.
            eprintln!("ready");
        }
    }
}

fn enforcement_survives_kills(mechanism: Mechanism, name: &str) {
    let wire = Wire::new("killed");
    let (sender, receiver) = wire.node_to_pod();
    for round in 0..30_u64 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "replacement::victim", "--nocapture"])
            .env(VICTIM, name)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut word = [0; 5];
        victim.stderr.as_mut().unwrap().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"ready");
        // Anywhere within the few milliseconds that a replacement takes.
        thread::sleep(Duration::from_micros(round * 397 % 6000));
        victim.kill().unwrap();
        victim.wait().unwrap();
        // Whatever was cut short: a program that denies is in force, and the kernel and the pins agree on which.
        assert_dropped(&sender, &receiver);
        let mut node = Node::open(Path::new(DEFAULT_ROOT), Preference::Only(mechanism)).unwrap();
        let slots = node.slots().unwrap();
        assert!(slots[0].in_force.is_some(), "round {round}: {slots:?}");
        if round % 3 == 0 {
            node.unload().unwrap();
            assert!(!Path::new(DEFAULT_ROOT).exists(), "round {round}");
            assert_arrives(&sender, &receiver);
        } else {
            node.apply(&wanted(&wire.endpoint, &counting_object(DENY, 2)), Others::Remove)
                .unwrap();
            let left = std::fs::read_dir(format!("{DEFAULT_ROOT}/endpoints/test/killed/ingress")).unwrap();
            assert_eq!(
                left.count(),
                4,
                "round {round}: device, program, counters and link or filter, nothing older"
            );
        }
    }
    if let Some(node) = Node::open_existing(Path::new(DEFAULT_ROOT)).unwrap() {
        node.unload().unwrap();
    }
    assert_arrives(&sender, &receiver);
}

#[test]
fn tcx_enforcement_survives_kills() {
    sandbox("tcx_enforcement_survives_kills", || {
        enforcement_survives_kills(Mechanism::Tcx, "tcx")
    });
}

#[test]
fn clsact_enforcement_survives_kills() {
    sandbox("clsact_enforcement_survives_kills", || {
        enforcement_survives_kills(Mechanism::Clsact, "clsact")
    });
}
