//! Filters: which services figures and lists are about, by what the catalog says of them.

use super::parameters::Parameters;
use super::reports::name_of;
use crate::app::App;
use crate::delivery::quality::Finding;
use crate::delivery::store::{After, Kept, ServiceOrder, ServiceRow};
use crate::problem::Problem;
use seaway_core::catalog::{
    Architecture, Catalog, Class, ClassFilter, EntityRef, Kind, Runtime, Tier, UNKNOWN,
};
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// The parameters that filter. Each may be given several times: any of its values will do, and all
/// parameters have to fit.
pub(in crate::delivery) const FILTERS: [&str; 3] = ["architecture", "runtime", "tier"];

/// What a filter keeps, as it is told. No value: any will do.
#[derive(Serialize)]
pub(in crate::delivery) struct Told {
    architecture: Vec<&'static str>,
    runtime: Vec<&'static str>,
    tier: Vec<String>,
}

impl Told {
    /// The values of each parameter.
    pub(in crate::delivery) fn values(&self) -> [(&'static str, Vec<&str>); 3] {
        [
            ("architecture", self.architecture.clone()),
            ("runtime", self.runtime.clone()),
            ("tier", self.tier.iter().map(String::as_str).collect()),
        ]
    }

    pub(in crate::delivery) fn of(filter: &ClassFilter) -> Self {
        let architectures = filter.architectures.iter();
        let tier = |tier: &Option<Tier>| {
            tier.map_or_else(|| UNKNOWN.to_owned(), |tier| tier.number().to_string())
        };
        Self {
            architecture: architectures.map(|it| it.map_or(UNKNOWN, Architecture::word)).collect(),
            runtime: filter.runtimes.iter().map(|it| it.map_or(UNKNOWN, Runtime::word)).collect(),
            tier: filter.tiers.iter().map(tier).collect(),
        }
    }
}

impl Parameters {
    /// What the URL filters by.
    pub(in crate::delivery) fn filter(&self) -> Result<ClassFilter, Problem> {
        let architectures = Architecture::WORDS.map(|(word, _)| word);
        let runtimes = Runtime::WORDS.map(|(word, _)| word);
        let tiers = Tier::all().map(|tier| tier.number().to_string()).collect::<Vec<_>>();
        let tiers: Vec<&str> =
            tiers.iter().map(String::as_str).chain(Tier::WORDS.iter().copied()).collect();
        Ok(ClassFilter {
            architectures: self.any_of("architecture", &architectures, |text| {
                Architecture::WORDS.iter().find(|(word, _)| *word == text).map(|&(_, it)| it)
            })?,
            runtimes: self.any_of("runtime", &runtimes, |text| {
                Runtime::WORDS.iter().find(|(word, _)| *word == text).map(|&(_, it)| it)
            })?,
            tiers: self.any_of("tier", &tiers, Tier::of)?,
        })
    }

    fn any_of<T: Ord>(
        &self,
        name: &str,
        words: &[&str],
        of: impl Fn(&str) -> Option<T>,
    ) -> Result<BTreeSet<Option<T>>, Problem> {
        let value = |text: &String| match (text.as_str(), of(text)) {
            (UNKNOWN, _) => Ok(None),
            (_, Some(value)) => Ok(Some(value)),
            (_, None) => Err(Problem::bad_request(format!("there is no {name} {text}"))
                .hint(format!("{name} is one of {}, {UNKNOWN}", words.join(", ")))),
        };
        self.values(name).iter().map(value).collect()
    }
}

/// A row of a list of many services.
pub(in crate::delivery) trait Row {
    /// What the page after it begins with.
    type Place;
    fn service(&self) -> &str;
    fn place(&self) -> Self::Place;
}

impl Row for Kept {
    type Place = After;

    fn service(&self) -> &str {
        &self.service
    }

    fn place(&self) -> After {
        self.after()
    }
}

impl Row for ServiceRow {
    type Place = String;

    fn service(&self) -> &str {
        &self.service
    }

    fn place(&self) -> String {
        self.service.clone()
    }
}

impl Row for Finding {
    type Place = (String, String);

    fn service(&self) -> &str {
        &self.service
    }

    fn place(&self) -> (String, String) {
        (self.service.clone(), self.subject.clone())
    }
}

/// The services that a list is about.
pub(in crate::delivery) struct Wanted {
    /// The catalog as it is now.
    pub(in crate::delivery) catalog: Arc<Catalog>,
    pub(in crate::delivery) filter: ClassFilter,
    /// Only these services, where there are any.
    pub(in crate::delivery) among: Option<HashSet<String>>,
}

impl Wanted {
    /// Those that the URL asks for.
    pub(in crate::delivery) fn of(app: &App, parameters: &Parameters) -> Result<Self, Problem> {
        Ok(Self::new(app, parameters.filter()?))
    }

    pub(in crate::delivery) fn new(app: &App, filter: ClassFilter) -> Self {
        Self { catalog: Arc::clone(&app.progress.borrow().latest), filter, among: None }
    }

    /// Whether all services are.
    pub(in crate::delivery) fn is_all(&self) -> bool {
        self.filter.is_any() && self.among.is_none()
    }

    /// Only those of them that a group and the groups in it own now.
    pub(in crate::delivery) fn of_group(mut self, group: &EntityRef) -> Self {
        let owned = self.catalog.services_under(group);
        self.among = Some(owned.iter().map(|it| name_of(&it.entity)).collect());
        self
    }

    /// Their names: those that the views have.
    pub(in crate::delivery) async fn services(&self, app: &App) -> Result<Vec<String>, Problem> {
        let names = match &self.among {
            Some(among) => among.iter().cloned().collect(),
            None => app.store.names_by(ServiceOrder::Name).await?,
        };
        Ok(names.into_iter().filter(|it| self.has(it)).collect())
    }

    /// Whether a service is among them. Of one that is in no catalog nothing is known.
    pub(in crate::delivery) fn has(&self, service: &str) -> bool {
        if self.among.as_ref().is_some_and(|among| !among.contains(service)) {
            return false;
        }
        if self.filter.is_any() {
            return true;
        }
        let entity = EntityRef::parse(service, Kind::Component, "default").ok();
        let known = entity.and_then(|entity| self.catalog.service(&entity));
        self.filter.matches(&known.map(Class::of).unwrap_or_default())
    }

    /// A page of rows of theirs that begins at a place, to be filled.
    pub(in crate::delivery) fn page<R: Row>(&self, first: R::Place, limit: i64) -> Filling<'_, R> {
        // One more than is wanted tells whether any follow.
        let portion = 1 + if self.is_all() { limit } else { limit.max(PORTION) };
        Filling { wanted: self, limit, portion, rows: Vec::new(), after: Some(first), looked_at: 0 }
    }
}

/// Rows that are read at once where only some are wanted, and rows that a request looks at.
const PORTION: i64 = 5_000;
const LOOKED_AT_MAX: usize = 20_000;

/// A page that is filled from rows of any service. Where few services are wanted, it may have fewer
/// rows than its limit and be followed by others all the same: a request looks at no more than
/// [`LOOKED_AT_MAX`] rows.
pub(in crate::delivery) struct Filling<'a, R: Row> {
    wanted: &'a Wanted,
    limit: i64,
    portion: i64,
    rows: Vec<R>,
    /// Where to go on; `None` at the end.
    after: Option<R::Place>,
    looked_at: usize,
}

impl<R: Row> Filling<'_, R> {
    /// After which place how many rows are to be read next; `None` once there is enough.
    pub(in crate::delivery) fn needs(&self) -> Option<(&R::Place, i64)> {
        let has_room = (self.rows.len() as i64) < self.limit && self.looked_at < LOOKED_AT_MAX;
        self.after.as_ref().filter(|_| has_room).map(|after| (after, self.portion))
    }

    /// Takes what was read.
    pub(in crate::delivery) fn take(&mut self, found: Vec<R>) {
        self.looked_at += found.len();
        let is_last = (found.len() as i64) < self.portion;
        for row in found {
            if self.rows.len() as i64 == self.limit {
                return;
            }
            self.after = Some(row.place());
            if self.wanted.has(row.service()) {
                self.rows.push(row);
            }
        }
        if is_last {
            self.after = None;
        }
    }

    /// The rows, and what the page after them begins with.
    pub(in crate::delivery) fn done(self) -> (Vec<R>, Option<R::Place>) {
        (self.rows, self.after)
    }
}
