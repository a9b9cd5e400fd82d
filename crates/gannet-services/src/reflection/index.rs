//! What can be asked for, by name.

use super::generated::gannet::reflection as descriptor;
use bytes::Bytes;
use gannet::ServiceSpec;
use gannet::buffa::Message as _;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The .proto files of some services with all their imports, and what is declared where.
#[derive(Debug, Default)]
pub(super) struct Index {
    services: Vec<&'static str>,
    files: Vec<File>,
    by_name: HashMap<String, usize>,
    /// Full names of messages, fields, oneofs, enums and their values, services, methods and extensions.
    by_symbol: HashMap<String, usize>,
    /// Extended messages, with the file of each extension by its number.
    extensions: HashMap<String, BTreeMap<i32, usize>>,
    messages: HashSet<String>,
}

#[derive(Debug)]
struct File {
    /// The encoded `google.protobuf.FileDescriptorProto`.
    encoded: Bytes,
    imports: Vec<String>,
}

impl Index {
    pub(super) fn new(specs: impl Iterator<Item = &'static ServiceSpec>, files: &[&'static [u8]]) -> Self {
        let mut index = Self::default();
        for spec in specs {
            index.services.push(spec.name);
            index.add_all(spec.descriptors);
        }
        for files in files {
            index.add_all(files);
        }
        index
    }

    pub(super) fn services(&self) -> &[&'static str] {
        &self.services
    }

    /// The file of this name, as imports name it.
    pub(super) fn file(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The file that declares this symbol, a full name without a dot before it.
    pub(super) fn file_of_symbol(&self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol).copied()
    }

    /// The file that declares the extension of this message under this number.
    pub(super) fn file_of_extension(&self, message: &str, number: i32) -> Option<usize> {
        self.extensions.get(message)?.get(&number).copied()
    }

    /// The numbers of all known extensions of this message; `None` where it is not known itself.
    pub(super) fn extension_numbers(&self, message: &str) -> Option<Vec<i32>> {
        match self.extensions.get(message) {
            Some(numbers) => Some(numbers.keys().copied().collect()),
            None => self.messages.contains(message).then(Vec::new),
        }
    }

    /// The encoded descriptor of a file.
    pub(super) fn encoded(&self, file: usize) -> Bytes {
        self.files.get(file).map(|file| file.encoded.clone()).unwrap_or_default()
    }

    /// The files that a file imports.
    pub(super) fn imports(&self, file: usize) -> impl Iterator<Item = usize> {
        let imports = self.files.get(file).map(|file| file.imports.as_slice()).unwrap_or_default();
        imports.iter().filter_map(|name| self.file(name))
    }

    fn add_all(&mut self, descriptors: &'static [u8]) {
        let set = descriptor::Files::decode(&mut Bytes::from_static(descriptors));
        for encoded in set.unwrap_or_default().file {
            self.add(encoded);
        }
    }

    /// Services bring the files that they share, each its own copy: the first one counts.
    fn add(&mut self, encoded: Bytes) {
        let Ok(file) = descriptor::File::decode(&mut encoded.clone()) else { return };
        if self.by_name.contains_key(&file.name) {
            return;
        }
        let mut declarations = Declarations { file: self.files.len(), index: self };
        declarations.file(&file);
        self.by_name.insert(file.name, self.files.len());
        self.files.push(File { encoded, imports: file.dependency });
    }
}

/// Enters what one file declares.
struct Declarations<'a> {
    file: usize,
    index: &'a mut Index,
}

impl Declarations<'_> {
    fn file(&mut self, file: &descriptor::File) {
        let scope = &file.package;
        for message in &file.message_type {
            self.message(scope, message);
        }
        for declared in &file.enum_type {
            self.enumeration(scope, declared);
        }
        for extension in &file.extension {
            self.extension(scope, extension);
        }
        for service in &file.service {
            let scope = self.symbol(scope, &service.name);
            for method in &service.method {
                self.symbol(&scope, &method.name);
            }
        }
    }

    fn message(&mut self, scope: &str, message: &descriptor::Message) {
        let scope = self.symbol(scope, &message.name);
        for field in &message.field {
            self.symbol(&scope, &field.name);
        }
        for oneof in &message.oneof_decl {
            self.symbol(&scope, &oneof.name);
        }
        for nested in &message.nested_type {
            self.message(&scope, nested);
        }
        for declared in &message.enum_type {
            self.enumeration(&scope, declared);
        }
        for extension in &message.extension {
            self.extension(&scope, extension);
        }
        self.index.messages.insert(scope);
    }

    fn enumeration(&mut self, scope: &str, declared: &descriptor::Enum) {
        self.symbol(scope, &declared.name);
        for value in &declared.value {
            // descriptor.proto: the values of an enum are its siblings, not its children.
            self.symbol(scope, &value.name);
        }
    }

    fn extension(&mut self, scope: &str, extension: &descriptor::Field) {
        self.symbol(scope, &extension.name);
        // descriptor.proto: a type's name that begins with a dot is a full one; compilers write no other.
        let extended = extension.extendee.trim_start_matches('.').to_owned();
        self.index.extensions.entry(extended).or_default().insert(extension.number, self.file);
    }

    fn symbol(&mut self, scope: &str, name: &str) -> String {
        let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.index.by_symbol.insert(full.clone(), self.file);
        full
    }
}
