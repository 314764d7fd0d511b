//! Who asks, and under which address: the client's own word, or that of a proxy that is trusted.

use axum::http::HeaderMap;
use std::net::IpAddr;
use std::str::FromStr;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Whose `Forwarded` and `X-Forwarded-*` headers count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trusted {
    /// Nobody's.
    #[default]
    Nobody,
    /// Everybody's: only a proxy can reach the service.
    Everybody,
    /// Those of proxies at these addresses.
    Proxies(Vec<Net>),
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    start: IpAddr,
    bits: u32,
}

impl FromStr for Net {
    type Err = String;

    /// Reads `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no address and no range of addresses, such as 10.0.0.7 or 10.0.0.0/8");
        let (start, bits) = text.split_once('/').map_or((text, None), |(start, bits)| (start, Some(bits)));
        let start: IpAddr = start.parse().map_err(|_| wrong())?;
        let most = if start.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).ok().filter(|&bits| bits <= most).ok_or_else(wrong)?;
        Ok(Self { start, bits })
    }
}

impl Net {
    fn holds(self, ip: IpAddr) -> bool {
        let alike = |a: u128, b: u128, width: u32| self.bits == 0 || (a ^ b) >> (width - self.bits) == 0;
        match (self.start, ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => alike(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => alike(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

impl Trusted {
    fn trusts(&self, peer: Option<Peer>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Proxies(nets) => peer.is_some_and(|Peer(ip)| nets.iter().any(|net| net.holds(ip))),
        }
    }

    /// How the client came to us, as a trusted proxy has it.
    pub(crate) fn way(&self, peer: Option<Peer>, headers: &HeaderMap) -> Way {
        if !self.trusts(peer) {
            return Way::default();
        }
        // Each proxy adds to the end: the first is the one that the client asked.
        let first = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let forwarded = first("forwarded").unwrap_or_default();
        let said = |wanted: &str| {
            let pair = forwarded.split(';').filter_map(|pair| pair.trim().split_once('='));
            let mut value = pair.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
            value.next().map(|value| value.trim_matches('"').to_owned())
        };
        Way {
            scheme: said("proto").or_else(|| first("x-forwarded-proto")),
            host: said("host").or_else(|| first("x-forwarded-host")),
            prefix: first("x-forwarded-prefix"),
        }
    }
}

/// What a proxy says of the address that the client asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) scheme: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) prefix: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer(ip.parse().unwrap())
    }

    #[test]
    fn ranges_hold_what_begins_alike() {
        let holds = |net: &str, ip: &str| net.parse::<Net>().unwrap().holds(ip.parse().unwrap());
        for (net, ip) in [
            ("10.0.0.7", "10.0.0.7"),
            ("10.0.0.7", "::ffff:10.0.0.7"),
            ("10.0.0.0/8", "10.255.1.2"),
            ("0.0.0.0/0", "1.2.3.4"),
            ("fd00::/8", "fdff::1"),
            ("::/0", "::1"),
            ("::1", "::1"),
        ] {
            assert!(holds(net, ip), "{net} {ip}");
        }
        for (net, ip) in
            [("10.0.0.7", "10.0.0.6"), ("10.0.0.0/8", "11.0.0.0"), ("::/0", "1.2.3.4"), ("fd00::/8", "fe00::1")]
        {
            assert!(!holds(net, ip), "{net} {ip}");
        }
        for bad in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "proxy.example", "::/129", "10.0.0.0/-1"] {
            assert!(bad.parse::<Net>().unwrap_err().contains("10.0.0.0/8"), "{bad}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("forwarded", "for=1.2.3.4;proto=https;host=\"a.example:81\", for=10.0.0.7".parse().unwrap());
        headers.insert("x-forwarded-host", "b.example".parse().unwrap());
        headers.insert("x-forwarded-prefix", "/care".parse().unwrap());
        let way = Way {
            scheme: Some("https".to_owned()),
            host: Some("a.example:81".to_owned()),
            prefix: Some("/care".to_owned()),
        };
        let proxies = Trusted::Proxies(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(proxies.way(Some(peer("10.1.1.1")), &headers), way);
        assert_eq!(Trusted::Everybody.way(None, &headers), way);
        for (trusted, peer) in
            [(&proxies, Some(peer("11.0.0.1"))), (&proxies, None), (&Trusted::Nobody, Some(peer("10.1.1.1")))]
        {
            assert_eq!(trusted.way(peer, &headers), Way::default());
        }
        headers.remove("forwarded");
        headers.insert("x-forwarded-proto", "https, http".parse().unwrap());
        let by_x = proxies.way(Some(peer("10.1.1.1")), &headers);
        assert_eq!((by_x.scheme.as_deref(), by_x.host.as_deref()), (Some("https"), Some("b.example")));
    }
}
