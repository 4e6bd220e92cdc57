//! Who may read a file, by its list of rights as Windows spells it (SDDL, [MS-DTYP] 2.5.1). Pure text.
//!
//! Grammar, as far as it is read: `("O:" sid)? ("G:" sid)? ("D:" flags ace*)?`, `ace := "(" type ";" flags ";" rights ";"
//! … ";" … ";" sid … ")"`. What can't be read counts as a right for everybody: an unclear list is no safe one.

/// Who a secret's file may be readable by, besides its owner: SYSTEM, Administrators (and the accounts that are), the two
/// service accounts, "the owner".
const TRUSTED: [&str; 14] = [
    "SY",
    "S-1-5-18",
    "BA",
    "S-1-5-32-544",
    "LA",
    "DA",
    "LS",
    "S-1-5-19",
    "NS",
    "S-1-5-20",
    "CO",
    "S-1-3-0",
    "OW",
    "S-1-3-4",
];
/// Accounts of single services, `NT SERVICE\…`.
const SERVICES: &str = "S-1-5-80-";

/// Groups that people know by a name.
const GROUPS: [(&str, &str); 7] = [
    ("WD", "Everyone"),
    ("BU", "Users"),
    ("AU", "Authenticated Users"),
    ("IU", "Interactive"),
    ("BG", "Guests"),
    ("AN", "Anonymous"),
    ("DU", "Domain Users"),
];

/// Rights by their letters, as file rights.
const RIGHTS: [(&str, u32); 20] = [
    ("FA", 0x001F_01FF),
    ("FR", 0x0012_0089),
    ("FW", 0x0012_0116),
    ("FX", 0x0012_00A0),
    ("GA", 0x1000_0000),
    ("GR", 0x8000_0000),
    ("GW", 0x4000_0000),
    ("GX", 0x2000_0000),
    ("RC", 0x0002_0000),
    ("SD", 0x0001_0000),
    ("WD", 0x0004_0000),
    ("WO", 0x0008_0000),
    ("CC", 0x0001),
    ("DC", 0x0002),
    ("LC", 0x0004),
    ("SW", 0x0008),
    ("RP", 0x0010),
    ("WP", 0x0020),
    ("DT", 0x0040),
    ("LO", 0x0080),
];
/// FILE_READ_DATA, GENERIC_READ and GENERIC_ALL; WRITE_DAC and WRITE_OWNER, with which one gives them to oneself.
const READS: u32 = 0x1 | 0x8000_0000 | 0x1000_0000 | 0x4_0000 | 0x8_0000;

/// Who may read what `sddl` protects, other than its owner, `own` (the SID of who asks), and whom the system runs as.
/// Empty: nobody.
pub fn others_who_read(sddl: &str, own: &str) -> Vec<String> {
    let owner = after(sddl, "O:").map(sid).unwrap_or_default();
    let Some(list) = after(sddl, "D:").filter(|list| !list.starts_with("NO_ACCESS_CONTROL")) else {
        // Without a list there is nothing that anybody is refused.
        return vec!["Everyone".into()];
    };
    let mut others: Vec<String> = vec![];
    for ace in entries(list) {
        let fields: Vec<&str> = ace.split(';').collect();
        let [kind, flags, rights, _, _, who, ..] = fields[..] else {
            others.push("somebody unknown".into());
            continue;
        };
        let trusted = who == owner || who == own || TRUSTED.contains(&who) || who.starts_with(SERVICES);
        if !trusted && grants(kind) && !pairs(flags).any(|flag| flag == "IO") && mask(rights) & READS != 0 {
            others.push(GROUPS.iter().find(|(sid, _)| *sid == who).map_or(who, |(_, name)| name).to_owned());
        }
    }
    others.dedup();
    others
}

/// What stands in each pair of outer parentheses; a condition of an entry has some of its own.
fn entries(list: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (vec![], 0_u32, 0);
    for (at, c) in list.char_indices() {
        match c {
            '(' => {
                if depth == 0 {
                    start = at + 1;
                }
                depth += 1;
            }
            ')' if depth == 1 => {
                found.push(&list[start..at]);
                depth = 0;
            }
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if depth > 0 {
        found.push(&list[start..]);
    }
    found
}

/// What stands behind the first `mark` outside of the list of rights.
fn after<'a>(sddl: &'a str, mark: &str) -> Option<&'a str> {
    let head = sddl.find('(').unwrap_or(sddl.len());
    let at = sddl[..head].find(mark)?;
    Some(&sddl[at + mark.len()..])
}

/// The SID at the beginning of `text`: `S-1-…`, or two letters.
fn sid(text: &str) -> &str {
    let end = match text.strip_prefix("S-") {
        Some(rest) => 2 + rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len()),
        None => 2,
    };
    text.get(..end).unwrap_or_default()
}

/// Whether an entry of this type may give a right; those that refuse and those that audit do not.
fn grants(kind: &str) -> bool {
    !matches!(kind, "D" | "OD" | "XD" | "AU" | "OU" | "XU" | "AL" | "OL" | "ML" | "RA" | "SP" | "TL")
}

fn mask(rights: &str) -> u32 {
    if let Some(digits) = rights.strip_prefix("0x").or_else(|| rights.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).unwrap_or(u32::MAX);
    }
    let known =
        |pair| RIGHTS.iter().find(|(letters, _)| *letters == pair).map_or(u32::MAX, |(_, mask)| *mask);
    pairs(rights).map(known).fold(0, |all, mask| all | mask)
}

/// Two letters at a time; a letter that is left over, or none of ASCII, is a pair that nobody knows.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ME: &str = "S-1-5-21-1-2-3-1001";

    #[test]
    fn who_else_may_read_is_named() {
        for (sddl, others) in [
            // What `lanpost secret set file:` makes, and what a profile's folder hands down.
            ("O:S-1-5-21-1-2-3-1001G:DUD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;S-1-5-21-1-2-3-1001)", &[][..]),
            ("O:BAG:SYD:PAI(A;ID;FA;;;SY)(A;ID;FA;;;LA)(A;;FR;;;NS)(A;;FR;;;S-1-5-80-1-2)", &[]),
            // ProgramData and the root of a disk let everybody read.
            ("O:BAD:AI(A;ID;FA;;;SY)(A;ID;0x1200a9;;;BU)", &["Users"]),
            ("O:BAD:(A;;FA;;;WD)", &["Everyone"]),
            ("O:BAD:(A;OICIIO;FA;;;WD)(A;CIOI;FW;;;AU)", &[]),
            ("O:BAD:(A;;FR;;;S-1-5-21-1-2-3-1002)", &["S-1-5-21-1-2-3-1002"]),
            ("O:S-1-5-21-1-2-3-1002D:(A;;FR;;;S-1-5-21-1-2-3-1002)(D;;FA;;;WD)", &[]),
            ("O:BAD:(A;;WDRC;;;BU)(XA;;CCSWRP;;;AU;(x))", &["Users", "Authenticated Users"]),
            ("O:BAD:(A;;FX;;;BU)(A;;??;;;AU)", &["Authenticated Users"]),
            ("O:BAG:BA", &["Everyone"]),
            ("O:BAD:NO_ACCESS_CONTROL", &["Everyone"]),
            ("O:BAD:P", &[]),
            ("D:(A)", &["somebody unknown"]),
        ] {
            assert_eq!(others_who_read(sddl, ME), others, "{sddl}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "[OGDSAPICFRWXBUY:();0-9x共-]{0,40}") {
            others_who_read(&text, ME);
        }
    }
}
