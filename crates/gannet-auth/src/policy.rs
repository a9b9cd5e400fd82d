//! What callers may do: policies in the form of gRFC A43.

mod authorization;
mod caller;
mod file;
mod pattern;

pub use authorization::Authorization;
pub use caller::Caller;
pub use file::PolicyError;

use file::{PolicyFile, RuleFile};
use gannet::Metadata;
use pattern::Pattern;

/// An authorization policy (gRFC A43): a call that a deny rule matches is denied; of the others, one that an allow
/// rule matches is allowed, and the rest is denied.
///
/// ```
/// use gannet::Metadata;
/// use gannet_auth::{Caller, Decision, Policy};
///
/// let policy: Policy = r#"{
///     "name": "storefront",
///     "deny_rules": [{"name": "no one", "request": {"paths": ["*/Secret"]}}],
///     "allow_rules": [
///         {"name": "anybody reads", "request": {"paths": ["/user.v1.UserService/Get*"]}},
///         {"name": "our frontend", "source": {"principals": ["spiffe://example.com/frontend"]}}
///     ]
/// }"#.parse()?;
/// let decision = policy.decide("/user.v1.UserService/GetUser", &Metadata::new(), &Caller::without_tls());
/// assert_eq!(decision, Decision::Allowed);
/// # Ok::<(), gannet_auth::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    name: String,
    deny: Vec<Rule>,
    allow: Vec<Rule>,
}

/// What a policy says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// An allow rule matches, and no deny rule.
    Allowed,
    /// The deny rule of this name matches.
    DeniedBy(&'a str),
    /// No rule matches.
    NotAllowed,
}

/// All that is there has to match; what is not there matches anything.
#[derive(Clone, Debug)]
struct Rule {
    name: String,
    principals: Vec<Pattern>,
    paths: Vec<Pattern>,
    headers: Vec<Header>,
}

#[derive(Clone, Debug)]
struct Header {
    name: String,
    values: Vec<Pattern>,
}

impl Policy {
    /// The policy's own name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Decides on a call of the method at this path (`/package.Service/Method`).
    #[must_use]
    pub fn decide(&self, path: &str, metadata: &Metadata, caller: &Caller<'_>) -> Decision<'_> {
        let matches = |rule: &&Rule| rule.matches(path, metadata, caller);
        if let Some(rule) = self.deny.iter().find(matches) {
            return Decision::DeniedBy(&rule.name);
        }
        if self.allow.iter().any(|rule| matches(&rule)) { Decision::Allowed } else { Decision::NotAllowed }
    }
}

/// From JSON. A field that is not known makes the policy invalid: an old reader must not overlook a condition.
impl std::str::FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let file = PolicyFile::read(text)?;
        let rules = |rules: Vec<RuleFile>| rules.into_iter().map(Rule::from).collect();
        Ok(Self { name: file.name, deny: rules(file.deny_rules), allow: rules(file.allow_rules) })
    }
}

impl Rule {
    fn matches(&self, path: &str, metadata: &Metadata, caller: &Caller<'_>) -> bool {
        let principal = || self.principals.is_empty() || self.principals.iter().any(|one| caller.is(one));
        let path = self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.matches(path));
        path && self.headers.iter().all(|header| header.matches(metadata)) && principal()
    }
}

impl Header {
    fn matches(&self, metadata: &Metadata) -> bool {
        // gRFC A43: several values of a name are one, with commas between.
        let values: Vec<&str> = metadata.get_all(&self.name).collect();
        !values.is_empty() && {
            let joined = values.join(",");
            self.values.iter().any(|pattern| pattern.matches(&joined))
        }
    }
}

impl From<RuleFile> for Rule {
    fn from(file: RuleFile) -> Self {
        let patterns = |texts: Vec<String>| texts.iter().map(|text| Pattern::new(text)).collect();
        let headers = file.request.headers.into_iter();
        Self {
            name: file.name,
            principals: patterns(file.source.principals),
            paths: patterns(file.request.paths),
            headers: headers
                .map(|header| Header {
                    name: header.key.to_ascii_lowercase(),
                    values: patterns(header.values),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
