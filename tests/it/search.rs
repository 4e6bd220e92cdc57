//! Search: words in any script are found in mail of both directions, whatever the index has by then.

use std::time::Duration;

use lanpost::engine::ops::{self, Found};
use lanpost::model::config::Keep;
use lanpost::store::db::Scope;
use serde_json::{Value, json};

use crate::common::process::{Lan, list};
use crate::common::{Pair, Site, texts};

fn search(site: &Site, words: &str, limit: usize) -> Found {
    ops::search(site.node(), words, &Scope::default(), limit, |_| true).unwrap()
}

fn contents(found: &Found) -> Vec<String> {
    found.hits.iter().map(|hit| hit.message.content.as_str().unwrap_or_default().to_owned()).collect()
}

/// The daemon indexes what piles up, and not each message by itself.
#[test]
fn a_daemon_fills_the_index_in_its_idle_steps() {
    let mut pair = Pair::new();
    pair.a.send("b", &texts("letter", 300));
    pair.a.send("b", &["部署失败了".to_owned()]);
    pair.settle();
    assert!(pair.b.node().db.unindexed().unwrap() < 256);
    for site in [&pair.a, &pair.b] {
        assert_eq!(contents(&search(site, "失败", 9)), ["部署失败了"]);
        assert_eq!(contents(&search(site, "etter 299", 9)), ["letter 299"]);
        let newest = search(site, "letter", 3);
        assert_eq!(
            (contents(&newest), newest.more),
            (["letter 299", "letter 298", "letter 297"].map(str::to_owned).into(), true)
        );
    }
}

/// What ages out is found no more, what is released is found once, and a restored store finds what it has.
#[test]
fn the_index_follows_the_store() {
    let keep = Keep { messages: Duration::from_secs(86_400), ..Keep::default() };
    let mut pair = Pair::with(|config| config.keep = keep.clone());
    let sent = pair.a.send("b", &texts("old letter", 300));
    pair.settle();
    let ids: Vec<String> = sent.iter().map(|message| message.id.to_string()).collect();
    ops::ack(pair.b.node_mut(), &ids, None).unwrap();
    pair.settle();
    assert_eq!(search(&pair.b, "old", 1_000).hits.len(), 300);
    for _ in 0..3 {
        pair.advance(Duration::from_secs(86_400));
        pair.run(Duration::from_secs(20 * 60));
    }
    assert_eq!(search(&pair.b, "old", 1_000).hits.len(), 0);
    pair.a.send("b", &["young letter".to_owned()]);
    pair.settle();
    assert_eq!(contents(&search(&pair.b, "letter", 9)), ["young letter"]);
}

#[test]
fn the_command_filters_and_marks_the_hit() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    office.send("lab", "the deploy of main failed");
    lab.receives("the deploy of main failed");
    office.run(&["send", "lab", r#"{"job": "DEPLOY", "evil": "\u001b[2J"}"#, "--json-content"]).exits(0);
    let hits = |args: &[&str]| {
        let answer = office.json(&[&["search"], args].concat());
        list(answer["hits"].clone())
    };
    assert_eq!(hits(&["deploy"]).len(), 2);
    let one = hits(&["deploy", "failed"]).remove(0);
    assert_eq!(one["snippet"], json!({"before": "the ", "hit": "deploy", "after": " of main failed"}));
    assert_eq!(hits(&["\"deploy failed\""]), [Value::Null; 0]);
    assert_eq!(hits(&["deploy", "--to", "Lab", "--since", "1h"]).len(), 2);
    for none in [["--from", "lab"], ["--until", "1h"], ["--to", "lab/agent"], ["--to", "other"]] {
        assert_eq!(hits(&["deploy", none[0], none[1]]), [Value::Null; 0], "{none:?}");
    }
    let text = office.ok(&["search", "job"]);
    assert!(text.contains("[job]") && text.contains("\\u{1b}") && text.contains("to lab"), "{text}");
    assert!(office.ok(&["search", "NEAR(", "OR", "-"]).contains("nothing was found"));
    office.run(&["search", "\"\""]).exits(2).says(&["nothing to look for"]);
}

#[test]
fn a_backup_brings_words_back() {
    let lan = Lan::new();
    let office = lan.join("office");
    lan.join("lab");
    office.send("lab", "before the backup");
    let file = office.path("backup.db");
    office.run(&["backup", file.to_str().unwrap()]).exits(0);
    office.send("lab", "after the backup");
    office.run(&["restore", file.to_str().unwrap(), "--force"]).exits(0);
    let hits = list(office.json(&["search", "backup"])["hits"].clone());
    let found: Vec<&str> = hits.iter().filter_map(|hit| hit["content"].as_str()).collect();
    assert!(found.contains(&"before the backup"), "{found:?}");
}
