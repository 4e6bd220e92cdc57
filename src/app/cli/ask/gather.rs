//! `lanpost ask --all`: asks several, and shows who answered, who did not, and why.
//!
//! The table has the first line of each answer; an answer that is longer follows in full, so that all of it was shown.

use serde::Serialize;

use super::{Asked, Report, Waiting, report};
use crate::app::cli::out::{self, Out};
use crate::app::cli::send::several::learn_who_is_there;
use crate::app::cli::send::{accept, carry};
use crate::app::cli::{Cx, exit};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{Asking, Broadcasted, Call, Draft, LeftOut, News};
use crate::error::Result;
use crate::model::group::{Broadcast, Group};
use crate::model::name::Address;
use crate::model::trust::Verdict;
use crate::store::db::Message;

/// What came of all of it.
#[derive(Serialize)]
struct Gathered<'a> {
    outcome: &'a str,
    broadcast: &'a Broadcast,
    members: Vec<Report<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left_out: &'a [LeftOut],
}

/// Sends a request to each member of a group.
pub(super) fn ask(
    cx: &mut Cx,
    node: &mut Node,
    asking: &mut Asking,
    group: Group,
    draft: &dyn Fn(Address) -> Draft,
) -> Result<Asked> {
    let id = draft(node.instance().clone().into()).id;
    let call = Call { group, id, own: false, any: None };
    learn_who_is_there(cx, node, &call.group, "ask");
    let sent = accept(cx, node, |node| asking.ask_all(node, &call, draft))?;
    let told = carry(cx, node, "ask")?;
    if let Some(cause) = &told {
        cx.note(&format!("some of it may wait in the spool; {cause}"));
    }
    Ok(Asked { several: Some(sent), told })
}

/// Waits for all answers, and shows them; returns the exit code.
pub(super) fn run(
    cx: &mut Cx,
    node: &mut Node,
    asking: &mut Asking,
    waiting: &mut Waiting,
    sent: &Broadcasted,
) -> Result<u8> {
    let (id, count) = (sent.broadcast.id.as_ref().map_or("", |id| id.as_str()), sent.members.len());
    cx.note(&format!("asked {count}, and waits for all: {id}"));
    for LeftOut { name, why } in &sent.left_out {
        cx.note(&format!("not asked: {name}: {why}"));
    }
    let mut ends: Vec<News> = vec![];
    while !asking.is_over() {
        match waiting.next(cx, node, asking)? {
            none if none.is_empty() => break,
            more => ends.extend(more),
        }
    }
    let open: Vec<Message> = asking.open().cloned().collect();
    let reports = sent.members.iter().filter_map(|member| {
        let is_it = |request: &Message| request.n == member.n;
        let ended = ends.iter().map(report).find(|(report, _)| is_it(report.request));
        let waits = || open.iter().find(|request| is_it(request));
        ended.or_else(|| {
            waits().map(|request| (Report { outcome: "open", request, answer: None }, exit::TIMEOUT))
        })
    });
    let (members, codes): (Vec<Report>, Vec<u8>) = reports.unzip();
    // What failed says more than what may still come.
    let worst = [(exit::ENDED, "failed"), (exit::EXPIRED, "expired"), (exit::TIMEOUT, "open")];
    let (code, outcome) =
        worst.into_iter().find(|(code, _)| codes.contains(code)).unwrap_or((exit::DONE, "answered"));
    show(cx, &Gathered { outcome, broadcast: &sent.broadcast, members, left_out: &sent.left_out })?;
    if code == exit::TIMEOUT {
        let text = "the time is over; what comes later is mail; wait again";
        out::complain(cx.json, "timeout", &format!("not all answered: {text}: `lanpost ask --wait {id}`"));
    }
    Ok(code)
}

fn show(cx: &mut Cx, gathered: &Gathered) -> Result<()> {
    if cx.json {
        return cx.out.json(gathered);
    }
    let rows: Vec<_> = gathered.members.iter().map(|report| row(report, &cx.out)).collect();
    for line in print::table(&rows, 64, usize::MAX) {
        cx.out.line(line);
    }
    for Report { request, answer, .. } in &gathered.members {
        let Some(answer) = answer else { continue };
        let whole = print::content(&answer.content);
        if whole != print::summary(&answer.content) {
            cx.out.line(format!("\n{}:", print::line(&request.to)));
            cx.out.line(whole);
        }
    }
    cx.out.flush();
    Ok(())
}

fn row(Report { outcome, request, answer }: &Report, out: &Out) -> [String; 3] {
    let words = match answer {
        Some(answer) if answer.verdict == Some(Verdict::Unverified) => {
            format!("{} {}", print::summary(&answer.content), out.word("(no key proves who wrote it)"))
        }
        Some(answer) => print::summary(&answer.content),
        None => match &request.outcome {
            Some(why) => out.word(&print::line(why)),
            None => out.word(&format!("it is {}", request.state)),
        },
    };
    [print::line(&request.to).into_owned(), (*outcome).to_owned(), words]
}
