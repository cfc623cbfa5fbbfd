//! What the command line may rely on when it talks to a running gateway.

use std::sync::atomic::Ordering;

use querygate_approvals::{Decision, Filter, Ruling};
use querygate_console::{
    AccountChange,
    api::{
        ApiError, CreateAccount, DecideApproval, Decided, DisableAccount, EnableAccount, Explain, GetStatus,
        KillSession, Kind, ListAccounts, ListApprovals, ListSessions, Reload, RotateAccount, Secret, ShowApproval,
        SignCheckpoint,
    },
    client::ClientError,
};
use querygate_identity::{ExposeSecret, SecretString};
use querygate_record::{HoldId, SessionId};

use crate::gateway::{Gateway, SESSION, principal};

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ApiError {
    match answer {
        Err(ClientError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn decide(id: &HoldId, account: &str, secret: &SecretString) -> DecideApproval {
    DecideApproval {
        id: id.clone(),
        decision: Decision::Approve,
        because: "agreed".to_owned(),
        account: account.to_owned(),
        secret: secret.clone().into(),
    }
}

#[tokio::test]
async fn calls_reach_the_gateway_and_answers_come_back() {
    let gateway = Gateway::start();
    let client = &gateway.client;
    assert_eq!(client.call(&GetStatus {}).await.unwrap().policy, "p1");
    gateway.script.reloaded.notify_one();
    assert_eq!(client.call(&Reload {}).await.unwrap().policy, "p2");
    assert_eq!(client.call(&ListSessions {}).await.unwrap()[0].id, SESSION);
    client.call(&KillSession { id: SESSION }).await.unwrap();
    assert_eq!(*gateway.script.killed.lock(), [SESSION]);
    let unknown = refusal(client.call(&KillSession { id: SessionId(uuid::Uuid::nil()) }).await);
    assert_eq!((unknown.kind, unknown.remedy.as_str()), (Kind::NotFound, "list them"));
    assert_eq!(client.call(&SignCheckpoint {}).await.unwrap().checkpoint, "{\"number\":1}");
    let explain =
        Explain { database: "shop".to_owned(), acting_as: "role:agent".to_owned(), sql: "\0\"'ä\n".repeat(200_000) };
    assert_eq!(client.call(&explain).await.unwrap().roles, ["role:agent"], "also for a long text");
}

#[tokio::test]
async fn a_reviewer_approves_with_name_and_secret() {
    let gateway = Gateway::start();
    let secret = gateway.account("dana", "dba");
    let wait = gateway.held();
    let held = gateway.client.call(&ListApprovals::default()).await.unwrap();
    assert_eq!((held.len(), held[0].request.text.as_str()), (1, "DROP TABLE orders"));
    let elsewhere = Filter { database: Some("crm".to_owned()), ..Filter::default() };
    assert!(gateway.client.call(&ListApprovals { filter: elsewhere }).await.unwrap().is_empty());
    assert_eq!(gateway.client.call(&ShowApproval { id: wait.id().clone() }).await.unwrap(), held[0]);
    let decided = gateway.client.call(&decide(wait.id(), "dana", &secret)).await.unwrap();
    assert_eq!(decided, Decided { by: principal("dana", "dba") });
    let again = refusal(gateway.client.call(&decide(wait.id(), "dana", &secret)).await);
    assert_eq!((again.kind, again.error.contains("approved already")), (Kind::Conflict, true), "{again:?}");
    assert_eq!(wait.await, Ruling::Approved { by: principal("dana", "dba"), because: "agreed".to_owned() });
}

#[tokio::test]
async fn whoever_asked_or_lacks_the_role_is_refused_and_told_what_to_do() {
    let gateway = Gateway::start();
    let mut wait = gateway.held();
    let (own, other) = (gateway.account("agent", "dba"), gateway.account("eve", "agent"));
    let involved = refusal(gateway.client.call(&decide(wait.id(), "agent", &own)).await);
    assert_eq!((involved.kind, involved.remedy.as_str()), (Kind::Forbidden, "another reviewer must decide"));
    let no_role = refusal(gateway.client.call(&decide(wait.id(), "eve", &other)).await);
    assert_eq!(no_role.kind, Kind::Forbidden);
    assert_eq!(wait.ruled(), None);
}

#[tokio::test]
async fn wrong_unknown_and_disabled_accounts_get_the_same_answer() {
    let gateway = Gateway::start();
    let (mut wait, secret) = (gateway.held(), gateway.account("dana", "dba"));
    gateway.account("dora", "dba");
    let wrong = refusal(gateway.client.call(&decide(wait.id(), "dora", &secret)).await);
    let unknown = refusal(gateway.client.call(&decide(wait.id(), "nobody", &secret)).await);
    gateway.accounts.disable("dana").unwrap();
    let disabled = refusal(gateway.client.call(&decide(wait.id(), "dana", &secret)).await);
    assert_eq!(wrong.kind, Kind::Identity);
    assert!(wrong == unknown && unknown == disabled);
    assert_eq!(wait.ruled(), None);
}

#[tokio::test]
async fn guessing_is_stopped_even_for_the_right_secret() {
    let gateway = Gateway::start();
    let (mut wait, secret) = (gateway.held(), gateway.account("dana", "dba"));
    let guess = SecretString::from("a wrong guess");
    let mut kinds = Vec::new();
    for _ in 0..6 {
        kinds.push(refusal(gateway.client.call(&decide(wait.id(), "dana", &guess)).await).kind);
    }
    assert_eq!(kinds, [&[Kind::Identity; 5][..], &[Kind::TooMany]].concat());
    let right = refusal(gateway.client.call(&decide(wait.id(), "dana", &secret)).await);
    assert_eq!(right.kind, Kind::TooMany);
    assert_eq!(wait.ruled(), None);
}

#[tokio::test]
async fn a_reviewer_with_the_right_secret_is_never_held_up() {
    let gateway = Gateway::start();
    let secret = gateway.account("dana", "dba");
    for _ in 0..12 {
        let wait = gateway.held();
        gateway.client.call(&decide(wait.id(), "dana", &secret)).await.unwrap();
    }
}

#[tokio::test]
async fn accounts_are_made_shown_once_changed_and_recorded() {
    let gateway = Gateway::start();
    let client = &gateway.client;
    let create = CreateAccount { name: "bot".to_owned(), roles: vec!["agent".to_owned()], secret: None };
    let secret = client.call(&create).await.unwrap().secret.unwrap();
    let check = |secret: &Secret| gateway.accounts.check_password("bot", &secret.clone().into()).is_some();
    assert!(check(&secret));
    assert_eq!(refusal(client.call(&create).await).kind, Kind::Conflict);
    let given = Secret::from(SecretString::from("a given secret"));
    let rotate = RotateAccount { name: "bot".to_owned(), secret: Some(given.clone()) };
    assert!(client.call(&rotate).await.unwrap().secret.is_none());
    assert!(check(&given) && !check(&secret));
    client.call(&DisableAccount { name: "bot".to_owned() }).await.unwrap();
    assert!(!client.call(&ListAccounts {}).await.unwrap()[0].enabled && !check(&given));
    client.call(&EnableAccount { name: "bot".to_owned() }).await.unwrap();
    assert!(check(&given));
    let name = || "bot".to_owned();
    let recorded = gateway.script.recorded.lock();
    assert_eq!(recorded[0], AccountChange::Create { name: name(), roles: vec!["agent".to_owned()] });
    let last = [
        AccountChange::Rotate { name: name() },
        AccountChange::Disable { name: name() },
        AccountChange::Enable { name: name() },
    ];
    assert!(recorded.ends_with(&last), "{recorded:?}");
}

#[tokio::test]
async fn without_a_log_accounts_stay_as_they_are() {
    let gateway = Gateway::start();
    let secret = gateway.account("bot", "agent");
    gateway.script.log_away.store(true, Ordering::SeqCst);
    let create = CreateAccount { name: "new".to_owned(), roles: Vec::new(), secret: None };
    assert_eq!(refusal(gateway.client.call(&create).await).kind, Kind::Unavailable);
    let rotate = RotateAccount { name: "bot".to_owned(), secret: None };
    assert_eq!(refusal(gateway.client.call(&rotate).await).kind, Kind::Unavailable);
    assert_eq!(gateway.accounts.list().len(), 1);
    assert!(gateway.accounts.check_password("bot", &secret).is_some());
}

#[tokio::test]
async fn bad_names_and_secrets_are_refused_with_a_remedy() {
    let gateway = Gateway::start();
    let short = Some(SecretString::from("short").into());
    let broken = Some(SecretString::from("SCRAM-SHA-256$4096:broken").into());
    for (name, secret) in [("-", None), ("bot", short), ("bot", broken)] {
        let create = CreateAccount { name: name.to_owned(), roles: Vec::new(), secret };
        let refused = refusal(gateway.client.call(&create).await);
        assert_eq!(refused.kind, Kind::Input);
        assert!(!refused.remedy.is_empty());
    }
}

#[test]
fn requests_printed_for_debugging_show_no_secret() {
    let call = decide(&HoldId("h-1".to_owned()), "dana", &SecretString::from("hunter2!"));
    assert_eq!(SecretString::from(call.secret.clone()).expose_secret(), "hunter2!");
    assert!(!format!("{call:?}").contains("hunter2"));
}
