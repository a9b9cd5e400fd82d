//! Services as the descriptors tell of them, with the names they get in Rust.

use crate::comments::documentation;
use crate::descriptors::Descriptors;
use crate::error::Error;
use crate::generator::Generator;
use crate::names;
use buffa_codegen::context::CodeGenContext;
use buffa_codegen::generated::descriptor::method_options::IdempotencyLevel;
use buffa_codegen::generated::descriptor::{
    FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto,
};
use proc_macro2::Ident;

/// Field numbers of descriptor.proto, as paths to comments count.
const FILE_SERVICE: i32 = 6;
const SERVICE_METHOD: i32 = 2;

/// The services of one package, in the order of its files.
pub(crate) struct Services(pub(crate) Vec<Service>);

pub(crate) struct Service {
    /// Name of the trait, and beginning of the names beside it.
    pub(crate) name: String,
    /// `demo.Greeter`
    pub(crate) full_name: String,
    pub(crate) file: String,
    pub(crate) documentation: Vec<String>,
    pub(crate) deprecated: bool,
    pub(crate) methods: Vec<Method>,
}

pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// As in the .proto.
    pub(crate) name: String,
    pub(crate) documentation: Vec<String>,
    pub(crate) deprecated: bool,
    pub(crate) request: MessageType,
    pub(crate) response: MessageType,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
    pub(crate) idempotency: IdempotencyLevel,
    /// Whether the handler answers `Reply<M>`.
    pub(crate) reply: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageType {
    /// `.demo.Outer.Inner`
    pub(crate) proto: String,
    /// The path from a module in the package's module: `super::outer::Inner`.
    pub(crate) path: String,
}

/// The packages of these files that have services.
pub(crate) fn packages<'a>(descriptors: &'a Descriptors, files: &[String]) -> Vec<&'a str> {
    let files = files.iter().filter_map(|name| descriptors.file(name));
    files.filter(|file| !file.service.is_empty()).map(package_of).collect()
}

/// The services of `package` in these files.
pub(crate) fn read(
    generator: &Generator,
    descriptors: &Descriptors,
    files: &[String],
    package: &str,
    types: &CodeGenContext<'_>,
) -> Result<Services, Error> {
    let mut services = Vec::new();
    for file in files.iter().filter_map(|name| descriptors.file(name)) {
        if package_of(file) == package {
            for (service, index) in file.service.iter().zip(0..) {
                services.push(Reader { generator, file, package, types }.service(service, index)?);
            }
        }
    }
    Ok(Services(services))
}

impl Services {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The .proto files that declare them.
    pub(crate) fn files(&self) -> Vec<&str> {
        self.0.iter().map(|service| service.file.as_str()).collect()
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &MessageType> {
        self.0
            .iter()
            .flat_map(|service| &service.methods)
            .flat_map(|method| [&method.request, &method.response])
    }
}

impl Service {
    pub(crate) fn server_name(&self) -> String {
        format!("{}Server", self.name)
    }

    pub(crate) fn client_name(&self) -> String {
        format!("{}Client", self.name)
    }

    pub(crate) fn spec_name(&self) -> String {
        names::shouty_snake_case(&self.name)
    }
}

fn package_of(file: &FileDescriptorProto) -> &str {
    file.package.as_deref().unwrap_or_default()
}

struct Reader<'a> {
    generator: &'a Generator,
    file: &'a FileDescriptorProto,
    package: &'a str,
    types: &'a CodeGenContext<'a>,
}

impl Reader<'_> {
    fn service(&self, service: &ServiceDescriptorProto, index: i32) -> Result<Service, Error> {
        let name = service.name.as_deref().unwrap_or_default();
        let full_name =
            if self.package.is_empty() { name.to_owned() } else { format!("{}.{name}", self.package) };
        let mut taken: Vec<String> = Vec::new();
        let mut methods = Vec::new();
        for (method, method_index) in service.method.iter().zip(0..) {
            let path = [FILE_SERVICE, index, SERVICE_METHOD, method_index];
            methods.push(self.method(method, &full_name, &path, &mut taken)?);
        }
        Ok(Service {
            name: names::type_name(name),
            full_name,
            file: self.file.name.clone().unwrap_or_default(),
            documentation: documentation(self.file, &[FILE_SERVICE, index]),
            deprecated: service.options.deprecated.unwrap_or_default(),
            methods,
        })
    }

    fn method(
        &self,
        method: &MethodDescriptorProto,
        service: &str,
        path: &[i32],
        taken: &mut Vec<String>,
    ) -> Result<Method, Error> {
        let name = method.name.clone().unwrap_or_default();
        let full_name = format!("{service}.{name}");
        let server_streaming = method.server_streaming.unwrap_or_default();
        Ok(Method {
            ident: names::ident(&method_name(&name, taken)),
            documentation: documentation(self.file, path),
            deprecated: method.options.deprecated.unwrap_or_default(),
            request: self.message(method.input_type.as_deref(), &full_name)?,
            response: self.message(method.output_type.as_deref(), &full_name)?,
            client_streaming: method.client_streaming.unwrap_or_default(),
            server_streaming,
            idempotency: method.options.idempotency_level.unwrap_or(IdempotencyLevel::IDEMPOTENCY_UNKNOWN),
            reply: !server_streaming && self.generator.replies.iter().any(|path| covers(path, &full_name)),
            name,
        })
    }

    fn message(&self, proto: Option<&str>, method: &str) -> Result<MessageType, Error> {
        let proto = proto.unwrap_or_default();
        // Services are written into a module in the package's module: one level down.
        match self.types.rust_type_relative(proto, self.package, 1) {
            Some(path) => Ok(MessageType { proto: proto.to_owned(), path }),
            None => Err(Error::new(format!("{method} names the message {proto}, which is in no descriptor"))),
        }
    }
}

/// Names that a client has already: its constructors, and `clone`.
const CLIENT_METHODS: [&str; 3] = ["new", "in_process", "clone"];

/// The method's name in Rust, and with an underscore or a number where it is taken.
fn method_name(name: &str, taken: &mut Vec<String>) -> String {
    let snake = names::snake_case(name);
    let wanted = if CLIENT_METHODS.contains(&&*snake) { format!("{snake}_") } else { snake };
    let mut unique = wanted.clone();
    let mut number = 2;
    while taken.contains(&unique) {
        unique = format!("{wanted}_{number}");
        number += 1;
    }
    taken.push(unique.clone());
    unique
}

/// Whether the path (`.demo.Greeter`, or `.` for everything) stands for this element.
fn covers(path: &str, full_name: &str) -> bool {
    let path = path.trim_start_matches('.');
    path.is_empty()
        || full_name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_names_are_unique() {
        let mut taken = Vec::new();
        let names = ["Get", "GetURL", "GetUrl", "get_url", "New", "Clone", "Type"];
        let rust: Vec<String> = names.iter().map(|name| method_name(name, &mut taken)).collect();
        assert_eq!(rust, ["get", "get_url", "get_url_2", "get_url_3", "new_", "clone_", "type"]);
    }

    #[test]
    fn paths_cover_what_is_below_them() {
        for (path, name, covered) in [
            (".", "a.B.C", true),
            (".a", "a.B.C", true),
            (".a.B.C", "a.B.C", true),
            (".a.B", "a.BB.C", false),
            (".a.B.C.D", "a.B.C", false),
        ] {
            assert_eq!(covers(path, name), covered, "{path} {name}");
        }
    }
}
