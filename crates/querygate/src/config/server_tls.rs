use std::path::PathBuf;

use querygate_policy::document::Value;

use super::Context;

/// How a connection to a server is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTls {
    /// Encrypted.
    On {
        /// Whose certificate is taken.
        trust: Trust,
        /// PEM file of authorities; none for those of the system.
        authorities: Option<PathBuf>,
        /// The gateway's own certificate chain and key, both PEM files, for servers that want them.
        client: Option<(PathBuf, PathBuf)>,
    },
    /// Not encrypted.
    Off,
}

/// Whose certificate is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One of the authorities, with the server's name in it.
    VerifyFull,
    /// One of the authorities, whatever name it holds.
    VerifyCa,
    /// Anybody's: whoever stands between can read along.
    Require,
}

impl Default for ServerTls {
    fn default() -> ServerTls {
        ServerTls::On { trust: Trust::VerifyFull, authorities: None, client: None }
    }
}

const MODES: [(&str, Option<Trust>); 4] = [
    ("verify-full", Some(Trust::VerifyFull)),
    ("verify-ca", Some(Trust::VerifyCa)),
    ("require", Some(Trust::Require)),
    ("off", None),
];

/// `"verify-full"`, `"verify-ca"`, `"require"`, `"off"`, or `{ mode = "verify-full", authorities = "ca.crt", certificate = "client.crt", key = "client.key" }`.
pub(super) fn read(value: &Value<'_>, context: &Context<'_>) -> Option<ServerTls> {
    let (mode, authorities, client) = match value.is_table() {
        false => (value.one_of(&MODES)?, None, None),
        true => {
            let mut table = value.table()?;
            let mode = table.value("mode").map_or(Some(Some(Trust::VerifyFull)), |v| v.one_of(&MODES));
            let authorities = table.value("authorities").and_then(|v| context.readable(&v));
            let (certificate, key) = (table.value("certificate"), table.value("key"));
            table.finish();
            if certificate.is_some() != key.is_some() {
                value.error("`certificate` and `key` go together", "give both, or neither");
            }
            let file = |v: Option<Value<'_>>| v.and_then(|v| context.readable(&v));
            (mode?, authorities, file(certificate).zip(file(key)))
        }
    };
    let Some(trust) = mode else {
        if authorities.is_some() || client.is_some() {
            value.error("certificates mean nothing where TLS is off", "set mode = \"verify-full\"");
        }
        return Some(ServerTls::Off);
    };
    match trust {
        Trust::Require if authorities.is_some() => {
            value.error("`authorities` are not looked at in mode \"require\"", "set mode = \"verify-full\"");
        }
        Trust::Require => {
            value.warn("\"require\" encrypts, but does not check who answers", "use \"verify-full\"");
        }
        Trust::VerifyCa if authorities.is_none() => {
            let message = "\"verify-ca\" with the system's authorities takes anybody who has some certificate";
            value.warn(message, "name your own in `authorities`, or use \"verify-full\"");
        }
        Trust::VerifyCa | Trust::VerifyFull => {}
    }
    Some(ServerTls::On { trust, authorities, client })
}
