//! A bounded number of places, and a bounded queue for them: first come, first served.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

/// Longest queue for the places of one line.
pub const QUEUE_MAX: usize = 1024;

/// Places that are taken in turn.
#[derive(Debug, Default)]
pub struct Line(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    taken: usize,
    /// Each with the number of places there were when it came.
    waiting: VecDeque<(usize, oneshot::Sender<Place>)>,
}

/// A place, given back on drop.
#[derive(Debug)]
pub struct Place(Option<Arc<Line>>);

/// No place became free in time, or too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Line {
    /// Takes one of `limit` places, waiting for at most `wait`.
    pub async fn enter(self: &Arc<Line>, limit: usize, wait: Duration) -> Result<Place, Full> {
        let turn = {
            let mut state = self.0.lock();
            if state.taken < limit && state.waiting.is_empty() {
                state.taken += 1;
                return Ok(Place(Some(self.clone())));
            }
            if state.waiting.len() >= QUEUE_MAX {
                // Those that gave up are still in it.
                state.waiting.retain(|(_, turn)| !turn.is_closed());
            }
            if state.waiting.len() >= QUEUE_MAX || wait.is_zero() {
                return Err(Full);
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push_back((limit, sender));
            self.hand_over(&mut state);
            turn
        };
        match timeout(wait, turn).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Full),
        }
    }

    /// Gives free places to those who wait.
    fn hand_over(self: &Arc<Line>, state: &mut State) {
        while let Some((limit, turn)) = state.waiting.pop_front() {
            if turn.is_closed() {
                continue;
            }
            if state.taken >= limit {
                state.waiting.push_front((limit, turn));
                return;
            }
            state.taken += 1;
            if let Err(mut refused) = turn.send(Place(Some(self.clone()))) {
                // Whoever waited has just gone: its place must not come back by itself, under this lock.
                refused.0 = None;
                state.taken -= 1;
            }
        }
    }

    /// Whether nobody has or wants a place.
    pub fn is_idle(&self) -> bool {
        let state = self.0.lock();
        state.taken == 0 && state.waiting.is_empty()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            let mut state = line.0.lock();
            state.taken -= 1;
            line.hand_over(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn the_last_place_is_given_and_the_next_one_is_waited_for_in_vain() {
        let line = Arc::new(Line::default());
        let first = line.enter(2, LONG).await.unwrap();
        let _second = line.enter(2, LONG).await.unwrap();
        assert_eq!(line.enter(2, SHORT).await.unwrap_err(), Full);
        assert_eq!(line.enter(2, Duration::ZERO).await.unwrap_err(), Full);
        drop(first);
        line.enter(2, Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_longest_is_served_first_and_who_gave_up_is_passed_over() {
        let line = Arc::new(Line::default());
        let held = line.enter(1, LONG).await.unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        let wait_as = |name: &'static str, wait: Duration| {
            let (line, served) = (line.clone(), served.clone());
            tokio::spawn(async move {
                if let Ok(place) = line.enter(1, wait).await {
                    served.lock().push(name);
                    drop(place);
                }
            })
        };
        wait_as("impatient", SHORT).await.unwrap();
        let mut tasks = Vec::new();
        for name in ["first", "second"] {
            tasks.push(wait_as(name, LONG));
            tokio::task::yield_now().await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*served.lock(), ["first", "second"]);
        assert!(line.is_idle());
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_those_who_gave_up_do_not_fill_it() {
        let line = Arc::new(Line::default());
        let held = line.enter(1, LONG).await.unwrap();
        let mut waiting: Vec<_> = (0..QUEUE_MAX)
            .map(|_| {
                let line = line.clone();
                tokio::spawn(async move { line.enter(1, LONG).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(line.enter(1, Duration::from_millis(1)).await.unwrap_err(), Full);
        waiting.pop().unwrap().abort();
        tokio::task::yield_now().await;
        let late = {
            let line = line.clone();
            tokio::spawn(async move { line.enter(1, LONG).await.map(drop) })
        };
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(late.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_place_handed_to_someone_who_leaves_at_that_moment_is_not_lost() {
        let line = Arc::new(Line::default());
        let held = line.enter(1, LONG).await.unwrap();
        let waiter = line.clone();
        let task = tokio::spawn(async move { waiter.enter(1, LONG).await.map(drop) });
        tokio::task::yield_now().await;
        drop(held);
        task.abort();
        let _ = task.await;
        line.enter(1, Duration::ZERO).await.unwrap();
    }
}
