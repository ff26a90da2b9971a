//! `portcullis check --fix` and `--diff`

use super::args::{Check, FixFlags};
use super::terminal::Terminal;
use super::{Failure, count, output, unified};
use crate::check::Options;
use crate::diagnostic::{Applicability, Finding, Repository, escape};
use crate::fixes::{self, Mended};
use crate::load::Texts;
use crate::source::{STDIN, Source};
use crate::triage::Triage;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
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
    let mut mended = fixes::mend(&texts, options, how, flags.unsafe_fixes).map_err(Failure::said)?;
    if flags.diff {
        write_diff(&texts, &mended, &how.repository, terminal)?;
        tell(&mended, "would fix", arguments, terminal)?;
        return Ok(texts);
    }
    let mut written = BTreeSet::new();
    let result = write(&texts, &mended, &mut written, terminal);
    if result.is_err() {
        mended
            .applied
            .retain(|applied| written.contains(&applied.place.file));
        mended.changed.retain(|name, _| written.contains(name));
    }
    tell(&mended, "fixed", arguments, terminal)?;
    result?;
    Ok(mended.texts)
}

/// Writes what changed, and standard input whether it did or not. Everything stands beside its place before anything takes
/// it. What was `written` before a failure is known behind it.
fn write(
    texts: &Texts,
    mended: &Mended,
    written: &mut BTreeSet<Arc<str>>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let failed = |name: &str, error: io::Error| Failure::Said(format!("cannot write `{name}`: {error}"));
    let mut staged = Vec::new();
    for source in texts.sources().filter(|source| source.name().as_ref() != STDIN) {
        let name = source.name();
        if let Some(text) = mended.changed.get(name) {
            refuse_other_than_read(source)?;
            let text = [source.mark(), text].concat();
            let beside = output::Staged::new(Path::new(&**name), text.as_bytes());
            staged.push((name, beside.map_err(|error| failed(name, error))?));
        }
    }
    for (name, beside) in staged {
        beside.take_place().map_err(|error| failed(name, error))?;
        written.insert(Arc::clone(name));
    }
    for source in mended.texts.faithful() {
        if source.name().as_ref() == STDIN {
            write_text(&[source.mark(), source.text()].concat(), terminal)?;
            written.insert(Arc::clone(source.name()));
        }
    }
    Ok(())
}

/// Refuses to mend a file in place that is not the one that was read, or that gives its text only once.
fn refuse_other_than_read(source: &Source) -> Result<(), Failure> {
    let name = source.name();
    let unread = |error: io::Error| Failure::Said(format!("cannot read `{name}` again to mend it: {error}"));
    if !fs::metadata(&**name).map_err(unread)?.is_file() {
        return Err(Failure::Said(format!(
            "`{name}` is not a regular file, so that it cannot be mended in place; nothing was written (`-` takes \
             standard input, and gives it mended)"
        )));
    }
    let now = fs::read(&**name).map_err(unread)?;
    if now != [source.mark(), source.text()].concat().as_bytes() {
        return Err(Failure::Said(format!(
            "`{name}` was changed while it was checked; nothing was written"
        )));
    }
    Ok(())
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

fn write_diff(
    texts: &Texts,
    mended: &Mended,
    repository: &Repository,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let changed = texts
        .sources()
        .filter_map(|source| Some((source, mended.changed.get(source.name())?)));
    let changed: Vec<_> = changed.collect();
    let files: Vec<_> = changed.iter().map(|(source, _)| &**source.name()).collect();
    let mut text = String::new();
    for (name, (source, after)) in repository.paths_together(&files).iter().zip(changed) {
        let [before, after] = [&**source.text(), after].map(|text| [source.mark(), text].concat());
        text.push_str(&unified::diff(name, &before, &after));
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
