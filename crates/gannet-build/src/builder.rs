use crate::diagnostic::{self, Source};
use crate::error::{Error, Result};
use gannet_codegen::{Descriptors, Generated, Generator};
use std::path::{Path, PathBuf};

/// What [`compile`](crate::compile) does, with all options.
///
/// ```no_run
/// // build.rs
/// fn main() -> gannet_build::Result {
///     gannet_build::Builder::new()
///         .files(["proto/bench/v1/bench.proto"])
///         .includes(["proto"])
///         .generator(|generator| generator.bytes(".bench.v1.Chunk"))
///         .compile()
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    files: Vec<PathBuf>,
    includes: Vec<PathBuf>,
    directory: Option<PathBuf>,
    generator: Generator,
}

impl Builder {
    /// No files, and the defaults of [`Generator`].
    pub fn new() -> Self {
        Self::default()
    }

    /// More `.proto` files, as paths from the crate's directory or from an include directory.
    pub fn files(mut self, files: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.files.extend(files.into_iter().map(|file| file.as_ref().to_owned()));
        self
    }

    /// More directories that imports are relative to, searched in this order. They may lie outside of the crate.
    /// Default: the crate's directory.
    pub fn includes(mut self, includes: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        self.includes.extend(includes.into_iter().map(|include| include.as_ref().to_owned()));
        self
    }

    /// What is generated: `change` gets the generator and returns it with other options.
    pub fn generator(mut self, change: impl FnOnce(Generator) -> Generator) -> Self {
        self.generator = change(self.generator);
        self
    }

    /// Writes the code into this directory, as a module with a `mod.rs`, for code that is kept in the repository.
    /// Default: into `OUT_DIR`, for `gannet::include_protos!()`.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Generates the code.
    ///
    /// In a build script it also tells cargo to run again when one of the files or of their imports changes.
    ///
    /// # Errors
    /// When a file has a mistake or cannot be read, or the code cannot be written.
    pub fn compile(&self) -> Result {
        let (directory, tree) = match &self.directory {
            Some(directory) => (directory.clone(), "mod.rs"),
            None => match std::env::var_os("OUT_DIR") {
                Some(directory) => (directory.into(), "gannet.rs"),
                None => {
                    return Err(Error::new(
                        "OUT_DIR is not set: call this from a build script, or set a directory",
                    ));
                }
            },
        };
        let compiler = self.compiler()?;
        if self.directory.is_none() {
            for path in compiler.files().filter_map(|file| file.path()) {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
        let generated = self.generate_from(&compiler)?;
        for warning in &generated.warnings {
            println!("cargo::warning={}", warning.replace('\n', " "));
        }
        std::fs::create_dir_all(&directory).map_err(|error| cannot_write(&directory, &error))?;
        write(&directory.join(tree), &generated.module_tree())?;
        for file in &generated.files {
            write(&directory.join(&file.name), &file.content)?;
        }
        Ok(())
    }

    /// Generates the code without writing it anywhere.
    ///
    /// # Errors
    /// When a file has a mistake or cannot be read.
    pub fn generate(&self) -> Result<Generated> {
        self.generate_from(&self.compiler()?)
    }

    /// The files with all their imports as an encoded `google.protobuf.FileDescriptorSet`, without comments: for what
    /// reads descriptors at run time, such as reflection of messages that no service names.
    ///
    /// # Errors
    /// When a file has a mistake or cannot be read.
    pub fn descriptors(&self) -> Result<Vec<u8>> {
        Ok(self.compiler()?.include_source_info(false).encode_file_descriptor_set())
    }

    fn generate_from(&self, compiler: &protox::Compiler) -> Result<Generated> {
        let descriptors = Descriptors::decode(&compiler.encode_file_descriptor_set())?;
        let given: Vec<&str> =
            compiler.files().filter(|file| !file.is_import()).map(|file| file.name()).collect();
        let mut files = descriptors.with_used_files(&given);
        files.retain(|name| given.contains(&name.as_str()) || !self.generator.is_extern(&descriptors, name));
        Ok(self.generator.generate(&descriptors, &files)?)
    }

    fn compiler(&self) -> Result<protox::Compiler> {
        if self.files.is_empty() {
            return Err(Error::new("no .proto files are given"));
        }
        for include in &self.includes {
            if !include.is_dir() {
                return Err(Error::new(format!(
                    "the include directory `{}` does not exist",
                    include.display()
                )));
            }
        }
        let mut compiler =
            protox::Compiler::new(self.include_directories()).map_err(|error| self.explain(&error))?;
        compiler.include_imports(true).include_source_info(true);
        for file in &self.files {
            if !self.exists(file) {
                return Err(Error::new(format!("the file `{}` does not exist", file.display())));
            }
            compiler.open_file(file).map_err(|error| self.explain(&error))?;
        }
        Ok(compiler)
    }

    fn include_directories(&self) -> Vec<PathBuf> {
        if self.includes.is_empty() { vec![PathBuf::from(".")] } else { self.includes.clone() }
    }

    fn explain(&self, error: &protox::Error) -> Error {
        let source = error.file().and_then(|name| self.source(name));
        let mut text = diagnostic::render(error, source.as_ref());
        let has_edition =
            |source: &Source| source.text.lines().any(|line| line.trim_start().starts_with("edition"));
        if error.is_parse() && source.as_ref().is_some_and(has_edition) {
            text.push_str("\n  = help: editions are not read here: let protoc or buf run protoc-gen-gannet");
        }
        if error.is_file_not_found() {
            let includes = self.include_directories();
            let includes: Vec<String> = includes.iter().map(|path| format!("`{}`", path.display())).collect();
            text.push_str(&format!("\n  = help: the include directories are {}", includes.join(", ")));
        }
        Error::new(text)
    }

    /// Whether the file is where it is said to be, or in an include directory.
    fn exists(&self, file: &Path) -> bool {
        file.is_file() || self.include_directories().iter().any(|directory| directory.join(file).is_file())
    }

    /// The file that is imported by this name.
    fn source(&self, name: &str) -> Option<Source> {
        let directories = self.include_directories();
        let path = directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file())?;
        Some(Source { text: std::fs::read_to_string(&path).ok()?, path: path.display().to_string() })
    }
}

/// Leaves a file with this content alone, so that cargo does not take it for changed.
fn write(path: &Path, content: &str) -> Result {
    if std::fs::read(path).is_ok_and(|old| old == content.as_bytes()) {
        return Ok(());
    }
    std::fs::write(path, content).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("cannot write {}: {error}", path.display()))
}
