//! A policy as it is written: JSON (gRFC A43, "Policy").

use serde::Deserialize;
use std::fmt;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) deny_rules: Vec<RuleFile>,
    pub(super) allow_rules: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) source: SourceFile,
    #[serde(default)]
    pub(super) request: RequestFile,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceFile {
    #[serde(default)]
    pub(super) principals: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestFile {
    #[serde(default)]
    pub(super) paths: Vec<String>,
    #[serde(default)]
    pub(super) headers: Vec<HeaderFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderFile {
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

impl PolicyFile {
    pub(super) fn read(text: &str) -> Result<Self, PolicyError> {
        let file: Self = serde_json::from_str(text).map_err(|error| PolicyError(error.to_string()))?;
        for rule in file.deny_rules.iter().chain(&file.allow_rules) {
            rule.check()?;
        }
        Ok(file)
    }
}

impl RuleFile {
    fn check(&self) -> Result<(), PolicyError> {
        let wrong = |text: String| Err(PolicyError(format!("rule {:?}: {text}", self.name)));
        if self.name.is_empty() {
            return wrong("a rule needs a name".into());
        }
        for header in &self.request.headers {
            if !may_be_matched(&header.key) {
                return wrong(format!("the header {:?} can't be matched", header.key));
            }
            if header.values.is_empty() {
                return wrong(format!("the header {:?} has no values to match", header.key));
            }
        }
        Ok(())
    }
}

/// gRFC A43: not `Host`, pseudo-headers, hop-by-hop headers, or gRPC's own.
fn may_be_matched(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let hop_by_hop = matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    );
    !(name.is_empty() || name == "host" || name.starts_with(':') || name.starts_with("grpc-") || hop_by_hop)
}

/// Why a policy can't be used. The text says what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(pub(super) String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the authorization policy is not valid: {}", self.0)
    }
}

impl std::error::Error for PolicyError {}
