use std::fmt;

/// What a build script's `main` returns.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why no code was generated, as a text for the person who wrote the `.proto` file or the build script.
///
/// `Debug` shows that text as well, so that `fn main() -> gannet_build::Result` prints it and not a structure.
pub struct Error(String);

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<gannet_codegen::Error> for Error {
    fn from(error: gannet_codegen::Error) -> Self {
        Self::new(error.to_string())
    }
}
