//! A directory with `.proto` files for one test.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use gannet_build::Builder;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(crate) struct Project(PathBuf);

impl Project {
    /// Writes these files, as paths from the include directory and their texts.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let project = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        std::fs::create_dir_all(project.proto()).unwrap();
        for (name, text) in files {
            let path = project.proto().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        project
    }

    pub(crate) fn proto(&self) -> PathBuf {
        self.0.join("proto")
    }

    pub(crate) fn builder<F: AsRef<Path>>(&self, files: impl IntoIterator<Item = F>) -> Builder {
        Builder::new().files(files).includes([self.proto()])
    }

    /// A text that speaks of this directory, without what differs from run to run.
    #[allow(dead_code, reason = "each test file is a crate of its own and needs some of these")]
    pub(crate) fn shown(&self, text: &str) -> String {
        text.replace(&*self.proto().to_string_lossy(), "proto")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
