//! Messages and enums, written by buffa-codegen.

use crate::boxed;
use crate::descriptors::Descriptors;
use crate::error::Error;
use buffa_codegen::idents::is_rust_keyword;
use buffa_codegen::{CodeGenConfig, generate_with_diagnostics};
use proc_macro2::{Group, Literal, TokenStream, TokenTree};
use std::collections::BTreeMap;

/// The crates that buffa's code names.
const BUFFA_CRATES: [&str; 3] = ["buffa", "buffa_types", "buffa_descriptor"];

/// The items of each package, and what buffa has to say about the files.
pub(crate) fn generate(
    descriptors: &Descriptors,
    files: &[String],
    config: &CodeGenConfig,
    runtime: Option<&syn::Path>,
) -> Result<(BTreeMap<String, syn::File>, Vec<String>), Error> {
    let (generated, warnings) = generate_with_diagnostics(&descriptors.files, files, config)
        .map_err(|error| Error::new(error.to_string()))?;
    let mut packages = BTreeMap::new();
    for file in generated {
        let mut tokens: TokenStream = file.content.parse().map_err(not_rust)?;
        if let Some(runtime) = runtime {
            tokens = redirect(tokens, &quote::quote!(#runtime));
        }
        let mut items = syn::parse2(tokens).map_err(not_rust)?;
        if let Some(runtime) = runtime {
            boxed::count(&mut items, runtime);
        }
        packages.insert(file.package, items);
    }
    Ok((packages, warnings.iter().map(ToString::to_string).collect()))
}

fn not_rust(error: impl std::fmt::Display) -> Error {
    Error::new(format!("the generated messages are not Rust: {error}"))
}

/// Puts `runtime` before every path that begins with one of buffa's crates: `::buffa::Message` becomes
/// `::gannet::codegen::buffa::Message`, so that users depend on gannet alone. buffa-codegen has no option for it.
pub(crate) fn redirect(tokens: TokenStream, runtime: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut redirected = TokenStream::new();
    let mut rest = tokens.as_slice();
    // Whether a `::` here goes on with a path instead of beginning one.
    let mut in_path = false;
    let mut lifetime = false;
    while let [token, after @ ..] = rest {
        rest = after;
        if !in_path && begins_buffa_path(token, after) {
            redirected.extend(runtime.clone());
        }
        in_path = match token {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                // A lifetime is two tokens, and no path: `&'a ::buffa::View`.
                (!lifetime && !is_rust_keyword(&name))
                    || matches!(&*name, "self" | "super" | "crate" | "Self")
            }
            _ => false,
        };
        lifetime = matches!(token, TokenTree::Punct(punct) if punct.as_char() == '\'');
        redirected.extend([match token {
            TokenTree::Group(group) => {
                TokenTree::Group(Group::new(group.delimiter(), redirect(group.stream(), runtime)))
            }
            TokenTree::Literal(literal) => TokenTree::Literal(redirect_text(literal, runtime)),
            token => token.clone(),
        }]);
    }
    redirected
}

fn begins_buffa_path(token: &TokenTree, after: &[TokenTree]) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    let [second, TokenTree::Ident(name), ..] = after else { return false };
    colon(token) && colon(second) && BUFFA_CRATES.iter().any(|known| name == known)
}

/// Attributes name functions in strings: `#[serde(with = "::buffa::json_helpers::int64")]`.
fn redirect_text(literal: &Literal, runtime: &TokenStream) -> Literal {
    let text = literal.to_string();
    let names_buffa = |path: &str| {
        BUFFA_CRATES.iter().any(|name| path.strip_prefix(name).is_some_and(|rest| rest.starts_with("::")))
    };
    match text.strip_prefix("\"::").and_then(|rest| rest.strip_suffix('"')) {
        Some(path) if names_buffa(path) => {
            Literal::string(&format!("{}::{path}", runtime.to_string().replace(' ', "")))
        }
        _ => literal.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_buffa_are_redirected_and_no_others() {
        let runtime: TokenStream = "::gannet::codegen".parse().unwrap();
        for (from, to) in [
            ("use ::buffa::MessageField;", "use ::gannet::codegen::buffa::MessageField;"),
            ("impl ::buffa::Message for A {}", "impl ::gannet::codegen::buffa::Message for A {}"),
            (
                "impl<'a> ::buffa::View<'a> for A<'a> {}",
                "impl<'a> ::gannet::codegen::buffa::View<'a> for A<'a> {}",
            ),
            ("<A as ::buffa::Message>::f(x)", "<A as ::gannet::codegen::buffa::Message>::f(x)"),
            ("f(x, ::buffa_types::B::C)", "f(x, ::gannet::codegen::buffa_types::B::C)"),
            ("&'a ::buffa::A<'a>", "&'a ::gannet::codegen::buffa::A<'a>"),
            ("super::buffa::A", "super::buffa::A"),
            ("a::buffa::A + ::other::buffa::A", "a::buffa::A + ::other::buffa::A"),
            ("x: ::buffa::A", "x: ::gannet::codegen::buffa::A"),
            (
                "#[serde(with = \"::buffa::json::i64\")]",
                "#[serde(with = \"::gannet::codegen::buffa::json::i64\")]",
            ),
            ("#[doc = \"see ::buffa::json\"]", "#[doc = \"see ::buffa::json\"]"),
        ] {
            let expected: TokenStream = to.parse().unwrap();
            assert_eq!(redirect(from.parse().unwrap(), &runtime).to_string(), expected.to_string());
        }
    }
}
