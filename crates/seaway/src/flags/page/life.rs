//! The life of a flag as a picture: for whom it was on, from its first revision to now.

use super::who::{Reach, Who};
use super::{ANSWER, by, done};
use crate::flags::registry::served;
use crate::flags::revision::Revision;
use crate::pages::parts::{Column, Table, figure, nothing};
use crate::pages::words::{clean, counted, moment, outside, unbroken};
use maud::{Markup, html};
use seaway_core::flags::FlagSet;
use seaway_core::time::{Time, humanize};

/// The height of the picture, in pixels.
const HEIGHT: f64 = 84.0;
/// How high it shows that rules turn a flag on for some, in pixels.
const SOME: f64 = 8.0;

/// A time in which the same people saw a flag.
pub(super) struct Stretch<'r> {
    /// What began it.
    revision: &'r Revision,
    since: Time,
    until: Time,
    /// `None`: nobody can say.
    reach: Option<Reach>,
    answer: String,
}

impl Stretch<'_> {
    fn seconds(&self) -> i64 {
        self.until.0.saturating_sub(self.since.0).max(0)
    }
}

/// The stretches of a life, the first one first, by revisions of which the newest comes first.
pub(super) fn stretches<'r>(
    around: &FlagSet,
    revisions: impl DoubleEndedIterator<Item = &'r Revision>,
    now: Time,
) -> Vec<Stretch<'r>> {
    let mut stretches: Vec<Stretch<'r>> = Vec::new();
    for revision in revisions.rev() {
        let flag = revision.is_live().then(|| served(around, revision).ok()).flatten();
        let who = flag.as_deref().map(|flag| (Who::of(flag), flag));
        let (reach, answer) = match (who, revision.is_live()) {
            (Some((who, flag)), _) => (Some(who.reach(flag)), who.answer(flag)),
            (None, false) => (Some(Reach { share: Some(0.0), some: false }), "Deleted".to_owned()),
            (None, true) => (None, "Not known".to_owned()),
        };
        // Clocks of servers differ: nothing ends before it begins.
        let since = stretches.last().map_or(revision.at, |it| revision.at.max(it.since));
        if let Some(last) = stretches.last_mut() {
            last.until = since;
            if last.answer == answer {
                continue;
            }
        }
        stretches.push(Stretch { revision, since, until: since, reach, answer });
    }
    if let Some(last) = stretches.last_mut() {
        last.until = now.max(last.since);
    }
    stretches
}

/// The picture, under its finding, with its data in a table.
pub(super) fn life(stretches: &[Stretch<'_>], is_whole: bool) -> Markup {
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
        return nothing("Nothing is known of its life.");
    };
    let rows = stretches.iter().rev().enumerate().map(|(at, it)| {
        let span = humanize(it.seconds() as f64);
        vec![
            html! { span.nowrap { (moment(Some(it.since))) } },
            html! { (outside(&it.answer, ANSWER)) },
            html! { (unbroken(&span)) @if at == 0 { " so far" } },
            html! { (done(it.revision.action)) " by " (by(&it.revision.by)) },
        ]
    });
    let table = Table {
        caption: "Who saw it when, times in UTC".to_owned(),
        columns: &[
            Column::Text("Since"),
            Column::Text("Who saw it"),
            Column::Number("For"),
            Column::Text("Begun by"),
        ],
        rows: rows.collect(),
    };
    let finding = finding(stretches, is_whole);
    let whole = last.until.0.saturating_sub(first.since.0);
    let evidence = format!(
        "{} {}, {}",
        humanize(whole as f64),
        if is_whole { "since it was made" } else { "of its life, as far as it is read here" },
        counted(stretches.len(), "stretch", "stretches"),
    );
    figure(&finding, &evidence, &picture(stretches, &finding), &table)
}

/// What its life was like. What came before what is read is not spoken of.
fn finding(stretches: &[Stretch<'_>], is_whole: bool) -> String {
    let share = |it: &Stretch<'_>| it.reach.and_then(|it| it.share);
    let is_for_all = |it: &&Stretch<'_>| share(it).is_some_and(|it| it > 1.0 - 1e-9);
    let is_for_some =
        |it: &&Stretch<'_>| it.reach.is_none_or(|it| it.some || it.share.is_none_or(|it| it > 0.0));
    let made = stretches.first().map_or(Time(0), |it| it.since);
    let after = |it: &Stretch<'_>| match it.since.0.saturating_sub(made.0) {
        0 => "from the beginning".to_owned(),
        seconds => format!("{} after it was made", humanize(seconds as f64)),
    };
    let last = stretches.last();
    let is_off = last.is_some_and(|it| !is_for_some(&it));
    let whole: i64 = stretches.iter().map(Stretch::seconds).sum();
    match (stretches.iter().find(is_for_all), stretches.iter().find(is_for_some)) {
        _ if !is_whole => "Its life is longer than what is shown here".to_owned(),
        (Some(_), _) if is_off => "It was on for everyone, and is off now".to_owned(),
        (Some(all), _) if last.is_some_and(|it| is_for_all(&it)) => {
            format!("On for everyone, {}", after(all))
        }
        (Some(_), _) => "It was on for everyone, and is on for fewer now".to_owned(),
        (None, Some(_)) if is_off => "It was on for some, and is off now".to_owned(),
        (None, Some(some)) => format!("On for some, {}; not for everyone yet", after(some)),
        (None, None) => format!("It has been on for nobody in {}", humanize(whole as f64)),
    }
}

/// A column for each stretch, as high as the share of those who saw it on. Its width follows the
/// page's, and its words do not.
fn picture(stretches: &[Stretch<'_>], name: &str) -> Markup {
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return html! {} };
    let whole = (last.until.0.saturating_sub(first.since.0)).max(1) as f64;
    let at = |time: Time| 100.0 * time.0.saturating_sub(first.since.0) as f64 / whole;
    html! {
        div.life {
            p.above { "for everyone" }
            svg width="100%" height=(HEIGHT) role="img" aria-label=(name) {
                rect.ground x="0" y="0" width="100%" height=(HEIGHT) {}
                @for it in stretches {
                    @let (x, width) = (at(it.since), (at(it.until) - at(it.since)).max(0.25));
                    @let (x, width) = (format!("{x:.3}%"), format!("{width:.3}%"));
                    @let share = it.reach.and_then(|it| it.share);
                    @let height = HEIGHT * share.unwrap_or(0.0).clamp(0.0, 1.0);
                    @let has_some = it.reach.is_some_and(|it| it.some);
                    @let told = format!("{}: {}", moment(Some(it.since)), clean(&it.answer, ANSWER));
                    @if share.is_none() {
                        rect.unclear x=(x) y="0" width=(width) height=(HEIGHT) { title { (told) } }
                    } @else {
                        rect.level x=(x) y=(format!("{:.1}", HEIGHT - height)) width=(width)
                            height=(format!("{height:.1}")) { title { (told) } }
                    }
                    @if has_some && share.is_some() {
                        rect.some x=(x) y=(format!("{:.1}", (HEIGHT - height - SOME).max(0.0)))
                            width=(width) height=(SOME) { title { (told) } }
                    }
                }
            }
            p.below { span { (moment(Some(first.since))) " UTC" } span { "now" } }
            ul.parts {
                li { svg viewBox="0 0 10 10" aria-hidden="true" { rect.level width="10" height="10" rx="2" {} } "the share of everyone" }
                @if stretches.iter().any(|it| it.reach.is_some_and(|it| it.some)) {
                    li { svg viewBox="0 0 10 10" aria-hidden="true" { rect.some width="10" height="10" rx="2" {} } "and some more by rules" }
                }
                @if stretches.iter().any(|it| it.reach.and_then(|it| it.share).is_none()) {
                    li { svg viewBox="0 0 10 10" aria-hidden="true" { rect.unclear width="10" height="10" rx="2" {} } "rules decide" }
                }
            }
        }
    }
}
