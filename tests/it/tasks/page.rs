//! The page for people: rendered by daemons, edited by hand, and no word of anybody's lost between the two.

use std::io::ErrorKind;
use std::time::Duration;

use lanpost::engine::ops::{self, Say, Which};
use lanpost::model::layout;
use lanpost::model::text::{Encoding, encode};

use super::steps::add;
use crate::common::{Fault, Pair, Site, Verb};

const MINUTE: Duration = Duration::from_secs(60);

fn page(pair: &Pair) -> String {
    let bytes = pair.share.read(&layout::task_page(), 0, usize::MAX).unwrap().unwrap_or_default();
    String::from_utf8(bytes).unwrap()
}

/// An editor saves.
fn save(pair: &Pair, text: &str) {
    pair.share.make_folder(&layout::tasks()).unwrap();
    pair.share.replace(&layout::task_page(), text.as_bytes()).unwrap();
}

fn titles(site: &Site) -> Vec<String> {
    let all = ops::task_list(site.node(), &Which { all: true, ..Which::default() }).unwrap();
    all.into_iter().map(|view| format!("{} {}", view.task.title, view.standing)).collect()
}

/// The lines of the page without their marks.
fn lines(pair: &Pair) -> Vec<String> {
    page(pair).lines().map(|line| line.split(" <!-- t:").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_one_does_the_page_shows_and_what_people_write_there_is_done() {
    let mut pair = Pair::new();
    let id = add(&mut pair.a, "build", None, &[]);
    pair.until("a page", |pair| page(pair).contains("- [ ] build <!--"));
    let first = page(&pair);
    save(&pair, &first.replace("# Tasks", "# Our tasks\n\nCall Ann first.\n- [ ] ship\n- [x] long done\n"));
    pair.until("the new task", |pair| titles(&pair.a).contains(&"ship open".into()));
    pair.until("its mark", |pair| page(pair).contains("- [ ] ship <!--"));
    pair.until("b to see it", |pair| titles(&pair.b).contains(&"ship open".into()));
    let ticked = page(&pair).replace("- [ ] build", "- [x] build");
    save(&pair, &ticked);
    pair.until("its end", |pair| titles(&pair.b).contains(&"build done".into()));
    ops::task_say(pair.b.node_mut(), &id, None, Say::Reopen).unwrap();
    pair.until("the page to show it", |pair| lines(pair).contains(&"- [ ] build".into()));
    pair.run(5 * MINUTE);
    let shown = lines(&pair);
    let wanted = ["# Our tasks", "", "Call Ann first.", "- [ ] ship", "- [x] long done"];
    assert_eq!(shown[..5], wanted, "{shown:?}");
    assert_eq!(titles(&pair.a).len(), 2, "one line is one task, whoever reads it first");
    let folder = pair.share.names(&layout::tasks()).unwrap();
    assert!(
        !folder.iter().any(|name| name.contains(".tmp") || name.contains("shared-tasks.a")),
        "{folder:?}"
    );
}

#[test]
fn a_page_of_a_chinese_windows_stays_what_it_is() {
    let mut pair = Pair::new();
    let text = "# 任务清单\r\n\r\n- [ ] 编译整个项目\r\n这一行是人写的\r\n";
    pair.share.make_folder(&layout::tasks()).unwrap();
    pair.share.replace(&layout::task_page(), &encode(text, Encoding::Gb18030, false)).unwrap();
    pair.until("the task", |pair| titles(&pair.b) == ["编译整个项目 open"]);
    let bytes =
        |pair: &Pair| pair.share.read(&layout::task_page(), 0, usize::MAX).unwrap().unwrap_or_default();
    let words = encode("这一行是人写的\r\n", Encoding::Gb18030, false);
    pair.until("its mark", |pair| bytes(pair).windows(5).any(|part| part == b"<!-- "));
    assert!(bytes(&pair).ends_with(&words));
    assert!(bytes(&pair).starts_with(&encode(
        "# 任务清单\r\n\r\n- [ ] 编译整个项目 <!-- t:",
        Encoding::Gb18030,
        false
    )));
}

#[test]
fn what_is_saved_while_the_page_is_rendered_is_not_lost() {
    let mut pair = Pair::new();
    add(&mut pair.a, "build", None, &[]);
    pair.until("a page", |pair| page(pair).contains("build"));
    pair.settle();
    // Somebody saves just when the page is given another name: this is what a's rename then finds.
    let base = page(&pair);
    for (n, verb) in [Verb::Rename, Verb::CreateNew, Verb::Read, Verb::Stat].into_iter().enumerate() {
        for skip in 0..3 {
            let title = format!("new {n} {skip}");
            add(&mut pair.a, &title, None, &[]);
            pair.a.faults.plan(verb, skip, 1, Fault::Refuse(ErrorKind::PermissionDenied));
            let words = format!("words {n} {skip}");
            let text = page(&pair);
            save(&pair, &format!("{}{words}\n", if text.is_empty() { base.clone() } else { text }));
            pair.until("the task", |pair| page(pair).contains(&title) && page(pair).contains(&words));
        }
    }
    pair.a.faults.clear();
    pair.run(5 * MINUTE);
    for n in 0..4 {
        for skip in 0..3 {
            assert!(page(&pair).contains(&format!("words {n} {skip}\n")), "{}", page(&pair));
            assert_eq!(page(&pair).matches(&format!("new {n} {skip} ")).count(), 1, "{}", page(&pair));
        }
    }
}

#[test]
fn a_daemon_that_dies_while_it_renders_leaves_a_page_that_comes_back() {
    let mut pair = Pair::new();
    add(&mut pair.a, "build", None, &[]);
    pair.until("a page", |pair| page(pair).contains("build"));
    save(&pair, &format!("{}our words\n", page(&pair)));
    pair.settle();
    // As a crash between the rename and the new page leaves it.
    let aside = layout::task_page_aside(pair.a.node().instance());
    pair.share.rename(&layout::task_page(), &aside, 0).unwrap();
    pair.a.start();
    pair.until("the page", |pair| page(pair).contains("our words"));
    pair.run(5 * MINUTE);
    assert!(page(&pair).contains("our words") && page(&pair).contains("build"));
}
