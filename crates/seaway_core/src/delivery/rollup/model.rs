//! What a roll-up tells: the model behind its pages and its JSON.
//!
//! Spans are whole seconds unless a field says otherwise; `None` means *not known* or *not
//! reached*, never zero. Intervals are at 95 %. Durations are within 1 % of what they were.

use crate::delivery::report::{AgeBand, CalendarDay, DoraMeasure, Estimate, TimeToValue, Trend};
use crate::time::Time;
use serde::Serialize;

/// Everything that the day summaries of a scope and a span tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of this model; raised when a field changes its meaning or goes away.
    pub schema_version: u32,
    /// Whose report it is.
    pub scope: Scope,
    /// The days that it is about.
    pub span: Span,
    /// Time to value of changes.
    pub time_to_value: TimeToValue,
    /// The same over time.
    pub trend: Trend,
    /// Where the time of the delivered changes went, in the order of the milestones.
    pub stages: Vec<Stage>,
    /// Deployments and changes in their course.
    pub flow: Flow,
    /// Reverts, rollbacks, redeployments, unplanned deployments.
    pub rework: Rework,
    /// DORA's five measures.
    pub dora: Vec<DoraMeasure>,
}

/// Whose report it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// The kind of scope.
    pub kind: ScopeKind,
    /// The name of the service or the group; not escaped.
    pub name: String,
}

/// A kind of scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeKind {
    /// One service.
    Service,
    /// A group with all groups in it.
    Group,
    /// All services.
    Organization,
}

/// The days that a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first day, `2026-11-23`; `None`: from the beginning.
    pub since: Option<String>,
    /// The day after the last one; `None`: until now.
    pub until: Option<String>,
    /// The first moment; `None`: from the beginning.
    pub start: Option<Time>,
    /// The moment for which "waiting" is told: the end of the span or of the data.
    pub end: Time,
    /// The newest moment of the data.
    pub as_of: Time,
    /// The time zone of days, weeks and months; `None` where it has no name.
    pub time_zone: Option<String>,
}

/// A stage of the delivered changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// The milestone that ends it. It starts at the milestone before it that is known.
    pub to: &'static str,
    /// Delivered changes that went through it.
    pub n: usize,
    /// Changes that are in it at the end of the span: what waits is in the last one.
    pub waiting: usize,
    /// The median by Kaplan–Meier.
    pub p50: Estimate,
    /// The 85th percentile.
    pub p85: Estimate,
    /// Its share (0 to 1) of the whole time of all delivered changes, from exact sums.
    pub share: Option<f64>,
}

/// Deployments and changes in their course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flow {
    /// Successful deployments in production of revisions that are known.
    pub deployments: usize,
    /// The same a week, without the first one of all, which opens the time; `None` where `weeks` are
    /// less than a day and where only that one is known.
    pub deployments_per_week: Option<f64>,
    /// The weeks that it rests on: from the start of the span, or of the day of the first
    /// deployment if that is later, to the end. 0 where nothing was ever deployed.
    pub weeks: f64,
    /// Deployments that delivered at least one change.
    pub delivering_deployments: usize,
    /// Changes that a delivering deployment brought, rework included: the mean.
    pub changes_per_deployment_mean: Option<f64>,
    /// Changes that reached the mainline, rework included.
    pub merged: usize,
    /// Of the delivered changes those that are by bots alone.
    pub delivered_by_bots: usize,
    /// Of the delivered changes those that are AI-assisted.
    pub delivered_assisted: usize,
    /// Changes waiting at the end of the span.
    pub waiting: usize,
    /// The median age of these, in seconds.
    pub waiting_age_p50: Option<i64>,
    /// The same by age: `under a day`, `under a week`, `under a month`, `older`.
    pub waiting_by_age: Vec<AgeBand>,
    /// Incidents that were opened.
    pub incidents_opened: usize,
    /// Incidents that were resolved.
    pub incidents_resolved: usize,
    /// Successful deployments by day, only days that have any.
    pub calendar: Vec<CalendarDay>,
}

/// Reverts, rollbacks, redeployments, unplanned deployments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rework {
    /// Changes that revert others.
    pub reverts: usize,
    /// Changes that were reverted and do not revert others.
    pub reverted: usize,
    /// Share (0 to 1) of all changes, delivered or waiting, that is rework.
    pub share: Option<f64>,
    /// Deployments that went back to an ancestor.
    pub rollbacks: usize,
    /// Deployments of the revision that was already there.
    pub redeployments: usize,
    /// Deployments that a rollback took back or that an incident followed.
    pub failed_deployments: usize,
    /// Deployments that were made to mend an incident.
    pub unplanned_deployments: usize,
    /// Deployments that did not become live.
    pub unsuccessful_deployments: usize,
    /// Successful deployments of revisions that are not known: they delivered nothing.
    pub unlinked_deployments: usize,
}
