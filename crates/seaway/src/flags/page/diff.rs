//! What differs between two texts, line by line.

/// Lines times lines that are compared; where there are more, all of them differ.
const CELLS_MAX: usize = 1_000_000;
/// Lines around what differs that are shown.
const AROUND: usize = 2;

/// A line of one text, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'t> {
    Same(&'t str),
    Removed(&'t str),
    Added(&'t str),
    /// So many lines that are the same are left out.
    Skipped(usize),
}

/// All lines of two texts, in their order.
pub(super) fn diff<'t>(before: &'t str, after: &'t str) -> Vec<Line<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let pairs = old_rest.iter().rev().zip(new_rest.iter().rev());
    let end = pairs.take_while(|(a, b)| a == b).count();
    let (old_middle, old_end) = old_rest.split_at(old_rest.len() - end);
    let (new_middle, _) = new_rest.split_at(new_rest.len() - end);
    let mut lines: Vec<Line<'t>> = old[..start].iter().copied().map(Line::Same).collect();
    between(old_middle, new_middle, &mut lines);
    lines.extend(old_end.iter().copied().map(Line::Same));
    lines
}

/// What differs between lines, by their longest common subsequence.
fn between<'t>(old: &[&'t str], new: &[&'t str], lines: &mut Vec<Line<'t>>) {
    let width = new.len() + 1;
    if old.len().saturating_mul(width) > CELLS_MAX {
        lines.extend(old.iter().copied().map(Line::Removed));
        lines.extend(new.iter().copied().map(Line::Added));
        return;
    }
    // How many lines are common to the rests of both from a place on.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            common[i * width + j] = match a == b {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                lines.push(Line::Same(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b)
                if b.is_none() || common[(i + 1) * width + j] >= common[i * width + j + 1] =>
            {
                lines.push(Line::Removed(a));
                i += 1;
            }
            (_, Some(b)) => {
                lines.push(Line::Added(b));
                j += 1;
            }
            (_, None) => return,
        }
    }
}

/// How many lines were added and removed.
pub(super) fn counts(lines: &[Line<'_>]) -> (usize, usize) {
    let added = lines.iter().filter(|line| matches!(line, Line::Added(_))).count();
    let removed = lines.iter().filter(|line| matches!(line, Line::Removed(_))).count();
    (added, removed)
}

/// The lines that differ, with a few around them.
pub(super) fn shortened<'t>(lines: &[Line<'t>]) -> Vec<Line<'t>> {
    let mut near = vec![false; lines.len()];
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Same(_))) {
        let stretch = at.saturating_sub(AROUND)..(at + AROUND + 1).min(lines.len());
        near[stretch].fill(true);
    }
    let mut shown = Vec::new();
    for (line, is_near) in lines.iter().zip(near) {
        match (is_near, shown.last_mut()) {
            (true, _) => shown.push(*line),
            (false, Some(Line::Skipped(n))) => *n += 1,
            (false, _) => shown.push(Line::Skipped(1)),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_differs_is_told() {
        let lines = diff("{\n a\n b\n c\n}", "{\n a\n x\n c\n y\n}");
        use Line::{Added, Removed, Same};
        assert_eq!(
            lines,
            [Same("{"), Same(" a"), Removed(" b"), Added(" x"), Same(" c"), Added(" y"), Same("}")]
        );
        assert_eq!(counts(&lines), (2, 1));
        let long = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        let other = long.replace("20", "x");
        let shown = shortened(&diff(&long, &other));
        assert_eq!(shown.first(), Some(&Line::Skipped(18)));
        assert_eq!((shown.len(), shown.last()), (8, Some(&Line::Skipped(17))));
        assert_eq!(shortened(&diff(&long, &long)), [Line::Skipped(40)]);
        assert_eq!(diff("", ""), []);
    }

    #[test]
    fn what_is_too_long_differs_as_a_whole() {
        let text =
            |odd: usize| (0..1_500).map(|n| format!("{}\n", n * 2 + odd)).collect::<String>();
        assert_eq!(counts(&diff(&text(0), &text(1))), (1_500, 1_500));
    }

    proptest! {
        #[test]
        fn both_texts_are_in_it_and_no_more_differs_than_has_to(
            old in prop::collection::vec("[a-c]", 0..12), new in prop::collection::vec("[a-c]", 0..12)
        ) {
            let (before, after) = (old.join("\n"), new.join("\n"));
            let lines = diff(&before, &after);
            let side = |wanted: fn(&Line<'_>) -> Option<String>| -> Vec<String> {
                lines.iter().filter_map(wanted).collect()
            };
            let was = side(|line| match line {
                Line::Same(text) | Line::Removed(text) => Some((*text).to_owned()),
                _ => None,
            });
            let is = side(|line| match line {
                Line::Same(text) | Line::Added(text) => Some((*text).to_owned()),
                _ => None,
            });
            prop_assert_eq!(&was, &old);
            prop_assert_eq!(&is, &new);
            let same = lines.iter().filter(|line| matches!(line, Line::Same(_))).count();
            prop_assert_eq!(same, longest(&old, &new));
        }
    }

    /// The length of the longest common subsequence, as its definition has it.
    fn longest(old: &[String], new: &[String]) -> usize {
        let mut row = vec![0; new.len() + 1];
        for a in old {
            let mut left_above = 0;
            for (j, b) in new.iter().enumerate() {
                let above = row[j + 1];
                row[j + 1] = if a == b { left_above + 1 } else { above.max(row[j]) };
                left_above = above;
            }
        }
        row[new.len()]
    }
}
