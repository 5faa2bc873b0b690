//! The schema and its migrations.
//!
//! Invariant: `user_version` is the number of the last migration that ran. Migrations only go forward, each in one transaction
//! with its number, and a released one never changes. A database with a higher number was made by a newer release: it is
//! refused by name.

use rusqlite::{Connection, TransactionBehavior};

use crate::{Result, StoreError};

/// In order; a migration's number is its place, from 1.
const MIGRATIONS: [&str; 2] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_remote_provers.sql"),
];

/// The newest schema that this release knows.
pub const KNOWN_SCHEMA: i64 = 2;
/// Marks the file as ours ("hier" in ASCII), so that another program's database is not taken over.
const APPLICATION_ID: i64 = 0x6869_6572;

/// Creates the schema or brings it up to date.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let found = if tables == 0 { 0 } else { require_known(connection)? };
    for (number, sql) in (1_i64..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The schema of a database that is the coordinator's and that this release can read.
pub(super) fn require_known(connection: &Connection) -> Result<i64> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(StoreError::Refused(
            "the file is a database of another program: name a file of the coordinator's own".to_owned(),
        ));
    }
    if !(0..=KNOWN_SCHEMA).contains(&found) {
        return Err(StoreError::UnknownSchema {
            found,
            known: KNOWN_SCHEMA,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_migration_has_its_number() {
        assert_eq!(i64::try_from(MIGRATIONS.len()), Ok(KNOWN_SCHEMA));
    }

    #[test]
    fn a_fresh_database_gets_the_newest_schema_and_a_second_run_changes_nothing() {
        let mut connection = Connection::open_in_memory().expect("opens");
        for _ in 0..2 {
            migrate(&mut connection).expect("migrates");
            let version: i64 = connection
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .expect("reads");
            assert_eq!(version, KNOWN_SCHEMA);
        }
    }

    #[test]
    fn a_database_of_an_earlier_release_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(MIGRATIONS[0]).expect("the first schema");
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .and_then(|()| connection.pragma_update(None, "user_version", 1))
            .and_then(|()| connection.execute_batch("INSERT INTO secrets (name, value) VALUES ('urls', zeroblob(32))"))
            .expect("writes");
        migrate(&mut connection).expect("migrates");
        for (table, rows) in [("secrets", 1), ("remote_provers", 0)] {
            let sql = format!("SELECT count(*) FROM {table}");
            let found: i64 = connection.query_row(&sql, [], |row| row.get(0)).expect("counts");
            assert_eq!(found, rows, "{table}");
        }
    }

    #[test]
    fn a_newer_schema_and_a_foreign_database_are_refused() {
        let mut newer = Connection::open_in_memory().expect("opens");
        migrate(&mut newer).expect("migrates");
        newer
            .pragma_update(None, "user_version", KNOWN_SCHEMA + 1)
            .expect("writes");
        let refused = migrate(&mut newer).expect_err("newer");
        assert!(
            matches!(refused, StoreError::UnknownSchema { found, known } if found == known + 1),
            "{refused:?}"
        );

        let mut foreign = Connection::open_in_memory().expect("opens");
        foreign.execute_batch("CREATE TABLE theirs (x)").expect("writes");
        assert!(matches!(migrate(&mut foreign), Err(StoreError::Refused(_))));
    }
}
