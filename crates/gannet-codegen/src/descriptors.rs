use crate::error::Error;
use buffa::Message;
use buffa_codegen::generated::descriptor::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use std::collections::{BTreeMap, BTreeSet};

/// The `.proto` files that a compiler has read, with all their imports.
pub struct Descriptors {
    pub(crate) files: Vec<FileDescriptorProto>,
}

impl Descriptors {
    /// Decodes a serialized `google.protobuf.FileDescriptorSet`.
    ///
    /// The set needs all imports, and source information if comments are to become documentation.
    ///
    /// # Errors
    /// When the bytes are not a descriptor set.
    pub fn decode(set: &[u8]) -> Result<Self, Error> {
        let options = buffa_codegen::tooling_decode_options().map_err(Error::new)?;
        let set: FileDescriptorSet = options.decode_from_slice(set).map_err(|error| {
            Error::new(buffa_codegen::decode_failure(
                "FileDescriptorSet",
                &error,
                options.element_memory_limit(),
            ))
        })?;
        Ok(Self { files: set.file })
    }

    /// The names of all files, imports before the files that import them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_deref().unwrap_or_default())
    }

    /// `names` and every file that declares a type which these files use, directly or by way of another: fields,
    /// requests and responses. Imports that only declare options are not among them.
    pub fn with_used_files(&self, names: &[impl AsRef<str>]) -> Vec<String> {
        let declared_in = self.declared_types();
        let mut used = BTreeSet::new();
        let mut queue: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        while let Some(name) = queue.pop() {
            let Some(file) = self.file(name) else { continue };
            if used.insert(name.to_owned()) {
                queue.extend(used_types(file).iter().filter_map(|name| declared_in.get(name)));
            }
        }
        self.names().filter(|name| used.contains(*name)).map(str::to_owned).collect()
    }

    pub(crate) fn file(&self, name: &str) -> Option<&FileDescriptorProto> {
        self.files.iter().find(|file| file.name.as_deref() == Some(name))
    }

    /// The encoded set of these files and their imports, without comments: what reflection serves.
    pub(crate) fn encode_with_imports(&self, names: &[&str]) -> Vec<u8> {
        let mut wanted = BTreeSet::new();
        let mut queue = names.to_vec();
        while let Some(name) = queue.pop() {
            if let Some(file) = self.file(name)
                && wanted.insert(name)
            {
                queue.extend(file.dependency.iter().map(String::as_str));
            }
        }
        let mut set = FileDescriptorSet::default();
        for file in &self.files {
            if wanted.contains(file.name.as_deref().unwrap_or_default()) {
                let mut file = file.clone();
                file.source_code_info = Default::default();
                set.file.push(file);
            }
        }
        set.encode_to_vec()
    }

    fn declared_types(&self) -> BTreeMap<String, &str> {
        let mut declared = BTreeMap::new();
        for file in &self.files {
            let name = file.name.as_deref().unwrap_or_default();
            let scope = match file.package.as_deref() {
                None | Some("") => String::new(),
                Some(package) => format!(".{package}"),
            };
            for item in &file.enum_type {
                declared.insert(format!("{scope}.{}", item.name.as_deref().unwrap_or_default()), name);
            }
            for message in &file.message_type {
                declare(message, &scope, name, &mut declared);
            }
        }
        declared
    }
}

fn declare<'a>(
    message: &DescriptorProto,
    scope: &str,
    file: &'a str,
    declared: &mut BTreeMap<String, &'a str>,
) {
    let scope = format!("{scope}.{}", message.name.as_deref().unwrap_or_default());
    for item in &message.enum_type {
        declared.insert(format!("{scope}.{}", item.name.as_deref().unwrap_or_default()), file);
    }
    for nested in &message.nested_type {
        declare(nested, &scope, file, declared);
    }
    declared.insert(scope, file);
}

fn used_types(file: &FileDescriptorProto) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let mut messages: Vec<&DescriptorProto> = file.message_type.iter().collect();
    while let Some(message) = messages.pop() {
        messages.extend(&message.nested_type);
        used.extend(message.field.iter().filter_map(|field| field.type_name.clone()));
    }
    for method in file.service.iter().flat_map(|service| &service.method) {
        used.extend([&method.input_type, &method.output_type].into_iter().flatten().cloned());
    }
    used
}
