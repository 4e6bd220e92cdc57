//! `lanpost log head`: the newest entry's number and hash, to be kept where nobody who changes the log can reach it.

use serde_json::json;

use super::{Cx, exit};
use crate::engine::ops;
use crate::error::Result;

/// Print the newest entry's number and hash, for a later `verify --expect`
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost log head >> /somewhere/else/heads.txt")]
pub struct Args {}

pub fn run(cx: &mut Cx) -> Result<u8> {
    let node = cx.open()?;
    let head = ops::log_head(&node)?;
    match cx.json {
        true => cx.out.json(&json!({"head": head}))?,
        false => cx.out.line(head.to_string()),
    }
    Ok(exit::DONE)
}
