//! `connectivity` against lists that others made: the cases of np-guard's analyzer.
//!
//! The corpus is not part of the repository. It is looked for beside it, or where `PORTCULLIS_CORPUS` says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests: a failed look-up is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Cases that cannot be equal, and why. A case that becomes equal must be taken off this list.
const DIFFERENT: &[(&str, &str)] = &[(
    "semanticDiff-different-topologies-policy-a-with-ipblock",
    "its list names workloads that no manifest of the corpus holds",
)];

/// Cases whose own manifests lack the pods that their list names, with the files of other cases that hold them: there
/// the list was made of the same cluster.
const COMPLETED: &[(&str, &[&str])] = &[
    ("multiple_topology_resources_2", CLUSTER),
    ("semanticDiff-orig-topologies-no-policy", CLUSTER),
    ("test_with_named_ports_changed_netpol", CLUSTER),
    ("semanticDiff-same-topologies-new2", BANK),
    ("semanticDiff-same-topologies-old1", BANK),
];
const CLUSTER: &[&str] = &[
    "with_end_port_example/manifests/ns_list.yaml",
    "with_end_port_example/manifests/pods_list.yaml",
];
const BANK: &[&str] = &["multiple_topology_resources_2/manifests/bank_pod_list_yaml_version.yml"];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    Workload(String),
    Addresses(u64, u64),
}

type Ports = BTreeSet<(String, u16, u16)>;

/// Who may reach whom, on which ports.
type Flow = (Peer, Peer, Ports);

/// Ports by pair, each range as long as it can be.
type Table = BTreeMap<(Peer, Peer), Vec<(String, u16, u16)>>;

fn everything() -> Ports {
    ["TCP", "UDP", "SCTP"]
        .into_iter()
        .map(|protocol| (protocol.to_owned(), 1, 65535))
        .collect()
}

fn addresses(first: Ipv4Addr, last: Ipv4Addr) -> Peer {
    Peer::Addresses(u64::from(first.to_bits()), u64::from(last.to_bits()))
}

/// `namespace/name[Kind]`, or `first-last[External]`; `None` for what is not compared.
fn expected_peer(text: &str) -> Option<Peer> {
    let text = text.trim();
    if let Some(range) = text.strip_suffix("[External]") {
        let (first, last) = range.split_once('-')?;
        return Some(addresses(first.parse().unwrap(), last.parse().unwrap()));
    }
    (text.contains('/') && text.ends_with(']')).then(|| Peer::Workload(text.to_owned()))
}

/// `All Connections`, or `TCP 80,443,1000-2000,UDP 53`.
fn expected_ports(text: &str) -> Ports {
    let text = text.trim();
    if text == "All Connections" {
        return everything();
    }
    let mut protocol = "";
    let mut ports = Ports::new();
    for part in text.split(',') {
        let range = match part.trim().split_once(' ') {
            Some((named, range)) => {
                protocol = named;
                range
            }
            None => part.trim(),
        };
        let range = match range {
            "TCP" | "UDP" | "SCTP" => {
                protocol = range;
                "1-65535"
            }
            range => range,
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        ports.insert((protocol.to_owned(), first.parse().unwrap(), last.parse().unwrap()));
    }
    ports
}

fn expected(path: &Path) -> Vec<Flow> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .take_while(|line| !line.starts_with("Exposure Analysis"))
        .filter_map(|line| {
            let (pair, ports) = line.rsplit_once(" : ")?;
            let (source, destination) = pair.split_once("=>")?;
            Some((
                expected_peer(source)?,
                expected_peer(destination)?,
                expected_ports(ports),
            ))
        })
        .collect()
}

/// What the command says, and the workloads on the host network.
fn ours(case: &Path) -> Result<(Vec<Flow>, BTreeSet<Peer>), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args([
        "connectivity",
        "--format",
        "json",
        "--cidr-match",
        "external",
        "-",
    ]);
    let manifests = case.join("manifests");
    if manifests.is_dir() {
        command.arg(manifests);
    }
    let mut borrowed = String::new();
    for (_, files) in COMPLETED.iter().filter(|(name, _)| case.ends_with(name)) {
        for file in *files {
            let text = std::fs::read_to_string(case.with_file_name(file)).unwrap();
            // What is on the host network is left out of the comparison, and the bank is nothing else. np-guard has
            // no host network.
            let lines = text
                .lines()
                .filter(|line| *files != BANK || line.trim() != "hostNetwork: true");
            borrowed.push_str("---\n");
            borrowed.extend(lines.flat_map(|line| [line, "\n"]));
        }
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(borrowed.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut host = BTreeSet::new();
    let mut flows = Vec::new();
    for connection in report["connections"].as_array().unwrap() {
        let ports: Ports = connection["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ports| {
                let number = |key: &str| u16::try_from(ports[key].as_u64().unwrap()).unwrap();
                (
                    ports["protocol"].as_str().unwrap().to_owned(),
                    number("from"),
                    number("to"),
                )
            })
            .collect();
        for source in our_peers(&connection["src"], &mut host) {
            for destination in our_peers(&connection["dst"], &mut host) {
                flows.push((source.clone(), destination, ports.clone()));
            }
        }
    }
    Ok((flows, host))
}

fn our_peers(peer: &Value, host: &mut BTreeSet<Peer>) -> Vec<Peer> {
    if let Some(blocks) = peer["cidrs"].as_array() {
        return blocks
            .iter()
            .filter_map(|block| block.as_str().unwrap().parse::<ipnet::Ipv4Net>().ok())
            .map(|block| addresses(block.network(), block.broadcast()))
            .collect();
    }
    let text = |key: &str| peer[key].as_str().unwrap();
    let workload = Peer::Workload(format!(
        "{}/{}[{}]",
        text("namespace"),
        text("name"),
        text("kind")
    ));
    if peer["host_network"] == true {
        host.insert(workload.clone());
    }
    vec![workload]
}

/// Ports by pair, addresses cut wherever either side tells them apart.
fn table(flows: &[Flow], cuts: &BTreeSet<u64>, host: &BTreeSet<Peer>) -> Table {
    let pieces = |peer: &Peer| match peer {
        Peer::Workload(_) => vec![peer.clone()],
        Peer::Addresses(first, last) => {
            let starts: Vec<u64> = cuts.range(*first..=*last).copied().collect();
            let ends = starts.iter().skip(1).map(|next| next - 1).chain([*last]);
            starts
                .iter()
                .zip(ends)
                .map(|(first, last)| Peer::Addresses(*first, last))
                .collect()
        }
    };
    let mut table: BTreeMap<(Peer, Peer), Ports> = BTreeMap::new();
    for (source, destination, ports) in flows {
        if host.contains(source) || host.contains(destination) {
            continue;
        }
        for source in pieces(source) {
            for destination in pieces(destination) {
                if source != destination {
                    table
                        .entry((source.clone(), destination))
                        .or_default()
                        .extend(ports.iter().cloned());
                }
            }
        }
    }
    table
        .into_iter()
        .map(|(pair, ports)| (pair, joined(ports)))
        .collect()
}

fn joined(ports: Ports) -> Vec<(String, u16, u16)> {
    let mut joined: Vec<(String, u16, u16)> = Vec::new();
    for (protocol, first, last) in ports {
        match joined.last_mut() {
            Some(before) if before.0 == protocol && u32::from(first) <= u32::from(before.2) + 1 => {
                before.2 = before.2.max(last);
            }
            _ => joined.push((protocol, first, last)),
        }
    }
    joined
}

/// The first differences, or how many pairs are equal.
fn compare(case: &Path) -> Result<usize, String> {
    let expected = expected(&case.join("expected.txt"));
    let (ours, host) = ours(case)?;
    let mut cuts = BTreeSet::new();
    for (source, destination, _) in expected.iter().chain(&ours) {
        for peer in [source, destination] {
            if let Peer::Addresses(first, last) = peer {
                cuts.extend([*first, last + 1]);
            }
        }
    }
    let (want, got) = (table(&expected, &cuts, &host), table(&ours, &cuts, &host));
    let pairs: BTreeSet<_> = want.keys().chain(got.keys()).collect();
    let different: Vec<String> = pairs
        .into_iter()
        .filter(|pair| want.get(pair) != got.get(pair))
        .take(5)
        .map(|pair| format!("{pair:?}: expected {:?}, got {:?}", want.get(pair), got.get(pair)))
        .collect();
    if different.is_empty() {
        Ok(want.len())
    } else {
        Err(different.join("\n"))
    }
}

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("PORTCULLIS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let cases = root.join("np-guard");
    if cases.is_dir() {
        return Some(cases);
    }
    eprintln!(
        "SKIPPED (no corpus): {} is not there; set PORTCULLIS_CORPUS",
        cases.display()
    );
    None
}

#[test]
fn connections_are_those_that_np_guard_lists() {
    let Some(corpus) = corpus() else {
        return;
    };
    let mut cases: Vec<_> = std::fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let (mut equal, mut wrong) = (0, Vec::new());
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let known = DIFFERENT.iter().find(|(known, _)| *known == name);
        match (compare(case), known) {
            (Ok(_), None) => equal += 1,
            (Err(_), Some(_)) => {}
            (Ok(pairs), Some((_, reason))) => {
                wrong.push(format!("{name}: {pairs} pairs are equal after all ({reason})"));
            }
            (Err(difference), None) => wrong.push(format!("{name}:\n{difference}")),
        }
    }
    eprintln!("{equal} of {} cases are equal", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(equal, cases.len() - DIFFERENT.len());
}

#[test]
fn the_comparison_sees_a_difference() {
    let peer = |text: &str| expected_peer(text).unwrap();
    let cuts = BTreeSet::from([0, 1 << 32]);
    let flow = |ports: &str| {
        vec![(
            peer("0.0.0.0-255.255.255.255[External]"),
            peer("a/b[Pod]"),
            expected_ports(ports),
        )]
    };
    let table = |ports: &str| table(&flow(ports), &cuts, &BTreeSet::new());
    assert_eq!(table("TCP 80,81-90"), table("TCP 80-90"));
    assert_ne!(table("TCP 80"), table("TCP 81"));
    assert_ne!(table("TCP 80"), table("UDP 80"));
    assert_eq!(table("TCP,UDP,SCTP"), table("All Connections"));
}
