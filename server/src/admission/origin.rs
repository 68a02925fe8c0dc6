//! Origins of browser pages, and the patterns that allow them: compared as scheme, host and port, never as text.

use std::net::{IpAddr, Ipv6Addr};

/// Where a page comes from, as browsers compare it: in lower case, and with the port that the scheme has by default.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    /// `None`: a scheme without a default port, and none given.
    port: Option<u16>,
}

impl Origin {
    /// Reads the value of an `Origin` header. `None`: `null`, or not an origin.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => default_port(&scheme),
            Some(port) => Some(parse_port(port)?),
        };
        Some(Self { host: normal_host(host)?, scheme, port })
    }
}

/// The origins that may connect.
pub(crate) struct Origins(Vec<Pattern>);

impl Origins {
    /// Reads a list of patterns; the error names what is expected.
    pub(crate) fn parse(list: &[String]) -> Result<Self, String> {
        list.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a browser page of this origin may connect to this host. Without a list: the hub's own pages, and where
    /// there are no tokens also those of other servers of this machine, where front ends are developed; but no page
    /// elsewhere by a name that it had resolved to this machine.
    pub(crate) fn allow(&self, origin: Option<&str>, host: Option<&str>, authenticating: bool) -> bool {
        let Some(text) = origin else { return true };
        if self.0.iter().any(|pattern| matches!(pattern, Pattern::Any)) {
            return true;
        }
        let Some(origin) = Origin::parse(text) else { return false };
        if !self.0.is_empty() {
            return self.0.iter().any(|pattern| pattern.matches(&origin));
        }
        // The request does not have its own scheme, which a proxy may have changed: the page's counts.
        let own = host.and_then(|host| Origin::parse(&format!("{}://{host}", origin.scheme)));
        let Some(own) = own else { return false };
        if authenticating {
            own == origin
        } else {
            is_this_machine(&origin.host) && is_this_machine(&own.host)
        }
    }
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `*`: any origin, `null` too.
    Any,
    /// A scheme, a host or `*.` and what follows one label, a port or `*`.
    Origin { scheme: String, host: Host, port: Port },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Exactly(String),
    /// One label before this, which begins with a dot.
    Below(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Port {
    Exactly(Option<u16>),
    Any,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: String| Err(format!("auth.origins cannot have {text:?}: {what}"));
        if text == "*" {
            return Ok(Self::Any);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong(match text {
                "null" => {
                    "pages without an origin cannot be listed; \"*\" lets them in, and all others".to_owned()
                }
                _ => format!("an origin has a scheme; write \"https://{}\"", text.trim_matches('/')),
            });
        };
        let scheme = scheme.to_ascii_lowercase();
        let letters = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.chars().all(letters) {
            return wrong("before :// stands a scheme such as https, without wildcards".to_owned());
        }
        let page = match scheme.as_str() {
            "ws" => Some("http"),
            "wss" => Some("https"),
            _ => None,
        };
        if let Some(page) = page {
            return wrong(format!("a page's own scheme counts, not the socket's; write \"{page}://{rest}\""));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if end < rest.len() {
            return wrong(format!(
                "an origin ends with its host and port; write \"{scheme}://{}\"",
                &rest[..end]
            ));
        }
        if rest.contains('@') {
            return wrong("an origin has no user; write what follows the @".to_owned());
        }
        let Some((host, port)) = split_port(rest) else {
            return wrong("an IPv6 address stands in brackets, such as http://[::1]:8080".to_owned());
        };
        if !host.is_ascii() {
            return wrong(
                "browsers send such a name as ASCII; write the form that begins with xn--".to_owned(),
            );
        }
        let host = match host.strip_prefix('*') {
            Some("") => {
                return wrong(
                    "a host of * alone is not possible; \"*\" without a scheme is any origin".to_owned(),
                );
            }
            Some(below) => match below.strip_prefix('.').and_then(normal_host) {
                Some(parent) if parent.parse::<IpAddr>().is_err() => Host::Below(format!(".{parent}")),
                _ => {
                    return wrong(
                        "* stands for a whole label at the beginning, such as https://*.app.example"
                            .to_owned(),
                    );
                }
            },
            None => match normal_host(host) {
                Some(host) => Host::Exactly(host),
                None => {
                    return wrong(
                        "its host is not a valid name or address; an origin is like https://app.example"
                            .to_owned(),
                    );
                }
            },
        };
        let port = match port {
            None => Port::Exactly(default_port(&scheme)),
            Some("*") => Port::Any,
            Some(port) => match parse_port(port) {
                Some(port) => Port::Exactly(Some(port)),
                None => return wrong("its port is not a number from 1 to 65535; * is any port".to_owned()),
            },
        };
        Ok(Self::Origin { scheme, host, port })
    }

    fn matches(&self, origin: &Origin) -> bool {
        let Self::Origin { scheme, host, port } = self else { return true };
        let host = match host {
            Host::Exactly(host) => *host == origin.host,
            Host::Below(parent) => origin
                .host
                .strip_suffix(parent.as_str())
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        };
        let port = match port {
            Port::Exactly(port) => *port == origin.port,
            Port::Any => true,
        };
        *scheme == origin.scheme && host && port
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// Host and port of an authority. `None`: brackets or colons that do not fit.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (address, rest) = authority.split_at(authority.find(']')? + 1);
        return if rest.is_empty() {
            Some((address, None))
        } else {
            Some((address, Some(rest.strip_prefix(':')?)))
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

/// A host in the one form that all its spellings have. `None`: it cannot be a host.
fn normal_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.split('.').all(label).then(|| host.to_ascii_lowercase())
}

/// Whether a normal host can only be this machine, whatever a name server answers.
fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(pattern: &str, origin: &str) -> bool {
        let origins = Origins::parse(&[pattern.to_owned()]).unwrap();
        origins.allow(Some(origin), Some("hub"), true)
    }

    #[test]
    fn wildcards_stand_for_one_label_and_for_any_port() {
        assert!(allows("https://*.example.com", "https://app.example.com"));
        assert!(
            allows("http://localhost:*", "http://localhost:5173")
                && allows("http://localhost:*", "http://localhost")
        );
        assert!(allows("https://*.example.com:*", "https://x.example.com:8443"));
        for other in [
            "https://example.com",
            "https://a.b.example.com",
            "https://.example.com",
            "https://evilexample.com",
            "https://app.example.com.evil.example",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://*.example.com",
        ] {
            assert!(!allows("https://*.example.com", other), "{other}");
        }
        assert!(!allows("http://localhost:*", "http://localhost.evil.example:5173"));
    }

    #[test]
    fn what_can_never_match_is_an_error_that_says_what_to_write() {
        for (wrong, what) in [
            ("app.example", "\"https://app.example\""),
            ("https://app.example/", "\"https://app.example\""),
            ("https://app.example/chat?x", "\"https://app.example\""),
            ("wss://app.example", "\"https://app.example\""),
            ("ws://app.example:8080", "\"http://app.example:8080\""),
            ("null", "\"*\""),
            ("https://*", "\"*\""),
            ("*://app.example", "scheme"),
            ("https://app*.example", "not a valid name"),
            ("https://*app.example", "whole label"),
            ("https://*.*.example", "whole label"),
            ("https://a.*.example", "not a valid name"),
            ("https://*.1.2.3.4", "whole label"),
            ("https://bücher.example", "xn--"),
            ("https://app.example:0", "port"),
            ("https://app.example:80443", "port"),
            ("https://app.example:", "port"),
            ("https://::1", "brackets"),
            ("https://[::1", "brackets"),
            ("https://user@app.example", "user"),
            ("https://", "not a valid name"),
            ("", "scheme"),
        ] {
            let error = Origins::parse(&[wrong.to_owned()]).err().unwrap();
            assert!(error.contains(what) && error.contains(&format!("{wrong:?}")), "{wrong}: {error}");
        }
    }

    #[test]
    fn without_a_list_a_page_is_the_hub_s_own_by_host_and_port_however_they_are_written() {
        let none = Origins::parse(&[]).unwrap();
        for (origin, host, own) in [
            ("https://chat.example", "chat.example:443", true),
            ("https://chat.example:443", "chat.example", true),
            ("http://chat.example", "Chat.Example:80", true),
            ("https://chat.example", "chat.example:80", false),
            ("https://chat.example", "chat.example:8443", false),
            ("https://chat.example", "other.example", false),
            ("http://[::1]:8080", "[0:0::1]:8080", true),
            ("http://[::1]:8080", "[::2]:8080", false),
            ("null", "null", false),
        ] {
            assert_eq!(none.allow(Some(origin), Some(host), true), own, "{origin} {host}");
        }
        assert!(!none.allow(Some("https://chat.example"), None, true));
    }

    proptest! {
        #[test]
        fn every_spelling_of_an_origin_is_the_same_origin(
            host in "[a-z][a-z0-9-]{0,8}(\\.[a-z][a-z0-9]{0,5}){0,2}|\\[[0-9a-f]{1,4}::[0-9a-f]{1,4}\\]",
            secure: bool,
            port in prop::option::of(1_u16..),
            upper: bool,
            spelled: bool,
        ) {
            let (scheme, default) = if secure { ("https", 443) } else { ("http", 80) };
            let number = port.unwrap_or(default);
            let sent = if number == default { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{number}") };
            let written = if number == default && !spelled { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{number}") };
            let written = if upper { written.to_ascii_uppercase() } else { written };
            prop_assert!(allows(&written, &sent), "{} {}", written, sent);
            let other = format!("{scheme}://{host}:{}", number % 65535 + 1);
            prop_assert!(!allows(&written, &other), "{} {}", written, other);
        }

        #[test]
        fn nothing_a_client_or_a_file_says_panics(text in "\\PC{0,40}", host in "\\PC{0,20}") {
            let _ = Origins::parse(std::slice::from_ref(&text));
            let _ = Origins::parse(&[]).unwrap().allow(Some(&text), Some(&host), false);
            let _ = allows("https://*.a.b:*", &text);
        }
    }
}
