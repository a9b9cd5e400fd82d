//! The properties of the fuzz targets on stable: random bytes, and whatever a fuzzer has found.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

macro_rules! properties {
    ($($name:ident: $cases:literal cases of $bytes:literal bytes;)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig { cases: $cases, failure_persistence: None, ..Default::default() })]

                #[test]
                fn of_random_bytes(data in prop::collection::vec(any::<u8>(), 0..$bytes)) {
                    gannet_properties::$name(&data);
                }
            }

            #[test]
            fn of_what_a_fuzzer_found() {
                for (path, data) in findings(stringify!($name)) {
                    println!("{}", path.display());
                    gannet_properties::$name(&data);
                }
            }
        })*
    };
}

properties! {
    connection: 400 cases of 600 bytes;
    frames: 200 cases of 400 bytes;
    grpc_framing: 500 cases of 400 bytes;
    hpack: 500 cases of 400 bytes;
    joined: 200 cases of 600 bytes;
    metadata: 1000 cases of 400 bytes;
}

/// Each property has its fuzz target, and each fuzz target its property.
#[test]
fn targets_and_properties_are_the_same() {
    let targets = std::fs::read_dir(fuzz().join("targets")).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let targets: BTreeSet<String> = targets.map(|entry| stem(entry.unwrap().path())).collect();
    assert_eq!(targets, NAMES.iter().map(|name| (*name).to_owned()).collect());
}

/// The files in `fuzz/findings` of this property: each was a bug once.
fn findings(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(fuzz().join("findings").join(name)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

fn fuzz() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
