//! `lanpost completions`: the script by which a shell completes our commands. Exit codes: 0, 2.
//!
//! Made from the commands of this very program, so that it is never stale. Needs no config.

use clap_complete::{Shell, generate};

use super::{Cx, exit, help};
use crate::error::Result;

/// Print the script by which a shell completes lanpost's commands and options
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost completions bash > ~/.local/share/bash-completion/completions/lanpost\n  \
    lanpost completions zsh > \"${fpath[1]}/_lanpost\"\n  \
    lanpost completions fish > ~/.config/fish/completions/lanpost.fish\n  \
    lanpost completions powershell >> $PROFILE")]
pub struct Args {
    /// The shell: bash, zsh, fish, powershell or elvish
    #[arg(value_enum, hide_possible_values = true)]
    shell: Shell,
}

pub fn run(args: &Args, cx: &mut Cx) -> Result<u8> {
    let mut script = vec![];
    generate(args.shell, &mut help::shown(), "lanpost", &mut script);
    cx.out.bytes(&script);
    Ok(exit::DONE)
}
