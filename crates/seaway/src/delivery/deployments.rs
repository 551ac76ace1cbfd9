//! From what the user names with `--deploys` to deployments.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;

use crate::config::Config;
use crate::error::Error;
use crate::git::read::Graph;
use crate::git::refs::{Tag, matches};
use crate::git::store::Commits;
use crate::git::{Id, Repository};
use seaway_core::delivery::attribution::Deployment;
use seaway_core::delivery::history::CommitIndex;
use seaway_core::delivery::report::Finding;
use seaway_core::delivery::work::Plausible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One `--deploys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spec {
    /// Each tag whose name matches.
    Tag(String),
    /// Every commit of the mainline.
    Merges,
    /// Records of a CI system.
    File(PathBuf),
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("tag", glob)) if !glob.is_empty() => Ok(Self::Tag(glob.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            None if text == "merges" => Ok(Self::Merges),
            _ => Err("use tag:GLOB, merges or file:FILE.csv".to_owned()),
        }
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(glob) => write!(f, "tag:{glob}"),
            Self::Merges => write!(f, "merges"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A deployment whose revision is not in a graph yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    name: String,
    revision: Id,
    /// When it finished; `None` stands for the committer time of the revision.
    finished_at: Option<i64>,
}

/// What was chosen, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    records: Vec<Record>,
    merges: bool,
    /// The specifications, as shown.
    pub(crate) specs: Vec<String>,
    pub(crate) reason: String,
    pub(crate) advice: String,
    pub(crate) unsuccessful: usize,
    pub(crate) findings: Vec<Finding>,
}

const ADVICE: &str = "choose with --deploys tag:GLOB, --deploys merges or --deploys file:FILE.csv \
                      (deployment records of your CI system)";
/// Rows behind a finding that are shown.
const EXAMPLES: usize = 5;

/// Finds the deployments that the user named, or those that suggest themselves.
pub(crate) fn choose(
    repository: &Repository,
    config: &Config,
    specs: &[Spec],
    environment: Option<&str>,
    known: &Commits,
) -> Result<Chosen, Error> {
    let mut chosen = Chosen { advice: ADVICE.to_owned(), ..Chosen::default() };
    let all = repository.tag_names()?;
    if specs.is_empty() {
        let is_release =
            |name: &str| config.release.is_match(name) && !config.unfinished.is_match(name);
        let releases: Vec<_> =
            all.iter().filter(|(name, _)| is_release(&name.to_string())).cloned().collect();
        let tags = repository.resolve_tags(&releases, &|id| known.find(id.as_slice()).is_some())?;
        if tags.commits.is_empty() {
            chosen.merges = true;
            chosen.specs = vec![Spec::Merges.to_string()];
            chosen.reason = match all.len() {
                0 => "there are no tags, so every commit that reached the mainline counts as \
                      deployed when it was committed"
                    .to_owned(),
                n => format!(
                    "none of the {n} tags looks like a release of a commit, so every commit that \
                     reached the mainline counts as deployed when it was committed"
                ),
            };
        } else {
            chosen.specs = vec!["tag:* (those that look like releases)".to_owned()];
            chosen.reason =
                format!("{} of {} tags look like releases", tags.commits.len(), all.len());
        }
        chosen.add_tags(tags.commits, tags.others);
        return Ok(chosen);
    }
    chosen.reason = "named with --deploys".to_owned();
    chosen.specs = specs.iter().map(Spec::to_string).collect();
    let globs: Vec<&str> = specs
        .iter()
        .filter_map(|spec| if let Spec::Tag(glob) = spec { Some(glob.as_str()) } else { None })
        .collect();
    let named: Vec<_> = all
        .iter()
        .filter(|(name, _)| globs.iter().any(|glob| matches(glob, name)))
        .cloned()
        .collect();
    if !globs.is_empty() && named.is_empty() {
        chosen.finding("no_matching_tag", vec![globs.join(", ")], |_| {
            format!("No tag matches; the repository has {} tags.", all.len())
        });
    }
    let tags = repository.resolve_tags(&named, &|id| known.find(id.as_slice()).is_some())?;
    chosen.add_tags(tags.commits, tags.others);
    chosen.merges = specs.contains(&Spec::Merges);
    for spec in specs {
        if let Spec::File(path) = spec {
            chosen.add_file(repository, path, environment)?;
        }
    }
    Ok(chosen)
}

impl Chosen {
    /// The revisions that a history must hold.
    pub(crate) fn tips(&self) -> impl Iterator<Item = Id> + '_ {
        self.records.iter().map(|record| record.revision)
    }

    /// The deployments, once the history is known.
    pub(crate) fn deployments(
        &self,
        commits: &Commits,
        graph: &Graph,
        head: Option<CommitIndex>,
        plausible: Plausible,
    ) -> Vec<Deployment> {
        let mut deployments: Vec<Deployment> = self
            .records
            .iter()
            .filter_map(|record| {
                let revision = graph.index_of(commits, record.revision)?;
                let committed = graph.history.commit(revision).committed;
                Some(Deployment {
                    name: record.name.clone(),
                    revision,
                    finished_at: record.finished_at.unwrap_or(committed),
                })
            })
            .collect();
        if self.merges {
            deployments.extend(mainline(commits, graph, head, plausible));
        }
        deployments
    }

    fn add_tags(&mut self, tags: Vec<Tag>, others: Vec<String>) {
        self.records.extend(tags.into_iter().map(|tag| Record {
            name: tag.name,
            revision: tag.commit,
            finished_at: tag.tagged_at,
        }));
        self.finding("tag_without_commit", others, |_| {
            "Tags that lead to no commit (but to a tree or a blob): left out.".to_owned()
        });
    }

    fn finding(
        &mut self,
        kind: &'static str,
        rows: Vec<String>,
        message: impl Fn(usize) -> String,
    ) {
        if !rows.is_empty() {
            self.findings.push(Finding {
                kind,
                count: rows.len(),
                message: message(rows.len()),
                examples: rows.into_iter().take(EXAMPLES).collect(),
            });
        }
    }

    fn add_file(
        &mut self,
        repository: &Repository,
        path: &Path,
        environment: Option<&str>,
    ) -> Result<(), Error> {
        let name = path.display();
        let rows = Rows::read(path)?;
        let environment = rows.environment(environment, &name.to_string())?;
        let (mut bad_times, mut unknown) = (Vec::new(), Vec::new());
        for row in &rows.rows {
            if environment.is_some() && row.environment.as_deref() != environment.as_deref() {
                continue;
            }
            if !row.is_success() {
                self.unsuccessful += 1;
                continue;
            }
            let Some(finished_at) = parse_time(&row.finished_at) else {
                bad_times.push(format!("line {}: {}", row.line, row.finished_at));
                continue;
            };
            let Some(revision) = repository.resolve_revision(row.revision.trim()) else {
                unknown.push(format!("line {}: {}", row.line, row.revision));
                continue;
            };
            let name = row.name.clone().filter(|name| !name.is_empty());
            self.records.push(Record {
                name: name.unwrap_or_else(|| format!("{:.12}@{}", row.revision, row.finished_at)),
                revision,
                finished_at: Some(finished_at),
            });
        }
        self.finding("deployment_without_time", bad_times, |_| {
            format!(
                "Rows of {name} whose finished_at is neither RFC 3339 nor Unix seconds: left out."
            )
        });
        self.finding("deployment_of_unknown_revision", unknown, |_| {
            format!("Rows of {name} whose revision is not in this repository: left out.")
        });
        self.finding("broken_row", rows.broken, |_| {
            format!("Rows of {name} that are not CSV in UTF-8 with all columns: left out.")
        });
        Ok(())
    }
}

/// Every commit of the mainline, deployed when it was committed; names count along the mainline.
/// Where a clock went back, the time is moved up to that of the commit before, so that each one
/// replaces its parent.
fn mainline<'a>(
    commits: &'a Commits,
    graph: &'a Graph,
    head: Option<CommitIndex>,
    plausible: Plausible,
) -> impl Iterator<Item = Deployment> + 'a {
    let mut chain = Vec::new();
    let mut next = head;
    while let Some(commit) = next {
        chain.push(commit);
        next = graph.history.parents(commit).first().copied();
    }
    let mut latest = i64::MIN;
    chain.into_iter().rev().enumerate().map(move |(position, commit)| {
        let committed = plausible.check(graph.history.commit(commit).committed);
        latest = committed.map_or(latest, |time| time.max(latest));
        let hash = graph.hash(commits, commit);
        Deployment {
            name: format!("{position:07}-{hash:.12}"),
            revision: commit,
            finished_at: latest,
        }
    })
}

/// The rows of a file of deployment records.
#[derive(Debug, PartialEq, Eq)]
struct Rows {
    rows: Vec<Row>,
    broken: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: u64,
    revision: String,
    finished_at: String,
    name: Option<String>,
    environment: Option<String>,
    outcome: Option<String>,
}

/// Environments that customers use, by their usual names.
const PRODUCTION: [&str; 4] = ["production", "prod", "live", "prd"];
/// Words for a deployment that worked.
const SUCCESS: [&str; 8] =
    ["", "success", "successful", "succeeded", "ok", "passed", "completed", "finished"];

impl Row {
    fn is_success(&self) -> bool {
        let outcome = self.outcome.as_deref().unwrap_or_default().trim();
        SUCCESS.iter().any(|word| outcome.eq_ignore_ascii_case(word))
    }
}

impl Rows {
    fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display();
        let file = std::fs::read(path).map_err(|error| {
            Error::input(format!("{name} cannot be read: {error}"), "check the path after file:")
        })?;
        Self::parse(&file, &name.to_string())
    }

    fn parse(file: &[u8], name: &str) -> Result<Self, Error> {
        let fail = |error: csv::Error| {
            Error::input(format!("{name} cannot be read: {error}"), "check the path after file:")
        };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let headers = reader.byte_headers().map_err(fail)?.clone();
        let column = |wanted: &str| {
            headers.iter().position(|header| {
                let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
                header.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
            })
        };
        let required = |wanted: &str| {
            column(wanted).ok_or_else(|| {
                Error::input(
                    format!("{name} has no column {wanted}"),
                    "the first line names the columns: revision and finished_at, and if you like \
                     name, environment and outcome",
                )
            })
        };
        let (revision, finished_at) = (required("revision")?, required("finished_at")?);
        let optional = [column("name"), column("environment"), column("outcome")];
        let mut rows = Self { rows: Vec::new(), broken: Vec::new() };
        let mut lines = Lines { file, line: 1, counted: 0 };
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) if error.is_io_error() => return Err(fail(error)),
                Err(error) => {
                    let line = lines.at(error.position());
                    rows.broken.push(format!("line {line}: it is not UTF-8"));
                    continue;
                }
            };
            let line = lines.at(record.position());
            let field = |at: Option<usize>| Some(record.get(at?)?.trim().to_owned());
            match (field(Some(revision)), field(Some(finished_at))) {
                (Some(revision), Some(finished_at)) => rows.rows.push(Row {
                    line,
                    revision,
                    finished_at,
                    name: field(optional[0]),
                    environment: field(optional[1]),
                    outcome: field(optional[2]),
                }),
                _ => rows.broken.push(format!("line {line}")),
            }
        }
        Ok(rows)
    }

    /// The environment to take: the one asked for, the only one, or production.
    fn environment(&self, asked: Option<&str>, name: &str) -> Result<Option<String>, Error> {
        let mut all: Vec<&str> =
            self.rows.iter().filter_map(|row| row.environment.as_deref()).collect();
        all.sort_unstable();
        all.dedup();
        if let Some(asked) = asked {
            return match all.iter().find(|environment| environment.eq_ignore_ascii_case(asked)) {
                Some(found) => Ok(Some((*found).to_owned())),
                None => Err(Error::input(
                    format!("{name} has no deployment to {asked}"),
                    format!("it names these environments: {}", all.join(", ")),
                )),
            };
        }
        if all.len() < 2 {
            return Ok(None);
        }
        let production = PRODUCTION.iter().find_map(|usual| {
            all.iter().find(|environment| environment.eq_ignore_ascii_case(usual))
        });
        match production {
            Some(found) => Ok(Some((*found).to_owned())),
            None => Err(Error::input(
                format!("{name} names several environments, and none of them is production"),
                format!("choose one with --environment: {}", all.join(", ")),
            )),
        }
    }
}

/// Counts the lines of a file. Where lines end as on Windows, the reader of CSV takes the second
/// byte of an end for the start of the next record, and is one line behind.
struct Lines<'a> {
    file: &'a [u8],
    line: u64,
    /// The bytes whose line ends are counted.
    counted: usize,
}

impl Lines<'_> {
    /// The line of a record, from 1. Records are asked for in their order.
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let byte = position.map_or(0, csv::Position::byte);
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).clamp(self.counted, self.file.len());
        let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let start = byte + self.file[byte..].iter().take_while(is_end).count();
        let passed = &self.file[self.counted..start];
        let ends = (0..passed.len()).filter(|&at| match passed[at] {
            b'\n' => true,
            b'\r' => passed.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        self.line += ends.count() as u64;
        self.counted = start;
        self.line
    }
}

/// A moment in RFC 3339 or Unix seconds.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse::<i64>().ok().or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_read_back_as_written() {
        for text in ["tag:v*", "merges", "file:a:b.csv"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        for text in ["", "tag:", "file:", "tags:v*", "merge"] {
            assert!(text.parse::<Spec>().is_err(), "{text}");
        }
    }

    #[test]
    fn rows_know_their_lines_however_these_end() {
        for end in ["\n", "\r\n", "\r"] {
            let lines =
                ["revision,finished_at", "a,1", "", "b,\"x", "y\"", "c", "\u{e9},4", "d,5", ""];
            let mut file = lines.join(end).into_bytes();
            let not_utf8 = file.iter().position(|&byte| byte == 0xc3).unwrap();
            file.remove(not_utf8);
            let rows = Rows::parse(&file, "d.csv").ok().unwrap();
            let lines: Vec<u64> = rows.rows.iter().map(|row| row.line).collect();
            assert_eq!(lines, [2, 4, 8], "{end:?}");
            assert_eq!(rows.broken, ["line 6", "line 7: it is not UTF-8"], "{end:?}");
        }
    }

    #[test]
    fn times_are_rfc_3339_or_unix_seconds() {
        assert_eq!(parse_time("1700000000"), Some(1_700_000_000));
        assert_eq!(parse_time("2023-11-14T22:13:20Z"), Some(1_700_000_000));
        assert_eq!(parse_time("2023-11-14T23:13:20.9+01:00"), Some(1_700_000_000));
        assert_eq!(parse_time("yesterday"), None);
        assert_eq!(parse_time(""), None);
    }
}
