//! The log under somebody's hands, and as it ages.

use super::*;
use crate::model::chain::Chain;

fn with(entries: usize) -> Db {
    let mut db = Db::in_memory().unwrap();
    for n in 0..entries {
        db.write("log", |tx| log(tx, n as i64, Way::Out, "lab", &format!("m{n}"), "queued", None)).unwrap();
    }
    db
}

fn verify(db: &Db) -> std::result::Result<Head, i64> {
    let mut chain = Chain::default();
    let mut bad = None;
    let see = &mut |entry: Entry| {
        bad = chain.check(&entry).err();
        Ok(bad.is_none())
    };
    db.log_snapshot().unwrap().walk(0, see).unwrap();
    bad.map_or(Ok(chain.head()), |bad| Err(bad.n))
}

#[test]
fn nothing_but_aging_out_changes_the_log() {
    let mut db = with(5);
    let head = verify(&db).unwrap();
    for sql in [
        "DELETE FROM log WHERE n = 5",
        "UPDATE log SET detail = 'x' WHERE n = 2",
        "UPDATE log SET at = 7 WHERE n = 2",
        "UPDATE log SET way = NULL, digest = hash, at = 7 WHERE n = 2",
    ] {
        assert!(db.write("tamper with", |tx| tx.execute(sql, [])).is_err(), "{sql}");
        assert_eq!(verify(&db), Ok(head), "{sql}");
    }
    // What passes by the triggers is found by the chain.
    let sql = "INSERT OR REPLACE INTO log SELECT n, at, way, peer, id, what, 'x', digest, hash FROM log WHERE n = 2";
    db.write("tamper with", |tx| tx.execute(sql, [])).unwrap();
    assert_eq!(verify(&db), Err(2));
}

#[test]
fn what_ages_out_keeps_the_chain_and_at_the_front_leaves_an_anchor() {
    let mut db = with(9);
    let head = verify(&db).unwrap();
    let age = |db: &mut Db, ids: &[&str]| {
        db.write("age", |tx| {
            for id in ids {
                assert_eq!(super::age(tx, "id = ?1", params![id]).unwrap(), 1);
            }
            drop_aged(tx)
        })
        .unwrap();
    };
    age(&mut db, &["m4", "m1"]);
    assert_eq!(verify(&db), Ok(head), "with holes");
    let count = |db: &Db| {
        db.query("count", |c| c.query_row("SELECT count(*) FROM log", [], |r| r.get::<_, i64>(0))).unwrap()
    };
    assert_eq!(count(&db), 9);
    age(&mut db, &["m0", "m2"]);
    assert_eq!((verify(&db), count(&db)), (Ok(head), 7), "the third is the anchor");
    age(&mut db, &["m3", "m5", "m6", "m7", "m8"]);
    assert_eq!((verify(&db), count(&db)), (Ok(head), 1));
    db.record("lease-taken", "", Some("2"), 99).unwrap();
    assert_eq!(verify(&db).unwrap().n, 10, "it goes on from the anchor");
}
