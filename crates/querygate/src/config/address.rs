use std::{fmt, net::IpAddr};

use querygate_policy::document::Value;

/// Servers that one database may have.
const MAX_ADDRESSES: usize = 16;

/// A server's host and port, the host a name or an IP address. Names are resolved when the gateway connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name, or address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// Whether it never leaves this machine.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// One address, or a list of them.
    pub(super) fn read_all(value: &Value<'_>) -> Option<Vec<Address>> {
        let texts = match value.is_string() {
            true => vec![value.string()?.value],
            false => value.strings()?.into_iter().map(|text| text.value).collect(),
        };
        let addresses: Vec<Address> = texts.iter().filter_map(|text| Address::read(value, text)).collect();
        if addresses.is_empty() || addresses.len() > MAX_ADDRESSES {
            value.error("no address, or too many", format!("give 1 to {MAX_ADDRESSES}"));
        }
        Some(addresses)
    }

    fn read(value: &Value<'_>, text: &str) -> Option<Address> {
        let address = Address::parse(text);
        if address.is_none() {
            value.error(
                format!("{text:?} is not a host and a port"),
                "write it like \"db.internal:5432\" or \"[::1]:5432\"",
            );
        }
        address
    }

    fn parse(text: &str) -> Option<Address> {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok().filter(|p| *p > 0)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').filter(|h| h.parse::<IpAddr>().is_ok())?,
            None => Some(host).filter(|h| !h.contains(':'))?,
        };
        let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@');
        plain.then(|| Address { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
