//! One meaning, without privileges: the reference evaluator, the verdict table and the emitted programs, read back from
//! their bytes and run by the interpreter, agree on generated policies and packets.
#![cfg(test)]

// The name that crates above know it by, for what is shared with their tests.
extern crate portcullis_codegen_ebpf as codegen_ebpf;

mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;

use codegen_ebpf::datapath::Hook;
use codegen_ebpf::datapath::records::{COUNTERS, EVENTS, MAPS, PASS, Reason};
use codegen_ebpf::interpreter::{Machine, Packet, Program};
use ir::port::Protocol;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use support::oracle::{Directory, Oracle};
use support::packet::{ACK, Extension, SYN, SYN_ACK, Segment, Shape};
use support::scenario::{self, Enforced, Sent, Story, at, same_in_table};

/// Stories in a run, and flows in each: ten thousand and more.
const STORIES: u32 = 150;
const FLOWS: usize = 90;

/// What a program did with a packet: whether it passed, and the reason it counted.
fn judged(machine: &mut Machine, program: &Program, hook: Hook, packet: Packet) -> Result<Reason, String> {
    let counters = machine.map_named(COUNTERS.name).unwrap();
    for reason in Reason::ALL {
        machine
            .map_mut(counters)
            .unwrap()
            .set(&counter(hook, reason), &[0; 16])
            .unwrap();
    }
    let length = packet.bytes.len() as u64;
    let outcome = machine.run(program, packet).map_err(|fault| fault.to_string())?;
    let count = |reason| {
        let value = machine
            .map(counters)
            .unwrap()
            .get(&counter(hook, reason))
            .unwrap();
        (
            u64::from_le_bytes(value[..8].try_into().unwrap()),
            u64::from_le_bytes(value[8..].try_into().unwrap()),
        )
    };
    let counted: Vec<Reason> = Reason::ALL
        .into_iter()
        .filter(|reason| count(*reason).0 != 0)
        .collect();
    let [reason] = counted[..] else {
        return Err(format!("counted under {counted:?}"));
    };
    if count(reason) != (1, length) {
        return Err(format!(
            "counted {:?} as {reason:?}, for one packet of {length} bytes",
            count(reason)
        ));
    }
    let events = machine.map_named(EVENTS.name).unwrap();
    let events = machine.map_mut(events).unwrap().take_records().len();
    if (outcome.return_value.cast_signed() == PASS) != reason.passes()
        || events != usize::from(!reason.passes())
    {
        return Err(format!(
            "{reason:?} returns {} with {events} events",
            outcome.return_value
        ));
    }
    Ok(reason)
}

fn counter(hook: Hook, reason: Reason) -> [u8; 4] {
    u32::from(hook.number() << 4 | reason.number()).to_le_bytes()
}

/// Sends a story's packets; what became of each, which is what the oracle says.
fn follow(story: &Story) -> Result<Vec<Reason>, TestCaseError> {
    let mut reasons = Vec::new();
    if story.packets.is_empty() {
        return Ok(reasons);
    }
    let mut machine = Machine::new();
    machine.nanoseconds = 1_000_000_000;
    let directory = Directory::of(&story.models[0]);
    let mut oracle = Oracle::default();
    let enforced = story
        .models
        .each_ref()
        .map(|model| Enforced::new(model, story.endpoint));
    let programs = enforced.each_ref().map(|one| {
        let load = |hook| {
            machine
                .load(&one.programs[at(hook)].object.load().unwrap(), &MAPS)
                .unwrap()
        };
        Hook::ALL.map(load)
    });
    for sent in &story.packets {
        let model = &story.models[sent.model];
        same_in_table(story, sent, &enforced[sent.model], &directory)?;
        let unrestricted = enforced[sent.model].unrestricted();
        let expected = oracle.judge(
            model,
            unrestricted,
            &directory,
            story.endpoint,
            sent.hook,
            &sent.segment,
            sent.forwarded,
        );
        let (frame, _) = sent.segment.frame();
        // Where the linear part ends, if before the end: anywhere, and the same whenever the story is told again.
        let linear = 14 + usize::from(sent.segment.source_port ^ u16::from(sent.segment.flags)) % frame.len();
        let packet = Packet {
            ingress_ifindex: sent.ingress_ifindex(),
            ..Packet::ethernet(frame).with_linear_len(linear)
        };
        let found = judged(
            &mut machine,
            &programs[sent.model][at(sent.hook)],
            sent.hook,
            packet,
        );
        prop_assert_eq!(found, Ok(expected), "{:?}", sent);
        reasons.push(expected);
    }
    Ok(reasons)
}

/// A run, with failing cases shrunk but not written anywhere.
fn run<S: Strategy>(cases: u32, stories: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(stories, test) {
        panic!("{error}");
    }
}

#[test]
fn programs_do_what_the_evaluator_says() {
    let flows = Cell::new(0);
    let reasons = RefCell::new(BTreeMap::<Reason, u32>::new());
    run(STORIES, &scenario::story(FLOWS), |story| {
        flows.set(flows.get() + story.flows);
        for reason in follow(&story)? {
            *reasons.borrow_mut().entry(reason).or_default() += 1;
        }
        Ok(())
    });
    let reasons = reasons.into_inner();
    eprintln!(
        "{} flows; packets by what became of them: {reasons:?}",
        flows.get()
    );
    assert!(flows.get() >= 10_000, "only {} flows", flows.get());
    // A run that meets only one side of a question proves nothing.
    for reason in [
        Reason::Allowed,
        Reason::Reply,
        Reason::Policy,
        Reason::Spoofed,
        Reason::Foreign,
        Reason::UnknownHeader,
        Reason::Fragment,
        Reason::EtherType,
    ] {
        assert!(reasons.get(&reason) > Some(&100), "{reason:?} in {reasons:?}");
    }
}

/// A connection ends when the policy that let it begin is revoked, also where the other direction is, and was,
/// unrestricted: what its replies leave in the connection table must not keep it alive.
#[test]
fn revocation_is_immediate_where_replies_are_unrestricted() {
    for (hook, direction) in [(Hook::FromPod, "egress"), (Hook::ToPod, "ingress")] {
        let under = |rule: &str| {
            let text = format!(
                "endpoint shop/pod labels app=pod at 10.0.0.1\n\
                 endpoint shop/peer at 10.0.0.2\n\
                 policy NetworkPolicy shop/p on pods [ns=shop, app=pod] denies {direction} {{\n{rule}\n}}\n"
            );
            ir::text::parse(&text).unwrap()
        };
        let models = [
            under(&format!("allow {direction} ports 80/TCP, 53/UDP")),
            under(""),
        ];
        let endpoint = models[0]
            .cluster
            .endpoint_ids()
            .find(|(_, pod)| pod.name == "pod")
            .unwrap()
            .0;
        let mut packets = Vec::new();
        for (protocol, port) in [(Protocol::Tcp, 80), (Protocol::Udp, 53)] {
            let (pod, peer) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
            let (source, destination) = if hook == Hook::FromPod {
                (pod, peer)
            } else {
                (peer, pod)
            };
            let forth = |flags, model| Sent {
                hook,
                segment: Segment {
                    source,
                    destination,
                    protocol,
                    source_port: 40_000,
                    destination_port: port,
                    flags,
                    shape: Shape::PLAIN,
                },
                forwarded: true,
                model,
            };
            let back = |flags, model| {
                let Sent { segment, .. } = forth(flags, model);
                Sent {
                    hook: hook.opposite(),
                    segment: Segment {
                        source: destination,
                        destination: source,
                        source_port: port,
                        destination_port: 40_000,
                        ..segment
                    },
                    ..forth(flags, model)
                }
            };
            packets.extend([
                forth(SYN, 0),
                back(SYN_ACK, 0),
                forth(ACK, 0),
                forth(ACK, 1),
                back(ACK, 1),
                forth(ACK, 1),
            ]);
        }
        packets.sort_by_key(|sent| sent.model);
        let story = Story {
            models,
            endpoint,
            packets,
            flows: 2,
        };
        use Reason::{Allowed, Policy};
        // TCP and UDP under the first policy, then under the second; what comes back is unrestricted.
        let once = [Allowed, Allowed, Allowed];
        let then = [Policy, Allowed, Policy];
        assert_eq!(
            follow(&story).unwrap(),
            [once, once, then, then].concat(),
            "{direction}"
        );
    }
}

/// Every packet of a few stories, cut off behind every byte: what a judge has to see and cannot is truncated, and what
/// comes later makes no difference.
#[test]
fn truncations_at_every_byte() {
    run(12, &scenario::story(8), |story| {
        let directory = Directory::of(&story.models[0]);
        let model = &story.models[0];
        if story.packets.is_empty() {
            return Ok(());
        }
        let objects = Enforced::new(model, story.endpoint)
            .programs
            .map(|one| one.object.load().unwrap());
        for sent in story.packets.iter().filter(|sent| sent.model == 0) {
            let object = &objects[at(sent.hook)];
            let (frame, needed) = sent.segment.frame();
            for length in 0..=frame.len() {
                // Each packet meets an empty connection table.
                let mut machine = Machine::new();
                let program = machine.load(object, &MAPS).unwrap();
                let whole = Oracle::default().judge(
                    model,
                    false,
                    &directory,
                    story.endpoint,
                    sent.hook,
                    &sent.segment,
                    sent.forwarded,
                );
                let expected = match whole {
                    // The frame's type tells.
                    Reason::EtherType if length >= 14 => whole,
                    _ if length < needed => Reason::Truncated,
                    whole => whole,
                };
                let packet = Packet {
                    ingress_ifindex: sent.ingress_ifindex(),
                    ..Packet::ethernet(frame[..length].to_vec())
                };
                let found = judged(&mut machine, &program, sent.hook, packet);
                // The protocol of the wrong family shows before its header is complete.
                let early = whole == Reason::UnknownHeader && found == Ok(whole) && length >= 34;
                prop_assert!(
                    found == Ok(expected) || early,
                    "{sent:?} cut to {length}: {found:?}, not {expected:?}"
                );
            }
        }
        Ok(())
    });
}

/// A protocol without ports asks for no byte of its own; options and extension headers in front of it have to be there
/// all the same, since they are what says that it is this protocol.
#[test]
fn what_lies_before_a_transport_without_ports_must_be_there() {
    let text = "endpoint shop/pod at 10.0.0.1 fd00::1\n";
    let model = ir::text::parse(text).unwrap();
    let endpoint = model.cluster.endpoint_ids().next().unwrap().0;
    let directory = Directory::of(&model);
    let enforced = Enforced::new(&model, endpoint);
    let object = enforced.programs[at(Hook::FromPod)].object.load().unwrap();
    let pairs = [("10.0.0.1", "192.0.2.1"), ("fd00::1", "2001:db8::1")];
    for (source, destination) in pairs.map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap())) {
        let shape = Shape {
            options: 5,
            extensions: vec![Extension::Options(60, 3)],
            ..Shape::PLAIN
        };
        let segment = Segment {
            source,
            destination,
            protocol: Protocol::Other,
            source_port: 0,
            destination_port: 0,
            flags: 0,
            shape,
        };
        let whole =
            Oracle::default().judge(&model, true, &directory, endpoint, Hook::FromPod, &segment, false);
        assert_eq!(whole, Reason::Allowed);
        let (frame, needed) = segment.frame();
        for length in 0..=frame.len() {
            let expected = if length < needed {
                Reason::Truncated
            } else {
                Reason::Allowed
            };
            let mut machine = Machine::new();
            let program = machine.load(&object, &MAPS).unwrap();
            let found = judged(
                &mut machine,
                &program,
                Hook::FromPod,
                Packet::ethernet(frame[..length].to_vec()),
            );
            assert_eq!(found, Ok(expected), "{length} of {needed} bytes");
        }
    }
}

/// Replies pass as long as the flow is remembered: UDP for a minute of silence, TCP for 8,000 seconds.
#[test]
fn silence_ends_a_flow() {
    let text = "endpoint shop/pod labels app=pod at 10.0.0.1\n\
                policy NetworkPolicy shop/p on pods [ns=shop] denies both {\nallow egress\n}\n";
    let model = ir::text::parse(text).unwrap();
    let endpoint = model.cluster.endpoint_ids().next().unwrap().0;
    let objects = Enforced::new(&model, endpoint)
        .programs
        .map(|one| one.object.load().unwrap());
    for (protocol, seconds) in [(Protocol::Tcp, 8_000), (Protocol::Udp, 60)] {
        for (silence, expected) in [(seconds, Reason::Reply), (seconds + 1, Reason::Policy)] {
            let mut machine = Machine::new();
            let [to_pod, from_pod] = objects
                .each_ref()
                .map(|object| machine.load(object, &MAPS).unwrap());
            let mut send = |hook, seconds: u64| {
                let (pod, peer) = (
                    (IpAddr::from([10, 0, 0, 1]), 40_000),
                    (IpAddr::from([192, 0, 2, 1]), 443),
                );
                let (program, from, to) = match hook {
                    Hook::ToPod => (&to_pod, peer, pod),
                    Hook::FromPod => (&from_pod, pod, peer),
                };
                let segment = Segment {
                    source: from.0,
                    destination: to.0,
                    protocol,
                    source_port: from.1,
                    destination_port: to.1,
                    flags: ACK,
                    shape: Shape::PLAIN,
                };
                machine.nanoseconds += seconds * 1_000_000_000;
                judged(&mut machine, program, hook, Packet::ethernet(segment.frame().0)).unwrap()
            };
            assert_eq!(send(Hook::ToPod, 5), Reason::Policy, "nothing to reply to");
            assert_eq!(send(Hook::FromPod, 0), Reason::Allowed);
            // Packets of either side break the silence.
            assert_eq!(send(Hook::ToPod, seconds), Reason::Reply);
            assert_eq!(send(Hook::FromPod, seconds), Reason::Allowed);
            assert_eq!(
                send(Hook::ToPod, silence),
                expected,
                "{protocol} after {silence} s"
            );
        }
    }
}
