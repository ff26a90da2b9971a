//! `portcullis check --fix` and `--diff`

use super::args::{Check, FixFlags};
use super::terminal::Terminal;
use super::{Failure, count, output};
use crate::check::Options;
use crate::diagnostic::{Applicability, Finding, escape};
use crate::fixes::{self, Mended};
use crate::load::Texts;
use crate::source::STDIN;
use crate::triage::Triage;
use similar::TextDiff;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

impl FixFlags {
    /// Whether the text is mended, or it is shown how.
    pub(super) fn are_wanted(&self) -> bool {
        self.fix || self.diff
    }
}

/// Whether standard output carries mended text or a diff, so that findings go elsewhere.
pub(super) fn takes_standard_output(arguments: &Check) -> bool {
    let reads_stdin = arguments.common.paths.iter().any(|path| path.as_os_str() == "-");
    arguments.fixes.diff || (arguments.fixes.fix && reads_stdin)
}

/// Mends what the flags ask for. What is to be checked further: the mended texts, or with `--diff` those that there are.
pub(super) fn run(
    texts: Texts,
    options: &Options,
    how: &Triage,
    arguments: &Check,
    terminal: &mut Terminal,
) -> Result<Texts, Failure> {
    let flags = &arguments.fixes;
    let mended = fixes::mend(&texts, options, how, flags.unsafe_fixes).map_err(Failure::said)?;
    if flags.diff {
        write_diff(&texts, &mended, terminal)?;
        tell(&mended, "would fix", arguments, terminal)?;
        return Ok(texts);
    }
    // All are looked at before any is written.
    let before: BTreeMap<&str, &Arc<str>> = texts
        .sources()
        .map(|source| (&**source.name(), source.text()))
        .collect();
    let mut files = Vec::new();
    for (name, text) in mended.changed.iter().filter(|(name, _)| name.as_ref() != STDIN) {
        let read = before.get(&**name).map_or("", |text| text);
        files.push((Path::new(&**name), whole(name, read, text)?));
    }
    for (path, bytes) in files {
        output::to_file(path, |out| out.write_all(&bytes))?;
    }
    for source in mended
        .texts
        .sources()
        .filter(|source| source.name().as_ref() == STDIN)
    {
        write_text(source.text(), terminal)?;
    }
    tell(&mended, "fixed", arguments, terminal)?;
    Ok(mended.texts)
}

/// The bytes of a file with its new text. What was changed since it was read is not overwritten.
fn whole(name: &str, read: &str, text: &str) -> Result<Vec<u8>, Failure> {
    const MARK: &str = "\u{feff}";
    let now = fs::read_to_string(name)
        .map_err(|error| Failure::Said(format!("cannot read `{name}` again to mend it: {error}")))?;
    let (mark, rest) = match now.strip_prefix(MARK) {
        Some(rest) => (MARK, rest),
        None => ("", &*now),
    };
    if rest != read {
        let message = format!("`{name}` was changed while it was checked; nothing was written");
        return Err(Failure::Said(message));
    }
    Ok([mark.as_bytes(), text.as_bytes()].concat())
}

/// Byte for byte into a pipe or a file; a terminal gets what it cannot act on.
fn write_text(text: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let out = &mut terminal.out;
    if out.is_terminal() {
        for line in text.lines() {
            writeln!(out, "{}", escape::line(line))?;
        }
    } else {
        out.write_bytes(text.as_bytes())?;
    }
    out.flush()?;
    Ok(())
}

fn write_diff(texts: &Texts, mended: &Mended, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut text = String::new();
    for source in texts.sources() {
        if let Some(after) = mended.changed.get(source.name()) {
            let name = source.name();
            let diff = TextDiff::from_lines(&**source.text(), &**after);
            let mut unified = diff.unified_diff();
            // As `git diff` and `diff -u` name them, so that `git apply` and `patch -p1` take it.
            let plain = name.strip_prefix("./").unwrap_or(name);
            text.push_str(
                &unified
                    .context_radius(3)
                    .header(&format!("a/{plain}"), &format!("b/{plain}"))
                    .to_string(),
            );
        }
    }
    write_text(&text, terminal)
}

/// What was done, one line each.
fn tell(mended: &Mended, verb: &str, arguments: &Check, terminal: &mut Terminal) -> Result<(), Failure> {
    if arguments.common.run.quiet {
        return Ok(());
    }
    for applied in &mended.applied {
        let (code, name) = (applied.code, applied.code.name());
        let line = format!("{verb} {} {code} {name}: {}", applied.place, applied.title);
        writeln!(terminal.err, "{}", escape::message(&line))?;
    }
    if !mended.applied.is_empty() {
        writeln!(
            terminal.err,
            "{verb} {} in {}",
            count(mended.applied.len(), "finding"),
            count(mended.changed.len(), "file")
        )?;
    }
    Ok(())
}

/// What could be mended, after a run.
pub(super) fn hint(findings: &[Finding], arguments: &Check, terminal: &mut Terminal) -> Result<(), Failure> {
    let flags = &arguments.fixes;
    let counting = findings.iter().filter(|finding| finding.counts());
    let (mut safe, mut single, mut several) = (0, 0, 0);
    for finding in counting {
        let is_safe = |fix: &crate::diagnostic::Fix| fix.applicability == Applicability::Safe;
        match finding.fixes.len() {
            0 => {}
            _ if finding.fixes.iter().any(is_safe) => safe += 1,
            1 => single += 1,
            _ => several += 1,
        }
    }
    if safe > 0 && !flags.are_wanted() {
        writeln!(terminal.err, "note: --fix mends {}", count(safe, "finding"))?;
    }
    if single > 0 && flags.are_wanted() && !flags.unsafe_fixes {
        writeln!(
            terminal.err,
            "note: {} with a suggestion, which --unsafe-fixes applies; look at them with --diff first",
            count(single, "finding")
        )?;
    }
    if several > 0 && flags.are_wanted() {
        writeln!(
            terminal.err,
            "note: {} can be mended in several ways; --format json lists them",
            count(several, "finding")
        )?;
    }
    Ok(())
}
