//! Measured rows as Markdown: the ratios first.

use super::measure::Measured;
use super::rows::{Goal, Row};
use super::scaling::figure;
use super::store::{Runs, median, range};

/// The bars of a plot, with the name of their group.
type Group = (String, Vec<(String, f64)>);

/// One table: every peer of every row with its figures, and what gannet has to reach there.
pub(super) fn table(measured: &[(&Row, Runs)]) -> String {
    let mut text =
        "| work | of | CPU µs (lowest–highest) | per second | of tonic's | of the limit's | goal |\n\
                    | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for (row, runs) in measured {
        for (peer, measured) in runs {
            let (low, high) = range(measured);
            let cpu = cpu(measured);
            let part_of =
                |other| of(runs, other).map_or(String::new(), |other| format!("{:.2}", cpu / other));
            text += &format!(
                "| {} | {peer} | {} ({}–{}) | {:.0} | {} | {} | {} |\n",
                row.title,
                figure(cpu),
                figure(low),
                figure(high),
                median(measured, |run| run.rate),
                part_of("tonic"),
                part_of("limit"),
                if peer == "gannet" { judged_goals(row, cpu, runs) } else { String::new() }
            );
        }
    }
    text
}

/// The ratios of all rows with their goals, then the figures of each.
pub(super) fn rows(measured: &[(&Row, Runs)]) -> String {
    let mut text = "## Ratios\n\ngannet's CPU as a part of another's, and what it has to reach.\n\n\
                    | work | gannet, CPU µs | of tonic's | of the limit's | goal |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (row, runs) in measured {
        let Some(gannet) = of(runs, "gannet") else { continue };
        let ratio = |peer| of(runs, peer).map_or("-".to_owned(), |other| format!("{:.2}", gannet / other));
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            row.title,
            figure(gannet),
            ratio("tonic"),
            ratio("limit"),
            judged_goals(row, gannet, runs)
        );
    }
    text += &format!("\n## Figures\n\n{}", table(measured));
    text
}

/// What gannet has to reach in this row, each with whether it did.
fn judged_goals(row: &Row, gannet: f64, runs: &Runs) -> String {
    let judged = row.goals.iter().map(|goal| {
        let verdict = if is_reached(goal, gannet, runs) { "reached" } else { "missed" };
        match goal {
            Goal::Times(other, times) => format!("≤ {times:.2} × {other}: {verdict}"),
            Goal::Micros(micros) => format!("≤ {micros:.2} µs: {verdict}"),
            Goal::MicrosMore(other, micros) => {
                let more = of(runs, other).map_or(f64::NAN, |other| gannet - other);
                format!("{more:+.2} µs, ≤ {micros:.2} µs more than {other}: {verdict}")
            }
        }
    });
    judged.collect::<Vec<_>>().join(", ")
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
    let limit = match *goal {
        Goal::Times(other, times) => of(runs, other).map(|other| other * times),
        Goal::Micros(micros) => Some(micros),
        Goal::MicrosMore(other, micros) => of(runs, other).map(|other| other + micros),
    };
    limit.is_some_and(|limit| gannet <= limit)
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
        let table_at = |gannet| table(&[(&ROWS[0], runs(gannet))]);
        let reached = table_at(1.9);
        assert!(
            reached.contains("0.19 | 1.90 | ≤ 0.20 × tonic: reached, ≤ 2.20 × limit: reached |"),
            "{reached}"
        );
        assert!(table_at(2.1).contains("0.21 | 2.10 | ≤ 0.20 × tonic: missed, ≤ 2.20 × limit: reached |"));
    }

    #[test]
    fn a_goal_in_microseconds() {
        let row = ROWS.iter().find(|row| row.name == "down-100").unwrap();
        let runs =
            |gannet| -> Runs { vec![("gannet".to_owned(), vec![Measured { cpu: gannet, rate: 1.0 }])] };
        assert_eq!(judged_goals(row, 0.14, &runs(0.14)), "≤ 0.15 µs: reached");
        assert_eq!(judged_goals(row, 0.16, &runs(0.16)), "≤ 0.15 µs: missed");
    }

    #[test]
    fn a_goal_in_microseconds_above_another() {
        let row = ROWS.iter().find(|row| row.observed).unwrap();
        let judged = |gannet: f64| {
            let runs = [("gannet", gannet), ("unobserved", 2.0)]
                .map(|(peer, cpu)| (peer.to_owned(), vec![Measured { cpu, rate: 1.0 }]));
            judged_goals(row, gannet, &runs.into())
        };
        assert_eq!(judged(3.5), "+1.50 µs, ≤ 1.50 µs more than unobserved: reached");
        assert_eq!(judged(3.6), "+1.60 µs, ≤ 1.50 µs more than unobserved: missed");
    }
}
