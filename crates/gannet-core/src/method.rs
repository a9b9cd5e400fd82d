//! What is known of services and methods before any call: written by the code generator, read by routing,
//! interceptors, reflection and policies.
//!
//! The fields are public and the structs can be built by literals, because generated code builds them as constants.
//! A field added here makes old generated code a compile error; that is why generated code names the version of the
//! generator that it needs.

/// A service of a .proto file.
#[derive(Debug)]
pub struct ServiceSpec {
    /// The full name, such as `user.v1.UserService`.
    pub name: &'static str,
    /// The .proto file that defines it, as imports name it, such as `user/v1/user.proto`.
    pub file: &'static str,
    /// Its methods, in the order of the file.
    pub methods: &'static [MethodSpec],
    /// An encoded `google.protobuf.FileDescriptorSet`: the file and everything it imports.
    pub descriptors: &'static [u8],
}

impl ServiceSpec {
    /// The method with this name (without the service), and its place in [`ServiceSpec::methods`].
    #[must_use]
    pub fn method(&self, name: &str) -> Option<(usize, &'static MethodSpec)> {
        self.methods.iter().enumerate().find(|(_, method)| method.name == name)
    }
}

/// A method of a service.
#[derive(Debug)]
pub struct MethodSpec {
    /// The full name of the service, such as `user.v1.UserService`.
    pub service: &'static str,
    /// The method's own name, such as `GetUser`.
    pub name: &'static str,
    /// The `:path` of its calls, such as `/user.v1.UserService/GetUser`.
    pub path: &'static str,
    /// Whether the client sends a stream of messages.
    pub client_streaming: bool,
    /// Whether the server sends a stream of messages.
    pub server_streaming: bool,
    /// What a second run of the same call may do.
    pub idempotency: Idempotency,
    /// Whether the .proto file marks it deprecated.
    pub deprecated: bool,
}

impl MethodSpec {
    /// Which of the four kinds of method it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match (self.client_streaming, self.server_streaming) {
            (false, false) => Kind::Unary,
            (false, true) => Kind::ServerStreaming,
            (true, false) => Kind::ClientStreaming,
            (true, true) => Kind::Bidi,
        }
    }
}

/// The four kinds of method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message each way.
    Unary,
    /// One message in, a stream out.
    ServerStreaming,
    /// A stream in, one message out.
    ClientStreaming,
    /// A stream each way.
    Bidi,
}

/// The option `idempotency_level` of a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// The .proto file does not say: a second run may do harm.
    #[default]
    Unknown,
    /// The call changes nothing.
    NoSideEffects,
    /// A second run changes nothing more.
    Idempotent,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn method(client_streaming: bool, server_streaming: bool) -> MethodSpec {
        MethodSpec {
            service: "test.Echo",
            name: "Echo",
            path: "/test.Echo/Echo",
            client_streaming,
            server_streaming,
            idempotency: Idempotency::Unknown,
            deprecated: false,
        }
    }

    static ECHO: ServiceSpec = ServiceSpec {
        name: "test.Echo",
        file: "echo.proto",
        methods: &[method(false, false)],
        descriptors: &[],
    };

    #[test]
    fn kinds() {
        assert_eq!(method(false, false).kind(), Kind::Unary);
        assert_eq!(method(false, true).kind(), Kind::ServerStreaming);
        assert_eq!(method(true, false).kind(), Kind::ClientStreaming);
        assert_eq!(method(true, true).kind(), Kind::Bidi);
    }

    #[test]
    fn a_method_is_found_by_its_name() {
        assert_eq!(
            ECHO.method("Echo").map(|(index, method)| (index, method.path)),
            Some((0, "/test.Echo/Echo"))
        );
        assert!(ECHO.method("echo").is_none());
    }
}
