//! What users see when a `.proto` file has a mistake.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod project;

use project::Project;

/// The error of a project whose first file is compiled, with the include directory shown as `proto`.
fn check(files: &[(&str, &str)], expected: &str) {
    let project = Project::new(files);
    let error = project.builder([files[0].0]).generate().unwrap_err();
    assert_eq!(project.shown(&error.to_string()), expected);
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn an_unknown_type() {
    check(
        &[("a.proto", "syntax = \"proto3\";\n\nmessage A {\n\tBar b = 1;\n}\n")],
        "\
name 'Bar' is not defined
 --> proto/a.proto:4:2
  |
4 | \tBar b = 1;
  | \t^^^ found here",
    );
}

#[test]
fn a_number_used_twice_shows_both_lines() {
    let fields = "  string name = 1;\n".to_owned() + &"\n".repeat(8) + "  string other = 1;\n";
    check(
        &[("a.proto", &format!("syntax = \"proto3\";\nmessage A {{\n{fields}}}\n"))],
        "\
field number '1' is already used
  --> proto/a.proto:3:17
   |
 3 |   string name = 1;
   |                 ^ first defined here
  ::: proto/a.proto:12:18
   |
12 |   string other = 1;
   |                  ^ defined again here",
    );
}

#[test]
fn two_mistakes_are_both_told() {
    check(
        &[("a.proto", "syntax = \"proto3\";\nmessage A {\n  Bar a = 1;\n  Baz b = 2;\n}\n")],
        "\
name 'Bar' is not defined
 --> proto/a.proto:3:3
  |
3 |   Bar a = 1;
  |   ^^^ found here

name 'Baz' is not defined
 --> proto/a.proto:4:3
  |
4 |   Baz b = 2;
  |   ^^^ found here",
    );
}

#[test]
fn a_missing_token() {
    check(
        &[("a.proto", "syntax = \"proto3\";\nmessage A {\n  string x 1;\n}\n")],
        "\
expected '=', but found '1'
 --> proto/a.proto:3:12
  |
3 |   string x 1;
  |            ^ found here",
    );
}

#[test]
fn the_end_of_the_file() {
    check(
        &[("a.proto", "syntax = \"proto3\";\nmessage A {")],
        "\
expected a message field, oneof, reserved range, enum, message, option or '}', but reached end of file
 --> proto/a.proto",
    );
}

#[test]
fn a_number_out_of_range() {
    check(
        &[("a.proto", "syntax = \"proto3\";\nmessage A {\n  string x = 0;\n}\n")],
        "\
message numbers must be between 1 and 536870911
 --> proto/a.proto:3:14
  |
3 |   string x = 0;
  |              ^ defined here",
    );
}

#[test]
fn help_is_shown_below() {
    check(
        &[("a.proto", "syntax = \"proto4\";\n")],
        "\
unknown syntax 'proto4'
 --> proto/a.proto:1:10
  |
1 | syntax = \"proto4\";
  |          ^^^^^^^^ defined here
  = help: possible values are 'proto2' and 'proto3'",
    );
}

#[test]
fn editions_have_a_way_round() {
    let project = Project::new(&[("a.proto", "edition = \"2023\";\nmessage A {}\n")]);
    let error = project.builder(["a.proto"]).generate().unwrap_err().to_string();
    assert!(
        error.ends_with("= help: editions are not read here: let protoc or buf run protoc-gen-gannet"),
        "{error}"
    );
}

#[test]
fn a_mistake_in_an_import_is_shown_in_the_import() {
    check(
        &[
            ("a.proto", "syntax = \"proto3\";\nimport \"b/b.proto\";\n"),
            ("b/b.proto", "syntax = \"proto3\";\nmessage B {\n  C c = 1;\n}\n"),
        ],
        "\
name 'C' is not defined
 --> proto/b/b.proto:3:3
  |
3 |   C c = 1;
  |   ^ found here",
    );
}

#[test]
fn an_import_that_is_not_there() {
    check(
        &[("a.proto", "syntax = \"proto3\";\nimport \"b/b.proto\";\n")],
        "\
import 'b/b.proto' not found
 --> proto/a.proto:2:1
  |
2 | import \"b/b.proto\";
  | ^^^^^^^^^^^^^^^^^^^ imported here
  = help: the include directories are `proto`",
    );
}

#[test]
fn an_import_cycle() {
    check(
        &[
            ("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\n"),
            ("b.proto", "syntax = \"proto3\";\nimport \"a.proto\";\n"),
        ],
        "import cycle detected: a.proto -> b.proto -> a.proto\n --> proto/a.proto",
    );
}

#[test]
fn a_file_that_is_not_there_and_no_file() {
    let project = Project::new(&[]);
    let error = project.builder(["nix.proto"]).generate().unwrap_err();
    assert_eq!(error.to_string(), "the file `nix.proto` does not exist");
    let error = project.builder::<&str>([]).generate().unwrap_err();
    assert_eq!(error.to_string(), "no .proto files are given");
    let error = project.builder(["a.proto"]).includes(["nix"]).generate().unwrap_err();
    assert_eq!(error.to_string(), "the include directory `nix` does not exist");
}

#[test]
fn names_that_collide_in_rust() {
    check(
        &[(
            "a.proto",
            "syntax = \"proto3\";\npackage a;\nmessage GreeterClient {}\n\
             service Greeter { rpc Greet(GreeterClient) returns (GreeterClient); }\n",
        )],
        "a service and a message of package `a` both generate `GreeterClient`: rename one of them in the .proto",
    );
    check(
        &[(
            "a.proto",
            "syntax = \"proto3\";\nmessage A {}\nservice FooBar { rpc Get(A) returns (A); }\n\
             service foo_bar { rpc Get(A) returns (A); }\n",
        )],
        "two services of the files without a package both generate `FOO_BAR`: rename one of them in the .proto",
    );
}
