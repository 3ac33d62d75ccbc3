//! The tables, and the way from each released schema to the next.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{Error, failure};

/// The statements that lead from each schema version to the next. Never edited once released, only appended to.
const MIGRATIONS: [&str; 3] = [
    "
    CREATE TABLE certificate (
        id            INTEGER PRIMARY KEY,
        issuer        TEXT NOT NULL,
        profile       TEXT NOT NULL,
        identity      TEXT NOT NULL,
        spki_sha256   BLOB NOT NULL,
        serial        BLOB NOT NULL,
        subject       TEXT NOT NULL,
        not_before    INTEGER NOT NULL,
        not_after     INTEGER NOT NULL,
        to_be_signed  BLOB NOT NULL,
        -- NULL while planned
        certificate   BLOB
    ) STRICT;
    CREATE UNIQUE INDEX certificate_serial ON certificate (issuer, serial);
    CREATE INDEX certificate_identity ON certificate (identity, profile, issuer);
    CREATE INDEX certificate_key ON certificate (spki_sha256);
    ",
    "
    DROP INDEX certificate_serial;
    DROP INDEX certificate_identity;
    DROP INDEX certificate_key;
    ALTER TABLE certificate RENAME TO certificate_1;
    CREATE TABLE certificate (
        id            INTEGER PRIMARY KEY,
        planned_at    INTEGER NOT NULL,
        issuer        TEXT NOT NULL,
        generation    INTEGER NOT NULL,
        profile       TEXT NOT NULL,
        identity      TEXT NOT NULL,
        spki_sha256   BLOB NOT NULL,
        serial        BLOB NOT NULL,
        subject       TEXT NOT NULL,
        not_before    INTEGER NOT NULL,
        not_after     INTEGER NOT NULL,
        -- the serial number of the certificate that this one renews
        renews        BLOB,
        -- 0 for the current certificate of an identity, profile and issuer, else the id
        past          INTEGER NOT NULL,
        revoked_at    INTEGER,
        reason        INTEGER,
        -- empty once issued: the certificate holds the same bytes
        to_be_signed  BLOB NOT NULL,
        -- NULL while planned
        certificate   BLOB
    ) STRICT;
    INSERT INTO certificate
        SELECT id, not_before, issuer, 1, profile, identity, spki_sha256, serial, subject, not_before, not_after, NULL,
               iif(id = (SELECT max(id) FROM certificate_1 AS other
                         WHERE other.identity = this.identity AND other.profile = this.profile
                           AND other.issuer = this.issuer), 0, id),
               NULL, NULL, iif(certificate IS NULL, to_be_signed, x''), certificate
        FROM certificate_1 AS this ORDER BY id;
    DROP TABLE certificate_1;
    CREATE UNIQUE INDEX certificate_serial ON certificate (serial);
    CREATE UNIQUE INDEX certificate_identity ON certificate (identity, profile, issuer, past);
    -- eight octets tell nearly all keys apart, and a third of the pages hold them
    CREATE INDEX certificate_key ON certificate (substr(spki_sha256, 1, 8));
    CREATE INDEX certificate_time ON certificate (planned_at);
    CREATE INDEX certificate_profile ON certificate (profile, planned_at);
    CREATE INDEX certificate_issuer ON certificate (issuer, planned_at);
    CREATE INDEX certificate_past ON certificate (planned_at) WHERE past <> 0;
    -- 99991231235959Z is no end
    CREATE INDEX certificate_ending ON certificate (planned_at) WHERE not_after < 253402300799;
    CREATE INDEX certificate_planned ON certificate (planned_at) WHERE certificate IS NULL;
    CREATE INDEX certificate_revoked ON certificate (planned_at) WHERE revoked_at IS NOT NULL;

    CREATE TABLE audit (
        issuer        TEXT NOT NULL,
        n             INTEGER NOT NULL,
        line          TEXT NOT NULL,
        PRIMARY KEY (issuer, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
        BEGIN SELECT raise(ABORT, 'the audit record is append-only'); END;
    CREATE TRIGGER audit_is_never_cut BEFORE DELETE ON audit
        BEGIN SELECT raise(ABORT, 'the audit record is append-only'); END;
    CREATE TABLE audit_head (
        issuer        TEXT PRIMARY KEY,
        count         INTEGER NOT NULL,
        hash          BLOB NOT NULL,
        time          INTEGER NOT NULL,
        -- the highest id of a certificate then
        last_id       INTEGER NOT NULL,
        signer        BLOB NOT NULL,
        signature     BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE crl (
        issuer        TEXT NOT NULL,
        number        INTEGER NOT NULL,
        generation    INTEGER NOT NULL,
        this_update   INTEGER NOT NULL,
        next_update   INTEGER NOT NULL,
        PRIMARY KEY (issuer, number)
    ) STRICT, WITHOUT ROWID;
    ",
    "
    CREATE TABLE token (
        id            INTEGER PRIMARY KEY,
        -- of the secret, which is nowhere
        sha256        BLOB NOT NULL,
        issuer        TEXT NOT NULL,
        flow          TEXT NOT NULL,
        profile       TEXT NOT NULL,
        -- as the operator said it: a user name that may come with the secret
        device        TEXT NOT NULL,
        identity      TEXT NOT NULL,
        -- further names, a line each
        names         TEXT NOT NULL,
        created_at    INTEGER NOT NULL,
        expires_at    INTEGER NOT NULL,
        uses          INTEGER NOT NULL,
        revoked_at    INTEGER
    ) STRICT;
    -- four octets are what a token is called by, so no two have the same
    CREATE UNIQUE INDEX token_sha256 ON token (substr(sha256, 1, 4));
    CREATE INDEX token_issuer ON token (issuer, id);
    CREATE TABLE redemption (
        token         INTEGER NOT NULL,
        -- the SHA-256 of the public key in the request as it came
        claim         BLOB NOT NULL,
        redeemed_at   INTEGER NOT NULL,
        -- of the certificate; NULL while the request waits for approval
        serial        BLOB,
        PRIMARY KEY (token, claim)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE request (
        id            INTEGER PRIMARY KEY,
        issuer        TEXT NOT NULL,
        profile       TEXT NOT NULL,
        identity      TEXT NOT NULL,
        claim         BLOB NOT NULL,
        -- an approval is for these alone
        names_sha256  BLOB NOT NULL,
        subject       TEXT NOT NULL,
        -- a line each
        alt_names     TEXT NOT NULL,
        -- by which right it was made
        by            TEXT NOT NULL,
        requested_at  INTEGER NOT NULL,
        state         TEXT NOT NULL,
        decided_at    INTEGER
    ) STRICT;
    CREATE INDEX request_claim ON request (issuer, profile, identity, claim);
    CREATE INDEX request_waiting ON request (id) WHERE state = 'waiting';
    -- the SHA-256 of the public key in the request as it came over the network; empty where the operator asked
    ALTER TABLE certificate ADD COLUMN claim BLOB NOT NULL DEFAULT x'';
    ",
];

/// What the newest schema has, by name.
const OBJECTS: [&str; 23] = [
    "audit",
    "audit_head",
    "audit_is_never_changed",
    "audit_is_never_cut",
    "certificate",
    "certificate_ending",
    "certificate_identity",
    "certificate_issuer",
    "certificate_key",
    "certificate_past",
    "certificate_planned",
    "certificate_profile",
    "certificate_revoked",
    "certificate_serial",
    "certificate_time",
    "crl",
    "redemption",
    "request",
    "request_claim",
    "request_waiting",
    "token",
    "token_issuer",
    "token_sha256",
];

/// Brings an older schema up to date, in one transaction; a newer one is refused.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let known = MIGRATIONS.len() as i64;
    let fail = |source| failure(path, source);
    let version = |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: i64 = version(connection).map_err(fail)?;
    if found > known || found < 0 {
        return Err(Error::Schema { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    // Another process may have migrated while this one waited.
    let found: i64 = version(&transaction).map_err(fail)?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    if found == 0 && tables > 0 {
        return Err(Error::Damaged { path: path.to_owned(), why: "ca.db has tables and says that it has none" });
    }
    for statements in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(statements).map_err(fail)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(fail)?;
    transaction.commit().map_err(fail)
}

/// Refuses a database that lacks a table or an index: without its unique indexes it would still work, and issue twice.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let names = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    let found: rusqlite::Result<Vec<String>> =
        connection.prepare(names).and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect());
    if found.map_err(|source| failure(path, source))? != OBJECTS {
        return Err(Error::Damaged { path: path.to_owned(), why: "ca.db lacks a table or an index" });
    }
    Ok(())
}
