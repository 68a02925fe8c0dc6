//! The PROXY protocol, versions 1 and 2: the header that a proxy sends before the bytes of a client. Reads nothing beyond
//! its header.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1.
const LONGEST_LINE: usize = 107;
/// Maximum size of a header of version 2, which may hold more than addresses.
const LONGEST_REST: u16 = 16 * 1024;

/// Reads a header. `None`: it names no client, as a proxy's own health checks do.
pub(super) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    // The shortest header of both versions is longer.
    let mut begin = [0; SIGNATURE.len()];
    socket.read_exact(&mut begin).await?;
    if begin != SIGNATURE {
        return read_line(socket, &begin).await;
    }
    let [mut kind, mut length] = [[0; 2]; 2];
    socket.read_exact(&mut kind).await?;
    socket.read_exact(&mut length).await?;
    let length = u16::from_be_bytes(length);
    if length > LONGEST_REST {
        return Err(wrong("its header is too long"));
    }
    let mut rest = vec![0; usize::from(length)];
    socket.read_exact(&mut rest).await?;
    binary(kind, &rest)
}

async fn read_line(socket: &mut (impl AsyncRead + Unpin), begin: &[u8]) -> io::Result<Option<IpAddr>> {
    if !begin.starts_with(b"PROXY ") {
        return Err(wrong("the connection does not begin with it"));
    }
    let mut line = begin.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LONGEST_LINE {
            return Err(wrong("its line is too long"));
        }
        // One by one: what follows is the client's.
        line.push(socket.read_u8().await?);
    }
    let line = std::str::from_utf8(&line[..line.len() - 2]).map_err(|_| wrong("its line is not text"))?;
    text(line)
}

/// A line of version 1, without its end.
fn text(line: &str) -> io::Result<Option<IpAddr>> {
    let fault = || wrong("its line is not PROXY, a family, two addresses and two ports");
    let parts: Vec<&str> = line.split(' ').collect();
    let (family, rest) = match parts.as_slice() {
        ["PROXY", "UNKNOWN", ..] => return Ok(None),
        ["PROXY", family, rest @ ..] => (*family, rest),
        _ => return Err(fault()),
    };
    let [source, destination, ports @ ..] = rest else { return Err(fault()) };
    if ports.len() != 2 || ports.iter().any(|port| port.parse::<u16>().is_err()) {
        return Err(fault());
    }
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse().ok().map(IpAddr::V4),
            "TCP6" => text.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    match (address(source), address(destination)) {
        (Some(source), Some(_)) => Ok(Some(source.to_canonical())),
        _ => Err(fault()),
    }
}

/// What follows the signature of version 2.
fn binary([command, family]: [u8; 2], rest: &[u8]) -> io::Result<Option<IpAddr>> {
    match command {
        // The proxy speaks for itself.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(wrong("its version or command is not known")),
    }
    let fault = || wrong("its addresses are cut off");
    let source: Option<IpAddr> = match family >> 4 {
        1 if rest.len() < 12 => return Err(fault()),
        2 if rest.len() < 36 => return Err(fault()),
        1 => rest.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).into()),
        2 => rest.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).into()),
        // A Unix socket of the proxy, or nothing.
        0 | 3 => None,
        _ => return Err(wrong("its family of addresses is not known")),
    };
    Ok(source.map(|source| source.to_canonical()))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("PROXY protocol: {what}"))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

    use ppp::{HeaderResult, PartialResult as _, v1, v2};
    use proptest::prelude::*;

    use super::*;

    fn read_all(bytes: &[u8]) -> (io::Result<Option<IpAddr>>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut rest = bytes;
        let read = runtime.block_on(read(&mut rest));
        (read, rest.len())
    }

    /// What another implementation reads.
    fn theirs(bytes: &[u8]) -> Option<Option<IpAddr>> {
        let parsed = HeaderResult::parse(bytes);
        if parsed.is_incomplete() {
            return None;
        }
        let address = match parsed {
            HeaderResult::V1(Ok(header)) => match header.addresses {
                v1::Addresses::Tcp4(found) => Some(found.source_address.into()),
                v1::Addresses::Tcp6(found) => Some(found.source_address.into()),
                v1::Addresses::Unknown => None,
            },
            HeaderResult::V2(Ok(header)) => match (header.command, header.addresses) {
                (v2::Command::Proxy, v2::Addresses::IPv4(found)) => Some(found.source_address.into()),
                (v2::Command::Proxy, v2::Addresses::IPv6(found)) => Some(found.source_address.into()),
                _ => None,
            },
            _ => return None,
        };
        Some(address.map(|address: IpAddr| address.to_canonical()))
    }

    fn addresses() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
        let four = any::<(u32, u16, u32, u16)>().prop_map(|(one, port, other, to)| {
            (SocketAddrV4::new(one.into(), port).into(), SocketAddrV4::new(other.into(), to).into())
        });
        let six = any::<(u128, u16, u128, u16)>().prop_map(|(one, port, other, to)| {
            let of = |address: u128, port| SocketAddr::from(SocketAddrV6::new(address.into(), port, 0, 0));
            (of(one, port), of(other, to))
        });
        prop_oneof![four, six]
    }

    fn header() -> impl Strategy<Value = Vec<u8>> {
        let line = addresses().prop_map(|both| v1::Addresses::from(both).to_string().into_bytes());
        let binary = (addresses(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(
            |(both, own, more)| {
                let command = if own { v2::Command::Local } else { v2::Command::Proxy };
                let builder =
                    v2::Builder::with_addresses(v2::Version::Two | command, v2::Protocol::Stream, both);
                builder.write_tlv(v2::Type::NoOp, &more).unwrap().build().unwrap()
            },
        );
        prop_oneof![line, binary, Just(b"PROXY UNKNOWN\r\n".to_vec())]
    }

    proptest! {
        #[test]
        fn headers_are_read_as_another_implementation_reads_them_and_nothing_beyond(
            header in header(),
            after in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let bytes = [header.as_slice(), after.as_slice()].concat();
            let (read, left) = read_all(&bytes);
            prop_assert_eq!(Some(read.unwrap()), theirs(&header));
            prop_assert_eq!(left, after.len());
            for end in 0..header.len() {
                prop_assert!(read_all(&header[..end]).0.is_err());
            }
        }

        #[test]
        fn a_damaged_header_is_refused_or_read_as_the_other_reads_it(
            mut header in header(),
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            for (at, byte) in damages {
                let at = at.index(header.len());
                header[at] = byte;
            }
            if let (Ok(ours), Some(theirs)) = (read_all(&header).0, theirs(&header)) {
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
