//! Each rule of the wake policy alone, and that what holds a wake up ends.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 100 * HOUR;

fn letter() -> Letter {
    Letter { class: Class::Batch, urgent: false, hops: 0, broadcast: false, again: false, twin: None }
}

fn wait(config: &WakeConfig, urgency: Urgency, moment: &Moment) -> i64 {
    waits(config, urgency, moment, NOW).map_or(0, |(until, _)| until - NOW)
}

#[test]
fn the_first_wakes_at_once_and_the_next_waits_for_the_window() {
    let config = WakeConfig { window: Duration::from_secs(1), ..WakeConfig::default() };
    for (urgency, last, expected) in [
        (Urgency::Batch, None, 0),
        (Urgency::Batch, Some(NOW - 300), 700),
        (Urgency::Now, Some(NOW - 300), 0),
        (Urgency::Urgent, Some(NOW - 300), 0),
        (Urgency::Batch, Some(NOW - 1_000), 0),
        (Urgency::Batch, Some(NOW + 9_000), 0), // the clock was set back
    ] {
        let moment = Moment { last, ..Moment::default() };
        assert_eq!(wait(&config, urgency, &moment), expected, "{urgency:?} {last:?}");
    }
}

#[test]
fn a_failed_wake_backs_off_urgent_or_not_and_longer_if_it_is_asked_to() {
    let config = WakeConfig::default();
    let failed = |failures, failed| Moment { failures, failed, ..Moment::default() };
    let first = millis(config.retry);
    assert_eq!(wait(&config, Urgency::Urgent, &failed(1, NOW)), first);
    assert_eq!(wait(&config, Urgency::Batch, &failed(2, NOW)), 2 * first);
    assert_eq!(wait(&config, Urgency::Batch, &failed(1, NOW - first)), 0);
    let asked = |ms| Moment { not_before: Some(NOW + ms), ..failed(1, NOW) };
    assert_eq!(wait(&config, Urgency::Urgent, &asked(60_000)), 60_000);
    assert_eq!(wait(&config, Urgency::Urgent, &asked(1)), first, "and never shorter");
    let day = asked(24 * HOUR);
    assert_eq!(waits(&config, Urgency::Urgent, &day, NOW), Some((NOW + HOUR, Why::Asked)), "an hour at most");
    assert_eq!(wait(&config, Urgency::Urgent, &asked(i64::MAX - NOW)), HOUR, "nor for ever");
}

#[test]
fn the_budget_of_an_hour_holds_and_its_last_tenth_is_for_urgent_mail() {
    let config = WakeConfig { budget: 20, ..WakeConfig::default() };
    let recent: Vec<i64> = (0..20).map(|n| NOW - HOUR + 1_000 * (n + 1)).collect();
    let waits = |count: usize, urgency| {
        let moment = Moment { recent: &recent[..count], ..Moment::default() };
        wait(&config, urgency, &moment)
    };
    assert_eq!((waits(17, Urgency::Batch), waits(17, Urgency::Urgent)), (0, 0));
    assert_eq!((waits(18, Urgency::Batch), waits(18, Urgency::Now)), (1_000, 1_000));
    assert_eq!((waits(19, Urgency::Batch), waits(19, Urgency::Urgent)), (2_000, 0));
    assert_eq!((waits(20, Urgency::Batch), waits(20, Urgency::Urgent)), (3_000, 1_000));
}

#[test]
fn unverified_mail_has_half_of_the_budget_at_most() {
    let config = WakeConfig { budget: 20, ..WakeConfig::default() };
    let recent: Vec<i64> = (0..20).map(|n| NOW - HOUR + 1_000 * (n + 1)).collect();
    let unverified = |count: usize| Moment {
        recent: &recent[..count],
        unverified: Some(&recent[..count]),
        ..Moment::default()
    };
    assert_eq!(waits(&config, Urgency::Now, &unverified(9), NOW), None);
    assert_eq!(waits(&config, Urgency::Now, &unverified(10), NOW), Some((NOW + 1_000, Why::Unverified)));
    let other = Moment { unverified: None, ..unverified(10) };
    assert_eq!(waits(&config, Urgency::Batch, &other, NOW), None, "the rest is for mail that is verified");
    let spent = Moment { unverified: Some(&[]), ..unverified(18) };
    assert_eq!(waits(&config, Urgency::Batch, &spent, NOW), Some((NOW + 1_000, Why::Budget)));
    let one = WakeConfig { budget: 1, ..config };
    assert_eq!(waits(&one, Urgency::Batch, &unverified(0), NOW), None, "a half of one is one");
}

#[test]
fn nobody_is_woken_in_quiet_hours_or_while_held() {
    let mut config = WakeConfig::default();
    let quiet = Moment { quiet: Some(NOW + 5), ..Moment::default() };
    let held = Moment { held: Some(i64::MAX), ..Moment::default() };
    assert_eq!(waits(&config, Urgency::Urgent, &quiet, NOW), Some((NOW + 5, Why::Quiet)));
    config.quiet_urgent = true;
    assert_eq!(waits(&config, Urgency::Urgent, &quiet, NOW), None);
    assert_eq!(waits(&config, Urgency::Now, &quiet, NOW), Some((NOW + 5, Why::Quiet)));
    assert_eq!(waits(&config, Urgency::Urgent, &held, NOW).map(|(_, why)| why), Some(Why::Hold));
    let over = Moment { held: Some(NOW), ..Moment::default() };
    assert_eq!(waits(&config, Urgency::Batch, &over, NOW), None);
}

#[test]
fn a_rule_or_the_sender_says_how_soon() {
    let config = WakeConfig::default();
    let judged = |letter: Letter| judge(&config, &letter, NOW);
    assert_eq!(judged(letter()), Verdict::Wake(Urgency::Batch));
    assert_eq!(judged(Letter { class: Class::Now, ..letter() }), Verdict::Wake(Urgency::Now));
    assert_eq!(judged(Letter { urgent: true, ..letter() }), Verdict::Wake(Urgency::Urgent));
    assert_eq!(judged(Letter { urgent: true, class: Class::Never, ..letter() }), Verdict::Never);
}

#[test]
fn the_same_again_waits_until_the_first_is_long_past() {
    let config = WakeConfig::default();
    let dedupe = millis(config.dedupe);
    let twin = |at: i64| Letter { twin: Some(at), ..letter() };
    assert_eq!(judge(&config, &twin(NOW - 1), NOW), Verdict::Later(NOW - 1 + dedupe));
    assert_eq!(judge(&config, &twin(NOW - dedupe), NOW), Verdict::Wake(Urgency::Batch));
    assert_eq!(judge(&config, &twin(NOW + 1), NOW), Verdict::Wake(Urgency::Batch), "the clock was set back");
    let urgent = Letter { urgent: true, ..twin(NOW - 1) };
    assert_eq!(judge(&config, &urgent, NOW), Verdict::Wake(Urgency::Urgent));
    let again = Letter { again: true, ..twin(NOW - 1) };
    assert_eq!(judge(&config, &again, NOW), Verdict::Wake(Urgency::Batch), "what nobody read is told again");
    let off = WakeConfig { dedupe: Duration::ZERO, ..config };
    assert_eq!(judge(&off, &twin(NOW), NOW), Verdict::Wake(Urgency::Batch));
}

#[test]
fn an_exchange_in_circles_ends() {
    let config = WakeConfig { rounds: 3, hops: 50, ..WakeConfig::default() };
    let hops = |config: &WakeConfig, hops| judge(config, &Letter { urgent: true, hops, ..letter() }, NOW);
    assert_eq!(hops(&config, 5), Verdict::Wake(Urgency::Urgent));
    for many in [6, 7, u64::MAX] {
        let Verdict::Stopped(why) = hops(&config, many) else { panic!("{many}") };
        assert!(why.starts_with(NOT_WOKEN) && why.contains("rounds"), "{why}");
    }
    let long = WakeConfig { rounds: 1_000, hops: 4, ..config };
    assert_eq!(hops(&long, 4), Verdict::Wake(Urgency::Urgent));
    assert!(matches!(hops(&long, 5), Verdict::Stopped(_)));
}

#[test]
fn answers_to_all_by_all_end() {
    let config = WakeConfig::default();
    let to_all = |hops| judge(&config, &Letter { broadcast: true, hops, ..letter() }, NOW);
    assert_eq!(to_all(BROADCASTS), Verdict::Wake(Urgency::Batch));
    let Verdict::Stopped(why) = to_all(BROADCASTS + 1) else { panic!("it wakes") };
    assert!(why.starts_with(NOT_WOKEN) && why.contains("to several"), "{why}");
    assert_eq!(
        judge(&config, &Letter { hops: BROADCASTS + 1, ..letter() }, NOW),
        Verdict::Wake(Urgency::Batch)
    );
}

proptest! {
    #[test]
    fn what_holds_a_wake_up_ends_in_the_future(
        last in prop::option::of(0..2 * NOW), failures in 0..5_u32, failed in 0..2 * NOW,
        not_before in prop::option::of(any::<i64>()), quiet in prop::option::of(0..2 * NOW), recent in 0..100_usize,
        urgency in 0..3_usize,
    ) {
        let recent: Vec<i64> = (0..recent as i64).map(|n| NOW - HOUR + 1 + n * 30_000).collect();
        let unverified = Some(&recent[recent.len() / 2..]);
        let moment = Moment { last, failures, failed, not_before, recent: &recent, unverified, quiet, held: None };
        let urgency = [Urgency::Batch, Urgency::Now, Urgency::Urgent][urgency];
        let config = WakeConfig::default();
        let wait = waits(&config, urgency, &moment, NOW);
        if let Some((until, _)) = wait {
            prop_assert!(until > NOW);
        } else {
            prop_assert!(recent.len() < config.budget);
        }
    }
}

#[test]
fn a_letter_that_fails_shares_its_wakes_with_fewer_and_fewer() {
    let shared: Vec<_> = (1..=10).map(|failures| together(failures, 10)).collect();
    assert_eq!(shared, [256, 128, 64, 32, 16, 8, 4, 2, 1, 1]);
    assert_eq!((together(0, 1), together(1, 1), together(1, 1_000)), (usize::MAX, 1, 1 << 30));
}
