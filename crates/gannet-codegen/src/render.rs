//! Services as Rust: a trait, its server and its client, in a private module whose names the package's module exports.
//!
//! The module keeps the runtime's names (`Call`, `Status`, …) apart from the messages, which may have the same ones.

mod names;
mod service;

use crate::error::Error;
use crate::format;
use crate::generator::{Generator, parse_path, unique};
use crate::messages::redirect;
use crate::services::{Service, Services};
use buffa_codegen::idents::rust_path_to_tokens;
use names::{MessageName, MessageNames, RUNTIME_NAMES, local_name};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};
use service::Writer;
use std::collections::{BTreeMap, BTreeSet};

/// What the package's module declares before the services come.
pub(crate) struct Items {
    package: String,
    declared: BTreeSet<String>,
    imported: BTreeSet<String>,
}

impl Items {
    pub(crate) fn of(file: &syn::File, package: &str, packages: &[String]) -> Self {
        let (mut declared, mut imported) = (BTreeSet::new(), BTreeSet::new());
        for item in &file.items {
            match item {
                syn::Item::Struct(item) => declared.insert(item.ident.to_string()),
                syn::Item::Enum(item) => declared.insert(item.ident.to_string()),
                syn::Item::Mod(item) => declared.insert(item.ident.to_string()),
                syn::Item::Const(item) => declared.insert(item.ident.to_string()),
                syn::Item::Static(item) => declared.insert(item.ident.to_string()),
                syn::Item::Type(item) => declared.insert(item.ident.to_string()),
                syn::Item::Use(item) => {
                    imported_names(&item.tree, &mut imported);
                    true
                }
                _ => true,
            };
        }
        // A package below this one is a module in it.
        let below = packages.iter().filter_map(|other| match package {
            "" => Some(other.as_str()),
            _ => other.strip_prefix(package)?.strip_prefix('.'),
        });
        declared.extend(below.filter_map(|path| path.split('.').next()).map(str::to_owned));
        Self { package: package.to_owned(), declared, imported }
    }

    fn module_name(&self) -> Ident {
        let free = ["services", "services_"].iter().find(|name| !self.declared.contains(**name));
        format_ident!("{}", free.unwrap_or(&"services__"))
    }
}

fn imported_names(tree: &syn::UseTree, imported: &mut BTreeSet<String>) {
    match tree {
        syn::UseTree::Path(path) => imported_names(&path.tree, imported),
        syn::UseTree::Name(name) => drop(imported.insert(name.ident.to_string())),
        syn::UseTree::Rename(rename) => drop(imported.insert(rename.rename.to_string())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| imported_names(tree, imported)),
        syn::UseTree::Glob(_) => {}
    }
}

pub(crate) struct Rendering<'a> {
    pub(crate) generator: &'a Generator,
    pub(crate) runtime: &'a syn::Path,
    pub(crate) buffa_runtime: Option<&'a syn::Path>,
    pub(crate) services: &'a Services,
    pub(crate) items: &'a Items,
}

impl Rendering<'_> {
    /// The services' code; none when one of their names is imported by the messages.
    pub(crate) fn text(&self, descriptors: &[u8]) -> Result<Option<String>, Error> {
        let exports: Vec<String> = self.services.0.iter().flat_map(|service| self.exports(service)).collect();
        if exports.iter().any(|name| self.items.imported.contains(name)) {
            return Ok(None);
        }
        self.check(&exports)?;
        let messages = MessageNames::new(self.services, &exports);
        let writer = Writer { generator: self.generator, messages: &messages };
        let services: TokenStream = self.services.0.iter().map(|service| writer.service(service)).collect();
        let consts = self.message_consts(&messages)?;

        let runtime = self.runtime;
        let code = quote!(#consts #services);
        let imports = self.imports(&code, &messages);
        let version = quote!(const _: () = #runtime::VERSION_1;);
        let mut module = format::items(self.redirect(imports))?;
        module.push_str(
            "\n// An error here: this code is not for this version of gannet. Generate it with the\n",
        );
        module.push_str("// gannet-build, or the protoc-gen-gannet, of the same version.\n");
        module.push_str(&format::items(version)?);
        module.push('\n');
        module.push_str(&format::items(self.redirect(code))?);
        module.push_str(
            "\n/// The .proto files of these services and their imports, as a `FileDescriptorSet`.\n",
        );
        module.push_str(&format!("static DESCRIPTORS: &[u8] = {};\n", format::byte_string(descriptors)));

        let name = self.items.module_name();
        let exports = exports.iter().map(|export| {
            let (local, public) = (local_name(export), format_ident!("{export}"));
            if local == public { quote!(#public) } else { quote!(#local as #public) }
        });
        let allow = if self.has_deprecated() { "#[allow(deprecated)]\n" } else { "" };
        let exports = format::items(quote!(pub use #name::{#(#exports),*};))?;
        Ok(Some(format!("{allow}{exports}\n{allow}mod {name} {{\n{}}}\n", format::indent(&module))))
    }

    fn exports(&self, service: &Service) -> Vec<String> {
        let mut exports = vec![service.spec_name()];
        if self.generator.server {
            exports.extend([service.name.clone(), service.server_name()]);
        }
        if self.generator.client {
            exports.push(service.client_name());
        }
        exports
    }

    fn check(&self, exports: &[String]) -> Result<(), Error> {
        let package = match &*self.items.package {
            "" => "the files without a package".to_owned(),
            package => format!("package `{package}`"),
        };
        let taken = exports.iter().find(|name| self.items.declared.contains(*name));
        if let Some(name) = taken {
            return Err(Error::new(format!(
                "a service and a message of {package} both generate `{name}`: rename one of them in the .proto"
            )));
        }
        if let Some(name) = unique(exports.iter().map(String::as_str)) {
            return Err(Error::new(format!(
                "two services of {package} both generate `{name}`: rename one of them in the .proto"
            )));
        }
        Ok(())
    }

    fn message_consts(&self, messages: &MessageNames<'_>) -> Result<TokenStream, Error> {
        let codec = match &self.generator.codec {
            None => quote!(Buffa),
            Some(path) => {
                let path = parse_path(path)?;
                quote!(#path)
            }
        };
        Ok(messages
            .0
            .values()
            .map(|MessageName { constant, ty, .. }| quote!(const #constant: Messages<#ty> = Messages::of::<#codec>();))
            .collect())
    }

    /// Imports of the runtime's names that occur in the code, and of the messages that go by a short name.
    fn imports(&self, code: &TokenStream, messages: &MessageNames<'_>) -> TokenStream {
        let mut used = BTreeSet::new();
        collect_idents(code.clone(), &mut used);
        let names =
            RUNTIME_NAMES.iter().filter(|name| used.contains(**name)).map(|name| format_ident!("{name}"));
        let runtime = self.runtime;
        let mut imports = quote!(use #runtime::{#(#names),*};);
        if used.contains("Future") {
            imports.extend(quote!(
                use ::std::future::Future;
            ));
        }
        if used.contains("Arc") {
            imports.extend(quote!(
                use ::std::sync::Arc;
            ));
        }
        let mut modules: BTreeMap<&str, Vec<&Ident>> = BTreeMap::new();
        for MessageName { import, .. } in messages.0.values() {
            if let Some((module, name)) = import {
                modules.entry(module).or_default().push(name);
            }
        }
        for (module, names) in modules {
            let module = rust_path_to_tokens(module);
            imports.extend(match names.as_slice() {
                [name] => quote!(use #module::#name;),
                names => quote!(use #module::{#(#names),*};),
            });
        }
        imports
    }

    fn redirect(&self, tokens: TokenStream) -> TokenStream {
        match self.buffa_runtime {
            Some(runtime) => redirect(tokens, &quote!(#runtime)),
            None => tokens,
        }
    }

    fn has_deprecated(&self) -> bool {
        let deprecated =
            |service: &Service| service.deprecated || service.methods.iter().any(|m| m.deprecated);
        self.services.0.iter().any(deprecated)
    }
}

fn collect_idents(tokens: TokenStream, idents: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => drop(idents.insert(ident.to_string())),
            TokenTree::Group(group) => collect_idents(group.stream(), idents),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
