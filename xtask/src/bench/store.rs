//! Measured rows, kept until all are there: a run that was cut goes on where it stopped.

use super::measure::Measured;
use crate::process::{output, root};
use std::path::PathBuf;
use std::process::Command;

/// The runs of each peer.
pub(super) type Runs = Vec<(String, Vec<Measured>)>;

/// The rows that were measured at one commit.
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    pub(super) fn open() -> Result<Self, String> {
        let directory = root().join("bench/target/rows").join(commit()?);
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        Ok(Self { directory })
    }

    pub(super) fn read(&self, row: &str) -> Option<Runs> {
        let text = std::fs::read_to_string(self.directory.join(row)).ok()?;
        text.lines().map(parse).collect()
    }

    /// A table that was measured at this commit, or is now.
    pub(super) fn text(
        &self,
        name: &str,
        measure: impl FnOnce() -> Result<String, String>,
    ) -> Result<String, String> {
        let path = self.directory.join(name).with_extension("md");
        if let Ok(text) = std::fs::read_to_string(&path) {
            return Ok(text);
        }
        let text = measure()?;
        std::fs::write(&path, &text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    pub(super) fn write(&self, row: &str, runs: &Runs) -> Result<(), String> {
        let text: String = runs.iter().map(|(peer, runs)| format!("{peer}{}\n", figures(runs))).collect();
        std::fs::write(self.directory.join(row), text).map_err(|error| error.to_string())
    }
}

fn figures(runs: &[Measured]) -> String {
    runs.iter().map(|run| format!("\t{}\t{}", run.cpu, run.rate)).collect()
}

fn parse(line: &str) -> Option<(String, Vec<Measured>)> {
    let mut words = line.split('\t');
    let peer = words.next()?.to_owned();
    let figures: Option<Vec<f64>> = words.map(|word| word.parse().ok()).collect();
    let runs = figures?.chunks_exact(2).map(|pair| Measured { cpu: pair[0], rate: pair[1] }).collect();
    Some((peer, runs))
}

/// The commit that is measured; with a mark where the tree has other changes than results.
pub(super) fn commit() -> Result<String, String> {
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root()).args(arguments));
    let head = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", ".", ":!bench/results", ":!docs"])?;
    Ok(format!("{}{}", head.trim(), if changed.trim().is_empty() { "" } else { "-changed" }))
}

/// The middle of the runs, by this figure.
pub(super) fn median(runs: &[Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The lowest and the highest CPU of the runs.
pub(super) fn range(runs: &[Measured]) -> (f64, f64) {
    runs.iter().fold((f64::MAX, 0.0), |(low, high), run| (low.min(run.cpu), run.cpu.max(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back() {
        let runs = vec![Measured { cpu: 0.5, rate: 2e6 }, Measured { cpu: 0.75, rate: 1.5e6 }];
        assert_eq!(
            parse(&format!("h2 by hand{}", figures(&runs))),
            Some(("h2 by hand".to_owned(), runs.clone()))
        );
        assert_eq!((median(&runs, |run| run.cpu), range(&runs)), (0.75, (0.5, 0.75)));
    }
}
