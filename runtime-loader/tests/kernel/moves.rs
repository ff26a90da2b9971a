//! An endpoint whose device is another one than before: on this node, and in another network namespace.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::support::{ALLOW, DENY, POD, Wire, assert_arrives, assert_dropped, counting_object, sandbox};
use ir::policy::Direction;
use runtime_loader::attach::Mechanism;
use runtime_loader::device::EndpointName;
use runtime_loader::node::{Applied, Node, NodeError, Others, Preference, Wanted};
use runtime_loader::pins::DEFAULT_ROOT;

/// The address of the second pod.
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 9, 7, 3);

fn open(mechanism: Mechanism) -> Node {
    Node::open(Path::new(DEFAULT_ROOT), Preference::Only(mechanism)).unwrap()
}

/// The policy of one endpoint, whatever its device.
fn on(device: &str, action: i32) -> [Wanted; 1] {
    [Wanted {
        endpoint: EndpointName::new("test", "mover"),
        device: device.to_owned(),
        direction: Direction::Ingress,
        object: counting_object(action, 0),
    }]
}

/// What a change did, as (attached, replaced, unchanged, removed).
fn counts(applied: Applied) -> (usize, usize, usize, usize) {
    (
        applied.attached,
        applied.replaced,
        applied.unchanged,
        applied.removed,
    )
}

fn another_device_is_judged_and_the_old_one_no_longer(mechanism: Mechanism) {
    let (first, second) = (
        Wire::with_address("first", POD),
        Wire::with_address("second", SECOND),
    );
    let (to_first, at_first) = first.node_to_pod();
    let (to_second, at_second) = second.node_to_pod();
    let mut node = open(mechanism);
    let applied = node.apply(&on(&first.device, DENY), Others::Keep).unwrap();
    assert_eq!(counts(applied), (1, 0, 0, 0));
    assert_dropped(&to_first, &at_first);
    assert_arrives(&to_second, &at_second);

    // The same program for the same endpoint is no reason to leave it where it was.
    for (device, judged, free) in [
        (&second.device, (&to_second, &at_second), (&to_first, &at_first)),
        (&first.device, (&to_first, &at_first), (&to_second, &at_second)),
        (&second.device, (&to_second, &at_second), (&to_first, &at_first)),
    ] {
        node.apply(&on(device, DENY), Others::Keep).unwrap();
        assert_dropped(judged.0, judged.1);
        assert_arrives(free.0, free.1);
        let slots = node.slots().unwrap();
        assert_eq!(slots.len(), 1, "{slots:?}");
        assert_eq!(&slots[0].place.device, device);
        assert_eq!(slots[0].in_force.as_ref().unwrap().mechanism, mechanism);
    }

    // A change of device and mechanism at once.
    let other = match mechanism {
        Mechanism::Tcx => Mechanism::Clsact,
        Mechanism::Clsact => Mechanism::Tcx,
    };
    drop(node);
    let mut node = open(other);
    node.apply(&on(&first.device, DENY), Others::Keep).unwrap();
    assert_dropped(&to_first, &at_first);
    assert_arrives(&to_second, &at_second);
    node.apply(&on(&first.device, ALLOW), Others::Keep).unwrap();
    assert_arrives(&to_first, &at_first);

    assert_eq!(node.unload().unwrap(), 1);
    assert_arrives(&to_first, &at_first);
    assert!(!Path::new(DEFAULT_ROOT).exists());
}

#[test]
fn tcx_another_device_is_judged_and_the_old_one_no_longer() {
    sandbox("tcx_another_device_is_judged_and_the_old_one_no_longer", || {
        another_device_is_judged_and_the_old_one_no_longer(Mechanism::Tcx);
    });
}

#[test]
fn clsact_another_device_is_judged_and_the_old_one_no_longer() {
    sandbox(
        "clsact_another_device_is_judged_and_the_old_one_no_longer",
        || {
            another_device_is_judged_and_the_old_one_no_longer(Mechanism::Clsact);
        },
    );
}

/// A tcx link is held by its pin, from whatever namespace: the program goes with the endpoint.
#[test]
fn tcx_a_program_follows_into_another_namespace() {
    sandbox("tcx_a_program_follows_into_another_namespace", || {
        let wire = Wire::new("mover");
        let (to_pod, at_pod) = wire.node_to_pod();
        let (to_node, at_node) = wire.pod_to_node();
        let mut node = open(Mechanism::Tcx);
        node.apply(&on(&wire.device, DENY), Others::Keep).unwrap();
        assert_dropped(&to_pod, &at_pod);
        assert_arrives(&to_node, &at_node);
        drop(node);

        // The other end of the same cable: what leaves the pod is what its `eth0` sends.
        wire.pod.run(|| {
            open(Mechanism::Tcx)
                .apply(&on("eth0", DENY), Others::Keep)
                .unwrap()
        });
        assert_arrives(&to_pod, &at_pod);
        assert_dropped(&to_node, &at_node);
        // From here it is somewhere else, and can be taken off all the same.
        let node = open(Mechanism::Tcx);
        assert_eq!(node.slots().unwrap()[0].in_force, None);
        assert_eq!(node.unload().unwrap(), 1);
        assert_arrives(&to_node, &at_node);
        assert!(!Path::new(DEFAULT_ROOT).exists());
    });
}

/// A clsact filter can be removed only from within its namespace: a change from elsewhere is refused as a whole, and
/// what is forgotten is named.
#[test]
fn clsact_a_filter_elsewhere_is_neither_lost_nor_doubled() {
    sandbox("clsact_a_filter_elsewhere_is_neither_lost_nor_doubled", || {
        let wire = Wire::new("mover");
        let (to_pod, at_pod) = wire.node_to_pod();
        let (to_node, at_node) = wire.pod_to_node();
        let mut node = open(Mechanism::Clsact);
        node.apply(&on(&wire.device, DENY), Others::Keep).unwrap();
        drop(node);

        let (apply, unload) = wire.pod.run(|| {
            let apply = open(Mechanism::Clsact).apply(&on("eth0", DENY), Others::Keep);
            (apply.map(drop), open(Mechanism::Clsact).unload().map(drop))
        });
        for refused in [apply, unload] {
            let error = refused.unwrap_err();
            assert!(matches!(error, NodeError::Enforce { .. }), "{error:?}");
            let said = error.to_string();
            assert!(
                said.contains("its clsact filter is on") && said.contains("--forget-elsewhere"),
                "{said}"
            );
        }
        assert_dropped(&to_pod, &at_pod);
        assert_arrives(&to_node, &at_node);

        // Whoever says that the namespace is gone is told where the filter was.
        let forgotten = wire.pod.run(|| {
            let node = open(Mechanism::Clsact);
            let forgotten = node.forget_elsewhere().unwrap();
            assert_eq!(node.unload().unwrap(), 1);
            forgotten
        });
        let devices: Vec<_> = forgotten.iter().map(|place| place.device.as_str()).collect();
        assert_eq!(devices, [wire.device.as_str()]);
        assert!(!Path::new(DEFAULT_ROOT).exists());
        // It was not gone: the filter stays in force until somebody takes it off, and nobody's file is overwritten.
        assert_dropped(&to_pod, &at_pod);
        let error = open(Mechanism::Clsact)
            .apply(&on(&wire.device, ALLOW), Others::Keep)
            .unwrap_err();
        assert!(error.to_string().contains(&wire.device), "{error}");
        assert_dropped(&to_pod, &at_pod);
    });
}
