use super::fixture::{group, reference, service, user};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn groups(groups: impl IntoIterator<Item = Group>) -> Catalog {
    Catalog::of(groups.into_iter().map(Definition::Group))
}

fn services(services: impl IntoIterator<Item = Service>) -> Catalog {
    Catalog::of(services.into_iter().map(Definition::Component))
}

fn ancestors(catalog: &Catalog, name: &str) -> Vec<String> {
    let group = reference(Kind::Group, name);
    catalog.ancestors(&group).map(|it| it.name().to_owned()).collect()
}

fn found(catalog: &Catalog) -> Vec<(FindingKind, &str, &str)> {
    catalog.findings().iter().map(|it| (it.kind, it.subject.name(), it.about.as_str())).collect()
}

#[test]
fn references_take_what_is_missing_from_where_they_stand() {
    let parse =
        |text: &str| EntityRef::parse(text, Kind::Group, "payments").map(|it| it.to_string());
    assert_eq!(parse("team-a").unwrap(), "group:payments/team-a");
    assert_eq!(parse("Default/Team-A").unwrap(), "group:default/team-a");
    assert_eq!(parse("User:jane").unwrap(), "user:payments/jane");
    assert_eq!(parse("USER:default/Jane.Doe").unwrap(), "user:default/jane.doe");
    assert_eq!(parse("resource:db").unwrap_err(), BadReference::Kind);
    for text in ["", ":", "/", "a b", "a/b/c", "group:", "a:b:c", "-a", "a-", "<script>", "é"] {
        assert_eq!(parse(text).unwrap_err(), BadReference::Form, "{text}");
    }
    assert_eq!(parse(&"x".repeat(NAME_MAX)).unwrap().len(), "group:payments/".len() + NAME_MAX);
    assert!(parse(&"x".repeat(NAME_MAX + 1)).is_err());
    assert!(!is_namespace("a.b") && is_namespace("a-b"));
}

#[test]
fn tiers_are_numbers_or_words() {
    let tier = |text| Tier::of(text).map(Tier::number);
    assert_eq!(["0", "4", "critical", "Minimal"].map(tier), [Some(0), Some(4), Some(0), Some(4)]);
    assert_eq!(["5", "-1", "", "1.0", "urgent"].map(tier), [None; 5]);
}

#[test]
fn groups_nest_by_what_parents_or_children_say() {
    let catalog = groups([
        group("acme", None, &["infra"]),
        group("infra", None, &[]),
        group("team-a", Some("infra"), &[]),
        group("team-b", Some("infra"), &["nobody"]),
    ]);
    assert_eq!(ancestors(&catalog, "team-a"), ["infra", "acme"]);
    let roots: Vec<&str> = catalog.roots().map(|it| it.name.as_str()).collect();
    assert_eq!(roots, ["acme"]);
    let infra = reference(Kind::Group, "infra");
    let children: Vec<&str> = catalog.children(&infra).iter().map(EntityRef::name).collect();
    assert_eq!(children, ["team-a", "team-b"]);
    assert_eq!(found(&catalog), [(FindingKind::UnknownChild, "team-b", "group:default/nobody")]);
}

#[test]
fn parents_and_children_that_disagree_are_told() {
    let catalog = groups([
        group("a", None, &["c", "d"]),
        group("b", None, &["d", "other"]),
        group("c", Some("b"), &[]),
        group("d", None, &[]),
        group("e", Some("gone"), &[]),
        group("other", Some("b"), &[]),
    ]);
    assert_eq!(ancestors(&catalog, "c"), ["b"]);
    assert_eq!(ancestors(&catalog, "d"), ["a"]);
    assert!(ancestors(&catalog, "e").is_empty());
    assert_eq!(
        found(&catalog),
        [
            (FindingKind::UnknownParent, "e", "group:default/gone"),
            (FindingKind::NestingDisagrees, "c", "group:default/a"),
            (FindingKind::NestingDisagrees, "c", "group:default/b"),
            (FindingKind::SeveralParents, "d", "group:default/a, group:default/b"),
        ]
    );
}

#[test]
fn circles_are_broken_at_their_first_group() {
    let catalog = groups([
        group("x", Some("z"), &[]),
        group("y", Some("x"), &[]),
        group("z", Some("y"), &[]),
        group("below", Some("z"), &[]),
        group("self", Some("self"), &[]),
    ]);
    assert_eq!(ancestors(&catalog, "below"), ["z", "y", "x"]);
    assert!(ancestors(&catalog, "self").is_empty());
    let circle = "group:default/x, group:default/z, group:default/y";
    assert_eq!(
        found(&catalog),
        [(FindingKind::Circle, "self", "group:default/self"), (FindingKind::Circle, "x", circle)]
    );
}

proptest! {
    /// Every group has an end to its ancestors, and only circles and unknown parents lose links.
    #[test]
    fn any_parents_make_trees(parents in prop::collection::vec(prop::option::of(0_usize..14), 12)) {
        let name = |n: usize| format!("g{n:02}");
        let catalog = groups(parents.iter().enumerate().map(|(n, parent)| {
            group(&name(n), parent.map(name).as_deref(), &[])
        }));
        let circles = found(&catalog).iter().filter(|it| it.0 == FindingKind::Circle).count();
        let unknown = parents.iter().flatten().filter(|&&it| it >= parents.len()).count();
        let roots = parents.iter().filter(|it| it.is_none()).count();
        prop_assert_eq!(catalog.roots().count(), roots + unknown + circles);
        for n in 0..parents.len() {
            prop_assert!(ancestors(&catalog, &name(n)).len() < parents.len());
        }
        // A circle is where following the parents as often as there are groups leads back.
        let follow = |n: usize, times: usize| (0..times).try_fold(n, |at, _| {
            parents.get(at).copied().flatten()
        });
        let on_circles = (0..parents.len()).filter(|&n| {
            (1..=parents.len()).any(|times| follow(n, times) == Some(n))
        });
        prop_assert_eq!(on_circles.count() > 0, circles > 0);
    }
}

#[test]
fn services_are_found_by_their_repositories() {
    let mut shop = service("shop", "team-a");
    shop.repositories = ["github.com/acme/mono".to_owned()].into();
    let mut cart = service("cart", "team-b");
    cart.repositories =
        ["github.com/acme/mono".to_owned(), "github.com/acme/cart".to_owned()].into();
    let catalog = services([shop, cart]);
    let of = |url| -> Vec<&str> {
        catalog.services_of_repository(url).map(|it| it.name.as_str()).collect()
    };
    assert_eq!(of("git@github.com:Acme/mono.git"), ["cart", "shop"]);
    assert_eq!(of("github.com/acme/cart"), ["cart"]);
    assert!(of("github.com/acme/other").is_empty());
}

#[test]
fn a_name_in_a_source_means_one_service_or_is_told() {
    let mut claimed = service("payments/api", "team-a");
    claimed.aliases = ["API".to_owned(), "urn:shop api".to_owned(), "both".to_owned()].into();
    let mut other = service("web", "team-a");
    other.aliases = ["both".to_owned()].into();
    let catalog = services([
        claimed,
        other,
        service("api", "team-a"),
        service("cart", "team-a"),
        service("payments/cart", "team-a"),
    ]);
    let named = |name: &str| match catalog.service_named(name) {
        Named::One(service) => service.entity.to_string(),
        Named::Unknown => "unknown".to_owned(),
        Named::Ambiguous(of) => format!("{} of them", of.len()),
    };
    assert_eq!(named(" Web "), "component:default/web");
    assert_eq!(named("api"), "component:payments/api");
    assert_eq!(named("default/API"), "component:default/api");
    assert_eq!(named("component:payments/cart"), "component:payments/cart");
    assert_eq!(named("component:cart"), "component:default/cart");
    assert_eq!(named("URN:shop API"), "component:payments/api");
    assert_eq!(named("cart"), "2 of them");
    assert_eq!(named("both"), "2 of them");
    assert_eq!(named("user:default/web"), "unknown");
    assert_eq!(named(""), "unknown");
    let names: Vec<_> =
        found(&catalog).into_iter().filter(|it| it.0 != FindingKind::UnknownOwner).collect();
    assert_eq!(
        names,
        [
            (FindingKind::AmbiguousName, "cart", "cart"),
            (FindingKind::AmbiguousName, "web", "both"),
            (FindingKind::AmbiguousName, "api", "both"),
            (FindingKind::AmbiguousName, "cart", "cart"),
            (FindingKind::HiddenName, "api", "api"),
        ]
    );
}

#[test]
fn what_a_user_owns_is_owned_by_their_group() {
    let mut listing = group("team-b", None, &[]);
    listing.members = [reference(Kind::User, "joe")].into();
    let catalog = Catalog::of([
        Definition::Group(group("team-a", Some("team-b"), &[])),
        Definition::Group(listing),
        Definition::User(user("jane", &["team-a", "team-b"])),
        Definition::User(user("lone", &[])),
        Definition::Component(service("one", "user:jane")),
        Definition::Component(service("two", "user:joe")),
        Definition::Component(service("three", "user:lone")),
        Definition::Component(service("four", "user:nobody")),
        Definition::Component(service("five", "no-team")),
    ]);
    let owner = |name| {
        let service = catalog.service(&reference(Kind::Component, name)).unwrap();
        catalog.group_of(service).map(EntityRef::name)
    };
    assert_eq!(
        ["one", "two", "three", "four", "five"].map(owner),
        [Some("team-a"), Some("team-b"), None, None, Some("no-team")]
    );
    let under: Vec<&str> = catalog
        .services_under(&reference(Kind::Group, "team-b"))
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(under, ["two", "one"]);
    assert_eq!(
        found(&catalog),
        [
            (FindingKind::UnknownOwner, "five", "group:default/no-team"),
            (FindingKind::UnknownOwner, "four", "user:default/nobody"),
            (FindingKind::OwnerWithoutGroup, "three", "user:default/lone"),
        ]
    );
}

#[test]
fn a_service_that_moved_belongs_to_its_old_group_before() {
    let mut history = History::default();
    let june = 1_780_272_000;
    let shop = reference(Kind::Component, "shop");
    let defined = |owner| Definition::Component(service("shop", owner));
    for (at, definition) in
        [(june, Some(defined("team-b"))), (june - 5_000, Some(defined("team-a"))), (june + 7, None)]
    {
        history.add(Change { entity: shop.clone(), at, definition });
    }
    let periods: Vec<_> = history
        .owner_periods(&shop)
        .into_iter()
        .map(|it| (it.from, it.to, it.group.map(|group| group.name().to_owned())))
        .collect();
    assert_eq!(
        periods,
        [
            (None, Some(june), Some("team-a".to_owned())),
            (Some(june), Some(june + 7), Some("team-b".to_owned())),
            (Some(june + 7), None, None),
        ]
    );
    assert_eq!(history.at(0).services().count(), 1);
    assert_eq!(history.latest().services().count(), 0);
    assert!(history.owner_periods(&reference(Kind::Component, "other")).is_empty());
}

#[test]
fn changes_lead_to_what_is_wanted_even_when_the_clock_goes_back() {
    let mut history = History::default();
    let one = [Definition::Component(service("shop", "team-a"))];
    let two = [
        Definition::Component(service("shop", "team-b")),
        Definition::Group(group("team-b", None, &[])),
    ];
    for (wanted, now) in [(&one[..], 1_000), (&two[..], 1_000), (&[], 900), (&one[..], 900)] {
        let told = || wanted.iter().map(|definition| (definition, None));
        let changes = history.changes_to(told(), now);
        assert!(!changes.is_empty());
        changes.into_iter().for_each(|change| history.add(change));
        assert_eq!(history.latest(), Catalog::of(wanted.iter().cloned()));
        assert!(history.changes_to(told(), now).is_empty());
    }
}

#[test]
fn a_change_counts_from_when_it_was_written_unless_that_cannot_be() {
    let mut history = History::default();
    let owned_by = |owner| Definition::Component(service("shop", owner));
    for (owner, written, now, expected) in [
        ("team-a", Some(500), 1_000, 500),
        ("team-b", Some(700), 2_000, 700),
        ("team-a", Some(700), 3_000, 3_000),
        ("team-b", Some(4_001), 4_000, 4_000),
        ("team-a", Some(i64::MAX), i64::MIN, 4_001),
        ("team-b", Some(i64::MIN), 5_000, 5_000),
        ("team-a", None, 6_000, 6_000),
    ] {
        let changes = history.changes_to([(&owned_by(owner), written)], now);
        assert_eq!(changes.iter().map(|it| it.at).collect::<Vec<_>>(), [expected]);
        changes.into_iter().for_each(|change| history.add(change));
        assert!(history.changes_to([(&owned_by(owner), Some(now))], now).is_empty());
    }
    assert_eq!(history.changes_to([], 7_000)[0].at, 7_000, "nobody writes down that it is gone");
}

/// Any of a few definitions of a few entities, taken out as well.
fn any_change() -> impl Strategy<Value = Change> {
    let owner = prop::sample::select(vec!["team-a", "team-b", "user:jane", "user:joe"]);
    let component = (prop::sample::select(vec!["shop", "cart"]), owner)
        .prop_map(|(name, owner)| Definition::Component(service(name, owner)));
    let groups = prop::sample::subsequence(vec!["team-a", "team-b"], 0..=2);
    let person = (prop::sample::select(vec!["jane", "joe"]), groups)
        .prop_map(|(name, groups)| Definition::User(user(name, &groups)));
    let members = prop::sample::subsequence(vec!["jane", "joe"], 0..=2);
    let team =
        (prop::sample::select(vec!["team-a", "team-b"]), members).prop_map(|(name, members)| {
            let mut team = group(name, None, &[]);
            team.members = members.iter().map(|it| reference(Kind::User, it)).collect();
            Definition::Group(team)
        });
    (prop_oneof![component, person, team], 0_i64..8, prop::bool::weighted(0.8)).prop_map(
        |(definition, at, kept)| Change {
            entity: definition.reference().clone(),
            at,
            definition: kept.then_some(definition),
        },
    )
}

/// What an entity was at a moment, read from the plain list of changes.
fn naive(changes: &[Change], entity: &EntityRef, moment: i64) -> Option<Definition> {
    let mut own: Vec<&Change> = changes.iter().filter(|it| it.entity == *entity).collect();
    own.sort_by(|a, b| (a.at, &a.definition).cmp(&(b.at, &b.definition)));
    let mut last: BTreeMap<i64, Option<Definition>> = BTreeMap::new();
    own.iter().for_each(|it| drop(last.insert(it.at, it.definition.clone())));
    let defined: Vec<_> = last.into_iter().skip_while(|(_, it)| it.is_none()).collect();
    let before = defined.iter().rev().find(|(at, _)| *at <= moment);
    before.or(defined.first()).and_then(|(_, definition)| definition.clone())
}

proptest! {
    #[test]
    fn any_order_gives_the_same_history(
        (changes, mixed) in prop::collection::vec(any_change(), 0..24)
            .prop_flat_map(|it| (Just(it.clone()), Just([it.clone(), it].concat()).prop_shuffle()))
    ) {
        let (mut one, mut two) = (History::default(), History::default());
        changes.into_iter().for_each(|it| one.add(it));
        mixed.into_iter().for_each(|it| two.add(it));
        let bytes = serde_json::to_vec(&one).unwrap();
        prop_assert_eq!(&bytes, &serde_json::to_vec(&two).unwrap());
        prop_assert_eq!(&serde_json::from_slice::<History>(&bytes).unwrap(), &one);
        prop_assert_eq!(one, two);
    }

    #[test]
    fn the_catalog_at_a_moment_is_what_a_naive_reading_says(
        changes in prop::collection::vec(any_change(), 0..24), moment in -1_i64..10
    ) {
        let mut history = History::default();
        changes.iter().cloned().for_each(|it| history.add(it));
        let mut entities: Vec<EntityRef> = changes.iter().map(|it| it.entity.clone()).collect();
        entities.sort();
        entities.dedup();
        let expected = entities.iter().filter_map(|entity| naive(&changes, entity, moment));
        prop_assert_eq!(history.at(moment), Catalog::of(expected));
    }

    #[test]
    fn owner_periods_say_what_the_catalog_says_at_every_moment(
        changes in prop::collection::vec(any_change(), 0..24)
    ) {
        let mut history = History::default();
        changes.into_iter().for_each(|it| history.add(it));
        for name in ["shop", "cart"] {
            let entity = reference(Kind::Component, name);
            let periods = history.owner_periods(&entity);
            for pair in periods.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
                prop_assert_ne!(&pair[0].group, &pair[1].group);
            }
            for moment in -1..10 {
                let catalog = history.at(moment);
                let expected = catalog.service(&entity).and_then(|it| catalog.group_of(it));
                let within = |it: &&OwnerPeriod| {
                    it.from.is_none_or(|from| from <= moment) && it.to.is_none_or(|to| moment < to)
                };
                let period = periods.iter().find(within);
                prop_assert_eq!(period.and_then(|it| it.group.as_ref()), expected);
            }
        }
    }
}

#[test]
fn classes_have_names_of_their_own() {
    let names: std::collections::BTreeSet<String> =
        Class::all().map(|class| class.to_string()).collect();
    assert_eq!(names.len(), 4 * 4 * 6);
    assert_eq!(Class::all().filter(Class::is_unknown).count(), 1);
    let class = Class {
        architecture: Some(Architecture::Monolith),
        runtime: None,
        tier: Tier::of("critical"),
    };
    assert_eq!(class.to_string(), "monolith,unknown,0");
}

#[test]
fn filters_mean_any_of_the_values_and_all_of_the_kinds() {
    let of = |tier: &str, runtime| Class { runtime, tier: Tier::of(tier), ..Class::default() };
    let container = Some(Runtime::Container);
    let classes = [of("0", container), of("1", None), of("2", container), Class::default()];
    let matching = |filter: &ClassFilter| classes.map(|class| filter.matches(&class));
    let mut filter = ClassFilter::default();
    assert!(filter.is_any());
    assert_eq!(matching(&filter), [true; 4]);
    filter.tiers = [Tier::of("0"), Tier::of("1")].into();
    assert_eq!(matching(&filter), [true, true, false, false]);
    filter.runtimes = [container].into();
    assert_eq!(matching(&filter), [true, false, false, false]);
    filter = ClassFilter { runtimes: [None].into(), ..ClassFilter::default() };
    assert_eq!(matching(&filter), [false, true, false, true]);
}

#[test]
fn the_first_word_on_a_service_counts_for_the_time_before() {
    let mut history = History::default();
    let entity = reference(Kind::Component, "shop");
    let mut define = |at, said: Option<(Option<Architecture>, &str)>| {
        let definition = said.map(|(architecture, tier)| {
            Definition::Component(Service {
                architecture,
                tier: Tier::of(tier),
                ..service("shop", "a")
            })
        });
        history.add(Change { entity: entity.clone(), at, definition });
    };
    define(10, Some((None, "1")));
    define(20, Some((Some(Architecture::Monolith), "1")));
    define(30, Some((Some(Architecture::Microservice), "1")));
    define(40, Some((None, "0")));
    define(50, None);
    let told: Vec<(Option<i64>, String)> = history
        .class_periods(&entity)
        .into_iter()
        .map(|period| (period.from, period.class.to_string()))
        .collect();
    assert_eq!(
        told,
        [
            (None, "monolith,unknown,1".to_owned()),
            (Some(30), "microservice,unknown,1".to_owned()),
            (Some(40), "unknown,unknown,0".to_owned()),
            (Some(50), "unknown,unknown,unknown".to_owned()),
        ]
    );
    assert_eq!(history.class_periods(&reference(Kind::Component, "none")), []);
}
