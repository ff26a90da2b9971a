//! Namespaces, links, addresses, routes and neighbours against the running kernel.
#![cfg(test)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use runtime_loader::netlink::{MacAddress, RouteEntry, Veth, VethPeer};
use runtime_loader::netns::{self, Namespace, NetnsError};
use runtime_loader::routes::{self, LocalPod, RemoteNode, Situation};
use runtime_loader::sysctl;

/// True when this test can do its work; otherwise says so loudly.
fn root(test: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    assert!(
        std::env::var_os("PORTCULLIS_REQUIRE_KERNEL").is_none(),
        "{test} needs root"
    );
    eprintln!("SKIPPED (needs root): {test}");
    false
}

fn name(suffix: &str) -> String {
    format!("pctest-{}-{suffix}", std::process::id())
}

#[test]
fn a_namespace_is_listed_while_it_lives_and_not_afterwards() {
    if !root("a_namespace_is_listed_while_it_lives_and_not_afterwards") {
        return;
    }
    let name = name("listed");
    let namespace = Namespace::create(&name).unwrap();
    assert!(netns::names().unwrap().contains(&name));
    assert!(
        matches!(Namespace::create(&name), Err(NetnsError::Exists(_))),
        "a name is never taken over"
    );
    let listed = std::process::Command::new("ip")
        .args(["netns", "list"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&listed.stdout)
            .lines()
            .any(|line| line.starts_with(&name))
    );
    let inside = namespace
        .run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap())
        .unwrap();
    assert_ne!(inside, std::fs::read_link("/proc/thread-self/ns/net").unwrap());
    drop(namespace);
    assert!(!netns::names().unwrap().contains(&name));
}

#[test]
fn a_panicking_job_is_an_error_and_the_thread_goes_on() {
    if !root("a_panicking_job_is_an_error_and_the_thread_goes_on") {
        return;
    }
    let namespace = Namespace::create(&name("panic")).unwrap();
    let error = namespace.run(|| -> u8 { panic!("on purpose") }).unwrap_err();
    assert!(error.to_string().contains("on purpose"), "{error}");
    assert_eq!(namespace.run(|| 7).unwrap(), 7);
    namespace.remove().unwrap();
}

#[test]
fn two_namespaces_speak_tcp_over_link_scope_routes_and_permanent_neighbours() {
    if !root("two_namespaces_speak_tcp_over_link_scope_routes_and_permanent_neighbours") {
        return;
    }
    let left = Namespace::create(&name("left")).unwrap();
    let right = Namespace::create(&name("right")).unwrap();
    for side in [&left, &right] {
        side.run(|| sysctl::write(sysctl::HOST)).unwrap().unwrap();
    }
    let (mac_left, mac_right) = (MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2]));
    let mut here = left.netlink().unwrap();
    let mut there = right.netlink().unwrap();
    here.create_veth(&Veth {
        name: "eth0",
        mac: mac_left,
        peer: VethPeer {
            name: "eth0",
            mac: mac_right,
            namespace: right.descriptor(),
        },
    })
    .unwrap();
    let refused = here
        .create_veth(&Veth {
            name: "eth0",
            mac: mac_left,
            peer: VethPeer {
                name: "eth1",
                mac: mac_right,
                namespace: right.descriptor(),
            },
        })
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("create veth pair `eth0` ↔ `eth1`: File exists"),
        "{refused}"
    );

    let addresses: [(IpAddr, IpAddr); 2] = [
        ("10.9.0.1".parse().unwrap(), "10.9.7.2".parse().unwrap()),
        ("fd00:9::1".parse().unwrap(), "fd00:9:7::2".parse().unwrap()),
    ];
    for (l, r) in addresses {
        here.add_address("eth0", l.into()).unwrap();
        here.add_address("eth0", l.into()).unwrap();
        there.add_address("eth0", r.into()).unwrap();
    }
    here.set_up("eth0").unwrap();
    // Up, and without the other end nothing can go out of it.
    let link = here.link("eth0").unwrap().unwrap();
    assert!(link.up && !link.running, "{link:?}");
    let refused = here.wait_until_running("eth0", Duration::ZERO).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot wait for `eth0` to run: it has no carrier after 0ns"
    );
    there.set_up("eth0").unwrap();
    for netlink in [&mut here, &mut there] {
        netlink
            .wait_until_running("eth0", Duration::from_secs(30))
            .unwrap();
        assert!(netlink.link("eth0").unwrap().unwrap().running);
    }
    for (l, r) in addresses {
        here.add_neighbour("eth0", r, mac_right).unwrap();
        there.add_neighbour("eth0", l, mac_left).unwrap();
        let out = RouteEntry {
            destination: r.into(),
            gateway: None,
            link: "eth0".into(),
            source: None,
        };
        let back = RouteEntry {
            destination: l.into(),
            gateway: None,
            link: "eth0".into(),
            source: None,
        };
        here.add_route(&out).unwrap();
        here.add_route(&out).unwrap();
        there.add_route(&back).unwrap();
        assert!(here.our_routes().unwrap().contains(&out));
        let listener = right.run(move || TcpListener::bind((r, 8080)).unwrap()).unwrap();
        let mut client = left.run(move || TcpStream::connect((r, 8080)).unwrap()).unwrap();
        let (mut server, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), l);
        client.write_all(b"nonce").unwrap();
        let mut nonce = [0; 5];
        server.read_exact(&mut nonce).unwrap();
        assert_eq!(&nonce, b"nonce");
    }
    // A gateway that no link reaches: the kernel's own words come along.
    let lost = RouteEntry {
        destination: "10.99.0.0/16".parse().unwrap(),
        gateway: Some("192.0.2.1".parse().unwrap()),
        link: "eth0".into(),
        source: None,
    };
    let refused = here.add_route(&lost).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("add route 10.99.0.0/16 via 192.0.2.1 dev eth0"),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("gateway"),
        "the extended acknowledgement: {refused}"
    );
    for route in here.our_routes().unwrap() {
        here.remove_route(&route).unwrap();
        here.remove_route(&route).unwrap();
    }
    assert_eq!(here.our_routes().unwrap(), vec![]);
    assert!(matches!(here.set_up("nowhere"), Err(error) if error.to_string().contains("no link `nowhere`")));
    left.remove().unwrap();
    right.remove().unwrap();
}

#[test]
fn routes_are_applied_once_and_follow_what_is_desired() {
    if !root("routes_are_applied_once_and_follow_what_is_desired") {
        return;
    }
    let node = Namespace::create(&name("routes")).unwrap();
    let other = Namespace::create(&name("routes-peer")).unwrap();
    let mut netlink = node.netlink().unwrap();
    for (link, last) in [("uplink", 1), ("lxc000000000001", 3)] {
        netlink
            .create_veth(&Veth {
                name: link,
                mac: MacAddress([2, 0, 0, 0, 1, last]),
                peer: VethPeer {
                    name: link,
                    mac: MacAddress([2, 0, 0, 0, 2, last]),
                    namespace: other.descriptor(),
                },
            })
            .unwrap();
        netlink.set_up(link).unwrap();
    }
    netlink
        .add_address("uplink", "192.168.77.1/24".parse().unwrap())
        .unwrap();
    netlink
        .add_address("uplink", "fd00:77::1/64".parse().unwrap())
        .unwrap();
    // Somebody else's route stays, whatever we do.
    let foreign = RouteEntry {
        destination: "10.250.0.0/16".parse().unwrap(),
        gateway: Some("192.168.77.9".parse().unwrap()),
        link: "uplink".into(),
        source: None,
    };
    netlink.add_static_route(&foreign).unwrap();

    let mut situation = Situation {
        uplink: "uplink".into(),
        addresses: vec!["192.168.77.1".parse().unwrap(), "fd00:77::1".parse().unwrap()],
        pods: vec![LocalPod {
            link: "lxc000000000001".into(),
            addresses: vec!["10.244.1.2".parse().unwrap(), "fd00:10:244:1::2".parse().unwrap()],
        }],
        others: vec![RemoteNode {
            name: "node-b".into(),
            addresses: vec!["192.168.77.2".parse().unwrap(), "fd00:77::2".parse().unwrap()],
            slices: vec![
                "10.244.2.0/24".parse().unwrap(),
                "fd00:10:244:2::/64".parse().unwrap(),
            ],
        }],
    };
    let mut apply = |situation: &Situation| {
        let (desired, problems) = routes::desired(situation);
        assert_eq!(problems, []);
        let changes = routes::apply(&mut netlink, &desired).unwrap();
        let present: BTreeSet<RouteEntry> = netlink.our_routes().unwrap().into_iter().collect();
        assert_eq!(present, desired, "what the kernel has is what was asked for");
        assert!(
            routes::apply(&mut netlink, &desired).unwrap().is_empty(),
            "the second time changes nothing"
        );
        (changes.remove.len(), changes.add.len())
    };
    assert_eq!(apply(&situation), (0, 4));
    // The other node moves: IPv4 replaces in place, IPv6 must not become two ways.
    situation.others[0].addresses = vec!["192.168.77.3".parse().unwrap(), "fd00:77::3".parse().unwrap()];
    assert_eq!(apply(&situation), (1, 2));
    situation.pods.clear();
    assert_eq!(apply(&situation), (2, 0));
    assert_eq!(apply(&Situation::default()), (2, 0));
    let shown = node
        .run(|| {
            std::process::Command::new("ip")
                .args(["route", "show", "10.250.0.0/16"])
                .output()
                .unwrap()
        })
        .unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("via 192.168.77.9"));
    node.remove().unwrap();
    other.remove().unwrap();
}
