//! The pipe: nothing but the protocol comes out of it, whatever goes in, and with its end the server ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use super::client::{Client, run};
use crate::common::process::{Guard, Lan, Pc, Settings, begin, finish, is_running, until, until_true};

/// A server that is spoken to by hand.
struct Raw {
    child: Guard,
    to: Option<ChildStdin>,
    from: BufReader<std::process::ChildStdout>,
}

impl Raw {
    fn start(command: Command) -> Raw {
        Raw::start_with(command, "2025-06-18", "2025-06-18")
    }

    /// Asks for a version of the protocol, and must be answered with one.
    fn start_with(mut command: Command, asked: &str, spoken: &str) -> Raw {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = begin(&mut command);
        let (to, from) = (child.0.stdin.take(), BufReader::new(child.0.stdout.take().unwrap()));
        let mut raw = Raw { child, to, from };
        raw.say(
            &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "hand", "version": "1"}
            }})
            .to_string(),
        );
        let answer = raw.hear();
        assert_eq!(answer["result"]["serverInfo"]["name"], "lanpost");
        assert_eq!(answer["result"]["protocolVersion"], spoken, "{asked}");
        raw.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        raw
    }

    fn say(&mut self, line: &str) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let to = self.to.as_mut().unwrap();
        to.write_all(bytes).and_then(|()| to.flush()).unwrap();
    }

    /// The next line, which must be JSON that ends with a newline alone.
    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n') && !line.ends_with("\r\n"), "{line:?}");
        serde_json::from_str(&line).unwrap()
    }

    fn call(&mut self, id: u64, tool: &str, given: Value) {
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": given}});
        self.say(&call.to_string());
    }

    /// Closes its input, and waits for its end.
    fn end(&mut self) -> Option<i32> {
        self.to = None;
        until("the server's end", || self.child.0.try_wait().unwrap()).code()
    }
}

fn command(pc: &Pc) -> Command {
    pc.command(&["--json", "mcp"])
}

#[test]
fn with_the_end_of_its_input_it_ends_also_while_calls_are_at_work() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let mut idle = Raw::start(command(&lab));
    assert_eq!(idle.end(), Some(0));
    let mut busy = Raw::start(command(&lab));
    busy.call(1, "wait", json!({"timeout": "1h"}));
    busy.call(2, "peers", json!({}));
    assert_eq!(busy.hear()["id"], 2, "the one that waits holds up no other");
    busy.call(3, "ask", json!({"to": "lab", "text": "x", "timeout": "1h", "create": true}));
    assert_eq!(busy.end(), Some(0));
    // One that never heard a word.
    finish(command(&lab), b"").exits(0);
}

#[test]
fn calls_that_came_before_the_end_are_answered() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    let mut raw = Raw::start(command(&lab));
    for id in 1..=5 {
        raw.call(id, "inbox", json!({}));
    }
    raw.to = None;
    let mut ids: Vec<u64> = (1..=5).map(|_| raw.hear()["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert_eq!(raw.end(), Some(0));
}

#[test]
fn lines_of_every_kind_are_read_and_answered_in_utf_8() {
    let lan = Lan::new();
    let lab = lan.join_with("lab", &Settings { agents: vec!["main"], ..Settings::default() });
    let mut raw = Raw::start(command(&lab));
    raw.bytes(b"\n\r\nno json\n\xff\xfe{\n{\"jsonrpc\":\"2.0\"}\n[]\n{}\n");
    raw.bytes("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"send\",\"arguments\":{\"to\":\"lab/main\",\"text\":\"你好 🙂\"}}}\r\n".as_bytes());
    let answer = loop {
        let line = raw.hear();
        if line["id"] == 7 {
            break line;
        }
        assert!(line["error"]["code"].is_i64(), "{line}");
    };
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    raw.call(8, "search", json!({"words": "你好 🙂"}));
    let found = until("the answer", || Some(raw.hear()).filter(|line| line["id"] == 8));
    assert_eq!(found["result"]["structuredContent"]["hits"][0]["begins"], "你好 🙂", "{found}");
    assert_eq!(raw.end(), Some(0));
}

#[test]
fn the_versions_that_are_spoken_have_no_batches() {
    let lan = Lan::new();
    let lab = lan.join("lab");
    for (asked, spoken) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2024-11-05"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2031-01-01", "2025-11-25"),
    ] {
        let mut raw = Raw::start_with(command(&lab), asked, spoken);
        raw.call(1, "peers", json!({}));
        assert_eq!(raw.hear()["result"]["structuredContent"]["you"], "lab");
        assert_eq!(raw.end(), Some(0));
    }
}

#[test]
fn wrong_params_are_called_so_and_an_unknown_method_too() {
    let lan = Lan::new();
    let mut raw = Raw::start(command(&lan.join("lab")));
    for (method, params, code) in [
        ("tools/call", json!({}), -32_602),
        ("tools/call", json!({"name": 7}), -32_602),
        ("tools/call", json!({"name": "inbox", "arguments": []}), -32_602),
        ("tools/call", json!({"name": "dance"}), -32_602),
        ("resources/read", json!({"uri": []}), -32_602),
        ("dance", json!({}), -32_601),
    ] {
        raw.say(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string());
        let answer = raw.hear();
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(1), &json!(code)),
            "{method} {params}: {answer}"
        );
    }
    assert_eq!(raw.end(), Some(0));
}

#[test]
fn it_begins_only_where_an_instance_was_set_up() {
    let lan = Lan::new();
    finish(command(&lan.pc("lab")), b"").exits(3).says(&["lanpost init --share"]);
    let agents = Settings { agents: vec!["main"], ..Settings::default() };
    let lab = lan.join_with("lab", &agents);
    finish(lab.command(&["mcp", "--as", "other"]), b"").exits(2).says(&["names no agent of the config"]);
}

#[test]
fn a_client_that_dies_leaves_no_server() {
    run(async {
        let lan = Lan::new();
        let client = Client::start(&lan.join("lab"), &[]).await;
        let pid = client.pid;
        let waits = client.begin("wait", json!({"timeout": "1h"})).await;
        assert!(is_running(pid));
        client.close().await;
        until_true("its end", || !is_running(pid));
        assert!(waits.await_response().await.is_err());
    });
}
