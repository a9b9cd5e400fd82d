//! `cargo xtask gen`: generated code that is kept in the repository, so that no library here has a build script.

use gannet_build::{Builder, Generator};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// `gen` writes the code anew; `gen --check` only says what is not as it would be written.
///
/// # Errors
/// When a `.proto` file has a mistake, the code cannot be written or, for `--check`, is not current.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("usage: cargo xtask gen [--check]".to_owned()),
    };
    let mut stale = Vec::new();
    for module in MODULES {
        stale.extend(module.update(check)?);
    }
    if check && !stale.is_empty() {
        return Err(format!("not current, run `cargo xtask gen`:\n{}", stale.join("\n")));
    }
    for path in stale {
        println!("{path}");
    }
    Ok(())
}

/// A directory of generated code.
struct Module {
    /// The crate's directory, whose `.proto` files are in `proto`.
    package: &'static str,
    /// Where in the crate the code is.
    directory: &'static str,
    files: &'static [&'static str],
    options: fn(Generator) -> Generator,
    /// Where the descriptors go, for files without a service that would bring them along.
    descriptors: Option<&'static str>,
}

const MODULES: &[Module] = &[
    Module {
        package: "crates/gannet-types",
        directory: "src/generated",
        files: &["google/rpc/status.proto", "google/rpc/error_details.proto"],
        // Messages alone, for a crate that knows buffa and not gannet.
        options: |generator| generator.server(false).client(false).buffa_runtime(None),
        descriptors: Some("google.rpc.bin"),
    },
    Module {
        package: "crates/gannet-services",
        directory: "src/health/generated",
        files: &["grpc/health/v1/health.proto"],
        options: |generator| generator,
        descriptors: None,
    },
    Module {
        package: "crates/gannet-services",
        directory: "src/channelz/generated",
        files: &["grpc/channelz/v1/channelz.proto"],
        options: |generator| generator,
        descriptors: None,
    },
    Module {
        package: "crates/gannet-services",
        directory: "src/orca/generated",
        files: &["xds/data/orca/v3/orca_load_report.proto", "xds/service/orca/v3/orca.proto"],
        options: |generator| generator,
        descriptors: None,
    },
    Module {
        package: "crates/gannet-services",
        directory: "src/reflection/generated",
        files: &[
            "gannet/reflection/descriptors.proto",
            "grpc/reflection/v1/reflection.proto",
            "grpc/reflection/v1alpha/reflection.proto",
        ],
        // Descriptors are answered again and again: shared, not copied.
        options: |generator| generator.bytes("."),
        descriptors: None,
    },
];

impl Module {
    /// The files that were not current, with what was done about each.
    fn update(&self, check: bool) -> Result<Vec<String>, String> {
        let directory = root().join(self.package).join(self.directory);
        let wanted = self.generate()?;
        let mut stale = Vec::new();
        for (name, content) in &wanted {
            let path = directory.join(name);
            if fs::read(&path).is_ok_and(|old| old == *content) {
                continue;
            }
            stale.push(format!("write {}", shown(&path)));
            if !check {
                fs::create_dir_all(&directory).map_err(|error| failed("make", &directory, &error))?;
                fs::write(&path, content).map_err(|error| failed("write", &path, &error))?;
            }
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if !wanted.contains_key(&*entry.file_name().to_string_lossy()) {
                stale.push(format!("remove {}", shown(&entry.path())));
                if !check {
                    fs::remove_file(entry.path()).map_err(|error| failed("remove", &entry.path(), &error))?;
                }
            }
        }
        Ok(stale)
    }

    /// Names and contents of the directory's files.
    fn generate(&self) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let builder = Builder::new()
            .files(self.files)
            .includes([root().join(self.package).join("proto")])
            .generator(self.options);
        let generated = builder.generate().map_err(|error| error.to_string())?;
        let tree = generated.module_tree();
        let mut files: BTreeMap<_, _> =
            generated.files.into_iter().map(|file| (file.name, file.content.into_bytes())).collect();
        files.insert("mod.rs".to_owned(), tree.into_bytes());
        if let Some(name) = self.descriptors {
            files.insert(name.to_owned(), builder.descriptors().map_err(|error| error.to_string())?);
        }
        Ok(files)
    }
}

fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_code_is_current() {
        super::run(&["--check".to_owned()]).unwrap();
    }
}
