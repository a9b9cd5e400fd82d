//! What a command has checked: a line for each, and the sum.

/// Counts checks.
#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Prints a line for one check, and what was said where it failed.
    pub(crate) fn check(&mut self, name: &str, good: bool, said: &str) {
        if good {
            self.passed += 1;
            println!("  {name}: ok");
        } else {
            self.failed += 1;
            println!("  {name}: FAILED\n{said}");
        }
    }

    /// Prints the sum. An error where a check of this command failed.
    pub(crate) fn finish(&self, command: &str) -> Result<(), String> {
        println!("\n{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { Ok(()) } else { Err(format!("{command}: not every check passed")) }
    }
}
