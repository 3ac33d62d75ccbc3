//! The audit record of one issuer within a transaction.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Trouble;
use crate::key::{Hash, Hasher, Signer};
use crate::store::Error;
use crate::store::audit::{Event, Extent, Fault, Head};
use crate::x509::{Certificate, Time};

/// An audit record that is being written to.
pub(super) struct Journal<'t> {
    transaction: &'t Transaction<'t>,
    issuer: &'t str,
    now: Time,
    extent: Extent,
    appended: bool,
}

impl<'t> Journal<'t> {
    /// Takes up the record of an issuer. Its head and its last line must agree, else it is left alone. A CA that is older
    /// than its record starts with a line about the certificates that are there.
    pub fn open(transaction: &'t Transaction<'t>, issuer: &'t str, now: Time) -> Result<Self, Trouble> {
        let head = head(transaction, issuer)?;
        let extent = head.map_or_else(Extent::default, |head| head.extent);
        let last: Option<(i64, String)> = transaction
            .prepare_cached("SELECT n, line FROM audit WHERE issuer = ?1 ORDER BY n DESC LIMIT 1")?
            .query_row([issuer], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let found = match &last {
            Some((n, line)) => Extent {
                count: u64::try_from(*n).unwrap_or_default(),
                hash: Hash::Sha256.digest(line.as_bytes()).bytes().try_into().unwrap_or_default(),
            },
            None => Extent::default(),
        };
        if found != extent {
            let fault = if found.count == extent.count {
                Fault::Chain { n: found.count }
            } else {
                Fault::Count { found: found.count, head: extent.count }
            };
            return Err(Error::Audit { issuer: issuer.to_owned(), fault }.into());
        }
        let last_id: Option<i64> =
            transaction.prepare_cached("SELECT max(last_id) FROM audit_head")?.query_row([], |row| row.get(0))?;
        if last_id.unwrap_or_default() > last_certificate(transaction)? {
            return Err(Trouble::Damaged("they lack certificates that were planned"));
        }
        let mut journal = Self { transaction, issuer, now, extent, appended: false };
        if extent.count == 0 {
            journal.adopt()?;
        }
        Ok(journal)
    }

    /// Whose record it is.
    pub fn issuer(&self) -> &'t str {
        self.issuer
    }

    /// How many lines there are.
    pub fn count(&self) -> u64 {
        self.extent.count
    }

    /// Puts an event behind the record.
    pub fn append(&mut self, event: Event) -> Result<(), Trouble> {
        let (line, extent) = self.extent.append(self.issuer, event, self.now);
        self.transaction
            .prepare_cached("INSERT INTO audit (issuer, n, line) VALUES (?1, ?2, ?3)")?
            .execute(params![self.issuer, extent.count as i64, line])?;
        self.extent = extent;
        self.appended = true;
        Ok(())
    }

    /// Signs the head where something was appended, and returns the number of lines.
    pub fn seal(self, signer: &dyn Signer) -> Result<u64, Trouble> {
        if self.appended {
            let time = self.now.unix_timestamp();
            let head = Head::sign(self.issuer, self.extent, time, signer).map_err(Error::Key)?;
            self.transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO audit_head (issuer, count, hash, time, last_id, signer, signature)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    head.issuer,
                    head.extent.count as i64,
                    head.extent.hash.as_slice(),
                    head.time,
                    last_certificate(self.transaction)?,
                    head.signer,
                    head.signature
                ])?;
        }
        Ok(self.extent.count)
    }

    fn adopt(&mut self) -> Result<(), Trouble> {
        match count(self.transaction, self.issuer)? {
            0 => Ok(()),
            certificates => {
                let sha256 = adopted(self.transaction, self.issuer, certificates)?;
                self.append(Event::Adopt { certificates, sha256 })
            }
        }
    }
}

fn last_certificate(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(id), 0) FROM certificate";
    transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// The signed head of an issuer's record.
pub(super) fn head(connection: &Connection, issuer: &str) -> rusqlite::Result<Option<Head>> {
    let read = |row: &Row<'_>| {
        let (count, hash): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        Ok(Head {
            issuer: issuer.to_owned(),
            // A hash of another length, or a count below zero, agrees with no line.
            extent: Extent {
                count: u64::try_from(count).unwrap_or(u64::MAX),
                hash: hash.try_into().unwrap_or_default(),
            },
            time: row.get(2)?,
            signer: row.get(3)?,
            signature: row.get(4)?,
        })
    };
    connection
        .prepare_cached("SELECT count, hash, time, signer, signature FROM audit_head WHERE issuer = ?1")?
        .query_row([issuer], read)
        .optional()
}

/// The lines behind the first `after` ones.
pub(super) fn lines(connection: &Connection, issuer: &str, after: u64, limit: usize) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT line FROM audit WHERE issuer = ?1 AND n > ?2 ORDER BY n LIMIT ?3")?
        .query_map(params![issuer, after as i64, limit as i64], |row| row.get(0))?
        .collect()
}

/// How many certificates an issuer has.
pub(super) fn count(connection: &Connection, issuer: &str) -> rusqlite::Result<u64> {
    // Not the table itself: this index has the issuer, and is a tenth of its size.
    let sql = "SELECT count(*) FROM certificate INDEXED BY certificate_identity WHERE issuer = ?1";
    let count: i64 = connection.prepare_cached(sql)?.query_row([issuer], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The SHA-256 of an issuer's first certificates: see [`Event::Adopt`].
pub(super) fn adopted(connection: &Connection, issuer: &str, certificates: u64) -> rusqlite::Result<String> {
    let mut hasher = Hasher::new(Hash::Sha256);
    let mut statement = connection.prepare(
        "SELECT identity, profile, to_be_signed, certificate, serial, spki_sha256
         FROM certificate WHERE issuer = ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut rows = statement.query(params![issuer, certificates as i64])?;
    while let Some(row) = rows.next()? {
        let (identity, profile): (String, String) = (row.get(0)?, row.get(1)?);
        let (planned, issued): (Vec<u8>, Option<Vec<u8>>) = (row.get(2)?, row.get(3)?);
        // The same before and after it is signed. What cannot be read is hashed as it is, and agrees with nothing else.
        let to_be_signed = match &issued {
            Some(issued) => Certificate::from_der(issued).map_or(issued.clone(), |it| it.to_be_signed().to_vec()),
            None => planned,
        };
        let (serial, spki_sha256): (Vec<u8>, Vec<u8>) = (row.get(4)?, row.get(5)?);
        for part in [&serial, &spki_sha256, identity.as_bytes(), profile.as_bytes(), &to_be_signed] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    Ok(hasher.finish().to_string())
}
