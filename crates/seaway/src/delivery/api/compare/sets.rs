//! The sets of a comparison: their changes, read and made into curves.

use super::super::reports::{Asked, read_summaries};
use super::PARTS_MAX;
use crate::app::App;
use crate::delivery::projector::{Parts, merge, merge_with_slices};
use crate::pages::words;
use crate::problem::Problem;
use seaway_core::delivery::rollup::{Compared, Part, Size, Sizes};
use seaway_core::delivery::summary::{Day, DaySummary, Share};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Scopes that are asked at once whether anything is in them.
const PORTION: usize = 500;

/// A set to compare.
pub(super) struct Candidate {
    pub(super) name: String,
    /// The sums that it is in.
    pub(super) sums: Parts,
    /// What of them it is.
    pub(super) share: Share,
}

impl Candidate {
    pub(super) fn of(name: String, sums: Parts) -> Self {
        Self { name, sums, share: Share::Whole }
    }
}

/// A set that is compared: its name, its size where that makes it, and its changes.
pub(super) type Set = (String, Option<Size>, Part);

/// The sets of a comparison.
pub(super) struct Sets {
    pub(super) parts: Vec<Set>,
    pub(super) left_out: usize,
    pub(super) unknown_lines: Option<usize>,
}

/// The days that are compared.
pub(super) struct Span<'a> {
    pub(super) app: &'a App,
    pub(super) asked: &'a Asked,
    pub(super) as_of: i64,
}

impl Span<'_> {
    /// Sets of changes; where the URL names none (`is_any`), those that have any changes.
    pub(super) async fn sets(
        &self,
        candidates: Vec<Candidate>,
        is_any: bool,
    ) -> Result<Sets, Problem> {
        let candidates = match is_any {
            true => busy(self.app, self.asked, candidates).await?,
            false => candidates,
        };
        let mut candidates = candidates.into_iter();
        let mut parts: Vec<Set> = Vec::new();
        while parts.len() < PARTS_MAX {
            let Some(Candidate { name, sums, share }) = candidates.next() else { break };
            let part = match share {
                Share::Whole => self.read(&sums, merge, Part::of).await?,
                share => {
                    let of_share = move |compared: &Compared<'_>, all: ByDay| {
                        let days = all.into_iter().map(|(day, it)| (day, it.share(&share)));
                        Part::of(compared, days.collect())
                    };
                    self.read(&sums, merge_with_slices, of_share).await?
                }
            };
            let is_empty = part.time_to_value.n == 0 && part.time_to_value.waiting == 0;
            if !is_empty || !is_any {
                parts.push((name, None, part));
            }
        }
        Ok(Sets { parts, left_out: candidates.len(), unknown_lines: None })
    }

    /// Quarters by size.
    pub(super) async fn sizes(&self, sums: &Parts) -> Result<Sets, Problem> {
        let sizes = |compared: &Compared<'_>, all: ByDay| Sizes::of(compared, &all);
        let Sizes { parts, unknown } = self.read(sums, merge_with_slices, sizes).await?;
        let named = parts.into_iter().map(|(size, part)| (name_of_size(&size), Some(size), part));
        Ok(Sets { parts: named.collect(), left_out: 0, unknown_lines: Some(unknown) })
    }

    /// Reads some sums, and makes something of what they come to.
    async fn read<T: Send + 'static>(
        &self,
        sums: &Parts,
        merge: fn(&[Kept], &[Kept]) -> Option<ByDay>,
        make: impl FnOnce(&Compared<'_>, ByDay) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let rows = read_summaries(self.app, self.asked, sums).await?;
        let (since, until, as_of) = (self.asked.since, self.asked.until, self.as_of);
        let days = Arc::clone(&self.app.days);
        let work = move || {
            let compared = Compared { since, until, as_of, days: &days };
            Some(make(&compared, merge(&rows[0], &rows[1])?))
        };
        tokio::task::spawn_blocking(work).await.ok().flatten().ok_or_else(|| {
            tracing::error!(?sums, "a summary of the views cannot be read");
            Problem::failed("a summary of the views cannot be read").hint("run seaway rebuild")
        })
    }
}

/// Summaries as they are kept, by the number of the day.
type Kept = (i64, Vec<u8>);
type ByDay = BTreeMap<Day, DaySummary>;

/// The changes of a size in words.
fn name_of_size(size: &Size) -> String {
    match (size.lines_min, size.lines_max) {
        (0, None) => "of any size".to_owned(),
        (0, Some(max)) => format!("up to {}", words::lines(max)),
        (min, None) => format!("{} or more", words::lines(min)),
        (min, Some(max)) => format!("{min} to {}", words::lines(max)),
    }
}

/// Those of some sets of which anything is in the days that are asked for.
async fn busy(
    app: &App,
    asked: &Asked,
    candidates: Vec<Candidate>,
) -> Result<Vec<Candidate>, Problem> {
    let scopes: Vec<String> =
        candidates.iter().flat_map(|it| it.sums.added.iter().cloned()).collect();
    let (since, until) = asked.days();
    let mut busy: BTreeSet<String> = BTreeSet::new();
    for some in scopes.chunks(PORTION) {
        busy.extend(app.store.busy(some, since, until).await?);
    }
    let is_busy = |it: &Candidate| it.sums.added.iter().any(|scope| busy.contains(scope));
    Ok(candidates.into_iter().filter(is_busy).collect())
}
