//! Messages that lie outside of the one that they belong to are counted while they are decoded.
//!
//! buffa counts the elements of repeated fields and maps. A message in a box (of a type that is recursive, or in a oneof) is as
//! cheap to send, two bytes, and as large; buffa-codegen has no option for counting it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, ExprMethodCall, File, ImplItemFn, Path};

/// Lets the decoding functions of the messages in `file` count them by `runtime`'s functions.
pub(crate) fn count(file: &mut File, runtime: &Path) {
    Counting { runtime }.visit_file_mut(file);
}

struct Counting<'a> {
    runtime: &'a Path,
}

impl Counting<'_> {
    /// What takes the place of an expression.
    fn counted(&self, expression: &Expr) -> Option<TokenStream> {
        let runtime = self.runtime;
        match expression {
            // A singular field, made where its first bytes have come.
            Expr::MethodCall(ExprMethodCall { receiver, method, args, .. })
                if method == "get_or_insert_default" && args.is_empty() =>
            {
                Some(quote!(#runtime::member(&mut #receiver, ctx)?))
            }
            // A member of a oneof, after it was decoded.
            Expr::Call(ExprCall { func, args, .. }) if args.len() == 1 && is_box_new(func) => {
                Some(quote!(#runtime::boxed(#args, ctx)?))
            }
            _ => None,
        }
    }
}

fn is_box_new(function: &Expr) -> bool {
    let Expr::Path(function) = function else { return false };
    let mut names = function.path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|name| name == "new") && names.next().is_some_and(|name| name == "Box")
}

impl VisitMut for Counting<'_> {
    /// The one that decodes what is on the wire; it has a context `ctx`.
    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        if function.sig.ident == "merge_field" {
            visit_mut::visit_impl_item_fn_mut(self, function);
        }
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        if let Some(counted) = self.counted(expression) {
            *expression = Expr::Verbatim(counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    #[test]
    fn only_what_is_decoded_from_the_wire_is_counted() {
        let function = |name: &str, body: &str| format!("impl A {{ fn {name}(&mut self) {{ {body} }} }}");
        for (name, from, to) in [
            (
                "merge_field",
                "merge(self.a.get_or_insert_default(), buf, ctx)?;",
                "merge(::g::member(&mut self.a, ctx)?, buf, ctx)?;",
            ),
            (
                "merge_field",
                "self.a = Some(A::B(::buffa::alloc::boxed::Box::new(val)));",
                "self.a = Some(A::B(::g::boxed(val, ctx)?));",
            ),
            ("merge_field", "self.a = Vec::new(val);", "self.a = Vec::new(val);"),
            ("merge_text", "f(self.a.get_or_insert_default());", "f(self.a.get_or_insert_default());"),
        ] {
            let mut file: File = syn::parse_str(&function(name, from)).unwrap();
            count(&mut file, &syn::parse_str("::g").unwrap());
            let expected: TokenStream = function(name, to).parse().unwrap();
            // Spaces are no tokens.
            let text = |tokens: TokenStream| tokens.to_string().replace(' ', "");
            assert_eq!(text(file.into_token_stream()), text(expected));
        }
    }
}
