//! Feeds one session: decoded messages in, actions carried out. The only outlet to the server is [`Driver::run`]'s loop, which writes
//! to it after the log has what the session put there before.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use querygate_approvals::{Request, Wait, Withdrawn};
use querygate_policy::Limits;
use querygate_record::{Event, HoldId, Origin, Principal, SessionId, StatementId};
use querygate_session::{Action, ClientReply, Control, EndReason, Habits, HoldRequest, Injected, Log, Ruling, Session};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use crate::{
    config::{CATALOG_WAIT_MAX, FAREWELL_WAIT_MAX},
    duplex::{Duplex, OUT_BYTES_MAX, Which},
    end::{log_away, stopping},
    judge::SessionJudge,
    log::{LoopLog, Need, now_ns, own_facts},
    registry::{Cancelled, Live, MAILBOX_MAX, Mail},
    shared::{LoopParts, Shared},
    timers::{Timers, caps},
    world::{DatabaseState, World},
};

pub use crate::end::End;

/// Bytes of a client that wait to be dealt with, at most: then it is not read.
const IN_BYTES_MAX: usize = 1024 * 1024;
/// Longest wait for the server to take a cancel request.
pub const CANCEL_WAIT_MAX: Duration = Duration::from_secs(10);
const CANCEL_UNKNOWN: &str = "the database server did not confirm a cancel request in time: the session is ended, so that it can't hit a later statement";

/// What an engine's protocol does for the driver. It moves bytes between the two sides through the session; whether something may be sent, and
/// when, is the driver's to say.
pub trait Wire: Sized + 'static {
    /// What its servers do differently.
    const HABITS: Habits;

    /// Presents what the client sent; true if anything was taken.
    fn client_frames(driver: &mut Driver<Self>) -> bool;
    /// Deals with what the server sent; true if anything was taken.
    fn server_frames(driver: &mut Driver<Self>) -> bool;
    /// Whether something of the client waits that can be presented.
    fn has_client_frame(driver: &Driver<Self>) -> bool;
    /// Puts the client's message before the server, with another text where there is one.
    fn forward(driver: &mut Driver<Self>, frame: &[u8], text: Option<&str>);
    /// Presents the statements of a text one by one, in place of the client's message.
    fn present_apart(driver: &mut Driver<Self>, texts: &[Box<str>]);
    /// Puts a message of the gateway's own before the server.
    fn inject(driver: &mut Driver<Self>, message: &Injected);
    /// Tells the client.
    fn tell(driver: &mut Driver<Self>, reply: &ClientReply);
    /// Tells the client the last words, by their SQLSTATE.
    fn farewell(driver: &mut Driver<Self>, code: &'static str, words: &str);
    /// Takes leave of the server; `status` says how the session ended.
    fn leave(driver: &mut Driver<Self>, status: &str);
    /// Asks the server, over a connection of its own, to cancel what it runs. None where that is not possible.
    fn cancel(driver: &Driver<Self>) -> Option<Pin<Box<dyn Future<Output = Cancelled>>>>;
}

/// One session being driven.
pub struct Driver<W> {
    /// The protocol's own state.
    pub(super) wire: W,
    pub(super) shared: Arc<Shared>,
    pub(super) log: Rc<LoopLog>,
    pub(super) io: Duplex,
    pub(super) session: Session,
    pub(super) judge: SessionJudge,
    pub(super) id: SessionId,
    pub(super) principal: Arc<Principal>,
    pub(super) database: Arc<DatabaseState>,
    pub(super) actions: Vec<Action>,
    pub(super) need: Need,
    /// The time of this turn, nanoseconds since 1970-01-01 UTC: the clock is read once for all that a turn deals with.
    pub(super) now_ns: i64,
    pub(super) end: Option<End>,
    /// The message at the head of the client's input can't be taken yet.
    pub(super) blocked: bool,
    pub(super) waits_since: Option<std::time::Instant>,
    mailbox: mpsc::Receiver<Mail>,
    post: mpsc::Sender<Mail>,
    pub(super) statement_max: usize,
    pub(super) timers: Timers,
    wait: Option<Wait>,
    live: Arc<Live>,
    /// A look at the catalog that is under way.
    catalog: Option<Pin<Box<dyn Future<Output = bool>>>>,
    /// The catalog of the open transaction while it is being read.
    reading: Option<JoinHandle<Option<Arc<World>>>>,
}

/// What a driver starts from.
pub struct Start<W> {
    /// The protocol's own state.
    pub wire: W,
    /// Both sockets.
    pub io: Duplex,
    /// The judge.
    pub judge: SessionJudge,
    /// The session's id.
    pub id: SessionId,
    /// Who it is.
    pub principal: Arc<Principal>,
    /// Where it goes.
    pub database: Arc<DatabaseState>,
    /// The session's mailbox, both ends.
    pub mailbox: (mpsc::Sender<Mail>, mpsc::Receiver<Mail>),
    /// Where it shows what it does.
    pub live: Arc<Live>,
    /// The bounds of the session.
    pub limits: Limits,
}

impl<W: Wire> Driver<W> {
    /// A driver for a session after log-in.
    pub fn new(parts: &LoopParts, start: Start<W>) -> Driver<W> {
        let mut session = Session::new(W::HABITS);
        session.set_caps(caps(&start.limits));
        Driver {
            wire: start.wire,
            shared: parts.shared.clone(),
            log: parts.log.clone(),
            io: start.io,
            session,
            judge: start.judge,
            id: start.id,
            principal: start.principal,
            database: start.database,
            actions: Vec::new(),
            need: Need::default(),
            now_ns: now_ns(),
            end: None,
            blocked: false,
            waits_since: None,
            mailbox: start.mailbox.1,
            post: start.mailbox.0,
            wait: None,
            live: start.live,
            statement_max: start.limits.statement_max(),
            timers: Timers::new(&start.limits),
            catalog: None,
            reading: None,
        }
    }

    /// Drives the session to its end and says why it ended.
    pub async fn run(&mut self) -> End {
        loop {
            self.work();
            if self.need.is_some()
                && let Err(away) = self.log.commit(std::mem::take(&mut self.need)).await
            {
                self.io.server.output.clear();
                return self.finish(log_away(&away)).await;
            }
            if let Some(end) = self.end.take() {
                return self.finish(end).await;
            }
            if self.shared.draining.load(Ordering::Relaxed) && self.session.is_idle() && self.io.client.input.is_empty()
            {
                return self.finish(stopping()).await;
            }
            self.observe_added();
            let (activity, statements) = self.session.activity();
            self.live.set(activity, statements);
            self.timers.note(self.session.waits());
            self.await_something().await;
            self.receive_all();
        }
    }

    /// Takes what else came: a cancel request that was answered before the client sent its next message is dealt with before that message.
    fn receive_all(&mut self) {
        for _ in 0..MAILBOX_MAX {
            let Ok(mail) = self.mailbox.try_recv() else { return };
            self.receive(mail);
        }
    }

    /// Deals with all that was read, as far as it goes.
    fn work(&mut self) {
        self.now_ns = now_ns();
        loop {
            let server = W::server_frames(self);
            let client = W::client_frames(self);
            if self.end.is_some() || !(server || client) {
                break;
            }
        }
        if self.end.is_none() {
            self.check_ends();
        }
        if self.judge.wants_catalog() && self.catalog.is_none() && self.end.is_none() {
            self.look_at_catalog();
        }
        if let Some(job) = self.judge.catalog_job() {
            self.reading = Some(spawn_blocking(move || job.run()));
        }
    }

    fn check_ends(&mut self) {
        if self.io.server.ended {
            let words = "the connection to the database server was lost".to_owned();
            self.end = Some(End { status: "lost", reason: words.clone(), farewell: Some(("08006", words)) });
        } else if self.io.client.ended && (self.blocked || !W::has_client_frame(self)) {
            self.end = Some(End {
                status: "disconnected",
                reason: "the client closed the connection".to_owned(),
                farewell: None,
            });
        }
    }

    async fn await_something(&mut self) {
        let read_client = self.io.client.input.len() < IN_BYTES_MAX || !self.blocked;
        let read_server = self.io.client.output.len() < OUT_BYTES_MAX;
        tokio::select! {
            biased;
            Some(mail) = self.mailbox.recv() => self.receive(mail),
            ruling = async { match self.wait.as_mut() { Some(wait) => wait.await, None => std::future::pending().await } } => {
                self.ruled(ruling);
            }
            seen = async { match self.catalog.as_mut() { Some(look) => look.await, None => std::future::pending().await } } => {
                self.catalog = None;
                self.judge.catalog_seen(seen);
            }
            read = async { match self.reading.as_mut() { Some(reading) => reading.await, None => std::future::pending().await } } => {
                self.reading = None;
                self.judge.catalog_read(read.unwrap_or_default());
            }
            due = self.timers.due() => self.overdue(due),
            progress = self.io.progress(read_client, read_server) => {
                if let Err((which, error)) = progress {
                    self.broken(which, &error);
                }
            }
        }
    }

    fn broken(&mut self, which: Which, error: &io::Error) {
        self.end = Some(match which {
            Which::Client => End {
                status: "disconnected",
                reason: format!("the client's connection broke: {error}"),
                farewell: None,
            },
            Which::Server => {
                let words = "the connection to the database server was lost".to_owned();
                End { status: "lost", reason: format!("{words}: {error}"), farewell: Some(("08006", words)) }
            }
        });
    }

    fn receive(&mut self, mail: Mail) {
        match mail {
            Mail::Look => self.renew_limits(),
            Mail::Control(control) => self.control(control),
            Mail::End(code, words) => {
                self.end = Some(End { status: "ended", reason: words.clone(), farewell: Some((code, words)) })
            }
        }
    }

    pub(super) fn control(&mut self, control: Control) {
        self.now_ns = now_ns();
        self.session.control(control, self.now_ns, &mut self.actions);
        self.act(&[]);
    }

    fn ruled(&mut self, ruling: querygate_approvals::Ruling) {
        self.wait = None;
        self.shared.metrics.held.dec();
        use querygate_approvals::Ruling as R;
        let by = |p: &Principal| p.identity.subject.clone();
        let ruling = match ruling {
            R::Approved { by: who, because } => Ruling::Approved { by: by(&who), because },
            R::Denied { by: who, because } => Ruling::Denied { by: by(&who), because },
            R::Expired => Ruling::Expired,
            // The session's own doing: it knows.
            R::Cancelled | R::Disconnected => return,
            R::Stopped => Ruling::Unavailable { reason: "the gateway is stopping".to_owned() },
        };
        self.control(Control::Decided(ruling));
    }

    /// Carries out what the session decided. `frame` is the client's message that it was about.
    pub(super) fn act(&mut self, frame: &[u8]) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Log { number, entry, durable } => self.write_log(number, entry, durable),
                Action::Forward => W::forward(self, frame, None),
                Action::ForwardText(text) => W::forward(self, frame, Some(&text)),
                Action::Apart(texts) => W::present_apart(self, &texts),
                Action::Inject(message) => W::inject(self, &message),
                Action::Tell(reply) => W::tell(self, &reply),
                Action::Ask(request) => self.ask(*request),
                Action::Withdraw(id, why) => self.withdraw(&id, why),
                Action::CancelServer => self.cancel_server(),
                Action::End(reason) => self.end_for(reason),
            }
        }
        if self.actions.is_empty() {
            self.actions = actions;
        } else {
            // Acting made the session decide more (a request's id): that comes next.
            self.act(frame);
        }
    }

    fn write_log(&mut self, number: u64, entry: Log, durable: bool) {
        let time = self.now_ns;
        let mut origin = Origin::Client;
        let mut needed = true;
        let event = match entry {
            Log::Prepare(judgement) => {
                Event::Prepare { facts: self.log.facts(&judgement.facts, &judgement.facts_id, time) }
            }
            Log::Begin(judgement, values) => {
                self.shared.metrics.statement(&judgement.facts);
                Event::Begin { facts: self.log.facts(&judgement.facts, &judgement.facts_id, time), values }
            }
            Log::Execute => Event::Execute,
            Log::End(outcome) => {
                needed = false;
                if outcome.masked_fields > 0 {
                    self.shared.metrics.masked_fields.inc_by(outcome.masked_fields);
                }
                Event::End(outcome)
            }
            Log::Own(what) => {
                origin = Origin::Gateway;
                let facts = self.log.facts(&own_facts(what), &std::sync::OnceLock::new(), time);
                Event::Begin { facts, values: Vec::new() }
            }
            Log::OwnEnd(outcome) => {
                (origin, needed) = (Origin::Gateway, false);
                Event::End(outcome)
            }
            Log::Other(event) => event,
        };
        let turn = self.log.push(Some(self.id), number, origin, event, time);
        if needed {
            self.need.add(turn, durable);
        }
    }

    fn ask(&mut self, request: HoldRequest) {
        let facts = &request.judgement.facts;
        let asked_ns = self.now_ns;
        let wait_ns = i64::try_from(request.wait.as_nanos()).unwrap_or(i64::MAX);
        let asked = self.shared.desk.ask(Request {
            principal: (*self.principal).clone(),
            database: self.database.settings.name.to_string(),
            text: facts.text.clone(),
            values: request.values,
            effects: facts.effects.clone(),
            tables: facts.tables.clone(),
            rule: facts.rule.clone(),
            reason: facts.reason.clone(),
            reviewers: request.judgement.reviewers.clone(),
            asked_ns,
            expires_ns: asked_ns.saturating_add(wait_ns),
            ..Request::for_statement(StatementId { session: self.id, number: request.number })
        });
        match asked {
            Ok(wait) => {
                let id = wait.id().clone();
                self.wait = Some(wait);
                self.shared.metrics.held.inc();
                self.session.control(Control::Asked(id), self.now_ns, &mut self.actions);
            }
            Err(error) => {
                let ruling = Ruling::Unavailable { reason: error.to_string() };
                self.session.control(Control::Decided(ruling), self.now_ns, &mut self.actions);
            }
        }
    }

    fn withdraw(&mut self, id: &HoldId, why: &str) {
        let withdrawn = match why {
            "cancelled" => Withdrawn::Cancelled,
            "ended" => Withdrawn::Stopped,
            _ => Withdrawn::Disconnected,
        };
        if let Err(error) = self.shared.desk.withdraw(id, withdrawn) {
            tracing::error!(%error, "a withdrawn request can't be logged");
        }
        if self.wait.take().is_some() {
            self.shared.metrics.held.dec();
        }
    }

    fn cancel_server(&mut self) {
        let (post, cancel) = (self.post.clone(), W::cancel(self));
        tokio::task::spawn_local(async move {
            let outcome = match cancel {
                Some(cancel) => cancel.await,
                None => Cancelled::Settled,
            };
            let mail = match outcome {
                Cancelled::Settled => Mail::Control(Control::CancelDone),
                // It could hit whatever runs next.
                Cancelled::Unknown => Mail::End("08006", CANCEL_UNKNOWN.to_owned()),
            };
            // Gone sessions need no answer.
            let _ = post.send(mail).await;
        });
    }

    fn look_at_catalog(&mut self) {
        let refresh = self.database.refresh.clone();
        let look = async move {
            let (answer, seen) = oneshot::channel();
            refresh.send(answer).await.is_ok() && seen.await.unwrap_or(false)
        };
        self.catalog = Some(Box::pin(async move { timeout(CATALOG_WAIT_MAX, look).await.unwrap_or(false) }));
    }

    pub(super) fn end_for(&mut self, reason: EndReason) {
        let (kind, detail, words) = match reason {
            EndReason::CrossCheck { detail } => (
                "cross_check",
                detail,
                "the result would have shown a masked column that the analysis did not find; the session is ended and an alarm was raised",
            ),
            EndReason::Settings => {
                let words = "the session has a setting by which the gateway would misread its texts, such as a character set other than UTF-8 or a mode \
                    that changes quotes: the session is ended; connect again and leave that setting alone";
                self.end = Some(End {
                    status: "ended",
                    reason: "settings that the gateway does not follow".to_owned(),
                    farewell: Some(("0A000", words.to_owned())),
                });
                return;
            }
            EndReason::Unexpected { detail } => (
                "protocol",
                detail,
                "the database server sent something that answers no statement; the session is ended",
            ),
        };
        tracing::error!(session = %self.id, kind, detail, "a session is ended");
        self.alarm(kind, &detail);
        self.end = Some(End {
            status: "ended",
            reason: format!("{kind}: {detail}"),
            farewell: Some(("XX000", words.to_owned())),
        });
    }

    /// Puts an alarm into the log.
    pub(super) fn alarm(&mut self, kind: &str, detail: &str) {
        self.shared.metrics.alarms.inc();
        self.write_log(0, Session::alarm(kind, detail), true);
    }

    fn observe_added(&mut self) {
        if let Some(since) = self.waits_since.take() {
            self.shared.metrics.added.observe(since.elapsed().as_secs_f64());
        }
    }

    /// The last entries, the last words.
    async fn finish(&mut self, end: End) -> End {
        self.now_ns = now_ns();
        self.session.control(Control::Gone { status: end.status }, self.now_ns, &mut self.actions);
        self.act(&[]);
        self.log.push(
            Some(self.id),
            0,
            Origin::Client,
            Event::SessionClosed { reason: end.reason.clone() },
            self.now_ns,
        );
        let _ = self.log.flush();
        if let Some((code, words)) = &end.farewell {
            W::farewell(self, code, words);
        }
        if end.status != "disconnected" {
            // A client that does not read any more is not waited for long.
            let _ = timeout(FAREWELL_WAIT_MAX, self.io.flush_client()).await;
        }
        W::leave(self, end.status);
        let _ = timeout(FAREWELL_WAIT_MAX, self.io.flush_server()).await;
        end
    }
}
