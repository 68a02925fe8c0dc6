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
    /// Reads addresses, networks and `unix`; the error names what is expected.
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
            // What a client writes before the proxies need not be text.
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(",")
        };
        let (forwarded, plain) = (values(FORWARDED.as_str()), values(X_FORWARDED_FOR));
        let of_forwarded = || self.walk(peer, split_back(&forwarded, ',').into_iter().map(node_of));
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

/// The parts of a text between separators that are not in quotes, the last first. Quotes are counted from the right: what
/// the proxies wrote stands there, and a quote that a client left open before it encloses none of it.
fn split_back(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut end, mut quoted) = (Vec::new(), text.len(), false);
    for (at, letter) in text.char_indices().rev() {
        let before = &text[..at];
        let is_escaped = || (before.len() - before.trim_end_matches('\\').len()) % 2 == 1;
        if letter == '"' && !is_escaped() {
            quoted = !quoted;
        } else if letter == separator && !quoted {
            parts.push(&text[at + separator.len_utf8()..end]);
            end = at;
        }
    }
    parts.push(&text[..end]);
    parts
}

/// The `for` of an element of `Forwarded`. `None` where there are several, too.
fn node_of(element: &str) -> Option<IpAddr> {
    let pairs = split_back(element, ';').into_iter().filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let value = values.next()?.1.trim();
    if values.next().is_some() {
        return None;
    }
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
            ("for=203.0.113.9;host=\"a\\\";for=6.6.6.6;by=\\\"\"", "203.0.113.9"),
            ("for=203.0.113.9;for=6.6.6.6", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=203.0.113.9, proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("forwarded", header)]), found, "{header}");
        }
        for name in ["x-forwarded-for", "forwarded"] {
            let mut headers = HeaderMap::new();
            let own = if name == "forwarded" { "for=203.0.113.9" } else { "203.0.113.9" };
            let line = [b"\xe9, ", own.as_bytes()].concat();
            headers.insert(name, http::HeaderValue::from_bytes(&line).unwrap());
            assert_eq!(proxies().client(&headers, address("10.0.0.1")), address("203.0.113.9"), "{name}");
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
            written in prop_oneof!["[ -~]{0,60}", "(for=|\"|;|,|=|6\\.6\\.6\\.6|\\\\| |x){0,12}"],
            hops in prop::collection::vec("10\\.[0-9]\\.[0-9]\\.[0-9]", 0..4),
        ) {
            let way: Vec<String> =
                [written.clone(), "203.0.113.9".to_owned()].into_iter().chain(hops.iter().cloned()).collect();
            prop_assert_eq!(client("10.0.0.1", &[("x-forwarded-for", &way.join(", "))]), "203.0.113.9");
            // Quotes and semicolons of a client stand for nothing either, whether the proxy writes its own in quotes or not.
            for name in ["203.0.113.9", "\"203.0.113.9:4711\"", "\"[2001:db8::9]:4711\""] {
                let found = if name.contains("2001") { "2001:db8::9" } else { "203.0.113.9" };
                let own = [name.to_owned()].into_iter().chain(hops.iter().cloned());
                let way: Vec<String> =
                    [written.clone()].into_iter().chain(own.map(|hop| format!("for={hop}"))).collect();
                prop_assert_eq!(client("10.0.0.1", &[("forwarded", &way.join(", "))]), found);
            }
        }
    }
}
