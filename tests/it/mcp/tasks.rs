//! Tasks by the tools: one is added, claimed by one alone, told of, ended.

use serde_json::json;

use super::client::{Client, run};
use crate::common::process::{Lan, text_of};

#[test]
fn a_task_is_added_claimed_by_one_and_ended() {
    run(async {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        let _daemons = (office.daemon(), lab.daemon());
        let (ours, theirs) = (Client::start(&office, &[]).await, Client::start(&lab, &[]).await);
        let given = json!({"action": "add", "title": "Build 构建", "body": "all of it", "priority": "high"});
        let added = ours.ok("task", given).await;
        let id = text_of(&added.data, "id");
        assert_eq!((&added.data["standing"], &added.data["priority"]), (&json!("open"), &json!("high")));
        let claimed = theirs.ok("task", json!({"action": "claim", "id": id, "term": "1h"})).await;
        assert_eq!((&claimed.data["id"], &claimed.data["holder"]), (&json!(id), &json!("lab")));
        let lost = ours.fails("task", json!({"action": "claim", "id": id})).await;
        assert!(lost.contains("could not claim the task") && lost.contains("lab"), "{lost}");
        let none = ours.fails("task", json!({"action": "claim"})).await;
        assert!(none.contains("none is open"), "{none}");
        theirs.ok("task", json!({"action": "progress", "id": id, "text": "half", "percent": 50})).await;
        theirs.ok("task", json!({"action": "renew", "id": id})).await;
        let mine = theirs.ok("tasks", json!({"which": "mine"})).await;
        assert!(mine.text.contains("claimed 50%") && mine.text.contains("Build 构建"), "{}", mine.text);
        theirs.ok("task", json!({"action": "done", "id": id, "text": "see /builds/7"})).await;
        assert_eq!(theirs.ok("tasks", json!({})).await.text, "no tasks");
        let shown = theirs.ok("tasks", json!({"id": id})).await;
        assert_eq!(
            (&shown.data["outcome"], &shown.data["body"]),
            (&json!("see /builds/7"), &json!("all of it"))
        );
        assert!(shown.data["history"].as_array().unwrap().len() >= 4, "{}", shown.data);
        ours.close().await;
        theirs.close().await;
    });
}

#[test]
fn what_is_missing_is_named() {
    run(async {
        let lan = Lan::new();
        let client = Client::start(&lan.join("lab"), &[]).await;
        for (given, wanted) in [
            (json!({"action": "add"}), "`title` is missing"),
            (json!({"action": "done"}), "`id` is missing"),
            (json!({"action": "fail", "id": "abc"}), "`text` is missing"),
            (json!({"action": "progress", "id": "abc", "text": "x", "percent": 101}), "100 percent"),
            (json!({"action": "dance", "id": "abc"}), "unknown variant `dance`, expected one of `add`"),
            (json!({"action": "done", "id": "abc"}), "abc"),
        ] {
            let said = client.fails("task", given).await;
            assert!(said.contains(wanted), "no {wanted:?} in {said:?}");
        }
        client.close().await;
    });
}
