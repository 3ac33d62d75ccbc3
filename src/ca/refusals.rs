//! How many refusals of one credential are recorded.
//!
//! The audit record keeps every line for ever, and each costs the disk a turn. A device that is known may be broken, or in
//! other hands, and ask all day for what it does not get: of that the first lines tell enough, and the server's log has the
//! rest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::Duration;

use crate::x509::Time;

/// The time in which refusals of one credential are counted.
const PERIOD: Duration = Duration::hours(1);

/// Most refusals of one credential that are recorded in that time: one a minute is what a stubborn device makes.
const LIMIT: u32 = 60;

/// Most credentials that are counted: what they take stays below 10 MB.
const CREDENTIALS: usize = 50_000;

/// Counts the refusals of credentials, each by what the records call it.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    since: Option<Time>,
    refusals: HashMap<String, u32>,
}

impl Refusals {
    /// Whether another refusal is recorded; the operator's own always is.
    pub fn is_recorded(&self, by: Option<&str>, now: Time) -> bool {
        by.is_none_or(|by| self.counted(now).refusals.get(by).is_none_or(|count| *count < LIMIT))
    }

    /// Counts one.
    pub fn count(&self, by: Option<&str>, now: Time) {
        if let Some(by) = by {
            let mut counted = self.counted(now);
            let count = counted.refusals.entry(by.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn counted(&self, now: Time) -> MutexGuard<'_, Counted> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_present = counted.since.is_some_and(|since| (since..since.saturating_add(PERIOD)).contains(&now));
        if !is_present || counted.refusals.len() > CREDENTIALS {
            *counted = Counted { since: Some(now), refusals: HashMap::new() };
        }
        counted
    }
}
