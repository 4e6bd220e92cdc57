//! The heartbeat: what an instance says of itself in `status/<instance>.json`.
//!
//! Written by the instance alone, replaced atomically, read by everybody. Readers judge presence by seeing the
//! file change on their own clock ([`super::presence`]); `timestamp` is for people. A foreign status file (the
//! plain protocol's) is any JSON without `lanpost`: its instance gets its mail in the open slot.
//!
//! It is signed by the key that it publishes, which proves that its writer has that key and nothing more; whether the
//! key is the one of that name is for [`super::trust`] to say.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::direct::Announcement;
use super::name::Name;
use super::role::{self, Role};
use super::sign::{self, Key, Signer};

/// The version of the heartbeat this crate writes.
pub const VERSION: u64 = 1;

/// How many former keys a heartbeat names, and a reader looks at.
pub const MOST_FORMER: usize = 8;

/// One heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The lanpost version that wrote it.
    pub lanpost: String,
    /// The heartbeat's own version.
    pub v: u64,
    /// Who writes.
    pub instance: Name,
    /// `online` while a daemon runs; `stopped` after a clean stop, and between passes of a CLI without a daemon.
    pub state: Activity,
    /// Why it stopped, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Counts the heartbeats; only grows.
    pub beat: u64,
    /// When, on the writer's clock (RFC 3339).
    pub timestamp: String,
    /// Seconds between heartbeats.
    pub interval: u64,
    /// The agents behind the instance.
    #[serde(default)]
    pub agents: Vec<Name>,
    /// What it and they are there for.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "role::lenient")]
    pub roles: Vec<Role>,
    /// The lease it writes under.
    pub lease: u64,
    /// Its public key, `ed25519:<64 hex>`. Without one it is nobody's, and believed of a name without a pinned key alone.
    #[serde(default)]
    pub key: String,
    /// The keys it had before, the newest first, each of which signed the one that came after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub succeeds: Vec<Succession>,
    /// The key that mail for it is sealed to ([`SealKey`](super::seal::SealKey)); none in a version that can't open any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// Where its daemon takes mail over the network, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<Announcement>,
    /// What it does beyond what every lanpost does, in words such as [`super::group::ANY`], [`super::cancel::FEATURE`] and
    /// [`super::attachment::FEATURE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The PC.
    pub host: String,
    /// The largest line it takes, in bytes.
    pub max_message: u64,
    /// What a newer version adds.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A key that was given up for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The former key.
    pub key: String,
    /// What it signed: `{"instance", "key", "succeeds"}`, the name, the next key and itself.
    pub sig: String,
}

impl Succession {
    /// The holder of `former` gives its name to `next`.
    pub fn sign(instance: &Name, former: &Signer, next: &Key) -> Succession {
        let (mut object, key) = (Succession::object(instance, &former.key(), next), former.key().to_string());
        former.sign_object(&mut object);
        let sig =
            object.remove(sign::FIELD).and_then(|sig| sig.as_str().map(str::to_owned)).unwrap_or_default();
        Succession { key, sig }
    }

    /// The former key, if it did sign `next`.
    fn former(&self, instance: &Name, next: &Key) -> Option<Key> {
        let key: Key = self.key.parse().ok()?;
        let mut object = Succession::object(instance, &key, next);
        object.insert(sign::FIELD.to_owned(), self.sig.as_str().into());
        key.verifies(&object).then_some(key)
    }

    fn object(instance: &Name, former: &Key, next: &Key) -> Map<String, Value> {
        let fields =
            [("instance", instance.to_string()), ("key", next.to_string()), ("succeeds", former.to_string())];
        fields.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
    }
}

/// Who may have written a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Anybody: it carries no key and signature of a kind that this version knows.
    Unsigned,
    /// Whoever holds this key.
    Signed(Key),
    /// Not the holder of the key that it carries.
    Forged,
}

/// Whether a daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// A daemon is at work.
    Online,
    /// No daemon; mail waits in the lane.
    Stopped,
}

impl Heartbeat {
    /// Reads a status file; `None` if it is not lanpost's (then its owner speaks the plain protocol).
    pub fn parse(bytes: &[u8]) -> Option<Heartbeat> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether its lanpost does what this word of `features` says.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|word| word == feature)
    }

    /// Reads a status file, and who may have written it.
    pub fn read(bytes: &[u8]) -> Option<(Heartbeat, Proof)> {
        // What is verified is what is believed: one reading of the bytes for both.
        let object: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let beat: Heartbeat = serde_json::from_value(Value::Object(object.clone())).ok()?;
        let proof = match beat.key.parse::<Key>() {
            Ok(key) if key.verifies(&object) => Proof::Signed(key),
            Ok(_) if sign::is_signed(&object) => Proof::Forged,
            _ => Proof::Unsigned,
        };
        Some((beat, proof))
    }

    /// The keys that came before `key`, which is the heartbeat's own, the newest first, as far as each signed the next.
    pub fn former_keys(&self, key: Key) -> Vec<Key> {
        let mut next = key;
        let former = |link: &Succession| {
            next = link.former(&self.instance, &next)?;
            Some(next)
        };
        self.succeeds.iter().take(MOST_FORMER).map_while(former).collect()
    }

    /// The file's bytes, without a signature.
    pub fn to_bytes(&self) -> Vec<u8> {
        pretty(self)
    }

    /// The file's bytes, signed.
    pub fn to_signed_bytes(&self, signer: &Signer) -> Vec<u8> {
        let Ok(Value::Object(mut object)) = serde_json::to_value(self) else { return vec![] };
        object.remove(sign::FIELD);
        let signature = signer.sign(object.iter().map(|(key, value)| (key.as_str(), value)));
        let rest = signature.map(|signature| (sign::FIELD.to_owned(), signature.into())).into_iter();
        let rest = self.rest.clone().into_iter().filter(|(key, _)| key != sign::FIELD).chain(rest).collect();
        pretty(&Heartbeat { rest, ..self.clone() })
    }
}

fn pretty(beat: &Heartbeat) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(beat).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_status_file_is_not_a_heartbeat() {
        assert_eq!(Heartbeat::parse(b"{\"instance\":\"a\",\"status\":\"online\"}"), None);
        assert_eq!(Heartbeat::parse(b"\0\0\0"), None);
        assert_eq!(Heartbeat::parse(b""), None);
    }

    fn beat(key: &Key) -> Heartbeat {
        Heartbeat {
            lanpost: "0.1.0".into(),
            v: VERSION,
            instance: Name::parse("lab").unwrap(),
            state: Activity::Online,
            reason: None,
            beat: 1,
            timestamp: "2026-02-14T10:40:00.000Z".into(),
            interval: 15,
            agents: vec![],
            roles: vec![],
            lease: 1,
            key: key.to_string(),
            succeeds: vec![],
            seal: None,
            direct: None,
            features: vec![],
            host: "pc".into(),
            max_message: 1 << 20,
            rest: Map::new(),
        }
    }

    #[test]
    fn a_heartbeat_proves_who_has_its_key() {
        let (signer, other) = (Signer::new(&[7; 32]), Signer::new(&[8; 32]));
        let signed = beat(&signer.key());
        let bytes = signed.to_signed_bytes(&signer);
        let (read, proof) = Heartbeat::read(&bytes).unwrap();
        assert_eq!(proof, Proof::Signed(signer.key()));
        assert_eq!(Heartbeat::read(&read.to_signed_bytes(&signer)).unwrap().1, proof, "signed again");
        assert_eq!(Heartbeat::read(&signed.to_bytes()).unwrap().1, Proof::Unsigned);
        assert_eq!(Heartbeat::read(&signed.to_signed_bytes(&other)).unwrap().1, Proof::Forged);
        let later = String::from_utf8(bytes.clone()).unwrap().replace("\"beat\": 1", "\"beat\": 2");
        assert_eq!(Heartbeat::read(later.as_bytes()).unwrap().1, Proof::Forged);
        let future = Heartbeat { key: "ed448:00".into(), ..signed };
        assert_eq!(Heartbeat::read(&future.to_signed_bytes(&other)).unwrap().1, Proof::Unsigned);
    }

    #[test]
    fn a_key_is_succeeded_only_by_one_that_it_signed() {
        let [first, second, third] = [1, 2, 3].map(|n| Signer::new(&[n; 32]));
        let lab = Name::parse("lab").unwrap();
        let links = vec![
            Succession::sign(&lab, &second, &third.key()),
            Succession::sign(&lab, &first, &second.key()),
        ];
        let whole = Heartbeat { succeeds: links.clone(), ..beat(&third.key()) };
        assert_eq!(whole.former_keys(third.key()), [second.key(), first.key()]);
        assert!(whole.former_keys(first.key()).is_empty(), "another key is no heir");
        let turned = Heartbeat { succeeds: links.iter().rev().cloned().collect(), ..whole.clone() };
        assert!(turned.former_keys(third.key()).is_empty());
        let named = Heartbeat { instance: Name::parse("den").unwrap(), ..whole.clone() };
        assert!(named.former_keys(third.key()).is_empty(), "it was given to another name");
        let forged = Succession { key: first.key().to_string(), sig: links[0].sig.clone() };
        let stolen = Heartbeat { succeeds: vec![forged], ..whole };
        assert!(stolen.former_keys(third.key()).is_empty());
    }
}
