//! The second half of the work: from knowledge to views, one service after the other.

use super::knowledge::{self, Known};
use super::past::Past;
use super::registry::Plan;
use super::rows::{Diff, Kept};
use crate::parallel;
use seaway_core::delivery::derive::sealed::{self, Sealing};
use seaway_core::delivery::derive::{ServiceSpec, derive};
use seaway_core::delivery::facts::Entity;
use seaway_core::delivery::view::{ChangeRow, DeploymentRow, FindingRow, IncidentRow, ServiceView};
use seaway_core::paths::Globs;
use std::collections::HashMap;

/// A service that is to be computed, with all that is known of it.
pub(super) struct Task<'a> {
    pub(super) service: String,
    /// `None` where there is no such service any more.
    pub(super) plan: Option<Plan>,
    /// What is known of each scope of the plan.
    pub(super) known: Vec<&'a Known>,
    /// Its past, if that is sealed and left out of what is known.
    pub(super) past: Option<&'a Past>,
    /// With how many changes its past is to be sealed; `None`: not at all.
    pub(super) seal_from: Option<usize>,
}

/// What was computed of a service.
pub(super) struct Derived {
    /// Its rows, or the rest of them if its past is sealed.
    pub(super) view: ServiceView,
    pub(super) sealing: Option<Sealing>,
    /// Whether it was tried to seal it.
    pub(super) was_tried: bool,
}

impl Task<'_> {
    /// Computes its view; `None` if something touches the past that is left out.
    pub(super) fn derive(&self, incident_window_seconds: i64) -> Option<Derived> {
        let Some(plan) = &self.plan else {
            let view = ServiceView::default();
            return Some(Derived { view, sealing: None, was_tried: false });
        };
        let entities: Vec<&Entity> = self.known.iter().flat_map(|known| known.values()).collect();
        let globs = (!plan.paths.is_empty()).then(|| Globs::new(&plan.paths));
        let touches = globs.map(|globs| move |path: &str| globs.matches(path.as_bytes()));
        let spec = ServiceSpec {
            name: &self.service,
            repository: plan.repository.as_deref(),
            touches: touches.as_ref().map(|touches| touches as &(dyn Fn(&str) -> bool + Sync)),
            production: &plan.environments,
            incident_window_seconds,
        };
        let before = self.past.map(|past| &past.sealed);
        let view = match before {
            Some(sealed) => sealed::settle(&spec, sealed, &entities)?,
            None => derive(&spec, &entities),
        };
        let changes = view.changes.len();
        let from = self.seal_from.filter(|&from| changes >= from);
        let sealing =
            from.and_then(|from| sealed::seal(&spec, before, &entities, (from / 2).min(SPARED)));
        Some(Derived { view, sealing, was_tried: from.is_some() })
    }
}

/// Changes that are not sealed: those that events are likely to come for.
const SPARED: usize = 12;

/// Computes the views of services on all cores.
pub(super) fn derive_all(
    tasks: &[Task<'_>],
    incident_window_seconds: i64,
    threads: usize,
) -> Vec<Option<Derived>> {
    parallel::map(tasks, threads, |task| task.derive(incident_window_seconds))
}

/// A row as it is stored: its key and its JSON.
pub(super) type StoredRow = (Vec<String>, String);

/// The rows of a service as they are stored.
pub(super) struct Stored {
    pub(super) changes: Vec<StoredRow>,
    pub(super) deployments: Vec<StoredRow>,
    pub(super) incidents: Vec<StoredRow>,
    pub(super) findings: Vec<StoredRow>,
}

/// What there was of a service before: the view itself where it is still at hand, its rows where
/// not.
pub(super) enum Before<'a> {
    View(&'a ServiceView),
    Rows(Stored),
}

/// The rows of a service that differ from those before.
pub(super) struct Diffs<'a> {
    pub(super) changes: Diff<'a, ChangeRow>,
    pub(super) deployments: Diff<'a, DeploymentRow>,
    pub(super) incidents: Diff<'a, IncidentRow>,
    pub(super) findings: Diff<'a, FindingRow>,
}

/// Compares a view with what there was before.
pub(super) fn diff<'a>(
    new: &'a ServiceView,
    before: &Before<'_>,
) -> Result<Diffs<'a>, serde_json::Error> {
    Ok(match before {
        Before::View(old) => Diffs {
            changes: diff_views(&new.changes, &old.changes)?,
            deployments: diff_views(&new.deployments, &old.deployments)?,
            incidents: diff_views(&new.incidents, &old.incidents)?,
            findings: diff_views(&new.findings, &old.findings)?,
        },
        Before::Rows(old) => Diffs {
            changes: diff_rows(&new.changes, &old.changes)?,
            deployments: diff_rows(&new.deployments, &old.deployments)?,
            incidents: diff_rows(&new.incidents, &old.incidents)?,
            findings: diff_rows(&new.findings, &old.findings)?,
        },
    })
}

fn diff_views<'a, T: Kept + PartialEq>(
    new: &'a [T],
    old: &[T],
) -> Result<Diff<'a, T>, serde_json::Error> {
    // Most of a view stays where it is: only what differs is looked up by key.
    let same = new.iter().zip(old).map(|(new, old)| new == old);
    let differs: Vec<bool> = same.map(|same| !same).collect();
    let is_different = |at: usize| differs.get(at).copied().unwrap_or(true);
    let mut gone: HashMap<Vec<&str>, &T> = old
        .iter()
        .enumerate()
        .filter(|&(at, _)| is_different(at))
        .map(|(_, row)| (row.key(), row))
        .collect();
    let mut written = Vec::new();
    for (_, row) in new.iter().enumerate().filter(|&(at, _)| is_different(at)) {
        if gone.remove(&row.key()) != Some(row) {
            written.push((row, serde_json::to_string(row)?));
        }
    }
    let gone = gone.into_keys().map(|key| key.into_iter().map(str::to_owned).collect()).collect();
    Ok(Diff { written, gone })
}

fn diff_rows<'a, T: Kept>(
    new: &'a [T],
    old: &[StoredRow],
) -> Result<Diff<'a, T>, serde_json::Error> {
    let mut gone: HashMap<&Vec<String>, &String> =
        old.iter().map(|(key, body)| (key, body)).collect();
    let mut written = Vec::new();
    for row in new {
        let key: Vec<String> = row.key().into_iter().map(str::to_owned).collect();
        let body = serde_json::to_string(row)?;
        if gone.remove(&key) != Some(&body) {
            written.push((row, body));
        }
    }
    Ok(Diff { written, gone: gone.into_keys().cloned().collect() })
}

/// Merges the chunks of a scope.
pub(super) fn merge_chunks(chunks: &[Vec<u8>]) -> Result<Known, serde_json::Error> {
    let mut known = Known::new();
    for chunk in chunks {
        knowledge::take_in(&mut known, knowledge::decode(chunk)?);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[(&str, &str)]) -> Vec<FindingRow> {
        let row = |&(kind, subject): &(&str, &str)| FindingRow {
            kind: kind.to_owned(),
            subject: subject.to_owned(),
        };
        names.iter().map(row).collect()
    }

    fn told(diff: &Diff<'_, FindingRow>) -> (Vec<String>, Vec<String>) {
        let mut gone: Vec<String> = diff.gone.iter().map(|key| key.join(" ")).collect();
        gone.sort();
        (diff.written.iter().map(|(row, _)| row.subject.clone()).collect(), gone)
    }

    #[test]
    fn both_ways_to_compare_find_the_same() {
        let old = rows(&[("a", "1"), ("a", "2"), ("b", "3")]);
        for new in [
            rows(&[]),
            rows(&[("a", "1"), ("a", "2"), ("b", "3")]),
            rows(&[("a", "0"), ("a", "1"), ("a", "2"), ("b", "3")]),
            rows(&[("a", "2"), ("b", "3"), ("b", "4")]),
        ] {
            let stored: Vec<StoredRow> = old
                .iter()
                .map(|row| {
                    let key = row.key().into_iter().map(str::to_owned).collect();
                    (key, serde_json::to_string(row).unwrap())
                })
                .collect();
            let by_view = diff_views(&new, &old).unwrap();
            let by_rows = diff_rows(&new, &stored).unwrap();
            assert_eq!(told(&by_view), told(&by_rows));
            let is_new = |row: &&FindingRow| !old.contains(row);
            assert_eq!(told(&by_view).0.len(), new.iter().filter(is_new).count());
        }
    }
}
