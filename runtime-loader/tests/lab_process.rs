//! `portcullis-node lab` as a process: its exit status, and what it leaves behind when signals end it.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_loader::lab::run_id::RunId;
use runtime_loader::netns;

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

/// A directory with one manifest, removed in the end.
struct Manifests(PathBuf);

impl Manifests {
    fn new(name: &str, text: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("pctest-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::File::create(directory.join("shop.yaml"))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        Self(directory)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Manifests {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SHOP: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  containers: [{name: main, image: web, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec:
  containers: [{name: main, image: client}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: client}}}]
      ports: [{port: http}]
";

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis-node"));
    command
        .arg("lab")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Everything of a process's run that is there: namespaces and pins.
fn things_of(pid: u32) -> Vec<String> {
    let prefix = format!("pc-{pid}-");
    let mut things: Vec<String> = netns::names().unwrap();
    things.extend(
        fs::read_dir("/sys/fs/bpf")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok()),
    );
    things.retain(|name| name.starts_with(&prefix) && RunId::parse(name).is_some());
    things
}

fn links() -> BTreeSet<String> {
    let mut netlink = runtime_loader::netlink::Netlink::open().unwrap();
    netlink
        .links()
        .unwrap()
        .into_iter()
        .map(|link| link.name)
        .collect()
}

/// Waits until the child's run has pins: it is in the middle of its work then. (The child would be done by itself
/// long after; the test does not depend on how long.)
fn wait_for_pins(child: &mut Child) {
    loop {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the lab ended before it could be interrupted"
        );
        if things_of(child.id())
            .iter()
            .any(|thing| Path::new("/sys/fs/bpf").join(thing).is_dir())
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_manifest_becomes_packets_that_do_as_predicted() {
    if !root("a_manifest_becomes_packets_that_do_as_predicted") {
        return;
    }
    let manifests = Manifests::new("whole", SHOP);
    let before = links();
    let child = lab(&[manifests.path().to_str().unwrap()]).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let last = shown.trim_end().lines().last().unwrap().to_owned();
    let (all, rest) = last.split_once(" flows probed, ").unwrap();
    assert_eq!(rest, format!("{all} as predicted"));
    assert!(
        shown
            .lines()
            .any(|line| line.contains("shop/client") && line.contains("8080/TCP")),
        "{shown}"
    );
    assert_eq!(things_of(pid), Vec::<String>::new());
    assert_eq!(links(), before);
}

#[test]
fn signals_end_it_and_leave_nothing_behind() {
    if !root("signals_end_it_and_leave_nothing_behind") {
        return;
    }
    let manifests = Manifests::new("signals", SHOP);
    let before = links();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut child = lab(&[manifests.path().to_str().unwrap()]).spawn().unwrap();
        let pid = child.id();
        wait_for_pins(&mut child);
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(128 + signal as i32),
            "{}",
            text(&output)
        );
        assert_eq!(things_of(pid), Vec::<String>::new(), "after {signal}");
    }
    assert_eq!(links(), before);
}

#[test]
fn cleanup_finds_what_a_kill_left_behind_and_nothing_that_is_in_use() {
    if !root("cleanup_finds_what_a_kill_left_behind_and_nothing_that_is_in_use") {
        return;
    }
    let manifests = Manifests::new("kill", SHOP);
    let path = manifests.path().to_str().unwrap();
    let before = links();
    let mut killed = lab(&[path]).spawn().unwrap();
    let pid = killed.id();
    wait_for_pins(&mut killed);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!things_of(pid).is_empty(), "nobody could tidy up");

    // A run of a living process: this one's own.
    let own = RunId::of_this_process().unwrap();
    let living = netns::Namespace::create(&own.namespace("in-use")).unwrap();
    let output = lab(&["--cleanup"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(things_of(pid), Vec::<String>::new());
    assert!(netns::names().unwrap().contains(&living.name().to_owned()));
    living.remove().unwrap();
    assert_eq!(links(), before);
}

#[test]
fn manifests_with_errors_probe_nothing() {
    if !root("manifests_with_errors_probe_nothing") {
        return;
    }
    let manifests = Manifests::new(
        "errors",
        &SHOP.replace("podSelector: {matchLabels: {app: web}}", "podSelectr: {}"),
    );
    let output = lab(&[manifests.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("podSelectr"), "{}", text(&output));
}
