//! The OpenClaw gateway on this PC: its config found and read, and its hooks probed without waking anybody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use crate::adapt::http::{Ask, Http, Trouble};
use crate::error::{Error, Kind, Result};
use crate::model::config::OpenClawConfig;
use crate::model::finding::{self, Finding, Grade};
use crate::model::openclaw::gateway::Gateway;
use crate::model::openclaw::place::Surroundings;
use crate::model::openclaw::{edit, include, text};
use crate::model::secret::Secret;
use crate::model::url::HttpUrl;
use crate::sys::clock::pause;
use crate::sys::{dirs, files, secret};

/// How long a probe waits for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a gateway may take until a changed config counts, and the time between two looks at that.
const RELOAD: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(500);

/// A gateway's config, as it lies here.
pub struct Installed {
    /// Its file, links followed.
    pub path: PathBuf,
    /// The text of it.
    pub text: String,
    /// What it says.
    pub gateway: Gateway,
    /// What of it could not be followed.
    pub lost: Vec<String>,
    /// Why it can't be edited.
    pub fixed: Option<String>,
}

/// Finds it: at `named`, in the profile of that name, or where OpenClaw itself looks.
///
/// # Errors
/// There is none (the error says where it was looked for), or it can't be read.
pub fn find(named: Option<&Path>, profile: Option<&str>) -> Result<Installed> {
    const DEED: &str = "find the config of OpenClaw";
    let home = ["OPENCLAW_HOME", "HOME", "USERPROFILE"].into_iter().find_map(dirs::env_path);
    let around = Surroundings {
        config: dirs::env_path("OPENCLAW_CONFIG_PATH"),
        state: dirs::env_path("OPENCLAW_STATE_DIR"),
        profile: profile.map(str::to_owned).or_else(|| {
            let set = dirs::env_path("OPENCLAW_CONFIG_PATH").or(dirs::env_path("OPENCLAW_STATE_DIR"));
            dirs::env("OPENCLAW_PROFILE").filter(|_| set.is_none())
        }),
        home: home.or_else(dirs::home),
    };
    let places = named.map_or_else(|| around.places(), |path| vec![files::absolute(path)]);
    for place in &places {
        if let Some(bytes) = files::read(place)? {
            let folders = if named.is_some() { [place.parent(), None] } else { [None, place.parent()] };
            let [before, after] = folders.map(|it| it.map(Path::to_owned));
            let variables = environment(before.into_iter().chain(around.states()).chain(after))?;
            let mut found = read(&files::real(place)?, bytes, &variables)?;
            // The port of this environment is that of the gateway that this environment means.
            let port = dirs::env("OPENCLAW_GATEWAY_PORT").filter(|_| named.is_none() && profile.is_none());
            if let Some(port) = port.and_then(|port| port.parse().ok()) {
                found.gateway.port = port;
            }
            return Ok(found);
        }
    }
    let looked: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Err(Error::new(Kind::NotFound, DEED, "", format!("there is no {}", looked.join(", nor ")))
        .next("name it with --openclaw-config PATH, or a profile with --profile NAME; is OpenClaw set up (`openclaw onboard`)?"))
}

fn read(path: &Path, bytes: Vec<u8>, variables: &BTreeMap<String, String>) -> Result<Installed> {
    const DEED: &str = "read the config of OpenClaw";
    let fail = |why: String| Error::usage(DEED, path.display(), why);
    let text = String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8".into()))?;
    let document = edit::read(&text).map_err(|why| fail(why).next("`openclaw doctor` there says more"))?;
    let known = |name: &str| dirs::env(name).or_else(|| variables.get(name).cloned());
    let mut lost = vec![];
    let fetch = |path: &Path| -> Result<Value, String> {
        let bytes = files::read(path).map_err(|error| error.what())?.ok_or("there is no such file")?;
        edit::read(&String::from_utf8_lossy(&bytes))
    };
    let whole = include::resolved(document.clone(), path, &fetch, &mut lost);
    let gateway = Gateway::read(&whole, &known);
    // What another file says of the hooks is not ours to double here.
    let hooks = |document: &Value| document.get("hooks").cloned();
    let fixed = (hooks(&document) != hooks(&whole))
        .then(|| "its hooks are said in a file that it includes, which is not edited".to_owned());
    Ok(Installed { path: path.to_owned(), text, gateway, lost, fixed })
}

/// The variables of the files `.env` in these folders; of several the first counts.
fn environment(folders: impl Iterator<Item = PathBuf>) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for folder in folders {
        let bytes = files::read(&folder.join(".env"))?.unwrap_or_default();
        for (name, value) in text::environment(&String::from_utf8_lossy(&bytes)) {
            all.entry(name).or_insert(value);
        }
    }
    Ok(all)
}

/// What a probe came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// Hooks are on, the token is right, and our mapping is there.
    Right,
    /// Hooks are on and the token is right; the mapping could not be probed without waking somebody.
    TokenRight,
    /// Nobody answers.
    Down(String),
    /// What is wrong.
    Wrong(String),
}

/// What `doctor` says of the gateway that the config names. Nobody is woken.
pub fn finding(config: &OpenClawConfig) -> Finding {
    let new = |grade, found: String| Finding::new("wake", grade, found);
    let token = match &config.token {
        Some(reference) => secret::resolve(reference),
        None => Err(Error::usage("wake by OpenClaw", "", "`wake.openclaw.token` is not set")
            .next("`lanpost init --wake openclaw --apply`")),
    };
    let token = match token {
        Ok(token) => token,
        Err(error) => return finding::failed("wake", &error, "`lanpost init --wake openclaw --apply`"),
    };
    let OpenClawConfig { url, hooks, path, .. } = config;
    let whom = url.origin();
    // Whose mapping it is, is not known here, so it is left alone.
    match (Probe { url, hooks, path, token: &token, by_nothing: false }).run(false) {
        Probed::Right | Probed::TokenRight => new(Grade::Good, format!("OpenClaw at {whom} takes our token")),
        Probed::Down(why) => new(Grade::Warning, format!("OpenClaw is not there: {why}"))
            .means("mail waits in the inbox; waking is tried again")
            .next("start the gateway"),
        Probed::Wrong(why) => new(Grade::Wrong, format!("OpenClaw at {whom}: {why}"))
            .means("its agents are not woken")
            .next("`lanpost init --wake openclaw` shows what it lacks"),
    }
}

/// What is probed.
pub struct Probe<'a> {
    /// The gateway's address.
    pub url: &'a HttpUrl,
    /// The path of its hooks.
    pub hooks: &'a str,
    /// The path of our mapping below it.
    pub path: &'a str,
    /// The token of its hooks.
    pub token: &'a Secret,
    /// An empty request wakes nobody: our mapping's session is named by the request.
    pub by_nothing: bool,
}

impl Probe<'_> {
    /// Probes; `changed`: the gateway was told something new, and may need a moment.
    pub fn run(&self, changed: bool) -> Probed {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return Probed::Down(error.to_string()),
        };
        let http = Http::new(ANSWER, false, None);
        let mut left = if changed { RELOAD } else { Duration::ZERO };
        loop {
            let probed = runtime.block_on(self.once(&http));
            if !matches!(probed, Probed::Wrong(_)) || left.is_zero() {
                return probed;
            }
            pause(STEP);
            left = left.saturating_sub(STEP);
        }
    }

    async fn once(&self, http: &Http) -> Probed {
        let mapping = format!("{}/{}", self.hooks, self.path);
        // What is no JSON is refused before anything is done, and only after the token was looked at.
        match self.post(http, &mapping, b"no JSON", false).await {
            Ok((401, _)) => {}
            Ok((404, _)) => {
                return Probed::Wrong(format!("its hooks are off, or there is nothing at {}", self.hooks));
            }
            Ok((status, _)) => {
                return Probed::Wrong(format!(
                    "without a token it answers {status} and not 401: is it OpenClaw?"
                ));
            }
            Err(probed) => return probed,
        }
        match self.post(http, &mapping, b"no JSON", true).await {
            Ok((400, _)) => {}
            Ok((401, _)) => return Probed::Wrong("it does not take our token".to_owned()),
            Ok((429, _)) => {
                return Probed::Wrong(
                    "it was asked with wrong tokens too often; try again in a minute".to_owned(),
                );
            }
            Ok((status, said)) => return Probed::Wrong(format!("it answers {status}: {said}")),
            Err(probed) => return probed,
        }
        if !self.by_nothing {
            return Probed::TokenRight;
        }
        match self.post(http, &mapping, b"{}", true).await {
            Ok((400, said)) if said.contains("rendered empty") => Probed::Right,
            Ok((404, _)) => Probed::Wrong(format!("it knows no mapping at {mapping}")),
            Ok((status, said)) => Probed::Wrong(format!("its mapping answers {status}: {said}")),
            Err(probed) => probed,
        }
    }

    async fn post(&self, http: &Http, path: &str, body: &[u8], token: bool) -> Result<(u16, String), Probed> {
        let url = self.url.at(path).ok_or_else(|| Probed::Wrong(format!("{path} is no path")))?;
        let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let value = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()));
        headers.extend(value.ok().filter(|_| token).map(|value| (AUTHORIZATION, value)));
        let ask = Ask { method: Method::POST, url: &url, headers, body: body.to_vec(), timeout: ANSWER };
        match http.send(ask).await {
            Ok(answer) => {
                let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]).into_owned();
                Ok((answer.status, said.replace(self.token.expose(), "…")))
            }
            Err(failure) if failure.trouble == Trouble::Tls => {
                // Whose it is, is said by whoever tells of it.
                let words = failure.words.strip_prefix(&format!("{}: ", url.origin()));
                Err(Probed::Wrong(words.unwrap_or(&failure.words).to_owned()))
            }
            Err(failure) => Err(Probed::Down(failure.words)),
        }
    }
}
