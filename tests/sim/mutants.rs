//! Shows that the simulator can fail: takes one defence out of a copy of `src/` at a time and looks for a seed that fails.
//!
//! A defence is a piece of text and what stands there without it. The copy lies in `target/mutants`, without the program,
//! so that no mutant is ever taken for it. Text that is no longer found is an error, in each run of the simulator: then
//! the lists below must be mended. So is a mutant that survives. The gate tries those of [`MUTANTS`]; those of [`MORE`] are
//! for whoever changes the simulator: `--mutants --all`, or `--mutants --only gap` for those whose name holds the word.

use std::path::Path;
use std::process::Command;

struct Mutant {
    name: &'static str,
    file: &'static str,
    with: &'static str,
    without: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "known ids are dropped",
        file: "src/store/db/inbox.rs",
        with: "    let n = if known { None } else { message.insert_from(tx, now, &origin)? };",
        without: "    let (mut message, _) = (message, known);
    let n = match message.insert_from(tx, now, &origin)? {
        Some(n) => Some(n),
        None => {
            message.id = derived_id(tx, &intake.mailbox, &arrival.text)?;
            message.insert_from(tx, now, &origin)?
        }
    };",
    },
    Mutant {
        name: "the share's id is looked at",
        file: "src/engine/gate.rs",
        with: "Some(known) if known == found.share => Ok(()),",
        without: "Some(known) if known == found.share || true => Ok(()),",
    },
    Mutant {
        name: "after an error it is looked whether the name is ours",
        file: "src/store/claim.rs",
        with: "        Ok(Some(found)) if found == bytes => Ok(true),\n",
        without: "",
    },
    Mutant {
        name: "a new segment follows a torn one",
        file: "src/store/lane.rs",
        with: "            if file.len() == at.size {",
        without: "            if file.len() >= at.size {",
    },
    Mutant {
        name: "signatures are verified",
        file: "src/model/trust.rs",
        with: "pin.standing == standing && pin.key.verifies(object)",
        without: "pin.standing == standing",
    },
];

const MORE: &[Mutant] = &[
    Mutant {
        name: "the lease is looked at before an append",
        file: "src/engine/tenure.rs",
        with: "            Some(_) => Err(self.lose(share, node, number + 1)),",
        without: "            Some(_) => Ok(()),",
    },
    Mutant {
        name: "receipts count only if they are signed",
        file: "src/engine/intake.rs",
        with: "            let verdict = match self.verdict(&value) {",
        without: "            let bare = value.get(\"type\").and_then(serde_json::Value::as_str) == Some(RECEIPT);
            let verdict = match self.verdict(&value).or_else(|why| if bare { Ok(Verdict::Unverified) } else { Err(why) }) {",
    },
    Mutant {
        name: "the cursor moves in the transaction of the mail",
        file: "src/store/db/inbox.rs",
        with: "        self.write(\"take mail into\", |tx| {",
        without: "        self.write(\"move\", |tx| cursors::store(tx, &intake.lane, &intake.cursor))?;
        self.write(\"take mail into\", |tx| {",
    },
    Mutant {
        name: "scheduled mail waits for its time",
        file: "src/store/db/due.rs",
        with: "WHERE state = 'scheduled' AND not_before <= ?1",
        without: "WHERE state = 'scheduled' AND not_before <= ?1 + 30000",
    },
    Mutant {
        name: "what is appended to an open slot is read back",
        file: "src/store/slot.rs",
        with: "if found.windows(lines.len()).any(|window| window == lines) {",
        without: "if !found.is_empty() {",
    },
    Mutant {
        name: "a living lockfile is left alone",
        file: "src/store/slot.rs",
        with: "Ok(still >= patience && share_clock::age(share, us, &lock.meta)? >= patience)",
        without: "Ok(share_clock::age(share, us, &lock.meta)? < patience * 99)",
    },
    Mutant {
        name: "what exists is looked at",
        file: "src/store/claim.rs",
        with: "    if let Ok(true) = created {",
        without: "    if created.is_ok() {",
    },
    Mutant {
        name: "mail that nobody acknowledges is written again",
        file: "src/store/db/outbox.rs",
        with: "        if !overdue {",
        without: "        if !overdue || peer != \"\" {",
    },
    Mutant {
        name: "twins among lines by hand have ids of their own",
        file: "src/store/db/inbox.rs",
        with: "MessageId::derived(mailbox, text, seen as u64)",
        without: "MessageId::derived(mailbox, text, seen.min(1) as u64)",
    },
    Mutant {
        name: "a restored share is noticed",
        file: "src/engine/mend.rs",
        with: ".filter(|beat| beat.beat < written).map(",
        without: ".filter(|beat| beat.beat < written && written == 0).map(",
    },
    Mutant {
        name: "a restored state folder recalls what it did",
        file: "src/engine/recall.rs",
        with: "        self.due.is_some()",
        without: "        false",
    },
    Mutant {
        name: "a restored recipient tells its senders what it has",
        file: "src/engine/recall.rs",
        with: "        let told = tell_senders(node)?;",
        without: "        let told = tell_senders(node)?.into_iter().take(0).collect::<Vec<_>>();",
    },
    Mutant {
        name: "what a recipient forgot of other leases is brought, too",
        file: "src/store/db/forgotten.rs",
        with: "        None => lease <= newest,",
        without: "        None => lease <= newest || lease > 0,",
    },
    Mutant {
        name: "numbers under a new lease are in the order of acceptance",
        file: "src/engine/courier.rs",
        with: "            if !node.db.align(fold, lease)? {",
        without: "            if lease == 0 && !node.db.align(fold, lease)? {",
    },
    Mutant {
        name: "the last bytes read are read again",
        file: "src/store/tail.rs",
        with: "Some(bytes) if bytes.starts_with(&cursor.guard) =>",
        without: "Some(bytes) if bytes.len() >= guard =>",
    },
    Mutant {
        name: "NUL bytes are waited for",
        file: "src/engine/intake.rs",
        with: "if matches!(line.text, Err(Damage::Nul)) && self.reading.still < Still::Damaged {",
        without: "if matches!(line.text, Err(Damage::Nul)) && self.reading.still < Still::No {",
    },
    Mutant {
        name: "the sender is told of a wake that failed for good",
        file: "src/store/db/wakes.rs",
        with: "                    \"failed\" => waiting::give_up(tx, &(one.n, one.peer, one.id), what, &detail, now)?,\n",
        without: "",
    },
    Mutant {
        name: "an accepted wake is repeated",
        file: "src/store/db/waiting.rs",
        with: "SET wake = 'due', wake_at = 0 WHERE {OVER}",
        without: "SET wake = 'woken', wake_at = 0 WHERE {OVER}",
    },
    Mutant {
        name: "what agents write back is counted",
        file: "src/engine/ops/send.rs",
        with: "let mut led = node.db.hops_of_wakes(Some(&to), now.saturating_sub(back), now)?;",
        without: "let mut led = node.db.hops_of_wakes(Some(&to), now, now.saturating_sub(back))?;",
    },
    Mutant {
        name: "wakes keep to the budget",
        file: "src/model/wake.rs",
        with: "config.budget.saturating_sub(spare), now), Why::Budget);",
        without: "usize::MAX - spare, now), Why::Budget);",
    },
    Mutant {
        name: "nobody is woken in quiet hours",
        file: "src/model/wake.rs",
        with: "wait(end.saturating_sub(now), Why::Quiet);",
        without: "wait(end.saturating_sub(now).min(0), Why::Quiet);",
    },
    Mutant {
        name: "what was signed for another mailbox or lane is refused",
        file: "src/engine/intake/object.rs",
        with: "!(to_us && lease == lane && numbered)",
        without: "!to_us && !numbered && lease != lane",
    },
    Mutant {
        name: "an id has one content",
        file: "src/store/db/inbox.rs",
        with: "        if !known && !is_same(tx, &message)? {",
        without: "        if !known && !is_same(tx, &message)? && n.is_some() {",
    },
    Mutant {
        name: "a forged heartbeat is not believed",
        file: "src/engine/beat.rs",
        with: "        Proof::Unsigned | Proof::Forged => Cause::Heartbeat,",
        without: "        Proof::Unsigned | Proof::Forged => return Ok(Belief::Full),",
    },
    Mutant {
        name: "a key replaces no other",
        file: "src/model/trust.rs",
        with: "            _ => Meeting::Changed,",
        without: "            _ => Meeting::First,",
    },
];

/// Whether every mutant, of the gate or of both lists, was caught within `seeds` seeds. `only`: of those whose name holds it.
pub fn all_are_caught(seeds: u64, only: Option<&str>, more: bool) -> bool {
    let more = more || only.is_some();
    let mutants = MUTANTS.iter().chain(MORE.iter().filter(|_| more));
    let mutants: Vec<_> = mutants.filter(|mutant| mutant.name.contains(only.unwrap_or_default())).collect();
    assert!(!mutants.is_empty(), "no mutant has {only:?} in its name");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = root.join("target/mutants");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), |target| root.join(target));
    let mut survivors = vec![];
    for mutant in mutants {
        lay_out(root, &place);
        let file = place.join(mutant.file);
        std::fs::write(&file, mutated(&file, mutant)).unwrap();
        let cargo = |arguments: &[&str]| {
            let mut cargo = Command::new("cargo");
            // The dependencies are those of the simulator itself, as it was built; a mutant runs for seconds.
            cargo.current_dir(&place).env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "1");
            cargo.args(["test", "-q", "--locked", "--release", "--test", "sim"]);
            for setting in ["opt-level = 0", "codegen-units = 256"] {
                cargo.args(["--config", &format!("profile.release.package.lanpost.{setting}")]);
            }
            cargo.args(arguments).output().unwrap()
        };
        let built = cargo(&["--no-run"]);
        if !built.status.success() {
            panic!(
                "without {:?} it does not build:\n{}",
                mutant.name,
                String::from_utf8_lossy(&built.stderr)
            );
        }
        let seeds = seeds.to_string();
        let ran = cargo(&["--", "--first", "--seeds", &seeds]);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        match said.lines().find(|line| line.starts_with("seed ")) {
            Some(line) if !ran.status.success() => {
                println!("without {:?}: {line}", mutant.name)
            }
            _ => {
                println!("without {:?}: SURVIVED {seeds} seeds", mutant.name);
                survivors.push(mutant.name);
            }
        }
    }
    survivors.is_empty()
}

/// Fails if the text of a defence is not where the lists have it: known at once, and not when the mutants run.
pub fn are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for mutant in MUTANTS.iter().chain(MORE) {
        mutated(&root.join(mutant.file), mutant);
    }
}

/// The file without the defence.
fn mutated(file: &Path, mutant: &Mutant) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.matches(mutant.with).count(), 1, "{:?} is not once in {}", mutant.with, mutant.file);
    text.replace(mutant.with, mutant.without)
}

/// A fresh copy of what is built.
fn lay_out(root: &Path, place: &Path) {
    let mut files = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned()];
    for folder in ["src", "tests/sim", "tests/shares", "benches"] {
        files.extend(walk(root, folder));
    }
    for file in files.into_iter().filter(|file| file != "src/main.rs") {
        let (from, to) = (root.join(&file), place.join(&file));
        let bytes = std::fs::read(from).unwrap();
        // What did not change keeps its time, so that cargo need not build it again.
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}

fn walk(root: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(folder)).unwrap();
    let paths = entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
    paths.flat_map(|path| if root.join(&path).is_dir() { walk(root, &path) } else { vec![path] }).collect()
}
