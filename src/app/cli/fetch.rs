//! `lanpost fetch`: writes what is attached to a message into a folder. Exit codes: 0, 1, 2 (nothing is attached, or it is
//! held), 3 (no such message, or its files are not kept any more), 75 (its files are on their way).

use std::path::PathBuf;

use super::bar::{Bar, short};
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops;
use crate::error::Result;

/// Write the files that are attached to a message into a folder; nothing is overwritten
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost fetch 018f2b3c-4d5e\n  \
    lanpost fetch 018f2b3c-4d5e --to ~/incoming --json")]
pub struct Args {
    /// Its id, or a prefix that only it has
    id: String,
    /// The folder, made if need be
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
}

/// How many files a folder holds, before its size.
pub fn count(files: u64) -> String {
    match files {
        1 => "1 file, ".to_owned(),
        _ => format!("{files} files, "),
    }
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let node = cx.open()?;
    let mut bar = Bar::new("writes", &node);
    let fetched = ops::fetch(&node, &args.id, &args.to, &mut |done, all| bar.tell(done, all));
    drop(bar);
    let fetched = fetched?;
    if cx.json {
        cx.out.json(&fetched)?;
        return Ok(exit::DONE);
    }
    for file in &fetched.files {
        let path = file.path.display().to_string();
        let already = if file.already { cx.out.word(", which is there already") } else { String::new() };
        let folder = file.folder.map(|files| cx.out.word(&count(files))).unwrap_or_default();
        cx.out.line(format!("{} ({folder}{}){already}", print::line(&path), short(file.size)));
    }
    Ok(exit::DONE)
}
