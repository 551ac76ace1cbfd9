//! `seaway measure`.

use super::deployments::{self, Chosen, Spec, parse_time};
use super::{export, page, text};
use crate::config::Config;
use crate::error::Error;
use crate::files;
use crate::git::cache::{self, Cache};
use crate::git::clone;
use crate::git::read::{Course, Graph};
use crate::git::sizes::Pair;
use crate::git::store::Commits;
use crate::git::{Repository, read, sizes, watch_interrupts};
use crate::pages::words;
use crate::progress::{Line, State};
use crate::repositories;
use clap::{Args, ValueEnum};
use seaway_core::delivery::history::{CommitIndex, Marks};
use seaway_core::delivery::measured::{Measured, Question, Size, Status};
use seaway_core::delivery::report::{self, Finding, Report, ReportInput, Source};
use seaway_core::delivery::work::Plausible;
use seaway_core::paths::Globs;
use seaway_core::time::{DAY, Time};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The arguments of `seaway measure`.
#[derive(Debug, Args)]
pub(crate) struct Measure {
    /// The repository: a folder (worktree or bare) or a URL (https://, file://, git://)
    #[arg(default_value = ".", value_name = "REPO")]
    repository: String,
    /// What counts as a deployment: tag:GLOB, merges or file:FILE.csv; may be given several times
    #[arg(long, value_name = "SPEC")]
    deploys: Vec<Spec>,
    /// The environment to take from file:FILE.csv where it names several
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Count changes delivered from this moment on: 2026-01-31, RFC 3339 or Unix seconds
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Count changes delivered before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The moment for which "waiting" is told [default: the newest time in the data]
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// Only changes that touch these paths; may be given several times
    #[arg(long, value_name = "GLOB")]
    path: Vec<String>,
    /// Do not read how large changes are
    #[arg(long)]
    no_sizes: bool,
    /// Neither read nor write the cache
    #[arg(long)]
    no_cache: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the report as one self-contained page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write commits.csv, deployments.csv and changes.csv into this folder
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Settings over the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs, by docs/measure.schema.json
    Json,
}

/// Everything that a face of the report may ask for.
pub(crate) struct Context<'a> {
    pub(crate) commits: &'a Commits,
    pub(crate) graph: &'a Graph,
    pub(crate) measured: &'a Measured,
    pub(crate) sizes: Option<&'a [Option<Size>]>,
}

impl Context<'_> {
    pub(crate) fn hash(&self, commit: CommitIndex) -> String {
        self.graph.hash(self.commits, commit)
    }

    pub(crate) fn subject(&self, commit: CommitIndex) -> String {
        let number = self.graph.numbers[commit as usize];
        words::clean(&String::from_utf8_lossy(self.commits.subject(number)), SUBJECT_CHARS_MAX)
    }
}

/// Characters of a subject that are shown and exported.
const SUBJECT_CHARS_MAX: usize = 200;

/// Measures a repository and tells the result.
///
/// `now` bounds which times are believed, and is used for nothing else.
pub(crate) fn run(arguments: &Measure, now: i64) -> Result<(), Error> {
    let config = Config::load(arguments.config.as_deref())?;
    let time_zone = &config.time_zone;
    let moment = |option: &str, text: &Option<String>| {
        text.as_deref().map(|text| parse_moment(option, text, time_zone)).transpose()
    };
    let (since, until) =
        (moment("--since", &arguments.since)?, moment("--until", &arguments.until)?);
    let as_of = moment("--as-of", &arguments.as_of)?;
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(Error::input("--since is not before --until", "swap them"));
    }
    let plausible = Plausible { earliest: Plausible::EARLIEST, latest: now + DAY };
    let course = Course { commits: Arc::default(), interrupted: watch_interrupts() };

    let home = cache::home();
    let repository = repositories::open(&arguments.repository, home.as_deref(), &course)?;
    let mut cache = home
        .filter(|_| !arguments.no_cache)
        .map(|home| Cache::of(&home, &repository, &config.patterns_text));
    let mut commits = match &mut cache {
        Some(cache) => cache.commits(repository.hash),
        None => Commits::new(repository.hash),
    };
    let chosen = deployments::choose(
        &repository,
        &config,
        &arguments.deploys,
        arguments.environment.as_deref(),
        &commits,
    )?;
    let branch = repository.default_branch()?;
    let tips: Vec<_> = branch.iter().map(|branch| branch.tip).chain(chosen.tips()).collect();
    let line = Line::draw({
        let read = Arc::clone(&course.commits);
        move || State {
            what: "reading commits".to_owned(),
            done: read.load(Ordering::Relaxed) as u64,
            total: None,
        }
    });
    read::read(&repository, &mut commits, &tips, &config.patterns, &course)?;
    drop(line);
    let graph = read::arrange(&commits, &tips)?;
    if let Some(cache) = &cache {
        warn(cache.keep_commits(&commits, &graph));
    }
    let head = branch.as_ref().and_then(|branch| graph.index_of(&commits, branch.tip));

    let globs = (!arguments.path.is_empty()).then(|| Globs::new(&arguments.path));
    let touches =
        globs.map(|globs| touches(&repository, &commits, &graph, &globs, &course)).transpose()?;
    let measured = Measured::of(
        &graph.history,
        Question {
            head,
            deployments: chosen.deployments(&commits, &graph, head, plausible),
            plausible,
            as_of,
            touches,
        },
    );
    let sizes = match arguments.no_sizes {
        true => None,
        false => {
            Some(measure_sizes(&repository, &commits, &graph, &measured, cache.as_mut(), &course)?)
        }
    };
    let context =
        Context { commits: &commits, graph: &graph, measured: &measured, sizes: sizes.as_deref() };
    let mut findings = repository_findings(&repository, &context, branch.is_none(), &chosen);
    if branch.as_ref().is_some_and(|branch| branch.name.is_none()) {
        findings.push(finding("detached_head", 1, DETACHED));
    }
    let report = report::build(&ReportInput {
        history: &graph.history,
        measured: &measured,
        source: Source {
            repository: words::clean(
                &clone::without_credentials(&arguments.repository),
                SUBJECT_CHARS_MAX,
            ),
            branch: branch.as_ref().and_then(|branch| branch.name.clone()),
            head: branch.as_ref().map(|branch| branch.tip.to_string()),
            deploys: chosen.specs,
            reason: chosen.reason,
            advice: chosen.advice,
            paths: arguments.path.clone(),
            as_of: measured.as_of.map(Time),
            since: since.map(Time),
            until: until.map(Time),
            time_zone: time_zone.iana_name().unwrap_or("UTC").to_owned(),
        },
        since,
        until,
        time_zone,
        sizes: sizes.as_deref(),
        unsuccessful_deployments: chosen.unsuccessful,
        hash: &|commit| context.hash(commit),
        subject: &|commit| context.subject(commit),
        findings,
    });
    if course.interrupted.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    tell(arguments, &report, &context)
}

/// Writes the files that were asked for, then prints the report.
fn tell(arguments: &Measure, report: &Report, context: &Context<'_>) -> Result<(), Error> {
    if let Some(folder) = &arguments.export {
        export::write(folder, context)?;
    }
    if let Some(path) = &arguments.html {
        let html = page::render(report);
        files::write_whole(path, &mut |out| out.write_all(html.as_bytes()))?;
    }
    let printed = match arguments.format {
        Format::Text => text::render(report),
        Format::Json => serde_json::to_string_pretty(report)
            .map(|json| json + "\n")
            .map_err(|error| Error::Failed { what: error.to_string(), hint: None })?,
    };
    match anstream::stdout().write_all(printed.as_bytes()) {
        // Whoever reads has read enough (`seaway measure | head`).
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Error::Failed { what: error.to_string(), hint: None }),
    }
}

/// Reads a moment: RFC 3339, Unix seconds, or a day, which stands for its start.
fn parse_moment(option: &str, text: &str, zone: &jiff::tz::TimeZone) -> Result<i64, Error> {
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(zone.clone()).ok()?.timestamp().as_second())
    };
    let number = || text.parse::<i64>().ok().filter(|_| text.len() > 4);
    number().or_else(day).or_else(|| parse_time(text)).ok_or_else(|| {
        Error::input(
            format!("{option} {text} is not a moment"),
            "write 2026-01-31, 2026-01-31T09:00:00Z or Unix seconds",
        )
    })
}

/// By commit, whether it touches the paths asked for.
fn touches(
    repository: &Repository,
    commits: &Commits,
    graph: &Graph,
    globs: &Globs,
    course: &Course,
) -> Result<Vec<bool>, Error> {
    let indexes: Vec<CommitIndex> = (0..graph.history.len() as CommitIndex)
        .rev()
        .filter(|&commit| !graph.history.is_merge(commit))
        .collect();
    let pairs = pairs(commits, graph, &indexes);
    let done = AtomicUsize::new(0);
    let found = sizes::touches(
        &repository.inner,
        &pairs,
        globs,
        repository.threads,
        &done,
        course.interrupted,
    )
    .map_err(crate::git::Error::from)?;
    let mut touches = vec![false; graph.history.len()];
    for (&commit, found) in indexes.iter().zip(found) {
        touches[commit as usize] = found.unwrap_or(false);
    }
    Ok(touches)
}

/// Commits with their first parents, to compare.
fn pairs(commits: &Commits, graph: &Graph, indexes: &[CommitIndex]) -> Vec<Pair> {
    indexes
        .iter()
        .map(|&commit| Pair {
            before: graph.history.parents(commit).first().map(|&parent| graph.id(commits, parent)),
            after: graph.id(commits, commit),
        })
        .collect()
}

/// The sizes of changes, against the mainline before each. Baseline changes are measured nowhere,
/// so they are not read; nor is the edge of a truncated history, which has nothing before it.
fn measure_sizes(
    repository: &Repository,
    commits: &Commits,
    graph: &Graph,
    measured: &Measured,
    mut cache: Option<&mut Cache>,
    course: &Course,
) -> Result<Vec<Option<Size>>, Error> {
    let kept = cache.as_mut().map(|cache| cache.sizes(commits)).unwrap_or_default();
    let mut all = vec![None; measured.changes.len()];
    let mut wanted = Vec::new();
    for (number, change) in measured.changes.iter().enumerate().rev() {
        let is_edge = graph.history.commit(change.commit).marks.has(Marks::EDGE);
        if change.status == Status::Baseline || is_edge {
            continue;
        }
        all[number] = kept.get(&graph.numbers[change.commit as usize]).copied();
        if all[number].is_none() {
            wanted.push(number);
        }
    }
    let indexes: Vec<CommitIndex> =
        wanted.iter().map(|&number| measured.changes[number].commit).collect();
    let done = Arc::new(AtomicUsize::new(0));
    let line = Line::draw({
        let (done, total) = (Arc::clone(&done), wanted.len() as u64);
        move || State {
            what: "reading sizes".to_owned(),
            done: done.load(Ordering::Relaxed) as u64,
            total: Some(total),
        }
    });
    let found = sizes::measure(
        &repository.inner,
        &pairs(commits, graph, &indexes),
        repository.threads,
        &done,
        course.interrupted,
    )
    .map_err(crate::git::Error::from)?;
    drop(line);
    let mut new = Vec::new();
    for (number, size) in wanted.into_iter().zip(found) {
        all[number] = size;
        let commit = graph.numbers[measured.changes[number].commit as usize];
        new.extend(size.map(|size| (commit, size)));
    }
    if let Some(cache) = cache {
        warn(cache.keep_sizes(commits, &kept, &new));
    }
    Ok(all)
}

/// A cache that cannot be written costs time the next time, and the report nothing.
fn warn(result: Result<(), Error>) {
    if let Err(error) = result {
        let _ = writeln!(anstream::stderr(), "warning: the cache was not kept: {error}");
    }
}

const DETACHED: &str = "HEAD is detached and no branch has a usual name: the commit that HEAD \
                        points to was taken for the tip of the mainline.";

fn finding(kind: &'static str, count: usize, message: &str) -> Finding {
    Finding { kind, count, message: message.to_owned(), examples: Vec::new() }
}

/// What reading the repository brought to light.
fn repository_findings(
    repository: &Repository,
    context: &Context<'_>,
    no_branch: bool,
    chosen: &Chosen,
) -> Vec<Finding> {
    let history = &context.graph.history;
    let mut findings = Vec::new();
    if history.is_empty() {
        findings.push(finding("empty", 1, "The repository has no commits that could be measured."));
    } else if no_branch {
        findings.push(finding(
            "no_default_branch",
            1,
            "There is no default branch, so no commit can be waiting and no change is known.",
        ));
    }
    let edges = history.commits().iter().filter(|commit| commit.marks.has(Marks::EDGE)).count();
    if edges > 0 {
        findings.push(finding(
            "shallow",
            edges,
            "The history is truncated (a shallow clone): commits at its edge are baseline. \
             `git fetch --unshallow` brings the rest.",
        ));
    }
    if !repository.grafts.is_empty() {
        findings.push(finding(
            "grafts",
            repository.grafts.len(),
            "Commits whose parents info/grafts names anew: read as git reads them.",
        ));
    }
    if !repository.replaced.is_empty() {
        findings.push(finding(
            "replaced",
            repository.replaced.len(),
            "Objects that refs/replace puts others in the place of: read as git reads them.",
        ));
    }
    findings.extend(chosen.findings.iter().cloned());
    findings
}
