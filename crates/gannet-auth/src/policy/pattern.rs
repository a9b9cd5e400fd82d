//! The four ways in which gRFC A43 matches a text.

/// `abc`, `abc*`, `*abc` or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Exact(String),
    Prefix(String),
    Suffix(String),
    /// Anything but nothing.
    Present,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        if text == "*" {
            Pattern::Present
        } else if let Some(prefix) = text.strip_suffix('*') {
            Pattern::Prefix(prefix.to_owned())
        } else if let Some(suffix) = text.strip_prefix('*') {
            Pattern::Suffix(suffix.to_owned())
        } else {
            Pattern::Exact(text.to_owned())
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Exact(exact) => text == exact,
            Pattern::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Pattern::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Pattern::Present => !text.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_ways() {
        for (pattern, matching, other) in [
            ("abc", &["abc"][..], &["abcd", "xabc", ""][..]),
            ("abc*", &["abc", "abcd"], &["ab", "xabc"]),
            ("*abc", &["abc", "xabc"], &["abcd", ""]),
            ("*", &["a"], &[""]),
            ("", &[""], &["a"]),
        ] {
            let parsed = Pattern::new(pattern);
            assert!(matching.iter().all(|text| parsed.matches(text)), "{pattern}");
            assert!(!other.iter().any(|text| parsed.matches(text)), "{pattern}");
        }
    }
}
