//! What a repository says of flags, as text of at most 80 columns.

use super::{FlagFound, Found, Moment};
use crate::pages::words::{clean, count, counted, day};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The widest line.
const WIDTH: usize = 80;
/// Places of one flag that are shown.
const PLACES_MAX: usize = 10;
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// What was found, mentioned flags first.
pub(super) fn render(found: &Found, with_history: bool) -> String {
    let mut text = String::new();
    let mentioned = found.flags.iter().filter(|it| it.mentions > 0).count();
    let revision: String = found.revision.chars().take(12).collect();
    let branch = found.branch.as_deref().unwrap_or("detached head");
    line(&mut text, &format!("{}, {branch} at {revision}", found.repository));
    let flags = counted(found.flags.len(), "flag", "flags");
    line(&mut text, &format!("{flags} looked for, {} mentioned", count(mentioned)));
    let (here, gone): (Vec<&FlagFound>, Vec<&FlagFound>) =
        found.flags.iter().partition(|it| it.mentions > 0);
    for flag in here.into_iter().chain(gone) {
        text.push('\n');
        one(&mut text, flag, with_history);
    }
    if found.unread_commits > 0 {
        let n = counted(found.unread_commits, "commit", "commits");
        text.push('\n');
        line(&mut text, &format!("{n} could not be read whole: what they changed is not known"));
    }
    text
}

fn one(text: &mut String, flag: &FlagFound, with_history: bool) {
    let files = flag.places.iter().map(|it| &it.path).collect::<BTreeSet<_>>().len();
    let mentions = match flag.mentions {
        0 => "no mention".to_owned(),
        n if n > flag.places.len() => counted(n, "mention", "mentions"),
        n => {
            let files = counted(files, "file", "files");
            format!("{} in {files}", counted(n, "mention", "mentions"))
        }
    };
    let room = WIDTH.saturating_sub(mentions.chars().count() + 2);
    let _ = writeln!(text, "{BOLD}{}{RESET}  {mentions}", cut(&flag.key, room));
    match (&flag.introduced, &flag.removed) {
        (None, _) if with_history => indented(text, "never mentioned"),
        (introduced, removed) => {
            moment(text, "introduced", introduced.as_ref());
            moment(text, "removed", removed.as_ref());
        }
    }
    let shown = flag.places.iter().take(PLACES_MAX);
    for place in shown.clone() {
        let at = format!("{}:{}", place.path, place.line);
        let length = at.chars().count();
        // The end of a path says more than its beginning.
        let at = match length.checked_sub(WIDTH - 2) {
            Some(over @ 1..) => format!("…{}", at.chars().skip(over + 1).collect::<String>()),
            _ => at,
        };
        let room = (WIDTH - 4).saturating_sub(length);
        let excerpt = match room {
            ..20 => String::new(),
            _ => format!("  {DIM}{}{RESET}", cut(&place.text, room)),
        };
        let _ = writeln!(text, "  {at}{excerpt}");
    }
    let more = flag.mentions.saturating_sub(shown.len());
    if more > 0 {
        indented(text, &format!("and {} more; --format json has them", count(more)));
    }
}

fn moment(text: &mut String, word: &str, moment: Option<&Moment>) {
    let Some(moment) = moment else { return };
    let commit: String = moment.commit.chars().take(12).collect();
    let earlier = if moment.or_earlier { " or earlier" } else { "" };
    indented(text, &format!("{word} {}{earlier} by {commit} {}", day(moment.at), moment.subject));
}

fn cut(text: &str, most: usize) -> String {
    clean(text, most)
}

fn line(text: &mut String, words: &str) {
    let _ = writeln!(text, "{}", cut(words, WIDTH));
}

fn indented(text: &mut String, words: &str) {
    let _ = writeln!(text, "  {}", cut(words, WIDTH - 2));
}
