//! Services as Rust: a trait, its server and its client, in a private module whose names the package's module exports.
//!
//! The module keeps the runtime's names (`Call`, `Status`, …) apart from the messages, which may have the same ones.

use crate::error::Error;
use crate::generator::{Generator, parse_path, unique};
use crate::messages::redirect;
use crate::services::{MessageType, Method, Service, Services};
use crate::{format, names};
use buffa_codegen::generated::descriptor::method_options::IdempotencyLevel;
use buffa_codegen::idents::rust_path_to_tokens;
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};
use std::collections::{BTreeMap, BTreeSet};

/// Names that services' code imports from the runtime where it uses them.
const RUNTIME_NAMES: &[&str] = &[
    "Answer",
    "Bidi",
    "BoxFuture",
    "Buffa",
    "Call",
    "Channel",
    "ClientStreaming",
    "Idempotency",
    "Messages",
    "MethodSpec",
    "Receiver",
    "Reply",
    "Result",
    "Sender",
    "ServerStreaming",
    "Service",
    "ServiceSpec",
    "Status",
    "Unary",
    "unknown_method",
];

/// Names of the standard library that it uses besides.
const STANDARD_NAMES: &[&str] = &["Arc", "Box", "Clone", "Debug", "Future", "Send", "Sync"];

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

/// What a generated name is called within the services' module, where a service may be called `Call` or `Send`.
fn local_name(name: &str) -> Ident {
    if RUNTIME_NAMES.contains(&name) || STANDARD_NAMES.contains(&name) {
        format_ident!("{name}_")
    } else {
        format_ident!("{name}")
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

/// What requests and responses are called in the services' module.
struct MessageNames<'a>(BTreeMap<&'a MessageType, MessageName>);

struct MessageName {
    /// `HELLO`
    constant: Ident,
    /// `Hello`, or its path where that name is taken.
    ty: TokenStream,
    /// The module and the name to import.
    import: Option<(String, Ident)>,
}

impl<'a> MessageNames<'a> {
    fn new(services: &'a Services, exports: &[String]) -> Self {
        let messages: BTreeSet<&MessageType> = services.messages().collect();
        let reserved = |name: &str| {
            RUNTIME_NAMES.contains(&name)
                || STANDARD_NAMES.contains(&name)
                || exports.iter().any(|export| local_name(export) == name)
        };
        let (mut named, mut constants) = (BTreeMap::new(), BTreeSet::new());
        for &message in &messages {
            let simple = last_segment(&message.path);
            let alone = messages.iter().filter(|other| last_segment(&other.path) == simple).count() == 1;
            let import = match message.path.rsplit_once("::") {
                Some((module, name)) if alone && !reserved(name) => {
                    Some((module.to_owned(), names::ident(name)))
                }
                _ => None,
            };
            let ty = match &import {
                Some((_, name)) => quote!(#name),
                None => rust_path_to_tokens(&message.path),
            };
            let short = shouty(simple);
            let alone =
                messages.iter().filter(|other| shouty(last_segment(&other.path)) == short).count() == 1;
            let mut constant = if alone { short } else { shouty(message.proto.trim_start_matches('.')) };
            while reserved(&constant) || constants.contains(&constant) {
                constant.push('_');
            }
            constants.insert(constant.clone());
            let constant = format_ident!("{constant}");
            named.insert(message, MessageName { constant, ty, import });
        }
        Self(named)
    }

    fn constant(&self, message: &MessageType) -> &Ident {
        &self.0[message].constant
    }

    fn ty(&self, message: &MessageType) -> &TokenStream {
        &self.0[message].ty
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn shouty(path: &str) -> String {
    names::shouty_snake_case(&path.replace('.', "_"))
}

struct Writer<'a> {
    generator: &'a Generator,
    messages: &'a MessageNames<'a>,
}

impl Writer<'_> {
    fn service(&self, service: &Service) -> TokenStream {
        let mut code = TokenStream::new();
        if self.generator.server {
            code.extend([self.service_trait(service), self.for_arc(service), self.server(service)]);
        }
        if self.generator.client {
            code.extend(self.client(service));
        }
        code.extend(self.spec(service));
        code
    }

    fn service_trait(&self, service: &Service) -> TokenStream {
        let name = local_name(&service.name);
        let mut text = service.documentation.clone();
        if !text.is_empty() {
            text.push(String::new());
        }
        text.push(format!(
            "The service `{}`: implement it, and serve it by [`{}`].",
            service.full_name,
            service.server_name()
        ));
        text.push(String::new());
        text.push(
            "When a client cancels or goes away, or its deadline passes, the future of its call is dropped;"
                .into(),
        );
        text.push("what has to be finished nevertheless is spawned.".into());
        let (text, deprecated) = (documentation(&text), deprecated(service.deprecated));
        let methods = service.methods.iter().map(|method| {
            let documentation = self.method_documentation(service, method);
            let signature = self.signature(method);
            let body = if self.generator.unimplemented_defaults {
                self.unimplemented(service, method)
            } else {
                quote!(;)
            };
            quote!(#documentation #signature #body)
        });
        quote! {
            #text
            #deprecated
            pub trait #name: Send + Sync + 'static {
                #(#methods)*
            }
        }
    }

    fn for_arc(&self, service: &Service) -> TokenStream {
        let name = local_name(&service.name);
        let methods = service.methods.iter().map(|method| {
            let signature = self.signature(method);
            let (ident, arguments) = (&method.ident, arguments(method));
            quote!(#signature { T::#ident(self, call, #(#arguments),*) })
        });
        quote! {
            impl<T: #name> #name for Arc<T> {
                #(#methods)*
            }
        }
    }

    fn server(&self, service: &Service) -> TokenStream {
        let (name, server) = (local_name(&service.name), local_name(&service.server_name()));
        let spec = format_ident!("{}", service.spec_name());
        let link = if name == service.name.as_str() { String::new() } else { format!("({name})") };
        let text = [format!("Serves an implementation of [`{}`]{link}: add it to a server.", service.name)];
        let (text, deprecated) = (documentation(&text), deprecated(service.deprecated));
        let arms = service.methods.iter().enumerate().map(|(index, method)| {
            let index = proc_macro2::Literal::usize_unsuffixed(index);
            let body = self.dispatch(method);
            quote!(#index => Box::pin(async move { #body }),)
        });
        quote! {
            #text
            #deprecated
            pub struct #server<T>(Arc<T>);

            impl<T: #name> #server<T> {
                /// Takes the service over.
                pub fn new(service: T) -> Self {
                    Self(Arc::new(service))
                }

                /// Shares the service with its other owners.
                pub fn from_arc(service: Arc<T>) -> Self {
                    Self(service)
                }
            }

            impl<T> Clone for #server<T> {
                fn clone(&self) -> Self {
                    Self(Arc::clone(&self.0))
                }
            }

            impl<T: #name> Service for #server<T> {
                fn spec(&self) -> &'static ServiceSpec {
                    &#spec
                }

                fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
                    match method {
                        #(#arms)*
                        _ => unknown_method(call),
                    }
                }
            }
        }
    }

    fn dispatch(&self, method: &Method) -> TokenStream {
        let ident = &method.ident;
        let (request, response) =
            (self.messages.constant(&method.request), self.messages.constant(&method.response));
        let arguments = arguments(method);
        let receive = if method.client_streaming {
            quote!(let requests = call.receiver(#request)?;)
        } else {
            quote!(let request = call.request(#request)?;)
        };
        let handle = quote!(T::#ident(&self.0, call, #(#arguments),*).await?);
        if method.server_streaming {
            quote! {
                #receive
                let responses = call.sender(#response)?;
                #handle;
                Ok(Answer::Streamed)
            }
        } else if method.reply {
            quote!(#receive let reply = #handle; call.reply(#response, reply))
        } else {
            quote!(#receive let answer = #handle; call.answer(#response, &answer))
        }
    }

    fn client(&self, service: &Service) -> TokenStream {
        let client = local_name(&service.client_name());
        let spec = format_ident!("{}", service.spec_name());
        let mut text = service.documentation.clone();
        if !text.is_empty() {
            text.push(String::new());
        }
        text.push(format!("Calls the service `{}`. Clones share the channel.", service.full_name));
        let (text, deprecated) = (documentation(&text), deprecated(service.deprecated));
        let in_process = self.generator.server.then(|| {
            let (name, server) = (local_name(&service.name), local_name(&service.server_name()));
            quote! {
                /// Calls the service in this process, through the whole stack but without a socket.
                pub fn in_process(service: impl #name) -> Self {
                    Self::new(Channel::in_process(#server::new(service)))
                }
            }
        });
        let methods = service.methods.iter().enumerate().map(|(index, method)| {
            let documentation = self.method_documentation(service, method);
            let (ident, kind) = (&method.ident, call_kind(method));
            let (input, output) = (self.messages.ty(&method.request), self.messages.ty(&method.response));
            let (request, response) =
                (self.messages.constant(&method.request), self.messages.constant(&method.response));
            let index = proc_macro2::Literal::usize_unsuffixed(index);
            let (parameter, argument) = if method.client_streaming {
                (quote!(), quote!())
            } else {
                (quote!(, request: #input), quote!(, request))
            };
            quote! {
                #documentation
                pub fn #ident(&self #parameter) -> #kind<#input, #output> {
                    #kind::new(&self.channel, &#spec.methods[#index], #request, #response #argument)
                }
            }
        });
        quote! {
            #text
            #deprecated
            #[derive(Clone, Debug)]
            pub struct #client {
                channel: Channel,
            }

            impl #client {
                /// Calls go through this channel.
                pub fn new(channel: Channel) -> Self {
                    Self { channel }
                }
                #in_process
                #(#methods)*
            }
        }
    }

    fn spec(&self, service: &Service) -> TokenStream {
        let name = format_ident!("{}", service.spec_name());
        let (full_name, file) = (&service.full_name, &service.file);
        let text = documentation(&[format!("The facts of `{full_name}`: its methods and its descriptors.")]);
        let methods = service.methods.iter().map(|method| {
            let Method { name, client_streaming, server_streaming, deprecated, .. } = method;
            let path = format!("/{full_name}/{name}");
            let idempotency = match method.idempotency {
                IdempotencyLevel::IDEMPOTENCY_UNKNOWN => quote!(Unknown),
                IdempotencyLevel::NO_SIDE_EFFECTS => quote!(NoSideEffects),
                IdempotencyLevel::IDEMPOTENT => quote!(Idempotent),
            };
            quote! {
                MethodSpec {
                    service: #full_name,
                    name: #name,
                    path: #path,
                    client_streaming: #client_streaming,
                    server_streaming: #server_streaming,
                    idempotency: Idempotency::#idempotency,
                    deprecated: #deprecated,
                }
            }
        });
        quote! {
            #text
            pub static #name: ServiceSpec = ServiceSpec {
                name: #full_name,
                file: #file,
                methods: &[#(#methods),*],
                descriptors: DESCRIPTORS,
            };
        }
    }

    /// The form that all four kinds have: the call, what comes in, what goes out.
    fn signature(&self, method: &Method) -> TokenStream {
        let ident = &method.ident;
        let (input, output) = (self.messages.ty(&method.request), self.messages.ty(&method.response));
        let input = if method.client_streaming {
            quote!(requests: Receiver<#input>)
        } else {
            quote!(request: #input)
        };
        if method.server_streaming {
            quote!(fn #ident(&self, call: &mut Call, #input, responses: Sender<#output>) -> impl Future<Output = Result<()>> + Send)
        } else {
            let output = if method.reply { quote!(Reply<#output>) } else { output.clone() };
            quote!(fn #ident(&self, call: &mut Call, #input) -> impl Future<Output = Result<#output>> + Send)
        }
    }

    fn unimplemented(&self, service: &Service, method: &Method) -> TokenStream {
        let arguments = arguments(method);
        let text = format!("{}/{} is not implemented", service.full_name, method.name);
        quote!({
            let _ = (call, #(#arguments),*);
            async { Err(Status::unimplemented(#text)) }
        })
    }

    fn method_documentation(&self, service: &Service, method: &Method) -> TokenStream {
        let text = if method.documentation.is_empty() {
            documentation(&[format!("The method `{}/{}`.", service.full_name, method.name)])
        } else {
            documentation(&method.documentation)
        };
        let deprecated = deprecated(method.deprecated);
        quote!(#text #deprecated)
    }
}

fn arguments(method: &Method) -> Vec<Ident> {
    let mut arguments = vec![if method.client_streaming { "requests" } else { "request" }];
    if method.server_streaming {
        arguments.push("responses");
    }
    arguments.into_iter().map(|name| format_ident!("{name}")).collect()
}

fn call_kind(method: &Method) -> Ident {
    format_ident!(
        "{}",
        match (method.client_streaming, method.server_streaming) {
            (false, false) => "Unary",
            (false, true) => "ServerStreaming",
            (true, false) => "ClientStreaming",
            (true, true) => "Bidi",
        }
    )
}

fn documentation(lines: &[String]) -> TokenStream {
    let lines = lines.iter().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote!(#(#[doc = #lines])*)
}

fn deprecated(is: bool) -> TokenStream {
    if is { quote!(#[deprecated]) } else { quote!() }
}
