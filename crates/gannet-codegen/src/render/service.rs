//! One service: its trait, the trait for shared services, its server, its client and its facts.

use super::names::{MessageNames, local_name};
use crate::generator::Generator;
use crate::services::{Method, Service};
use buffa_codegen::generated::descriptor::method_options::IdempotencyLevel;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

pub(super) struct Writer<'a> {
    pub(super) generator: &'a Generator,
    pub(super) messages: &'a MessageNames<'a>,
}

impl Writer<'_> {
    pub(super) fn service(&self, service: &Service) -> TokenStream {
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
