//! By which route mail for each peer goes now, as the daemon's courier found out. Nobody in the table: by the share.

use rusqlite::{OptionalExtension, Row, params};

use super::Db;
use crate::error::Result;
use crate::model::route::{Chosen, Route};

const COLUMNS: &str = "via, url, since, why, failures, until, contact";

fn chosen(row: &Row) -> rusqlite::Result<Chosen> {
    Ok(Chosen {
        via: Route::parse(&row.get::<_, String>(0)?).unwrap_or(Route::Share),
        url: row.get(1)?,
        since: row.get(2)?,
        why: row.get(3)?,
        failures: row.get(4)?,
        until: row.get(5)?,
        contact: row.get(6)?,
    })
}

impl Db {
    /// The route of one peer, by its folded name.
    pub fn route(&self, peer: &str) -> Result<Option<Chosen>> {
        self.query("read", |c| {
            let sql = format!("SELECT {COLUMNS} FROM route WHERE peer = ?1");
            c.prepare_cached(&sql)?.query_row([peer], chosen).optional()
        })
    }

    /// Notes the route of a peer; `None`: nothing is to be said of it. Writes nothing if it is the same already.
    pub fn set_route(&mut self, peer: &str, route: Option<&Chosen>) -> Result<()> {
        if self.route(peer)?.as_ref() == route {
            return Ok(());
        }
        self.write("note the route in", |tx| {
            let Some(Chosen { via, url, since, why, failures, until, contact }) = route else {
                return tx.execute("DELETE FROM route WHERE peer = ?1", [peer]).map(drop);
            };
            let sql =
                "INSERT INTO route VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (peer) DO UPDATE SET
                       via = excluded.via, url = excluded.url, since = excluded.since, why = excluded.why,
                       failures = excluded.failures, until = excluded.until,
                       contact = excluded.contact";
            let given = params![peer, via.as_str(), url, since, why, failures, until, contact];
            tx.prepare_cached(sql)?.execute(given).map(drop)
        })
    }

    /// Forgets all routes: nobody sees to them any more.
    pub fn clear_routes(&mut self) -> Result<()> {
        let any: bool =
            self.query("read", |c| c.query_row("SELECT EXISTS (SELECT 1 FROM route)", [], |row| row.get(0)))?;
        if !any {
            return Ok(());
        }
        self.write("forget routes in", |tx| tx.execute("DELETE FROM route", []).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_what_was_noted_last() {
        let mut db = Db::in_memory().unwrap();
        let direct = Chosen {
            via: Route::Direct,
            url: Some("http://a".into()),
            since: 1,
            why: None,
            failures: 0,
            until: None,
            contact: Some(8),
        };
        let share =
            Chosen { via: Route::Share, why: Some("refused".into()), until: Some(9), ..direct.clone() };
        for route in [direct, share] {
            db.set_route("lab", Some(&route)).unwrap();
            assert_eq!(db.route("lab").unwrap(), Some(route));
        }
        db.set_route("den", None).unwrap();
        db.clear_routes().unwrap();
        assert_eq!(db.route("lab").unwrap(), None);
    }
}
