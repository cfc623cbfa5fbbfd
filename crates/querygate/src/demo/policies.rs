//! What the demo's gateway is told.

use std::path::Path;

/// The tables and people of the shop.
pub const SHOP: &str = include_str!("shop.sql");

/// The sample policy, as it is delivered.
pub const POLICY: &str = include_str!("../../../../policies/shop.toml");

/// The tests that stand beside it.
pub const POLICY_TESTS: &str = include_str!("../../../../policies/shop.test.toml");

/// The tables and people of the support desk, for MariaDB.
pub const SUPPORT: &str = include_str!("support.sql");

/// The sample policy for it, as it is delivered.
pub const SUPPORT_POLICY: &str = include_str!("../../../../policies/support.toml");

/// The tests that stand beside it.
pub const SUPPORT_POLICY_TESTS: &str = include_str!("../../../../policies/support.test.toml");

/// The server's side: a login for the gateway that owns nothing of the shop and is no superuser.
pub const LOGIN: &str = "\
CREATE ROLE gateway_svc LOGIN PASSWORD :'password';
GRANT CREATE, CONNECT, TEMPORARY ON DATABASE shop TO gateway_svc;
GRANT CREATE, USAGE ON SCHEMA public TO gateway_svc;
GRANT USAGE ON SCHEMA finance TO gateway_svc;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, finance TO gateway_svc;
";

/// What stands behind the gateway, and where it listens for clients of it. Both ports are on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    /// Where clients connect.
    pub port: u16,
    /// The server.
    pub server: u16,
    /// The file of the gateway's password for it.
    pub password: &'a Path,
}

impl Behind<'_> {
    fn file(&self) -> String {
        self.password.file_name().unwrap_or_default().display().to_string()
    }
}

/// `querygate.toml`.
pub fn configuration(shop: Behind<'_>, support: Option<Behind<'_>>) -> String {
    let (port, server, password) = (shop.port, shop.server, shop.file());
    let listen = support.map(|it| format!("mysql    = \"127.0.0.1:{}\"\n", it.port)).unwrap_or_default();
    let database = support.map(|it| mariadb(&it)).unwrap_or_default();
    format!(
        r#"data_dir = "data"
policies = "policies"

[listen]
postgres = "127.0.0.1:{port}"
{listen}tls      = "self-signed"
drain    = "2s"

[[database]]
name     = "shop"
engine   = "postgres"
address  = "127.0.0.1:{server}"
user     = "gateway_svc"
password = {{ file = "{password}" }}
tls      = "off"
{database}"#
    )
}

fn mariadb(support: &Behind<'_>) -> String {
    let (server, password) = (support.server, support.file());
    format!(
        r#"
[[database]]
name     = "support"
engine   = "mariadb"
address  = "127.0.0.1:{server}"
user     = "gateway_svc"
password = {{ file = "{password}" }}
tls      = "off"
"#
    )
}
