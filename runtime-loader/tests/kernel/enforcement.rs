//! Programs on real devices, in front of real packets.

use std::path::Path;

use crate::support::{
    ALLOW, DENY, Wire, assert_arrives, assert_dropped, counting_elf, counting_object, sandbox,
    unverifiable_object,
};
use aya::programs::tc::{SchedClassifier, TcAttachOptions};
use aya::programs::{LinkOrder, TcAttachType};
use codegen_ebpf::datapath::records::Reason;
use ir::policy::Direction;
use runtime_loader::attach::{AttachError, Clsact, Hook, Mechanism};
use runtime_loader::counters::Counters;
use runtime_loader::enforce::EnforceError;
use runtime_loader::load::{LoadError, Loader};
use runtime_loader::netlink::{ClsactSide, FilterPlace, MacAddress, Netlink, Veth, VethPeer};
use runtime_loader::node::{Applied, Node, NodeError, Others, Preference, Wanted};
use runtime_loader::object::PolicyObject;
use runtime_loader::pins::{DEFAULT_ROOT, Pins, PinsError};
use runtime_loader::test_run::{TestRunError, test_run};

fn wanted(wire: &Wire, direction: Direction, object: PolicyObject) -> Wanted {
    Wanted {
        endpoint: wire.endpoint.clone(),
        device: wire.device.clone(),
        direction,
        object,
    }
}

fn open(mechanism: Mechanism) -> Node {
    Node::open(Path::new(DEFAULT_ROOT), Preference::Only(mechanism)).unwrap()
}

/// Nothing of ours is left: no pin, no program on the device, no qdisc.
fn assert_clean(wire: &Wire) {
    assert!(!Path::new(DEFAULT_ROOT).exists(), "the directory is gone");
    let show = |arguments: &[&str]| {
        let output = std::process::Command::new("tc").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!show(&["qdisc", "show", "dev", &wire.device]).contains("clsact"));
    for direction in Direction::BOTH {
        let hook = Hook::find(&wire.device, direction).unwrap();
        assert_eq!(hook.tcx_programs().unwrap(), Some(vec![]));
    }
}

fn hook(wire: &Wire, direction: Direction) -> Hook {
    Hook::find(&wire.device, direction).unwrap()
}

fn each_direction_is_judged_by_its_own_program(mechanism: Mechanism) {
    let wire = Wire::new("directions");
    let (to_pod, in_pod) = wire.node_to_pod();
    let (from_pod, in_node) = wire.pod_to_node();
    let check = |allowed: [bool; 2]| {
        let ways = [(&to_pod, &in_pod), (&from_pod, &in_node)];
        for (allowed, (sender, receiver)) in allowed.into_iter().zip(ways) {
            if allowed {
                assert_arrives(sender, receiver);
            } else {
                assert_dropped(sender, receiver);
            }
        }
    };
    check([true, true]);
    let mut node = open(mechanism);
    for (ingress, egress) in [(DENY, ALLOW), (ALLOW, DENY), (DENY, DENY), (ALLOW, ALLOW)] {
        let change = [
            wanted(&wire, Direction::Ingress, counting_object(ingress, 0)),
            wanted(&wire, Direction::Egress, counting_object(egress, 1)),
        ];
        node.apply(&change, Others::Remove).unwrap();
        check([ingress == ALLOW, egress == ALLOW]);
        let again = node.apply(&change, Others::Remove).unwrap();
        assert_eq!(
            again,
            Applied {
                unchanged: 2,
                ..Applied::default()
            }
        );
    }
    // One direction alone: the other is taken off.
    let one = [wanted(&wire, Direction::Ingress, counting_object(DENY, 0))];
    let applied = node.apply(&one, Others::Remove).unwrap();
    assert_eq!(
        applied,
        Applied {
            replaced: 1,
            removed: 1,
            ..Applied::default()
        }
    );
    check([false, true]);
    assert_eq!(node.unload().unwrap(), 1);
    check([true, true]);
    assert_clean(&wire);
}

#[test]
fn tcx_judges_each_direction_by_its_own_program() {
    sandbox("tcx_judges_each_direction_by_its_own_program", || {
        each_direction_is_judged_by_its_own_program(Mechanism::Tcx);
    });
}

#[test]
fn clsact_judges_each_direction_by_its_own_program() {
    sandbox("clsact_judges_each_direction_by_its_own_program", || {
        each_direction_is_judged_by_its_own_program(Mechanism::Clsact);
    });
}

#[test]
fn a_refused_program_leaves_the_old_one_in_force_and_says_why() {
    sandbox(
        "a_refused_program_leaves_the_old_one_in_force_and_says_why",
        || {
            let wire = Wire::new("refused");
            let (sender, receiver) = wire.node_to_pod();
            let mut node = open(Mechanism::Tcx);
            let nothing = |error: NodeError| {
                let NodeError::Load { source: refused, .. } = &error else {
                    panic!("{error}");
                };
                let LoadError::Rejected { log, source, .. } = &**refused else {
                    panic!("{error}");
                };
                assert_eq!(source.raw_os_error(), Some(libc::EACCES));
                assert_eq!(log.complaint(), "R0 !read_ok");
                assert!(
                    log.text().contains("(b7) r6 = 0"),
                    "every instruction is in the log: {}",
                    log.text()
                );
                assert!(error.to_string().contains("ingress of test/refused"), "{error}");
            };
            let bad = [wanted(&wire, Direction::Ingress, unverifiable_object())];
            nothing(node.apply(&bad, Others::Remove).unwrap_err());
            assert_eq!(
                node.pins().endpoints().unwrap().len(),
                0,
                "nothing is left of a first load that failed"
            );
            assert!(!node.pins().shared_map("conntrack").exists());

            let good = [wanted(&wire, Direction::Ingress, counting_object(DENY, 0))];
            node.apply(&good, Others::Remove).unwrap();
            let before = node.slots().unwrap();
            nothing(node.apply(&bad, Others::Remove).unwrap_err());
            assert_eq!(node.slots().unwrap(), before);
            // the old program is in force
            assert_dropped(&sender, &receiver);
            node.unload().unwrap();
            assert_clean(&wire);
        },
    );
}

#[test]
fn a_swap_that_fails_takes_the_earlier_ones_back() {
    sandbox("a_swap_that_fails_takes_the_earlier_ones_back", || {
        let wire = Wire::new("rollback");
        let (to_pod, in_pod) = wire.node_to_pod();
        let mut node = open(Mechanism::Clsact);
        node.apply(
            &[wanted(&wire, Direction::Ingress, counting_object(DENY, 0))],
            Others::Remove,
        )
        .unwrap();
        let before = node.slots().unwrap();
        // Somebody else's filter where the egress program is to go. Ingress is swapped first.
        let mut loader = Loader::new();
        let other = loader.load(&counting_object(ALLOW, 7), None).unwrap();
        let place = FilterPlace {
            index: hook(&wire, Direction::Egress).index,
            side: ClsactSide::Ingress,
            priority: 1,
            handle: 0x5043,
        };
        let mut netlink = Netlink::open().unwrap();
        let descriptor = other.classifier().unwrap().fd().unwrap();
        netlink
            .set_bpf_filter(&place, "another", std::os::fd::AsFd::as_fd(descriptor))
            .unwrap();
        let change = [
            wanted(&wire, Direction::Ingress, counting_object(ALLOW, 1)),
            wanted(&wire, Direction::Egress, counting_object(ALLOW, 2)),
        ];
        let error = node.apply(&change, Others::Remove).unwrap_err();
        assert!(
            matches!(
                &error,
                NodeError::Enforce { direction: Direction::Egress, source, .. }
                    if matches!(**source, EnforceError::Attach(AttachError::Occupied { .. }))
            ),
            "{error}"
        );
        assert_eq!(node.slots().unwrap(), before);
        // the old program is in force
        assert_dropped(&to_pod, &in_pod);
        node.unload().unwrap();
        assert_eq!(
            netlink.filters(place.index, ClsactSide::Ingress).unwrap().len(),
            1,
            "theirs is untouched"
        );
        assert_eq!(netlink.filters(place.index, ClsactSide::Egress).unwrap(), vec![]);
        assert!(!Path::new(DEFAULT_ROOT).exists());
    });
}

#[test]
fn others_on_the_same_hook_keep_their_places() {
    sandbox("others_on_the_same_hook_keep_their_places", || {
        let wire = Wire::new("others");
        let hook = hook(&wire, Direction::Ingress);
        let mut loader = Loader::new();
        let mut theirs = Vec::new();
        for slot in [5, 6] {
            let mut program = loader.load(&counting_object(ALLOW, slot), None).unwrap();
            let classifier: &mut SchedClassifier = program.classifier_mut().unwrap();
            let order = TcAttachOptions::TcxOrder(LinkOrder::last());
            classifier
                .attach_with_options(&wire.device, TcAttachType::Egress, order)
                .unwrap();
            theirs.push(program);
        }
        let ids = hook.tcx_programs().unwrap().unwrap();
        assert_eq!(ids.len(), 2);
        let mut node = open(Mechanism::Tcx);
        let mut seen = Vec::new();
        for slot in [0, 1, 2] {
            let change = [wanted(&wire, Direction::Ingress, counting_object(ALLOW, slot))];
            node.apply(&change, Others::Remove).unwrap();
            let now = hook.tcx_programs().unwrap().unwrap();
            assert_eq!(
                now[1..],
                ids[..],
                "policy comes first, the others follow in their order"
            );
            seen.push(now[0]);
        }
        seen.dedup();
        assert_eq!(seen.len(), 3, "each change put its own program there");
        // What the policy admits, the others see.
        let (sender, receiver) = wire.node_to_pod();
        assert_arrives(&sender, &receiver);
        node.unload().unwrap();
        assert_eq!(hook.tcx_programs().unwrap().unwrap(), ids);

        // The same under a clsact qdisc that somebody else made.
        let mut netlink = Netlink::open().unwrap();
        netlink.add_clsact(hook.index).unwrap();
        let place = FilterPlace {
            index: hook.index,
            side: ClsactSide::Egress,
            priority: 7,
            handle: 1,
        };
        let descriptor = theirs[0].classifier().unwrap().fd().unwrap();
        netlink
            .set_bpf_filter(&place, "another", std::os::fd::AsFd::as_fd(descriptor))
            .unwrap();
        let mut node = open(Mechanism::Clsact);
        let change = [wanted(&wire, Direction::Ingress, counting_object(DENY, 0))];
        node.apply(&change, Others::Remove).unwrap();
        assert_dropped(&sender, &receiver);
        let filters = netlink.filters(hook.index, ClsactSide::Egress).unwrap();
        let places: Vec<_> = filters.iter().map(|f| (f.priority, f.handle)).collect();
        assert_eq!(places, [(1, 0x5043), (7, 1)]);
        node.unload().unwrap();
        assert_eq!(
            netlink.filters(hook.index, ClsactSide::Egress).unwrap().len(),
            1,
            "theirs is untouched"
        );
        netlink.remove_filter(&place).unwrap();
        // Empty now, and still not ours to remove.
        let mut node = open(Mechanism::Clsact);
        node.apply(&change, Others::Remove).unwrap();
        node.unload().unwrap();
        assert!(
            !Clsact::open().unwrap().ensure_qdisc(&hook).unwrap(),
            "their qdisc is still there"
        );
    });
}

#[test]
fn a_device_made_anew_gets_its_program_again() {
    sandbox("a_device_made_anew_gets_its_program_again", || {
        for mechanism in [Mechanism::Tcx, Mechanism::Clsact] {
            let wire = Wire::new("anew");
            let change = [wanted(&wire, Direction::Ingress, counting_object(DENY, 0))];
            let mut node = open(mechanism);
            node.apply(&change, Others::Remove).unwrap();
            let first = hook(&wire, Direction::Ingress).index;
            let mut netlink = Netlink::open().unwrap();
            netlink.delete_link(&wire.device).unwrap();
            assert_eq!(
                node.slots().unwrap()[0].in_force,
                None,
                "status tells that the device is gone"
            );
            assert!(matches!(
                node.apply(&change, Others::Remove).unwrap_err(),
                NodeError::Enforce { source, .. }
                    if matches!(*source, EnforceError::Attach(AttachError::NoDevice(_)))
            ));
            let again = Veth {
                name: &wire.device,
                mac: MacAddress([2, 0, 0, 0, 0, 1]),
                peer: VethPeer {
                    name: "eth0",
                    mac: MacAddress([2, 0, 0, 0, 0, 2]),
                    namespace: std::os::fd::AsFd::as_fd(&wire.pod.namespace),
                },
            };
            netlink.create_veth(&again).unwrap();
            assert_ne!(hook(&wire, Direction::Ingress).index, first);
            assert_eq!(
                node.slots().unwrap()[0].in_force,
                None,
                "not yet on the new device"
            );
            let applied = node.apply(&change, Others::Remove).unwrap();
            assert_eq!(
                applied,
                Applied {
                    attached: 1,
                    ..Applied::default()
                }
            );
            assert!(node.slots().unwrap()[0].in_force.is_some());
            node.unload().unwrap();
            assert_clean(&wire);
            netlink.delete_link(&wire.device).unwrap();
        }
    });
}

#[test]
fn the_mechanism_can_be_changed() {
    sandbox("the_mechanism_can_be_changed", || {
        let wire = Wire::new("mechanism");
        let (sender, receiver) = wire.node_to_pod();
        for mechanism in [Mechanism::Tcx, Mechanism::Clsact, Mechanism::Tcx] {
            let mut node = open(mechanism);
            let change = [wanted(&wire, Direction::Ingress, counting_object(DENY, 0))];
            node.apply(&change, Others::Remove).unwrap();
            let slots = node.slots().unwrap();
            assert_eq!(slots[0].in_force.as_ref().unwrap().mechanism, mechanism);
            let tcx = hook(&wire, Direction::Ingress).tcx_programs().unwrap().unwrap();
            assert_eq!(
                tcx.len(),
                usize::from(mechanism == Mechanism::Tcx),
                "the other one is taken off"
            );
            assert_dropped(&sender, &receiver);
        }
        Node::open_existing(Path::new(DEFAULT_ROOT))
            .unwrap()
            .unwrap()
            .unload()
            .unwrap();
        assert_clean(&wire);
    });
}

#[test]
fn shared_maps_are_shared_and_never_mistaken_for_others() {
    sandbox("shared_maps_are_shared_and_never_mistaken_for_others", || {
        let wire = Wire::new("shared");
        let mut node = open(Mechanism::Tcx);
        let both = [
            wanted(&wire, Direction::Ingress, counting_object(ALLOW, 0)),
            wanted(&wire, Direction::Egress, counting_object(ALLOW, 1)),
        ];
        node.apply(&both, Others::Remove).unwrap();
        let conntrack = node.pins().shared_map("conntrack");
        let id = || aya::maps::MapInfo::from_pin(&conntrack).unwrap().id();
        let first = id();
        let larger = PolicyObject::parse(&counting_elf(ALLOW, 0, 2048)).unwrap();
        let error = node
            .apply(&[wanted(&wire, Direction::Ingress, larger)], Others::Remove)
            .unwrap_err();
        assert!(
            matches!(&error, NodeError::Load { source, .. } if matches!(&**source, LoadError::MapDiffers { found, needed, .. }
                if found.max_entries == 1024 && needed.max_entries == 2048)),
            "{error}"
        );
        assert_eq!(id(), first);
        assert_eq!(
            node.slots().unwrap().len(),
            2,
            "both directions are still enforced"
        );
        node.unload().unwrap();
        assert_clean(&wire);
    });
}

#[test]
fn a_bpf_file_system_is_mounted_where_there_is_none_and_unmounted_again() {
    sandbox(
        "a_bpf_file_system_is_mounted_where_there_is_none_and_unmounted_again",
        || {
            // Memory of the sandbox's own, so that no directory outlives it.
            let tmpfs = nix::mount::MsFlags::empty();
            nix::mount::mount(Some("tmpfs"), "/mnt", Some("tmpfs"), tmpfs, None::<&str>).unwrap();
            let root = Path::new("/mnt/deep/below/pins");
            assert!(
                Node::open_existing(root).unwrap().is_none(),
                "asking makes nothing"
            );
            assert!(!root.exists());
            let wire = Wire::new("elsewhere");
            let mut node = Node::open(root, Preference::Best).unwrap();
            let change = [wanted(&wire, Direction::Ingress, counting_object(DENY, 0))];
            node.apply(&change, Others::Remove).unwrap();
            assert!(
                matches!(Pins::open(root), Err(PinsError::Busy(_))),
                "one change at a time"
            );
            drop(node);
            let node = Node::open_existing(root).unwrap().unwrap();
            assert!(node.slots().unwrap()[0].in_force.is_some());
            assert_eq!(node.unload().unwrap(), 1);
            assert!(!root.exists());
            let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
            assert!(!mounts.contains("/mnt/deep"), "{mounts}");

            // And at the usual place, where it stays: others use it too.
            nix::mount::umount("/sys/fs/bpf").unwrap();
            let node = Node::open(Path::new(DEFAULT_ROOT), Preference::Best).unwrap();
            node.unload().unwrap();
            let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
            assert!(mounts.contains("/sys/fs/bpf bpf"), "{mounts}");
            assert!(!Path::new(DEFAULT_ROOT).exists());
        },
    );
}

#[test]
fn a_test_run_tells_verdict_packet_and_time() {
    sandbox("a_test_run_tells_verdict_packet_and_time", || {
        let mut loader = Loader::new();
        let mut frame = vec![0; 64];
        frame[12] = 0x08;
        for (action, slot) in [(DENY, 0), (ALLOW, 3)] {
            let program = loader.load(&counting_object(action, slot), None).unwrap();
            let run = test_run(program.classifier().unwrap(), &frame, 1000).unwrap();
            assert_eq!(run.action, action);
            assert_eq!(run.packet, frame);
            assert!(
                run.duration.as_micros() < 1000,
                "{:?} for ten instructions",
                run.duration
            );
            let counters = Counters::of_loaded(program.map("counters").unwrap(), Direction::Ingress).unwrap();
            let count = counters
                .of(Reason::from_number(slot.try_into().unwrap()).unwrap())
                .packets;
            assert_eq!(count, 1000);
        }
        let program = loader.load(&counting_object(DENY, 0), None).unwrap();
        let classifier = program.classifier().unwrap();
        let mut ipv6 = frame.clone();
        (ipv6[12], ipv6[13]) = (0x86, 0xdd);
        assert_eq!(test_run(classifier, &ipv6, 1).unwrap().action, ALLOW);
        assert!(matches!(
            test_run(classifier, &frame[..13], 1),
            Err(TestRunError::TooShort(13))
        ));
    });
}
