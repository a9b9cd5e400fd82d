//! Names of `.proto` files as Rust names.

use buffa_codegen::idents::is_rust_keyword;
use proc_macro2::{Ident, Span};

/// `GetURLs` → `get_ur_ls`, `UserChat` → `user_chat`, `GetHTTPInfo` → `get_http_info`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let previous = i.checked_sub(1).map(|i| chars[i]);
        let starts_word = c.is_uppercase()
            && previous.is_some_and(|p| {
                p.is_lowercase()
                    || p.is_ascii_digit()
                    || p.is_uppercase() && chars.get(i + 1).is_some_and(|next| next.is_lowercase())
            });
        if starts_word {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// `UserService` → `USER_SERVICE`.
pub(crate) fn shouty_snake_case(name: &str) -> String {
    snake_case(name).to_uppercase()
}

/// `greeter` → `Greeter`; a name that begins with a capital stays as it is.
pub(crate) fn type_name(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        name.to_owned()
    } else {
        buffa_codegen::idents::to_upper_camel_case(name)
    }
}

/// An identifier, raw or with an underscore where the name is a keyword.
pub(crate) fn ident(name: &str) -> Ident {
    match name {
        // These four cannot be raw.
        "self" | "Self" | "super" | "crate" => Ident::new(&format!("{name}_"), Span::call_site()),
        _ if is_rust_keyword(name) => Ident::new_raw(name, Span::call_site()),
        _ => Ident::new(name, Span::call_site()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_statics() {
        for (proto, method, constant) in [
            ("Greet", "greet", "GREET"),
            ("UserService", "user_service", "USER_SERVICE"),
            ("GetHTTPInfo", "get_http_info", "GET_HTTP_INFO"),
            ("V2Method", "v2_method", "V2_METHOD"),
            ("get_user", "get_user", "GET_USER"),
            ("Get_User", "get_user", "GET_USER"),
            ("GetURL", "get_url", "GET_URL"),
            ("A", "a", "A"),
        ] {
            assert_eq!(
                (snake_case(proto).as_str(), shouty_snake_case(proto).as_str()),
                (method, constant),
                "{proto}"
            );
        }
    }

    #[test]
    fn keywords() {
        for (name, rust) in
            [("type", "r#type"), ("self", "self_"), ("crate", "crate_"), ("gen", "r#gen"), ("greet", "greet")]
        {
            assert_eq!(ident(name).to_string(), rust);
        }
    }

    #[test]
    fn types() {
        for (name, rust) in [("Greeter", "Greeter"), ("greeter", "Greeter"), ("user_service", "UserService")]
        {
            assert_eq!(type_name(name), rust);
        }
    }
}
