//! `cargo xtask loom`: the models in `crates/gannet/src/driver/model.rs`.

use crate::process::{self, root};
use std::process::Command;

pub(crate) fn run() -> Result<(), String> {
    let mut test = Command::new("cargo");
    test.current_dir(root()).args(["test", "-p", "gannet", "--lib", "model::"]);
    // A folder of its own, or these flags would have everything else compiled anew each time.
    test.args(["--target-dir", "target/loom"]).env("RUSTFLAGS", "--cfg gannet_loom");
    process::run(&mut test)
}
