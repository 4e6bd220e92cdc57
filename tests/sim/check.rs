//! The questions: is every message where it belongs, once, in order, handed over once, and is everybody quiet?

mod forgery;

use std::collections::HashMap;
use std::time::Duration;

use lanpost::model::layout;
use lanpost::model::name::Name;
use lanpost::model::state::State;
use lanpost::store::db::Message;

use crate::server::{Eye, What};
use crate::site::{Manner, key};
use crate::world::{PLAIN, Sent, World};

/// How long healing may take, in virtual time: a message that was written again six times is due after an hour, seven after two.
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);
/// How often it is asked whether all is well.
const ASK: Duration = Duration::from_secs(20);
/// A full look, and some: who forges rings no bell.
const ROUND: Duration = Duration::from_secs(90);
/// How long everybody must be quiet.
const QUIET: u64 = 120;
/// Steps and verbs a minute of an idle daemon: idle looks each 2 s, heartbeats each 15 s, some for each peer.
const IDLE: (u64, u64) = (160, 400);

/// Who looks at the server's files in the end; nobody's node.
const LOOKER: Eye = Eye { node: 99, lag: Duration::ZERO };

/// What must hold at any time: states go forward, and what they say is true.
pub fn so_far(world: &mut World) -> Result<(), String> {
    let World { sites, sent, twinned, went_back, names, .. } = world;
    for one in sent.iter_mut() {
        let Some(now) = sites[one.from].borrow().state_of(&one.message) else { continue };
        if now.state != one.seen && !one.seen.may_become(now.state) {
            return Err(format!("{} went from {} back to {}", describe(one), one.seen, now.state));
        }
        one.seen = now.state;
        // A restored store, and what another daemon of the name did, is not asked.
        let asked = !twinned.contains(&one.from) && !went_back.contains(&one.from);
        let went = now.state > State::Scheduled && now.state != State::Cancelled;
        if went && asked && now.not_before.as_ref().is_some_and(|at| now.at < *at) {
            return Err(format!(
                "{} went at {}, and was to go at {:?}",
                describe(one),
                now.at,
                now.not_before
            ));
        }
        let arrived = matches!(now.state, State::Delivered | State::Read | State::Processed);
        // Who went back in time reads it again; in the end it is asked for.
        let asked = |to: &usize| arrived && !twinned.contains(to) && !went_back.contains(to);
        let Some(to) = one.to.filter(asked) else { continue };
        let (peer, to) = (names[one.from].fold(), sites[to].borrow());
        match to.took(&peer, &one.message) {
            None if to.is_up() => {
                return Err(format!("{} is {} at its sender and not in the inbox", describe(one), now.state));
            }
            // What was put off and came back is unread again.
            Some(State::Delivered) if to.put_off.contains(&(peer.clone(), one.message.id.to_string())) => {}
            Some(took) if took < now.state => {
                return Err(format!(
                    "{} is {} at its sender and {took} in the inbox",
                    describe(one),
                    now.state
                ));
            }
            _ => {}
        }
    }
    let servers = world.wrong.iter().chain([&world.server]);
    let broken = servers.filter_map(|server| server.lock().unwrap().rules.broken().cloned()).next();
    broken.map_or(Ok(()), Err)
}

/// Waits until all is well, then asks everything.
pub fn in_the_end(world: &mut World) -> Result<(), String> {
    let deadline = world.now + PATIENCE;
    loop {
        let at = world.now + ASK;
        world.run(at)?;
        so_far(world)?;
        let Some(missing) = unsettled(world) else { break };
        if world.now > deadline {
            return Err(format!("not in {} h: {missing}", PATIENCE.as_secs() / 3_600));
        }
    }
    if world.plan.forger {
        let at = world.now + ROUND;
        world.run(at)?;
        so_far(world)?;
    }
    inboxes(world)?;
    broadcasts(world)?;
    forgery::is_refused(world)?;
    ends(world)?;
    order(world)?;
    files(world)?;
    quiet(world)
}

/// What is still to come, if anything is.
fn unsettled(world: &World) -> Option<String> {
    for one in &world.sent {
        let Some(now) = world.site(one.from).state_of(&one.message) else {
            return Some(format!("{} is not in its sender's store", describe(one)));
        };
        let enough = if one.to.is_some() { State::Delivered } else { State::Sent };
        if now.state < enough {
            return Some(format!("{} is {}", describe(one), now.state));
        }
        if matches!(now.state, State::Failed | State::Expired) {
            let (_, reports) = world.site(one.from).arrived();
            if !reports.iter().any(|report| report.in_reply_to.as_ref() == Some(&one.message.id)) {
                return Some(format!("{} is {} and nobody was told", describe(one), now.state));
            }
        }
    }
    for foreign in world.foreign.iter().filter(|_| !world.restored) {
        let (mail, _) = world.site(foreign.to).arrived();
        let came = mail.iter().filter(|message| message.content.as_str() == Some(&foreign.text)).count();
        let written = world.by_hand(foreign.to, &foreign.text);
        if came < written {
            let name = &world.names[foreign.to];
            return Some(format!("{:?}, by hand to {name}: {came} of {written}", foreign.text));
        }
    }
    for double in world.doubles.iter().filter(|double| double.sent) {
        let (mail, _) = world.site(double.to).arrived();
        if !mail.iter().any(|message| message.content.as_str() == Some(&double.text)) {
            return Some(format!("{:?} to {} did not come", double.text, world.names[double.to]));
        }
    }
    if let Some(one) = world.unsettled_chores() {
        return Some(one);
    }
    if let Some(one) = untold_wake(world).or_else(|| half_taken_back(world)) {
        return Some(one);
    }
    for site in world.all() {
        // Whoever forged is gone, and what is said of it stays; so does a network that is down for good.
        let detour = |problem: &str| world.network.is_down() && problem.starts_with("mail for ");
        let forged = |problem: &String| world.plan.forger && forgery::is_told_by(problem);
        let told = |problem: &&String| !forged(problem) && !detour(problem);
        if let Some(problem) = site.trouble().iter().find(told) {
            return Some(format!("{} says: {problem}", site.name));
        }
        let (mail, _) = site.arrived();
        let open = |message: &&Message| matches!(message.wake.as_deref(), Some("due" | "accepted"));
        let waits = mail.iter().find(open);
        if site.manner != Manner::Absent && (waits.is_some() || site.wakes_pending()) {
            return Some(format!(
                "{}: the agent is yet to be woken for {:?}",
                site.name,
                waits.map(|m| &m.id)
            ));
        }
    }
    if world.power_cuts > 0 || world.restored || !world.went_back.is_empty() {
        // A power cut or a backup may bring a removed lockfile back, and a state folder from before a line was written
        // knows nothing of its lockfile; whoever writes there next breaks it.
        return None;
    }
    let server = world.server.lock().unwrap();
    // One that could be written in part does not say whose it is: whoever writes there next breaks it. Nobody does when the
    // line it was for was taken back.
    let is_whole =
        |path: &str| server.bytes(path, LOOKER, Duration::ZERO).is_some_and(|note| note.ends_with(b"\n"));
    let left = server
        .files()
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| path.ends_with(".lock") && is_whole(path));
    left.map(|path| format!("{path} is left standing"))
}

/// Each message once, with the content that was sent, and handed over once.
fn inboxes(world: &World) -> Result<(), String> {
    for (index, site) in world.all().enumerate() {
        let (mail, reports) = site.arrived();
        let mut by_text: HashMap<&str, Vec<&Message>> = HashMap::new();
        for message in &mail {
            by_text.entry(message.content.as_str().unwrap_or("no text")).or_default().push(message);
        }
        for (text, found) in &by_text {
            if found.len() > world.by_hand(index, text).max(1) {
                return Err(format!("{} has {:?} {} times", site.name, head(text), found.len()));
            }
        }
        for one in world.sent.iter().filter(|one| one.to == Some(index)) {
            let state = world.site(one.from).state_of(&one.message).map(|message| message.state);
            match by_text.get(one.text.as_str()).map(|found| found[0]) {
                Some(found) if found.id == one.message.id => {}
                Some(_) => return Err(format!("{} came under another id", describe(one))),
                None if matches!(state, Some(State::Failed | State::Expired | State::Cancelled)) => {}
                // It came directly, and was dealt with, before a state folder was restored.
                None if world.plan.direct
                    && world.went_back.contains(&index)
                    && state == Some(State::Processed) => {}
                None => return Err(format!("{} is {state:?} and not in the inbox", describe(one))),
            }
        }
        let mut told = HashMap::new();
        for report in &reports {
            let cause = report.content.get("cause").and_then(|cause| cause.as_str()).unwrap_or_default();
            *told.entry((report.in_reply_to.clone(), cause.to_owned())).or_insert(0) += 1;
        }
        if let Some((report, times)) = told.into_iter().find(|(_, times)| *times > 1) {
            return Err(format!("{} was told of {report:?} {times} times", site.name));
        }
        for message in &mail {
            let handed = site.handed.get(&key(message)).copied().unwrap_or_default();
            if handed.times > 1 + handed.excused {
                let (id, from) = (&message.id, &message.from);
                return Err(format!("{} was woken {handed:?} for {id} from {from}", site.name));
            }
            if message.wake.as_deref() == Some("woken")
                && (handed.times == 0 || site.manner == Manner::Tardy)
                && message.state == State::Delivered
            {
                return Err(format!("{}: {} counts as woken for, and nobody was", site.name, message.id));
            }
        }
    }
    for one in world.sent.iter().filter(|one| one.to.is_none() && !world.restored) {
        let slot = layout::open_slot(&Name::parse(PLAIN).unwrap());
        let server = world.server.lock().unwrap();
        let bytes = server.bytes(slot.as_str(), LOOKER, Duration::ZERO).unwrap_or_default();
        let there = String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| line.contains(one.message.id.as_str()))
            .count();
        let state = world.site(one.from).state_of(&one.message).map(|message| message.state);
        if there == 0 && state == Some(State::Sent) {
            return Err(format!("{} is sent and not in the open slot", describe(one)));
        }
        if server.what(slot.as_str()) == What::Folder {
            return Err("the open slot is a folder".into());
        }
    }
    Ok(())
}

/// A broadcast was stored for all members or for none, whenever its sender died.
fn broadcasts(world: &World) -> Result<(), String> {
    for (from, id) in &world.broadcasts {
        let (copies, members) = (world.site(*from).copies(id), world.names.len() - 1);
        if copies == 0 {
            world.log.count("a broadcast that nobody gets");
        } else if copies < members && world.went_back.contains(from) {
            // Of what it sent after its backup, its state folder has again what it finds in its own lanes: the copies
            // that had left.
            world.log.count("a broadcast of which a restored state folder knows a part");
        } else if copies != members {
            return Err(format!("{id} of {} has {copies} of {members} copies", world.names[*from]));
        }
    }
    Ok(())
}

/// A wake that failed for good and whose sender was not told, if there is one.
fn untold_wake(world: &World) -> Option<String> {
    for (to, site) in world.all().enumerate().filter(|(to, _)| !world.twinned.contains(to)) {
        // Those that were accepted, and that nobody read in the end, the site itself gave up.
        let (mail, _) = site.arrived();
        let failed = mail
            .iter()
            .filter(|message| matches!(message.wake.as_deref(), Some("failed" | "unread")))
            .map(key);
        let unread = failed.filter(|_| site.manner == Manner::Tardy).collect::<Vec<_>>();
        unread.iter().for_each(|_| world.log.count("a wake that nobody follows"));
        for (peer, id) in unread.iter().chain(&site.given_up) {
            let mut sent =
                world.sent.iter().filter(|one| one.to == Some(to) && one.message.id.as_str() == id);
            let Some(one) = sent.find(|one| world.names[one.from].fold() == *peer) else { continue };
            if world.twinned.contains(&one.from) {
                continue;
            }
            let (_, reports) = world.site(one.from).arrived();
            let told = reports.iter().any(|report| {
                let cause = report.content.get("cause").and_then(|cause| cause.as_str());
                report.in_reply_to.as_ref() == Some(&one.message.id) && cause == Some("wake-failed")
            });
            if !told {
                return Some(format!("the wake for {} failed, and its sender was not told", describe(one)));
            }
        }
    }
    None
}

/// What is taken back on one side and not on the other, if there is such a message. Whoever forgot, or has a double, may
/// say something else.
fn half_taken_back(world: &World) -> Option<String> {
    let doubtful = |node: &usize| world.twinned.contains(node) || world.went_back.contains(node);
    let sure = world.sent.iter().filter(|one| !doubtful(&one.from));
    for (one, to) in sure.filter_map(|one| Some((one, one.to.filter(|to| !doubtful(to))?))) {
        let here = world.site(one.from).state_of(&one.message).map(|message| message.state);
        let there = world.site(to).took(&world.names[one.from].fold(), &one.message);
        let (gone, taken) = (here == Some(State::Cancelled), there == Some(State::Cancelled));
        if gone != taken && !(gone && there.is_none()) {
            return Some(format!("{} is {here:?} at its sender and {there:?} in the inbox", describe(one)));
        }
    }
    None
}

/// A message ends unprocessed for a reason alone.
fn ends(world: &World) -> Result<(), String> {
    for one in &world.sent {
        let state = world.site(one.from).state_of(&one.message).map(|message| message.state);
        if state == Some(State::Expired) && !one.ttl {
            return Err(format!("{} expired, and had all the time", describe(one)));
        }
        // Whoever forgot what it said, and was not told yet, may say something else.
        let is_asked = |to: &usize| !world.twinned.contains(to) && !world.went_back.contains(to);
        let Some(to) = one.to.filter(|to| state == Some(State::Failed) && is_asked(to)) else {
            continue;
        };
        if world.site(to).took(&world.names[one.from].fold(), &one.message) != Some(State::Failed) {
            return Err(format!(
                "{} failed, and its recipient's agent said nothing of the kind",
                describe(one)
            ));
        }
    }
    Ok(())
}

/// From one sender to one recipient in the order of sending, as long as nothing had to be written a second time: what
/// the recipient missed comes when it comes, and overtaking it is better than waiting for it.
fn order(world: &World) -> Result<(), String> {
    for (index, site) in world.all().enumerate() {
        let (mail, _) = site.arrived();
        let place: HashMap<_, _> =
            mail.iter().enumerate().map(|(place, message)| (key(message), place)).collect();
        let mut last: HashMap<usize, (usize, &Sent)> = HashMap::new();
        for one in world.sent.iter().filter(|one| one.to == Some(index) && !one.withdrawn) {
            let sender = world.site(one.from);
            let journey = sender.journey(&one.message);
            if journey.iter().any(|step| step.contains("the recipient misses it")) {
                world.log.count("a gap that is asked for again");
            }
            if one.file.is_some() {
                // Its place is where its file was on the share.
                continue;
            }
            // By another way than the first, or under another lease.
            let twice = journey.iter().filter(|step| step.starts_with("sent")).count() > 1;
            // Whoever wrote it again, since its recipient had forgotten it, may have forgotten that.
            let forgot = [one.from, index].iter().all(|node| world.went_back.contains(node));
            if journey.iter().any(|step| step.starts_with("resend")) || twice && world.robbed || forgot {
                world.log.count("a message that is written again");
                continue;
            }
            let Some(at) = place.get(&(sender.config.instance.fold(), one.message.id.to_string())) else {
                continue;
            };
            // It took its place in the order when its time came; and what came back stands below what came meanwhile.
            let put_off = site.put_off.contains(&(sender.config.instance.fold(), one.message.id.to_string()));
            if one.message.not_before.is_some() || put_off {
                continue;
            }
            if let Some((before, other)) = last.insert(one.from, (*at, one))
                && before > *at
            {
                let told =
                    |one: &Sent| format!("{} ({})", describe(one), sender.journey(&one.message).join("; "));
                return Err(format!("{} overtook {}", told(one), told(other)));
            }
        }
    }
    Ok(())
}

/// What is attached to a message that was delivered is whole. Who went back in time may not have what it dealt with.
fn files(world: &World) -> Result<(), String> {
    for one in &world.sent {
        let (Some(file), Some(to)) = (one.file, one.to) else { continue };
        let site = world.site(to);
        let peer = world.names[one.from].fold();
        let (mail, _) = site.arrived();
        let Some(message) = mail.into_iter().find(|it| it.id == one.message.id && it.peer == peer) else {
            continue;
        };
        let shown = matches!(message.state, State::Delivered | State::Read);
        if shown && !world.went_back.contains(&to) {
            site.has_whole(&message, file)?;
            world.log.count("a file that is whole");
        }
    }
    Ok(())
}

/// Nobody does more than an idle daemon does, and nobody has anything to say.
fn quiet(world: &mut World) -> Result<(), String> {
    // What healing left to do: the last receipts, full looks after traffic.
    let settled = world.now + Duration::from_secs(90);
    world.run(settled)?;
    let count = |world: &World| -> Vec<(u64, u64)> {
        world.all().map(|site| (site.steps, site.view.with(|inner| inner.verbs))).collect()
    };
    let before = count(world);
    let end = world.now + Duration::from_secs(QUIET);
    world.run(end)?;
    let minutes = QUIET / 60;
    for ((site, before), now) in world.all().zip(before).zip(count(world)) {
        let (steps, verbs) = ((now.0 - before.0) / minutes, (now.1 - before.1) / minutes);
        if steps > IDLE.0 || verbs > IDLE.1 {
            return Err(format!("{} is not quiet: {steps} steps and {verbs} verbs a minute", site.name));
        }
        if steps == 0 {
            return Err(format!("{} does not look any more", site.name));
        }
    }
    match unsettled(world) {
        Some(what) => Err(format!("it was well, and is not any more: {what}")),
        None => so_far(world),
    }
}

fn head(text: &str) -> String {
    text.chars().take(40).collect()
}

fn describe(one: &Sent) -> String {
    format!("{:?} ({} to {})", head(&one.text).trim_end_matches('ü'), one.message.from, one.message.to)
}
