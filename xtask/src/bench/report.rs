//! Measured rows as Markdown: the ratios first.

use super::measure::Measured;
use super::rows::{Goal, Row};
use super::scaling::figure;
use super::store::{Runs, median, range};

/// The bars of a plot, with the name of their group.
type Group = (String, Vec<(String, f64)>);

/// One row: every peer with its figures.
pub(super) fn row(row: &Row, runs: &Runs) -> String {
    let mut text = format!(
        "{} ({})\n\n| | CPU µs (lowest–highest) | per second | of tonic's |\n| --- | --- | --- | --- |\n",
        row.title, row.name
    );
    for (peer, measured) in runs {
        let (low, high) = range(measured);
        let cpu = cpu(measured);
        let of_tonic = of(runs, "tonic").map_or(String::new(), |tonic| format!("{:.2}", cpu / tonic));
        let rate = median(measured, |run| run.rate);
        text += &format!(
            "| {peer} | {} ({}–{}) | {rate:.0} | {of_tonic} |\n",
            figure(cpu),
            figure(low),
            figure(high)
        );
    }
    text
}

/// The ratios of all rows with their goals, then the figures of each.
pub(super) fn rows(measured: &[(&Row, Runs)]) -> String {
    let mut text = "## Ratios\n\ngannet's CPU as a part of another's, and what it has to reach.\n\n\
                    | work | gannet, CPU µs | of tonic's | of the limit's | goal | |\n| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (row, runs) in measured {
        let Some(gannet) = of(runs, "gannet") else { continue };
        let ratio = |peer| of(runs, peer).map_or("-".to_owned(), |other| format!("{:.2}", gannet / other));
        let goals: Vec<String> =
            row.goals.iter().map(|goal| format!("≤ {:.2} × {}", goal.at_most, goal.of)).collect();
        let reached = row.goals.iter().all(|goal| is_reached(goal, gannet, runs));
        text += &format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row.title,
            figure(gannet),
            ratio("tonic"),
            ratio("limit"),
            goals.join(", "),
            if reached { "reached" } else { "missed" }
        );
    }
    text += "\n## Figures\n";
    for (measured_row, runs) in measured {
        text += &format!("\n{}", row(measured_row, runs));
    }
    text
}

/// For each row the cost of every peer as a part of tonic's.
pub(super) fn groups(measured: &[(&Row, Runs)]) -> Vec<Group> {
    let group = |(row, runs): &(&Row, Runs)| {
        let tonic = of(runs, "tonic")?;
        let bars = runs.iter().map(|(peer, measured)| (peer.clone(), cpu(measured) / tonic)).collect();
        Some((row.name.to_owned(), bars))
    };
    measured.iter().filter_map(group).collect()
}

fn is_reached(goal: &Goal, gannet: f64, runs: &Runs) -> bool {
    of(runs, goal.of).is_some_and(|other| gannet <= goal.at_most * other)
}

fn of(runs: &Runs, peer: &str) -> Option<f64> {
    runs.iter().find(|(name, _)| name == peer).map(|(_, measured)| cpu(measured))
}

fn cpu(measured: &[Measured]) -> f64 {
    median(measured, |run| run.cpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rows::ROWS;

    #[test]
    fn a_goal_is_missed_or_reached() {
        let runs = |gannet: f64| -> Runs {
            [("gannet", gannet), ("tonic", 10.0), ("limit", 1.0)]
                .map(|(peer, cpu)| (peer.to_owned(), vec![Measured { cpu, rate: 1.0 }]))
                .into()
        };
        let reached = rows(&[(&ROWS[0], runs(1.9))]);
        assert!(
            reached.contains("| 1.90 | 0.19 | 1.90 | ≤ 0.20 × tonic, ≤ 2.20 × limit | reached |"),
            "{reached}"
        );
        assert!(rows(&[(&ROWS[0], runs(2.1))]).contains("missed"));
    }
}
