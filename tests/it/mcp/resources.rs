//! Mail as resources: what is unread is listed, anything can be named, and looking marks nothing read.

use rmcp::ServiceError;
use rmcp::model::{ReadResourceRequestParams, ResourceContents};
use serde_json::json;

use super::client::{Client, run};
use crate::common::process::{Lan, text_of};

async fn text(client: &Client, uri: String) -> Result<String, ServiceError> {
    let read = client.running.peer().read_resource(ReadResourceRequestParams::new(uri)).await?;
    match &read.contents[..] {
        [ResourceContents::TextResourceContents { text, .. }] => Ok(text.clone()),
        other => panic!("not one text: {other:?}"),
    }
}

#[test]
fn unread_mail_is_listed_and_looking_at_it_marks_nothing_read() {
    run(async {
        let lan = Lan::new();
        let (office, lab) = (lan.join("office"), lan.join("lab"));
        let (ours, theirs) = (Client::start(&office, &[]).await, Client::start(&lab, &[]).await);
        let id = text_of(&ours.ok("send", json!({"to": "lab", "text": "hi\nthere"})).await.data, "id");
        let resources = theirs.running.peer().list_all_resources().await.unwrap();
        let uris: Vec<&str> = resources.iter().map(|resource| resource.uri.as_str()).collect();
        assert_eq!(uris, [format!("lanpost://message/{id}")]);
        assert_eq!(resources[0].title.as_deref(), Some("Mail from \"office\""));
        let shown = text(&theirs, uris[0].to_owned()).await.unwrap();
        assert!(shown.contains("\n| hi\n| there\n") && shown.ends_with("state unread"), "{shown}");
        theirs.ok("reply", json!({"id": id, "text": "hello"})).await;
        let shown = text(&theirs, format!("lanpost://thread/{id}")).await.unwrap();
        let places = ["| hi", "| hello"].map(|words| shown.find(words).expect("it is in the thread"));
        assert!(places[0] < places[1], "{shown}");
        let templates = theirs.running.peer().list_all_resource_templates().await.unwrap();
        let templates: Vec<&str> = templates.iter().map(|one| one.uri_template.as_str()).collect();
        assert_eq!(templates, ["lanpost://message/{id}", "lanpost://thread/{id}"]);
        theirs.ok("ack", json!({"ids": [id]})).await;
        assert!(theirs.running.peer().list_all_resources().await.unwrap().is_empty());
        for wrong in
            ["lanpost://message/019c", "lanpost://thread/", "lanpost://peers/lab", "file:///etc/passwd"]
        {
            let error = text(&theirs, wrong.to_owned()).await.unwrap_err().to_string();
            assert!(error.contains("could not "), "{error}");
        }
        ours.close().await;
        theirs.close().await;
    });
}
