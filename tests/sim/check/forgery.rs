//! The questions about the forger: is everybody's mail theirs, and was everything else refused, counted and told once?

use std::collections::HashSet;
use std::time::Duration;

use lanpost::model::layout;
use lanpost::model::trust::Verdict;

use crate::forger::{FORGER, MARK, NOBODY, SAME_ID};
use crate::server::Eye;
use crate::site::Site;
use crate::world::World;

/// Whether `status` speaks of a forgery by this.
pub fn is_told_by(problem: &str) -> bool {
    let words = ["refused as not from whom it claims to be", "a key of", "keys of"];
    words.iter().any(|word| problem.starts_with(word))
}

/// Nobody was taken in.
pub fn is_refused(world: &World) -> Result<(), String> {
    for (index, site) in world.all().enumerate() {
        mail(world, &site)?;
        beliefs(&site)?;
        let mut told = HashSet::new();
        for warning in site.warnings() {
            let word = |field| warning.content.get(field).and_then(|word| word.as_str()).map(str::to_owned);
            if !told.insert((word("peer"), word("cause"))) {
                return Err(format!("{} is told twice of {}", site.name, warning.content));
            }
        }
        let refused = site.refused();
        if !world.plan.forger && !refused.is_empty() {
            return Err(format!("nobody forged, and {} refused {refused:?}", site.name));
        }
        if refused.is_empty() == site.trouble().iter().any(|problem| problem.starts_with("refused")) {
            return Err(format!("{}: status does not say what was refused: {refused:?}", site.name));
        }
        lies(world, index, &site)?;
    }
    Ok(())
}

/// Everything in the name of somebody who signs is sure to be theirs.
fn mail(world: &World, site: &Site) -> Result<(), String> {
    let (mail, reports) = site.arrived();
    for message in mail {
        let signs = world.names.iter().any(|name| name.fold() == message.peer);
        let forged = message.content.to_string().contains(MARK);
        let verified = message.verdict == Some(Verdict::Verified);
        if signs != verified || forged && message.peer != NOBODY {
            return Err(format!("{} took in {message:?}", site.name));
        }
    }
    match reports.into_iter().find(|report| report.content.to_string().contains(MARK)) {
        Some(report) => Err(format!("{} believed a forged receipt: {}", site.name, report.content)),
        None => Ok(()),
    }
}

/// Nobody believes a forged heartbeat.
fn beliefs(site: &Site) -> Result<(), String> {
    let mut beats = site.peers().into_iter().filter_map(|peer| peer.heartbeat);
    match beats.find(|beat| beat.host == MARK) {
        Some(beat) => Err(format!("{} believes {beat:?}", site.name)),
        None => Ok(()),
    }
}

/// What still lies where this node reads was counted.
fn lies(world: &World, index: usize, site: &Site) -> Result<(), String> {
    let server = world.server.lock().unwrap();
    let eye = Eye { node: FORGER, lag: Duration::ZERO };
    let text = |path: &str| {
        let bytes = server.bytes(path, eye, Duration::ZERO).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let counted = |name: &str| site.refused().iter().any(|refused| refused.peer == name && refused.count > 0);
    let slot = layout::open_slot(&world.names[index]);
    if text(slot.as_str()).matches(SAME_ID).count() > 1 && !counted(NOBODY) {
        return Err(format!("an id with two contents, read by {}, was not counted", site.name));
    }
    for lie in world.forger.lies.iter().filter(|lie| lie.to == index) {
        if !text(&lie.path).contains(&lie.mark) {
            continue;
        }
        if !counted(&world.names[lie.from].fold()) {
            let (mark, path, refused) = (&lie.mark, &lie.path, site.refused());
            return Err(format!("{mark:?} in {path}, read by {}, was not counted: {refused:?}", site.name));
        }
        world.log.count("a forged line that is refused");
    }
    Ok(())
}
