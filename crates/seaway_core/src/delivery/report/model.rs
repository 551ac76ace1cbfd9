//! What `measure` tells its user: the model behind the text, the page and the JSON.
//!
//! Spans are whole seconds unless a field says otherwise; `None` means *not known* or *not
//! reached*, never zero. Intervals are at 95 %.

use crate::time::Time;
use serde::Serialize;

/// Everything that one measure of one repository found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of this model; raised when a field changes its meaning or goes away.
    pub schema_version: u32,
    /// What was measured, and how that was chosen.
    pub source: Source,
    /// Counts of the deployments that were taken.
    pub deployments: DeploymentCounts,
    /// Counts of non-merge commits.
    pub commits: CommitCounts,
    /// Time to value of changes.
    pub time_to_value: TimeToValue,
    /// The same over time.
    pub trend: Trend,
    /// Where the time goes: authored to merged, merged to deployed.
    pub stages: Vec<Stage>,
    /// Time to value by size; `None` when sizes were not asked for.
    pub size: Option<SizeReport>,
    /// Deployments and changes in their course.
    pub flow: Flow,
    /// Reverts, rollbacks, redeployments.
    pub rework: Rework,
    /// DORA's five measures as far as git alone can tell.
    pub dora: Vec<DoraMeasure>,
    /// Kinds of changes side by side.
    pub dimensions: Vec<Dimension>,
    /// What could not be understood or linked, and what was mended on the way.
    pub data_quality: Vec<Finding>,
}

/// What was measured, and how that was chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// The repository as the user named it, shown without credentials.
    pub repository: String,
    /// The default branch; `None` when HEAD is detached.
    pub branch: Option<String>,
    /// The commit that the default branch pointed to.
    pub head: Option<String>,
    /// Which deployments were taken, as specifications of `--deploys`.
    pub deploys: Vec<String>,
    /// Why these were taken.
    pub reason: String,
    /// How to choose others.
    pub advice: String,
    /// The path globs that changes had to touch; empty: all changes.
    pub paths: Vec<String>,
    /// The moment for which "waiting" is told.
    pub as_of: Option<Time>,
    /// The start of the span that was asked for.
    pub since: Option<Time>,
    /// The end of the span that was asked for, exclusive.
    pub until: Option<Time>,
    /// The time zone of weeks, months and days.
    pub time_zone: String,
}

/// Counts of deployments within the span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentCounts {
    /// Successful deployments.
    pub count: usize,
    /// The first and the last time a deployment finished.
    pub first: Option<Time>,
    /// The last time a deployment finished.
    pub last: Option<Time>,
}

/// Counts of non-merge commits, over the whole history whatever the span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitCounts {
    /// Contained in the first deployment or at the edge of a truncated history: not measured.
    pub baseline: usize,
    /// First contained in a later deployment.
    pub delivered: usize,
    /// On the default branch and in no deployment.
    pub waiting: usize,
}

/// A quantile in seconds with its interval. `None`: the data does not reach it (yet).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Estimate {
    /// The point estimate.
    pub seconds: Option<f64>,
    /// The lower bound; may be known where the estimate is not reached.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
}

/// A share (0 to 1) with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The span that the share is within, in seconds.
    pub within_seconds: i64,
    /// What the span is called: `an hour`, `a day`, `a week`, `a month`.
    pub label: &'static str,
    /// The share of changes delivered within the span; `None` when there are none.
    pub share: Option<f64>,
    /// The lower bound.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
}

/// The distribution of time to value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeToValue {
    /// Delivered changes.
    pub n: usize,
    /// Waiting changes, which are in the estimate as right-censored.
    pub waiting: usize,
    /// The median.
    pub p50: Estimate,
    /// The 85th percentile.
    pub p85: Estimate,
    /// The 95th percentile.
    pub p95: Estimate,
    /// Shares delivered within an hour, a day, a week, a month.
    pub within: Vec<Share>,
    /// The survival curve: the share not yet delivered, by age; at most some 400 steps.
    pub curve: Vec<CurvePoint>,
}

/// One step of a survival curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Age since the first commit was authored, in seconds.
    pub seconds: i64,
    /// Share of changes that are not delivered at this age.
    pub waiting_share: f64,
    /// The lower bound.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
    /// Changes under observation just before this age.
    pub at_risk: usize,
    /// Changes that left observation undelivered since the step before (censor marks).
    pub censored: usize,
}

/// A length of period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// An ISO week.
    Week,
    /// A calendar month.
    Month,
    /// A calendar quarter.
    Quarter,
    /// A calendar year.
    Year,
}

/// Time to value over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// The length of each point.
    pub period: Period,
    /// The points, oldest first. Empty periods are there, with n = 0.
    pub points: Vec<TrendPoint>,
    /// One sentence: the last full period against the one before, and whether that is noise.
    pub finding: String,
}

/// One period of a trend: what was delivered in it, and what was waiting at its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendPoint {
    /// `2026`, `2026-Q4`, `2026-11` or `2026-W48`.
    pub label: String,
    /// Its first moment.
    pub start: Time,
    /// Its end, exclusive; the last one ends with the data.
    pub end: Time,
    /// Whether the data covers the whole period.
    pub complete: bool,
    /// Changes delivered in it.
    pub n: usize,
    /// Changes waiting at its end.
    pub waiting: usize,
    /// The median.
    pub p50: Estimate,
    /// The 85th percentile.
    pub p85: Estimate,
    /// The 95th percentile.
    pub p95: Estimate,
}

/// The time between two milestones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// The milestone it starts at: `authored`.
    pub from: &'static str,
    /// The milestone it ends at: `merged`.
    pub to: &'static str,
    /// Delivered changes that went through it.
    pub n: usize,
    /// Changes that are in it at the end of the span.
    pub waiting: usize,
    /// The median by Kaplan–Meier.
    pub p50: Estimate,
    /// The 85th percentile.
    pub p85: Estimate,
    /// Its share (0 to 1) of the whole time of all delivered changes.
    pub share: Option<f64>,
}

/// Time to value by the number of lines changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizeReport {
    /// Measured changes with a known size.
    pub n: usize,
    /// Measured changes whose size could not be read.
    pub unknown: usize,
    /// Four groups, smallest first; fewer where many changes are of one size.
    pub quartiles: Vec<SizeQuartile>,
    /// Rank correlation of size and time to value over delivered changes; `None` below 4 changes
    /// or where all are equal.
    pub correlation: Option<Correlation>,
    /// One sentence: does this history bear out that small changes are faster?
    pub finding: String,
    /// Delivered changes for a picture of size against time: at most some 2,000, evenly taken.
    pub points: Vec<SizePoint>,
}

/// One quarter of the changes by size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizeQuartile {
    /// The fewest lines changed in it.
    pub lines_min: u64,
    /// The most lines changed in it.
    pub lines_max: u64,
    /// Delivered changes.
    pub n: usize,
    /// Waiting changes.
    pub waiting: usize,
    /// The median time to value.
    pub p50: Estimate,
    /// The 85th percentile.
    pub p85: Estimate,
}

/// Spearman's rank correlation with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Correlation {
    /// The pairs it rests on.
    pub n: usize,
    /// −1 to 1.
    pub rho: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// A delivered change in the picture of size against time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SizePoint {
    /// Lines added and deleted.
    pub lines: u64,
    /// Time to value in seconds.
    pub seconds: i64,
}

/// Deployments and changes in their course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flow {
    /// Deployments a week, without the first one of all, which opens the time; `None` where `weeks`
    /// are less than a day and where only that one is known.
    pub deployments_per_week: Option<f64>,
    /// The weeks that it rests on: from the start of the span, or of the day of the first
    /// deployment if that is later, to the end. 0 where nothing was ever deployed.
    pub weeks: f64,
    /// Changes that a delivering deployment brought: the median.
    pub changes_per_deployment_p50: Option<f64>,
    /// Changes that a delivering deployment brought: the mean.
    pub changes_per_deployment_mean: Option<f64>,
    /// Deployments that delivered at least one change.
    pub delivering_deployments: usize,
    /// Changes waiting at the end of the span.
    pub waiting: usize,
    /// The median age of the waiting changes, in seconds.
    pub waiting_age_p50: Option<f64>,
    /// The oldest waiting changes, oldest first, at most five.
    pub oldest: Vec<WaitingChange>,
    /// Waiting changes by age: `under a day`, `under a week`, `under a month`, `older`.
    pub waiting_by_age: Vec<AgeBand>,
    /// Successful deployments by day (`2026-11-23`), only days that have any.
    pub calendar: Vec<CalendarDay>,
}

/// How many waiting changes are of an age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgeBand {
    /// What the band is called.
    pub label: &'static str,
    /// Changes in it.
    pub changes: usize,
}

/// A change that is not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingChange {
    /// The commit on the mainline.
    pub change: String,
    /// The first line of its message; any text from the history, not yet escaped for a page.
    pub subject: String,
    /// The clock's start.
    pub authored_at: Option<Time>,
    /// Age at the end of the span, in seconds.
    pub seconds: i64,
}

/// A day on which something was deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CalendarDay {
    /// `2026-11-23`, in the time zone of the report.
    pub day: String,
    /// Successful deployments that finished on it.
    pub deployments: usize,
    /// Of these, rollbacks.
    pub rollbacks: usize,
}

/// Reverts, rollbacks, redeployments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rework {
    /// Changes that revert others.
    pub reverts: usize,
    /// Changes that were reverted and do not revert others themselves.
    pub reverted: usize,
    /// Share (0 to 1) of all measured changes that is rework.
    pub share: Option<f64>,
    /// Deployments that went back to an ancestor.
    pub rollbacks: usize,
    /// Deployments that a rollback took back.
    pub failed_deployments: usize,
    /// Deployments of the revision that was already there.
    pub redeployments: usize,
    /// Deployments that are on record as not successful; known from `file:` only.
    pub unsuccessful_deployments: usize,
    /// The latest reverts and rollbacks, newest first, at most five.
    pub latest: Vec<ReworkItem>,
}

/// One piece of rework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReworkItem {
    /// `revert` or `rollback`.
    pub kind: &'static str,
    /// When it was merged or finished.
    pub at: Option<Time>,
    /// The change or the deployment.
    pub name: String,
    /// The subject of the change, or what the rollback took back.
    pub subject: String,
}

/// One of DORA's five measures of 2025.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoraMeasure {
    /// DORA's own name: `change lead time`.
    pub name: &'static str,
    /// `seconds`, `per week` or `share`; `None` when not known.
    pub unit: Option<&'static str>,
    /// What it rests on; `None` when not known.
    pub n: Option<usize>,
    /// The value; `None` when git cannot tell.
    pub value: Option<f64>,
    /// The lower bound.
    pub low: Option<f64>,
    /// The upper bound.
    pub high: Option<f64>,
    /// How it was computed, or what would be needed to know it.
    pub note: String,
}

/// Changes of two or more kinds, side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dimension {
    /// `author` (bots and people) or `assistance` (AI-assisted and not).
    pub name: &'static str,
    /// Its groups.
    pub groups: Vec<DimensionGroup>,
    /// One sentence: do they really differ (log-rank)?
    pub finding: String,
}

/// The changes of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DimensionGroup {
    /// `bots`, `people`, `AI-assisted`, `not assisted`.
    pub label: &'static str,
    /// Delivered changes.
    pub n: usize,
    /// Waiting changes.
    pub waiting: usize,
    /// The median time to value.
    pub p50: Estimate,
    /// The 85th percentile.
    pub p85: Estimate,
}

/// Something that the reader should know of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable name for programs: `shallow`, `negative_stage`, `tag_without_commit` …
    pub kind: &'static str,
    /// How many rows it concerns.
    pub count: usize,
    /// A sentence for people: what it is and what was done about it.
    pub message: String,
    /// Some of the rows, at most five: names or hashes, not yet escaped.
    pub examples: Vec<String>,
}
