use std::sync::Arc;

use parking_lot::Mutex;
use querygate_record::HoldId;
use tokio::sync::oneshot;

use crate::{Request, Ruling, Store, StoreError};

/// One request that waits. Its lock is what makes its outcome the only one; it is held while that is written down.
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    pub(crate) request: Arc<Request>,
    state: Mutex<State>,
}

enum State {
    Waiting(oneshot::Sender<Ruling>),
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
        let mut state = self.state.lock();
        match &*state {
            State::Over(name) => return Ending::TooLate(name),
            State::Waiting(asker) if !asker.is_closed() => {
                if let Err(error) = store.ruled(&self.id, &self.request, &ruling) {
                    return Ending::Refused(error);
                }
                end(&mut state, ruling);
                return Ending::Ended;
            }
            State::Waiting(_) => (),
        }
        // The asker has gone and its statement can't run any more, so the log must not say that it was approved.
        let written = store.ruled(&self.id, &self.request, &Ruling::Disconnected);
        end(&mut state, Ruling::Disconnected);
        written.map_or_else(Ending::Unwritten, |()| Ending::AskerGone)
    }

    /// Ends the wait by an outcome that lets nothing run, so it stands even if it can't be written down.
    pub(crate) fn close(&self, ruling: Ruling, store: &dyn Store) -> Ending {
        let mut state = self.state.lock();
        if let State::Over(name) = &*state {
            return Ending::TooLate(name);
        }
        let written = store.ruled(&self.id, &self.request, &ruling);
        end(&mut state, ruling);
        written.map_or_else(Ending::Unwritten, |()| Ending::Ended)
    }
}

fn end(state: &mut State, ruling: Ruling) {
    if let State::Waiting(asker) = std::mem::replace(state, State::Over(ruling.name())) {
        // An asker that has just gone needs no answer.
        let _gone = asker.send(ruling);
    }
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
