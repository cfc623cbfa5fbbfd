use std::{
    collections::HashMap,
    sync::{Arc, Barrier},
    thread,
};

use querygate_record::{SessionId, StatementId};

use super::*;

/// A log that remembers, and fails when told to.
#[derive(Default)]
struct Log {
    broken: Mutex<bool>,
    asked: Mutex<Vec<HoldId>>,
    ruled: Mutex<HashMap<HoldId, Vec<Ruling>>>,
}

impl Log {
    fn written(&self, id: &HoldId) -> Vec<Ruling> {
        self.ruled.lock().get(id).cloned().unwrap_or_default()
    }

    fn works(&self) -> Result<(), StoreError> {
        if *self.broken.lock() { Err(StoreError("no space left".to_owned())) } else { Ok(()) }
    }
}

impl Store for Log {
    fn asked(&self, id: &HoldId, _: &Request) -> Result<(), StoreError> {
        self.works()?;
        self.asked.lock().push(id.clone());
        Ok(())
    }

    fn ruled(&self, id: &HoldId, _: &Request, ruling: &Ruling) -> Result<(), StoreError> {
        self.works()?;
        self.ruled.lock().entry(id.clone()).or_default().push(ruling.clone());
        Ok(())
    }
}

fn desk_with(limits: Limits) -> (Desk, Arc<Log>) {
    let log = Arc::new(Log::default());
    (Desk::new(Arc::clone(&log) as Arc<dyn Store>, limits).unwrap(), log)
}

fn desk() -> (Desk, Arc<Log>) {
    desk_with(Limits::default())
}

fn principal(name: &str, role: &str) -> Principal {
    Principal::local(name, [role.to_owned()])
}

fn subject(name: &str) -> Subject {
    principal(name, "").identity
}

/// A request of session number `session`, open from 100 to 1000.
fn request(session: u128) -> Request {
    let statement = StatementId { session: SessionId(uuid::Uuid::from_u128(session)), number: 1 };
    Request {
        principal: principal("agent", "agent"),
        database: "shop".to_owned(),
        text: "DROP TABLE orders".to_owned(),
        reviewers: vec!["dba".to_owned()],
        asked_ns: 100,
        expires_ns: 1000,
        ..Request::for_statement(statement)
    }
}

fn approve(desk: &Desk, id: &HoldId, by: &Principal) -> Result<(), DecideError> {
    desk.decide(id, by, Decision::Approve, "agreed", 500)
}

#[test]
fn an_approval_reaches_the_asker_with_name_and_words_and_is_in_the_log_before() {
    let (desk, log) = desk();
    let mut wait = desk.ask(request(1)).unwrap();
    assert_eq!(*log.asked.lock(), [wait.id().clone()]);
    assert_eq!(wait.ruled(), None);
    desk.decide(wait.id(), &principal("dana", "dba"), Decision::Approve, " agreed ", 999).unwrap();
    let ruling = wait.ruled().unwrap();
    assert_eq!(ruling, Ruling::Approved { by: principal("dana", "dba"), because: "agreed".to_owned() });
    assert_eq!(log.written(wait.id()), [ruling]);
    assert_eq!(desk.usage(), Usage::default());
}

#[tokio::test]
async fn a_denial_wakes_the_waiting_asker() {
    let (desk, _) = desk();
    let wait = desk.ask(request(1)).unwrap();
    let id = wait.id().clone();
    let asker = tokio::spawn(wait);
    desk.decide(&id, &principal("dana", "dba"), Decision::Deny, "not today", 500).unwrap();
    assert_eq!(asker.await.unwrap().because(), "not today");
}

#[test]
fn nobody_decides_on_their_own_request_whatever_their_roles() {
    let (desk, log) = desk();
    let asked = Principal { on_behalf_of: vec![subject("olga"), subject("omar")], ..principal("agent", "dba") };
    let wait = desk.ask(Request { principal: asked, reviewers: vec!["*".to_owned()], ..request(1) }).unwrap();
    let for_olga = Principal { on_behalf_of: vec![subject("olga")], ..principal("helper", "dba") };
    let for_agent = Principal { on_behalf_of: vec![subject("agent")], ..principal("helper", "dba") };
    for involved in [principal("agent", "dba"), principal("olga", "dba"), principal("omar", "dba"), for_olga, for_agent]
    {
        let error = approve(&desk, wait.id(), &involved).unwrap_err();
        assert!(matches!(error, DecideError::Involved { .. }), "{involved:?}: {error}");
        let error = desk.decide(wait.id(), &involved, Decision::Deny, "x", 500).unwrap_err();
        assert!(matches!(error, DecideError::Involved { .. }), "{involved:?}: {error}");
    }
    assert!(log.written(wait.id()).is_empty());
    let mut elsewhere = principal("agent", "dba");
    elsewhere.identity.issuer = "https://idp.example.com".to_owned();
    approve(&desk, wait.id(), &elsewhere).unwrap();
}

#[test]
fn only_the_roles_that_the_rule_names_decide() {
    let (desk, _) = desk();
    let wait = desk.ask(request(1)).unwrap();
    let error = approve(&desk, wait.id(), &principal("eve", "agent")).unwrap_err();
    assert!(matches!(error, DecideError::NotReviewer { .. }) && error.to_string().contains("dba"), "{error}");
    approve(&desk, wait.id(), &principal("dana", "dba")).unwrap();
}

#[test]
fn a_decision_counts_once() {
    let (desk, log) = desk();
    let wait = desk.ask(request(1)).unwrap();
    approve(&desk, wait.id(), &principal("dana", "dba")).unwrap();
    let error = desk.decide(wait.id(), &principal("dora", "dba"), Decision::Deny, "no", 500).unwrap_err();
    assert_eq!(error, DecideError::Ended { id: wait.id().clone(), ruling: "approved" });
    assert_eq!(desk.withdraw(wait.id(), Withdrawn::Cancelled), Ok(Withdrawal::TooLate));
    assert_eq!(log.written(wait.id()).len(), 1);
    let never = HoldId("h-000000-1".to_owned());
    assert_eq!(approve(&desk, &never, &principal("dana", "dba")), Err(DecideError::Unknown { id: never }));
}

#[test]
fn a_decision_needs_words_but_not_too_many() {
    let (desk, _) = desk();
    let wait = desk.ask(request(1)).unwrap();
    let say = |words: &str| desk.decide(wait.id(), &principal("dana", "dba"), Decision::Deny, words, 500);
    assert_eq!(say(" \n"), Err(DecideError::NoReason));
    assert!(matches!(say(&"x".repeat(MAX_REASON_BYTES + 1)), Err(DecideError::LongReason { .. })));
    say(&"x".repeat(MAX_REASON_BYTES)).unwrap();
}

#[test]
fn from_its_expiry_on_nobody_decides_even_before_the_clock_was_looked_at() {
    let (desk, log) = desk();
    let mut wait = desk.ask(request(1)).unwrap();
    let error = desk.decide(wait.id(), &principal("dana", "dba"), Decision::Approve, "late", 1000).unwrap_err();
    assert!(matches!(error, DecideError::Expired { .. }));
    assert_eq!(wait.ruled(), Some(Ruling::Expired));
    assert_eq!(log.written(wait.id()), [Ruling::Expired]);
}

#[test]
fn expiry_ends_those_whose_time_is_over_and_no_others() {
    let (desk, _) = desk();
    let mut due = desk.ask(request(1)).unwrap();
    let mut later = desk.ask(Request { expires_ns: 1001, ..request(2) }).unwrap();
    assert_eq!(desk.expire(999), []);
    assert_eq!(desk.expire(1000), [(due.id().clone(), Ok(()))]);
    assert_eq!(desk.expire(1000), []);
    assert_eq!((due.ruled(), later.ruled()), (Some(Ruling::Expired), None));
    assert_eq!(desk.stop().len(), 1);
    assert_eq!(later.ruled(), Some(Ruling::Stopped));
}

#[test]
fn a_withdrawal_says_why_and_ends_the_wait() {
    let (desk, log) = desk();
    for (why, ruling) in [
        (Withdrawn::Cancelled, Ruling::Cancelled),
        (Withdrawn::Disconnected, Ruling::Disconnected),
        (Withdrawn::Expired, Ruling::Expired),
        (Withdrawn::Stopped, Ruling::Stopped),
    ] {
        let wait = desk.ask(request(1)).unwrap();
        assert_eq!(desk.withdraw(wait.id(), why), Ok(Withdrawal::Done));
        assert_eq!(log.written(wait.id()), std::slice::from_ref(&ruling));
        let error = approve(&desk, wait.id(), &principal("dana", "dba")).unwrap_err();
        assert_eq!(error, DecideError::Ended { id: wait.id().clone(), ruling: ruling.name() });
    }
}

#[test]
fn an_asker_that_vanishes_leaves_nothing_behind() {
    let (desk, log) = desk();
    let wait = desk.ask(request(1)).unwrap();
    let id = wait.id().clone();
    drop(wait);
    assert_eq!(log.written(&id), [Ruling::Disconnected]);
    assert!(desk.list(&Filter::default()).is_empty());
    desk.ask(request(1)).map(drop).unwrap();
}

#[test]
fn without_a_log_no_ruling_counts() {
    let (desk, log) = desk();
    let mut wait = desk.ask(request(1)).unwrap();
    *log.broken.lock() = true;
    assert!(matches!(desk.ask(request(2)), Err(AskError::Store(_))));
    for decision in [Decision::Approve, Decision::Deny] {
        let error = desk.decide(wait.id(), &principal("dana", "dba"), decision, "x", 500).unwrap_err();
        assert!(matches!(error, DecideError::Store(_)));
        assert_eq!(wait.ruled(), None);
    }
    *log.broken.lock() = false;
    approve(&desk, wait.id(), &principal("dana", "dba")).unwrap();
    assert_eq!(log.written(wait.id()).len(), 1);
    assert_eq!(desk.usage(), Usage::default(), "what could not be asked takes no room");
}

#[test]
fn without_a_log_a_withdrawal_still_ends_the_wait() {
    let (desk, log) = desk();
    let wait = desk.ask(request(1)).unwrap();
    *log.broken.lock() = true;
    assert!(desk.withdraw(wait.id(), Withdrawn::Cancelled).is_err());
    *log.broken.lock() = false;
    assert!(matches!(approve(&desk, wait.id(), &principal("dana", "dba")), Err(DecideError::Ended { .. })));
    assert!(log.written(wait.id()).is_empty());
}

#[test]
fn each_bound_has_its_answer_and_room_comes_back() {
    let (desk, _) = desk_with(Limits { per_session: 1, per_principal: 2, total: 3, bytes: 1 << 20 });
    let full = |request| match desk.ask(request) {
        Err(AskError::Full { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let first = desk.ask(request(1)).unwrap();
    assert_eq!(full(request(1)), "this session");
    let _second = desk.ask(request(2)).unwrap();
    assert_eq!(full(request(3)), "this account");
    let other = |session| Request { principal: principal("other", "agent"), ..request(session) };
    let large = Request { text: "x".repeat(1 << 20), ..other(4) };
    assert_eq!(full(large), "the gateway");
    let _third = desk.ask(other(5)).unwrap();
    assert_eq!(full(other(6)), "the gateway");
    drop(first);
    let _again = desk.ask(request(1)).unwrap();
}

#[test]
fn a_request_without_reviewers_is_not_held() {
    let (desk, log) = desk();
    assert_eq!(desk.ask(Request { reviewers: vec![], ..request(1) }).unwrap_err(), AskError::NoReviewers);
    assert!(log.asked.lock().is_empty());
}

#[test]
fn the_list_is_oldest_first_and_filtered() {
    let (desk, _) = desk();
    let _a = desk.ask(Request { asked_ns: 300, ..request(1) }).unwrap();
    let for_olga = Principal { on_behalf_of: vec![subject("olga")], ..principal("bot", "agent") };
    let b = desk.ask(Request { asked_ns: 200, principal: for_olga, database: "crm".to_owned(), ..request(2) }).unwrap();
    let asked = |filter: &Filter| -> Vec<i64> { desk.list(filter).iter().map(|h| h.request.asked_ns).collect() };
    assert_eq!(asked(&Filter::default()), [200, 300]);
    assert_eq!(asked(&Filter { database: Some("shop".to_owned()), ..Filter::default() }), [300]);
    assert_eq!(asked(&Filter { subject: Some("olga".to_owned()), ..Filter::default() }), [200]);
    assert_eq!(asked(&Filter { roles: Some(vec!["dba".to_owned()]), ..Filter::default() }), [200, 300]);
    assert_eq!(asked(&Filter { roles: Some(vec!["agent".to_owned()]), ..Filter::default() }), []);
    assert_eq!(desk.show(b.id()).unwrap().request.database, "crm");
}

#[test]
fn ids_are_short_unique_over_restarts_and_hold_a_digit() {
    let (first, second) = (desk().0, desk().0);
    let (a, b, c) = (first.ask(request(1)).unwrap(), first.ask(request(2)).unwrap(), second.ask(request(1)).unwrap());
    assert!(a.id() != b.id() && a.id() != c.id());
    let form = |id: &HoldId| {
        let [h, random, counter] = id.0.split('-').collect::<Vec<_>>()[..] else { return false };
        h == "h" && random.len() == 6 && u32::from_str_radix(random, 16).is_ok() && counter.parse::<u64>().is_ok()
    };
    assert!([&a, &b, &c].into_iter().all(|wait| form(wait.id())), "{a:?}");
}

#[test]
fn of_racing_outcomes_exactly_one_counts_and_is_written() {
    const ROUNDS: usize = 1_000;
    let (desk, log) = desk();
    let mut seen = HashMap::<&str, usize>::new();
    let start = Barrier::new(5);
    for _ in 0..ROUNDS {
        let mut wait = desk.ask(request(1)).unwrap();
        let id = wait.id().clone();
        let race = |action: &dyn Fn() -> bool| {
            start.wait();
            action()
        };
        let winners = thread::scope(|scope| {
            let racers = [
                scope.spawn(|| race(&|| approve(&desk, &id, &principal("dana", "dba")).is_ok())),
                scope
                    .spawn(|| race(&|| desk.decide(&id, &principal("dora", "dba"), Decision::Deny, "no", 500).is_ok())),
                scope.spawn(|| race(&|| desk.withdraw(&id, Withdrawn::Cancelled) == Ok(Withdrawal::Done))),
                scope.spawn(|| race(&|| !desk.expire(1000).is_empty())),
                scope.spawn(|| race(&|| desk.withdraw(&id, Withdrawn::Disconnected) == Ok(Withdrawal::Done))),
            ];
            racers.into_iter().map(|racer| racer.join().unwrap()).filter(|won| *won).count()
        });
        let ruling = wait.ruled().unwrap();
        assert_eq!(winners, 1);
        assert_eq!(log.written(&id), std::slice::from_ref(&ruling));
        *seen.entry(ruling.name()).or_default() += 1;
    }
    assert_eq!(seen.values().sum::<usize>(), ROUNDS);
    assert_eq!(desk.usage(), Usage::default());
}

#[test]
fn an_approval_racing_with_a_vanishing_asker_is_written_once() {
    let (desk, log) = desk();
    for _ in 0..1_000 {
        let wait = desk.ask(request(1)).unwrap();
        let id = wait.id().clone();
        thread::scope(|scope| {
            scope.spawn(|| approve(&desk, &id, &principal("dana", "dba")));
            scope.spawn(|| drop(wait));
        });
        assert_eq!(log.written(&id).len(), 1);
    }
    assert_eq!(desk.usage(), Usage::default());
}

/// A log whose disk takes its time over an approval: it says when it has begun, and goes on when told whether it succeeds.
struct Slow {
    begun: std::sync::mpsc::SyncSender<()>,
    result: Mutex<std::sync::mpsc::Receiver<bool>>,
    log: Log,
}

impl Store for Slow {
    fn asked(&self, id: &HoldId, request: &Request) -> Result<(), StoreError> {
        self.log.asked(id, request)
    }

    fn ruled(&self, id: &HoldId, request: &Request, ruling: &Ruling) -> Result<(), StoreError> {
        if matches!(ruling, Ruling::Approved { .. }) {
            self.begun.send(()).unwrap();
            if !self.result.lock().recv().unwrap() {
                return Err(StoreError("no space left".to_owned()));
            }
        }
        self.log.ruled(id, request, ruling)
    }
}

/// What became of an approval, a cancel while it was being written, and the wait; and what the log says.
fn cancel_during_approval(disk_works: bool) -> (Result<(), DecideError>, Option<Ruling>, Vec<Ruling>) {
    let (begun, has_begun) = std::sync::mpsc::sync_channel(1);
    let (go_on, result) = std::sync::mpsc::sync_channel(1);
    let slow = Arc::new(Slow { begun, result: Mutex::new(result), log: Log::default() });
    let desk = Desk::new(Arc::clone(&slow) as Arc<dyn Store>, Limits::default()).unwrap();
    let mut wait = desk.ask(request(1)).unwrap();
    let id = wait.id().clone();
    let approved = thread::scope(|scope| {
        let approval = scope.spawn(|| approve(&desk, &id, &principal("dana", "dba")));
        has_begun.recv().unwrap();
        let second = desk.decide(&id, &principal("dora", "dba"), Decision::Deny, "no", 500);
        assert!(matches!(second, Err(DecideError::Deciding { .. })), "{second:?}");
        assert_eq!(desk.withdraw(&id, Withdrawn::Cancelled), Ok(Withdrawal::TooLate));
        assert_eq!(desk.expire(1000), []);
        assert_eq!(wait.ruled(), None, "nothing is in effect before it is written");
        go_on.send(disk_works).unwrap();
        approval.join().unwrap()
    });
    assert_eq!(desk.usage(), Usage::default());
    (approved, wait.ruled(), slow.log.written(&id))
}

#[test]
fn an_asker_never_waits_for_the_disk_of_a_reviewer() {
    let (approved, ruling, written) = cancel_during_approval(true);
    assert_eq!(approved, Ok(()));
    assert!(matches!(ruling, Some(Ruling::Approved { .. })), "{ruling:?}");
    assert_eq!(written, [ruling.unwrap()]);
}

#[test]
fn a_withdrawal_during_an_approval_that_fails_to_be_written_ends_the_wait() {
    let (approved, ruling, written) = cancel_during_approval(false);
    assert!(matches!(approved, Err(DecideError::Store(_))), "{approved:?}");
    assert_eq!(ruling, Some(Ruling::Cancelled));
    assert_eq!(written, [Ruling::Cancelled]);
}
