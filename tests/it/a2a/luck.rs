//! Any run of bad luck: whatever the gateway does, and whenever the daemon is killed, no message is lost, none is handed
//! over twice, and each answer comes in once and belongs to what it answers.

use std::time::Duration;

use lanpost::model::state::State;
use lanpost::store::db::Message;
use proptest::prelude::*;

use super::gateway::Mood;
use super::world::World;

#[derive(Clone, Debug)]
enum Deed {
    Send(u8),
    Mood(Mood),
    Kill,
    Forget,
    Hold(bool),
    Finish,
    Pass(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let mood = prop_oneof![
        4 => Just(Mood::Well),
        1 => Just(Mood::Down),
        1 => Just(Mood::Mute),
        1 => Just(Mood::Deaf),
        1 => Just(Mood::Starting),
        1 => Just(Mood::Status(500)),
        1 => Just(Mood::Status(401)),
        1 => Just(Mood::Refuses),
        1 => Just(Mood::Fails),
    ];
    prop_oneof![
        5 => (0_u8..3).prop_map(Deed::Send),
        3 => mood.prop_map(Deed::Mood),
        1 => Just(Deed::Kill),
        1 => Just(Deed::Forget),
        1 => any::<bool>().prop_map(Deed::Hold),
        1 => Just(Deed::Finish),
        5 => (0_u64..40_000).prop_map(Deed::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled(deeds in prop::collection::vec(deed(), 1..40)) {
        let mut world = World::new();
        let mut sent: Vec<Message> = vec![];
        for deed in deeds {
            match deed {
                Deed::Send(thread) => sent.push(world.send(&format!("t-{thread}"), &sent.len().to_string())),
                Deed::Mood(mood) => world.gateway.mood = mood,
                Deed::Kill => world.restart(),
                Deed::Forget => world.gateway.restart(),
                Deed::Hold(holds) => world.gateway.holds = holds,
                Deed::Finish => world.gateway.finish(),
                Deed::Pass(ms) => world.run(Duration::from_millis(ms)),
            }
            world.step();
        }
        // The luck turns.
        (world.gateway.mood, world.gateway.holds) = (Mood::Well, false);
        (0..sent.len()).for_each(|_| world.gateway.finish());
        world.run(Duration::from_secs(900));
        let slot = world.slot();
        let inbox = world.inbox();
        for message in &sent {
            let id = message.id.to_string();
            let handed = world.handed.iter().filter(|handed| **handed == id).count();
            let turns = world.gateway.turns.iter().filter(|turn| turn.0 == id).count();
            let answers: Vec<&Message> = inbox.iter().filter(|it| it.in_reply_to.as_ref() == Some(&message.id)).collect();
            let copies = slot.iter().filter(|copy| **copy == id).count();
            let all = format!("{handed} {turns} {copies} {answers:?} {}", world.way(message));
            prop_assert!(turns <= 1, "{}", all);
            prop_assert!(copies <= 1 && answers.len() <= 1, "{}", all);
            prop_assert!(answers.iter().all(|answer| answer.content == format!("re {id}")), "{}", all);
            match world.a.state_of(message) {
                State::Processed => prop_assert!(answers.len() == 1 && turns == 1 && copies == 0, "{}", all),
                State::Sent => prop_assert!(answers.is_empty() && copies == 1, "{}", all),
                other => prop_assert!(false, "{other}: {}", all),
            }
        }
    }
}
