//! The running gateway: everything that `querygate serve` ties together.

mod control;
pub mod convert;
mod explain;
mod store;

use std::{os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use prometheus::Registry;
use querygate_approvals::{Desk, Limits};
use querygate_console::{ControlServer, MetricsServer, Readiness, Services};
use querygate_gateway::{Gateway, Metrics, Parts};
use querygate_identity::Accounts;
use querygate_journal::Journal;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use control::{Running, acting_as, in_words};
pub use explain::explain;
pub use store::ControlLog;

use crate::{commands::Failure, config::Config};

/// Runs the gateway until SIGTERM or SIGINT; SIGHUP reloads.
pub async fn run(config: Config) -> Result<(), Failure> {
    let policies = Arc::new(config.policy_set()?);
    if !policies.warnings().is_empty() {
        eprint!("{}", policies.warnings().render(false));
    }
    raise_descriptors(config.listen.connections);
    make_data_folder(&config.data_dir)?;
    let control_server =
        ControlServer::bind(&config.data_dir).map_err(|e| Failure::wrong(format!("{e}. {}", e.remedy())))?;
    let journal = open_journal(&config)?;
    let accounts = convert::accounts(&config).map_err(|e| Failure::wrong(format!("{e}. {}", e.remedy())))?;
    let accounts = Arc::new(
        Accounts::open(&config.data_dir, accounts).map_err(|e| Failure::wrong(format!("{e}. {}", e.remedy())))?,
    );
    let log = Arc::new(ControlLog::new(&journal).map_err(Failure::wrong)?);
    let desk = Desk::new(log.clone(), Limits::default()).map_err(Failure::wrong)?;
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::new(&registry).map_err(Failure::wrong)?);
    let metrics_server = match config.listen.metrics {
        Some(address) => {
            Some(MetricsServer::bind(address).await.map_err(|e| Failure::wrong(format!("{e}. {}", e.remedy())))?)
        }
        None => None,
    };
    let gateway = Gateway::start(Parts {
        config: convert::gateway(&config)?,
        policies: policies.clone(),
        accounts: accounts.clone(),
        desk: desk.clone(),
        journal: journal.clone(),
        metrics,
    })
    .map_err(Failure::wrong)?;
    log.loaded(policies.version(), "the gateway started").map_err(Failure::wrong)?;
    let drain = config.listen.drain;
    let running = Arc::new(Running::new(config, gateway, policies, accounts.clone(), desk.clone(), log));
    let stop = CancellationToken::new();
    let mut servers = tokio::task::JoinSet::new();
    let services = Services { control: running.clone(), accounts, desk };
    servers.spawn(control_server.serve(services, stop.clone()));
    if let Some(server) = metrics_server {
        let watched = running.clone();
        let readiness = Readiness::new(move || watched.trouble().map_or(Ok(()), Err));
        servers.spawn(server.serve(registry, readiness, stop.clone()));
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), postgres = ?running.postgres(), "querygate is running");
    until_stopped(&running).await?;
    tracing::info!("stopping");
    running.stop(drain).await;
    stop.cancel();
    while servers.join_next().await.is_some() {}
    journal.close().map_err(|e| Failure::wrong(format!("the access log was not closed in order: {e}")))
}

/// Descriptors that the gateway needs beside those of its sessions: the log's files, listeners, connections of its own.
const OWN_DESCRIPTORS: u64 = 1024;

/// Takes as many descriptors as the system lets it have: each session needs two, and shells often allow no more than 1,024 by themselves.
fn raise_descriptors(connections: u64) {
    let needed = 2 * connections + OWN_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    let highest = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(limit.current.map_or(needed, |now| now.max(needed)).min(highest)), ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open descriptors could not be raised");
    }
    if highest < needed {
        tracing::warn!(
            "the system allows {highest} open descriptors; listen.connections = {connections} may need {needed}: raise the hard limit, or lower it"
        );
    }
}

/// The data folder holds keys and the log: nobody else's to look into.
fn make_data_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(folder)
        .map_err(|e| Failure::wrong(format!("the data folder {} can't be made: {e}", folder.display())))
}

/// Opens the log with the keys of the configuration, or those in the data folder.
pub fn open_journal(config: &Config) -> Result<Journal, Failure> {
    let options = convert::journal(config).map_err(Failure::wrong)?;
    Journal::open(&config.data_dir.join("log"), options)
        .map_err(|e| Failure::wrong(format!("the access log can't be opened: {e}")))
}

async fn until_stopped(running: &Running) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::wrong(format!("signals can't be received: {e}")));
    let (mut term, mut int, mut hup) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = hup.recv() => match running.load_again().await {
                Ok(reloaded) => tracing::info!(policy = reloaded.policy, "reloaded"),
                Err(error) => tracing::error!(error = error.error, remedy = error.remedy, "not reloaded: everything stays as it was"),
            },
        }
    }
}
