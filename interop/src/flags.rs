//! The official programs' flags: `--name=value` or `--name value`.

use std::collections::HashMap;

/// The flags of a command line.
///
/// # Errors
/// What is no flag, or has no value.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<HashMap<String, String>, String> {
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
    Ok(flags)
}
