//! Where a gateway's config lies: what OpenClaw itself looks for, in its order.

use std::path::{Path, PathBuf};

/// What decides about the place: variables of the environment, and what the caller was told.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `OPENCLAW_CONFIG_PATH`
    pub config: Option<PathBuf>,
    /// `OPENCLAW_STATE_DIR`
    pub state: Option<PathBuf>,
    /// A profile by its name.
    pub profile: Option<String>,
    /// `OPENCLAW_HOME`, or this user's home.
    pub home: Option<PathBuf>,
}

/// The name of the file.
const FILE: &str = "openclaw.json";
/// What it was called when OpenClaw was Clawdbot.
const OLD: (&str, &str) = (".clawdbot", "clawdbot.json");

impl Surroundings {
    /// Where the file may be; the first that is there counts. A place that was named has no others behind it.
    pub fn places(&self) -> Vec<PathBuf> {
        let home = |folder: &str| self.home.as_ref().map(|home| home.join(folder));
        match (&self.profile, &self.config, &self.state) {
            (Some(profile), ..) if is_default(profile) => usual(home),
            // Asked for by name, it is not the one that the environment means.
            (Some(profile), ..) => {
                home(&format!(".openclaw-{profile}")).map(|folder| folder.join(FILE)).into_iter().collect()
            }
            (None, Some(config), _) => vec![config.clone()],
            (None, None, Some(state)) => vec![state.join(FILE), state.join(OLD.1)],
            (None, None, None) => usual(home),
        }
    }
}

impl Surroundings {
    /// The gateway's state folder, where its `.env` lies, too: not always where its config does.
    pub fn states(&self) -> Vec<PathBuf> {
        let home = |folder: &str| self.home.as_ref().map(|home| home.join(folder));
        match (&self.profile, &self.state) {
            (Some(profile), _) if !is_default(profile) => {
                home(&format!(".openclaw-{profile}")).into_iter().collect()
            }
            (None, Some(state)) => vec![state.clone()],
            _ => [home(".openclaw"), home(OLD.0)].into_iter().flatten().collect(),
        }
    }
}

fn usual(home: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let folders = [home(".openclaw"), home(OLD.0)];
    folders.iter().flatten().flat_map(|folder| [folder.join(FILE), folder.join(OLD.1)]).collect()
}

fn is_default(profile: &str) -> bool {
    profile.eq_ignore_ascii_case("default")
}

/// Whether the file is kept alike on several PCs by somebody else: gateways would share what is each one's own.
pub fn is_synced(path: &Path) -> Option<&'static str> {
    let services = ["OneDrive", "Dropbox", "Google Drive", "iCloud"];
    let text = path.to_string_lossy().to_lowercase();
    services.into_iter().find(|service| text.contains(&service.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_counts_before_what_is_usual() {
        let home = Some(PathBuf::from("/home/me"));
        let usual = Surroundings { home: home.clone(), ..Surroundings::default() };
        let first = |around: &Surroundings| around.places()[0].to_string_lossy().replace('\\', "/");
        assert_eq!(first(&usual), "/home/me/.openclaw/openclaw.json");
        assert_eq!(usual.places().len(), 4);
        assert!(usual.places().contains(&PathBuf::from("/home/me").join(".clawdbot").join("clawdbot.json")));
        let state = Surroundings { state: Some("/s".into()), ..usual.clone() };
        assert_eq!(first(&state), "/s/openclaw.json");
        let config = Surroundings { config: Some("/c.json".into()), ..state };
        assert_eq!(config.places(), [PathBuf::from("/c.json")]);
        let states = |around: &Surroundings| around.states()[0].to_string_lossy().replace('\\', "/");
        assert_eq!((states(&usual), states(&config)), ("/home/me/.openclaw".into(), "/s".into()));
        let profile = Surroundings { profile: Some("work".into()), ..config };
        assert_eq!(states(&profile), "/home/me/.openclaw-work");
        assert_eq!(first(&profile), "/home/me/.openclaw-work/openclaw.json");
        assert_eq!(profile.places().len(), 1);
        assert!(Surroundings::default().places().is_empty());
    }

    #[test]
    fn a_synced_folder_is_known_by_its_name() {
        assert_eq!(
            is_synced(Path::new(r"C:\Users\me\OneDrive - Acme\.openclaw\openclaw.json")),
            Some("OneDrive")
        );
        assert_eq!(is_synced(Path::new("/home/me/.openclaw/openclaw.json")), None);
    }
}
