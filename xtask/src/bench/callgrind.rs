//! What callgrind counted, read from its file (valgrind manual, "Callgrind Format Specification").

use std::collections::{BTreeMap, HashMap};

/// Instructions by function and by place.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) total: f64,
    pub(super) functions: BTreeMap<String, Cost>,
    /// Own instructions by source file and function: what is inlined keeps its own file.
    pub(super) places: BTreeMap<(String, String), f64>,
}

/// What one function cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    pub(super) own: f64,
    /// With all that it called; never more than the whole, whatever recursion adds up to.
    pub(super) inclusive: f64,
    pub(super) calls: f64,
}

impl Counts {
    /// What one of `count` items costs, where `less` ran none of them and this ran them all.
    pub(super) fn per_item(&self, less: &Self, count: usize) -> Self {
        let per_item = |more: f64, less: f64| (more - less) / count as f64;
        let total = per_item(self.total, less.total);
        let cost = |(name, more): (&String, &Cost)| {
            let less = less.functions.get(name).copied().unwrap_or_default();
            let cost = Cost {
                own: per_item(more.own, less.own),
                inclusive: per_item(more.inclusive, less.inclusive).min(total),
                calls: per_item(more.calls, less.calls),
            };
            (name.clone(), cost)
        };
        let place = |(place, more): (&(String, String), &f64)| {
            (place.clone(), per_item(*more, less.places.get(place).copied().unwrap_or_default()))
        };
        Self {
            total,
            functions: self.functions.iter().map(cost).collect(),
            places: self.places.iter().map(place).collect(),
        }
    }

    /// Calls that got new memory.
    pub(super) fn allocations(&self) -> f64 {
        let calls = |name| self.functions.get(name).map_or(0.0, |cost| cost.calls);
        ["malloc", "calloc", "posix_memalign", "aligned_alloc"].into_iter().map(calls).sum()
    }

    /// Reads a file.
    pub(super) fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        for line in text.lines() {
            reader.line(line);
        }
        reader.counts
    }
}

#[derive(Default)]
struct Reader {
    counts: Counts,
    files: HashMap<String, String>,
    names: HashMap<String, String>,
    file: String,
    function: String,
    called: String,
    /// The next cost line is that of a call, with how often it was made.
    calls: Option<f64>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        match line.split_once('=') {
            Some(("fl" | "fi" | "fe", name)) => self.file = expand(&mut self.files, name),
            // "cfi" and "cfl" define names that later lines only refer to.
            Some(("cfi" | "cfl", name)) => drop(expand(&mut self.files, name)),
            Some(("fn", name)) => self.function = expand(&mut self.names, name),
            Some(("cfn", name)) => self.called = expand(&mut self.names, name),
            Some(("calls", rest)) => self.calls = rest.split(' ').next().and_then(|calls| calls.parse().ok()),
            Some(_) => {}
            None if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) => self.cost(line),
            None => {}
        }
    }

    fn cost(&mut self, line: &str) {
        let Some(cost) = line.split(' ').nth(1).and_then(|cost| cost.parse::<f64>().ok()) else { return };
        let function = self.counts.functions.entry(self.function.clone()).or_default();
        function.inclusive += cost;
        if let Some(calls) = self.calls.take() {
            self.counts.functions.entry(self.called.clone()).or_default().calls += calls;
            return;
        }
        function.own += cost;
        self.counts.total += cost;
        *self.counts.places.entry((self.file.clone(), self.function.clone())).or_default() += cost;
    }
}

/// `(7) name` gives number 7 its name, `(7)` is that name again.
fn expand(known: &mut HashMap<String, String>, text: &str) -> String {
    match text.split_once(") ") {
        // A function that calls itself is counted at each depth as `name'2`; it is one function.
        Some((number, name)) => {
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix('\'').unwrap_or(name);
            known.insert(number.to_owned(), name.to_owned());
            name.to_owned()
        }
        None => known.get(text.trim_end_matches(')')).cloned().unwrap_or_else(|| text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_inclusive_costs() {
        let text = "events: Ir\n\nfl=(1) a.rs\nfn=(1) outer\n3 10\nfi=(2) inlined.rs\n+4 5\nfe=(1)\n\
                    cfi=(3) b.rs\ncfn=(2) inner\ncalls=4 7\n* 100\n\nfl=(3)\nfn=(2)\n7 100\n";
        let counts = Counts::parse(text);
        assert_eq!(counts.total, 115.0);
        assert_eq!(counts.functions["outer"], Cost { own: 15.0, inclusive: 115.0, calls: 0.0 });
        assert_eq!(counts.functions["inner"], Cost { own: 100.0, inclusive: 100.0, calls: 4.0 });
        assert_eq!(counts.places[&("inlined.rs".to_owned(), "outer".to_owned())], 5.0);
        assert_eq!(counts.places[&("b.rs".to_owned(), "inner".to_owned())], 100.0);
    }

    #[test]
    fn what_one_item_costs() {
        let more = Counts::parse("fn=(1) malloc\n1 1000\nfn=(2) f\ncfn=(1)\ncalls=30 1\n1 1000\n");
        let less = Counts::parse("fn=(1) malloc\n1 400\nfn=(2) f\ncfn=(1)\ncalls=10 1\n1 400\n");
        let each = more.per_item(&less, 10);
        assert_eq!((each.total, each.allocations()), (60.0, 2.0));
        assert_eq!(each.functions["f"].inclusive, 60.0);
    }
}
