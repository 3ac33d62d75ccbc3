//! Tokens and requests that wait for approval, within a transaction.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Trouble;
use super::journal::Journal;
use crate::files::to_hex;
use crate::store::audit::Event;
use crate::store::{Approval, Decided, Plan, Redeem, Token, TokenFault, TokenId, Waiting, WaitingState};
use crate::x509::{Time, rfc3339};

const TOKEN: &str = "SELECT id, sha256, issuer, flow, profile, device, identity, names, created_at, expires_at, uses,
                            revoked_at, (SELECT count(*) FROM redemption WHERE token = token.id)
                     FROM token";

fn of_token_id() -> String {
    format!("{TOKEN} WHERE substr(sha256, 1, 4) = ?1")
}

fn in_order(issuer: Option<&str>) -> String {
    let condition = if issuer.is_some() { "issuer = ?1" } else { "?1 IS NULL" };
    format!("{TOKEN} WHERE {condition} AND id > ?2 ORDER BY id LIMIT ?3")
}

/// The number of a row, which SQLite counts from 1.
fn number(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(|id| u64::try_from(id).unwrap_or_default())
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let names: String = row.get(7)?;
    Ok(Token {
        number: number(row)?,
        sha256: row.get(1)?,
        issuer: row.get(2)?,
        flow: row.get(3)?,
        profile: row.get(4)?,
        device: row.get(5)?,
        identity: row.get(6)?,
        names: names.lines().map(str::to_owned).collect(),
        created: row.get(8)?,
        expires: row.get(9)?,
        uses: row.get(10)?,
        revoked: row.get(11)?,
        used: row.get(12)?,
    })
}

/// Records a token, unless one has its name.
pub(super) fn add_token(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    token: &Token,
) -> Result<bool, Trouble> {
    let added = transaction
        .prepare_cached(
            "INSERT INTO token
                 (sha256, issuer, flow, profile, device, identity, names, created_at, expires_at, uses)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            token.sha256,
            journal.issuer(),
            token.flow,
            token.profile,
            token.device,
            token.identity,
            token.names.join("\n"),
            token.created,
            token.expires,
            token.uses,
        ])?;
    if added == 0 {
        return Ok(false);
    }
    journal.append(Event::Token {
        token: token.id().to_string(),
        flow: token.flow.clone(),
        profile: token.profile.clone(),
        identity: token.identity.clone(),
        names: token.names.clone(),
        uses: token.uses,
        until: Time::from_unix_timestamp(token.expires).map_or_else(|_| String::new(), rfc3339),
    })?;
    Ok(true)
}

/// The token of a name.
pub(super) fn token(connection: &Connection, id: TokenId) -> rusqlite::Result<Option<Token>> {
    connection.prepare_cached(&of_token_id())?.query_row([id.octets()], read_token).optional()
}

/// Tokens in the order in which they were made.
pub(super) fn tokens(
    connection: &Connection,
    issuer: Option<&str>,
    after: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Vec<Token>> {
    let after = after.map_or(0, |after| i64::try_from(after).unwrap_or(i64::MAX));
    connection.prepare_cached(&in_order(issuer))?.query_map(params![issuer, after, limit as i64], read_token)?.collect()
}

/// Takes a token back.
pub(super) fn revoke_token(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    id: TokenId,
    now: Time,
) -> Result<Option<Token>, Trouble> {
    let Some(mut token) = token(transaction, id)?.filter(|token| token.issuer == journal.issuer()) else {
        return Ok(None);
    };
    if token.revoked.is_none() {
        token.revoked = Some(now.unix_timestamp());
        transaction
            .prepare_cached("UPDATE token SET revoked_at = ?2 WHERE id = ?1")?
            .execute(params![token.number as i64, token.revoked])?;
        journal.append(Event::RevokeToken { token: id.to_string() })?;
    }
    Ok(Some(token))
}

/// How a token meets a request.
pub(super) struct Use {
    token: Token,
    claim: Vec<u8>,
    /// The serial number of the certificate that the same claim got; the inner is `None` while it waits for approval.
    before: Option<Option<Vec<u8>>>,
    is_expired: bool,
}

impl Use {
    /// Looks whether a token may be redeemed for a plan: all that was asked before the transaction, and what only the
    /// transaction can know. A token that has expired still serves a request that it was redeemed for while it was good: a
    /// device that lost the reply, or waits for approval, is not to fail because the clock went on.
    pub fn of(
        transaction: &Transaction<'_>,
        issuer: &str,
        plan: &Plan,
        redeem: &Redeem,
        now: Time,
    ) -> rusqlite::Result<Result<Self, TokenFault>> {
        let found = token(transaction, TokenId::of(&redeem.sha256))?.filter(|token| token.sha256 == redeem.sha256);
        let Some(token) = found else { return Ok(Err(TokenFault::Unknown)) };
        if let Err(fault) = token.check(issuer, &redeem.flow, &plan.profile) {
            return Ok(Err(fault));
        }
        if token.identity != plan.identity {
            return Ok(Err(TokenFault::OtherIdentity { identity: token.identity }));
        }
        let before: Option<Option<Vec<u8>>> = transaction
            .prepare_cached("SELECT serial FROM redemption WHERE token = ?1 AND claim = ?2")?
            .query_row(params![token.number as i64, plan.right.claim], |row| row.get(0))
            .optional()?;
        let is_expired = token.expires <= now.unix_timestamp();
        Ok(match &before {
            None if is_expired => Err(TokenFault::Expired { token: token.id() }),
            None if token.used >= token.uses => Err(TokenFault::UsedUp { token: token.id() }),
            _ => Ok(Self { token, claim: plan.right.claim.clone(), before, is_expired }),
        })
    }

    /// Whether the token may bring a new certificate. One that brought its claim a certificate may not: that is what was
    /// issued for it, and where it was revoked or has ended the token is not to undo that.
    pub fn may_plan(&self) -> Result<(), TokenFault> {
        match &self.before {
            None | Some(None) => Ok(()),
            Some(Some(_)) => Err(TokenFault::UsedUp { token: self.token.id() }),
        }
    }

    /// Whether the certificate that this claim got may be superseded.
    pub fn may_supersede(&self) -> bool {
        !self.is_expired
    }

    /// Whether the certificate with this serial number is what this claim got.
    pub fn got(&self, serial: &[u8]) -> bool {
        matches!(&self.before, Some(Some(before)) if before == serial)
    }

    /// Records the use: for a certificate, or for a request that waits. The first certificate of a claim stays.
    pub fn record(&self, transaction: &Transaction<'_>, serial: Option<&[u8]>, now: Time) -> rusqlite::Result<()> {
        if matches!((&self.before, serial), (Some(Some(_)), _) | (Some(None), None)) {
            return Ok(());
        }
        transaction
            .prepare_cached(
                "INSERT INTO redemption (token, claim, redeemed_at, serial) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (token, claim) DO UPDATE SET serial = excluded.serial",
            )?
            .execute(params![self.token.number as i64, self.claim, now.unix_timestamp(), serial])
            .map(drop)
    }

    /// Records that another certificate took the place of the one that the claim got.
    pub fn move_to(&self, transaction: &Transaction<'_>, serial: &[u8]) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("UPDATE redemption SET serial = ?3 WHERE token = ?1 AND claim = ?2")?
            .execute(params![self.token.number as i64, self.claim, serial])
            .map(drop)
    }
}

const REQUEST: &str =
    "SELECT id, issuer, profile, identity, claim, subject, alt_names, by, requested_at, state FROM request";

fn of_claim() -> String {
    let claim = "issuer = ?1 AND profile = ?2 AND identity = ?3 AND claim = ?4 AND names_sha256 = ?5";
    format!("{REQUEST} WHERE {claim} AND state <> 'granted'")
}

fn of_waiting() -> String {
    format!("{REQUEST} WHERE state = 'waiting' AND (?1 IS NULL OR issuer = ?1) AND id > ?2 ORDER BY id LIMIT ?3")
}

fn read_request(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    let (state, alt_names): (String, String) = (row.get(9)?, row.get(6)?);
    let state = WaitingState::ALL.into_iter().find(|(_, name)| *name == state);
    Ok(Waiting {
        id: number(row)?,
        issuer: row.get(1)?,
        profile: row.get(2)?,
        identity: row.get(3)?,
        claim: row.get(4)?,
        subject: row.get(5)?,
        alt_names: alt_names.lines().map(str::to_owned).collect(),
        by: row.get(7)?,
        requested: row.get(8)?,
        // What cannot be read is not approved.
        state: state.map_or(WaitingState::Refused, |(state, _)| state),
    })
}

/// The request of a number.
pub(super) fn request(connection: &Connection, id: u64) -> rusqlite::Result<Option<Waiting>> {
    // A number that SQLite cannot hold is that of no request.
    let id = i64::try_from(id).unwrap_or(-1);
    connection.prepare_cached(&format!("{REQUEST} WHERE id = ?1"))?.query_row([id], read_request).optional()
}

/// The requests that wait, oldest first.
pub(super) fn waiting(
    connection: &Connection,
    issuer: Option<&str>,
    after: Option<u64>,
    limit: usize,
) -> rusqlite::Result<Vec<Waiting>> {
    let after = after.map_or(0, |after| i64::try_from(after).unwrap_or(i64::MAX));
    connection.prepare_cached(&of_waiting())?.query_map(params![issuer, after, limit as i64], read_request)?.collect()
}

/// Most requests that wait of one identity and profile: a device that lost its key twice is still heard, and one that asks
/// under a new key or name each second does not fill the records, nor hide what is to be looked at.
const WAITING_LIMIT: i64 = 8;

/// Finds the request that a plan is for, or records it as one that waits; `None` where too many do.
pub(super) fn request_of(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    plan: &Plan,
    approval: &Approval,
    now: Time,
) -> Result<Option<Waiting>, Trouble> {
    let (claim, Approval { names_sha256, alt_names }) = (&plan.right.claim, approval);
    let found = transaction
        .prepare_cached(&of_claim())?
        .query_row(params![journal.issuer(), plan.profile, plan.identity, claim, names_sha256], read_request)
        .optional()?;
    if let Some(found) = found {
        return Ok(Some(found));
    }
    let waiting: i64 = transaction
        .prepare_cached(
            "SELECT count(*) FROM request WHERE issuer = ?1 AND profile = ?2 AND identity = ?3 AND state = 'waiting'",
        )?
        .query_row(params![journal.issuer(), plan.profile, plan.identity], |row| row.get(0))?;
    if waiting >= WAITING_LIMIT {
        return Ok(None);
    }
    let by = plan.right.by.clone().unwrap_or_default();
    let made = transaction
        .prepare_cached(
            "INSERT INTO request
                 (issuer, profile, identity, claim, names_sha256, subject, alt_names, by, requested_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'waiting')
             RETURNING id, issuer, profile, identity, claim, subject, alt_names, by, requested_at, state",
        )?
        .query_row(
            params![
                journal.issuer(),
                plan.profile,
                plan.identity,
                claim,
                names_sha256,
                plan.subject,
                alt_names.join("\n"),
                by,
                now.unix_timestamp(),
            ],
            read_request,
        )?;
    journal.append(Event::Wait {
        request: made.id,
        identity: plan.identity.clone(),
        profile: plan.profile.clone(),
        claim: to_hex(claim),
        by,
    })?;
    Ok(Some(made))
}

/// Whether a plan's claim got a certificate of the same names by an approval before.
pub(super) fn was_granted(
    transaction: &Transaction<'_>,
    issuer: &str,
    plan: &Plan,
    approval: &Approval,
) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM request WHERE issuer = ?1 AND profile = ?2 AND identity = ?3 AND claim = ?4
                            AND names_sha256 = ?5 AND state = 'granted')",
        )?
        .query_row(params![issuer, plan.profile, plan.identity, plan.right.claim, approval.names_sha256], |row| {
            row.get(0)
        })
}

/// Sets how a request stands.
pub(super) fn set_state(
    transaction: &Transaction<'_>,
    id: u64,
    state: WaitingState,
    now: Time,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE request SET state = ?2, decided_at = ?3 WHERE id = ?1")?
        .execute(params![id as i64, state.name(), now.unix_timestamp()])
        .map(drop)
}

/// Approves a request, or refuses it.
pub(super) fn decide(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    id: u64,
    approve: bool,
    now: Time,
) -> Result<Decided, Trouble> {
    let found = request(transaction, id)?.filter(|request| request.issuer == journal.issuer());
    let Some(mut found) = found else { return Ok(Decided::Unknown) };
    let wanted = if approve { WaitingState::Approved } else { WaitingState::Refused };
    if found.state == WaitingState::Granted {
        return Ok(Decided::TooLate(found));
    }
    if found.state != wanted {
        set_state(transaction, id, wanted, now)?;
        journal.append(if approve { Event::Approve { request: id } } else { Event::Disapprove { request: id } })?;
        found.state = wanted;
    }
    Ok(Decided::Done(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;

    /// What a server looks up for each request, and what an operator lists, costs the same however much there is.
    #[test]
    fn every_lookup_has_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(&folder.path().join("ca.db")).unwrap();
        for (sql, parameters, index) in [
            (of_token_id(), 1, "INDEX token_sha256"),
            (in_order(Some("device")), 3, "INDEX token_issuer"),
            (in_order(None), 3, "PRIMARY KEY"),
            (of_claim(), 5, "INDEX request_claim"),
            (of_waiting(), 3, "INDEX request_waiting"),
        ] {
            let plan = store.plan_of(&sql, vec![rusqlite::types::Value::Null; parameters]);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}
