//! `portcullis-node load`, `status` and `unload`, as processes of their own.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use runtime_loader::pins::DEFAULT_ROOT;
use sha2::{Digest, Sha256};

use crate::support::{ALLOW, DENY, Wire, assert_arrives, assert_dropped, counting_elf, sandbox};

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn portcullis_node(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis-node"))
        .args(arguments)
        .output()
        .unwrap();
    Run {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A bundle of one ingress program for each endpoint, in memory that goes with the sandbox.
fn bundle(directory: &str, endpoints: &[(&str, Vec<u8>)]) {
    fs::create_dir_all(Path::new(directory).join("objects")).unwrap();
    let entries: Vec<_> = endpoints
        .iter()
        .map(|(name, elf)| {
            let object = format!("objects/{name}.o");
            fs::write(Path::new(directory).join(&object), elf).unwrap();
            let sha256: String = Sha256::digest(elf)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            serde_json::json!({
                "namespace": "test", "name": name,
                "programs": [{ "direction": "ingress", "object": object, "sha256": sha256 }]
            })
        })
        .collect();
    let description = serde_json::json!({ "format_version": 1, "endpoints": entries });
    fs::write(Path::new(directory).join("bundle.json"), description.to_string()).unwrap();
}

pub(crate) fn private_directories() {
    for directory in ["/mnt", "/run"] {
        mount(
            Some("tmpfs"),
            directory,
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
    }
}

#[test]
fn a_bundle_is_loaded_shown_replaced_and_taken_off() {
    sandbox("a_bundle_is_loaded_shown_replaced_and_taken_off", || {
        private_directories();
        let wire = Wire::new("web");
        let (sender, receiver) = wire.node_to_pod();
        assert_eq!(portcullis_node(&["status"]).out, "nothing is loaded\n");
        // Key 4 of ingress counters: "policy".
        bundle(
            "/mnt/deny",
            &[
                ("web", counting_elf(DENY, 4, 1024)),
                ("elsewhere", counting_elf(DENY, 4, 1024)),
            ],
        );
        bundle("/mnt/allow", &[("web", counting_elf(ALLOW, 0, 1024))]);

        let run = portcullis_node(&["load", "/mnt/deny"]);
        assert_eq!(run.status, 0, "{run:?}");
        assert!(run.err.contains("test/elsewhere is not on this node"), "{run:?}");
        assert!(
            run.err.contains("1 programs in force: 1 attached, 0 replaced"),
            "{run:?}"
        );
        assert_eq!(run.out, "", "nothing about the run on standard output");
        // The process is gone, its programs are not.
        assert_dropped(&sender, &receiver);
        let shown = portcullis_node(&["status"]);
        assert_eq!(shown.status, 0, "{shown:?}");
        let first = shown.out.lines().next().unwrap();
        assert!(
            first.starts_with(&format!("test/web ingress on {} by tcx: object ", wire.device)),
            "{first}"
        );
        assert!(first.ends_with("(generation 1), 0 passed, 1 dropped"), "{first}");
        assert!(
            shown.out.contains("policy                     1 packets"),
            "{shown:?}"
        );
        assert!(
            shown.out.contains("conntrack: 0 flows\nbundle: sha256:"),
            "{shown:?}"
        );

        let run = portcullis_node(&["load", "/mnt/allow"]);
        assert!(run.err.contains("0 attached, 1 replaced"), "{run:?}");
        assert_arrives(&sender, &receiver);
        assert!(
            portcullis_node(&["status"])
                .out
                .contains("(generation 2), 1 passed, 1 dropped")
        );
        let run = portcullis_node(&["load", "/mnt/allow", "--attach", "clsact"]);
        assert_eq!(run.status, 0, "{run:?}");
        assert!(portcullis_node(&["status"]).out.contains("by clsact"));

        let run = portcullis_node(&["unload"]);
        assert_eq!((run.status, run.err.as_str()), (0, "1 programs taken off\n"));
        let run = portcullis_node(&["unload"]);
        assert_eq!(
            (run.status, run.err.as_str()),
            (0, "0 programs taken off\n"),
            "twice is fine"
        );
        assert!(!Path::new(DEFAULT_ROOT).exists());
    });
}

#[test]
fn another_namespace_and_another_device_can_be_named() {
    sandbox("another_namespace_and_another_device_can_be_named", || {
        private_directories();
        let wire = Wire::new("web");
        let (sender, receiver) = wire.node_to_pod();
        let device = format!("test/other={}", wire.device);
        bundle("/mnt/other", &[("other", counting_elf(DENY, 4, 1024))]);
        // This namespace by a name, seen from another one.
        fs::create_dir("/run/netns").unwrap();
        fs::write("/run/netns/here", "").unwrap();
        let bind = MsFlags::MS_BIND;
        mount(
            Some("/proc/thread-self/ns/net"),
            "/run/netns/here",
            None::<&str>,
            bind,
            None::<&str>,
        )
        .unwrap();
        let elsewhere = |arguments: &[&str]| {
            std::thread::scope(|scope| {
                let elsewhere = scope.spawn(|| {
                    unshare(CloneFlags::CLONE_NEWNET).unwrap();
                    portcullis_node(arguments)
                });
                elsewhere.join().unwrap()
            })
        };
        let run = elsewhere(&["load", "/mnt/other", "--device", &device]);
        assert_eq!(run.status, 2, "the device is in another namespace: {run:?}");
        assert!(
            run.err
                .contains("none of the bundle's 1 endpoints has a device here"),
            "{run:?}"
        );
        let run = elsewhere(&["load", "/mnt/other", "--device", &device, "--netns", "here"]);
        assert_eq!(run.status, 0, "{run:?}");
        assert_dropped(&sender, &receiver);
        let run = elsewhere(&["status"]);
        assert_eq!(run.status, 1, "that namespace cannot tell: {run:?}");
        assert!(
            run.out.contains("UNKNOWN from here, it is in network namespace ")
                && run.out.contains("(`here` under /run/netns)"),
            "{run:?}"
        );
        let run = elsewhere(&["unload", "--netns", "here"]);
        assert_eq!(run.status, 0, "{run:?}");
        assert_arrives(&sender, &receiver);
        let run = portcullis_node(&["status", "--netns", "nowhere"]);
        assert_eq!(run.status, 2);
        assert!(
            run.err.contains("cannot enter the network namespace `nowhere`"),
            "{run:?}"
        );
    });
}

#[test]
fn what_is_no_bundle_is_refused_in_one_sentence() {
    sandbox("what_is_no_bundle_is_refused_in_one_sentence", || {
        private_directories();
        let refused = |directory: &str, why: &str| {
            let run = portcullis_node(&["load", directory]);
            assert_eq!(run.status, 2, "{run:?}");
            assert!(run.err.contains(why), "{run:?}");
            assert!(!Path::new(DEFAULT_ROOT).exists(), "nothing was begun");
        };
        refused(
            "/mnt/absent",
            "cannot read `/mnt/absent/bundle.json`: No such file",
        );
        let description = |text: &str| {
            fs::create_dir_all("/mnt/bad").unwrap();
            fs::write("/mnt/bad/bundle.json", text).unwrap();
        };
        description("[");
        refused("/mnt/bad", "does not describe a bundle");
        description(r#"{"format_version": 999, "endpoints": "later"}"#);
        refused("/mnt/bad", "is of format 999; this version reads format 1");
        let program = |object: &str, direction: &str| {
            description(&format!(
                r#"{{"format_version": 1, "endpoints": [{{"namespace": "a", "name": "b",
                   "programs": [{{"direction": "{direction}", "object": "{object}", "sha256": "00"}}]}}]}}"#
            ));
        };
        program("../../etc/passwd", "ingress");
        refused("/mnt/bad", "`../../etc/passwd` leads out of the bundle");
        program("/etc/passwd", "ingress");
        refused("/mnt/bad", "`/etc/passwd` leads out of the bundle");
        program("x.o", "sideways");
        refused(
            "/mnt/bad",
            "a/b has a program for the unknown direction `sideways`",
        );
        fs::write("/mnt/bad/x.o", "not what it was").unwrap();
        program("x.o", "ingress");
        refused("/mnt/bad", "its SHA-256 is another");
        let run = portcullis_node(&["load"]);
        assert_eq!(run.status, 2, "{run:?}");
        assert_eq!(portcullis_node(&["--help"]).status, 0);
    });
}
