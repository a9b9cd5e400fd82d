//! gRFC A43, "Details", as a table.

use super::*;

/// The example of gRFC A43.
const EXAMPLE: &str = r#"{
    "name": "example-policy",
    "allow_rules": [
        {
            "name": "admin-access",
            "source": {"principals": ["spiffe://foo.com/sa/admin1", "spiffe://foo.com/sa/admin2"]},
            "request": {"paths": ["/pkg.service/*"]}
        },
        {
            "name": "dev-access",
            "source": {"principals": ["*", ""]},
            "request": {
                "paths": ["/pkg.service/foo", "/pkg.service/bar"],
                "headers": [{"key": "dev-path", "values": ["/dev/path/*"]}]
            }
        }
    ],
    "deny_rules": [{"name": "deny-access", "request": {"paths": ["*/secret"]}}]
}"#;

fn metadata(fields: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in fields {
        metadata.append(name, value).unwrap();
    }
    metadata
}

#[test]
fn the_example_of_the_document() {
    let policy: Policy = EXAMPLE.parse().unwrap();
    let admin = ["spiffe://foo.com/sa/admin1".to_owned()];
    let dns = ["dev.example.com".to_owned()];
    let admin = Caller::with_certificate(&admin, &[], "CN=admin");
    let developer = Caller::with_certificate(&[], &dns, "CN=dev");
    let header = [("dev-path", "/dev/path/7")];
    for (path, fields, caller, decision) in [
        ("/pkg.service/anything", &[][..], admin, Decision::Allowed),
        ("/other.service/anything", &[], admin, Decision::NotAllowed),
        ("/pkg.service/secret", &[], admin, Decision::DeniedBy("deny-access")),
        ("/pkg.service/foo", &header, developer, Decision::Allowed),
        ("/pkg.service/foo", &header, Caller::without_certificate(), Decision::Allowed),
        // "If TLS is not used, matching fails."
        ("/pkg.service/foo", &header, Caller::without_tls(), Decision::NotAllowed),
        ("/pkg.service/foo", &[], developer, Decision::NotAllowed),
        ("/pkg.service/baz", &header, developer, Decision::NotAllowed),
    ] {
        assert_eq!(policy.decide(path, &metadata(fields), &caller), decision, "{path} {fields:?} {caller:?}");
    }
}

#[test]
fn several_values_of_a_header_are_one() {
    let policy = r#"{"name": "p", "allow_rules": [
        {"name": "r", "request": {"headers": [{"key": "X-Team", "values": ["a,b"]}]}}]}"#;
    let policy: Policy = policy.parse().unwrap();
    let decide = |fields: &[(&str, &str)]| policy.decide("/s/m", &metadata(fields), &Caller::without_tls());
    assert_eq!(decide(&[("x-team", "a"), ("x-team", "b")]), Decision::Allowed);
    assert_eq!(decide(&[("x-team", "a")]), Decision::NotAllowed);
}

#[test]
fn an_empty_rule_matches_everything() {
    let policy: Policy = r#"{"name": "p", "allow_rules": [{"name": "all"}]}"#.parse().unwrap();
    assert_eq!(policy.decide("/s/m", &Metadata::new(), &Caller::without_tls()), Decision::Allowed);
}

#[test]
fn policies_that_are_not_valid_say_why() {
    for (policy, why) in [
        (r#"{"name": "p"}"#, "allow_rules"),
        (r#"{"name": "p", "allow_rules": [], "surprise": 1}"#, "surprise"),
        (r#"{"name": "p", "allow_rules": [{"name": "r", "source": {"ips": []}}]}"#, "ips"),
        (r#"{"name": "p", "allow_rules": [{"name": ""}]}"#, "needs a name"),
        (
            r#"{"name": "p", "allow_rules": [{"name": "r", "request": {"headers": [{"key": "Host", "values": ["a"]}]}}]}"#,
            "can't be matched",
        ),
        (
            r#"{"name": "p", "allow_rules": [{"name": "r", "request": {"headers": [{"key": "grpc-x", "values": ["a"]}]}}]}"#,
            "can't be matched",
        ),
        (
            r#"{"name": "p", "allow_rules": [{"name": "r", "request": {"headers": [{"key": "x", "values": []}]}}]}"#,
            "no values",
        ),
        ("{", "EOF"),
    ] {
        let error = policy.parse::<Policy>().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
