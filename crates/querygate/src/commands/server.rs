//! A database server as commands reach it themselves: with the gateway's own login, for questions about definitions alone.

use std::sync::Arc;

use querygate_gateway::{Own, OwnError, OwnMysql, TlsError, Upstream};
use querygate_policy::{Bound, Mode, Policy};
use querygate_record::Engine;
use querygate_sql::catalog::{Catalog, CatalogError, MYSQL_SNAPSHOT, POSTGRES_SNAPSHOT};

use crate::{config::Database, serve::convert};

/// Why a server's definitions can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A certificate of the configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server, or the way to it.
    #[error(transparent)]
    Ask(#[from] OwnError),
    /// Its answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// How to reach a database's server.
pub fn upstream(database: &Database) -> Result<Upstream, ServerError> {
    Ok(Upstream::new(Arc::new(convert::database(database)))?)
}

/// The database's definitions as they are now.
pub async fn catalog(own: &mut Own) -> Result<Arc<Catalog>, ServerError> {
    let json = own.ask(POSTGRES_SNAPSHOT).await?;
    Ok(Arc::new(Catalog::from_json(json.as_bytes())?))
}

/// The definitions of a MySQL or MariaDB database.
pub async fn mysql_catalog(database: &Database) -> Result<Arc<Catalog>, ServerError> {
    let mut own = OwnMysql::connect(&upstream(database)?).await.map_err(OwnError::Connect)?;
    let mut answers = Vec::new();
    for question in MYSQL_SNAPSHOT {
        answers.push(own.ask(question).await.map_err(OwnError::Refused)?);
    }
    Ok(Arc::new(Catalog::from_mysql(database.engine, &answers)?))
}

/// A policy bound to its database as it is now.
pub async fn bound(database: &Database, policy: &Arc<Policy>) -> Result<Bound, ServerError> {
    if database.engine != Engine::Postgres {
        return Ok(bind(database, policy, &mysql_catalog(database).await?));
    }
    let mut own = Own::connect(&upstream(database)?).await?;
    let catalog = catalog(&mut own).await?;
    Ok(bind(database, policy, &catalog))
}

/// A policy bound to a catalog in the mode that the configuration has.
pub fn bind(database: &Database, policy: &Arc<Policy>, catalog: &Arc<Catalog>) -> Bound {
    policy.bind(catalog, Mode { observe: database.observe, danger_unmasked: database.danger_unmasked }, None)
}
