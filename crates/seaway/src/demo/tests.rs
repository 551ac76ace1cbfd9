use super::cloudevents;
use super::figures::Durations;
use super::http::Head;
use super::load::Bodies;
use crate::config::Config;
use crate::intake::Reading;
use crate::intake::cloudevents::{Received, receive};
use crate::ledger::Recorded;
use seaway_core::demo::Company;
use std::collections::BTreeSet;
use std::time::Duration;

/// The intake understands each kind of event that the company sends.
#[test]
fn what_the_company_tells_is_understood() {
    let company = Company {
        services: 20,
        days: 60,
        seed: 3,
        changes_per_week: 20,
        start: 1_767_571_200,
        direct: false,
        stories: true,
    };
    let services = company.services();
    let settings = Config::load(None).unwrap().reader_settings();
    let reader = settings.reader();
    let mut kinds = BTreeSet::new();
    for event in company.days().flatten() {
        let body = cloudevents::json(&event, &services[event.service as usize]).to_string();
        let kind = Some("application/cloudevents+json");
        let received = receive(kind, std::iter::empty(), &body.into());
        let Ok(Received::One(event)) = received else { panic!("one event is received") };
        kinds.insert(event.kind.clone());
        let received_at = event.time.unwrap();
        let recorded = Recorded { position: 1, received_at, event };
        match reader.read(&recorded) {
            Reading::Facts(facts) => assert!(!facts.is_empty(), "{}", recorded.event.kind),
            other => panic!("{other:?}: {recorded:?}"),
        }
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

/// More requests than fit into memory can be sent, and those that are made ahead come first.
#[test]
fn requests_are_made_as_they_are_sent() {
    let head = || Head::to("127.0.0.1:7700".parse().unwrap()).unwrap();
    let endless = (0_u64..).map(|number| format!("{number:01000}"));
    let mut bodies = Bodies::of(head(), endless, 1_000);
    for first in (0..300_u64).map(|number| number * 1_000) {
        let request = String::from_utf8(bodies.next().unwrap()).unwrap();
        assert!(request.contains(&format!("[{first:01000},")), "{first}");
    }
    let mut few =
        Bodies::of(head(), ["1".to_owned(), "2".to_owned(), "3".to_owned()].into_iter(), 2);
    assert_eq!((few.by_ref().count(), few.next()), (2, None));
}

#[test]
fn percentiles_are_among_what_was_seen() {
    let durations = Durations::of((1..=200).rev().map(Duration::from_millis).collect());
    assert_eq!(durations.percentile(50), Some(Duration::from_millis(100)));
    assert_eq!(durations.percentile(99), Some(Duration::from_millis(198)));
    assert_eq!(durations.percentile(100), Some(Duration::from_millis(200)));
    assert_eq!(Durations::default().percentile(99), None);
}
