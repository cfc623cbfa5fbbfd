use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use axum::Router;
use querygate_approvals::Held;
use querygate_identity::{Accounts, Credential, SecretString};
use querygate_record::Principal;
use tokio::sync::Semaphore;

use crate::{
    api::{
        ApiError, CreateAccount, DecideApproval, Decided, DisableAccount, Done, EnableAccount, Explain, GetStatus,
        KillSession, Kind, ListAccounts, ListApprovals, ListSessions, Made, Reload, RotateAccount, Secret,
        ShowApproval, SignCheckpoint,
    },
    attempts::Attempts,
    control::{AccountChange, Control, Services},
    router::{answer, finish},
};

/// Secrets that are checked at once: each takes milliseconds of a core, which sessions need more.
const CHECKS_AT_ONCE: usize = 1;

struct State<C> {
    services: Services<C>,
    attempts: Attempts,
    checks: Semaphore,
}

type Shared<C> = Arc<State<C>>;

/// All calls of the control socket.
pub(crate) fn control<C: Control>(services: Services<C>) -> Router {
    let (attempts, checks) = (Attempts::default(), Semaphore::new(CHECKS_AT_ONCE));
    let state = Arc::new(State { services, attempts, checks });
    finish(accounts(approvals(gateway(Router::new(), &state), &state), &state))
}

fn gateway<C: Control>(router: Router, state: &Shared<C>) -> Router {
    let router = answer(router, state, |s: Shared<C>, GetStatus {}| async move { s.services.control.status().await });
    let router = answer(router, state, |s: Shared<C>, Reload {}| async move { s.services.control.reload().await });
    let router =
        answer(router, state, |s: Shared<C>, ListSessions {}| async move { s.services.control.sessions().await });
    let router = answer(router, state, |s: Shared<C>, KillSession { id }| async move {
        s.services.control.kill(id).await.map(|()| Done {})
    });
    let router =
        answer(router, state, |s: Shared<C>, SignCheckpoint {}| async move { s.services.control.checkpoint().await });
    answer(router, state, |s: Shared<C>, call: Explain| async move { s.services.control.explain(call).await })
}

fn approvals<C: Control>(router: Router, state: &Shared<C>) -> Router {
    let router =
        answer(
            router,
            state,
            |s: Shared<C>, ListApprovals { filter }| async move { Ok(s.services.desk.list(&filter)) },
        );
    answer(answer(router, state, show::<C>), state, decide::<C>)
}

fn accounts<C: Control>(router: Router, state: &Shared<C>) -> Router {
    let router = answer(router, state, |s: Shared<C>, ListAccounts {}| async move { Ok(s.services.accounts.list()) });
    let router = answer(router, state, |s: Shared<C>, CreateAccount { name, roles, secret }| async move {
        let credential = credential(secret)?;
        let change = AccountChange::Create { name: name.clone(), roles: roles.clone() };
        s.change(change, move |accounts| accounts.create(&name, roles, credential)).await.map(made)
    });
    let router = answer(router, state, |s: Shared<C>, RotateAccount { name, secret }| async move {
        let credential = credential(secret)?;
        let change = AccountChange::Rotate { name: name.clone() };
        s.change(change, move |accounts| accounts.rotate(&name, credential)).await.map(made)
    });
    let router = answer(router, state, |s: Shared<C>, EnableAccount { name }| async move {
        let change = AccountChange::Enable { name: name.clone() };
        s.change(change, move |accounts| accounts.enable(&name)).await.map(|()| Done {})
    });
    answer(router, state, |s: Shared<C>, DisableAccount { name }| async move {
        let change = AccountChange::Disable { name: name.clone() };
        s.change(change, move |accounts| accounts.disable(&name)).await.map(|()| Done {})
    })
}

async fn show<C: Control>(state: Shared<C>, call: ShowApproval) -> Result<Held, ApiError> {
    let unknown = || {
        let error = format!("no request {} waits", call.id);
        ApiError::new(Kind::NotFound, error, "`querygate approvals list` shows those that wait")
    };
    state.services.desk.show(&call.id).ok_or_else(unknown)
}

async fn decide<C: Control>(state: Shared<C>, call: DecideApproval) -> Result<Decided, ApiError> {
    let by = state.who(call.account, call.secret.into()).await?;
    let (desk, reviewer) = (state.services.desk.clone(), by.clone());
    // Writes to the log, so not on this thread.
    let decided = blocking(move || desk.decide(&call.id, &reviewer, call.decision, &call.because, now_ns()));
    decided.await??;
    Ok(Decided { by })
}

impl<C: Control> State<C> {
    /// Who gave this name and secret, checked as a log-in is.
    async fn who(&self, name: String, secret: SecretString) -> Result<Principal, ApiError> {
        self.attempts.begin(&name, Instant::now()).map_err(|wait| {
            let remedy = format!("try again in {} s", wait.as_secs() + 1);
            ApiError::new(Kind::TooMany, "that account was tried too often with a wrong secret", remedy)
        })?;
        let _turn = self.checks.acquire().await;
        let (accounts, account) = (Arc::clone(&self.services.accounts), name.clone());
        let principal = blocking(move || accounts.check_password(&account, &secret)).await?;
        if principal.is_some() {
            self.attempts.right(&name);
        } else {
            tracing::warn!(account = %name.escape_debug(), "a wrong name or secret on the control socket");
        }
        principal.ok_or_else(|| {
            let remedy = "check --account and the secret; a disabled account can't act";
            ApiError::new(Kind::Identity, "the account or its secret is wrong", remedy)
        })
    }

    /// Changes accounts once the log says so.
    async fn change<T: Send + 'static>(
        &self,
        change: AccountChange,
        make: impl FnOnce(&Accounts) -> Result<T, querygate_identity::Error> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.services.control.record(change).await?;
        let accounts = Arc::clone(&self.services.accounts);
        Ok(blocking(move || make(&accounts)).await??)
    }
}

fn credential(secret: Option<Secret>) -> Result<Option<Credential>, ApiError> {
    let read = |secret: Secret| {
        Credential::parse(secret.expose())
            .map_err(|error| ApiError::new(Kind::Input, error, "give the secret itself, or copy the whole verifier"))
    };
    secret.map(read).transpose()
}

fn made(secret: Option<SecretString>) -> Made {
    Made { secret: secret.map(Secret::from) }
}

/// Runs what computes or waits for a disk away from the threads that serve.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let lost = |_| ApiError::new(Kind::Internal, "the gateway failed in the middle of it", "look at the gateway's log");
    tokio::task::spawn_blocking(work).await.map_err(lost)
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
