//! Is a request meant for us? A page of somebody else may have a name that leads to this machine; what
//! it cannot have is our address as its name.

use axum::http::{HeaderMap, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// Does every name in the request lead here, and is there one?
pub(super) fn is_ours(address: SocketAddr, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let named = uri.authority().is_none_or(|authority| is_name(address, authority.as_str()));
    named && host.to_str().is_ok_and(|host| is_name(address, host))
}

/// `localhost`, a loopback address, or the one that is listened on; with any port, as it may be
/// forwarded. Names are resolved by whoever asks, and so prove nothing.
fn is_name(address: SocketAddr, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    // Six groups of digits and a port look like seven groups, so such an address needs its brackets.
    let ip: Option<IpAddr> = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => name.parse().ok().filter(IpAddr::is_ipv4),
    };
    // Whoever listens on all addresses is asked for by any of them.
    ip.is_some_and(|ip| ip.is_loopback() || ip == address.ip() || address.ip().is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn ours(listen: &str, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).expect("a header"));
        }
        is_ours(listen.parse().expect("an address"), &Uri::from_static("/"), &headers)
    }

    #[test]
    fn only_our_own_names_are() {
        let local = "127.0.0.1:7300";
        for host in ["127.0.0.1:7300", "localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:7300", "127.0.0.2"] {
            assert!(ours(local, &[host]), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:7300",
            "10.0.0.1",
            "::1",
            "localhost:",
            "localhost:80:80",
            "[127.0.0.1]",
            "127.1",
            "user@localhost",
            "0.0.0.0",
        ] {
            assert!(!ours(local, &[host]), "{host}");
        }
        assert!(!ours(local, &[]));
        assert!(!ours(local, &["localhost", "evil.example"]));
        assert!(ours("10.1.2.3:80", &["10.1.2.3"]));
        assert!(!ours("10.1.2.3:80", &["10.1.2.4"]));
        assert!(ours("0.0.0.0:80", &["10.1.2.4"]));
        assert!(!ours("0.0.0.0:80", &["evil.example"]));
    }

    #[test]
    fn a_whole_address_in_the_request_is_looked_at_too() {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        let listen = "127.0.0.1:7300".parse().expect("an address");
        assert!(!is_ours(listen, &Uri::from_static("http://evil.example/"), &headers));
        assert!(is_ours(listen, &Uri::from_static("http://localhost/"), &headers));
    }
}
