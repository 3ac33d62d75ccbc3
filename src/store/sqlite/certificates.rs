//! The certificates: reserved, completed, revoked, listed.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::Trouble;
use super::journal::Journal;
use super::rights::{self, Use};
use crate::files::to_hex;
use crate::key::Hash;
use crate::store::audit::{Event, Planned};
use crate::store::{
    CrlPlan, Cursor, Error, Filter, Plan, Record, Reserved, Revoked, Signed, Standing, State, TokenFault, WaitingState,
};
use crate::x509::{Reason, Revocation, Time, colon_hex, rfc3339};

/// What a reservation needs to know about the current certificate of an identity.
struct Current {
    id: i64,
    generation: u32,
    spki_sha256: Vec<u8>,
    serial: Vec<u8>,
    not_after: i64,
    renews: Option<Vec<u8>>,
    is_on_hold: bool,
    claim: Vec<u8>,
    to_be_signed: Vec<u8>,
    certificate: Option<Vec<u8>>,
}

impl Current {
    /// Whether it was planned for another certificate of the issuer than that at work, which cannot sign it.
    fn is_stale(&self, plan: &Plan) -> bool {
        self.certificate.is_none() && self.generation != plan.generation
    }

    /// Whether it is what the same request got: with a token by the use of that token, without by the claim. Whoever asks has
    /// shown by either that the identity is theirs.
    fn is_got_by(&self, plan: &Plan, used: Option<&Use>) -> bool {
        match used {
            Some(used) => used.got(&self.serial),
            None => !plan.right.claim.is_empty() && self.claim == plan.right.claim,
        }
    }

    /// Whether a plan for another key may take its place: the CA made the key for the same request, and whoever asked lost
    /// both. That makes something new, which an expired token does not.
    fn is_lost_by(&self, plan: &Plan, used: Option<&Use>) -> bool {
        self.is_got_by(plan, used) && used.is_none_or(Use::may_supersede)
    }
}

/// Finds an earlier ask for the same, or what stands in the way of a plan; else records it.
pub(super) fn reserve(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    plan: &Plan,
    now: Time,
) -> Result<Reserved, Trouble> {
    let reserved = match decide(transaction, journal, plan, now)? {
        Verdict::Answer(answer) => answer,
        Verdict::Plan(replaced) => record_plan(transaction, journal, plan, replaced, now)?,
    };
    if let Some(code) = refusal(&reserved).filter(|_| !plan.right.is_quiet) {
        journal.append(Event::Refuse {
            code: code.to_owned(),
            identity: plan.identity.clone(),
            profile: plan.profile.clone(),
            spki_sha256: to_hex(&plan.spki_sha256),
            by: plan.right.by.clone(),
        })?;
    }
    Ok(reserved)
}

enum Verdict {
    /// The plan is answered by what is there.
    Answer(Reserved),
    /// The plan is to be recorded, and takes this place.
    Plan(Option<Replaced>),
}

/// Decides about a plan: by the token, by what the identity and the key have, and by whoever has to approve. The token is
/// redeemed where something is issued for it, or waits to be.
fn decide(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    plan: &Plan,
    now: Time,
) -> Result<Verdict, Trouble> {
    let answer = |reserved| Ok(Verdict::Answer(reserved));
    let used = match &plan.right.redeem {
        None => None,
        Some(redeem) => match Use::of(transaction, journal.issuer(), plan, redeem, now)? {
            Ok(used) => Some(used),
            Err(fault) => return answer(Reserved::Token(fault)),
        },
    };
    let redeem = |serial| used.as_ref().map_or(Ok(()), |used| used.record(transaction, serial, now));
    let replaced = match find(transaction, journal.issuer(), plan, used.as_ref(), now)? {
        Found::Same(current) => {
            redeem(Some(current.serial.as_slice()))?;
            return answer(match current.certificate {
                Some(certificate) => Reserved::Issued { certificate },
                None => Reserved::Planned { serial: current.serial, to_be_signed: current.to_be_signed },
            });
        }
        Found::Obstacle(obstacle) => return answer(obstacle),
        Found::Free(replaced) => replaced,
    };
    // What takes the place of what the same request got goes on with that; all else is something new.
    let goes_on = replaced
        .as_ref()
        .is_some_and(|replaced| replaced.reason.is_some() && replaced.current.is_got_by(plan, used.as_ref()));
    if let (Some(used), false) = (&used, goes_on)
        && let Err(fault) = used.may_plan()
    {
        return answer(Reserved::Token(fault));
    }
    // Other names than those that were approved are looked at like any.
    if let Some(approval) = &plan.right.approval
        && !(goes_on && rights::was_granted(transaction, journal.issuer(), plan, approval)?)
    {
        let Some(request) = rights::request_of(transaction, journal, plan, approval, now)? else {
            return answer(Reserved::TooManyWait);
        };
        match request.state {
            WaitingState::Approved => rights::set_state(transaction, request.id, WaitingState::Granted, now)?,
            WaitingState::Refused => return answer(Reserved::Disapproved { id: request.id }),
            WaitingState::Waiting | WaitingState::Granted => {
                redeem(None)?;
                return answer(Reserved::Pending { id: request.id });
            }
        }
    }
    match &used {
        Some(used) if goes_on => used.move_to(transaction, &plan.serial)?,
        _ => redeem(Some(plan.serial.as_slice()))?,
    }
    Ok(Verdict::Plan(replaced))
}

/// Records a plan, and makes what it takes the place of a past one.
fn record_plan(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    plan: &Plan,
    replaced: Option<Replaced>,
    now: Time,
) -> Result<Reserved, Trouble> {
    if let Some(Replaced { current, reason }) = replaced {
        retire(transaction, current.id, reason.map(|reason| (now, reason)))?;
        if let Some(reason) = reason {
            journal.append(Event::Revoke { serial: colon_hex(&current.serial), reason: reason.to_string() })?;
        }
    }
    insert(transaction, journal.issuer(), plan, now)?;
    let planned = Planned {
        serial: colon_hex(&plan.serial),
        identity: plan.identity.clone(),
        profile: plan.profile.clone(),
        profile_sha256: to_hex(&plan.profile_sha256),
        spki_sha256: to_hex(&plan.spki_sha256),
        to_be_signed_sha256: Hash::Sha256.digest(&plan.to_be_signed).to_string(),
        not_after: rfc3339(plan.validity.1),
        renews: match &plan.standing {
            Standing::Renew { serial } => Some(colon_hex(serial)),
            _ => None,
        },
        outlives_issuer: plan.outlives_issuer,
        by: plan.right.by.clone(),
    };
    journal.append(if plan.generation == 0 { Event::IssueCa(planned) } else { Event::Issue(planned) })?;
    Ok(Reserved::Planned { serial: plan.serial.clone(), to_be_signed: plan.to_be_signed.clone() })
}

enum Found {
    /// An earlier ask for the same: its plan, or its certificate.
    Same(Current),
    /// What stands in the way.
    Obstacle(Reserved),
    /// The plan may be recorded.
    Free(Option<Replaced>),
}

/// What goes into the past when a plan takes its place.
struct Replaced {
    current: Current,
    /// Why it is revoked; `None` where it stays valid until its end, or has ended.
    reason: Option<Reason>,
}

fn find(
    transaction: &Transaction<'_>,
    issuer: &str,
    plan: &Plan,
    used: Option<&Use>,
    now: Time,
) -> rusqlite::Result<Found> {
    let obstacle = |reserved| Ok(Found::Obstacle(reserved));
    let mut replaced = None;
    match (current(transaction, issuer, plan)?, &plan.standing) {
        (Some(current), standing) if current.not_after >= now.unix_timestamp() => {
            let serial = current.serial.clone();
            let is_same_key = current.spki_sha256 == plan.spki_sha256;
            let is_same_ask = match standing {
                Standing::Renew { serial } => is_same_key && current.renews.as_ref() == Some(serial),
                _ => is_same_key,
            };
            if current.is_on_hold && !matches!(standing, Standing::Supersede(_)) {
                return obstacle(Reserved::OnHold { serial });
            }
            let reason = match standing {
                Standing::Supersede(reason) if !is_same_key || current.is_stale(plan) => Some(*reason),
                // A signature may have been made, and lost.
                _ if is_same_ask && current.is_stale(plan) => Some(Reason::Superseded),
                Standing::Renew { serial } if current.serial == *serial => {
                    current.is_stale(plan).then_some(Reason::Superseded)
                }
                _ if is_same_ask => return Ok(Found::Same(current)),
                Standing::New if current.is_lost_by(plan, used) => Some(Reason::Superseded),
                Standing::Renew { .. } => return obstacle(Reserved::NotCurrent { serial }),
                _ => return obstacle(Reserved::IdentityTaken { serial }),
            };
            replaced = Some(Replaced { current, reason });
        }
        (_, Standing::Renew { serial }) => return obstacle(Reserved::NotCurrent { serial: serial.clone() }),
        (Some(current), _) => replaced = Some(Replaced { current, reason: None }),
        (None, _) => {}
    }
    // A device that was put out of service is not to put itself back into it.
    if replaced.is_none()
        && plan.right.is_standing()
        && plan.standing == Standing::New
        && let Some(serial) = withdrawn(transaction, issuer, plan)?
    {
        return obstacle(Reserved::Withdrawn { serial });
    }
    let mut statement = transaction.prepare_cached(
        "SELECT identity, serial, reason FROM certificate
         WHERE substr(spki_sha256, 1, 8) = substr(?1, 1, 8) AND spki_sha256 = ?1",
    )?;
    let mut rows = statement.query([&plan.spki_sha256])?;
    while let Some(row) = rows.next()? {
        let (identity, serial): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        if row.get::<_, Option<u8>>(2)? == Some(Reason::KeyCompromise.code()) {
            return obstacle(Reserved::KeyCompromised { serial });
        }
        if identity != plan.identity {
            return obstacle(Reserved::KeyTaken { identity, serial });
        }
    }
    Ok(Found::Free(replaced))
}

/// The code under which a refusal is recorded; `None` for what is no refusal.
fn refusal(reserved: &Reserved) -> Option<&'static str> {
    match reserved {
        Reserved::Planned { .. } | Reserved::Issued { .. } | Reserved::Pending { .. } => None,
        // The decision is on record; a device that asks again makes no new one.
        Reserved::Disapproved { .. } => None,
        // What waits is on record, and whoever asks too often is not to fill that.
        Reserved::TooManyWait => None,
        Reserved::Token(TokenFault::Unknown) => Some("unknown-token"),
        Reserved::Token(TokenFault::Expired { .. }) => Some("token-expired"),
        Reserved::Token(TokenFault::Revoked { .. }) => Some("token-revoked"),
        Reserved::Token(TokenFault::UsedUp { .. }) => Some("token-used"),
        Reserved::Token(TokenFault::OtherFlow { .. }) => Some("token-flow"),
        Reserved::Token(TokenFault::OtherProfile { .. }) => Some("token-profile"),
        Reserved::Token(TokenFault::OtherIdentity { .. }) => Some("other-identity"),
        Reserved::IdentityTaken { .. } => Some("identity-taken"),
        Reserved::KeyTaken { .. } => Some("key-taken"),
        Reserved::KeyCompromised { .. } => Some("key-compromised"),
        Reserved::OnHold { .. } => Some("on-hold"),
        Reserved::Withdrawn { .. } => Some("withdrawn"),
        Reserved::NotCurrent { .. } => Some("not-renewable"),
    }
}

fn current(transaction: &Transaction<'_>, issuer: &str, plan: &Plan) -> rusqlite::Result<Option<Current>> {
    let read = |row: &Row<'_>| {
        Ok(Current {
            id: row.get(0)?,
            spki_sha256: row.get(1)?,
            serial: row.get(2)?,
            not_after: row.get(3)?,
            renews: row.get(4)?,
            is_on_hold: row.get::<_, Option<u8>>(5)?.is_some(),
            to_be_signed: row.get(6)?,
            certificate: row.get(7)?,
            generation: row.get(8)?,
            claim: row.get(9)?,
        })
    };
    transaction
        .prepare_cached(
            "SELECT id, spki_sha256, serial, not_after, renews, reason, to_be_signed, certificate, generation,
                    claim
             FROM certificate WHERE identity = ?1 AND profile = ?2 AND issuer = ?3 AND past = 0",
        )?
        .query_row([&plan.identity, &plan.profile, issuer], read)
        .optional()
}

/// The serial number of the identity's last certificate, where that was revoked and not for another one in its place.
fn withdrawn(transaction: &Transaction<'_>, issuer: &str, plan: &Plan) -> rusqlite::Result<Option<Vec<u8>>> {
    let last: Option<(Vec<u8>, Option<u8>)> = transaction
        .prepare_cached(
            "SELECT serial, reason FROM certificate WHERE identity = ?1 AND profile = ?2 AND issuer = ?3
             ORDER BY past DESC LIMIT 1",
        )?
        .query_row([&plan.identity, &plan.profile, issuer], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_withdrawn = |reason: Option<u8>| reason.is_some_and(|reason| reason != Reason::Superseded.code());
    Ok(last.and_then(|(serial, reason)| is_withdrawn(reason).then_some(serial)))
}

/// Makes a certificate a past one, revoked where that is said.
fn retire(transaction: &Transaction<'_>, id: i64, revoked: Option<(Time, Reason)>) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE certificate SET past = id, revoked_at = coalesce(?2, revoked_at), reason = coalesce(?3, reason)
             WHERE id = ?1",
        )?
        .execute(params![id, revoked.map(|(time, _)| time.unix_timestamp()), revoked.map(|(_, reason)| reason.code())])
        .map(drop)
}

fn insert(transaction: &Transaction<'_>, issuer: &str, plan: &Plan, now: Time) -> rusqlite::Result<()> {
    let renews = match &plan.standing {
        Standing::Renew { serial } => Some(serial),
        Standing::New | Standing::Supersede(_) => None,
    };
    transaction
        .prepare_cached(
            "INSERT INTO certificate
                 (planned_at, issuer, generation, profile, identity, spki_sha256, serial, subject, not_before, not_after,
                  renews, past, claim, to_be_signed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13)",
        )?
        .execute(params![
            now.unix_timestamp(),
            issuer,
            plan.generation,
            plan.profile,
            plan.identity,
            plan.spki_sha256,
            plan.serial,
            plan.subject,
            plan.validity.0.unix_timestamp(),
            plan.validity.1.unix_timestamp(),
            renews,
            plan.right.claim,
            plan.to_be_signed,
        ])
        .map(drop)
}

/// Records a certificate unless one is there already, and returns the one that is there; `None` where it was revoked
/// before it was signed.
pub(super) fn complete(transaction: &Transaction<'_>, signed: &Signed) -> Result<Option<Vec<u8>>, Trouble> {
    let recorded: Option<(Vec<u8>, Option<i64>)> = transaction
        .prepare_cached(
            "UPDATE certificate SET certificate = coalesce(certificate, ?2), to_be_signed = x''
             WHERE serial = ?1 RETURNING certificate, revoked_at",
        )?
        .query_row(params![signed.serial, signed.certificate], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match recorded {
        Some((certificate, None)) => Ok(Some(certificate)),
        Some((_, Some(_))) => Ok(None),
        None => Err(Error::NotPlanned { serial: signed.serial.clone() }.into()),
    }
}

/// Revokes a certificate of the journal's issuer, or releases it.
pub(super) fn revoke(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    serial: &[u8],
    reason: Reason,
    now: Time,
) -> Result<Revoked, Trouble> {
    let found: Option<(i64, Option<u8>)> = transaction
        .prepare_cached("SELECT id, reason FROM certificate WHERE serial = ?1 AND issuer = ?2")?
        .query_row(params![serial, journal.issuer()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, before)) = found else { return Ok(Revoked::Unknown) };
    let before = before.and_then(Reason::from_code);
    match (before, reason) {
        (Some(Reason::CertificateHold), Reason::RemoveFromCrl) => {
            transaction
                .prepare_cached("UPDATE certificate SET revoked_at = NULL, reason = NULL WHERE id = ?1")?
                .execute([id])?;
            journal.append(Event::Release { serial: colon_hex(serial) })?;
            Ok(Revoked::Released)
        }
        (_, Reason::RemoveFromCrl) => Ok(Revoked::NotOnHold),
        (Some(before), _) if before != Reason::CertificateHold || before == reason => Ok(Revoked::Already(before)),
        _ => {
            // On hold it may come back, and keeps its identity.
            let keeps_identity = reason == Reason::CertificateHold;
            transaction
                .prepare_cached(
                    "UPDATE certificate SET revoked_at = ?2, reason = ?3, past = iif(?4, past, id) WHERE id = ?1",
                )?
                .execute(params![id, now.unix_timestamp(), reason.code(), keeps_identity])?;
            journal.append(Event::Revoke { serial: colon_hex(serial), reason: reason.to_string() })?;
            Ok(Revoked::Now)
        }
    }
}

/// Numbers a list. A certificate that has ended stays until one list that was made after its end has named it (RFC 5280
/// section 3.3).
pub(super) fn plan_crl(
    transaction: &Transaction<'_>,
    journal: &mut Journal<'_>,
    generations: &[u32],
    (this_update, next_update): (Time, Time),
) -> Result<CrlPlan, Trouble> {
    let now = this_update.unix_timestamp();
    let generation = generations.iter().min().copied().unwrap_or(1);
    let last: Option<i64> = transaction
        .prepare_cached("SELECT max(number) FROM crl WHERE issuer = ?1")?
        .query_row([journal.issuer()], |row| row.get(0))?;
    let last_update: Option<i64> = transaction
        .prepare_cached("SELECT max(this_update) FROM crl WHERE issuer = ?1 AND generation = ?2")?
        .query_row(params![journal.issuer(), generation], |row| row.get(0))?;
    let number = last.map_or(now, |last| now.max(last.saturating_add(1)));
    let mut statement = transaction.prepare_cached(
        "SELECT serial, revoked_at, reason, generation FROM certificate
         WHERE revoked_at IS NOT NULL AND issuer = ?1 AND not_after >= ?2 ORDER BY serial",
    )?;
    let mut rows = statement.query(params![journal.issuer(), last_update.unwrap_or(0)])?;
    let mut revoked = Vec::new();
    while let Some(row) = rows.next()? {
        if generations.contains(&row.get(3)?) {
            let time = Time::from_unix_timestamp(row.get(1)?).unwrap_or(this_update);
            let reason = Reason::from_code(row.get(2)?).unwrap_or(Reason::Unspecified);
            revoked.push(Revocation { serial: row.get(0)?, time, reason });
        }
    }
    transaction
        .prepare_cached(
            "INSERT INTO crl (issuer, number, generation, this_update, next_update) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![journal.issuer(), number, generation, now, next_update.unix_timestamp()])?;
    let number = u64::try_from(number).unwrap_or_default();
    let next_update = rfc3339(next_update);
    journal.append(Event::Crl { generation, number, revoked: revoked.len() as u64, next_update })?;
    Ok(CrlPlan { number, revoked })
}

/// Lists by the time of the plan. Each kind of filter that may meet many certificates has an index in that order.
pub(super) fn list(
    connection: &Connection,
    filter: &Filter,
    after: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Vec<Record>> {
    let (sql, values) = query(filter, after, limit);
    connection.prepare_cached(&sql)?.query_map(params_from_iter(values), record)?.collect()
}

/// The words of the index that holds only what ends: 99991231235959Z is no end.
const ENDING: &str = "not_after < 253402300799";

/// The statement for a page, and its values.
fn query(filter: &Filter, after: Option<Cursor>, limit: usize) -> (String, Vec<Value>) {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, given: Vec<Value>| {
        let mut parts = condition.split('?');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (part, value) in parts.zip(given) {
            values.push(value);
            text.push_str(&format!("?{}{part}", values.len()));
        }
        conditions.push(text);
    };
    let Filter { issuer, profile, identity, serial, state, from, until, expires_before, issuing_too } = filter;
    if !issuing_too && serial.is_none() {
        add("generation > 0", vec![]);
    }
    if let Some(after) = after {
        add("(planned_at, id) > (?, ?)", vec![after.time.into(), after.id.into()]);
    }
    // Of several indexes the one of the rarest is to be used; a plus takes the others out of the choice.
    let is_rare_state = expires_before.is_some() || state.is_some_and(|(state, _)| state != State::Issued);
    let is_rare = serial.is_some() || identity.is_some() || is_rare_state;
    if let Some(issuer) = issuer {
        let is_rare = is_rare || profile.is_some();
        add(if is_rare { "+issuer = ?" } else { "issuer = ?" }, vec![issuer.clone().into()]);
    }
    if let Some(profile) = profile {
        add(if is_rare { "+profile = ?" } else { "profile = ?" }, vec![profile.clone().into()]);
    }
    if let Some(identity) = identity {
        let forms = ["", "serialNumber=", "CN=", "dns ", "ip "].map(|kind| Value::from(format!("{kind}{identity}")));
        add("identity IN (?, ?, ?, ?, ?)", forms.to_vec());
    }
    if let Some(serial) = serial {
        add("serial = ?", vec![serial.clone().into()]);
    }
    if let Some(from) = from {
        add("planned_at >= ?", vec![(*from).into()]);
    }
    if let Some(until) = until {
        add("planned_at <= ?", vec![(*until).into()]);
    }
    if let Some(before) = expires_before {
        add(&format!("{ENDING} AND not_after < ?"), vec![(*before).into()]);
    }
    match state {
        None => {}
        Some((State::Revoked, _)) => add("revoked_at IS NOT NULL", vec![]),
        Some((State::Expired, now)) => {
            add(&format!("revoked_at IS NULL AND {ENDING} AND not_after < ?"), vec![(*now).into()]);
        }
        Some((State::Planned, now)) => {
            add("certificate IS NULL AND revoked_at IS NULL AND not_after >= ?", vec![(*now).into()]);
        }
        Some((State::Issued, now)) => {
            let current = "certificate IS NOT NULL AND revoked_at IS NULL AND past = 0 AND not_after >= ?";
            add(current, vec![(*now).into()]);
        }
        Some((State::Replaced, now)) => {
            add("certificate IS NOT NULL AND revoked_at IS NULL AND past <> 0 AND not_after >= ?", vec![(*now).into()]);
        }
    }
    let sql = format!(
        "SELECT id, planned_at, issuer, generation, profile, identity, spki_sha256, serial, subject, not_before, not_after,
                past, revoked_at, reason, to_be_signed, certificate, renews
         FROM certificate WHERE {} ORDER BY planned_at, id LIMIT {limit}",
        conditions.join(" AND ")
    );
    (sql, values)
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let revoked: (Option<i64>, Option<u8>) = (row.get(12)?, row.get(13)?);
    Ok(Record {
        cursor: Cursor { id: row.get(0)?, time: row.get(1)? },
        issuer: row.get(2)?,
        generation: row.get(3)?,
        profile: row.get(4)?,
        identity: row.get(5)?,
        spki_sha256: row.get(6)?,
        serial: row.get(7)?,
        subject: row.get(8)?,
        validity: (row.get(9)?, row.get(10)?),
        is_current: row.get::<_, i64>(11)? == 0,
        revoked: revoked.0.map(|time| (time, revoked.1.and_then(Reason::from_code).unwrap_or(Reason::Unspecified))),
        to_be_signed: row.get(14)?,
        certificate: row.get(15)?,
        renews: row.get(16)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;

    /// A page costs the same wherever it stands, and however few certificates a filter meets: each filter has an index
    /// in the order of the list, and nothing is sorted.
    #[test]
    fn every_filter_has_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(&folder.path().join("ca.db")).unwrap();
        let state = |state| Filter { state: Some((state, 7)), ..Filter::default() };
        let some = |text: &str| Some(text.to_owned());
        for (filter, index) in [
            (Filter::default(), "certificate_time"),
            (Filter { from: Some(1), until: Some(2), ..Filter::default() }, "certificate_time"),
            (Filter { issuer: some("firmware"), ..Filter::default() }, "certificate_issuer"),
            (Filter { profile: some("ocsp"), ..Filter::default() }, "certificate_profile"),
            (Filter { profile: some("ocsp"), issuer: some("device"), ..Filter::default() }, "certificate_profile"),
            (Filter { expires_before: Some(7), ..Filter::default() }, "certificate_ending"),
            (Filter { issuer: some("device"), ..state(State::Expired) }, "certificate_ending"),
            (
                Filter { issuer: some("device"), profile: some("idevid"), ..state(State::Revoked) },
                "certificate_revoked",
            ),
            (state(State::Expired), "certificate_ending"),
            (state(State::Planned), "certificate_planned"),
            (state(State::Replaced), "certificate_past"),
            (state(State::Revoked), "certificate_revoked"),
            (state(State::Issued), "certificate_time"),
        ] {
            for after in [None, Some(Cursor { time: 1, id: 1 })] {
                let (sql, values) = query(&filter, after, 10);
                let plan = store.plan_of(&sql, values);
                assert!(plan.contains(&format!(" INDEX {index}")) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
            }
        }
        // What few have is found by it, and sorted.
        for (filter, index) in [
            (Filter { serial: Some(vec![1]), ..Filter::default() }, "certificate_serial"),
            (Filter { identity: some("SN-1"), ..Filter::default() }, "certificate_identity"),
            (
                Filter { identity: some("SN-1"), issuer: some("device"), profile: some("idevid"), ..Filter::default() },
                "certificate_identity",
            ),
            (Filter { serial: Some(vec![1]), issuer: some("device"), ..state(State::Issued) }, "certificate_serial"),
        ] {
            let (sql, values) = query(&filter, None, 10);
            let plan = store.plan_of(&sql, values);
            assert!(plan.contains(&format!(" INDEX {index}")), "{sql}: {plan}");
        }
    }
}
