//! What a gateway's config lacks for our mail to wake its agents, and what stands in the way.
//!
//! What the template tells the agent is ours; of the mail only checked names, ids and counts get into it. So the mapping
//! asks for no wrapping as foreign text: an agent that is told to ignore its instruction would never read its mail. The
//! words of others are read by `lanpost read`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::edit::Change;
use super::gateway::{Gateway, Text};
use super::mapping::{Us, Whose, is_for};
use crate::model::name::Name;

/// The prefix of our sessions.
const PREFIX: &str = "hook:";
const OUR_PREFIX: &str = "hook:lanpost:";

/// Which agents are woken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// The gateway's agent for mail to none in particular.
    pub main: String,
    /// Its agents by ours, if they differ from that.
    pub others: Vec<(String, String)>,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The path of our mappings there.
    pub path: String,
    /// To its config: what it lacks.
    pub changes: Vec<Change>,
    /// To its config, too: our mappings whose command leads nowhere, or that start another agent.
    pub renewals: Vec<Change>,
    /// The same for people.
    pub stale: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Our mapping is one of ours, which an empty request can probe without a turn of the agent.
    pub probed_by_nothing: bool,
}

/// Chooses agents: by the name that was `asked` for, else the only one, the default, or one of the name of ours. What is
/// `given` in our config, by the folds of our agents' names, counts before that.
///
/// # Errors
/// A sentence: it can't be told.
pub fn targets(
    gateway: &Gateway,
    ours: &[String],
    asked: Option<&str>,
    given: &BTreeMap<String, String>,
) -> Result<Targets, String> {
    let known = |name: &str| gateway.agents.iter().find(|id| id.eq_ignore_ascii_case(name)).cloned();
    let all = || gateway.agents.join(", ");
    let main = match (asked, &gateway.agents[..]) {
        (Some(asked), []) => asked.to_owned(),
        (Some(asked), _) => known(asked).ok_or_else(|| format!("it has no agent {asked}, but {}", all()))?,
        (None, []) => "main".to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => {
            let default = gateway.default_agent.clone().or_else(|| ours.first().and_then(|our| known(our)));
            default.ok_or_else(|| format!("it has several agents: {}", all()))?
        }
    };
    let mut others = vec![];
    for (our, id) in given {
        let found = if gateway.agents.is_empty() { Some(id.clone()) } else { known(id) };
        let none = || {
            format!(
                "`agents` in our config gives mail for {our} to {id}, which it doesn't have, but {}",
                all()
            )
        };
        others.push((our.clone(), found.ok_or_else(none)?));
    }
    let is_open = |our: &&String| !Name::parse(our).is_ok_and(|name| given.contains_key(&name.fold()));
    let same = |our: &String| known(our).filter(|id| *id != main).map(|id| (our.clone(), id));
    others.extend(ours.iter().filter(is_open).filter_map(same));
    Ok(Targets { others, main })
}

/// What `gateway` lacks for `us`; `token` is the secret that its hooks get if they have none, `wanted` the path that our
/// mappings have if it is free.
pub fn plan(gateway: &Gateway, targets: &Targets, wanted: &str, token: &str, us: &Us) -> Plan {
    let hooks = &gateway.hooks;
    let mut changes = vec![];
    let fresh = !hooks.enabled && hooks.mappings.is_empty();
    if !hooks.enabled {
        changes.push(Change::set(&["hooks", "enabled"], true));
    }
    if hooks.token == Text::Missing {
        changes.push(Change::set(&["hooks", "token"], token));
    }
    let mut ids: Vec<&str> = vec![&targets.main];
    for (_, id) in &targets.others {
        if !ids.contains(&id.as_str()) {
            ids.push(id);
        }
    }
    match &hooks.agents {
        Some(allowed) if allowed.iter().any(|id| id == "*") => {}
        Some(allowed) => {
            let lacks = ids.iter().filter(|id| !allowed.iter().any(|it| it.eq_ignore_ascii_case(id)));
            changes.extend(lacks.map(|id| Change::append(&["hooks", "allowedAgentIds"], *id)));
        }
        None if fresh => changes.push(Change::set(&["hooks", "allowedAgentIds"], json!(ids))),
        None => {}
    }
    if !hooks.request_key {
        changes.push(Change::set(&["hooks", "allowRequestSessionKey"], true));
    }
    if !hooks.prefixes.iter().any(|prefix| OUR_PREFIX.starts_with(&prefix.to_lowercase())) {
        changes.push(Change::append(&["hooks", "allowedSessionKeyPrefixes"], PREFIX));
    }
    let (mut probed_by_nothing, mut renewals, mut stale) = (true, vec![], vec![]);
    let mut warnings = vec![];
    let others: Vec<String> = ids[1..].iter().map(ToString::to_string).collect();
    let path = us.path(&hooks.mappings, wanted, &others);
    for (place, id) in ids.iter().enumerate() {
        let path = if place == 0 { path.clone() } else { format!("{path}/{id}") };
        match hooks.mappings.iter().position(|mapping| is_for(mapping, &path)) {
            Some(number) => {
                let mapping = &hooks.mappings[number];
                probed_by_nothing &= place > 0 || mapping["sessionKey"] == "{{session}}";
                let number = number.to_string();
                let at = |key| ["hooks", "mappings", &number, key];
                let whose = us.whose(mapping);
                // A mapping's agent is fixed: what a request names does not count.
                if let Some(other) = other_agent(mapping, id) {
                    let said = format!("the mapping {path} starts the agent {other}, and not {id}");
                    match whose {
                        Whose::Fine => warnings.push(format!("{said}: change its agentId there")),
                        _ => {
                            renewals.push(Change::set(&at("agentId"), *id));
                            stale.push(said);
                        }
                    }
                }
                if let Whose::Stale(old, template) = whose {
                    renewals.push(Change::set(&at("messageTemplate"), template));
                    stale.push(format!(
                        "the mapping {path} tells its agent to call `{old}`, and not `{}`",
                        us.lanpost
                    ));
                }
            }
            None => changes.push(Change::append(&["hooks", "mappings"], us.mapping(&path, id))),
        }
    }
    warnings.extend(traps(gateway, &path, &hooks.mappings));
    Plan { path, changes, renewals, stale, warnings, probed_by_nothing }
}

/// The agent that a mapping starts instead of `id`; one that names none starts the default.
fn other_agent<'a>(mapping: &'a Value, id: &str) -> Option<&'a str> {
    mapping.get("agentId")?.as_str().map(str::trim).filter(|other| !other.eq_ignore_ascii_case(id))
}

fn traps(gateway: &Gateway, path: &str, mappings: &[Value]) -> Vec<String> {
    let mut said = vec![];
    let hooks = &gateway.hooks;
    if matches!((&hooks.token, &gateway.auth), (Text::Known(hook), Text::Known(own)) if hook == own) {
        said.push(
            "hooks.token is the gateway's own token: whoever may post mail there may do anything; give the hooks another"
                .to_owned(),
        );
    }
    if gateway.heartbeat_leaks {
        said.push(
            "with A2A peers a heartbeat's answer goes to the first of them; set agents.defaults.heartbeat.target to \"none\""
                .to_owned(),
        );
    }
    if gateway.no_exec {
        said.push(
            "tools.deny forbids its agents to run commands; without `exec` they can't call lanpost"
                .to_owned(),
        );
    }
    if hooks.enabled && hooks.agents.is_none() {
        said.push(
            "hooks.allowedAgentIds is not set: whoever has the token can start every agent; name those that hooks may start"
                .to_owned(),
        );
    }
    if gateway.open {
        said.push(
            "it listens for other PCs, too, and so do its hooks: the token is all that keeps them out"
                .to_owned(),
        );
    }
    if gateway.tls {
        said.push(
            "it speaks https: this system must trust its certificate, or waking fails with `its certificate is not believed`"
                .to_owned(),
        );
    }
    let ours = mappings.iter().position(|mapping| is_for(mapping, path)).unwrap_or(mappings.len());
    let all = |mapping: &Value| {
        mapping.get("match").is_none_or(|it| it.as_object().is_some_and(|it| it.is_empty()))
    };
    if mappings.iter().take(ours).any(all) {
        said.push(
            "a mapping without `match` stands before ours and takes its mail: move it to the end".to_owned(),
        );
    }
    if mappings.get(ours).is_some_and(|mapping| mapping.get("deliver") != Some(&Value::Bool(false))) {
        said.push("our mapping has no `deliver: false`: what the agent says about its mail goes to its owner's chat".to_owned());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::edit::{edit, read};
    use super::*;

    fn gateway(text: &str) -> Gateway {
        Gateway::read(&read(text).unwrap(), &|_| None)
    }

    fn plan(gateway: &Gateway, targets: &Targets, path: &str, token: &str, lanpost: &str) -> Plan {
        super::plan(gateway, targets, path, token, &Us { instance: "lab", lanpost, is_other: &|_| false })
    }

    fn main() -> Targets {
        Targets { main: "main".into(), others: vec![] }
    }

    #[test]
    fn what_is_added_is_enough_and_nothing_is_added_twice() {
        for text in [
            "{}",
            "{hooks: {enabled: true, token: 'x', mappings: [{match: {path: 'gmail'}}], allowedAgentIds: ['other']}}",
            "{hooks: {allowedAgentIds: ['*'], allowedSessionKeyPrefixes: ['Hook:'], allowRequestSessionKey: true}}",
            "{hooks: {allowedSessionKeyPrefixes: ['mail:']}}",
        ] {
            let targets = Targets { main: "main".into(), others: vec![("scout".into(), "ops".into())] };
            let first = plan(&gateway(text), &targets, "lanpost", "t0k", "lanpost");
            let made = edit(text, &first.changes).unwrap();
            let gateway = gateway(&made);
            let again = plan(&gateway, &targets, "lanpost", "t0k", "lanpost");
            assert!(again.changes.is_empty() && again.probed_by_nothing, "{made}\n{:?}", again.changes);
            let hooks = &gateway.hooks;
            assert!(hooks.enabled && hooks.request_key && hooks.token != Text::Missing, "{made}");
            assert!(hooks.prefixes.iter().any(|prefix| prefix.eq_ignore_ascii_case("hook:")), "{made}");
            let ours: Vec<_> = hooks.mappings.iter().filter(|it| it["name"] == "lanpost").collect();
            assert_eq!(
                (&ours[0]["agentId"], &ours[1]["match"]["path"]),
                (&json!("main"), &json!("lanpost/ops"))
            );
        }
    }

    #[test]
    fn a_mapping_that_somebody_changed_stays() {
        let text = "{hooks: {enabled: true, token: 'x', allowRequestSessionKey: true, allowedSessionKeyPrefixes: ['hook:'], \
                    mappings: [{match: {path: '/lanpost/'}, messageTemplate: 'mine', sessionKey: 'hook:{{from}}'}]}}";
        let plan = plan(&gateway(text), &main(), "lanpost", "t", "lanpost");
        assert!(plan.changes.is_empty() && !plan.probed_by_nothing, "{:?}", plan.changes);
        assert!(plan.warnings.iter().any(|it| it.contains("deliver")), "{:?}", plan.warnings);
    }

    #[test]
    fn traps_are_told() {
        let text = "{gateway: {auth: {token: 'same'}, bind: 'lan', tls: {enabled: true}}, tools: {deny: ['exec']}, \
                    channels: {a2a: {enabled: true, peers: {x: {}}}}, hooks: {enabled: true, token: 'same', mappings: [{}]}}";
        let said = plan(&gateway(text), &main(), "lanpost", "t", "lanpost").warnings.join("\n");
        for word in
            ["own token", "heartbeat", "exec", "allowedAgentIds", "other PCs", "https", "without `match`"]
        {
            assert!(said.contains(word), "{word} in {said}");
        }
        assert!(plan(&gateway("{}"), &main(), "lanpost", "t", "lanpost").warnings.is_empty());
    }

    #[test]
    fn agents_are_chosen_by_name_or_by_being_the_only_one() {
        let several = gateway("{agents: {entries: {main: {}, ops: {}}}}");
        let none = BTreeMap::new();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(targets(&several, &[], None, &none).unwrap_err().contains("main, ops"));
        assert!(targets(&several, &[], Some("none"), &none).is_err());
        let chosen = targets(&several, &names(&["Ops", "main", "x"]), None, &none).unwrap();
        assert_eq!(
            (chosen.main.as_str(), &chosen.others[..]),
            ("ops", &[("main".to_owned(), "main".to_owned())][..])
        );
        assert_eq!(targets(&gateway("{}"), &names(&["x"]), None, &none).unwrap(), main());
        assert_eq!(
            targets(&gateway("{agents: {list: [{id: 'solo'}]}}"), &[], None, &none).unwrap().main,
            "solo"
        );
    }

    #[test]
    fn agents_that_our_config_names_count_before_those_of_the_same_name() {
        let several = gateway("{agents: {entries: {main: {}, ops: {}, scout: {}}}}");
        let given = |our: &str, id: &str| BTreeMap::from([(our.to_owned(), id.to_owned())]);
        let ours = ["Scout".to_owned(), "ops".to_owned()];
        let chosen = targets(&several, &ours, Some("main"), &given("scout", "OPS")).unwrap();
        let pair = |our: &str, id: &str| (our.to_owned(), id.to_owned());
        assert_eq!(chosen.others, [pair("scout", "ops"), pair("ops", "ops")]);
        let why = targets(&several, &ours, Some("main"), &given("scout", "gone")).unwrap_err();
        assert!(why.contains("scout") && why.contains("gone") && why.contains("main, ops"), "{why}");
    }

    #[test]
    fn a_command_that_leads_nowhere_is_renewed() {
        let made = edit("{}", &plan(&gateway("{}"), &main(), "lanpost", "t", "lanpost --config old").changes)
            .unwrap();
        let again = plan(&gateway(&made), &main(), "lanpost", "t", "lanpost");
        assert!(again.changes.is_empty() && again.stale[0].contains("--config old"), "{:?}", again.stale);
        let renewed = edit(&made, &again.renewals).unwrap();
        assert!(!renewed.contains("--config"), "{renewed}");
        let done = plan(&gateway(&renewed), &main(), "lanpost", "t", "lanpost");
        assert!(done.changes.is_empty() && done.renewals.is_empty() && done.probed_by_nothing);
    }

    #[test]
    fn a_mapping_of_ours_that_starts_another_agent_is_renewed_and_one_of_somebody_else_told() {
        let text = "{agents: {entries: {main: {}, ops: {}}}}";
        let made = edit(text, &plan(&gateway(text), &main(), "lanpost", "t", "lanpost").changes).unwrap();
        let ops = Targets { main: "ops".into(), others: vec![] };
        let again = plan(&gateway(&made), &ops, "lanpost", "t", "lanpost");
        assert!(again.stale[0].contains("starts the agent main, and not ops"), "{:?}", again.stale);
        let changes: Vec<_> = again.changes.iter().chain(&again.renewals).cloned().collect();
        let renewed = gateway(&edit(&made, &changes).unwrap());
        assert_eq!(renewed.hooks.mappings[0]["agentId"], "ops");
        let done = plan(&renewed, &ops, "lanpost", "t", "lanpost");
        assert!(done.renewals.is_empty() && done.changes.is_empty() && done.warnings.is_empty());
        let own =
            "{hooks: {mappings: [{match: {path: 'lanpost'}, agentId: 'main', messageTemplate: 'mine'}]}}";
        let told = plan(&gateway(own), &ops, "lanpost", "t", "lanpost");
        assert!(told.renewals.is_empty() && told.stale.is_empty(), "{:?}", told.stale);
        assert!(told.warnings.iter().any(|it| it.contains("main, and not ops")), "{:?}", told.warnings);
    }
}
