//! Claim races: many who want the same at once, and never two who have it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use lanpost::model::claim::Claim;
use lanpost::model::layout::{self, ClaimFolder};
use lanpost::model::sign::Signer;
use lanpost::store::claims;
use lanpost::sys::disk::DiskShare;
use lanpost::sys::share::Share;

use crate::common::pair::state_folder;

/// Who claims.
const INSTANCES: u64 = 8;
/// What they claim: each of these, again and again.
const TASKS: u64 = 20;
/// How often, all together.
const CLAIMS: u64 = 10_000;

/// Something that is claimed, and what is known of it.
struct Prize {
    on: ClaimFolder,
    /// The highest claim that is over.
    over: AtomicU64,
    /// How many hold it.
    holders: AtomicU64,
}

/// Takes each prize whenever it is free, until all of them were had often enough; returns how often this one was faster.
fn compete(share: &dyn Share, who: u64, prizes: &[Prize], had: &AtomicU64) -> (u64, u64) {
    let signer = Signer::new(&[who as u8 + 1; 32]);
    let (mut won, mut lost) = (0, 0);
    while had.load(Ordering::SeqCst) < CLAIMS {
        for prize in prizes {
            let number = prize.over.load(Ordering::SeqCst) + 1;
            let claim = Claim {
                claim: prize.on.path().as_str().to_owned(),
                number,
                by: format!("pc-{who}").parse().unwrap(),
                term: 60,
                word: format!("{who}-{number}"),
                host: "pc".into(),
                since: "now".into(),
            };
            if !claims::take(share, &prize.on, number, &claim.to_signed_bytes(&signer)).unwrap() {
                lost += 1;
                continue;
            }
            assert_eq!(
                prize.holders.fetch_add(1, Ordering::SeqCst),
                0,
                "two hold {} {number}",
                prize.on.path()
            );
            thread::yield_now();
            prize.holders.fetch_sub(1, Ordering::SeqCst);
            assert_eq!(prize.over.swap(number, Ordering::SeqCst), number - 1, "a number was given twice");
            had.fetch_add(1, Ordering::SeqCst);
            won += 1;
        }
    }
    (won, lost)
}

#[test]
fn of_ten_thousand_claims_none_is_held_by_two() {
    let folder = state_folder();
    let prizes: Vec<Prize> = (0..TASKS)
        .map(|n| Prize {
            on: layout::task_claims(&format!("01942a3f-0c00-7000-8000-{n:012}").parse().unwrap()),
            over: AtomicU64::new(0),
            holders: AtomicU64::new(0),
        })
        .collect();
    let had = AtomicU64::new(0);
    let scores: Vec<(u64, u64)> = thread::scope(|scope| {
        let all: Vec<_> = (0..INSTANCES)
            .map(|who| {
                let (prizes, had) = (&prizes, &had);
                // Each has its own view of the share.
                let share = DiskShare::new(folder.path(), &format!("pc-{who}"));
                scope.spawn(move || compete(&share, who, prizes, had))
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (won, lost) = scores.iter().fold((0, 0), |(won, lost), score| (won + score.0, lost + score.1));
    println!("{INSTANCES} instances: {won} claims held, {lost} lost to a faster one, none held twice");
    assert!(won >= CLAIMS);
    let given: u64 = prizes.iter().map(|prize| prize.over.load(Ordering::SeqCst)).sum();
    assert_eq!(given, won);
}
