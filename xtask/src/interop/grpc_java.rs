//! grpc-java: its interop programs as they are.

use super::peer::{Peer, Program};
use super::work;
use crate::process::output;
use std::process::Command;

const VERSION: &str = "1.79.0";
/// The goal of Maven that fetches and unpacks one artifact.
const UNPACK: &str = "org.apache.maven.plugins:maven-dependency-plugin:2.8:unpack";

pub(super) fn prepare() -> Result<Peer, String> {
    let folder = work()?.join("java");
    let libraries = folder.join(format!("grpc-interop-testing-{VERSION}/lib"));
    if !libraries.exists() {
        let mut maven = Command::new("mvn");
        // The distribution: the programs with all that they need.
        maven
            .args(["-q", "-B", UNPACK])
            .arg(format!("-Dartifact=io.grpc:grpc-interop-testing:{VERSION}:zip"));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        output(maven.current_dir(&folder).arg(format!("-DoutputDirectory={}", folder.display())))?;
    }
    let program = |class: &str| {
        // A case runs for less time than the optimizing compiler takes to pay off.
        Program::new("java")
            .argument("-XX:TieredStopAtLevel=1")
            .argument("-XX:+UseSerialGC")
            .argument("-cp")
            .argument(libraries.join("*"))
            .argument(format!("io.grpc.testing.integration.{class}"))
            .own_credentials()
    };
    Ok(Peer { name: "grpc-java", client: program("TestServiceClient"), server: program("TestServiceServer") })
}
