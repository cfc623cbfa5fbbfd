use std::sync::Arc;

use parking_lot::Mutex;
use querygate_record::HoldId;
use tokio::sync::oneshot;

use crate::{Request, Ruling, Store, StoreError};

/// One request that waits. Its state is what makes its outcome the only one. The lock on it is never held while something is
/// written down, so an asker's event loop never waits for a reviewer's log entry to reach the disk.
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    pub(crate) request: Arc<Request>,
    state: Mutex<State>,
}

enum State {
    Waiting(oneshot::Sender<Ruling>),
    /// A reviewer's ruling is being written down. Should that fail, the wait ends as the asker asked meanwhile, if it did.
    Ruling(oneshot::Sender<Ruling>, Option<Ruling>),
    /// With the name of the outcome.
    Over(&'static str),
}

/// What became of an attempt to end a wait.
pub(crate) enum Ending {
    /// This outcome counts.
    Ended,
    /// This outcome counts, but could not be written down.
    Unwritten(StoreError),
    /// This outcome could not be written down and doesn't count.
    Refused(StoreError),
    /// This outcome could not be written down and doesn't count; the asker's withdrawal, of this name, does.
    Overtaken(StoreError, &'static str),
    /// A reviewer's ruling is being written down and comes first.
    Deciding,
    /// Another outcome, of this name, counts.
    TooLate(&'static str),
    /// The asker is no longer there: the wait ended as `Disconnected`.
    AskerGone,
}

impl Hold {
    pub(crate) fn new(id: HoldId, request: Arc<Request>, asker: oneshot::Sender<Ruling>) -> Hold {
        Hold { id, request, state: Mutex::new(State::Waiting(asker)) }
    }

    /// Ends the wait by a reviewer's ruling: written down first, and only then in effect.
    pub(crate) fn rule(&self, ruling: Ruling, store: &dyn Store) -> Ending {
        if let Some(ending) = self.claim(store) {
            return ending;
        }
        let written = store.ruled(&self.id, &self.request, &ruling);
        let mut state = self.state.lock();
        let claimed = std::mem::replace(&mut *state, State::Over(ruling.name()));
        // Nobody else ends a claim.
        let State::Ruling(asker, withdrawn) = claimed else { return Ending::TooLate(ruling.name()) };
        match (written, withdrawn) {
            (Ok(()), _) => {
                tell(asker, ruling);
                Ending::Ended
            }
            (Err(error), None) => {
                *state = State::Waiting(asker);
                Ending::Refused(error)
            }
            (Err(error), Some(withdrawn)) => {
                let name = withdrawn.name();
                *state = State::Over(name);
                drop(state);
                // The log has just failed; the one who learns of it is the reviewer.
                let _ = store.ruled(&self.id, &self.request, &withdrawn);
                tell(asker, withdrawn);
                Ending::Overtaken(error, name)
            }
        }
    }

    /// Makes the outcome that of one reviewer, while it is written down; or says why it can't be.
    fn claim(&self, store: &dyn Store) -> Option<Ending> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Over(Ruling::Disconnected.name())) {
            State::Waiting(asker) if !asker.is_closed() => {
                *state = State::Ruling(asker, None);
                None
            }
            // The asker's statement can't run any more, so the log must not say that it was approved.
            State::Waiting(_) => {
                drop(state);
                let written = store.ruled(&self.id, &self.request, &Ruling::Disconnected);
                Some(written.map_or_else(Ending::Unwritten, |()| Ending::AskerGone))
            }
            State::Ruling(asker, withdrawn) => {
                *state = State::Ruling(asker, withdrawn);
                Some(Ending::Deciding)
            }
            State::Over(name) => {
                *state = State::Over(name);
                Some(Ending::TooLate(name))
            }
        }
    }

    /// Ends the wait by an outcome that lets nothing run, so it stands even if it can't be written down.
    pub(crate) fn close(&self, ruling: Ruling, store: &dyn Store) -> Ending {
        let mut state = self.state.lock();
        let asker = match std::mem::replace(&mut *state, State::Over(ruling.name())) {
            State::Waiting(asker) => asker,
            State::Ruling(asker, earlier) => {
                *state = State::Ruling(asker, earlier.or(Some(ruling)));
                return Ending::Deciding;
            }
            State::Over(name) => {
                *state = State::Over(name);
                return Ending::TooLate(name);
            }
        };
        drop(state);
        let written = store.ruled(&self.id, &self.request, &ruling);
        tell(asker, ruling);
        written.map_or_else(Ending::Unwritten, |()| Ending::Ended)
    }
}

fn tell(asker: oneshot::Sender<Ruling>, ruling: Ruling) {
    // An asker that has just gone needs no answer.
    let _gone = asker.send(ruling);
}

#[cfg(test)]
mod tests {
    use querygate_record::{Principal, SessionId, StatementId};

    use super::*;

    #[derive(Default)]
    struct Log(Mutex<Vec<Ruling>>);

    impl Store for Log {
        fn asked(&self, _: &HoldId, _: &Request) -> Result<(), StoreError> {
            Ok(())
        }

        fn ruled(&self, _: &HoldId, _: &Request, ruling: &Ruling) -> Result<(), StoreError> {
            self.0.lock().push(ruling.clone());
            Ok(())
        }
    }

    #[test]
    fn an_approval_after_the_asker_has_gone_is_written_as_a_disconnect() {
        let statement = StatementId { session: SessionId(uuid::Uuid::nil()), number: 1 };
        let (sender, receiver) = oneshot::channel();
        let hold = Hold::new(HoldId("h-1".to_owned()), Arc::new(Request::for_statement(statement)), sender);
        drop(receiver);
        let (log, by) = (Log::default(), Principal::local("dana", []));
        let approval = Ruling::Approved { by, because: "agreed".to_owned() };
        assert!(matches!(hold.rule(approval.clone(), &log), Ending::AskerGone));
        assert!(matches!(hold.rule(approval, &log), Ending::TooLate("disconnected")));
        assert_eq!(*log.0.lock(), [Ruling::Disconnected]);
    }
}
