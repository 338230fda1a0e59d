//! What a client writes into a header moves its address nowhere, and what proxies write is read as they meant it.

use std::net::{Ipv4Addr, Ipv6Addr};

use poem::http::HeaderValue;
use proptest::{prelude::*, sample::select};

use super::*;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

const HEADERS: [ProxyHeader; 2] = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded];

fn client(header: ProxyHeader, hops: usize, lines: &[&str]) -> IpAddr {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header.name(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    Proxies { hops, header }.behind(PEER, &headers)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn every_form_of_an_address_is_read() {
    let (v4, v6) = (ip("192.0.2.43"), ip("2001:db8:cafe::17"));
    for (text, named) in [
        ("192.0.2.43", v4),
        (" 192.0.2.43:47011 ", v4),
        ("2001:db8:cafe::17", v6),
        ("[2001:db8:cafe::17]", v6),
        ("[2001:db8:cafe::17]:4711", v6),
        ("::ffff:192.0.2.43", v4),
        ("unknown", PEER),
        ("_hidden", PEER),
        ("", PEER),
        ("example.org", PEER),
        ("192.0.2.43, unknown", PEER),
    ] {
        assert_eq!(client(ProxyHeader::XForwardedFor, 1, &[text]), named, "{text}");
    }
    for (text, named) in [
        ("for=192.0.2.43", v4),
        ("For=\"192.0.2.43:47011\" ; proto=https", v4),
        ("by=203.0.113.60;FOR=\"[2001:db8:cafe::17]:4711\"", v6),
        ("for=\"[2001:db8:cafe::17]:_obfuscated\"", v6),
        ("for=\"[2001:db8:cafe::17]\";host=\"a, b; for=c\\\"\"", v6),
        ("for=unknown", PEER),
        ("for=_hidden, for=\"_SEVKISEK\"", PEER),
        ("proto=http", PEER),
        ("192.0.2.43", PEER),
        ("for=192.0.2.43;for=192.0.2.44", PEER),
    ] {
        assert_eq!(client(ProxyHeader::Forwarded, 1, &[text]), named, "{text}");
    }
}

#[test]
fn no_name_is_deeper_than_the_stack() {
    for header in HEADERS {
        let endless = format!("for=\"{}\"", ":_".repeat(30_000));
        assert_eq!(client(header, 1, &[endless.trim_start_matches("for=").trim_matches('"')]), PEER);
        assert_eq!(client(header, 1, &[&endless]), PEER);
    }
}

#[test]
fn proxies_are_counted_from_the_right_over_all_lines() {
    let lines = ["198.51.100.1, 192.0.2.3", "192.0.2.2,192.0.2.1"];
    for (hops, named) in [(0, PEER), (1, ip("192.0.2.1")), (2, ip("192.0.2.2")), (3, ip("192.0.2.3"))] {
        assert_eq!(client(ProxyHeader::XForwardedFor, hops, &lines), named);
    }
    // One that does not say for whom it asks is as far as trust goes, whatever stands before.
    assert_eq!(client(ProxyHeader::XForwardedFor, 3, &["192.0.2.3, unknown, 192.0.2.1"]), ip("192.0.2.1"));
    assert_eq!(client(ProxyHeader::XForwardedFor, 3, &["192.0.2.2, 192.0.2.1"]), ip("192.0.2.2"));
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical());
    prop_oneof![v4, v6]
}

/// What a client may have written: nothing, nonsense, addresses, and quotes that are never closed.
fn forgeries() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[ -~]{0,12}",
        "[\\PC&&[^\r\n]]{0,6}",
        addresses().prop_map(|address| address.to_string()),
        select(vec!["for=", "\"", "\\\"", ",", ";", "for=\"", "[", "\\"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

/// An entry as a proxy writes it.
fn written(header: ProxyHeader, address: IpAddr, port: Option<u16>) -> String {
    let node = match (address, port) {
        (_, Some(port)) => SocketAddr::new(address, port).to_string(),
        (IpAddr::V6(v6), None) if header == ProxyHeader::Forwarded => format!("[{v6}]"),
        (address, None) => address.to_string(),
    };
    match header {
        ProxyHeader::XForwardedFor => node,
        ProxyHeader::Forwarded => format!("for=\"{node}\";proto=https"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_forgery_moves_what_the_proxies_have_written(
        forged in forgeries(),
        proxies in prop::collection::vec((addresses(), prop::option::of(any::<u16>()), any::<bool>()), 1..4),
        header in select(HEADERS.as_slice()),
    ) {
        // Each proxy adds to the last line, or a line of its own.
        let mut lines = vec![forged];
        for (address, port, own_line) in &proxies {
            let entry = written(header, *address, *port);
            match lines.last_mut() {
                Some(line) if !own_line => *line = format!("{line}, {entry}"),
                _ => lines.push(entry),
            }
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(client(header, proxies.len(), &lines), proxies[0].0);
        prop_assert_eq!(client(header, 1, &lines), proxies[proxies.len() - 1].0);
        prop_assert_eq!(client(header, 0, &lines), PEER);
    }

    #[test]
    fn any_text_is_an_address_or_none(text in forgeries(), hops in 0..4usize, header in select(HEADERS.as_slice())) {
        client(header, hops, &[&text, &text]);
    }
}
