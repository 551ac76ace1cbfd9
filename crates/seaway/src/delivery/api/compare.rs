//! Several sets of changes side by side: of groups, of services, of classes of services.

mod sets;

use super::csv::{Column, Format};
use super::filter::{FILTERS, Told, Wanted};
use super::parameters::Parameters;
use super::reports::{Asked, name_of};
use super::tables::one;
use crate::app::App;
use crate::delivery::projector::{ORGANIZATION, Parts, scope_of_group, scope_of_service};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use seaway_core::catalog::{
    Architecture, Catalog, ClassFilter, EntityRef, Kind, Runtime, Tier, UNKNOWN,
};
use seaway_core::delivery::report::TimeToValue;
use seaway_core::delivery::rollup::{self, Difference, Part, Size};
use seaway_core::delivery::summary::{Day, Share, Slice};
use seaway_core::time::Time;
use serde::Serialize;
use sets::{Candidate, Set, Sets, Span};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sets that are compared at once.
pub(in crate::delivery) const PARTS_MAX: usize = 8;
/// The days of a comparison, or of a page, that says nothing of them. A quarter that has just begun
/// would tell nothing yet, so they are the latest as many days as a quarter has.
pub(in crate::delivery) const DAYS: i32 = 90;
/// What the URL of a comparison may say beside filters.
const ASKED: [&str; 5] = ["since", "until", "by", "of", "group"];
/// The columns of a comparison.
const COLUMNS: [Column; 15] = [
    ("name", "/name"),
    ("n", "/time_to_value/n"),
    ("waiting", "/time_to_value/waiting"),
    ("p50_seconds", "/time_to_value/p50/seconds"),
    ("p50_low", "/time_to_value/p50/low"),
    ("p50_high", "/time_to_value/p50/high"),
    ("p85_seconds", "/time_to_value/p85/seconds"),
    ("p85_low", "/time_to_value/p85/low"),
    ("p85_high", "/time_to_value/p85/high"),
    ("p95_seconds", "/time_to_value/p95/seconds"),
    ("p95_low", "/time_to_value/p95/low"),
    ("p95_high", "/time_to_value/p95/high"),
    ("lines_min", "/size/lines_min"),
    ("lines_max", "/size/lines_max"),
    ("share", "/size/share"),
];

/// What sets of changes are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::delivery) enum By {
    Group,
    Service,
    Architecture,
    Runtime,
    Tier,
    /// Whether a change is by bots alone.
    Bots,
    /// Whether it is AI-assisted.
    Assisted,
    /// How many lines it touches.
    Size,
}

impl By {
    pub(in crate::delivery) const WORDS: [(&'static str, Self); 8] = [
        ("group", Self::Group),
        ("service", Self::Service),
        ("architecture", Self::Architecture),
        ("runtime", Self::Runtime),
        ("tier", Self::Tier),
        ("bots", Self::Bots),
        ("assisted", Self::Assisted),
        ("size", Self::Size),
    ];

    pub(in crate::delivery) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, by)| *by == self).map_or("", |(word, _)| word)
    }
}

/// One of the sets.
#[derive(Debug, Serialize)]
pub(in crate::delivery) struct ComparedPart {
    pub(in crate::delivery) name: String,
    /// How large its changes are, where that is what tells them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::delivery) size: Option<Size>,
    pub(in crate::delivery) time_to_value: TimeToValue,
}

/// What a comparison tells.
#[derive(Serialize)]
pub(in crate::delivery) struct Comparison {
    pub(in crate::delivery) by: By,
    /// The group that it is within; `None`: the organization.
    pub(in crate::delivery) group: Option<String>,
    /// The first day.
    pub(in crate::delivery) since: Option<String>,
    /// The day after the last one; `None`: until now.
    pub(in crate::delivery) until: Option<String>,
    pub(in crate::delivery) as_of: Time,
    pub(in crate::delivery) filter: Told,
    pub(in crate::delivery) parts: Vec<ComparedPart>,
    /// Sets that were left out, as only so many are compared; of those that had anything in the days.
    pub(in crate::delivery) left_out: usize,
    /// Changes of which nobody tells the lines, where these are what tells them apart: they are in no
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::delivery) unknown_lines: Option<usize>,
    #[serde(flatten)]
    pub(in crate::delivery) difference: Difference,
}

/// What of a scope is compared.
struct Within {
    /// `None`: the organization.
    group: Option<EntityRef>,
    scope: String,
    wanted: Wanted,
}

impl Within {
    fn of(app: &App, parameters: &Parameters) -> Result<Self, Problem> {
        let wanted = Wanted::of(app, parameters)?;
        let group = parameters.text("group").filter(|group| !group.is_empty());
        let group = group.map(|group| known_group(&wanted.catalog, group)).transpose()?;
        let scope = group.as_ref().map_or_else(|| ORGANIZATION.to_owned(), scope_of_group);
        let wanted = match &group {
            Some(group) => wanted.of_group(group),
            None => wanted,
        };
        Ok(Self { group, scope, wanted })
    }

    /// The groups directly in it; of an organization that is one group, those in this one.
    fn groups(&self) -> Vec<EntityRef> {
        let catalog = &self.wanted.catalog;
        let roots: Vec<&EntityRef> = catalog.roots().map(|group| &group.entity).collect();
        match (&self.group, roots.as_slice()) {
            (Some(group), _) => catalog.children(group).to_vec(),
            (None, [only]) if !catalog.children(only).is_empty() => catalog.children(only).to_vec(),
            (None, _) => roots.into_iter().cloned().collect(),
        }
    }

    /// Names of services in it.
    async fn services(&self, app: &App) -> Result<BTreeSet<String>, Problem> {
        Ok(self.wanted.services(app).await?.into_iter().collect())
    }

    /// All sets by one of the properties of services.
    fn classes<T: Ord + Copy>(
        &self,
        values: impl Iterator<Item = T>,
        word: impl Fn(T) -> String,
        of: impl Fn(&mut ClassFilter) -> &mut BTreeSet<Option<T>>,
    ) -> Vec<Candidate> {
        let values = values.map(Some).chain([None]);
        let candidate = |value: Option<T>| {
            let mut filter = self.wanted.filter.clone();
            let asked = of(&mut filter);
            if !asked.is_empty() && !asked.contains(&value) {
                return None;
            }
            *asked = BTreeSet::from([value]);
            let name = value.map_or_else(|| UNKNOWN.to_owned(), &word);
            Some(Candidate::of(name, Parts::of(self.scope.clone(), &filter)))
        };
        values.filter_map(candidate).collect()
    }

    async fn candidates(
        &self,
        app: &App,
        by: By,
        named: &[String],
    ) -> Result<Vec<Candidate>, Problem> {
        let filter = &self.wanted.filter;
        let of_group = |group: EntityRef| {
            Candidate::of(name_of(&group), Parts::of(scope_of_group(&group), filter))
        };
        let of_service = |service: String| {
            let sums = Parts::of(scope_of_service(&service), &ClassFilter::default());
            Candidate::of(service, sums)
        };
        Ok(match by {
            By::Group if named.is_empty() => self.groups().into_iter().map(of_group).collect(),
            By::Group => {
                let catalog = &self.wanted.catalog;
                let groups: Result<Vec<_>, Problem> =
                    named.iter().map(|name| known_group(catalog, name)).collect();
                let groups = groups?;
                if let Some(within) = &self.group {
                    let is_in = |it: &EntityRef| {
                        it == within || catalog.ancestors(it).any(|it| it == within)
                    };
                    if let Some(other) = groups.iter().find(|it| !is_in(it)) {
                        let what = format!("{} is not in {}", name_of(other), name_of(within));
                        return Err(Problem::bad_request(what).hint("leave group out"));
                    }
                }
                groups.into_iter().map(of_group).collect()
            }
            By::Service if named.is_empty() => {
                self.services(app).await?.into_iter().map(of_service).collect()
            }
            By::Service => {
                for service in named {
                    super::rows::known_service(app, service).await?;
                    if !self.wanted.has(service) {
                        return Err(Problem::bad_request(format!(
                            "{service} is not among the services that are asked for"
                        ))
                        .hint("leave group, architecture, runtime and tier out"));
                    }
                }
                named.iter().cloned().map(of_service).collect()
            }
            By::Architecture => self.classes(
                Architecture::WORDS.into_iter().map(|(_, it)| it),
                |it| it.word().to_owned(),
                |filter| &mut filter.architectures,
            ),
            By::Runtime => self.classes(
                Runtime::WORDS.into_iter().map(|(_, it)| it),
                |it| it.word().to_owned(),
                |filter| &mut filter.runtimes,
            ),
            By::Tier => self.classes(
                Tier::all(),
                |it| format!("tier {}", it.number()),
                |filter| &mut filter.tiers,
            ),
            By::Bots => self.shares([
                ("by bots alone", Share::Of(Slice::Bots)),
                ("all others", Share::Without(Slice::Bots)),
            ]),
            By::Assisted => self.shares([
                ("AI-assisted", Share::Of(Slice::Assisted)),
                ("all others", Share::Without(Slice::Assisted)),
            ]),
            // Which sets there are shows when the changes are seen.
            By::Size => Vec::new(),
        })
    }

    /// Two sets of changes of the same services.
    fn shares(&self, shares: [(&str, Share); 2]) -> Vec<Candidate> {
        let candidate = |(name, share): (&str, Share)| Candidate {
            name: name.to_owned(),
            sums: self.sums(),
            share,
        };
        shares.into_iter().map(candidate).collect()
    }

    /// The sums of all that is asked for.
    fn sums(&self) -> Parts {
        Parts::of(self.scope.clone(), &self.wanted.filter)
    }
}

fn known_group(catalog: &Catalog, name: &str) -> Result<EntityRef, Problem> {
    let entity = EntityRef::parse(name, Kind::Group, "default").ok();
    let known = entity
        .filter(|it| catalog.group(it).is_some() || catalog.services_of_group(it).next().is_some());
    known.ok_or_else(|| {
        Problem::not_found(format!("there is no group {name}")).hint("/api/v1/groups names all")
    })
}

/// Names of groups or services that the URL asks for, each once.
fn named(parameters: &Parameters, by: By) -> Result<Vec<String>, Problem> {
    let given = parameters.values("of").iter().filter(|name| !name.is_empty());
    let mut names: Vec<String> = Vec::new();
    for name in given {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    match by {
        By::Group | By::Service if names.len() > PARTS_MAX => Err(Problem::bad_request(format!(
            "{} are to be compared, and at most {PARTS_MAX} can be",
            names.len()
        ))),
        By::Group | By::Service => Ok(names),
        _ if names.is_empty() => Ok(names),
        _ => Err(Problem::bad_request(format!("there is nothing to name where by={}", by.word()))
            .hint("of names groups or services; architecture, runtime and tier filter")),
    }
}

impl Comparison {
    /// The comparison that a query asks for.
    pub(in crate::delivery) async fn of(app: &App, query: Option<&str>) -> Result<Self, Problem> {
        let parameters = Parameters::of(query, &[&FILTERS[..], &ASKED].concat())?;
        Self::asked(app, &parameters).await
    }

    async fn asked(app: &App, parameters: &Parameters) -> Result<Self, Problem> {
        let by = match parameters.text("by") {
            None => By::Group,
            Some(text) => {
                let by = By::WORDS.iter().find(|(word, _)| *word == text);
                by.map(|(_, by)| *by).ok_or_else(|| {
                    let words = By::WORDS.map(|(word, _)| word).join(", ");
                    Problem::bad_request(format!("nothing is compared by {text}"))
                        .hint(format!("by is one of {words}"))
                })?
            }
        };
        let asked = Asked::read(parameters)?;
        parameters.wait(app).await?;
        let within = Within::of(app, parameters)?;
        let as_of = app.store.newest().await?.unwrap_or(0);
        let last = app.days.of(as_of).next();
        let last = asked.until.map_or(last, |until| until.min(last));
        let since = asked.since.unwrap_or(Day(last.0.saturating_sub(DAYS)));
        let names = named(parameters, by)?;
        let asked = Asked { since: Some(since), ..asked };
        let span = Span { app, asked: &asked, as_of };
        let sets = match by {
            By::Size => span.sizes(&within.sums()).await?,
            _ => span.sets(within.candidates(app, by, &names).await?, names.is_empty()).await?,
        };
        let Sets { parts, left_out, unknown_lines } = sets;
        let sides: Vec<(&str, &Part)> =
            parts.iter().map(|(name, _, part)| (name.as_str(), part)).collect();
        let mut difference = rollup::difference(&sides);
        if parts.is_empty() && unknown_lines > Some(0) {
            difference.finding =
                "Nobody tells how many lines these changes touch, so there is nothing to compare."
                    .to_owned();
        }
        let told = |(name, size, part): Set| {
            let time_to_value = part.time_to_value;
            ComparedPart { name, size, time_to_value }
        };
        Ok(Self {
            by,
            group: within.group.as_ref().map(name_of),
            since: Some(since.to_string()),
            until: asked.until.map(|day| day.to_string()),
            as_of: Time(as_of),
            filter: Told::of(&within.wanted.filter),
            parts: parts.into_iter().map(told).collect(),
            left_out,
            unknown_lines,
            difference,
        })
    }
}

/// `GET /api/v1/compare`.
pub(crate) async fn compare(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let others = [&FILTERS[..], &ASKED, &["format"]].concat();
    let parameters = Parameters::of(query.as_deref(), &others)?;
    let value = Comparison::asked(&app, &parameters).await?;
    match parameters.format()? {
        Format::Json => Ok(Json(value).into_response()),
        Format::Csv => one(&value, "compare", "/parts", &COLUMNS),
    }
}
