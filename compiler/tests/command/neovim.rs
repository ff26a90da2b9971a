//! `portcullis lsp` in Neovim, set up as `docs/editors.md` says for its version; `neovim.lua` is the person.

use crate::program::{EXAMPLE, ROOT, Scratch};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A policy in a directory below the example: it says of egress what `policyTypes` leaves open, and uses a port name that
/// one pod defines.
const SCRAPE: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: scrape
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: catalog
  ingress:
    - ports:
        - port: metrics
  egress:
    - ports:
        - port: 53
          protocol: UDP
";

/// The set-ups of the page, and the short one of the front page, that a version of Neovim (0.11 is 11) understands, by what
/// they are called here.
fn set_ups(version: u32) -> Vec<(String, String)> {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let lua = |text: &str| text.split_once("```").unwrap().0.to_owned();
    let page = read("docs/editors.md");
    let all: Vec<(u32, String)> = page
        .split("<!-- neovim 0.")
        .skip(1)
        .map(|part| {
            let (since, rest) = part.split_once(" -->\n```lua\n").unwrap();
            (since.parse().unwrap(), lua(rest))
        })
        .collect();
    assert_eq!(all.len(), 3, "{all:?}");
    let understood = all.iter().map(|(since, _)| *since);
    let newest = understood.filter(|since| *since <= version).max();
    let mut set_ups: Vec<(String, String)> = all
        .into_iter()
        // What is for 0.7 alone calls what later versions do without.
        .filter(|(since, _)| Some(*since) == newest || (*since == 8 && version > 8))
        .map(|(since, set_up)| (format!("since-0.{since}"), set_up))
        .collect();
    let front = read("README.md");
    let (_, rest) = front.split_once("In Neovim 0.11:\n\n```lua\n").unwrap();
    if version >= 11 {
        set_ups.push(("front-page".to_owned(), lua(rest)));
    }
    set_ups
}

/// The second part of its version, if it is there.
fn neovim() -> Option<u32> {
    let output = Command::new("nvim").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let version = text.strip_prefix("NVIM v").unwrap();
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    match parts.next() {
        Some(0) => parts.next(),
        // Newer than what this knows of: the newest set-up.
        _ => Some(u32::MAX),
    }
}

/// Neovim on the policy, from the example's directory; what the person saw.
fn session(scratch: &Scratch, set_up: &str) -> Value {
    let seen = scratch.path("seen.json");
    let set_up = scratch.file("home/init.lua", set_up);
    let path = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    let paths = std::env::var_os("PATH").unwrap();
    let paths = std::iter::once(path.to_owned()).chain(std::env::split_paths(&paths));
    let home = scratch.0.join("home");
    let mut command = Command::new("nvim");
    command
        .args([
            "--headless",
            "-n",
            "-i",
            "NONE",
            "-u",
            &set_up,
            "policies/scrape.yaml",
        ])
        .arg("-c")
        .arg(concat!(
            "luafile ",
            env!("CARGO_MANIFEST_DIR"),
            "/tests/command/neovim.lua"
        ))
        .current_dir(scratch.0.join("work"))
        .env("PATH", std::env::join_paths(paths).unwrap())
        .env("HOME", &home)
        .env("SEEN", &seen)
        .stdin(Stdio::null());
    // Nothing that the person who runs the tests has set up.
    for (variable, place) in [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_CONFIG_DIRS", "none"),
    ] {
        command.env(variable, home.join(place));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let seen = fs::read_to_string(&seen).unwrap_or_else(|error| panic!("{error}: {said}"));
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["missing"], Value::Null, "{seen:#}\n{said}");
    seen
}

#[test]
fn the_set_up_of_the_page_works_in_neovim() {
    let Some(version) = neovim() else {
        assert!(
            std::env::var_os("PORTCULLIS_REQUIRE_EDITOR").is_none(),
            "PORTCULLIS_REQUIRE_EDITOR is set, and nvim is missing"
        );
        eprintln!("SKIPPED: nvim is missing: ./dev setup installs it");
        return;
    };
    for (name, set_up) in set_ups(version) {
        let scratch = Scratch::new(&format!("neovim-{name}"));
        for entry in fs::read_dir(Path::new(ROOT).join(EXAMPLE)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            scratch.file(
                &format!("work/{}", path.file_name().unwrap().to_str().unwrap()),
                &text,
            );
        }
        scratch.file("work/portcullis.toml", "");
        scratch.file("work/policies/scrape.yaml", SCRAPE);
        let seen = session(&scratch, &set_up);
        eprintln!("tried with Neovim {}: {name}", seen["version"]);

        let codes = seen["codes"].as_array().unwrap();
        assert!(codes.contains(&"PC607".into()), "{seen:#}");
        let sources = seen["sources"].as_array().unwrap();
        assert!(sources.iter().all(|source| source == "portcullis"), "{seen:#}");
        let hover = seen["hover"].as_str().unwrap();
        assert!(
            hover.contains("metrics") && hover.contains("9404/TCP"),
            "{seen:#}"
        );
        assert_eq!(seen["defined"][0], "catalog.yaml", "{seen:#}");
        assert!(
            seen["defined"][1].as_str().unwrap().contains("name: metrics"),
            "{seen:#}"
        );
        assert!(
            seen["offered"][0]
                .as_str()
                .unwrap()
                .contains("add `policyTypes: [Ingress, Egress]`"),
            "{seen:#}"
        );
        let fixed = SCRAPE.replace("  egress:", "  policyTypes: [Ingress, Egress]\n  egress:");
        assert_eq!(seen["text"].as_str().unwrap(), fixed.trim_end());
    }
}
