//! Logins against a server that is played: who is asked how often, and what is told.

use super::*;
use crate::model::layout;
use crate::sys::clock::ManualClock;
use crate::sys::memory::MemoryShare;

/// The server: what it answers, and how often it was asked.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<(i32, u32)>>);

impl Server {
    fn answers(&self, code: i32) {
        self.0.lock().unwrap().0 = code;
    }

    fn asked(&self) -> u32 {
        self.0.lock().unwrap().1
    }
}

struct Stage {
    clock: Arc<ManualClock>,
    server: Server,
    password: Arc<Mutex<Result<Secret, &'static str>>>,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(code: i32) -> Stage {
        let stage = Stage {
            clock: Arc::new(ManualClock::new(1)),
            server: Server::default(),
            password: Arc::new(Mutex::new(Secret::new("hunter2".to_owned()))),
            folder: tempfile::tempdir().unwrap(),
        };
        stage.server.answers(code);
        stage
    }

    fn db(&self) -> Db {
        Db::open_or_make(&self.folder.path().join("lanpost.db")).unwrap()
    }

    fn share(&self, asks: Asks) -> LoginShare {
        self.behind(Arc::new(MemoryShare::new()), "nas\\agents", asks)
    }

    fn behind(&self, share: Arc<dyn Share>, user: &str, asks: Asks) -> LoginShare {
        let (server, password) = (self.server.clone(), self.password.clone());
        let way = Way {
            resource: r"\\nas\agents".into(),
            user: user.into(),
            secret: Box::new(move || {
                let password = password.lock().unwrap().clone();
                password.map_err(|cause| Error::usage("read the secret", "file:x", cause))
            }),
            log_in: Box::new(move |_| {
                let mut server = server.0.lock().unwrap();
                server.1 += 1;
                if server.0 == 0 { Ok(()) } else { Err(server.0) }
            }),
        };
        LoginShare::new(share, way, self.clock.clone(), Some(self.db()), asks)
    }

    fn set(&self, password: &str) {
        *self.password.lock().unwrap() = Secret::new(password.to_owned());
    }

    /// Uses the share once a second.
    fn use_for(&self, share: &LoginShare, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            let _ = share.names(&layout::root());
        }
    }
}

#[test]
fn one_login_serves_all_verbs() {
    let stage = Stage::new(0);
    let share = stage.share(Asks::ByHand);
    stage.use_for(&share, 100);
    assert_eq!((stage.server.asked(), share.ensure().is_ok()), (1, true));
}

#[test]
fn a_wrong_password_is_tried_once_and_told_without_being_shown() {
    let stage = Stage::new(1326);
    let share = stage.share(Asks::ByHand);
    stage.use_for(&share, 600);
    assert_eq!(stage.server.asked(), 1);
    let said = share.names(&layout::root()).unwrap_err();
    assert_eq!(said.kind(), Kind::Denied);
    let said = said.to_string();
    assert!(
        said.starts_with(r"could not log in to \\nas\agents as nas\agents: the server knows no such"),
        "{said}"
    );
    assert!(!said.contains("hunter"), "{said}");
    assert!(!stage.db().meta(KEY).unwrap().unwrap().contains("hunter"));
    stage.set("right");
    stage.server.answers(0);
    stage.use_for(&share, 1);
    assert_eq!(
        (stage.server.asked(), share.ensure().is_ok()),
        (2, true),
        "another password is tried at once"
    );
    assert_eq!(stage.db().meta(KEY).unwrap().as_deref(), Some(""));
}

#[test]
fn commands_that_follow_each_other_do_not_lock_the_account() {
    let stage = Stage::new(86);
    for _ in 0..600 {
        stage.clock.advance(Duration::from_secs(1));
        assert!(stage.share(Asks::Automatically).ensure().is_err());
    }
    assert_eq!(stage.server.asked(), 1);
    let said = stage.share(Asks::Automatically).ensure().unwrap_err().to_string();
    assert!(said.contains("the password is wrong"), "it is known from before: {said}");
    // A person who started the daemon, or asked the doctor, has a try; another user is another account.
    assert!(stage.share(Asks::ByHand).ensure().is_err());
    assert!(stage.share(Asks::ByHand).ensure().is_err());
    assert_eq!(stage.server.asked(), 2, "and not twice within a minute");
    let other = stage.behind(Arc::new(MemoryShare::new()), "nas\\other", Asks::Automatically);
    assert!(other.ensure().is_err());
    assert_eq!(stage.server.asked(), 3);
}

#[test]
fn a_clock_that_was_set_back_holds_a_refusal_no_longer_than_usual() {
    let stage = Stage::new(1326);
    let refusal = Refusal { code: 1326, at: i64::MAX / 2, user: "nas\\agents".into() };
    remember(&mut stage.db(), Some(&refusal));
    let share = stage.share(Asks::Automatically);
    stage.use_for(&share, 899);
    assert_eq!(stage.server.asked(), 0);
    stage.use_for(&share, 2);
    assert_eq!(stage.server.asked(), 1);
    stage.db().set_meta(KEY, "{nonsense").unwrap();
    assert!(stage.share(Asks::Automatically).ensure().is_err());
    assert_eq!(stage.server.asked(), 2, "a note that can't be read holds nobody up");
}

#[test]
fn a_server_that_is_away_is_asked_at_intervals_and_found_when_it_is_back() {
    let stage = Stage::new(53);
    let share = stage.share(Asks::ByHand);
    stage.use_for(&share, 300);
    assert!((8..=16).contains(&stage.server.asked()), "{}", stage.server.asked());
    assert!(stage.db().meta(KEY).unwrap().is_none(), "that is no refusal");
    stage.server.answers(0);
    stage.use_for(&share, 31);
    assert!(share.ensure().is_ok());
}

#[test]
fn an_unreadable_password_is_told_and_asks_nobody() {
    let stage = Stage::new(0);
    let share = stage.share(Asks::ByHand);
    *stage.password.lock().unwrap() = Err("it is not there");
    stage.use_for(&share, 60);
    let said = share.names(&layout::root()).unwrap_err();
    assert!(said.is_retryable() && said.to_string().contains("it is not there"), "{said}");
    assert_eq!(stage.server.asked(), 0);
    stage.set("hunter2");
    stage.use_for(&share, 1);
    assert!(share.ensure().is_ok());
}

/// A share that fails in one way.
struct Failing(i32);

impl Failing {
    fn error<T>(&self) -> Result<T> {
        Err(Error::login("list", "x", self.0))
    }
}

#[rustfmt::skip]
impl Share for Failing {
    fn describe(&self) -> String { "x".into() }
    fn stat(&self, _: &SharePath) -> Result<Option<Meta>> { self.error() }
    fn list(&self, _: &SharePath) -> Result<Option<Vec<Entry>>> { self.error() }
    fn read(&self, _: &SharePath, _: u64, _: usize) -> Result<Option<Vec<u8>>> { self.error() }
    fn open_append(&self, _: &SharePath) -> Result<Box<dyn Append>> { self.error() }
    fn create_new(&self, _: &SharePath, _: &[u8]) -> Result<bool> { self.error() }
    fn replace(&self, _: &SharePath, _: &[u8]) -> Result<()> { self.error() }
    fn rename(&self, _: &SharePath, _: &SharePath, _: u64) -> Result<()> { self.error() }
    fn touch(&self, _: &SharePath) -> Result<()> { self.error() }
    fn remove(&self, _: &SharePath) -> Result<()> { self.error() }
    fn make_folder(&self, _: &SharePath) -> Result<()> { self.error() }
    fn walk(&self, _: usize) -> Result<Census> { self.error() }
}

#[test]
fn a_drop_brings_another_login_soon_but_not_in_a_loop_and_a_full_disk_none() {
    for (code, logins) in [(64, 4..=5), (1326, 4..=5), (112, 1..=1), (32, 1..=1)] {
        let stage = Stage::new(0);
        let share = stage.behind(Arc::new(Failing(code)), "nas\\agents", Asks::ByHand);
        stage.use_for(&share, 60);
        assert!(logins.contains(&stage.server.asked()), "{code}: {}", stage.server.asked());
        let said = share.names(&layout::root()).unwrap_err().to_string();
        assert!(said.starts_with("could not list x"), "the share's own error is told: {said}");
    }
}
