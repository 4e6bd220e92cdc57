//! What a result means, and how often is asked.

use serde_json::json;

use serde_json::Value;

use super::judge::{Judged, judge};
use super::line::SPARE;
use super::*;
use crate::model::a2a::{Answer, REQUESTS};
use crate::model::config::A2aConfig;

fn answered(status: u16, body: &Value) -> Heard {
    Heard::Answered { status, retry_after: None, body: body.to_string().into_bytes() }
}

#[test]
fn what_was_surely_not_done_is_told_from_what_may_have_been() {
    for status in [301, 400, 401, 403, 404, 413, 503] {
        assert!(matches!(judge(&answered(status, &json!({}))), Judged::Nothing { .. }), "{status}");
    }
    for status in [204, 500, 502, 504] {
        assert!(matches!(judge(&answered(status, &json!({}))), Judged::Unknown(_)), "{status}");
    }
    assert!(matches!(judge(&answered(200, &json!("<html>"))), Judged::Unknown(_)));
    assert_eq!(judge(&answered(429, &json!({}))), Judged::Later(None));
    assert_eq!(judge(&Heard::Lost("reset".into())), Judged::Unknown("reset".into()));
    assert!(matches!(judge(&Heard::Unsent("refused".into())), Judged::Nothing { .. }));
    let limited = json!({"error": {"code": -32_000, "message": "Peer is rate limited"}});
    assert_eq!(judge(&answered(200, &limited)), Judged::Answer(Answer::Limited));
}

#[test]
fn a_minute_has_no_more_requests_than_it_may() {
    let mut line = Line {
        gateway: A2aConfig {
            url: crate::model::url::HttpUrl::parse("http://lab/a2a/v1").unwrap(),
            token: crate::model::secret::SecretRef::parse("env:T").unwrap(),
            patience: Duration::from_secs(60),
        },
        after_direct: false,
        alone: false,
        circuit: Circuit::default(),
        asked: None,
        made: VecDeque::new(),
        questions: BTreeMap::new(),
        quiet_until: Duration::ZERO,
        handed: false,
        refusal: None,
        outage: None,
        since: 0,
    };
    let second = Duration::from_secs(1);
    for _ in 0..REQUESTS - SPARE {
        assert!(line.free_at(second) <= second);
        line.ask(Asked::Ready, second);
    }
    assert_eq!(line.free_at(30 * second), 61 * second);
    assert!(line.free_at(61 * second) <= 61 * second);
}
