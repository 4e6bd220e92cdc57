//! `lanpost man`: the manual pages, made from the commands of this very program. Exit codes: 0, 1 (a page can't be written).

use std::path::PathBuf;

use clap::Command;
use clap::builder::Resettable;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::{Cx, exit, help};
use crate::error::{Error, Kind, Result};
use crate::sys::files;

/// Print lanpost's manual page, or with --dir write those of all commands
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lanpost man | man -l -\n  lanpost man --dir ~/.local/share/man/man1")]
pub struct Args {
    /// The folder into which the pages go; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args, cx: &mut Cx) -> Result<u8> {
    let mut command = help::shown().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.dir else {
        cx.out.bytes(&page(&command)?.1);
        return Ok(exit::DONE);
    };
    files::make_folders(dir)?;
    let mut left = vec![&command];
    while let Some(command) = left.pop() {
        let (name, text) = page(command)?;
        files::replace(&dir.join(name), &text)?;
        left.extend(command.get_subcommands().filter(|one| !one.is_hide_set()));
    }
    Ok(exit::DONE)
}

/// A page: its file's name, and its text.
fn page(command: &Command) -> Result<(String, Vec<u8>)> {
    let failed = |error| Error::new(Kind::Io, "make the page of", command, error);
    // What stands below the options is examples and tables: clap would fill its lines, in a section called EXTRA.
    let man = Man::new(command.clone().after_help(Resettable::Reset));
    let mut text = vec![];
    man.render(&mut text).map_err(failed)?;
    if let Some(after) = command.get_after_help() {
        text.extend(sections(&after.to_string()).to_roff().into_bytes());
    }
    Ok((man.get_filename(), text))
}

/// What stands below the options, line by line as it is: a line that ends with a colon begins a section of that name.
fn sections(text: &str) -> Roff {
    let mut page = Roff::new();
    let mut begins = true;
    for line in text.lines() {
        let title = line.strip_suffix(':').filter(|_| begins && !line.starts_with(' '));
        match title {
            Some(title) => {
                page.control("SH", [title.to_uppercase().as_str()]);
                page.control("nf", []);
            }
            None if line.is_empty() => {
                page.control("fi", []);
            }
            None if begins => {
                page.control("SH", ["NOTES"]);
                page.control("nf", []);
                page.text([roman(line)]);
            }
            None => {
                page.text([roman(line)]);
            }
        }
        begins = line.is_empty();
    }
    page.control("fi", []);
    page
}
