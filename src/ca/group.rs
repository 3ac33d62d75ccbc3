//! Group commit: many threads have something durable to do, and one of them does it for all in one transaction.
//!
//! What makes a transaction slow is the disk, and that takes as long for one certificate as for a hundred. Who comes while
//! a transaction is under way queues; the first who finds none under way takes the whole queue. So the more threads wait,
//! the more each transaction does, and nobody waits for others to come.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A queue of jobs `T`, each answered by an `R` or by the error `E` of the whole group.
pub(super) struct Group<T, R, E> {
    state: Mutex<State<T, R, E>>,
    answered: Condvar,
}

struct State<T, R, E> {
    /// The number of the next job.
    next: u64,
    /// Whether a thread is at work on jobs that it took.
    is_led: bool,
    waiting: Vec<(u64, T)>,
    answers: HashMap<u64, Result<R, Failure<E>>>,
    /// How often a thread took jobs.
    #[cfg(test)]
    groups: u64,
}

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum Failure<E> {
    /// The whole group failed.
    Failed(Arc<E>),
    /// The thread that was at work on it panicked.
    Abandoned,
}

impl<T, R, E> Group<T, R, E> {
    pub fn new() -> Self {
        let state = State {
            next: 0,
            is_led: false,
            waiting: Vec::new(),
            answers: HashMap::new(),
            #[cfg(test)]
            groups: 0,
        };
        Self { state: Mutex::new(state), answered: Condvar::new() }
    }

    /// Has a job done, by this thread or by another, and returns its answer. `work` does all jobs of a group, and answers
    /// them in order.
    pub fn submit(&self, job: T, work: impl FnOnce(Vec<T>) -> Result<Vec<R>, E>) -> Result<R, Failure<E>> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.waiting.push((number, job));
        let is_to_wait = |state: &mut State<T, R, E>| state.is_led && !state.answers.contains_key(&number);
        state = self.answered.wait_while(state, is_to_wait).unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = state.answers.remove(&number) {
            return answer;
        }
        // Nobody leads, and nobody took the job: it is in the queue with those that came meanwhile.
        state.is_led = true;
        #[cfg(test)]
        {
            state.groups += 1;
        }
        let (numbers, jobs) = std::mem::take(&mut state.waiting).into_iter().unzip();
        drop(state);
        let mut turn = Turn { group: self, numbers };
        turn.end(work(jobs));
        drop(turn);
        self.state().answers.remove(&number).unwrap_or(Err(Failure::Abandoned))
    }

    fn state(&self) -> MutexGuard<'_, State<T, R, E>> {
        // No code that may panic runs while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a thread took jobs.
    #[cfg(test)]
    pub fn groups(&self) -> u64 {
        self.state().groups
    }
}

/// A thread at work on jobs. When it ends, also by a panic, every one of them has an answer and another may lead.
struct Turn<'g, T, R, E> {
    group: &'g Group<T, R, E>,
    /// The jobs that have no answer yet.
    numbers: Vec<u64>,
}

impl<T, R, E> Turn<'_, T, R, E> {
    fn end(&mut self, done: Result<Vec<R>, E>) {
        let numbers = std::mem::take(&mut self.numbers);
        let mut state = self.group.state();
        match done {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for number in numbers {
                    state.answers.insert(number, answers.next().ok_or(Failure::Abandoned));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                state.answers.extend(numbers.into_iter().map(|number| (number, Err(Failure::Failed(error.clone())))));
            }
        }
    }
}

impl<T, R, E> Drop for Turn<'_, T, R, E> {
    fn drop(&mut self) {
        let mut state = self.group.state();
        for number in self.numbers.drain(..) {
            state.answers.insert(number, Err(Failure::Abandoned));
        }
        state.is_led = false;
        drop(state);
        self.group.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    /// Runs `work` from 64 threads at once, each with its number.
    fn at_once<R: Send>(work: impl Fn(u64) -> R + Sync) -> Vec<R> {
        let start = Barrier::new(64);
        std::thread::scope(|scope| {
            let (start, work) = (&start, &work);
            let spawn = |n| {
                scope.spawn(move || {
                    start.wait();
                    work(n)
                })
            };
            let threads: Vec<_> = (0..64).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn each_gets_its_own_answer_and_few_do_the_work() {
        let group: Group<u64, u64, ()> = Group::new();
        let answers = at_once(|n| {
            group.submit(n, |jobs| {
                std::thread::sleep(Duration::from_millis(20));
                Ok(jobs.into_iter().map(|job| job * 10).collect())
            })
        });
        assert!(answers.into_iter().zip(0..).all(|(answer, n)| answer.unwrap() == n * 10));
        assert!(group.groups() < 16, "{} groups", group.groups());
    }

    #[test]
    fn an_error_reaches_everybody_and_the_next_go_on() {
        let group: Group<u64, (), String> = Group::new();
        let answers = at_once(|n| {
            group.submit(n, |_| {
                std::thread::sleep(Duration::from_millis(20));
                Err("disk full".to_owned())
            })
        });
        assert!(answers.iter().all(|answer| matches!(answer, Err(Failure::Failed(why)) if **why == "disk full")));
        assert!(group.submit(0, |jobs| Ok(jobs.into_iter().map(drop).collect())).is_ok());
    }

    #[test]
    fn a_panic_hangs_nobody() {
        let group: Group<u64, (), ()> = Group::new();
        let answers = at_once(|n| {
            let submit = || {
                group.submit(n, |jobs| {
                    std::thread::sleep(Duration::from_millis(20));
                    assert!(!jobs.contains(&7), "a panic on purpose");
                    Ok(jobs.into_iter().map(drop).collect())
                })
            };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(submit))
        });
        let panicked = answers.iter().filter(|answer| answer.is_err()).count();
        assert_eq!(panicked, 1, "only the thread that was at work");
        assert!(answers.iter().flatten().any(|answer| answer.is_ok()) || group.groups() == 1);
        assert!(group.submit(0, |jobs| Ok(jobs.into_iter().map(drop).collect())).is_ok());
    }
}
