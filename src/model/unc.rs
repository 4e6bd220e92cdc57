//! UNC paths: whose share `\\server\share\folder` is. Pure text; nothing is looked up.
//!
//! Grammar: `sep sep server sep share (sep rest)?`, or `\\?\UNC\server\share…`; `sep` is `\` or, as Windows takes it
//! too, `/`. `\\?\C:\…` and `\\.\…` are no UNC paths, and neither is a server without a share.

/// Server, share and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unc<'a> {
    /// The file server: a name or an address.
    pub server: &'a str,
    /// The share's name on it.
    pub share: &'a str,
    /// The folder below the share, empty for its root.
    pub folder: &'a str,
}

impl<'a> Unc<'a> {
    /// The parts of `path`; `None` if it is no UNC path.
    pub fn parse(path: &'a str) -> Option<Unc<'a>> {
        let rest = match strip_verbatim(path) {
            Some(rest) => rest,
            None => path.strip_prefix(is_separator)?.strip_prefix(is_separator)?,
        };
        let (server, rest) = rest.split_once(is_separator)?;
        let (share, folder) = rest.split_once(is_separator).unwrap_or((rest, ""));
        let named = |part: &str| !part.trim().is_empty() && !matches!(part, "." | ".." | "?");
        let folder = folder.trim_matches(is_separator);
        (named(server) && named(share)).then_some(Unc { server, share, folder })
    }

    /// `\\server\share`: what a login is for.
    pub fn resource(&self) -> String {
        format!(r"\\{}\{}", self.server, self.share)
    }
}

/// What stands behind `\\?\UNC\`, in any case.
fn strip_verbatim(path: &str) -> Option<&str> {
    let (start, rest) = path.split_at_checked(r"\\?\UNC\".len())?;
    start.eq_ignore_ascii_case(r"\\?\UNC\").then_some(rest)
}

fn is_separator(c: char) -> bool {
    matches!(c, '\\' | '/')
}

/// The UNC path that `path` stands for when its drive letter is connected to `remote`, as in `Z:\x` and
/// `\\nas\agents`; `None` if it does not begin with a drive letter.
pub fn of_drive(path: &str, remote: &str) -> Option<String> {
    let [letter, b':', ..] = path.as_bytes() else { return None };
    let rest = path.get(2..)?.trim_start_matches(is_separator);
    let remote = remote.trim_end_matches(is_separator);
    let known = letter.is_ascii_alphabetic() && Unc::parse(remote).is_some();
    known.then(|| if rest.is_empty() { remote.to_owned() } else { format!(r"{remote}\{rest}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn server_and_share_are_told_from_the_folder() {
        for (path, resource, folder) in [
            (r"\\nas\agents", r"\\nas\agents", ""),
            (r"\\nas\agents\", r"\\nas\agents", ""),
            (r"\\nas\agents\lab\mail", r"\\nas\agents", r"lab\mail"),
            (r"\\文件服务器\共享 文件\邮箱", r"\\文件服务器\共享 文件", "邮箱"),
            (r"\\?\UNC\192.168.1.2\代理$\x", r"\\192.168.1.2\代理$", "x"),
            (r"\\?\unc\nas\agents", r"\\nas\agents", ""),
            ("//nas/agents/lab", r"\\nas\agents", "lab"),
            (r"\/nas/agents\lab", r"\\nas\agents", "lab"),
            (r"\\nas@SSL@8443\DavWWWRoot", r"\\nas@SSL@8443\DavWWWRoot", ""),
        ] {
            let unc = Unc::parse(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((unc.resource().as_str(), unc.folder), (resource, folder), "{path}");
        }
        for path in [
            "",
            r"\\",
            r"\\nas",
            r"\\nas\",
            r"\\\agents",
            r"\\nas\\agents",
            r"\nas\agents",
            r"\\?\C:\agents",
            r"\\.\pipe\x",
            r"Z:\agents",
            "/mnt/agents",
            "共享",
        ] {
            assert_eq!(Unc::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_connected_drive_is_spelled_by_its_server() {
        for (path, remote, unc) in [
            (r"Z:\agents\lab", r"\\nas\all", Some(r"\\nas\all\agents\lab")),
            (r"z:\", r"\\nas\all\", Some(r"\\nas\all")),
            ("Z:", r"\\nas\all", Some(r"\\nas\all")),
            ("Z:/代理", r"\\服务器\共享", Some(r"\\服务器\共享\代理")),
            (r"\\nas\all", r"\\nas\all", None),
            (r"Z:\x", "LPT1", None),
            ("共:", r"\\nas\all", None),
        ] {
            assert_eq!(of_drive(path, remote).as_deref(), unc, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[\\\\/?UNCunc.:共a ]{0,16}") {
            if let Some(unc) = Unc::parse(&text) {
                let resource = unc.resource();
                let again = Unc::parse(&resource).unwrap();
                prop_assert_eq!((again.server, again.share, again.folder), (unc.server, unc.share, ""));
            }
            let _ = of_drive(&text, r"\\nas\all");
        }
    }
}
