//! Who sent a request: a keyed hash of an address, never the address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::Network;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address at the other end of the connection; an extension of each request.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Sixteen bytes of HMAC-SHA-256 over a client's address. Without the key, which stays in the database, they tell nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientId(pub(crate) [u8; 16]);

// Neither the address nor its pseudonym belongs in a log.
impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientId(…)")
    }
}

/// Tells clients apart.
pub(crate) struct Identifier {
    key: Hmac<Sha256>,
    trusted: Vec<Network>,
}

impl Identifier {
    /// `key` as stored in the database; `trusted` are the proxies whose `X-Forwarded-For` is believed.
    pub(crate) fn new(key: &[u8; 32], trusted: Vec<Network>) -> Self {
        // Every length of key is accepted: 64 bytes are the block of SHA-256, and a shorter key is padded with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self { key: Hmac::new(&block.into()), trusted }
    }

    /// The client of a request from `peer`.
    pub(crate) fn identify(&self, peer: IpAddr, headers: &HeaderMap) -> ClientId {
        let address = network_of(self.address(peer, headers));
        let tag = self.key.clone().chain_update(address.octets()).finalize().into_bytes();
        let mut id = [0; 16];
        id.copy_from_slice(&tag[..16]);
        ClientId(id)
    }

    /// The last address that no trusted proxy vouches for; the peer itself unless it is such a proxy.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer.to_canonical();
        let lines: Vec<&str> = headers.get_all(&FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        while self.trusts(&address) {
            let Some(hop) = hops.next().and_then(|hop| hop.trim().parse::<IpAddr>().ok()) else { break };
            address = hop.to_canonical();
        }
        address
    }

    fn trusts(&self, address: &IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// An IPv4 address as it is; of an IPv6 address the /64, for a client may choose freely within it.
fn network_of(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & (u128::MAX << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(trusted: &[&str]) -> Identifier {
        let trusted = trusted.iter().map(|text| Network::try_from((*text).to_owned()).unwrap()).collect();
        Identifier::new(&[7; 32], trusted)
    }

    fn forwarded(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(FORWARDED_FOR.clone(), value.parse().unwrap())])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_forwarded_header_from_an_untrusted_peer_changes_nothing() {
        let identifier = identifier(&[]);
        let plain = identifier.identify(ip("192.0.2.1"), &HeaderMap::new());
        assert_eq!(plain, identifier.identify(ip("192.0.2.1"), &forwarded("203.0.113.9")));
        assert_ne!(plain, identifier.identify(ip("192.0.2.2"), &HeaderMap::new()));
    }

    #[test]
    fn behind_a_trusted_proxy_the_first_untrusted_hop_counts_and_forged_hops_before_it_do_not() {
        let identifier = identifier(&["10.0.0.0/8"]);
        let direct = identifier.identify(ip("203.0.113.9"), &HeaderMap::new());
        for header in ["203.0.113.9", "203.0.113.9, 10.9.9.9", "198.51.100.1, 203.0.113.9, 10.9.9.9"] {
            assert_eq!(direct, identifier.identify(ip("10.0.0.1"), &forwarded(header)), "{header}");
        }
        assert_ne!(direct, identifier.identify(ip("10.0.0.1"), &forwarded("nonsense")));
    }

    #[test]
    fn an_ipv6_client_counts_by_its_64_bit_network() {
        let identifier = identifier(&[]);
        let id = |text| identifier.identify(ip(text), &HeaderMap::new());
        assert_eq!(id("2001:db8::1"), id("2001:db8::2:3:4:5"));
        assert_ne!(id("2001:db8::1"), id("2001:db8:0:1::1"));
        assert_eq!(id("::ffff:192.0.2.1"), id("192.0.2.1"));
    }

    #[test]
    fn another_key_gives_another_pseudonym() {
        let other = Identifier::new(&[8; 32], Vec::new());
        let address = ip("192.0.2.1");
        assert_ne!(identifier(&[]).identify(address, &HeaderMap::new()), other.identify(address, &HeaderMap::new()));
    }
}
