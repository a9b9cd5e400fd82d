//! The modules of all packages, as one tree.

use crate::names;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Generated code is checked where it is made: its users' lints would only report what they cannot change.
/// `deprecated`: a type that the .proto deprecates is still named by the code beside it.
const ATTRIBUTES: &str = "#[rustfmt::skip]
#[allow(missing_docs, deprecated, dead_code, unused_imports, unused_qualifications, unreachable_pub, \
non_camel_case_types, rustdoc::broken_intra_doc_links, clippy::all, clippy::pedantic, clippy::nursery)]
";

/// Files without a package stand at the root of the tree, where attributes have no module to stand on: so they get one,
/// which sees the other packages beside it and is seen through.
const UNNAMED_BEGIN: &str = "mod unnamed_package {\n    use super::*;\n";
const UNNAMED_END: &str = "}\n#[allow(unused_imports, unreachable_pub)]\npub use unnamed_package::*;\n";

/// A file with nested modules, one for each segment of a package's name, that includes each package's file.
///
/// `super::super::other::v1::Message` in one package's file then finds the other package, wherever the tree is put.
pub(crate) fn module_tree<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut root = Module::default();
    for (package, file) in files {
        let mut module = &mut root;
        for segment in package.split('.').filter(|segment| !segment.is_empty()) {
            module = module.children.entry(segment).or_default();
        }
        module.files.push(file);
    }
    let mut text = format!("{}\n", crate::generator::HEADER);
    root.write(0, &mut text);
    text
}

#[derive(Default)]
struct Module<'a> {
    files: Vec<&'a str>,
    children: BTreeMap<&'a str, Module<'a>>,
}

impl Module<'_> {
    fn write(&self, depth: usize, text: &mut String) {
        let indent = "    ".repeat(depth);
        for file in &self.files {
            let _ = match depth {
                0 => write!(text, "{ATTRIBUTES}{UNNAMED_BEGIN}    include!(\"{file}\");\n{UNNAMED_END}"),
                _ => writeln!(text, "{indent}include!(\"{file}\");"),
            };
        }
        for (name, module) in &self.children {
            if depth == 0 {
                text.push_str(ATTRIBUTES);
            }
            let _ = writeln!(text, "{indent}pub mod {} {{", names::ident(name));
            module.write(depth + 1, text);
            let _ = writeln!(text, "{indent}}}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_nest_and_keywords_are_escaped() {
        let files = [("", "_.rs"), ("a.type", "a.type.rs"), ("a", "a.rs"), ("b.v1", "b.v1.rs")];
        let tree = module_tree(files.into_iter());
        let (_, tree) = tree.split_once("\n\n").unwrap();
        let tree = tree.replace(ATTRIBUTES, "");
        let expected = r#"mod unnamed_package {
    use super::*;
    include!("_.rs");
}
#[allow(unused_imports, unreachable_pub)]
pub use unnamed_package::*;
pub mod a {
    include!("a.rs");
    pub mod r#type {
        include!("a.type.rs");
    }
}
pub mod b {
    pub mod v1 {
        include!("b.v1.rs");
    }
}
"#;
        assert_eq!(tree, expected);
    }
}
