//! What the Windows service control manager's error numbers mean, and what to do.

use crate::error::Kind;

/// Number, kind, cause, next step.
const NUMBERS: &[(i32, Kind, &str, &str)] = &[
    (
        5,
        Kind::Denied,
        "this needs an administrator",
        "run it in a PowerShell that was started as administrator",
    ),
    (1051, Kind::Busy, "other services that run depend on it", "stop those first"),
    (
        1053,
        Kind::Timeout,
        "it did not answer in time",
        "`lanpost service logs`, and the event viewer, say what it did",
    ),
    (1056, Kind::Busy, "it runs already", "`lanpost service restart` starts it anew"),
    (
        1057,
        Kind::Usage,
        "there is no such account, or its password is wrong",
        "write it as PC\\NAME, or leave out --account",
    ),
    (
        1058,
        Kind::Usage,
        "the service is disabled",
        "set its startup type to automatic in services.msc, or `lanpost service install`",
    ),
    (1060, Kind::NotFound, "there is no such service", "`lanpost service install` sets it up"),
    (1061, Kind::Busy, "it is just starting or stopping", "try again in a few seconds"),
    (1062, Kind::Usage, "it does not run", "`lanpost service start` starts it"),
    (
        1063,
        Kind::Usage,
        "only the service control manager may start it this way",
        "`lanpost service start`, or `lanpost run` in this window",
    ),
    (
        1069,
        Kind::Denied,
        "Windows does not let its account log on: the password is wrong or expired, or the account may not run services",
        "install it anew with --account and the right password, or enter the password on its Log On tab in services.msc, \
         which also grants the right to run services",
    ),
    (
        1072,
        Kind::Busy,
        "it was removed, but something still holds it",
        "close services.msc and the task manager, or restart the PC, then try again",
    ),
    (
        1073,
        Kind::Usage,
        "a service of that name exists and is not lanpost's",
        "remove that one, or give this instance another name",
    ),
    (1115, Kind::Busy, "the PC is being shut down", "try again after its start"),
    (1332, Kind::Usage, "there is no such account", "write it as PC\\NAME, or leave out --account"),
];

/// What an error number means: its kind, the cause, the next step.
pub fn words(number: i32) -> Option<(Kind, &'static str, &'static str)> {
    let found = NUMBERS.iter().find(|(known, ..)| *known == number)?;
    Some((found.1, found.2, found.3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_that_people_meet_have_words_and_a_next_step() {
        for number in [5, 1053, 1056, 1057, 1060, 1062, 1063, 1069, 1072, 1073] {
            let (_, cause, next) = words(number).unwrap();
            assert!(!cause.is_empty() && !next.is_empty(), "{number}");
        }
        assert_eq!(words(1060).unwrap().0, Kind::NotFound);
        assert!(words(0).is_none());
        assert!(NUMBERS.is_sorted_by_key(|(number, ..)| *number));
    }
}
