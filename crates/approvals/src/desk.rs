use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use querygate_record::{HoldId, Principal, SessionId, Subject};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    AskError, DecideError, Decision, Held, Request, Ruling, Store, StoreError, Wait, Withdrawal, Withdrawn,
    hold::{Ending, Hold},
};

/// Longest reason of a reviewer, in bytes: it goes to the client in one message.
const MAX_REASON_BYTES: usize = 1024;

/// How many ended requests are remembered, so that whoever decides late is told how it ended.
const REMEMBERED: usize = 256;

/// How much may wait at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one session. A session waits for one statement at a time.
    pub per_session: usize,
    /// Requests of one principal, in all its sessions.
    pub per_principal: usize,
    /// Requests in all.
    pub total: usize,
    /// Bytes of all requests together.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { per_session: 1, per_principal: 32, total: 4096, bytes: 64 << 20 }
    }
}

/// What a desk holds at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests.
    pub requests: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// Which requests to list; nothing set is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Only of this database.
    pub database: Option<String>,
    /// Only of this subject, or on its behalf.
    pub subject: Option<String>,
    /// Only those that an account with one of these roles may decide.
    pub roles: Option<Vec<String>>,
}

impl Filter {
    fn takes(&self, request: &Request) -> bool {
        let principal = &request.principal;
        let about = |name: &String| {
            principal.identity.subject == *name || principal.on_behalf_of.iter().any(|s| s.subject == *name)
        };
        self.database.as_ref().is_none_or(|d| *d == request.database)
            && self.subject.as_ref().is_none_or(about)
            && self.roles.as_ref().is_none_or(|have| request.reviewers.iter().any(|r| r == "*" || have.contains(r)))
    }
}

/// Where statements wait for reviewers. One for the gateway; clones are the same desk. No lock is held while something is
/// written down.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    limits: Limits,
    prefix: String,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    counter: u64,
    reserved: usize,
    bytes: usize,
    holds: HashMap<HoldId, Arc<Hold>>,
    per_session: HashMap<SessionId, usize>,
    per_principal: HashMap<Subject, usize>,
    ended: VecDeque<(HoldId, &'static str)>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

impl Desk {
    /// An empty desk. Its ids carry a random part of its own, so that an id of an earlier run names nothing here.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn new(store: Arc<dyn Store>, limits: Limits) -> Result<Desk, getrandom::Error> {
        let mut tag = [0; 3];
        getrandom::fill(&mut tag)?;
        let [a, b, c] = tag;
        let prefix = format!("h-{a:02x}{b:02x}{c:02x}");
        Ok(Desk(Arc::new(Inner { store, limits, prefix, open: Mutex::default() })))
    }

    /// Holds a statement until somebody decides.
    ///
    /// # Errors
    /// It can't be held and must be refused: no reviewers, too many wait, or it can't be written down.
    pub fn ask(&self, request: Request) -> Result<Wait, AskError> {
        if request.reviewers.is_empty() {
            return Err(AskError::NoReviewers);
        }
        let request = Arc::new(request);
        let (sender, receiver) = oneshot::channel();
        let id = self.0.open.lock().reserve(&self.0, &request)?;
        if let Err(error) = self.0.store.asked(&id, &request) {
            self.0.open.lock().release(&request);
            return Err(error.into());
        }
        let hold = Arc::new(Hold::new(id.clone(), request, sender));
        self.0.open.lock().holds.insert(id.clone(), hold);
        Ok(Wait::new(id, self.clone(), receiver))
    }

    /// A reviewer decides, at `now_ns`. Whether the reviewer's account is enabled is for the caller to check.
    ///
    /// # Errors
    /// The decision doesn't count: see [`DecideError`].
    pub fn decide(
        &self,
        id: &HoldId,
        reviewer: &Principal,
        decision: Decision,
        because: &str,
        now_ns: i64,
    ) -> Result<(), DecideError> {
        let hold = self.find(id)?;
        may_decide(&hold, reviewer)?;
        let because = because.trim();
        if because.is_empty() {
            return Err(DecideError::NoReason);
        }
        if because.len() > MAX_REASON_BYTES {
            return Err(DecideError::LongReason { limit: MAX_REASON_BYTES });
        }
        if now_ns >= hold.request.expires_ns {
            let ending = self.ended(&hold, hold.close(Ruling::Expired, &*self.0.store), Ruling::Expired.name());
            return Err(match ending {
                Ending::TooLate(ruling) => DecideError::Ended { id: id.clone(), ruling },
                Ending::Deciding => DecideError::Deciding { id: id.clone() },
                _ => DecideError::Expired { id: id.clone() },
            });
        }
        let (by, because) = (reviewer.clone(), because.to_owned());
        let ruling = match decision {
            Decision::Approve => Ruling::Approved { by, because },
            Decision::Deny => Ruling::Denied { by, because },
        };
        let name = ruling.name();
        match self.ended(&hold, hold.rule(ruling, &*self.0.store), name) {
            Ending::Ended => Ok(()),
            Ending::Refused(error) | Ending::Overtaken(error, _) => Err(error.into()),
            Ending::Deciding => Err(DecideError::Deciding { id: id.clone() }),
            Ending::TooLate(ruling) => Err(DecideError::Ended { id: id.clone(), ruling }),
            Ending::AskerGone | Ending::Unwritten(_) => Err(DecideError::AskerGone { id: id.clone() }),
        }
    }

    /// The asker gives up.
    ///
    /// # Errors
    /// It could not be written down; the wait is over all the same.
    pub fn withdraw(&self, id: &HoldId, why: Withdrawn) -> Result<Withdrawal, StoreError> {
        let Some(hold) = self.0.open.lock().holds.get(id).cloned() else { return Ok(Withdrawal::TooLate) };
        let ruling = Ruling::from(why);
        let name = ruling.name();
        match self.ended(&hold, hold.close(ruling, &*self.0.store), name) {
            Ending::Ended => Ok(Withdrawal::Done),
            Ending::Unwritten(error) | Ending::Refused(error) | Ending::Overtaken(error, _) => Err(error),
            Ending::Deciding => Ok(Withdrawal::TooLate),
            Ending::TooLate(_) | Ending::AskerGone => Ok(Withdrawal::TooLate),
        }
    }

    /// Ends every wait whose time is over at `now_ns`, and returns them, with the error of those that could not be written down.
    pub fn expire(&self, now_ns: i64) -> Vec<(HoldId, Result<(), StoreError>)> {
        self.close_where(Withdrawn::Expired, |request| request.expires_ns <= now_ns)
    }

    /// Ends every wait, at the gateway's orderly stop.
    pub fn stop(&self) -> Vec<(HoldId, Result<(), StoreError>)> {
        self.close_where(Withdrawn::Stopped, |_| true)
    }

    /// The requests that wait, oldest first.
    pub fn list(&self, filter: &Filter) -> Vec<Held> {
        let open = self.0.open.lock();
        let matching = open.holds.values().filter(|hold| filter.takes(&hold.request));
        let mut list: Vec<Held> =
            matching.map(|hold| Held { id: hold.id.clone(), request: Arc::clone(&hold.request) }).collect();
        drop(open);
        list.sort_by(|a, b| (a.request.asked_ns, &a.id).cmp(&(b.request.asked_ns, &b.id)));
        list
    }

    /// One request that waits.
    pub fn show(&self, id: &HoldId) -> Option<Held> {
        let open = self.0.open.lock();
        open.holds.get(id).map(|hold| Held { id: hold.id.clone(), request: Arc::clone(&hold.request) })
    }

    /// How much waits.
    pub fn usage(&self) -> Usage {
        let open = self.0.open.lock();
        Usage { requests: open.reserved, bytes: open.bytes }
    }

    fn find(&self, id: &HoldId) -> Result<Arc<Hold>, DecideError> {
        let found = self.0.open.lock().holds.get(id).cloned();
        found.ok_or_else(|| self.why_not(id))
    }

    /// Why a request can't be decided that doesn't wait.
    fn why_not(&self, id: &HoldId) -> DecideError {
        let open = self.0.open.lock();
        match open.ended.iter().find(|(ended, _)| ended == id) {
            Some((_, ruling)) => DecideError::Ended { id: id.clone(), ruling },
            None => DecideError::Unknown { id: id.clone() },
        }
    }

    fn close_where(&self, why: Withdrawn, which: impl Fn(&Request) -> bool) -> Vec<(HoldId, Result<(), StoreError>)> {
        let due: Vec<HoldId> = {
            let open = self.0.open.lock();
            open.holds.values().filter(|hold| which(&hold.request)).map(|hold| hold.id.clone()).collect()
        };
        let close = |id: HoldId| match self.withdraw(&id, why) {
            Ok(Withdrawal::Done) => Some((id, Ok(()))),
            Ok(Withdrawal::TooLate) => None,
            Err(error) => Some((id, Err(error))),
        };
        due.into_iter().filter_map(close).collect()
    }

    /// Takes a hold off the desk if its wait is over.
    fn ended(&self, hold: &Hold, ending: Ending, name: &'static str) -> Ending {
        let name = match ending {
            Ending::Ended | Ending::Unwritten(_) => name,
            Ending::AskerGone => Ruling::Disconnected.name(),
            Ending::Overtaken(_, withdrawn) => withdrawn,
            Ending::Refused(_) | Ending::Deciding | Ending::TooLate(_) => return ending,
        };
        let mut open = self.0.open.lock();
        if open.holds.remove(&hold.id).is_some() {
            open.release(&hold.request);
            if open.ended.len() == REMEMBERED {
                open.ended.pop_front();
            }
            open.ended.push_back((hold.id.clone(), name));
        }
        ending
    }
}

impl Open {
    /// Makes room for a request and names it, or says what is full.
    fn reserve(&mut self, desk: &Inner, request: &Request) -> Result<HoldId, AskError> {
        let (session, subject) = (request.statement.session, &request.principal.identity);
        let of_session = self.per_session.get(&session).copied().unwrap_or(0);
        let of_principal = self.per_principal.get(subject).copied().unwrap_or(0);
        let bytes = self.bytes + request.bytes();
        let bounds = [
            ("this session", of_session + 1, desk.limits.per_session, "statements"),
            ("this account", of_principal + 1, desk.limits.per_principal, "statements"),
            ("the gateway", self.reserved + 1, desk.limits.total, "statements"),
            ("the gateway", bytes, desk.limits.bytes, "bytes of statements"),
        ];
        if let Some((what, _, limit, unit)) = bounds.into_iter().find(|(_, wanted, limit, _)| wanted > limit) {
            return Err(AskError::Full { what, limit, unit });
        }
        self.bytes = bytes;
        self.reserved += 1;
        self.per_session.insert(session, of_session + 1);
        self.per_principal.insert(subject.clone(), of_principal + 1);
        self.counter += 1;
        Ok(HoldId(format!("{}-{}", desk.prefix, self.counter)))
    }

    /// Gives the room back.
    fn release(&mut self, request: &Request) {
        self.bytes = self.bytes.saturating_sub(request.bytes());
        self.reserved = self.reserved.saturating_sub(1);
        less_one(&mut self.per_session, &request.statement.session);
        less_one(&mut self.per_principal, &request.principal.identity);
    }
}

fn less_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(key)),
    }
}

/// A reviewer needs a role for it, and nobody on either side may be on both.
fn may_decide(hold: &Hold, reviewer: &Principal) -> Result<(), DecideError> {
    let request = &hold.request;
    let mut sides = std::iter::once(&reviewer.identity).chain(&reviewer.on_behalf_of);
    if let Some(involved) = sides.find(|side| request.principal.involves(side)) {
        return Err(DecideError::Involved {
            id: hold.id.clone(),
            reviewer: reviewer.identity.to_string(),
            involved: involved.to_string(),
        });
    }
    if !reviewer.has_any_role(&request.reviewers) {
        return Err(DecideError::NotReviewer {
            id: hold.id.clone(),
            reviewer: reviewer.identity.to_string(),
            roles: request.reviewers.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
