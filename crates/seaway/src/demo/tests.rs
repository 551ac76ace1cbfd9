use super::cloudevents;
use super::figures::Durations;
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

#[test]
fn percentiles_are_among_what_was_seen() {
    let durations = Durations::of((1..=200).rev().map(Duration::from_millis).collect());
    assert_eq!(durations.percentile(50), Some(Duration::from_millis(100)));
    assert_eq!(durations.percentile(99), Some(Duration::from_millis(198)));
    assert_eq!(durations.percentile(100), Some(Duration::from_millis(200)));
    assert_eq!(Durations::default().percentile(99), None);
}
