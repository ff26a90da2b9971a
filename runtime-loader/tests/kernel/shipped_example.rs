//! The bundle that the compiler makes of `testdata/named-ports`, in the hands of every loader.

use std::path::{Path, PathBuf};
use std::process::Command;

use compiler::resolve::Resolved;
use compiler::{check, compile, placement};
use runtime_loader::device::EndpointName;
use runtime_loader::netlink::Netlink;
use runtime_loader::pins::DEFAULT_ROOT;

use crate::command_line::{portcullis_node, private_directories};
use crate::support::sandbox;

/// Compiles the example as `portcullis compile --place` does; the objects' paths.
fn compile_example(directory: &Path) -> Vec<PathBuf> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/named-ports");
    let understood =
        check::understand(&[example], &check::Options::default(), &mut std::io::empty()).unwrap();
    assert!(!understood.blocked(), "{:?}", understood.findings);
    let placed = placement::place(&understood.model, placement::Options::default()).unwrap();
    let resolved = Resolved::of(&placed.model);
    let output = compile::compile(&resolved, &understood.input.sources, |_| true, |_| false).unwrap();
    compile::write(directory, &output.files).unwrap();
    let objects: Vec<_> = output
        .files
        .iter()
        .filter(|file| file.path.ends_with(".o"))
        .map(|file| directory.join(&file.path))
        .collect();
    assert_eq!(objects.len(), 2 * output.pods, "one object for each direction");
    objects
}

/// Standard output of a tool that must succeed; `None`, said loudly, where it is not installed.
fn tool(name: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(name).args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(
                std::env::var_os("PORTCULLIS_REQUIRE_KERNEL").is_none(),
                "{name}: {error}"
            );
            eprintln!("SKIPPED (needs {name}): {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn bpftool_takes_every_object_and_shows_the_lines_of_the_policies() {
    sandbox(
        "bpftool_takes_every_object_and_shows_the_lines_of_the_policies",
        || {
            private_directories();
            for object in compile_example(Path::new("/mnt/bundle")) {
                let object = object.to_str().unwrap();
                let pin = "/sys/fs/bpf/shown";
                if tool("bpftool", &["prog", "load", object, pin, "type", "classifier"]).is_none() {
                    return;
                }
                let listing = tool("bpftool", &["prog", "dump", "xlated", "pinned", pin, "linum"]).unwrap();
                std::fs::remove_file(pin).unwrap();
                if object.contains("frontend") && object.contains("from_pod") {
                    let rule = listing
                        .lines()
                        .find(|line| line.contains("port: http"))
                        .unwrap_or_else(|| panic!("no line of the rule in {listing}"));
                    assert!(rule.contains("policies.yaml line_num:53"), "{rule}");
                }
            }
        },
    );
}

#[test]
fn tc_takes_every_object() {
    sandbox("tc_takes_every_object", || {
        private_directories();
        let mut netlink = Netlink::open().unwrap();
        netlink.create_bridge("any").unwrap();
        for object in compile_example(Path::new("/mnt/bundle")) {
            let object = object.to_str().unwrap();
            if tool("tc", &["qdisc", "add", "dev", "any", "clsact"]).is_none() {
                return;
            }
            let filter = ["filter", "add", "dev", "any", "ingress", "bpf", "da", "obj"];
            tool("tc", &[&filter[..], &[object, "sec", "classifier"]].concat());
            let shown = tool("tc", &["filter", "show", "dev", "any", "ingress"]).unwrap();
            assert!(
                shown.contains("direct-action"),
                "{object} is not attached: {shown}"
            );
            tool("tc", &["qdisc", "del", "dev", "any", "clsact"]);
        }
    });
}

#[test]
fn our_loader_takes_the_bundle() {
    sandbox("our_loader_takes_the_bundle", || {
        private_directories();
        compile_example(Path::new("/mnt/bundle"));
        let mut netlink = Netlink::open().unwrap();
        for pod in ["catalog-0", "frontend-0"] {
            let device = EndpointName::new("shop", pod).host_device();
            netlink.create_bridge(&device).unwrap();
        }
        let run = portcullis_node(&["load", "/mnt/bundle"]);
        assert_eq!(run.status, 0, "{run:?}");
        assert!(run.err.contains("4 programs in force"), "{run:?}");
        let shown = portcullis_node(&["status"]);
        assert_eq!(shown.status, 0, "{shown:?}");
        for slot in [
            "shop/catalog-0 ingress",
            "shop/catalog-0 egress",
            "shop/frontend-0 ingress",
            "shop/frontend-0 egress",
        ] {
            assert!(shown.out.contains(slot), "{slot} in {shown:?}");
        }
        let run = portcullis_node(&["unload"]);
        assert_eq!((run.status, run.err.as_str()), (0, "4 programs taken off\n"));
        assert!(!Path::new(DEFAULT_ROOT).exists());
    });
}
