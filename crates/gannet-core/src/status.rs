//! How a call that failed says why.

use crate::code::Code;
use crate::detail::{AnyDetail, Detail};
use crate::failure::{Failure, Phase};
use crate::metadata::Metadata;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// `Result` with [`Status`] as the error. The default parameter lets a file that imports this name still write
/// `Result<T, ItsOwnError>`.
pub type Result<T, E = Status> = std::result::Result<T, E>;

/// Why a call failed: a code, a message for people, typed details for programs, and metadata. One pointer wide.
///
/// The source error ([`Status::with_source`]) is for the log of this process: it never goes over the wire.
///
/// ```
/// use gannet_core::{Code, Status};
///
/// let status = Status::not_found(format!("User {} not found", 7));
/// assert_eq!(status.code(), Code::NotFound);
/// assert_eq!(status.to_string(), "NOT_FOUND: User 7 not found");
/// ```
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    details: Vec<AnyDetail>,
    metadata: Metadata,
    source: Option<Arc<dyn Error + Send + Sync>>,
    /// Of a client's call that no server has ended.
    failure: Option<Box<Failure>>,
}

impl Status {
    /// A status with this code. The message is sent to the other side: it is for people and has no secrets.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            details: Vec::new(),
            metadata: Metadata::new(),
            source: None,
            failure: None,
        }))
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The details as they are on the wire.
    #[must_use]
    pub fn details(&self) -> &[AnyDetail] {
        &self.0.details
    }

    /// The first detail of this type that can be read.
    #[must_use]
    pub fn detail<D: Detail>(&self) -> Option<D> {
        self.0.details.iter().find_map(AnyDetail::unpack)
    }

    /// The metadata that goes, or came, beside it in the trailers.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The metadata, to change it.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.0.metadata
    }

    /// Where a call failed that gannet's client ended itself; `None` where the status is a server's, or a program's own.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.failure.as_deref()
    }

    /// The phase in which gannet's client ended the call itself; as [`Status::failure`].
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.failure().map(Failure::phase)
    }

    /// Says where the call failed. It stays in this process, as the source does: it never goes over the wire.
    #[must_use]
    pub fn with_failure(mut self, failure: Failure) -> Self {
        self.0.failure = Some(Box::new(failure));
        self
    }

    /// Sets the message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Adds a detail.
    #[must_use]
    pub fn with_detail<D: Detail>(self, detail: D) -> Self {
        self.with_any_detail(AnyDetail::pack(&detail))
    }

    /// Adds a detail that is already encoded.
    #[must_use]
    pub fn with_any_detail(mut self, detail: AnyDetail) -> Self {
        self.0.details.push(detail);
        self
    }

    /// Sets the metadata that goes beside it in the trailers.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.0.metadata = metadata;
        self
    }

    /// Sets the error that caused it. [`Error::source`] gives it back; it is never sent.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// An I/O error of this process's own work (a file, a database, another server) with the code that its kind means to
    /// a caller. It is an explicit act, with a message of its own: what the error says stays in this process, as the
    /// source.
    ///
    /// | kind | code |
    /// | --- | --- |
    /// | `NotFound` | NOT_FOUND |
    /// | `AlreadyExists` | ALREADY_EXISTS |
    /// | `PermissionDenied`, `ReadOnlyFilesystem` | PERMISSION_DENIED |
    /// | `TimedOut` | DEADLINE_EXCEEDED |
    /// | `InvalidInput`, `InvalidFilename` | INVALID_ARGUMENT |
    /// | `InvalidData`, `UnexpectedEof` | DATA_LOSS |
    /// | `StorageFull`, `QuotaExceeded`, `FileTooLarge`, `OutOfMemory` | RESOURCE_EXHAUSTED |
    /// | `Unsupported` | UNIMPLEMENTED |
    /// | connections that are refused, reset or gone, `WouldBlock`, `Interrupted`, `ResourceBusy` | UNAVAILABLE |
    /// | all others | INTERNAL |
    ///
    /// ```
    /// use gannet_core::{Code, Result, Status};
    ///
    /// fn picture(name: &str) -> Result<Vec<u8>> {
    ///     std::fs::read(name).map_err(|error| Status::from_io(error, "reading the picture"))
    /// }
    ///
    /// assert_eq!(picture("/does/not/exist").unwrap_err().to_string(), "NOT_FOUND: reading the picture");
    /// ```
    #[must_use]
    pub fn from_io(error: io::Error, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code_of_io(error.kind()), message).with_source(error)
    }

    pub(crate) fn with_details(mut self, details: Vec<AnyDetail>) -> Self {
        self.0.details = details;
        self
    }
}

fn code_of_io(kind: io::ErrorKind) -> Code {
    use io::ErrorKind::*;
    match kind {
        NotFound => Code::NotFound,
        AlreadyExists => Code::AlreadyExists,
        PermissionDenied | ReadOnlyFilesystem => Code::PermissionDenied,
        TimedOut => Code::DeadlineExceeded,
        InvalidInput | InvalidFilename => Code::InvalidArgument,
        InvalidData | UnexpectedEof => Code::DataLoss,
        StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory => Code::ResourceExhausted,
        Unsupported => Code::Unimplemented,
        ConnectionRefused | ConnectionReset | ConnectionAborted | NotConnected | BrokenPipe
        | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable | WouldBlock
        | Interrupted | ResourceBusy => Code::Unavailable,
        _ => Code::Internal,
    }
}

macro_rules! constructors {
    ($($name:ident => $code:ident;)*) => {
        /// One for each code.
        impl Status {
            $(
                #[doc = concat!("A status with [`Code::", stringify!($code), "`].")]
                #[must_use]
                pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(Code::$code, message)
                }
            )*
        }
    };
}

constructors! {
    cancelled => Cancelled;
    unknown => Unknown;
    invalid_argument => InvalidArgument;
    deadline_exceeded => DeadlineExceeded;
    not_found => NotFound;
    already_exists => AlreadyExists;
    permission_denied => PermissionDenied;
    resource_exhausted => ResourceExhausted;
    failed_precondition => FailedPrecondition;
    aborted => Aborted;
    out_of_range => OutOfRange;
    unimplemented => Unimplemented;
    internal => Internal;
    unavailable => Unavailable;
    data_loss => DataLoss;
    unauthenticated => Unauthenticated;
}

/// `NOT_FOUND: User 7 not found`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            "" => write!(f, "{}", self.code()),
            message => write!(f, "{}: {message}", self.code()),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Status");
        debug.field("code", &self.0.code).field("message", &self.0.message);
        if !self.0.details.is_empty() {
            debug.field("details", &self.0.details);
        }
        if !self.0.metadata.is_empty() {
            debug.field("metadata", &self.0.metadata);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        if let Some(failure) = &self.0.failure {
            debug.field("failure", failure);
        }
        debug.finish()
    }
}

impl Error for Status {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Turns a result or an option into one with a [`Status`]. It is an explicit act with a message of its own: what an
/// error from elsewhere says stays in this process.
///
/// ```
/// use gannet_core::{Code, Result, ResultExt};
///
/// fn read(path: &str) -> Result<String> {
///     std::fs::read_to_string(path).internal("reading the configuration")
/// }
///
/// let status = read("/does/not/exist").unwrap_err();
/// assert_eq!(status.to_string(), "INTERNAL: reading the configuration");
/// assert!(std::error::Error::source(&status).is_some()); // for this process's log
///
/// let nobody: Option<&str> = None;
/// assert_eq!(nobody.status(Code::NotFound, "nobody").unwrap_err().code(), Code::NotFound);
/// ```
pub trait ResultExt<T> {
    /// An error becomes [`Code::Internal`] with this message; the error itself becomes the source and is not sent.
    fn internal(self, message: impl Into<Cow<'static, str>>) -> Result<T>;

    /// An error becomes this code with this message; the error itself becomes the source and is not sent.
    fn status(self, code: Code, message: impl Into<Cow<'static, str>>) -> Result<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> ResultExt<T> for Result<T, E> {
    fn internal(self, message: impl Into<Cow<'static, str>>) -> Result<T> {
        self.status(Code::Internal, message)
    }

    fn status(self, code: Code, message: impl Into<Cow<'static, str>>) -> Result<T> {
        self.map_err(|error| Status::new(code, message).with_source(error))
    }
}

impl<T> ResultExt<T> for Option<T> {
    fn internal(self, message: impl Into<Cow<'static, str>>) -> Result<T> {
        self.status(Code::Internal, message)
    }

    fn status(self, code: Code, message: impl Into<Cow<'static, str>>) -> Result<T> {
        self.ok_or_else(|| Status::new(code, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_between_threads<T: Error + Clone + Send + Sync + 'static>() {}

    #[test]
    fn a_status_is_one_pointer_wide() {
        sent_between_threads::<Status>();
        assert_eq!(size_of::<Status>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn details_are_found_by_their_type() {
        struct Text<const NUMBER: u8>(String);
        impl Detail for Text<1> {
            const TYPE_URL: &'static str = "type.googleapis.com/test.One";
            fn encode(&self) -> Vec<u8> {
                self.0.clone().into_bytes()
            }
            fn decode(value: bytes::Bytes) -> Option<Self> {
                String::from_utf8(value.into()).ok().map(Self)
            }
        }
        let status = Status::aborted("x")
            .with_any_detail(AnyDetail::new("type.googleapis.com/test.Two", &b"two"[..]))
            .with_any_detail(AnyDetail::new("example.com/types/test.One", &b"\xff"[..]))
            .with_detail(Text::<1>("one".into()));
        assert_eq!(status.details().len(), 3);
        assert_eq!(status.details()[0].type_name(), "test.Two");
        assert_eq!(status.detail::<Text<1>>().unwrap().0, "one");
    }

    #[test]
    fn io_errors_by_their_kind() {
        for (kind, code) in [
            (io::ErrorKind::NotFound, Code::NotFound),
            (io::ErrorKind::ConnectionRefused, Code::Unavailable),
            (io::ErrorKind::StorageFull, Code::ResourceExhausted),
            (io::ErrorKind::UnexpectedEof, Code::DataLoss),
            (io::ErrorKind::Other, Code::Internal),
        ] {
            let status = Status::from_io(io::Error::new(kind, "secret path"), "reading");
            assert_eq!((status.code(), status.message()), (code, "reading"));
            assert_eq!(status.source().unwrap().to_string(), "secret path");
        }
    }

    #[test]
    fn the_source_is_kept_for_the_log() {
        let error = "seven".parse::<u8>().internal("parsing").unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "invalid digit found in string");
        assert_eq!(error.clone().source().unwrap().to_string(), "invalid digit found in string");
        assert_eq!(error.to_string(), "INTERNAL: parsing");
        assert!(format!("{error:?}").contains("InvalidDigit"));
        assert_eq!(Status::unknown("").to_string(), "UNKNOWN");
    }
}
