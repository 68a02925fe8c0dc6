//! Where a client comes from when proxies stand before the hub: their headers count as far as the proxies are trusted, and
//! what a client writes into them does not.

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

use super::refusals::Throttle;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// Warnings are this far apart at least.
const PERIOD: Duration = Duration::from_secs(60);

/// The proxies that are trusted.
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    /// Whoever connects over a Unix socket.
    unix: bool,
    warnings: Throttle,
}

impl Proxies {
    /// Reads addresses, networks and `unix`; the error says what to write instead.
    pub(crate) fn parse(list: &[String]) -> Result<Self, String> {
        let mut proxies = Self { networks: Vec::new(), unix: false, warnings: Throttle::new(1, PERIOD) };
        for text in list {
            if text == "unix" {
                proxies.unix = true;
                continue;
            }
            let network: Option<IpNet> = text.parse().ok();
            let network = network.or_else(|| text.parse::<IpAddr>().map(IpNet::from).ok());
            proxies.networks.push(network.ok_or_else(|| {
                format!(
                    "http.trusted_proxies cannot have {text:?}: expected an address, a network such as 10.0.0.0/8, or unix"
                )
            })?);
        }
        Ok(proxies)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether an address is that of a trusted proxy. `None`: a Unix socket.
    pub(crate) fn trust(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.networks.iter().any(|network| network.contains(&address)),
            None => self.unix,
        }
    }

    /// Where a request comes from that `peer` sent. A proxy sets one of the two headers and may pass the other on as a
    /// client wrote it: where both are there and disagree, neither counts.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        if !self.trust(peer) {
            return peer;
        }
        let values = |name: &str| {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join(",")
        };
        let (forwarded, plain) = (values(FORWARDED.as_str()), values(X_FORWARDED_FOR));
        let of_forwarded = || self.walk(peer, split(&forwarded, ',').rev().map(node_of));
        let of_plain = || self.walk(peer, plain.rsplit(',').map(node));
        match (forwarded.is_empty(), plain.is_empty()) {
            (true, true) => peer,
            (false, true) => of_forwarded(),
            (true, false) => of_plain(),
            (false, false) => {
                let (one, other) = (of_forwarded(), of_plain());
                if one == other {
                    return one;
                }
                if let Some(suppressed) = self.warnings.pass() {
                    tracing::warn!(
                        suppressed,
                        "Forwarded and X-Forwarded-For name different clients, and neither counts; have the proxy remove the one it does not set"
                    );
                }
                peer
            }
        }
    }

    /// From the peer back to the first address that is not a trusted proxy's. What names no address ends the way.
    fn walk(&self, peer: Option<IpAddr>, nodes: impl Iterator<Item = Option<IpAddr>>) -> Option<IpAddr> {
        let mut address = peer;
        for node in nodes {
            match node {
                Some(before) if self.trust(address) => address = Some(before),
                _ => break,
            }
        }
        address
    }
}

/// The parts of a text between separators that are not in quotes.
fn split(text: &str, separator: char) -> std::vec::IntoIter<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        if letter == '"' {
            quoted = !quoted;
        } else if letter == separator && !quoted {
            parts.push(&text[start..at]);
            start = at + separator.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts.into_iter()
}

/// The `for` of an element of `Forwarded`.
fn node_of(element: &str) -> Option<IpAddr> {
    let value = split(element, ';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    })?;
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address, perhaps with a port. `None`: `unknown`, a name that hides it, or nonsense.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address: IpAddr = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !(port.is_empty() || port.starts_with(':')) {
            return None;
        }
        address.parse::<std::net::Ipv6Addr>().ok()?.into()
    } else {
        match text.parse() {
            Ok(address) => address,
            Err(_) => text.split_once(':')?.0.parse::<std::net::Ipv4Addr>().ok()?.into(),
        }
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxies() -> Proxies {
        Proxies::parse(&["10.0.0.0/8".to_owned(), "fd00::/8".to_owned(), "192.0.2.7".to_owned()]).unwrap()
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn client(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        proxies().client(&headers, address(peer)).unwrap().to_string()
    }

    #[test]
    fn headers_are_read_from_the_right_as_far_as_the_proxies_are_trusted() {
        for (peer, header, found) in [
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.2.3.4, 192.0.2.7", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("fd00::1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9, 10.0.0.2x, 10.0.0.3", "10.0.0.3"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("203.0.113.1", "1.1.1.1", "203.0.113.1"),
        ] {
            assert_eq!(client(peer, &[("x-forwarded-for", header)]), found, "{peer} {header}");
        }
        for (header, found) in [
            ("for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("For=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=1.1.1.1, for=203.0.113.9, for=10.0.0.2", "203.0.113.9"),
            ("for=203.0.113.9;host=\"a,b;for=6.6.6.6\", for=10.0.0.2", "203.0.113.9"),
            ("for=_hidden", "10.0.0.1"),
            ("for=203.0.113.9, proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("forwarded", header)]), found, "{header}");
        }
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9, 10.0.0.2")];
        assert_eq!(client("10.0.0.1", &lines), "203.0.113.9");
    }

    #[test]
    fn of_two_headers_that_disagree_neither_counts() {
        let both = |one, other| client("10.0.0.1", &[("forwarded", one), ("x-forwarded-for", other)]);
        assert_eq!(both("for=203.0.113.9", "203.0.113.9"), "203.0.113.9");
        assert_eq!(both("for=6.6.6.6", "203.0.113.9"), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_an_error_that_says_what_to_write() {
        for wrong in ["10.0.0.0/33", "proxy.example", "", "10.0.0"] {
            let error = Proxies::parse(&[wrong.to_owned()]).err().unwrap();
            assert!(error.contains("10.0.0.0/8") && error.contains(&format!("{wrong:?}")), "{error}");
        }
        let unix = Proxies::parse(&["unix".to_owned()]).unwrap();
        assert!(unix.trust(None) && !unix.trust(address("127.0.0.1")) && !proxies().trust(None));
    }

    proptest! {
        #[test]
        fn what_a_client_writes_before_the_proxies_changes_nothing(
            written in "[ -~]{0,60}",
            hops in prop::collection::vec("10\\.[0-9]\\.[0-9]\\.[0-9]", 0..4),
        ) {
            let way: Vec<String> =
                [written, "203.0.113.9".to_owned()].into_iter().chain(hops.iter().cloned()).collect();
            prop_assert_eq!(client("10.0.0.1", &[("x-forwarded-for", &way.join(", "))]), "203.0.113.9");
            // An odd quote of a client could swallow the rest of Forwarded, which then names nobody.
            let way: Vec<String> = way[1..].iter().map(|hop| format!("for={hop}")).collect();
            let way = format!("{}, {}", "for=\"6.6.6.6", way.join(", "));
            let found = client("10.0.0.1", &[("forwarded", &way)]);
            prop_assert!(found != "6.6.6.6", "{}", found);
        }
    }
}
