//! A large file on its way while a cable is cut and the server loses its power: it arrives as it was sent, mail goes on
//! beside it, and what the server has is not sent again.

use std::time::Duration;

use serde_json::Value;

use crate::pair::{ANN, BOB, Pair, until};
use crate::{Outcome, Run};

/// Megabytes: some slices, on the disks that the machines have.
const SIZE: usize = 160;
/// How long the cable is cut.
const CUT: Duration = Duration::from_secs(20);

pub fn run(run: &Run) -> Outcome<()> {
    let pairs = Pair::on_each_kind(run, "files")?;
    for pair in &pairs {
        until("bob to be known", || Ok(pair.lanpost(&ANN, "--json peers")?.contains("bob")))?;
        run.bench.on("A", &format!("head -c {SIZE}M /dev/urandom >/mnt/disk/{}-big", pair.folder()))?;
    }
    let mut sent = vec![];
    for pair in &pairs {
        sent.push(send(pair)?);
    }
    for fault in [["cut", "A"], ["server", "powercut"]] {
        for pair in &pairs {
            // Or more than that: whatever the fault finds, the file must arrive.
            let begun = format!("find {}/files -type f -size +1M 2>/dev/null | wc -l", pair.share());
            until("some of the file on the share", || Ok(run.bench.on("B", &begun)?.trim() != "0"))?;
        }
        run.bench.order(&fault)?;
        if fault[0] == "cut" {
            // How long the fault lasts is the case itself; nothing is awaited here.
            std::thread::sleep(CUT);
            run.bench.order(&["heal", "A"])?;
        }
    }
    for (pair, id) in pairs.iter().zip(&sent) {
        until("the file to be delivered", || Ok(state(pair, id)? == "delivered"))?;
        let to = format!("/mnt/disk/{}-in", pair.folder());
        pair.lanpost(&BOB, &format!("fetch {id} --to {to}"))?;
        let theirs = sum(run, "B", &format!("{to}/{}-big", pair.folder()))?;
        let ours = sum(run, "A", &format!("/mnt/disk/{}-big", pair.folder()))?;
        if theirs != ours {
            return Err(format!("{}: the file is not what was sent", pair.folder()).into());
        }
        let again = send(pair)?;
        until("the same again", || Ok(state(pair, &again)? == "delivered"))?;
        let files = run.bench.on("B", &format!("find {}/files -type f | wc -l", pair.share()))?;
        if files.trim() != "1" {
            return Err(format!("{}: {} files lie on the share", pair.folder(), files.trim()).into());
        }
        pair.end()?;
        // Two of these fill most of the server's disk, which later cases need.
        run.bench.on("A", &format!("rm /mnt/disk/{}-big", pair.folder()))?;
        run.bench.on("B", &format!("rm -r {to} {}/files", pair.share()))?;
    }
    Ok(())
}

/// Ann sends the file to bob; the message's id.
fn send(pair: &Pair) -> Outcome<String> {
    let sent = pair.lanpost(&ANN, &format!("--json send bob x --attach /mnt/disk/{}-big", pair.folder()))?;
    let sent: Value = serde_json::from_str(&sent)?;
    Ok(sent["id"].as_str().ok_or("no id")?.to_owned())
}

/// How far a message of ann's has come.
fn state(pair: &Pair, id: &str) -> Outcome<String> {
    let trace: Value = serde_json::from_str(&pair.lanpost(&ANN, &format!("--json trace {id}"))?)?;
    Ok(trace["state"].as_str().unwrap_or_default().to_owned())
}

fn sum(run: &Run, machine: &str, path: &str) -> Outcome<String> {
    let said = run.bench.on(machine, &format!("sha256sum {path}"))?;
    Ok(said.split(' ').next().unwrap_or_default().to_owned())
}
