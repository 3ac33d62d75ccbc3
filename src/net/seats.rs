//! Who is connected to a server, for how long, and who has to go where one more comes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limits;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the TLS handshake.
    Handshake,
    /// Between two requests.
    Idle,
    /// A request's header is coming.
    Header,
    /// A request's body is coming.
    Body,
    /// The service is at work.
    Work,
    /// The peer takes the response.
    Answer,
}

/// The seats of a server.
pub(super) struct Seats {
    limits: Limits,
    room: Mutex<Room>,
}

struct Room {
    free: usize,
    next: u64,
    /// Those whose request is not at work, by the time since when: numbers are given in order.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

impl Seats {
    /// Makes so many seats.
    pub(super) fn new(count: usize, limits: Limits) -> Arc<Self> {
        let room = Room { free: count, next: 0, waiting: BTreeMap::new() };
        Arc::new(Self { limits, room: Mutex::new(room) })
    }

    /// Takes a seat. Where none is free, it is the seat of whoever has been longest without a request at work: slow peers
    /// do not lock others out. `None` where the requests of all are at work.
    pub(super) fn take(self: &Arc<Self>) -> Option<Arc<Seat>> {
        let mut room = self.room();
        if room.free == 0 {
            room.evict()?;
        }
        room.free -= 1;
        let evicted = Arc::new(Notify::new());
        let place = room.wait(&evicted);
        let now = Instant::now();
        let state = State { phase: Phase::Handshake, since: now, first_byte: now, place: Some(place) };
        Some(Arc::new(Seat { seats: self.clone(), evicted, state: Mutex::new(state) }))
    }

    /// Frees the seat of whoever has waited longest: the system has no room for one more connection.
    pub(super) fn evict(&self) {
        self.room().evict();
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn evict(&mut self) -> Option<()> {
        let (_, evicted) = self.waiting.pop_first()?;
        evicted.notify_one();
        self.free += 1;
        Some(())
    }

    fn wait(&mut self, evicted: &Arc<Notify>) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, evicted.clone());
        self.next
    }
}

/// One connection's seat, free again when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    evicted: Arc<Notify>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    since: Instant,
    first_byte: Instant,
    /// The number among those that wait; it stays when the seat was taken away.
    place: Option<u64>,
}

impl Seat {
    pub(super) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Goes on to a phase.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        let now = Instant::now();
        // A request that came while the one before was answered is read without a look at the connection.
        if phase == Phase::Header || phase == Phase::Body && state.phase != Phase::Header {
            state.first_byte = now;
        }
        match (phase, state.place) {
            (Phase::Work, Some(place)) if self.seats.room().waiting.remove(&place).is_some() => state.place = None,
            // From here on nothing is done for it until its next request is there.
            (Phase::Answer, None) => state.place = Some(self.seats.room().wait(&self.evicted)),
            _ => {}
        }
        (state.phase, state.since) = (phase, now);
    }

    /// Goes from one phase to another, if it is the present one.
    pub(super) fn advance(&self, from: Phase, to: Phase) {
        if self.phase() == from {
            self.enter(to);
        }
    }

    /// When the first byte of the request at hand came.
    pub(super) fn first_byte(&self) -> Instant {
        self.state().first_byte
    }

    /// When the present phase has to be over.
    pub(super) fn deadline(&self) -> Instant {
        let limits = &self.seats.limits;
        let state = self.state();
        match state.phase {
            Phase::Handshake => state.since + limits.handshake,
            Phase::Idle | Phase::Header => state.since + limits.header,
            // The request itself is answered at its limit: this is for whom even that does not reach.
            Phase::Body | Phase::Work => state.first_byte + limits.request + limits.response,
            Phase::Answer => state.since + limits.response,
        }
    }

    /// Waits until somebody else gets the seat.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let place = self.state().place;
        let mut room = self.seats.room();
        if place.is_none_or(|place| room.waiting.remove(&place).is_some()) {
            room.free += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longest_goes_first_and_who_is_answered_stays() {
        let seats = Seats::new(2, Limits::default());
        let (first, second) = (seats.take().unwrap(), seats.take().unwrap());
        first.enter(Phase::Body);
        first.enter(Phase::Work);
        let third = seats.take().unwrap();
        let is_evicted =
            |seat: &Seat| seat.state().place.is_some_and(|place| !seats.room().waiting.contains_key(&place));
        assert!(!is_evicted(&first) && is_evicted(&second) && !is_evicted(&third));
        third.enter(Phase::Work);
        assert!(seats.take().is_none());
        // The seat that was taken away is not free a second time.
        drop(second);
        assert!(seats.take().is_none());
        first.enter(Phase::Answer);
        first.enter(Phase::Idle);
        let fourth = seats.take().unwrap();
        assert!(is_evicted(&first));
        drop((first, third, fourth));
        let room = seats.room();
        assert_eq!((room.free, room.waiting.len()), (2, 0));
    }

    /// A seat that was taken away in the moment in which the request was complete is not given back twice either.
    #[test]
    fn a_late_request_does_not_take_the_seat_back() {
        let seats = Seats::new(1, Limits::default());
        let first = seats.take().unwrap();
        let second = seats.take().unwrap();
        first.enter(Phase::Work);
        first.enter(Phase::Answer);
        first.enter(Phase::Idle);
        drop(first);
        assert_eq!(seats.room().free, 0);
        drop(second);
        assert_eq!(seats.room().free, 1);
    }
}
