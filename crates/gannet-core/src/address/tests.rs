use super::*;
use proptest::prelude::*;

fn dns(host: &str, port: Option<u16>) -> Target {
    Target::Dns { server: None, host: host.into(), port }
}

fn ip(addresses: &[&str]) -> Target {
    Target::Ip(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

#[test]
fn targets() {
    let asked = Target::Dns { server: Some("1.1.1.1:53".into()), host: "users".into(), port: Some(50051) };
    for (text, target, authority) in [
        // naming.md: dns:[//authority/]host[:port]
        ("dns:///users.internal:50051", dns("users.internal", Some(50051)), "users.internal:50051"),
        ("dns:users.internal:50051", dns("users.internal", Some(50051)), "users.internal:50051"),
        ("dns:users.internal", dns("users.internal", None), "users.internal"),
        ("dns:///users", dns("users", None), "users"),
        ("dns://1.1.1.1:53/users:50051", asked, "users:50051"),
        ("users.internal:50051", dns("users.internal", Some(50051)), "users.internal:50051"),
        ("localhost", dns("localhost", None), "localhost"),
        ("localhost:1", dns("localhost", Some(1)), "localhost:1"),
        // A host that is an address.
        ("127.0.0.1:50051", ip(&["127.0.0.1:50051"]), "127.0.0.1:50051"),
        ("dns:///127.0.0.1", ip(&["127.0.0.1:443"]), "127.0.0.1:443"),
        ("[::1]:50051", ip(&["[::1]:50051"]), "[::1]:50051"),
        ("[::1]", ip(&["[::1]:443"]), "[::1]:443"),
        ("::1", ip(&["[::1]:443"]), "[::1]:443"),
        ("dns:///[::1]:50051", ip(&["[::1]:50051"]), "[::1]:50051"),
        // naming.md: ipv4:address[:port][,address[:port],...]
        ("ipv4:1.2.3.4:50051,5.6.7.8", ip(&["1.2.3.4:50051", "5.6.7.8:443"]), "1.2.3.4:50051"),
        ("ipv6:[::1]:50051,::2,[::3]", ip(&["[::1]:50051", "[::2]:443", "[::3]:443"]), "[::1]:50051"),
        (
            "ipv6:2607:f8b0:400e:c00::ef",
            ip(&["[2607:f8b0:400e:c00::ef]:443"]),
            "[2607:f8b0:400e:c00::ef]:443",
        ),
        ("ipv6:[fe80::1%2]:50051", ip(&["[fe80::1%2]:50051"]), "[fe80::1%2]:50051"),
        // naming.md: unix:path, unix://absolute_path, unix-abstract:abstract_path
        ("unix:run/socket", Target::Unix("run/socket".into()), "localhost"),
        ("unix:/run/socket", Target::Unix("/run/socket".into()), "localhost"),
        ("unix:///run/socket", Target::Unix("/run/socket".into()), "localhost"),
        ("unix:////run/socket", Target::Unix("//run/socket".into()), "localhost"),
        ("unix-abstract:gannet", Target::UnixAbstract("gannet".into()), "localhost"),
    ] {
        let parsed: Target = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parsed, target, "{text}");
        assert_eq!(parsed.authority(), authority, "{text}");
        assert_eq!(parsed.to_string().parse(), Ok(target), "{text}");
    }
}

#[test]
fn server_names_have_no_port() {
    for (text, name) in [
        ("users:50051", "users"),
        ("127.0.0.1:50051", "127.0.0.1"),
        ("[::1]:50051", "::1"),
        ("unix:s", "localhost"),
    ] {
        assert_eq!(text.parse::<Target>().unwrap().server_name(), name);
    }
}

#[test]
fn errors_say_what_to_do() {
    for (text, hint) in [
        ("http://localhost:50051", "leave http:// or https:// out and write host:port"),
        ("https://localhost", "leave http:// or https:// out and write host:port"),
        (
            "xds:///users",
            "the scheme \"xds\" is not known; there are dns, ipv4, ipv6, unix and unix-abstract",
        ),
        ("", "the host is missing"),
        (":50051", "the host is missing"),
        ("dns:", "the host is missing"),
        ("dns://", "the host is missing"),
        ("dns:///", "the host is missing"),
        ("dns://users:50051", "write dns:///users:50051 with three"),
        ("users:", "\"\" is not a port; a port is a number from 1 to 65535"),
        ("users:0", "\"0\" is not a port"),
        ("users:65536", "\"65536\" is not a port"),
        ("users:+1", "\"+1\" is not a port"),
        ("users:http", "\"http\" is not a port"),
        ("[::1]50051", "\"50051\" is not a port"),
        ("us ers:1", "\"us ers\" is not a host name"),
        ("users/x", "\"users/x\" is not a host name"),
        ("büro:1", "\"büro\" is not a host name"),
        ("fe80::zz:1", "an IPv6 address before a port stands in brackets"),
        ("[::1:50051", "is not an IPv6 address"),
        ("[users]:1", "is not an IPv6 address"),
        ("ipv4:", "is not an IPv4 address; write ipv4:10.0.0.1:50051"),
        ("ipv4:[::1]:1", "is not an IPv4 address"),
        ("ipv4:1.2.3.4,", "is not an IPv4 address"),
        ("ipv4:1.2.3.4:x", "\"x\" is not a port"),
        ("ipv6:1.2.3.4:1", "is not an IPv6 address; write ipv6:[::1]:50051"),
        ("ipv6:[::1]:0", "\"0\" is not a port"),
        ("unix:", "write unix:path"),
        ("unix://run/socket", "write unix:path for a relative one"),
        ("unix:a\0b", "no zero byte"),
        ("unix-abstract:", "write unix:path"),
    ] {
        let error = text.parse::<Target>().unwrap_err().to_string();
        assert!(error.contains(hint), "{error}");
        assert!(error.starts_with(&format!("{text:?} is not a target: ")), "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_and_what_parses_is_printed_back(
        text in prop_oneof![any::<String>(), "(dns:|ipv4:|ipv6:|unix:|)(//|///|)[a-z0-9:.,/\\[\\]%]{0,20}"],
    ) {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert!(!target.authority().is_empty());
            prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
        }
    }
}
