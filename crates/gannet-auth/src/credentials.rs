//! A channel's interceptor that sends a token with every call.

use gannet::{Answer, BoxFuture, Call, Interceptor, Next, Result, Status};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A token, and until when it may be used.
#[derive(Clone)]
pub struct Token {
    /// What goes after `Bearer` in `authorization`.
    pub value: String,
    /// When it ends to be valid; `None` where it does not.
    pub expires: Option<Instant>,
}

/// Where tokens come from: a file, an identity provider, a metadata server.
///
/// A closure that returns a future of a [`Token`] is one.
pub trait TokenSource: Send + Sync + 'static {
    /// Gets a token that is valid now. It is not called twice at once.
    fn token(&self) -> BoxFuture<'_, Result<Token>>;
}

impl<F, R> TokenSource for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Token>> + Send + 'static,
{
    fn token(&self) -> BoxFuture<'_, Result<Token>> {
        Box::pin(self())
    }
}

/// Sends a token of this source with every call of a channel, and gets the next one before it expires. A call for which
/// there is none ends with UNAUTHENTICATED.
///
/// A token is as good as a password: send it over TLS. It enters no header compression table (RFC 7541 §7.1.3).
///
/// ```
/// use gannet::Channel;
/// use gannet_auth::{Token, TokenCredentials};
///
/// let credentials = TokenCredentials::new(|| async {
///     Ok(Token { value: "from the identity provider".into(), expires: None })
/// });
/// let channel = Channel::builder("dns:///users.internal:50051")?.intercept(credentials).build();
/// # drop(channel);
/// # Ok::<(), gannet::InvalidTarget>(())
/// ```
#[derive(Clone)]
pub struct TokenCredentials(Arc<Shared>);

struct Shared {
    source: Box<dyn TokenSource>,
    ahead: Duration,
    /// Held while a token is fetched: the other calls wait for it.
    token: Mutex<Option<Token>>,
}

impl TokenCredentials {
    /// Tokens of this source, each replaced a minute before it expires.
    #[must_use]
    pub fn new(source: impl TokenSource) -> Self {
        Self::ahead(source, Duration::from_secs(60))
    }

    /// Tokens of this source, each replaced this long before it expires.
    #[must_use]
    pub fn ahead(source: impl TokenSource, ahead: Duration) -> Self {
        Self(Arc::new(Shared { source: Box::new(source), ahead, token: Mutex::new(None) }))
    }

    /// One token for ever.
    #[must_use]
    pub fn fixed(token: impl Into<String>) -> Self {
        let token = Token { value: token.into(), expires: None };
        Self::new(move || std::future::ready(Ok(token.clone())))
    }

    async fn current(&self) -> Result<String> {
        let mut token = self.0.token.lock().await;
        let now = Instant::now();
        if let Some(known) = token.as_ref().filter(|known| known.is_good(now + self.0.ahead)) {
            return Ok(known.value.clone());
        }
        match self.0.source.token().await {
            Ok(new) => Ok(token.insert(new).value.clone()),
            // The old one may still do while the source is away.
            Err(status) => match token.as_ref().filter(|known| known.is_good(now)) {
                Some(known) => Ok(known.value.clone()),
                None => Err(Status::unauthenticated(format!("no token could be had: {}", status.message()))
                    .with_source(status)),
            },
        }
    }
}

impl Token {
    fn is_good(&self, at: Instant) -> bool {
        self.expires.is_none_or(|expires| at < expires)
    }
}

impl Interceptor for TokenCredentials {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let token = self.current().await?;
        call.metadata_mut().remove("authorization");
        call.metadata_mut().append_sensitive("authorization", &format!("Bearer {token}"))?;
        next.run(call).await
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCredentials")
    }
}
