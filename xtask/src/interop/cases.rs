//! The official cases, and which of them a peer does not have.

/// The cases of grpc/grpc `doc/interop-test-descriptions.md` that need no cloud account, in its order; [`LEFT_OUT`] are
/// the others.
pub(super) const CASES: &[&str] = &[
    "empty_unary",
    "large_unary",
    "client_compressed_unary",
    "server_compressed_unary",
    "client_streaming",
    "client_compressed_streaming",
    "server_streaming",
    "server_compressed_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "orca_per_rpc",
    "orca_oob",
    "rpc_soak",
    "channel_soak",
];

/// The cases of the document that nobody runs here, and why.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    (
        "compute_engine_creds, jwt_token_creds, oauth2_auth_token, per_rpc_creds, google_default_credentials, \
         compute_engine_channel_credentials",
        "they need a cloud account",
    ),
    ("cacheable_unary", "it needs a caching proxy in between, and GET, which PROTOCOL-HTTP2 does not have"),
    ("concurrent_large_unary", "the document has it as a TODO, and no peer has it"),
    ("long_lived_channel", "it is rpc_soak with pauses; cargo xtask soak holds channels for longer"),
];

/// What a case needs beyond the defaults: a busy machine more than one second a call and ten for all; a client that shows
/// load reports to a load-balancing policy alone, the policy for them that comes with its program.
pub(super) fn flags(case: &str) -> &'static [&'static str] {
    if ORCA.contains(&case) {
        &[r#"--service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}"#]
    } else if case.ends_with("_soak") {
        &[
            "--soak_iterations=20",
            "--soak_per_iteration_max_acceptable_latency_ms=5000",
            "--soak_overall_timeout_seconds=50",
        ]
    } else {
        &[]
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Client,
    Server,
}

/// Cases that a peer can't do in a role, and why.
struct Missing {
    peer: &'static str,
    role: Role,
    cases: &'static [&'static str],
    reason: &'static str,
}

const CLIENT_COMPRESSED: &[&str] = &["client_compressed_unary", "client_compressed_streaming"];
const ORCA: &[&str] = &["orca_per_rpc", "orca_oob"];
const SERVER_COMPRESSED: &[&str] = &["server_compressed_unary", "server_compressed_streaming"];

const MISSING: &[Missing] = &[
    Missing {
        peer: "grpc-go",
        role: Role::Client,
        cases: &[
            "client_compressed_unary",
            "server_compressed_unary",
            "client_compressed_streaming",
            "server_compressed_streaming",
        ],
        reason: "its interop client has no cases of compression",
    },
    Missing {
        peer: "grpc-go",
        role: Role::Server,
        cases: CLIENT_COMPRESSED,
        reason: "its interop server does not look at expect_compressed",
    },
    Missing {
        peer: "grpc-go",
        role: Role::Server,
        cases: SERVER_COMPRESSED,
        reason: "its interop server does not look at response_compressed",
    },
    Missing {
        peer: "grpc-java",
        role: Role::Server,
        cases: CLIENT_COMPRESSED,
        reason: "its API does not tell a server whether a message came compressed",
    },
    Missing {
        peer: "grpc-java",
        role: Role::Server,
        cases: &["server_compressed_streaming"],
        reason: "its interop server compresses no messages of streams",
    },
    Missing {
        peer: "grpcio",
        role: Role::Client,
        cases: &["client_compressed_streaming"],
        reason: "its API has no way to send one message of a compressed stream uncompressed",
    },
    Missing {
        peer: "grpcio",
        role: Role::Client,
        cases: &["orca_per_rpc"],
        reason: "its core takes the trailer of load reports out of those that its API shows",
    },
    Missing {
        peer: "grpcio",
        role: Role::Server,
        cases: CLIENT_COMPRESSED,
        reason: "its API does not tell a server whether a message came compressed",
    },
    Missing {
        peer: "grpc-js",
        role: Role::Client,
        cases: &["client_compressed_streaming"],
        reason: "its API has no way to send one message of a compressed stream uncompressed",
    },
    Missing {
        peer: "grpc-js",
        role: Role::Server,
        cases: CLIENT_COMPRESSED,
        reason: "its API does not tell a server whether a message came compressed",
    },
    Missing {
        peer: "grpc-js",
        role: Role::Server,
        cases: SERVER_COMPRESSED,
        reason: "its server compresses no responses",
    },
];

/// Why this client and this server can't do this case together; `None` where they can.
pub(super) fn missing(client: &str, server: &str, case: &str) -> Option<String> {
    let concerns = |missing: &&Missing| {
        let peer = if missing.role == Role::Client { client } else { server };
        missing.peer == peer && missing.cases.contains(&case)
    };
    let missing = MISSING.iter().find(concerns)?;
    let role = if missing.role == Role::Client { "client" } else { "server" };
    Some(format!("{} as a {role}: {}", missing.peer, missing.reason))
}
