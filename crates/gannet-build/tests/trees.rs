//! Which files are generated, and where they are written.

mod project;

use project::Project;

const USER: (&str, &str) = (
    "user/v1/user.proto",
    "syntax = \"proto3\";
package user.v1;
import \"common/v1/name.proto\";
import \"common/v1/options.proto\";
import \"google/protobuf/timestamp.proto\";
message User {
  common.v1.Name name = 1;
  google.protobuf.Timestamp created_at = 2 [(common.v1.secret) = true];
}
",
);
const NAME: (&str, &str) = (
    "common/v1/name.proto",
    "syntax = \"proto3\";
package common.v1;
import \"common/v1/part.proto\";
message Name { repeated Part parts = 1; }
",
);
const PART: (&str, &str) =
    ("common/v1/part.proto", "syntax = \"proto3\";\npackage common.v1;\nmessage Part { string text = 1; }\n");
const OPTIONS: (&str, &str) = (
    "common/v1/options.proto",
    "syntax = \"proto3\";
package common.v1;
import \"google/protobuf/descriptor.proto\";
message OnlyForOptions {}
extend google.protobuf.FieldOptions { bool secret = 50001; }
",
);

#[test]
fn imports_are_generated_where_their_types_are_used() {
    let project = Project::new(&[USER, NAME, PART, OPTIONS]);
    let generated = project.builder([USER.0]).generate().unwrap();
    let packages: Vec<&str> = generated.files.iter().map(|file| file.package.as_str()).collect();
    assert_eq!(packages, ["common.v1", "user.v1"]);
    let [common, user] = &generated.files[..] else { panic!() };
    assert!(common.content.contains("pub struct Name ") && common.content.contains("pub struct Part "));
    assert!(!common.content.contains("OnlyForOptions"));
    assert!(user.content.contains("super::super::common::v1::Name"));
    assert!(user.content.contains("gannet::codegen::buffa_types::google::protobuf::Timestamp"));
    let names = ["::buffa::", "::buffa_types::"].map(|path| format!(" {path}"));
    for line in generated.files.iter().flat_map(|file| file.content.lines()) {
        assert!(!names.iter().any(|name| line.contains(name)), "{line}");
    }
}

#[test]
fn packages_found_elsewhere_are_not_generated() {
    let project = Project::new(&[USER, NAME, PART, OPTIONS]);
    let builder = project.builder([USER.0]);
    let builder = builder.generator(|generator| generator.extern_path("common.v1", "::shared::common::v1"));
    let generated = builder.generate().unwrap();
    let packages: Vec<&str> = generated.files.iter().map(|file| file.package.as_str()).collect();
    assert_eq!(packages, ["user.v1"]);
    assert!(generated.files[0].content.contains("::shared::common::v1::Name"));
}

#[test]
fn a_directory_becomes_a_module() {
    let project = Project::new(&[USER, NAME, PART, OPTIONS]);
    let directory = project.proto().join("../src/proto");
    project.builder([USER.0]).directory(&directory).compile().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["common.v1.rs", "mod.rs", "user.v1.rs"]);
    let tree = std::fs::read_to_string(directory.join("mod.rs")).unwrap();
    assert!(tree.contains("pub mod user {\n    pub mod v1 {\n        include!(\"user.v1.rs\");"), "{tree}");
}

#[test]
fn files_may_be_given_as_paths_or_as_imports_name_them() {
    let project = Project::new(&[USER, NAME, PART, OPTIONS]);
    let path = project.proto().join(USER.0);
    let by_path = project.builder([&path]).generate().unwrap();
    let by_name = project.builder([USER.0]).generate().unwrap();
    assert_eq!(by_path.files[1].content, by_name.files[1].content);
}
