//! Kinds of changes side by side: rule 13.

use super::model::{Dimension, DimensionGroup};
use super::span::Span;
use super::value::{Spread, in_words, noise};
use crate::delivery::measured::Change;
use crate::stats::survival::{Observation, log_rank};

/// Builds the dimensions: who wrote the changes, and whether AI helped.
pub(super) fn of(changes: &[Change], span: Span) -> Vec<Dimension> {
    vec![
        dimension("author", ["bots", "people"], changes, span, |change| change.bot),
        dimension("assistance", ["AI-assisted", "not assisted"], changes, span, |change| {
            change.assisted
        }),
    ]
}

/// Compares the changes for which `is_first` holds with the others.
fn dimension(
    name: &'static str,
    labels: [&'static str; 2],
    changes: &[Change],
    span: Span,
    is_first: impl Fn(&Change) -> bool,
) -> Dimension {
    let (first, second): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| is_first(change));
    let observations = [span.observe_all(first), span.observe_all(second)];
    let groups: Vec<DimensionGroup> =
        labels.iter().zip(&observations).map(|(label, seen)| group(label, seen)).collect();
    let finding = finding(&groups, &observations);
    Dimension { name, groups, finding }
}

fn group(label: &'static str, observations: &[Observation]) -> DimensionGroup {
    let Spread { n, waiting, p50, p85, .. } = Spread::of(observations);
    DimensionGroup { label, n, waiting, p50, p85 }
}

fn finding(groups: &[DimensionGroup], observations: &[Vec<Observation>]) -> String {
    if let Some(empty) = groups.iter().find(|group| group.n + group.waiting == 0) {
        return format!("No change is of the kind \"{}\": nothing to compare.", empty.label);
    }
    let median = |group: &DimensionGroup| format!("{} for {}", in_words(&group.p50), group.label);
    let medians = groups.iter().map(median).collect::<Vec<_>>().join(", ");
    match log_rank(observations) {
        Some(test) => format!("The median is {medians}: {}.", noise(test.p)),
        None => format!("The median is {medians}; they have too little in common for a test."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Story;
    use crate::delivery::history::Marks;
    use crate::time::{DAY, HOUR};

    const T: i64 = 1_000_000;

    /// Twenty changes by people that take two days, twenty by bots that take an hour, and one of
    /// a bot that waits.
    fn story() -> Story {
        let mut story = Story::of_lives(T, &[]);
        for i in 0..20 {
            let at = T + i * 10 * DAY;
            let person = story.marked(at, 0);
            story.deploy(&format!("p{i}"), person, at + 2 * DAY + i);
            let bot = story.marked(at + 5 * DAY, Marks::BOT);
            story.deploy(&format!("b{i}"), bot, at + 5 * DAY + HOUR + i);
        }
        story.marked(T + 300 * DAY, Marks::BOT);
        story
    }

    #[test]
    fn groups_are_told_side_by_side() {
        let report = story().report();
        let author = &report.dimensions[0];
        let counts: Vec<_> = author.groups.iter().map(|g| (g.label, g.n, g.waiting)).collect();
        assert_eq!(author.name, "author");
        assert_eq!(counts, [("bots", 20, 1), ("people", 20, 0)]);
        assert_eq!(author.groups[1].p50.seconds, Some((2 * DAY + 9) as f64));
        assert_eq!(
            author.finding,
            "The median is 1 h for bots, 2 d for people: beyond noise (log-rank p < 0.001)."
        );
    }

    #[test]
    fn an_empty_group_is_listed_and_said() {
        let report = story().report();
        let assistance = &report.dimensions[1];
        let counts: Vec<_> = assistance.groups.iter().map(|g| (g.label, g.n, g.waiting)).collect();
        assert_eq!(counts, [("AI-assisted", 0, 0), ("not assisted", 40, 1)]);
        assert_eq!(
            assistance.finding,
            "No change is of the kind \"AI-assisted\": nothing to compare."
        );
    }

    #[test]
    fn what_cannot_be_tested_is_said() {
        let mut story = Story::of_lives(T, &[(T + 1, 5)]);
        story.marked(T + 6, Marks::ASSISTED);
        let finding = &story.report().dimensions[1].finding;
        assert_eq!(
            finding,
            "The median is not reached for AI-assisted, 5 s for not assisted; they have too \
             little in common for a test."
        );
    }
}
