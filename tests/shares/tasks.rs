//! Tasks: agents of both PCs claim the same ones at once, and no number of a claim is ever two's; whoever is cut off, or loses
//! its power, loses what it held for a short term, and what it said meanwhile does not count; a line that somebody at the
//! server writes into the page while it is rendered becomes a task.
//!
//! Asked of the claim files as the server has them, of what each claimer was told, and of what both instances see in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;

use serde_json::Value;

use crate::bench::Bench;
use crate::pair::{ANN, BOB, BOTH, Instance, Pair, until};
use crate::{Outcome, Run};

/// Who claims all tasks at once, on each PC, through the library.
const AGENTS: [&str; 2] = ["one", "two"];
/// Who claims by the command line, task by task.
const SHELL: &str = "shell";
/// One of so many tasks is claimed by the command line, a process each.
const BY_SHELL: usize = 5;
/// Lines that are written into the page while claims are made.
const LINES: usize = 4;
/// Tasks that somebody holds who is cut off: two that it ends meanwhile, two that it works on, one that it gives back, one
/// that it says nothing of.
const HELD: usize = 6;

pub fn run(run: &Run) -> Outcome<()> {
    let count = if run.quick { 40 } else { 1_000 };
    let pairs = Pair::on_each_kind(run, "tasks")?;
    for pair in &pairs {
        for at in BOTH {
            let other = crate::pair::other(at).name;
            until(&format!("{other} to be known"), || Ok(pair.lanpost(at, "--json peers")?.contains(other)))?;
        }
    }
    let mut ids = vec![];
    for pair in &pairs {
        for at in BOTH {
            pair.part(at, "add", &format!("{} task", count / 2))?;
        }
    }
    for pair in &pairs {
        ids.push(all_known(pair, count)?);
    }
    claimed_by_many(run, &pairs, &ids)?;
    last_line(run, &pairs)?;
    taken_over(run, &pairs, "cut", &[&["cut", "A"]], &[&["heal", "A"]])?;
    if !run.quick {
        let off: [&[&str]; 3] = [&["cut", "A"], &["kill", "A"], &["heal", "A"]];
        taken_over(run, &pairs, "powercut", &off, &[&["boot", "A"]])?;
    }
    pairs.iter().try_for_each(Pair::end)
}

/// A task as an instance sees it: what is the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    title: String,
    standing: String,
    /// Who holds it, by which number.
    holder: Option<(String, u64)>,
    /// Who did what under which number, but for what has no effect: that is told only where it was said.
    history: Vec<(String, String, u64)>,
    void: Vec<(String, String, u64)>,
}

/// All tasks, by their ids, as `at` sees them by now.
fn board(pair: &Pair, at: &Instance) -> Outcome<BTreeMap<String, Seen>> {
    let told: Vec<Value> = serde_json::from_str(&pair.part(at, "tasks", "")?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = BTreeMap::new();
    for task in told {
        let deeds = |void: bool| -> Vec<(String, String, u64)> {
            let all = task["history"].as_array().into_iter().flatten();
            let those = all.filter(|deed| deed["void"] == void);
            those
                .map(|deed| (text(&deed["by"]), text(&deed["deed"]), deed["token"].as_u64().unwrap_or(0)))
                .collect()
        };
        let holder = task["holder"].as_object();
        let seen = Seen {
            title: text(&task["title"]),
            standing: text(&task["standing"]),
            holder: holder.map(|held| (text(&held["by"]), held["token"].as_u64().unwrap_or(0))),
            history: deeds(false),
            void: deeds(true),
        };
        all.insert(text(&task["id"]), seen);
    }
    Ok(all)
}

/// Waits until both see `count` tasks; their ids.
fn all_known(pair: &Pair, count: usize) -> Outcome<Vec<String>> {
    let mut ids = BTreeSet::new();
    for at in BOTH {
        until(&format!("{} on {} to see {count} tasks", at.name, pair.kind.word()), || {
            ids = board(pair, at)?.into_keys().collect();
            Ok(ids.len() == count)
        })
        .map_err(|error| format!("{error}; it sees {}", ids.len()))?;
    }
    Ok(ids.into_iter().collect())
}

/// A claim: of which task, by which number.
type Number = (String, u64);

/// Three agents on each PC claim all tasks at once, while somebody at the server writes into the page.
fn claimed_by_many(run: &Run, pairs: &[Pair], ids: &[Vec<String>]) -> Outcome<()> {
    let writers: Vec<_> = pairs
        .iter()
        .map(|pair| {
            let (bench, folder) = (run.bench.clone(), pair.folder().to_owned());
            std::thread::spawn(move || by_hand(&bench, &folder))
        })
        .collect();
    for (pair, ids) in pairs.iter().zip(ids) {
        for at in BOTH {
            begin_claiming(run, pair, at, ids)?;
        }
    }
    for pair in pairs {
        for at in BOTH {
            for agent in AGENTS.iter().chain([&SHELL]) {
                let mut seen = 0;
                // How long all of it takes is the machine's matter; but it goes on.
                while !log(pair, at, agent).lines().any(|line| line == "end") {
                    let what = format!("{}/{agent} on {} to claim on", at.name, pair.kind.word());
                    let more = || {
                        let log = log(pair, at, agent);
                        Ok(log.lines().count() > seen || log.lines().any(|line| line == "end"))
                    };
                    until(&what, more).map_err(|error| format!("{error}; {seen} answers came"))?;
                    seen = log(pair, at, agent).lines().count();
                }
            }
        }
    }
    for writer in writers {
        writer.join().map_err(|_| "the writer at the server panicked")??;
    }
    for (pair, ids) in pairs.iter().zip(ids) {
        have_the_rest(run, pair, ids)?;
        none_is_held_twice(run, pair, ids)?;
        lines_are_tasks(run, pair)?;
    }
    Ok(())
}

/// The file of what a claimer is to do, or of what came of it.
fn file(pair: &Pair, at: &Instance, agent: &str, what: &str) -> String {
    pair.logs().join(format!("{}.{agent}.{what}", at.name)).display().to_string()
}

fn log(pair: &Pair, at: &Instance, agent: &str) -> String {
    fs::read_to_string(file(pair, at, agent, "claims")).unwrap_or_default()
}

/// Has all agents of `at` begin to claim. Every second task is given back by whoever gets it, to be had again. The second
/// agent begins at the other end, so that claims also meet of which neither PC's daemon has just read the logs.
fn begin_claiming(run: &Run, pair: &Pair, at: &Instance, ids: &[String]) -> Outcome<()> {
    let by_shell = ids.len() / BY_SHELL;
    let plan: Vec<String> = ids[by_shell..]
        .iter()
        .enumerate()
        .map(|(n, id)| format!("{id}{}\n", if n % 2 == 0 { "" } else { " back" }))
        .collect();
    for (n, agent) in AGENTS.into_iter().enumerate() {
        let lines: String = if n == 0 { plan.concat() } else { plan.iter().rev().cloned().collect() };
        fs::write(file(pair, at, agent, "plan"), lines)?;
        let (plan, log) = (file(pair, at, agent, "plan"), file(pair, at, agent, "claims"));
        pair.part_beside(at, "claim", &format!("{agent} {plan} {log}"))?;
    }
    let (plan, log, errors) =
        (file(pair, at, SHELL, "plan"), file(pair, at, SHELL, "claims"), file(pair, at, SHELL, "errors"));
    fs::write(&plan, ids[..by_shell].join("\n") + "\n")?;
    let claim = pair.command(at, &format!("--json task claim $id --as {SHELL} --for 24h --timeout 1h"));
    let loop_ = format!(
        "while read -r id; do said=$({claim} 2>>{errors}); echo \"code $id $? $said\"; done <{plan} >>{log}; \
         echo end >>{log}"
    );
    run.bench.on(at.machine, &format!("setsid bash -c '{loop_}' </dev/null >/dev/null 2>&1 &")).map(drop)
}

/// What claimers were told that hold, and what they gave back again; and how many were told that they don't.
#[derive(Default)]
struct Told {
    held: BTreeMap<Number, Vec<String>>,
    back: BTreeSet<Number>,
    lost: usize,
    /// Of those: to one who was faster, so that both were about to make the same claim.
    just: usize,
}

fn told(pair: &Pair) -> Outcome<Told> {
    let mut told = Told::default();
    for at in BOTH {
        for agent in AGENTS.iter().chain([&SHELL]) {
            let who = format!("{}/{agent}", at.name);
            for line in log(pair, at, agent).lines() {
                let wrong = || format!("{}: {who} was told {line:?}", pair.folder());
                let words: Vec<&str> = line.splitn(4, ' ').collect();
                let number =
                    |id: &str, token: &str| -> Outcome<Number> { Ok((id.to_owned(), token.parse()?)) };
                let held = match words.as_slice() {
                    ["held", id, token] => Some(number(id, token)?),
                    ["code", id, "0", json] => {
                        let task: Value = serde_json::from_str(json)?;
                        Some((id.to_string(), task["holder"]["token"].as_u64().ok_or_else(wrong)?))
                    }
                    ["back", id, token] => {
                        told.back.insert(number(id, token)?);
                        None
                    }
                    ["lost" | "code", ..] => {
                        if words[0] == "code" && words.get(2) != Some(&"5") {
                            return Err(wrong().into());
                        }
                        told.lost += 1;
                        told.just +=
                            usize::from(line.contains("was faster") || line.contains("just claimed"));
                        None
                    }
                    ["end"] => None,
                    _ => return Err(wrong().into()),
                };
                if let Some(number) = held {
                    told.held.entry(number).or_default().push(who.clone());
                }
            }
        }
    }
    Ok(told)
}

/// The claim files as the server has them: who made which, and those that nobody is in.
fn files(run: &Run, pair: &Pair) -> Outcome<(BTreeMap<Number, String>, BTreeSet<Number>)> {
    let folder = format!("/mnt/disk/share/{}/tasks/claims", pair.folder());
    let lines = run.bench.on("S", &format!("cd {folder} && grep -r '\"by\":' . ; find . -type f"))?;
    let (mut files, mut all) = (BTreeMap::new(), BTreeSet::new());
    for line in lines.lines() {
        let read = || {
            let (path, by) = line.strip_prefix("./")?.split_once(".json")?;
            let (id, number) = path.split_once('/')?;
            let by = by.strip_prefix(':').map(|by| Some(by.split('"').nth(3)?.to_owned()));
            Some(((id.to_owned(), number.parse().ok()?), by))
        };
        let bad = || format!("{}: among the claims is {line:?}", pair.folder());
        let (number, by) = read().ok_or_else(bad)?;
        all.insert(number.clone());
        if let Some(by) = by {
            files.insert(number, by.ok_or_else(bad)?);
        }
    }
    let nobodys = all.into_iter().filter(|number| !files.contains_key(number)).collect();
    Ok((files, nobodys))
}

/// Claims what nobody got: an SMB client that asks again may be told that its own new file exists, as all others are. Such a
/// file is stepped over in time.
fn have_the_rest(run: &Run, pair: &Pair, ids: &[String]) -> Outcome<()> {
    let (files, nobodys) = files(run, pair)?;
    let held: BTreeSet<&String> = files.keys().map(|(id, _)| id).collect();
    let stuck: BTreeSet<&String> = nobodys.iter().map(|(id, _)| id).collect();
    for id in ids.iter().filter(|id| stuck.contains(id) && !held.contains(id)) {
        println!("  {}: nobody is in the first claim of {id}, which each was told exists", pair.kind.word());
        let claim = format!("task claim {id} --as {SHELL} --for 24h --timeout 1m");
        let is_had = || Ok(said_by(run, pair, &ANN, &claim)?.0 == 0);
        until(&format!("{id} on {} to be had after all", pair.kind.word()), is_had)?;
        // What one holds one may claim again.
        let said = pair.lanpost(&ANN, &format!("--json {claim}"))?;
        let line = format!("code {id} 0 {}\n", said.trim_end());
        fs::OpenOptions::new()
            .append(true)
            .open(file(pair, &ANN, SHELL, "claims"))?
            .write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Each claim file is of one who was told that it holds, and the other way round; and both instances see that.
fn none_is_held_twice(run: &Run, pair: &Pair, ids: &[String]) -> Outcome<()> {
    let (told, (files, nobodys)) = (told(pair)?, files(run, pair)?);
    println!(
        "  {}: {} claims of {} tasks are held, {} were refused, {} of these to one who was just faster",
        pair.kind.word(),
        told.held.len(),
        ids.len(),
        told.lost,
        told.just
    );
    let mut wrong = vec![];
    for (number, who) in &told.held {
        if who.len() > 1 || files.get(number) != who.first() {
            wrong.push(format!("{number:?} is held by {who:?}, its file is of {:?}", files.get(number)));
        }
    }
    for (number, by) in files.iter().filter(|(number, _)| !told.held.contains_key(number)) {
        wrong.push(format!("{number:?} of {by} has a file, and nobody was told that he holds it"));
    }
    for id in ids {
        let all: BTreeSet<_> = files.keys().chain(&nobodys).filter(|(of, _)| of == id).collect();
        let numbers: Vec<u64> = all.into_iter().map(|(_, number)| *number).collect();
        let is_had = files.keys().any(|(of, _)| of == id);
        if !is_had || !numbers.iter().copied().eq(1..=numbers.len() as u64) {
            wrong.push(format!("{id} has the claims {numbers:?}"));
        }
    }
    none(pair, wrong)?;
    agreed(pair)?;
    let board = board(pair, &ANN)?;
    let mut wrong = vec![];
    for (id, seen) in ids.iter().filter_map(|id| Some((id, board.get(id)?))) {
        let ours = told.held.iter().filter(|((of, _), _)| of == id);
        let mut expected = vec![];
        let mut holder = None;
        for (number, who) in ours {
            let (who, token) = (who[0].clone(), number.1);
            expected.push((who.clone(), "claim".to_owned(), token));
            holder = Some((who.clone(), token));
            if told.back.contains(number) {
                expected.push((who, "release".to_owned(), token));
                holder = None;
            }
        }
        if seen.history.get(1..) != Some(&expected) || seen.holder != holder || !seen.void.is_empty() {
            wrong.push(format!("{id} is seen as {seen:?}; told were {expected:?}"));
        }
    }
    none(pair, wrong)
}

/// Waits until both see the same tasks with the same holders and histories.
fn agreed(pair: &Pair) -> Outcome<()> {
    let mut difference = String::new();
    until(&format!("both on {} to see the same tasks", pair.kind.word()), || {
        let [ours, theirs] = BOTH.map(|at| board(pair, at));
        let (ours, theirs) = (ours?, theirs?);
        let alike = |a: Option<&Seen>, b: Option<&Seen>| match (a, b) {
            (Some(a), Some(b)) => Seen { void: vec![], ..a.clone() } == Seen { void: vec![], ..b.clone() },
            _ => false,
        };
        let differs = ours.keys().chain(theirs.keys()).find(|id| !alike(ours.get(*id), theirs.get(*id)));
        difference =
            differs.map_or(String::new(), |id| format!("{id}: {:?}, {:?}", ours.get(id), theirs.get(id)));
        Ok(differs.is_none())
    })
    .map_err(|error| format!("{error}; they see {difference}").into())
}

fn none(pair: &Pair, wrong: Vec<String>) -> Outcome<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    let first = wrong.get(..wrong.len().min(5)).unwrap_or_default().join("; ");
    Err(format!("{}: {} things are wrong: {first}", pair.folder(), wrong.len()).into())
}

/// Writes lines into the page on the server itself, the next when the last was taken in: as an editor does that appends, and as
/// one does that writes a new file and renames it.
fn by_hand(bench: &Bench, folder: &str) -> Outcome<()> {
    let script = format!(
        r#"cd /mnt/disk/share/{folder}/tasks || exit 1
        for n in $(seq {LINES}); do
          line="- [ ] by hand $n"
          # There may be no page for a moment.
          if test $((n % 2)) = 0; then echo "$line" >>shared-tasks.md
          else until sed -i "\$a $line" shared-tasks.md 2>/dev/null; do sleep 0.02; done; fi
          for try in $(seq 2000); do
            grep -sF -- "$line " shared-tasks.md | grep -q "<!-- t:" && continue 2
            grep -qsxF -- "$line" shared-tasks.*.*.md && continue 2
            sleep 0.1
          done
          echo "\"$line\" was not taken in; there are: $(ls)"; cat shared-tasks.md; exit 1
        done"#
    );
    bench.on("S", &script).map(drop)
}

/// Each of these lines is one task, or stands in a file that people are shown.
fn lines_are_tasks(run: &Run, pair: &Pair) -> Outcome<()> {
    let folder = format!("/mnt/disk/share/{}/tasks", pair.folder());
    let kept = run
        .bench
        .on("S", &format!("cd {folder} && cat /dev/null $(ls | grep 'shared-tasks\\..*\\..*\\.md$')"))?;
    let board = board(pair, &BOB)?;
    for n in 1..=LINES {
        let title = format!("by hand {n}");
        let tasks = board.values().filter(|seen| seen.title == title).count();
        let is_kept = kept.lines().any(|line| line == format!("- [ ] {title}"));
        if tasks > 1 || (tasks == 0 && !is_kept) {
            return Err(format!("{}: {title:?} became {tasks} tasks, kept: {kept:?}", pair.folder()).into());
        }
        if tasks == 0 {
            println!("  {}: {title:?} lies in a file beside the page", pair.kind.word());
        }
    }
    Ok(())
}

/// A line that is written when nothing else happens becomes a task.
fn last_line(run: &Run, pairs: &[Pair]) -> Outcome<()> {
    let title = "by hand, the last";
    for pair in pairs {
        let page = format!("/mnt/disk/share/{}/tasks/shared-tasks.md", pair.folder());
        until("a page", || Ok(run.bench.on("S", &format!("ls {page} || true"))?.contains("shared")))?;
        run.bench.on("S", &format!("echo '- [ ] {title}' >>{page}"))?;
    }
    for pair in pairs {
        for at in BOTH {
            until(&format!("{} on {} to see {title:?}", at.name, pair.kind.word()), || {
                Ok(board(pair, at)?.values().filter(|seen| seen.title == title).count() == 1)
            })?;
        }
    }
    Ok(())
}

/// Ann holds tasks for a short term when `off` happens to her PC, and goes on speaking of them; Bob takes them over. When she is
/// `back`, what she said counts for nothing, and she is told.
fn taken_over(run: &Run, pairs: &[Pair], case: &str, off: &[&[&str]], back: &[&[&str]]) -> Outcome<()> {
    let mut ids = vec![];
    for pair in pairs {
        pair.part(&BOB, "add", &format!("{HELD} {case}"))?;
        let mut held = vec![];
        until(&format!("ann on {} to see the tasks of {case}", pair.kind.word()), || {
            let board = board(pair, &ANN)?;
            let ours = board.into_iter().filter(|(_, seen)| seen.title.starts_with(&format!("{case} ")));
            held = ours.map(|(id, _)| id).collect::<Vec<_>>();
            Ok(held.len() == HELD)
        })?;
        for id in &held {
            expect(run, pair, &ANN, &format!("task claim {id} --as one --for 2m --timeout 4m"), 0)?;
        }
        let (bobs, all) =
            (format!("{HELD} claims of ann"), |seen: &&Seen| seen.holder == Some(("ann/one".into(), 1)));
        until(&format!("bob on {} to see {bobs}", pair.kind.word()), || {
            let board = board(pair, &BOB)?;
            Ok(held.iter().filter_map(|id| board.get(id)).filter(all).count() == HELD)
        })?;
        expect(run, pair, &BOB, &format!("task claim {} --as two --timeout 4m", held[0]), 5)?;
        ids.push(held);
    }
    let (cut, more) = off.split_first().ok_or("nothing happens")?;
    run.bench.order(cut)?;
    for (pair, ids) in pairs.iter().zip(&ids) {
        let words = ["done", "done", "progress", "progress", "release"];
        for (word, id) in words.iter().zip(ids) {
            let text = if *word == "progress" { " halfway" } else { "" };
            expect(run, pair, &ANN, &format!("task {word} {id}{text} --as one"), 0)?;
        }
    }
    more.iter().try_for_each(|order| run.bench.order(order).map(drop))?;
    for (pair, ids) in pairs.iter().zip(&ids) {
        for (n, id) in ids.iter().enumerate() {
            let mut said = String::new();
            until(&format!("bob on {} to take over {id}", pair.kind.word()), || {
                let (code, told) =
                    said_by(run, pair, &BOB, &format!("task claim {id} --as two --for 1h --timeout 4m"))?;
                said = told;
                match code {
                    0 => Ok(true),
                    5 => Ok(false),
                    code => Err(format!("{code}: {said}").into()),
                }
            })
            .map_err(|error| format!("{error}; he was told {said}"))?;
            let word = if n % 2 == 0 { "done" } else { "progress" };
            let text = if n % 2 == 0 { "" } else { " mine" };
            expect(run, pair, &BOB, &format!("task {word} {id}{text} --as two"), 0)?;
        }
    }
    back.iter().try_for_each(|order| run.bench.order(order).map(drop))?;
    for pair in pairs.iter().filter(|_| !more.is_empty()) {
        pair.start(&ANN)?;
    }
    for (pair, ids) in pairs.iter().zip(&ids) {
        came_back(run, pair, ids)?;
    }
    Ok(())
}

/// What both see of the tasks `ids` is Bob's alone, and Ann knows it.
fn came_back(run: &Run, pair: &Pair, ids: &[String]) -> Outcome<()> {
    let deed = |by: &str, word: &str, token| (by.to_owned(), word.to_owned(), token);
    for at in BOTH {
        let mut seen = String::new();
        until(&format!("{} on {} to see bob's work alone", at.name, pair.kind.word()), || {
            let board = board(pair, at)?;
            let wrong = ids.iter().enumerate().find(|(n, id)| {
                let word = if n % 2 == 0 { "done" } else { "progress" };
                let wanted =
                    [deed("ann/one", "claim", 1), deed("bob/two", "claim", 2), deed("bob/two", word, 2)];
                // To give up is never too late, and changes nothing then.
                let gave_up = |(by, word, token): &(String, String, u64)| {
                    by == "ann/one" && matches!(word.as_str(), "release" | "lapse") && *token == 1
                };
                let all =
                    board.get(*id).map(|seen| seen.history.iter().skip(1).filter(|deed| !gave_up(deed)));
                all.is_none_or(|all| !all.eq(&wanted))
            });
            seen = wrong.map_or(String::new(), |(_, id)| format!("{:?}", board.get(id)));
            Ok(wrong.is_none())
        })
        .map_err(|error| format!("{error}, but {seen}"))?;
    }
    // Of tasks that ended: beyond its bounds. Of those that he works on: somebody else's.
    expect(run, pair, &ANN, &format!("task done {} --as one", ids[0]), 2)?;
    expect(run, pair, &ANN, &format!("task done {} --as one", ids[1]), 5)?;
    let mut news = BTreeSet::new();
    until(&format!("ann on {} to be told what she lost", pair.kind.word()), || {
        let inbox = pair.inbox(&ANN)?;
        let lost = inbox.iter().filter(|mail| mail["content"]["news"] == "lost");
        news = lost.map(|mail| mail["content"].to_string()).collect();
        // Of what she gave up, or let lapse by herself, there is nothing to tell.
        Ok(ids[..4].iter().all(|id| news.iter().any(|news| news.contains(id.as_str()))))
    })
    .map_err(|error| format!("{error}; she was told {news:?}"))?;
    agreed(pair)?;
    // Nothing but her claims came on the share, and what she gave up.
    let logs = format!("cat /mnt/disk/share/{}/tasks/ann.*.jsonl", pair.folder());
    for line in run.bench.on("S", &logs)?.lines() {
        let event: Value = serde_json::from_str(line)?;
        let may_be = ["claim", "release", "lapse"].iter().any(|deed| event["deed"] == **deed);
        if ids.iter().any(|id| event["task"] == **id) && !may_be {
            return Err(format!("{}: on the share stands {line}", pair.folder()).into());
        }
    }
    Ok(())
}

/// What a command came to: its exit code, and what it said.
fn said_by(run: &Run, pair: &Pair, at: &Instance, words: &str) -> Outcome<(i32, String)> {
    let said = run.bench.on(at.machine, &format!("{} 2>&1; echo \"code $?\"", pair.command(at, words)))?;
    let (said, code) = said.trim_end().rsplit_once("code ").ok_or("no exit code")?;
    Ok((code.parse()?, said.trim_end().to_owned()))
}

fn expect(run: &Run, pair: &Pair, at: &Instance, words: &str, code: i32) -> Outcome<()> {
    match said_by(run, pair, at, words)? {
        (found, _) if found == code => Ok(()),
        (found, said) => {
            let on = pair.kind.word();
            Err(format!("{} on {on}: `{words}` came to {found}, not {code}: {said}", at.name).into())
        }
    }
}
