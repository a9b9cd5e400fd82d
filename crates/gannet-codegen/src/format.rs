//! Tokens as text that people read.

use crate::error::Error;
use proc_macro2::TokenStream;
use syn::Item;

/// Formats items, with an empty line between those that are not one-liners of the same kind.
pub(crate) fn items(tokens: TokenStream) -> Result<String, Error> {
    let file: syn::File = syn::parse2(tokens)
        .map_err(|error| Error::new(format!("the generated code is not Rust: {error}")))?;
    let mut text = String::new();
    let mut previous = None;
    for item in file.items {
        let kind = one_liner(&item);
        let formatted =
            prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: vec![item] });
        if previous.is_some_and(|previous| previous != kind || kind == 0) {
            text.push('\n');
        }
        previous = Some(kind);
        text.push_str(&formatted);
    }
    Ok(text)
}

/// Moves every line that is not empty four columns to the right.
pub(crate) fn indent(text: &str) -> String {
    let mut indented = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines() {
        if !line.is_empty() {
            indented.push_str("    ");
            indented.push_str(line);
        }
        indented.push('\n');
    }
    indented
}

/// A byte string literal, broken into lines of about a hundred columns.
pub(crate) fn byte_string(bytes: &[u8]) -> String {
    let mut text = String::from("b\"\\\n");
    let mut column = 0;
    for &byte in bytes {
        // A line break in a literal skips the white space that follows it: so spaces are escaped at a line's start.
        let piece =
            if byte == b' ' && column == 0 { "\\x20".to_owned() } else { byte.escape_ascii().to_string() };
        text.push_str(&piece);
        column += piece.len();
        if column >= 100 {
            text.push_str("\\\n");
            column = 0;
        }
    }
    text.push('"');
    text
}

fn one_liner(item: &Item) -> u8 {
    match item {
        Item::Use(_) => 1,
        Item::Const(_) => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_string_is_the_bytes() {
        let bytes: Vec<u8> = (0..=255).chain([b' '; 300]).chain(*b"\"\\\r\n\t").collect();
        let literal: syn::LitByteStr = syn::parse_str(&byte_string(&bytes)).unwrap();
        assert_eq!(literal.value(), bytes);
    }

    #[test]
    fn items_stand_apart_and_one_liners_together() {
        let text = items(quote::quote! { use a::B; use a::C; const X: u8 = 1; fn f() {} fn g() {} }).unwrap();
        assert_eq!(text, "use a::B;\nuse a::C;\n\nconst X: u8 = 1;\n\nfn f() {}\n\nfn g() {}\n");
    }
}
