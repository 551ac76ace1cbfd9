//! Files of catalogs as people write them, and as nobody should.

use super::*;
use crate::ledger::Event;
use seaway_core::catalog::{
    Architecture, Catalog, Definition, EntityRef, FindingKind, History, Kind, Named, Runtime,
    Service, entry,
};
use std::time::{Duration, Instant};

mod folder;
mod hostile;

/// The files of a catalog, called `a.yaml`, `b.yaml` …
fn files<const N: usize>(texts: [&str; N]) -> Vec<(String, String)> {
    let names = (b'a'..).map(|letter| format!("{}.yaml", char::from(letter)));
    names.zip(texts).map(|(name, text)| (name, text.to_owned())).collect()
}

fn read(text: &str) -> Entities {
    read_all(&files([text])).unwrap()
}

/// The problems as people see them.
fn problems<const N: usize>(texts: [&str; N]) -> Vec<String> {
    shown(&read_all(&files(texts)).unwrap_err())
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// A component with these annotations, one a line.
fn component(annotations: &str) -> String {
    let annotations: String = annotations.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: shop\n  \
         annotations:\n{annotations}spec:\n  owner: team-a\n"
    )
}

fn service(text: &str) -> Service {
    let read = read(text);
    match read.definitions.into_iter().next() {
        Some(Definition::Component(service)) => service,
        other => panic!("{other:?}"),
    }
}

const SHOP: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: Shop
  namespace: retail
  title: The Shop
  description: |
    Where customers
    buy things
  annotations:
    github.com/project-slug: Acme/Mono
    backstage.io/source-location: url:https://github.com/acme/mono/tree/main/services/shop/
    backstage.io/managed-by-location: url:https://github.com/acme/catalog/blob/main/all.yaml
    seaway.dev/paths: |
      services/shop
      /libs/*.rs
    seaway.dev/environments: production, production-eu
    seaway.dev/service: shop-api,urn:shop
    seaway.dev/architecture: Microservice
    seaway.dev/runtime: container
    seaway.dev/tier: 1
    seaway.dev/traits: kernel=6.1, dns = route53
spec:
  type: service
  lifecycle: production
  owner: team-a
  system: default/portal
";

#[test]
fn a_component_is_read_with_all_that_it_says() {
    let shop = service(SHOP);
    assert_eq!(shop.entity.to_string(), "component:retail/shop");
    assert_eq!(shop.name, "Shop");
    assert_eq!(shop.title.as_deref(), Some("The Shop"));
    assert_eq!(shop.description.as_deref(), Some("Where customers buy things"));
    assert_eq!(shop.owner.to_string(), "group:retail/team-a");
    assert_eq!(shop.system.unwrap().to_string(), "system:default/portal");
    assert_eq!(shop.form.as_deref(), Some("service"));
    assert_eq!(shop.lifecycle.as_deref(), Some("production"));
    assert_eq!(Vec::from_iter(shop.repositories), ["github.com/acme/mono"]);
    assert_eq!(shop.paths, ["services/shop", "libs/*.rs"]);
    assert_eq!(Vec::from_iter(shop.environments), ["production", "production-eu"]);
    assert_eq!(Vec::from_iter(shop.aliases), ["shop-api", "urn:shop"]);
    assert_eq!(shop.architecture, Some(Architecture::Microservice));
    assert_eq!(shop.runtime, Some(Runtime::Container));
    assert_eq!(shop.tier.map(u8::from), Some(1));
    let traits = Vec::from_iter(shop.traits);
    assert_eq!(traits, [("dns", "route53"), ("kernel", "6.1")].map(|(k, v)| (k.into(), v.into())));
}

#[test]
fn repositories_come_from_slugs_and_locations() {
    for (annotations, repositories) in [
        ("gitlab.com/project-slug: a/b/c", &["gitlab.com/a/b/c"][..]),
        (
            "github.com/project-slug: a/b\n\
             backstage.io/source-location: url:https://github.acme.test/A/B/",
            &["github.acme.test/a/b"],
        ),
        (
            "github.com/project-slug: a/b\n\
             backstage.io/source-location: url:https://git.acme.test/c/d",
            &["git.acme.test/c/d", "github.com/a/b"],
        ),
        (
            "backstage.io/managed-by-location: url:https://github.com/a/b/blob/main/x.yaml",
            &["github.com/a/b"],
        ),
        ("backstage.io/managed-by-location: file:/tmp/catalog-info.yaml", &[]),
        ("backstage.io/source-location: dir:./", &[]),
    ] {
        let found = Vec::from_iter(service(&component(annotations)).repositories);
        assert_eq!(found, repositories, "{annotations}");
    }
}

#[test]
fn groups_users_and_systems_are_read() {
    let read = read(
        "apiVersion: backstage.io/v1alpha1\n\
         kind: Group\n\
         metadata: {name: team-a}\n\
         spec: {type: team, profile: {displayName: Team A}, parent: acme, children: [], members: [jane]}\n\
         ---\n\
         apiVersion: backstage.io/v1beta1\n\
         kind: User\n\
         metadata: {name: jane}\n\
         spec: {profile: {email: jane@acme.test}, memberOf: [team-a, 'group:other/team-b']}\n\
         ---\n\
         ---\n\
         apiVersion: backstage.io/v1alpha1\n\
         kind: System\n\
         metadata: {name: portal}\n\
         spec: {owner: user:jane}\n",
    );
    let json = serde_json::to_string(&read.definitions).unwrap();
    assert_eq!(
        json,
        "[{\"kind\":\"group\",\"entity\":\"group:default/team-a\",\"name\":\"team-a\",\
         \"title\":\"Team A\",\"type\":\"team\",\"parent\":\"group:default/acme\",\
         \"members\":[\"user:default/jane\"]},\
         {\"kind\":\"user\",\"entity\":\"user:default/jane\",\
         \"member_of\":[\"group:default/team-a\",\"group:other/team-b\"]},\
         {\"kind\":\"system\",\"entity\":\"system:default/portal\",\"name\":\"portal\",\
         \"owner\":\"user:default/jane\"}]"
    );
    assert!(read.notes.is_empty());
}

#[test]
fn all_problems_of_all_files_are_told_with_their_lines() {
    let wrong = "\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: -shop-
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: cart
  annotations:
    github.com/project-slug: just-a-name
    seaway.dev/tier: urgent
    seaway.dev/runtime: bare metal
    seaway.dev/traits: a=1, b, a=2
    seaway.dev/paths: [a, b]
spec:
  type: {}
";
    let other = "\
kind: Group
metadata: {name: x}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: web
spec:
  owner: component:shop
  system: resource:db
";
    assert_eq!(
        problems([
            wrong,
            other,
            "a: [1\nb: 2\n---\napiVersion: backstage.io/v1alpha1\nkind: Group"
        ]),
        [
            "a.yaml:4: metadata.name \"-shop-\" cannot be: use at most 63 letters, digits, -, _ \
             and ., with a letter or digit at both ends",
            "a.yaml:11: github.com/project-slug \"just-a-name\" is not of the form owner/name",
            "a.yaml:12: seaway.dev/tier \"urgent\" is none of 0 to 4, critical, high, medium, low, \
             minimal",
            "a.yaml:13: seaway.dev/runtime \"bare metal\" is none of serverless, container, vm",
            "a.yaml:14: seaway.dev/traits tells \"a\" a second time",
            "a.yaml:14: seaway.dev/traits: \"b\" has not the form key=value",
            "a.yaml:15: seaway.dev/paths must be a text",
            "a.yaml:17: spec.owner is missing: name the group that owns this component",
            "a.yaml:17: spec.type must be a text",
            "b.yaml:1: apiVersion is missing: write backstage.io/v1alpha1",
            "b.yaml:9: spec.owner component:default/shop must refer to a group or user",
            "b.yaml:10: spec.system \"resource:db\" refers to a kind other than component, group, \
             system and user",
            "c.yaml:2: illegal placement of ':' indicator",
            "c.yaml:4: metadata.name is missing: give this entity a name",
        ]
    );
}

#[test]
fn an_entity_in_two_files_is_told_with_both_places() {
    let again = SHOP.replace("name: Shop", "name: shop");
    assert_eq!(
        problems([SHOP, &again]),
        ["b.yaml:1: component:retail/shop is defined a second time; first in a.yaml:1"]
    );
}

#[test]
fn what_is_no_entity_is_noted_and_left_out() {
    let read = read(
        "apiVersion: apps/v1\nkind: Deployment\n---\n\
         apiVersion: backstage.io/v1alpha1\nkind: Domain\nmetadata: {name: x}\n---\n\
         apiVersion: backstage.io/v1alpha1\nkind: Squad\nmetadata: {name: y}\n---\n\
         just text\n---\n\
         apiVersion: backstage.io/v1alpha1\nkind: component\n\
         metadata: {name: shop, annotations: {seaway.dev/path: x}}\nspec: {owner: a}\n",
    );
    assert_eq!(read.definitions.len(), 1);
    assert_eq!(
        shown(&read.notes),
        [
            "a.yaml:1: this is no entity of Backstage and was left out: its apiVersion is \
             \"apps/v1\"",
            "a.yaml:9: the kind \"Squad\" is not known here and was left out",
            "a.yaml:12: this is no entity and was left out",
            "a.yaml:16: \"seaway.dev/path\" is not known here; known are seaway.dev/paths, \
             seaway.dev/environments, seaway.dev/service, seaway.dev/architecture, \
             seaway.dev/runtime, seaway.dev/tier, seaway.dev/traits",
        ]
    );
}

#[test]
fn entries_for_what_is_not_in_the_catalog_are_valid_and_lead_back() {
    let repositories = [
        "github.com/acme/shop",
        "github.com/acme/1.0",
        "gitlab.com/a/b/c",
        "git.acme.test:8443/x y/z",
        "/srv/git/shop",
        "shop",
        "github.com/acme/<script>alert(1)</script>",
    ];
    let services = ["shop", "Shop API", "/apis/v1/\"x\": 'y' # z", "yes", "0x10", "größe"];
    for repository in repositories.map(Some).into_iter().chain([None]) {
        for name in services.map(Some).into_iter().chain([None]) {
            let text = entry(repository, name);
            let read = read_all(&files([text.as_str()]));
            let read = read.unwrap_or_else(|it| panic!("{}\n{text}", shown(&it).join("\n")));
            assert!(read.notes.is_empty(), "{:?}\n{text}", shown(&read.notes));
            let catalog = Catalog::of(read.definitions);
            // A repository with a space is none that a URL could lead to.
            if let Some(repository) = repository.filter(|it| !it.contains(' ')) {
                assert_eq!(catalog.services_of_repository(repository).count(), 1, "{text}");
            }
            if let Some(name) = name {
                assert!(matches!(catalog.service_named(name), Named::One(_)), "{text}");
            }
        }
    }
}

/// Events of all changes from what is known to what the files say.
fn events(history: &History, files: &[(String, String)], now: i64) -> Vec<Event> {
    let read = read_all(files).unwrap();
    let changes = history.changes_to(read.definitions.iter().map(|it| (it, None)), now);
    changes.into_iter().map(|change| event_of(change).unwrap()).collect()
}

#[test]
fn the_catalog_is_known_from_its_events_alone() {
    let moved = SHOP.replace("owner: team-a", "owner: team-b");
    let mut log: Vec<Event> = Vec::new();
    let history = |log: &[Event]| {
        let mut history = History::default();
        log.iter().for_each(|event| history.add(change_of(event).unwrap().unwrap()));
        history
    };
    for (now, texts) in [(1_000, files([SHOP])), (2_000, files([&moved])), (3_000, files([""]))] {
        log.extend(events(&history(&log), &texts, now));
        assert!(events(&history(&log), &texts, now + 1).is_empty(), "nothing has changed since");
    }
    let shop = EntityRef::new(Kind::Component, "retail", "shop").unwrap();
    let kept: Vec<_> = log.iter().map(|it| (it.subject.as_deref(), it.time)).collect();
    let subject = Some("component:retail/shop");
    assert_eq!(kept, [1_000, 2_000, 3_000].map(|at: i64| (subject, Some(at * 1_000_000))));
    let owners: Vec<_> = history(&log)
        .owner_periods(&shop)
        .iter()
        .map(|it| it.group.as_ref().map(|group| group.name().to_owned()))
        .collect();
    assert_eq!(owners, [Some("team-a".to_owned()), Some("team-b".to_owned()), None]);
    log.reverse();
    let back = history(&log);
    log.reverse();
    assert_eq!(serde_json::to_vec(&back).unwrap(), serde_json::to_vec(&history(&log)).unwrap());
    let mut ids: Vec<&str> = log.iter().map(|it| it.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn events_that_do_not_fit_are_told() {
    let good = events(&History::default(), &files([SHOP]), 1_000).remove(0);
    assert!(change_of(&good).unwrap().is_ok());
    let foreign = Event { source: "elsewhere".to_owned(), ..good.clone() };
    assert!(change_of(&foreign).is_none());
    let data = String::from_utf8(good.data.to_vec()).unwrap();
    let with = |data: String| change_of(&Event { data: data.into(), ..good.clone() }).unwrap();
    assert!(with("{".to_owned()).unwrap_err().contains("no change of the catalog"));
    assert!(
        with(data.replace(
            "\"entity\":\"component:retail/shop\",\"removed\"",
            "\"entity\":\"component:retail/other\",\"removed\""
        ))
        .unwrap_err()
        .contains("not one of")
    );
    assert!(with(data.replace("false", "true")).unwrap_err().contains("either"));
    assert!(with(data.replace("component:retail/shop", "component:retail/<b>")).is_err());
    assert!(change_of(&Event { time: None, ..good.clone() }).unwrap().is_err());
}

#[test]
fn the_examples_of_the_documentation_are_right() {
    let text = include_str!("../../../../docs/catalog.md");
    let examples = text.split("```yaml\n").skip(1).filter_map(|it| it.split("```").next());
    let files: Vec<(String, String)> =
        examples.enumerate().map(|(n, it)| (format!("example {n}"), it.to_owned())).collect();
    assert_eq!(files.len(), 3);
    let read = read_all(&files).unwrap_or_else(|it| panic!("{}", shown(&it).join("\n")));
    assert!(read.notes.is_empty(), "{:?}", shown(&read.notes));
    let catalog = Catalog::of(read.definitions);
    assert_eq!(catalog.services().count(), 2);
    let findings: Vec<FindingKind> = catalog.findings().iter().map(|it| it.kind).collect();
    // The examples are no whole catalog: `checkout` is in `acme` in one and in `retail` in another.
    assert_eq!(findings, [FindingKind::UnknownSystem, FindingKind::NestingDisagrees]);
}

#[test]
fn real_entities_of_backstage_are_read() {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("SEAWAY_SHARED_DATA").map_or(beside, Into::into);
    let folder = data.join("backstage");
    if !folder.is_dir() {
        assert!(
            std::env::var("SEAWAY_REQUIRE").as_deref() != Ok("all"),
            "{} is missing",
            folder.display()
        );
        println!("skipped: {} is missing", folder.display());
        return;
    }
    let read = read_all(&super::folder::files(&folder).unwrap().texts).unwrap();
    assert!(read.notes.is_empty(), "{:?}", shown(&read.notes));
    assert_eq!(read.definitions.len(), 6);
    let catalog = Catalog::of(read.definitions);
    let Named::One(lookup) = catalog.service_named("artist-lookup") else { panic!("not found") };
    assert_eq!(catalog.group_of(lookup).unwrap().to_string(), "group:default/team-a");
    let kinds: Vec<FindingKind> = catalog.findings().iter().map(|it| it.kind).collect();
    // The groups between the team and the organization are not among the files.
    assert_eq!(kinds, [FindingKind::UnknownParent, FindingKind::UnknownChild]);
    let mut roots: Vec<&str> = catalog.roots().map(|it| it.name.as_str()).collect();
    roots.sort_unstable();
    assert_eq!(roots, ["acme-corp", "team-a"]);
}
