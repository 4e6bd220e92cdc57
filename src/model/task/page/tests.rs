//! The page: what people write stays or becomes a task, whatever the tasks do meanwhile.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::task::{Event, Status, fold};

fn id(n: u64) -> String {
    format!("01942a3f-0c00-7000-8000-{n:012}")
}

fn task(n: u64, title: &str) -> Task {
    let event = json!({"id": format!("e{n}"), "from": "office", "timestamp": "now", "task": id(n), "version": 1,
                       "deed": "add", "title": title});
    fold(vec![Event::from_value(event).unwrap()]).0.unwrap()
}

fn with(status: Status, task: Task) -> Task {
    Task { status, ..task }
}

fn show(text: &str, tasks: &[Task]) -> String {
    render(text, &Board::new(tasks.to_vec()), &[], &|_| false)
}

fn seen(text: &str, tasks: &[Task]) -> Vec<Change> {
    changes(text, &Board::new(tasks.to_vec()), &[])
}

/// What a page is after what stands in it was taken in.
fn taken_in(text: &str, tasks: &[Task]) -> (String, Vec<Task>) {
    let mut tasks = tasks.to_vec();
    let mut fresh = vec![];
    for change in seen(text, &tasks) {
        let mut of = |id: &TaskId, deed: &dyn Fn(&mut Task)| {
            tasks.iter_mut().filter(|task| task.id == *id).for_each(deed);
        };
        match change {
            Change::Add { id, title, body } => {
                tasks.push(Task { id: id.clone(), body, ..task(0, &title) });
                fresh.push(id);
            }
            Change::Tick(id) => of(&id, &|task| (task.status, task.turned) = (Status::Done, task.turned + 1)),
            Change::Untick(id) => {
                of(&id, &|task| (task.status, task.turned) = (Status::Open, task.turned + 1))
            }
            Change::Retitle(id, title) => of(&id, &|task| task.title.clone_from(&title)),
        }
    }
    (render(text, &Board::new(tasks.clone()), &fresh, &|_| false), tasks)
}

#[test]
fn a_line_is_its_task_though_that_was_done_before_the_page_showed_it() {
    let line = "- [ ] water the plants\n";
    let Change::Add { id, title, .. } = &seen(line, &[])[0] else { panic!("no task") };
    let done = with(Status::Done, Task { id: id.clone(), ..task(0, title) });
    assert!(is_of_line(&done) && !is_of_line(&with(Status::Done, task(0, title))));
    let board = Board::new(vec![done.clone()]);
    assert!(matches!(&changes(line, &board, &[])[..], [Change::Add { .. }]), "next week's");
    assert_eq!(changes(line, &board, std::slice::from_ref(id)), []);
    let page = render(line, &board, std::slice::from_ref(id), &|_| false);
    assert!(page.starts_with("- [x] water the plants"), "{page}");
}

#[test]
fn words_behind_a_mark_are_the_tasks_and_a_mark_that_was_cut_short_is_written_again() {
    let tasks = [task(1, "build"), task(2, "test")];
    let page = show("", &tasks);
    let (one, two) = (tasks[0].id.clone(), tasks[1].id.clone());
    let line = |of: &str| page.lines().find(|line| line.contains(of)).unwrap().to_owned();
    let (build, test) = (line("build"), line("test"));
    let longer = format!("{} says den\n", build.replace("[ ]", "[x]"));
    assert_eq!(
        seen(&page.replace(&format!("{build}\n"), &longer), &tasks),
        [Change::Retitle(one.clone(), "build says den".into()), Change::Tick(one)]
    );
    let cut = page.replace(&test, &test[..test.len() - 20]);
    assert_eq!(seen(&cut, &tasks), []);
    assert_eq!(show(&cut, &tasks), page);
    assert!(page.contains(two.as_str()));
}

#[test]
fn a_page_that_was_cut_off_in_what_stands_at_its_top_is_made_anew() {
    let tasks = [task(1, "build")];
    let page = show("", &tasks);
    for cut in [1, 8, 60, HEAD.len() - 1, HEAD.len()] {
        assert_eq!(show(&page[..cut], &tasks), page);
    }
    assert!(show("# Our tasks\n", &tasks).starts_with("# Our tasks\n"), "somebody's own");
}

#[test]
fn a_page_is_made_and_made_the_same_again() {
    let tasks = [task(1, "build"), task(2, "test")];
    let page = show("", &tasks);
    assert!(
        page.starts_with("# Tasks\n")
            && page.contains("- [ ] build <!-- t:01942a3f-0c00-7000-8000-000000000001 "),
        "{page}"
    );
    assert_eq!(show(&page, &tasks), page);
    assert!(seen(&page, &tasks).is_empty());
    assert_eq!(show("", &[with(Status::Done, task(1, "over"))]), "", "what is over makes no page");
}

#[test]
fn what_happens_to_a_task_shows_in_its_line_wherever_that_stands() {
    let page = show("", &[task(1, "build")]);
    let line = page.lines().last().unwrap();
    let moved = format!("## Ours\r\n\r\n  * {}\r\nwords\r\n", line.strip_prefix("- ").unwrap());
    let done = show(&moved, &[with(Status::Done, task(1, "build"))]);
    assert!(
        done.starts_with("## Ours\r\n\r\n  * [x] build <!-- t:") && done.ends_with(" -->\r\nwords\r\n"),
        "{done}"
    );
    let held = Task { due: Some("2026-02-14".into()), blocked: Some("no (key)*".into()), ..task(1, "build") };
    let shown = show(&page, std::slice::from_ref(&held));
    assert!(shown.contains("- [ ] build *(blocked: no key, due 2026-02-14)* <!--"), "{shown}");
    assert!(seen(&shown, &[task(1, "build")]).is_empty(), "what another one rendered is nobody's edit");
    let gone = render(&done, &Board::new([with(Status::Done, task(1, "build"))]), &[], &|_| true);
    assert_eq!(gone, "## Ours\r\n\r\nwords\r\n");
}

#[test]
fn a_box_that_is_ticked_ends_a_task_and_one_that_is_not_opens_it_again() {
    let tasks = [task(1, "build")];
    let ticked = show("", &tasks).replace("[ ]", "[X]");
    assert_eq!(seen(&ticked, &tasks), [Change::Tick(id(1).parse().unwrap())]);
    let done = [with(Status::Done, task(1, "build"))];
    assert!(seen(&ticked, &done).is_empty(), "somebody else took it in");
    let (page, done) = taken_in(&ticked, &tasks);
    assert!(page.contains("- [x] build <!-- t:01942a3f-0c00-7000-8000-000000000001 1 "), "{page}");
    let opened = page.replace("[x]", "[]");
    assert_eq!(seen(&opened, &done), [Change::Untick(id(1).parse().unwrap())]);
    // An editor that was open saves what it had: the box is as it was rendered, so nobody ticked it.
    assert!(seen(&page, &tasks).is_empty());
    // Somebody opened it again before the page showed that it was done: one tick is not taken in twice.
    let again = [Task { status: Status::Open, turned: 2, ..task(1, "build") }];
    assert!(seen(&ticked, &again).is_empty() && show(&ticked, &again).contains("- [ ] build"));
}

#[test]
fn a_line_that_is_reworded_is_the_same_task() {
    let tasks = [Task { due: Some("2026-02-14".into()), ..task(1, "build") }];
    let page = show("", &tasks).replace("build", "build all");
    assert_eq!(seen(&page, &tasks), [Change::Retitle(id(1).parse().unwrap(), "build all".into())]);
    assert_eq!(show(&page, &tasks), page, "until the task says so, the words stay");
    let (page, tasks) = taken_in(&page, &tasks);
    assert!(
        page.contains("- [ ] build all *(due 2026-02-14)* <!--") && seen(&page, &tasks).is_empty(),
        "{page}"
    );
}

#[test]
fn a_page_from_before_is_taken_in_whole() {
    let old = "Who does what\n=====\n\n- [ ] 编译\n  - [ ] with tests\n- [x] long done\n- [ ]\n- [link](x)\n```\n- [ ] code\n```\n\
               - [ ] 编译\nlast words";
    let (page, tasks) = taken_in(old, &[]);
    assert_eq!(tasks.len(), 3, "{tasks:?}");
    assert!(seen(&page, &tasks).is_empty());
    for (before, after) in old.lines().zip(page.lines()) {
        assert!(after == before || after.starts_with(&format!("{before} <!-- t:")), "{before:?}: {after:?}");
    }
    assert!(page.ends_with("last words"));
    // Whoever reads the same page makes the same tasks of it.
    assert_eq!(seen(old, &[]), seen(old, &[]));
    let one = &tasks[..1];
    assert_eq!(seen(old, one).len(), 2, "one line is that task, the others are others");
}

#[test]
fn a_copied_line_is_another_task_once_it_says_something_else() {
    let tasks = [task(1, "build")];
    let page = show("", &tasks);
    let line = page.lines().last().unwrap();
    let copied = format!("{}\n{page}", line.replace("build", "ship"));
    let changes = seen(&copied, &tasks);
    assert!(matches!(changes.as_slice(), [Change::Add { title, .. }] if title == "ship"), "{changes:?}");
    assert!(seen(&format!("{page}{line}\n"), &tasks).is_empty(), "a mere copy is nothing");
}

#[test]
fn a_line_longer_than_a_title_is_kept_in_full() {
    let long = "长".repeat(300);
    let (page, tasks) = taken_in(&format!("- [ ] {long}\n"), &[]);
    assert_eq!(tasks[0].body, long);
    assert!(tasks[0].title.len() <= TITLE && page.contains(&tasks[0].title));
}

fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c#*\\[\\]() x-]{0,12}",
        "(  )?[-*] \\[[ xX]?\\] [a-c]{0,3}",
        Just("```".to_owned()),
        Just("- [ ] a <!-- t:01942a3f-0c00-7000-8000-000000000001 0 000000 000000 -->".to_owned()),
        Just("- [ ] 你好 -->".to_owned()),
    ]
}

fn any_tasks() -> impl Strategy<Value = Vec<Task>> {
    let statuses =
        prop_oneof![Just(Status::Open), Just(Status::Claimed), Just(Status::Done), Just(Status::Cancelled)];
    let titles = prop_oneof![
        "[a-c]{1,3}",
        Just("a -->".to_owned()),
        Just("a *(b)*".to_owned()),
        Just("你好".to_owned())
    ];
    let one = (statuses, titles, proptest::option::of("[a-c)*]{0,4}"));
    proptest::collection::vec(one, 0..5).prop_map(|all| {
        let numbered = all.into_iter().zip(1..);
        numbered.map(|((status, title, blocked), n)| Task { status, blocked, ..task(n, &title) }).collect()
    })
}

/// The words of a line, without box and mark, and whether it has a box.
fn words(line: &str) -> (bool, String) {
    match items(line).pop() {
        Some((_, Some(item))) => (true, item.title().to_owned()),
        _ => (false, line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

proptest! {
    #[test]
    fn every_line_that_a_person_wrote_is_still_there_or_became_a_task(
        before in any_tasks(), after in any_tasks(),
        lines in proptest::collection::vec(any_line(), 0..8),
        edits in proptest::collection::vec((0_usize..12, any_line()), 0..4),
        ending in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let first = show(&lines.join(ending), &before);
        // A person writes into what was rendered.
        let mut edited: Vec<String> = first.split_inclusive('\n').map(str::to_owned).collect();
        for (at, line) in edits {
            edited.insert(at.min(edited.len()), format!("{line}{ending}"));
        }
        let edited = edited.concat();
        let (page, tasks) = taken_in(&edited, &after);
        let texts: Vec<(bool, String)> = page.split_inclusive('\n').map(words).collect();
        for (line, item) in items(&edited) {
            let (boxed, text) = words(line);
            let intact = item.as_ref().is_some_and(Item::is_intact);
            let said = tasks.iter().any(|task| shown(&task.title) == text || task.body == text || title_of(&text) == task.title);
            let there = texts.contains(&(boxed, text.clone())) || page.contains(line.trim_end_matches(['\r', '\n']));
            prop_assert!(intact || there || boxed && said, "{line:?} is gone from\n{page}\nwhich was\n{edited}");
        }
        // What is people's alone is there byte by byte, and in order.
        let theirs = |text: &str| -> Vec<String> {
            items(text).into_iter().filter(|(_, item)| item.is_none()).map(|(line, _)| line.trim_end().to_owned()).collect()
        };
        let (mine, kept) = (theirs(&edited), theirs(&page));
        let mut rest = kept.iter();
        prop_assert!(mine.iter().all(|line| rest.any(|other| other == line)), "{mine:?} {kept:?}");
    }

    #[test]
    fn a_page_that_was_taken_in_is_taken_in_no_more(tasks in any_tasks(), lines in proptest::collection::vec(any_line(), 0..8)) {
        let (page, tasks) = taken_in(&lines.join("\n"), &tasks);
        prop_assert_eq!(seen(&page, &tasks), vec![], "{}", page);
        prop_assert_eq!(show(&page, &tasks), page.clone(), "rendered anew");
    }
}
