//! What reports are merged from: summaries by day of each service, of each group, and of the
//! organization.
//!
//! A group's summary of a day is the sum of those of the services that it, or a group under it,
//! owned on that day. It is kept by differences: what a service's summary gained or lost is added
//! to the sums, so the cost is that of what changed.
//!
//! Beside the sum of all its services, a group has one of those of each [`Class`], so that a report
//! of some classes is a merge of few sums. Services of which the catalog says nothing have none of
//! their own: they are what remains when the others are taken away.

use super::store::SummaryRow;
use seaway_core::catalog::{Catalog, Class, EntityRef, History, Kind, Service};
use seaway_core::delivery::summary::{Day, DaySummary, Days, day_summaries};
use seaway_core::delivery::view::ServiceView;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use super::registry::Catalogued;

/// The scope of all services together.
pub(crate) const ORGANIZATION: &str = "organization";

/// The scope of a service.
pub(crate) fn scope_of_service(service: &str) -> String {
    format!("service {service}")
}

/// The scope of a group.
pub(crate) fn scope_of_group(group: &EntityRef) -> String {
    format!("group {}/{}", group.namespace(), group.name())
}

/// The scope of the services of a class within a scope.
pub(super) fn scope_of_class(scope: &str, class: &Class) -> String {
    format!("{scope} {class}")
}

/// Who owned which service when, by the history of the catalog.
pub(super) struct Owners<'a> {
    history: &'a History,
    days: &'a Days,
    /// When a group changed.
    group_moments: BTreeSet<i64>,
    /// The groups at moments that were asked for.
    groups: HashMap<i64, Catalog>,
    /// By service, the periods of its owners and classes: the first moment and the scopes of group
    /// and ancestors, each also with the class.
    periods: HashMap<String, Vec<(i64, Vec<String>)>>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(history: &'a History, days: &'a Days) -> Self {
        let group_moments = history.group_moments();
        Self { history, days, group_moments, groups: HashMap::new(), periods: HashMap::new() }
    }

    /// The scopes that a service's day belongs to, beside its own: the groups that own it at the
    /// end of the day, and the organization.
    pub(super) fn scopes(&mut self, service: &str, day: Day) -> &[String] {
        let last = self.days.start(day.next()) - 1;
        let periods = self.periods_of(service);
        let at = periods.partition_point(|&(from, _)| from <= last).max(1) - 1;
        periods.get(at).map_or(&[], |(_, scopes)| scopes)
    }

    /// The periods of a service's owners, in order: each with its first moment and the scopes.
    pub(super) fn periods_of(&mut self, service: &str) -> &[(i64, Vec<String>)] {
        if !self.periods.contains_key(service) {
            let periods = self.find_periods(service);
            self.periods.insert(service.to_owned(), periods);
        }
        self.periods.get(service).map_or(&[], Vec::as_slice)
    }

    fn find_periods(&mut self, service: &str) -> Vec<(i64, Vec<String>)> {
        let entity = entity_of(service);
        let owned = entity.as_ref().map(|entity| self.history.owner_periods(entity));
        let classes = entity.map(|entity| self.history.class_periods(&entity)).unwrap_or_default();
        let classes: Vec<(i64, Class)> =
            classes.iter().map(|it| (it.from.unwrap_or(i64::MIN), it.class)).collect();
        let mut periods: Vec<(i64, Vec<String>)> = Vec::new();
        for period in owned.unwrap_or_default() {
            let (first, end) = (period.from.unwrap_or(i64::MIN), period.to.unwrap_or(i64::MAX));
            // Groups move under other groups, too.
            let later = first.saturating_add(1);
            let moved = self.group_moments.range(later..end.max(later));
            let is_within = |at: &i64| (later..end.max(later)).contains(at);
            let classed = classes.iter().map(|&(from, _)| from).filter(is_within);
            let starts: BTreeSet<i64> =
                std::iter::once(first).chain(moved.copied()).chain(classed).collect();
            for from in starts {
                let mut scopes = self.chain(period.group.as_ref(), from);
                let class = classes.partition_point(|&(since, _)| since <= from).checked_sub(1);
                let class = class.and_then(|at| classes.get(at)).map(|(_, class)| class);
                if let Some(class) = class.filter(|class| !class.is_unknown()) {
                    let classed = scopes.iter().map(|scope| scope_of_class(scope, class));
                    scopes.extend(classed.collect::<Vec<_>>());
                }
                if periods.last().is_none_or(|(_, last)| *last != scopes) {
                    periods.push((from, scopes));
                }
            }
        }
        if periods.is_empty() {
            periods.push((i64::MIN, vec![ORGANIZATION.to_owned()]));
        }
        periods
    }

    /// The scopes of a group and all above it at a moment.
    fn chain(&mut self, group: Option<&EntityRef>, moment: i64) -> Vec<String> {
        let nobody = || vec![ORGANIZATION.to_owned()];
        let Some(group) = group else { return nobody() };
        let history = self.history;
        let groups = self.groups.entry(moment).or_insert_with(|| history.groups_at(moment));
        let above = std::iter::once(group).chain(groups.ancestors(group)).map(scope_of_group);
        above.chain(nobody()).collect()
    }
}

/// The entity of the catalog that a service's name stands for.
fn entity_of(service: &str) -> Option<EntityRef> {
    let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
    EntityRef::new(Kind::Component, namespace, name)
}

/// The name of a service of the catalog in URLs and rows.
fn name_of(service: &Service) -> String {
    match service.entity.namespace() {
        "default" => service.entity.name().to_owned(),
        namespace => format!("{namespace}/{}", service.entity.name()),
    }
}

/// What the registry needs to know of the catalog.
pub(super) fn catalogued(catalog: &Catalog) -> Vec<Catalogued> {
    let of = |service: &Service| {
        let (namespace, name) = (service.entity.namespace(), service.entity.name());
        let mut aliases = vec![
            name_of(service),
            format!("{namespace}/{name}"),
            format!("component:{namespace}/{name}"),
        ];
        aliases.extend(service.aliases.iter().map(|alias| alias.to_lowercase()));
        Catalogued {
            id: name_of(service),
            repository: service.repositories.first().cloned(),
            aliases,
            paths: service.paths.clone(),
            environments: service.environments.iter().cloned().collect(),
        }
    };
    catalog.services().map(of).collect()
}

/// What some services' summaries gained and lost.
#[derive(Default)]
pub(super) struct RollUp {
    /// Summaries of services that are other than before.
    services: Vec<SummaryRow>,
    /// What is to be added to the sums. A difference may hold less than nothing.
    differences: BTreeMap<(String, Day), DaySummary>,
}

impl RollUp {
    /// Takes in the view of a service, whose summaries were `before`.
    pub(super) fn add(
        &mut self,
        service: &str,
        view: &ServiceView,
        before: Vec<(i64, Vec<u8>)>,
        owners: &mut Owners<'_>,
    ) {
        let mut before: BTreeMap<Day, Vec<u8>> = before
            .into_iter()
            .filter_map(|(day, body)| Some((Day::of_number(day)?, body)))
            .collect();
        for (day, summary) in day_summaries(view, owners.days) {
            let body = summary.encode();
            match before.remove(&day) {
                Some(old) if old == body => continue,
                old => self.differ(service, day, old.as_deref(), Some((&summary, body)), owners),
            }
        }
        for (day, old) in before {
            self.differ(service, day, Some(&old), None, owners);
        }
    }

    /// Takes in what the summaries of a service gain and lose on some days. `stored` are those that
    /// it had on these days: sums of its rows, so that what the rows before added is taken away.
    pub(super) fn add_differences(
        &mut self,
        service: &str,
        differences: BTreeMap<Day, DaySummary>,
        stored: Vec<(i64, Vec<u8>)>,
        owners: &mut Owners<'_>,
    ) {
        let mut stored: BTreeMap<i64, Vec<u8>> = stored.into_iter().collect();
        for (day, difference) in differences {
            let old = stored.remove(&i64::from(day.0));
            let mut summary = old.as_deref().and_then(DaySummary::decode).unwrap_or_default();
            summary.merge(&difference);
            let body = summary.encode();
            let new = (!summary.is_empty()).then_some((&summary, body));
            self.differ(service, day, old.as_deref(), new, owners);
        }
    }

    fn differ(
        &mut self,
        service: &str,
        day: Day,
        old: Option<&[u8]>,
        new: Option<(&DaySummary, Vec<u8>)>,
        owners: &mut Owners<'_>,
    ) {
        let mut difference = DaySummary::default();
        if let Some((summary, _)) = &new {
            difference.merge(summary);
        }
        if let Some(old) = old.and_then(DaySummary::decode) {
            difference.subtract(&old);
        }
        for scope in owners.scopes(service, day) {
            self.differences.entry((scope.clone(), day)).or_default().merge(&difference);
        }
        let row = SummaryRow::of(scope_of_service(service), day, new);
        self.services.push(row);
    }

    /// Moves the summaries of a service from the sums of its owners before to those of its owners
    /// now.
    pub(super) fn move_service(
        &mut self,
        service: &str,
        summaries: Vec<(i64, Vec<u8>)>,
        before: &mut Owners<'_>,
        now: &mut Owners<'_>,
    ) {
        for (number, body) in summaries {
            let Some(day) = Day::of_number(number) else { continue };
            let old: BTreeSet<&String> = before.scopes(service, day).iter().collect();
            let new: BTreeSet<&String> = now.scopes(service, day).iter().collect();
            if old == new {
                continue;
            }
            let Some(summary) = DaySummary::decode(&body) else { continue };
            for &scope in old.difference(&new) {
                self.differences.entry((scope.clone(), day)).or_default().subtract(&summary);
            }
            for &scope in new.difference(&old) {
                self.differences.entry((scope.clone(), day)).or_default().merge(&summary);
            }
        }
    }

    /// The scopes of sums that are other than before, and the first and the last of their days.
    pub(super) fn sums(&self) -> Vec<(&str, RangeInclusive<Day>)> {
        let mut sums: Vec<(&str, RangeInclusive<Day>)> = Vec::new();
        for ((scope, day), difference) in &self.differences {
            if difference.is_empty() {
                continue;
            }
            match sums.last_mut() {
                Some((last, days)) if *last == scope => *days = *days.start()..=*day,
                _ => sums.push((scope, *day..=*day)),
            }
        }
        sums
    }

    /// The rows to write; `before` are the sums that [`sums`](Self::sums) names, where there were any.
    pub(super) fn rows(self, mut before: HashMap<(String, Day), Vec<u8>>) -> Vec<SummaryRow> {
        let mut rows = self.services;
        for ((scope, day), difference) in self.differences {
            if difference.is_empty() {
                continue;
            }
            let key = (scope, day);
            let old = before.remove(&key).and_then(|body| DaySummary::decode(&body));
            let mut sum = old.unwrap_or_default();
            sum.merge(&difference);
            let sum = (!sum.is_empty()).then(|| (&sum, sum.encode()));
            rows.push(SummaryRow::of(key.0, key.1, sum));
        }
        rows
    }
}

impl SummaryRow {
    /// The row of a summary and its bytes, or of none.
    fn of(scope: String, day: Day, summary: Option<(&DaySummary, Vec<u8>)>) -> Self {
        let (open, deployments) = summary
            .as_ref()
            .map_or((0, 0), |(summary, _)| (summary.open.len(), summary.deployments()));
        let body = summary.map(|(_, body)| body);
        Self { scope, day: i64::from(day.0), open, deployments, body }
    }
}

#[cfg(test)]
mod tests;
