//! `portcullis explain`

use super::args::Color;
use super::terminal::Terminal;
use super::{Failure, Status};
use crate::diagnostic::Code;
use crate::explain;
use clap::Args;
use std::io::Write;

#[derive(Debug, Args)]
#[command(override_usage = "portcullis explain [OPTIONS] <CODE>\n       portcullis explain [OPTIONS] --list")]
pub(super) struct Arguments {
    /// A code or its name: PC201, named-port-many-numbers
    #[arg(value_name = "CODE", required_unless_present = "list")]
    code: Option<String>,

    /// Every code, one a line
    #[arg(long, conflicts_with = "code")]
    list: bool,

    /// Colours; auto also honours NO_COLOR
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: Color,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let Some(text) = &arguments.code else {
        write!(terminal.out, "{}", explain::list())?;
        terminal.out.flush()?;
        return Ok(Status::Fine);
    };
    let Some(code) = Code::parse(text.trim()) else {
        return Err(Failure::Said(match explain::near(text).as_slice() {
            [] => format!("there is no code `{text}`; `portcullis explain --list` lists them"),
            near => format!(
                "there is no code `{text}`; did you mean `{}`?",
                near.join("` or `")
            ),
        }));
    };
    let page = explain::page_with_level(code);
    let options = terminal.out_options();
    if options.color {
        write!(
            terminal.out,
            "{}",
            explain::terminal::render(&page, options.width)
        )?;
    } else {
        write!(terminal.out, "{page}")?;
    }
    terminal.out.flush()?;
    Ok(Status::Fine)
}
