//! What the demo's gateway is told.

use std::path::Path;

/// The tables and people of the shop.
pub const SHOP: &str = include_str!("shop.sql");

/// The sample policy, as it is delivered.
pub const POLICY: &str = include_str!("../../../../policies/shop.toml");

/// The tests that stand beside it.
pub const POLICY_TESTS: &str = include_str!("../../../../policies/shop.test.toml");

/// The server's side: a login for the gateway that owns nothing of the shop and is no superuser.
pub const LOGIN: &str = "\
CREATE ROLE gateway_svc LOGIN PASSWORD :'password';
GRANT CREATE, CONNECT, TEMPORARY ON DATABASE shop TO gateway_svc;
GRANT CREATE, USAGE ON SCHEMA public TO gateway_svc;
GRANT USAGE ON SCHEMA finance TO gateway_svc;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, finance TO gateway_svc;
";

/// `querygate.toml`.
pub fn configuration(gateway_port: u16, server_port: u16, password: &Path) -> String {
    let password = password.file_name().unwrap_or_default().display();
    format!(
        r#"data_dir = "data"
policies = "policies"

[listen]
postgres = "127.0.0.1:{gateway_port}"
tls      = "self-signed"
drain    = "2s"

[[database]]
name     = "shop"
engine   = "postgres"
address  = "127.0.0.1:{server_port}"
user     = "gateway_svc"
password = {{ file = "{password}" }}
tls      = "off"
"#
    )
}
