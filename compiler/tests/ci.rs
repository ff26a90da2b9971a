//! What people put in CI, run as they run it: the hook by pre-commit, the action's own script by bash, and the snippets of
//! `docs/ci.md` against the schemas of the services that read them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers of tests: a failed call is a failed test, and what is skipped says so"
)]

use serde_yaml::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/named-ports");

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-ci-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The path with the command under test in front.
fn path() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    format!("{}:{}", binary.display(), std::env::var("PATH").unwrap())
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// A tool of PyPI that `./dev setup` installs beside the build, or one on the path.
fn tool(name: &str) -> Option<PathBuf> {
    let ours = Path::new(ROOT).join("target/python/bin").join(name);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
    };
    let found = Some(ours).filter(|path| path.is_file()).or_else(on_path);
    if found.is_none() {
        eprintln!("SKIPPED: {name} is missing: ./dev setup installs it");
    }
    found
}

fn root(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
";

#[test]
fn the_hook_runs_under_pre_commit() {
    let Some(pre_commit) = tool("pre-commit") else {
        return;
    };
    let scratch = Scratch::new("hook");
    let git = |directory: &str, arguments: &[&str]| {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.invalid",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(arguments)
            .current_dir(scratch.0.join(directory))
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let commit = |directory: &str| {
        git(directory, &["init", "-q"]);
        git(directory, &["add", "-A"]);
        git(directory, &["commit", "-q", "-m", "a"]);
        git(directory, &["rev-parse", "HEAD"])
    };
    scratch.write("hooks/.pre-commit-hooks.yaml", &root(".pre-commit-hooks.yaml"));
    let revision = commit("hooks");
    let hooks = scratch.0.join("hooks");
    scratch.write(
        "project/.pre-commit-config.yaml",
        &format!(
            "repos:\n- repo: {}\n  rev: {revision}\n  hooks:\n  - id: portcullis\n    args: [manifests]\n",
            hooks.display()
        ),
    );
    scratch.write("project/manifests/policy.yaml", POLICY);
    scratch.write("project/manifests/gone.yaml", POLICY);
    commit("project");
    let run = || {
        Command::new(&pre_commit)
            .args(["run", "--color", "never"])
            .current_dir(scratch.0.join("project"))
            .env("PATH", path())
            .env("PRE_COMMIT_HOME", scratch.0.join("home"))
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .output()
            .unwrap()
    };
    // Neither a file that is gone nor a setting is a manifest that changed.
    scratch.write("project/portcullis.toml", "");
    git("project", &["rm", "-q", "manifests/gone.yaml"]);
    git("project", &["add", "portcullis.toml"]);
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("Passed"), "{}", said(&output));
    scratch.write(
        "project/manifests/policy.yaml",
        &POLICY.replace("podSelector", "podSelecter"),
    );
    git("project", &["add", "-A"]);
    let output = run();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("podSelecter"), "{}", said(&output));
}

/// The script of the action's step with this name, and the variables that it is given when inputs are as `with` says.
fn step(name: &str, with: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
    let action: Value = serde_yaml::from_str(&root("action.yml")).unwrap();
    let steps = action["runs"]["steps"].as_sequence().unwrap();
    let step = steps.iter().find(|step| step["name"] == name).unwrap();
    let variables = step["env"].as_mapping().unwrap().iter().map(|(key, value)| {
        let value = value.as_str().unwrap();
        let input = value
            .strip_prefix("${{ inputs.")
            .unwrap()
            .strip_suffix(" }}")
            .unwrap();
        let given = with
            .iter()
            .find(|(name, _)| *name == input)
            .map(|(_, value)| *value);
        let default = action["inputs"][input]["default"].as_str().unwrap();
        (
            key.as_str().unwrap().to_owned(),
            given.unwrap_or(default).to_owned(),
        )
    });
    (step["run"].as_str().unwrap().to_owned(), variables.collect())
}

/// Runs the action's check in a job whose directory and temporary directory this is: what it said, its outputs, and the
/// page of its step.
fn action(job: &Scratch, with: &[(&str, &str)]) -> (String, String, String) {
    for name in ["output", "summary"] {
        job.write(name, "");
    }
    let (script, variables) = step("Check", with);
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script])
        .current_dir(&job.0)
        .envs(variables)
        .env("PATH", path())
        .env("RUNNER_TEMP", job.0.join("temp"))
        .env("GITHUB_OUTPUT", job.0.join("output"))
        .env("GITHUB_STEP_SUMMARY", job.0.join("summary"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    (said(&output), job.read("output"), job.read("summary"))
}

#[test]
fn the_action_checks_annotates_and_keeps_the_status() {
    let job = Scratch::new("action");
    job.write("temp/a", "");
    job.write(
        "bad dir/policy.yaml",
        &POLICY.replace("podSelector", "podSelecter"),
    );
    for (paths, fail_on, status) in [
        (EXAMPLE, "", "0"),
        (EXAMPLE, "warning", "1"),
        ("bad dir\n", "error", "2"),
    ] {
        let (said, outputs, summary) = action(
            &job,
            &[
                ("paths", paths),
                ("fail-on", fail_on),
                ("arguments", "--no-solver\n--quiet"),
            ],
        );
        assert_eq!(
            outputs,
            format!("sarif=portcullis.sarif\nstatus={status}\n"),
            "{said}"
        );
        assert!(said.starts_with("::"), "{said}");
        assert!(job.read("portcullis.sarif").contains("\"2.1.0\""));
        assert!(summary.starts_with("### Portcullis: "));
    }
    // A use that comes to nothing shows and uploads nothing of the use before.
    for paths in ["bad dir\n$(touch injected)", "absent"] {
        let (said, outputs, summary) = action(&job, &[("paths", paths)]);
        assert_eq!((&*outputs, &*summary), ("status=2\n", ""), "{said}");
    }
    assert!(!job.0.join("injected").exists());
}

#[test]
fn the_action_leaves_to_the_configuration_what_its_inputs_leave_out() {
    let job = Scratch::new("action-config");
    job.write("temp/a", "");
    job.write("portcullis.toml", "fail-on = \"warning\"\nsolver = false\n");
    let sarif = job.0.join("temp/of this use.sarif").display().to_string();
    let first_line = format!("{sarif}\nstatus=0");
    for (fail_on, status) in [("", "1"), ("error", "0")] {
        let (said, outputs, _) = action(
            &job,
            &[("paths", EXAMPLE), ("fail-on", fail_on), ("sarif", &first_line)],
        );
        assert_eq!(outputs, format!("sarif={sarif}\nstatus={status}\n"), "{said}");
    }
}

#[test]
fn the_action_uploads_what_its_check_wrote() {
    let action: Value = serde_yaml::from_str(&root("action.yml")).unwrap();
    let steps = action["runs"]["steps"].as_sequence().unwrap();
    let upload = steps.iter().find(|step| step["name"] == "Upload").unwrap();
    assert_eq!(
        upload["if"],
        "inputs.upload == 'true' && steps.check.outputs.sarif != ''"
    );
    assert_eq!(upload["with"]["sarif_file"], "${{ steps.check.outputs.sarif }}");
    assert_eq!(upload["with"]["category"], "${{ inputs.category }}");
    for step in steps {
        let script = step["run"].as_str().unwrap_or_default();
        assert!(!script.contains("${{"), "text of inputs is no script: {script}");
    }
}

/// The fenced blocks of a Markdown text in this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let starts = text.split(&opening).skip(1);
    starts
        .map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n")
        .collect()
}

#[test]
fn the_snippets_are_what_the_services_read() {
    let guide = root("docs/ci.md");
    let snippets = blocks(&guide, "yaml");
    let holding = |key: &str| {
        let found = snippets.iter().find(|snippet| {
            let value: Value = serde_yaml::from_str(snippet).unwrap();
            value.get(key).is_some()
        });
        found.unwrap().clone()
    };
    let workflow: Value = serde_yaml::from_str(&holding("jobs")).unwrap();
    let action: Value = serde_yaml::from_str(&root("action.yml")).unwrap();
    let with = workflow["jobs"]["policies"]["steps"][1]["with"]
        .as_mapping()
        .unwrap();
    for input in with.keys().chain(action["inputs"].as_mapping().unwrap().keys()) {
        let input = input.as_str().unwrap();
        assert!(action["inputs"].get(input).is_some(), "no input {input}");
        assert!(
            guide.contains(&format!("| `{input}` |")),
            "{input} is not explained"
        );
    }
    let Some(validator) = tool("check-jsonschema") else {
        return;
    };
    let scratch = Scratch::new("snippets");
    for (schema, text) in [
        ("vendor.github-actions", root("action.yml")),
        ("vendor.github-workflows", holding("jobs")),
        ("vendor.gitlab-ci", holding("policies")),
    ] {
        let file = scratch.write("snippet.yml", &text);
        let output = Command::new(&validator)
            .args(["--builtin-schema", schema])
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{schema}: {}", said(&output));
    }
}
