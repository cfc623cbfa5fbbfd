//! `querygate serve`.

use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::{config::Config, serve};

/// Environment variable for what is logged (`tracing`'s filter syntax), `info` by default.
const LOG_FILTER: &str = "QUERYGATE_LOG";

/// Runs the gateway until SIGTERM or SIGINT.
pub fn serve(path: &Path) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env(LOG_FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let config = Config::load(path)?;
    if !config.warnings.is_empty() {
        eprint!("{}", config.warnings.render(false));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .thread_name("control")
        .build()
        .map_err(|e| Failure::wrong(format!("the control threads can't be started: {e}")))?;
    runtime.block_on(serve::run(config))
}
