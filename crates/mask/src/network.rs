use std::{fmt::Write as _, net::IpAddr};

use bytes::{BufMut, BytesMut};

/// Address families of the binary form (`PGSQL_AF_INET`, `PGSQL_AF_INET6` in src/include/utils/inet.h).
const FAMILY_4: u8 = 2;
const FAMILY_6: u8 = 3;

/// An `inet` or `cidr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
    /// `cidr`: the prefix is always written, and no bit may be set to its right.
    cidr: bool,
}

impl Network {
    /// Reads `address[/bits]`, the address in full.
    pub(crate) fn parse(text: &str, cidr: bool) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = width(address);
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => most,
        };
        let host_bits = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let host_mask = 1u128.checked_shl(u32::from(most.checked_sub(bits)?)).map_or(u128::MAX, |bit| bit - 1);
        (!cidr || host_bits & host_mask == 0).then_some(Network { address, bits, cidr })
    }

    /// Appends the text form.
    pub(crate) fn write_text(&self, out: &mut BytesMut) {
        match self.address {
            // Postgres writes ::/96 addresses as embedded IPv4 ones, except those that its `::` swallows further.
            IpAddr::V6(address) if matches!(address.segments(), [0, 0, 0, 0, 0, 0, high, _] if high != 0) => {
                let [.., a, b, c, d] = address.octets();
                let _ = write!(out, "::{a}.{b}.{c}.{d}");
            }
            address => {
                let _ = write!(out, "{address}");
            }
        }
        if self.cidr || self.bits != width(self.address) {
            let _ = write!(out, "/{}", self.bits);
        }
    }

    /// Appends the binary form.
    pub(crate) fn write_binary(&self, out: &mut BytesMut) {
        let cidr = u8::from(self.cidr);
        match self.address {
            IpAddr::V4(address) => {
                out.put_slice(&[FAMILY_4, self.bits, cidr, 4]);
                out.put_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                out.put_slice(&[FAMILY_6, self.bits, cidr, 16]);
                out.put_slice(&address.octets());
            }
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_postgres_15_writes_them() {
        for (given, written) in [
            ("0.0.0.0", "0.0.0.0"),
            ("10.1.2.3/8", "10.1.2.3/8"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("::1", "::1"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1:2", "::0.1.0.2"),
            ("1:0:0:2::5", "1:0:0:2::5"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("0:0:1::", "0:0:1::"),
            ("1::", "1::"),
        ] {
            let mut out = BytesMut::new();
            Network::parse(given, false).unwrap().write_text(&mut out);
            assert_eq!(out, written, "{given}");
        }
        let mut out = BytesMut::new();
        Network::parse("::102", true).unwrap().write_text(&mut out);
        assert_eq!(out, "::102/128");
        for bad in ["", "10.0.0.0/33", "10.0.0.1/+8", "10.0.0", "host"] {
            assert_eq!(Network::parse(bad, false), None, "{bad}");
        }
        assert_eq!(Network::parse("10.0.0.1/8", true), None);
    }
}
