//! `portcullis check`

use super::args::{Check, CheckFormat, CheckOutput};
use super::progress::Progress;
use super::terminal::Terminal;
use super::{
    Failure, Kept, Status, count, fix, output, read_state, reading, refuse_blocked, scope, scope_line,
    settings, smt_dump, watch,
};
use crate::check::{self, Options};
use crate::config::Config;
use crate::diagnostic::report::Report;
use crate::diagnostic::{self, Counts, escape, github, gitlab, human, json, junit, markdown, sarif};
use crate::explain;
use crate::lints::pc403_new_access;
use crate::load::{Exclude, Texts};
use crate::triage::{self, Triaged, baseline};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

pub(super) fn run(arguments: &Check, terminal: &mut Terminal) -> Result<Status, Failure> {
    if arguments.list {
        return list(arguments, terminal);
    }
    if arguments.watch {
        watch::run(arguments, terminal)
    } else {
        once(arguments, terminal)
    }
}

/// Every rule, instead of a check.
fn list(arguments: &Check, terminal: &mut Terminal) -> Result<Status, Failure> {
    let outputs = Outputs::of(arguments)?;
    let formats = outputs.files.iter().map(|(format, _)| *format).chain(outputs.out);
    for format in formats.clone() {
        if !matches!(format, CheckFormat::Human | CheckFormat::Json) {
            return Err(Failure::Said("rules are listed as human or json".to_owned()));
        }
    }
    let write = |format, out: &mut dyn Write| match format {
        CheckFormat::Json => explain::write_list(out),
        _ => write!(out, "{}", explain::list()),
    };
    for (format, file) in &outputs.files {
        output::to_file(file, |out| write(*format, out))?;
    }
    if let Some(format) = outputs.out {
        write(format, &mut terminal.out)?;
        terminal.out.flush()?;
    }
    Ok(Status::Fine)
}

/// One check, from reading to the exit status.
pub(super) fn once(arguments: &Check, terminal: &mut Terminal) -> Result<Status, Failure> {
    let started = Instant::now();
    let common = &arguments.common;
    let outputs = Outputs::of(arguments)?;
    let config = settings::config(&common.run)?;
    let how = settings::triage(&arguments.triage, &config, arguments.write_baseline.is_none())?;
    let progress = Progress::of("checking", common.run.quiet);
    let reading = Options {
        exclude: exclude(arguments, &config),
        ..reading(&arguments.guarantees, &common.run, &config)
    };
    let mut texts = Texts::gather(
        &common.paths,
        &reading.guarantees,
        &reading.exclude,
        &reading.limits,
        &mut io::stdin().lock(),
    )?;
    if arguments.fixes.are_wanted() {
        texts = fix::run(texts, &reading, &how, arguments, terminal)?;
    }
    let understood = Kept(check::understand_input(texts.input(&reading.limits), &reading));
    let memory = settings::answers(&arguments.kept, &config);
    let options = verifier::options::Options {
        steps: arguments.solver_steps,
        answers: memory.answers.clone(),
        ..verifier::options::Options::default()
    };
    let solver = how.solver.then_some(&options);
    let mut checked = check::check(&understood, solver).map_err(Failure::said)?;
    if !arguments.against.is_empty() && !understood.blocked() {
        let before = read_state(&arguments.against, &common.paths, &common.run)?;
        if let Some(status) = refuse_blocked(&before, &common.run, terminal)? {
            return Ok(status);
        }
        let new_access = pc403_new_access::check(&before, &understood, arguments.no_new_access, &options)
            .map_err(Failure::said)?;
        checked.findings.extend(new_access.findings);
        checked.undecided.extend(new_access.undecided);
        diagnostic::sort(&mut checked.findings);
    }
    if let Some(directory) = &arguments.smt_dump
        && !understood.blocked()
    {
        smt_dump::write_checks(directory, &understood)?;
    }
    let Triaged { findings, stale } = triage::triage(&checked, &understood, &how);
    drop(progress);
    let report = Report {
        findings: &findings,
        sources: &understood.input.sources,
        scope: scope(&understood),
        fail_on: settings::fail_on(arguments.triage.fail_on, &config),
        successful: !understood.blocked(),
        undecided: &checked.undecided,
        repository: &how.repository,
    };
    outputs.write(&report, terminal)?;
    if fix::takes_standard_output(arguments) && !arguments.fixes.diff {
        let options = terminal.err_options();
        human::write(&mut terminal.err, &findings, report.sources, options)?;
    }
    if arguments.verbose {
        human::write_accepted(&mut terminal.err, &findings)?;
    }

    for sentence in &checked.undecided {
        writeln!(terminal.err, "incomplete: {}", escape::message(sentence))?;
    }
    if !common.run.quiet {
        let policies = match understood.model.policies().len() {
            1 => "1 policy".to_owned(),
            policies => format!("{policies} policies"),
        };
        terminal.tell(&format!(
            "{} in {policies}, {} ({}; {:.2} s)",
            human::summary(Counts::of(&findings)),
            count(understood.model.cluster.endpoints().len(), "endpoint"),
            scope_line(&understood),
            started.elapsed().as_secs_f64()
        ))?;
    }
    memory.tell(common.run.quiet, &mut terminal.err)?;
    if !common.run.quiet {
        fix::hint(&findings, arguments, terminal)?;
    }
    if stale > 0 && !understood.blocked() && !common.run.quiet {
        writeln!(
            terminal.err,
            "note: {} of the baseline did not occur again; write it anew to let go of them",
            count(stale, "finding")
        )?;
    }
    if understood.blocked() {
        writeln!(
            terminal.err,
            "error: a refused input would leave every answer a guess; nothing behind it was analysed"
        )?;
        return Ok(Status::Failed);
    }
    let allow_empty = arguments.allow_empty || config.allow_empty == Some(true);
    if understood.model.policies().is_empty() && !allow_empty {
        writeln!(
            terminal.err,
            "error: there is no policy here to check (--allow-empty accepts that)"
        )?;
        return Ok(Status::Failed);
    }
    if let Some(file) = &arguments.write_baseline {
        let mut written = 0;
        output::to_file(file, |out| {
            written = baseline::write(out, &findings, report.sources, report.repository)?;
            Ok(())
        })?;
        if !common.run.quiet {
            writeln!(
                terminal.err,
                "wrote {} to {}",
                count(written, "finding"),
                file.display()
            )?;
        }
    } else if findings.iter().any(|finding| report.fails(finding)) {
        return Ok(Status::Found);
    }
    if !checked.undecided.is_empty() {
        return Ok(Status::Incomplete);
    }
    Ok(Status::Fine)
}

/// What of directories is not read: what is left out, and what is written.
pub(super) fn exclude(arguments: &Check, config: &Config) -> Exclude {
    let reports = arguments.format.iter().filter_map(|output| output.file.as_ref());
    let written = reports.chain(&arguments.output).chain(&arguments.write_baseline);
    settings::exclude(&arguments.common.run, config).with_written(written)
}

/// What to write, and where.
struct Outputs<'a> {
    files: Vec<(CheckFormat, &'a PathBuf)>,
    /// What goes to standard output, unless `--output` takes it.
    out: Option<CheckFormat>,
}

impl<'a> Outputs<'a> {
    /// Any number of formats with a file of their own, and one for standard output or `--output`.
    fn of(arguments: &'a Check) -> Result<Self, Failure> {
        let mut files = Vec::new();
        let mut out = None;
        for CheckOutput { format, file } in &arguments.format {
            match file {
                Some(file) => files.push((*format, file)),
                None if out.is_none() => out = Some(*format),
                None => {
                    return Err(Failure::Said(
                        "only one --format can go to standard output; give the others a file: --format FORMAT=FILE"
                            .to_owned(),
                    ));
                }
            }
        }
        let out = match &arguments.output {
            Some(file) => {
                files.push((out.unwrap_or_default(), file));
                None
            }
            None if fix::takes_standard_output(arguments) => {
                if out.is_some() {
                    return Err(Failure::Said(
                        "standard output is taken by what --fix and --diff write; give --format a file: --format FORMAT=FILE"
                            .to_owned(),
                    ));
                }
                None
            }
            None => Some(out.unwrap_or_default()),
        };
        let mut paths: Vec<_> = files.iter().map(|(_, file)| *file).collect();
        paths.sort();
        if let Some([twice, _]) = paths.array_windows().find(|[one, next]| one == next) {
            return Err(Failure::Said(format!(
                "two formats would go to `{}`",
                twice.display()
            )));
        }
        Ok(Self { files, out })
    }

    fn write(&self, report: &Report<'_>, terminal: &mut Terminal) -> Result<(), Failure> {
        for (format, file) in &self.files {
            output::to_file(file, |out| {
                render(*format, report, out, human::Options::default())
            })?;
        }
        if let Some(format) = self.out {
            let options = terminal.out_options();
            let mut out = BufWriter::with_capacity(1 << 16, &mut terminal.out);
            render(format, report, &mut out, options)?;
            out.flush()?;
        }
        Ok(())
    }
}

fn render(
    format: CheckFormat,
    report: &Report<'_>,
    out: &mut dyn Write,
    options: human::Options,
) -> io::Result<()> {
    match format {
        CheckFormat::Human => human::write(out, report.findings, report.sources, options),
        CheckFormat::Json => json::write(out, report),
        CheckFormat::Sarif => sarif::write(out, report),
        CheckFormat::Junit => junit::write(out, report),
        CheckFormat::Github => github::write(out, report),
        CheckFormat::Gitlab => gitlab::write(out, report),
        CheckFormat::Md => markdown::write(out, report),
    }
}
