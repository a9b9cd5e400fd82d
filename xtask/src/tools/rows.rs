//! What the tools are asked to do, and what they are to say.

use super::Row;

/// grpcurl's exit status is 64 and the number of the call's status; 3 is INVALID_ARGUMENT, 5 NOT_FOUND.
pub(super) const GRPCURL: &[Row] = &[
    Row {
        check: "list: the services",
        arguments: &["-plaintext", "ADDRESS", "list"],
        exit: 0,
        says: &[
            "user.v1.UserService",
            "order.v1.OrderService",
            "file.v1.FileService",
            "chat.v1.ChatService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ],
    },
    Row {
        check: "list: the methods of one",
        arguments: &["-plaintext", "ADDRESS", "list", "user.v1.UserService"],
        exit: 0,
        says: &[
            "user.v1.UserService.GetUser",
            "user.v1.UserService.ListUsers",
            "user.v1.UserService.UserChat",
        ],
    },
    Row {
        check: "describe: a service",
        arguments: &["-plaintext", "ADDRESS", "describe", "user.v1.UserService"],
        exit: 0,
        says: &["rpc BatchCreateUsers ( stream .user.v1.CreateUserRequest )", "rpc DeleteUser"],
    },
    Row {
        check: "describe: a message",
        arguments: &["-plaintext", "ADDRESS", "describe", "user.v1.User"],
        exit: 0,
        says: &["map<string, string> metadata = 10;", "oneof contact_method", ".google.protobuf.Timestamp"],
    },
    Row {
        check: "unary",
        arguments: &[
            "-plaintext",
            "-d",
            r#"{"name": "Ann", "email": "ann@example.com", "role": "ROLE_ADMIN"}"#,
            "ADDRESS",
            "user.v1.UserService/CreateUser",
        ],
        exit: 0,
        says: &["\"email\": \"ann@example.com\"", "USER_STATUS_ACTIVE", "ROLE_ADMIN", "createdAt"],
    },
    Row {
        check: "client stream",
        arguments: &[
            "-plaintext",
            "-d",
            r#"{"name": "Bob", "email": "bob@example.com"} {"name": "Cem", "email": "cem@example.com"} {"name": ""}"#,
            "ADDRESS",
            "user.v1.UserService/BatchCreateUsers",
        ],
        exit: 0,
        says: &["\"successCount\": 2", "\"failureCount\": 1"],
    },
    Row {
        check: "server stream, and its trailing metadata",
        arguments: &["-plaintext", "-v", "ADDRESS", "user.v1.UserService/ListUsers"],
        exit: 0,
        says: &["ann@example.com", "bob@example.com", "cem@example.com", "total-count: 3"],
    },
    Row {
        check: "a stream each way",
        arguments: &[
            "-plaintext",
            "-d",
            r#"{"content": "one"} {"content": "two"}"#,
            "ADDRESS",
            "user.v1.UserService/UserChat",
        ],
        exit: 0,
        says: &["\"content\": \"Echo: one\"", "\"content\": \"Echo: two\""],
    },
    Row {
        check: "an error with its details",
        arguments: &["-plaintext", "ADDRESS", "user.v1.UserService/CreateUser"],
        exit: 64 + 3,
        says: &[
            "Code: InvalidArgument",
            "Name and email are required",
            "google.rpc.BadRequest",
            "\"field\": \"email\"",
        ],
    },
    Row {
        check: "an error with a resource",
        arguments: &["-plaintext", "-d", r#"{"id": "7"}"#, "ADDRESS", "user.v1.UserService/GetUser"],
        exit: 64 + 5,
        says: &["Code: NotFound", "User 7 not found", "google.rpc.ResourceInfo", "\"resourceName\": \"7\""],
    },
    Row {
        check: "channelz: the server, its calls and where it listens",
        arguments: &["-plaintext", "ADDRESS", "grpc.channelz.v1.Channelz/GetServers"],
        exit: 0,
        says: &[
            "\"serverId\": \"1\"",
            "\"callsSucceeded\"",
            "\"callsFailed\": \"2\"",
            "\"name\": \"ADDRESS\"",
        ],
    },
    Row {
        check: "channelz: its connections",
        arguments: &[
            "-plaintext",
            "-d",
            r#"{"server_id": 1}"#,
            "ADDRESS",
            "grpc.channelz.v1.Channelz/GetServerSockets",
        ],
        exit: 0,
        says: &["\"socketId\"", "\"name\": \"127.0.0.1:", "\"end\": true"],
    },
    Row {
        check: "channelz: the socket that listens",
        arguments: &[
            "-plaintext",
            "-d",
            r#"{"socket_id": 2}"#,
            "ADDRESS",
            "grpc.channelz.v1.Channelz/GetSocket",
        ],
        exit: 0,
        says: &["\"ipAddress\": \"fwAAAQ==\""],
    },
    Row {
        check: "a method that is not there",
        arguments: &["-plaintext", "ADDRESS", "user.v1.UserService/Nothing"],
        exit: 1,
        says: &["does not include a method named \"Nothing\""],
    },
];

/// buf's exit status is the number of the call's status times 8.
pub(super) const BUF: &[Row] = &[
    Row {
        check: "list the services, reflection v1",
        arguments: &[
            "curl",
            "--http2-prior-knowledge",
            "--protocol=grpc",
            "--reflect-protocol=grpc-v1",
            "--list-services",
            "http://ADDRESS",
        ],
        exit: 0,
        says: &["user.v1.UserService", "order.v1.OrderService", "file.v1.FileService", "chat.v1.ChatService"],
    },
    Row {
        check: "list the services, reflection v1alpha",
        arguments: &[
            "curl",
            "--http2-prior-knowledge",
            "--protocol=grpc",
            "--reflect-protocol=grpc-v1alpha",
            "--list-services",
            "http://ADDRESS",
        ],
        exit: 0,
        says: &["user.v1.UserService", "order.v1.OrderService", "file.v1.FileService", "chat.v1.ChatService"],
    },
    Row {
        check: "list the methods",
        arguments: &[
            "curl",
            "--http2-prior-knowledge",
            "--protocol=grpc",
            "--reflect-protocol=grpc-v1",
            "--list-methods",
            "http://ADDRESS",
        ],
        exit: 0,
        says: &["user.v1.UserService/CreateUser", "order.v1.OrderService/MatchOrders"],
    },
    Row {
        check: "unary, reflection v1",
        arguments: &[
            "curl",
            "--protocol=grpc",
            "--reflect-protocol=grpc-v1",
            "--data",
            r#"{"name": "Dee", "email": "dee@example.com"}"#,
            "http://ADDRESS/user.v1.UserService/CreateUser",
        ],
        exit: 0,
        says: &["\"email\": \"dee@example.com\"", "ROLE_USER"],
    },
    Row {
        check: "server stream, reflection v1alpha",
        arguments: &[
            "curl",
            "--protocol=grpc",
            "--reflect-protocol=grpc-v1alpha",
            "http://ADDRESS/user.v1.UserService/ListUsers",
        ],
        exit: 0,
        says: &["ann@example.com", "dee@example.com"],
    },
    Row {
        check: "client stream",
        arguments: &[
            "curl",
            "--protocol=grpc",
            "--data",
            r#"{"name": "Eve", "email": "eve@example.com"} {"name": "Eve again", "email": "eve@example.com"}"#,
            "http://ADDRESS/user.v1.UserService/BatchCreateUsers",
        ],
        exit: 0,
        says: &["\"successCount\": 1", "\"failureCount\": 1"],
    },
    Row {
        check: "a stream each way",
        arguments: &[
            "curl",
            "--protocol=grpc",
            "--data",
            r#"{"content": "one"} {"content": "two"}"#,
            "http://ADDRESS/user.v1.UserService/UserChat",
        ],
        exit: 0,
        says: &["Echo: one", "Echo: two"],
    },
    Row {
        check: "an error with its details",
        arguments: &["curl", "--protocol=grpc", "http://ADDRESS/user.v1.UserService/CreateUser"],
        exit: 3 << 3,
        says: &["invalid_argument", "Name and email are required", "google.rpc.BadRequest"],
    },
];

/// The probe's exit status is 0 for SERVING, and 3 where the call fails.
pub(super) const PROBE: &[Row] = &[
    Row { check: "the server: SERVING", arguments: &["-addr=ADDRESS"], exit: 0, says: &["status: SERVING"] },
    Row {
        check: "user.v1.UserService: SERVING",
        arguments: &["-addr=ADDRESS", "-service=user.v1.UserService"],
        exit: 0,
        says: &["status: SERVING"],
    },
    Row {
        check: "order.v1.OrderService: SERVING",
        arguments: &["-addr=ADDRESS", "-service=order.v1.OrderService"],
        exit: 0,
        says: &["status: SERVING"],
    },
    Row {
        check: "file.v1.FileService: SERVING",
        arguments: &["-addr=ADDRESS", "-service=file.v1.FileService"],
        exit: 0,
        says: &["status: SERVING"],
    },
    Row {
        check: "chat.v1.ChatService: SERVING",
        arguments: &["-addr=ADDRESS", "-service=chat.v1.ChatService"],
        exit: 0,
        says: &["status: SERVING"],
    },
    Row {
        check: "a service that is not there",
        arguments: &["-addr=ADDRESS", "-service=nobody.v1.Nothing"],
        exit: 3,
        says: &["NotFound"],
    },
    Row {
        check: "the server, compressed",
        arguments: &["-addr=ADDRESS", "-gzip"],
        exit: 0,
        says: &["status: SERVING"],
    },
];
