//! Sums that are kept by differences, against sums that are made anew from all that there is.

use super::super::parts::{Parts, merge_with_slices};
use super::*;
use proptest::prelude::*;
use seaway_core::catalog::{Architecture, Change, ClassFilter, Definition, Runtime, Tier};
use seaway_core::delivery::attribution::DeploymentKind;
use seaway_core::delivery::measured::Status;
use seaway_core::delivery::view::{ChangeRow, DeploymentRow, Milestones};
use seaway_core::time::DAY;
use serde_json::{Value, json};

/// 2026-02-16.
const START: i64 = 1_771_200_000;
const SERVICES: [&str; 3] = ["cart", "pay", "shop"];
const GROUPS: [&str; 4] = ["a", "b", "c", "top"];

/// What happens, as the projector is told.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a handful of steps in a test")]
enum Step {
    /// A service is computed anew.
    Computed(&'static str, ServiceView),
    /// The catalog changes.
    Changed(Change),
}

fn change_row(authored: i64, lag: i64, delivered: bool) -> ChangeRow {
    let merged = Some(authored + lag / 2);
    let deployed = delivered.then_some(authored + lag);
    ChangeRow {
        change: String::new(),
        kind: "merge".to_owned(),
        position: 0,
        pull_request: None,
        subject: String::new(),
        author: String::new(),
        commits: 1,
        lines: u64::try_from(lag).ok().filter(|lines| lines % 3 > 0),
        status: if delivered { Status::Delivered } else { Status::Waiting },
        reverts: false,
        bot: false,
        assisted: false,
        approximate: false,
        milestones: Milestones([Some(authored), None, None, None, merged, None, deployed]),
        moved: Vec::new(),
        deployment: None,
        environment: None,
        parts: None,
    }
}

fn deployment_row(finished_at: i64) -> DeploymentRow {
    DeploymentRow {
        name: finished_at.to_string(),
        environment: "production".to_owned(),
        production: true,
        revision: None,
        linked: true,
        position: None,
        started_at: None,
        finished_at: Some(finished_at),
        succeeded: Some(true),
        kind: Some(DeploymentKind::Normal),
        changes: 1,
        replaced: None,
        replaced_environment: None,
        failed_by: None,
        recovered_at: None,
        unplanned: false,
        url: None,
    }
}

/// Moments of twelve days, on borders of days too.
fn moments() -> impl Strategy<Value = i64> {
    let border = (0..12_i64, -1..=1_i64).prop_map(|(day, off)| START + day * DAY + off);
    prop_oneof![START..START + 12 * DAY, border]
}

fn views() -> impl Strategy<Value = ServiceView> {
    let change = (moments(), 0..5 * DAY, any::<bool>())
        .prop_map(|(authored, lag, delivered)| change_row(authored, lag, delivered));
    let deployments = prop::collection::btree_set(moments(), 0..6);
    (prop::collection::vec(change, 0..6), deployments).prop_map(|(changes, deployments)| {
        ServiceView {
            changes,
            deployments: deployments.into_iter().map(deployment_row).collect(),
            ..ServiceView::default()
        }
    })
}

/// An entity that is defined or taken out.
fn catalog_changes() -> impl Strategy<Value = Change> {
    let groups = || prop::sample::select(GROUPS.to_vec());
    let owner = (groups(), any::<bool>())
        .prop_map(|(group, by_user)| if by_user { "user:default/jane" } else { group });
    let class = (
        prop::sample::select(vec![None, None, Some("monolith"), Some("function")]),
        prop::sample::select(vec![None, Some("vm")]),
        prop::sample::select(vec![None, Some(0), Some(3)]),
    );
    let component = (prop::sample::select(SERVICES.to_vec()), owner, class).prop_map(
        |(name, owner, (architecture, runtime, tier))| {
            json!({"kind": "component", "entity": format!("component:default/{name}"),
                "name": name, "owner": group_or(owner),
                "architecture": architecture, "runtime": runtime, "tier": tier})
        },
    );
    let group = (groups(), prop::option::of(groups()), any::<bool>()).prop_map(
        |(name, parent, lists_jane)| {
            let members: &[&str] = if lists_jane { &["user:default/jane"] } else { &[] };
            json!({"kind": "group", "entity": group_or(name), "name": name,
                "parent": parent.map(group_or), "members": members})
        },
    );
    let user = prop::sample::subsequence(GROUPS.to_vec(), 0..2).prop_map(|groups| {
        let groups: Vec<String> = groups.into_iter().map(group_or).collect();
        json!({"kind": "user", "entity": "user:default/jane", "member_of": groups})
    });
    let definition = prop_oneof![3 => component, 3 => group, 1 => user];
    (definition, moments(), prop::bool::weighted(0.85)).prop_map(|(definition, at, kept)| Change {
        entity: serde_json::from_value(definition["entity"].clone()).unwrap(),
        at,
        definition: kept.then(|| serde_json::from_value::<_>(definition).unwrap()),
    })
}

fn group_or(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("group:default/{name}") }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let computed = (prop::sample::select(SERVICES.to_vec()), views())
        .prop_map(|(service, view)| Step::Computed(service, view));
    let changed = catalog_changes().prop_map(Step::Changed);
    prop::collection::vec(prop_oneof![2 => computed, 3 => changed], 0..24)
}

/// What is stored, as the projector stores it.
#[derive(Default)]
struct Stored {
    summaries: BTreeMap<(String, i64), Vec<u8>>,
    history: History,
}

impl Stored {
    fn of(&self, scope: &str) -> Vec<(i64, Vec<u8>)> {
        let own = self.summaries.iter().filter(|((known, _), _)| known == scope);
        own.map(|((_, day), body)| (*day, body.clone())).collect()
    }

    /// The sums of some classes within a scope, as reports read them.
    fn of_classes(&self, scope: &str, filter: &ClassFilter) -> Vec<(i64, Vec<u8>)> {
        let Parts { added, taken } = Parts::of(scope.to_owned(), filter);
        let rows = |scopes: Vec<String>| scopes.iter().flat_map(|it| self.of(it)).collect();
        let (added, taken): (Vec<_>, Vec<_>) = (rows(added), rows(taken));
        let days = merge_with_slices(&added, &taken).unwrap();
        days.into_iter().map(|(day, sum)| (i64::from(day.0), sum.encode())).collect()
    }

    fn write(&mut self, rollup: RollUp) {
        let mut before = HashMap::new();
        for (scope, days) in rollup.sums() {
            for (number, body) in self.of(scope) {
                let day = Day::of_number(number).unwrap();
                if days.contains(&day) {
                    before.insert((scope.to_owned(), day), body);
                }
            }
        }
        for row in rollup.rows(before) {
            let key = (row.scope, row.day);
            match row.body {
                Some(body) => drop(self.summaries.insert(key, body)),
                None => drop(self.summaries.remove(&key)),
            }
        }
    }

    fn take(&mut self, step: &Step, days: &Days) {
        let mut rollup = RollUp::default();
        match step {
            Step::Computed(service, view) => {
                let mut owners = Owners::new(&self.history, days);
                rollup.add(service, view, self.of(&scope_of_service(service)), &mut owners);
            }
            Step::Changed(change) => {
                let mut history = self.history.clone();
                history.add(change.clone());
                let (mut before, mut now) =
                    (Owners::new(&self.history, days), Owners::new(&history, days));
                for service in SERVICES {
                    if before.periods_of(service) != now.periods_of(service) {
                        let summaries = self.of(&scope_of_service(service));
                        rollup.move_service(service, summaries, &mut before, &mut now);
                    }
                }
                self.history = history;
            }
        }
        self.write(rollup);
    }
}

fn of_scope(sums: &BTreeMap<(String, i64), Vec<u8>>, scope: &str) -> Vec<(i64, Vec<u8>)> {
    let own = sums.iter().filter(|((known, _), _)| known == scope);
    own.map(|((_, day), body)| (*day, body.clone())).collect()
}

fn filters() -> impl Strategy<Value = ClassFilter> {
    let architectures = vec![None, Some(Architecture::Monolith), Some(Architecture::Function)];
    let runtimes = vec![None, Some(Runtime::Vm), Some(Runtime::Container)];
    let tiers = vec![None, Tier::of("0"), Tier::of("3")];
    (
        prop::sample::subsequence(architectures, 0..=3),
        prop::sample::subsequence(runtimes, 0..=2),
        prop::sample::subsequence(tiers, 0..=3),
    )
        .prop_map(|(architectures, runtimes, tiers)| ClassFilter {
            architectures: architectures.into_iter().collect(),
            runtimes: runtimes.into_iter().collect(),
            tiers: tiers.into_iter().collect(),
        })
}

/// The class of a service at a moment: what the catalog said then, or else, if it had never said
/// anything before, what it first said later.
fn class_at(changes: &BTreeMap<i64, Option<Definition>>, moment: i64) -> Class {
    fn word<T: Copy>(
        changes: &BTreeMap<i64, Option<Definition>>,
        moment: i64,
        of: fn(&Service) -> Option<T>,
    ) -> Option<T> {
        let said = |definition: &Option<Definition>| match definition {
            Some(Definition::Component(service)) => of(service),
            _ => None,
        };
        match changes.range(..=moment).any(|(_, it)| said(it).is_some()) {
            true => changes.range(..=moment).next_back().and_then(|(_, it)| said(it)),
            false => changes.values().find_map(said),
        }
    }
    Class {
        architecture: word(changes, moment, |it| it.architecture),
        runtime: word(changes, moment, |it| it.runtime),
        tier: word(changes, moment, |it| it.tier),
    }
}

/// The same from the last view of each service and the catalog at the end of each day.
fn anew(steps: &[Step], days: &Days) -> BTreeMap<(String, i64), Vec<u8>> {
    anew_of(steps, days, |_| true)
}

/// The same of those days of services on which these are of some classes.
fn anew_of(
    steps: &[Step],
    days: &Days,
    is_meant: impl Fn(&Class) -> bool,
) -> BTreeMap<(String, i64), Vec<u8>> {
    let mut history = History::default();
    let mut views: BTreeMap<&str, &ServiceView> = BTreeMap::new();
    let mut defined: BTreeMap<&EntityRef, BTreeMap<i64, Option<Definition>>> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Computed(service, view) => drop(views.insert(service, view)),
            Step::Changed(change) => {
                let known =
                    defined.entry(&change.entity).or_default().entry(change.at).or_default();
                *known = std::mem::take(known).max(change.definition.clone());
                history.add(change.clone());
            }
        }
    }
    let mut sums: BTreeMap<(String, i64), DaySummary> = BTreeMap::new();
    for (service, view) in views {
        for (day, summary) in day_summaries(view, days) {
            let last = days.start(day.next()) - 1;
            let catalog = history.at(last);
            let entity = EntityRef::new(Kind::Component, "default", service).unwrap();
            let owner = catalog.service(&entity).and_then(|it| catalog.group_of(it));
            let groups =
                owner.into_iter().flat_map(|it| [it].into_iter().chain(catalog.ancestors(it)));
            let class = defined.get(&entity).map(|it| class_at(it, last)).unwrap_or_default();
            if !is_meant(&class) {
                continue;
            }
            let scopes = groups.map(scope_of_group).chain([ORGANIZATION.to_owned()]);
            let scopes: Vec<String> = scopes.collect();
            let classed = scopes.iter().map(|scope| scope_of_class(scope, &class));
            let classed: Vec<String> = classed.filter(|_| !class.is_unknown()).collect();
            for scope in scopes.into_iter().chain(classed).chain([scope_of_service(service)]) {
                sums.entry((scope, i64::from(day.0))).or_default().merge(&summary);
            }
        }
    }
    let kept = sums.into_iter().filter(|(_, summary)| !summary.is_empty());
    kept.map(|(key, summary)| (key, summary.encode())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn sums_by_differences_are_the_sums_of_all_in_any_order(
        (steps, mixed) in steps().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        filter in filters(),
        west in any::<bool>(),
    ) {
        let zone = if west { "EST5EDT,M3.2.0,M11.1.0" } else { "UTC0" };
        let days = Days::new(jiff::tz::TimeZone::posix(zone).unwrap());
        for steps in [&steps, &mixed] {
            let mut stored = Stored::default();
            steps.iter().for_each(|step| stored.take(step, &days));
            prop_assert_eq!(&stored.summaries, &anew(steps, &days));
            let meant = anew_of(steps, &days, |class| filter.matches(class));
            for scope in GROUPS.map(|group| format!("group default/{group}")) {
                prop_assert_eq!(stored.of_classes(&scope, &filter), of_scope(&meant, &scope));
            }
            prop_assert_eq!(stored.of_classes(ORGANIZATION, &filter), of_scope(&meant, ORGANIZATION));
        }
    }
}

#[test]
fn a_service_that_moves_takes_only_the_days_since_then() {
    let days = Days::new(jiff::tz::TimeZone::UTC);
    let defined = |definition: Value, at| {
        Step::Changed(Change {
            entity: serde_json::from_value(definition["entity"].clone()).unwrap(),
            at,
            definition: Some(serde_json::from_value(definition).unwrap()),
        })
    };
    let owned = |by: &str, at| {
        defined(
            json!({"kind": "component", "entity": "component:default/shop", "name": "shop",
            "owner": group_or(by)}),
            at,
        )
    };
    let under_top = |name: &str| {
        defined(
            json!({"kind": "group", "entity": group_or(name), "name": name,
            "parent": "group:default/top"}),
            START,
        )
    };
    let view = ServiceView {
        deployments: (0..6).map(|day| deployment_row(START + day * DAY)).collect(),
        ..ServiceView::default()
    };
    let mut stored = Stored::default();
    let steps = [
        defined(json!({"kind": "group", "entity": "group:default/top", "name": "top"}), START),
        owned("b", START + 2 * DAY + 5),
        under_top("a"),
        Step::Computed("shop", view),
        owned("a", START),
        under_top("b"),
    ];
    steps.iter().for_each(|step| stored.take(step, &days));
    let counts = ["group default/a", "group default/b", "group default/top", ORGANIZATION]
        .map(|scope| stored.of(scope).len());
    assert_eq!(counts, [2, 4, 6, 6]);
}
