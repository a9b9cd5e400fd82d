//! The official programs' flags: `--name=value` or `--name value`.

use std::collections::HashMap;
use std::str::FromStr;

/// The flags of a command line.
#[derive(Debug)]
pub struct Flags(HashMap<String, String>);

/// Reads a command line.
///
/// # Errors
/// What is no flag.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Flags, String> {
    let mut flags = HashMap::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let name = argument
            .strip_prefix("--")
            .ok_or_else(|| format!("{argument} is no flag; write --name=value"))?;
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let value = arguments.next_if(|next| !next.starts_with("--"));
                (name.to_owned(), value.unwrap_or_else(|| "true".to_owned()))
            }
        };
        flags.insert(name, value);
    }
    Ok(Flags(flags))
}

impl Flags {
    /// The value of a flag, where it is given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a flag is `true`.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The value of a flag, or its default.
    #[must_use]
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.get(name).unwrap_or(default)
    }

    /// The value of a flag as a number, or its default.
    ///
    /// # Errors
    /// Where the value is no such number.
    pub fn number<N: FromStr>(&self, name: &str, default: N) -> Result<N, String> {
        match self.get(name) {
            Some(text) => text.parse().map_err(|_| format!("--{name}={text} is no number that fits")),
            None => Ok(default),
        }
    }
}
