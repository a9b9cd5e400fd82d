//! Plots as SVG, written by hand: bars and lines are rectangles and polylines.

/// A line of a plot: its points from left to right.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const COLOURS: [&str; 6] = ["#1b6ca8", "#c8553d", "#6a994e", "#8d6a9f", "#b08900", "#5c677d"];
const WIDTH: f64 = 860.0;

/// Horizontal bars in groups, one for each row; a bar of 1.0 is as long as the others' measure.
pub(super) fn bars(title: &str, groups: &[(String, Vec<(String, f64)>)]) -> String {
    const BAR: f64 = 13.0;
    const LEFT: f64 = 380.0;
    let unit = (WIDTH - LEFT - 70.0) / 1.25;
    let bars: usize = groups.iter().map(|(_, bars)| bars.len()).sum();
    let height = 50.0 + bars as f64 * BAR + groups.len() as f64 * 12.0;
    let mut body = text(10.0, 22.0, 15.0, "start", title);
    body += &format!(
        "<line x1=\"{x}\" y1=\"36\" x2=\"{x}\" y2=\"{height}\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>\n",
        x = LEFT + unit
    );
    let mut y = 42.0;
    for (group, bars) in groups {
        body += &text(LEFT - 110.0, y + BAR * bars.len() as f64 / 2.0 + 4.0, 11.0, "end", group);
        for (place, (name, value)) in bars.iter().enumerate() {
            let length = value.min(1.25) * unit;
            let colour = COLOURS[place % COLOURS.len()];
            body += &format!(
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>\n",
                BAR - 2.0
            );
            body += &text(LEFT - 6.0, y + BAR - 4.0, 10.0, "end", name);
            body += &text(LEFT + length + 4.0, y + BAR - 4.0, 10.0, "start", &format!("{value:.2}"));
            y += BAR;
        }
        y += 12.0;
    }
    svg(height, &body)
}

/// Lines over a logarithmic axis; the vertical axis is logarithmic as well.
pub(super) fn lines(title: &str, lines: &[Line]) -> String {
    const HEIGHT: f64 = 320.0;
    let points = || lines.iter().flat_map(|line| &line.points);
    // A point at 0 has its place at the left, where 1 would be.
    let log = |value: f64| value.max(1e-3).log10();
    let (left, right) = extent(points().map(|(x, _)| x.max(1.0).log10()));
    let (low, high) = extent(points().map(|(_, y)| log(*y)));
    let (low, high) = (low.floor(), high.ceil());
    let place = |x: f64, y: f64| {
        let across = (x.max(1.0).log10() - left) / (right - left).max(1e-9);
        (
            60.0 + across * (WIDTH - 190.0),
            HEIGHT - 40.0 - (log(y) - low) / (high - low).max(1e-9) * (HEIGHT - 90.0),
        )
    };
    let mut body = text(10.0, 22.0, 14.0, "start", title);
    for power in low as i32..=high as i32 {
        let (x, y) = place(1.0, 10_f64.powi(power));
        body += &format!(
            "<line x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\n",
            WIDTH - 130.0
        );
        body += &text(x - 6.0, y + 4.0, 10.0, "end", &10_f64.powi(power).to_string());
    }
    for (x, _) in &lines[0].points {
        body += &text(place(*x, 1.0).0, HEIGHT - 20.0, 10.0, "middle", &x.to_string());
    }
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let path: Vec<String> =
            line.points.iter().map(|(x, y)| place(*x, *y)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        body += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
            path.join(" ")
        );
        if let Some((x, y)) = line.points.last().map(|(x, y)| place(*x, *y)) {
            body += &text(x + 8.0, y + 4.0, 12.0, "start", &line.name);
        }
    }
    svg(HEIGHT, &body)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}

fn text(x: f64, y: f64, size: f64, anchor: &str, content: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{content}</text>\n"
    )
}

fn svg(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        let plot =
            bars("a < b", &[("row".to_owned(), vec![("one".to_owned(), 1.0), ("half".to_owned(), 0.5)])]);
        let widths: Vec<f64> = plot
            .lines()
            .filter_map(|line| {
                line.split_once("<rect x=")?.1.split("width=\"").nth(1)?.split('"').next()?.parse().ok()
            })
            .collect();
        assert_eq!(widths[0], 2.0 * widths[1]);
        assert!(plot.contains("a &lt; b"));
    }

    #[test]
    fn a_line_rises_with_its_values() {
        let points = vec![(0.0, 0.1), (10.0, 1.0), (100.0, 10.0)];
        let plot = lines("growth", &[Line { name: "one".to_owned(), points }]);
        let line = plot.lines().find(|line| line.contains("polyline")).unwrap();
        let heights: Vec<f64> = line
            .split('"')
            .nth(1)
            .unwrap()
            .split(' ')
            .map(|point| point.split_once(',').unwrap().1.parse().unwrap())
            .collect();
        assert!(heights[0] > heights[1] && heights[1] > heights[2], "{heights:?}");
    }
}
