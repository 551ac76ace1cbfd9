//! Journeys of visitors through the pages of a server, in a real browser.

use crate::browser_lang::{Browser, Theme, WIDTHS};
use crate::demo::company;
use crate::serve_lang::{Data, Server};
use crate::serve_openapi::event;
use serde_json::{Value, json};
use std::time::Duration;

/// An event is on an open page within this time.
const LIVE: Duration = Duration::from_secs(2);

/// The first cells of a CSV file's rows, and a column by its name.
fn column(sheet: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(sheet.as_bytes());
    let place = reader.headers().unwrap().iter().position(|it| it == name);
    let place = place.unwrap_or_else(|| panic!("{name} is no column of {sheet}"));
    reader.records().map(|row| row.unwrap()[place].to_owned()).collect()
}

#[test]
fn from_the_overview_to_one_change_by_clicking() {
    let data = Data::new();
    let (server, _) = company(&data);
    let Some(browser) = Browser::visits(&server) else { return };
    browser.open("/");
    let report = server.report("/organization?since=2026-03-06");
    assert!(browser.text("h1").contains("All services"));
    let answer = browser.text(".median .big");
    assert!(!answer.is_empty() && answer != "Nothing to measure yet", "{answer}");
    // Charts are drawn, and what stands in the way is told.
    browser.until("the trend is drawn", || !browser.texts("#trend .plot svg").is_empty());
    let waits = report["waits"]["stages"].as_array().unwrap();
    assert_eq!(browser.texts("#waits tbody tr").len(), waits.len());

    browser.follow("#services", "checkout");
    assert!(browser.place().starts_with("/services/checkout?since="), "{}", browser.place());
    assert_eq!(browser.text("h1"), "checkout");
    // The n of the answer leads to the rows behind it, on the same page.
    let stays = browser.mark("stays");
    browser.evaluate("document.querySelector('.median a[href=\"#changes\"]').click()", Vec::new());
    assert!(browser.place().ends_with("#changes") && browser.has_mark(&stays));

    let newest = server.report("/services/checkout/changes?limit=1")["rows"][0].clone();
    browser.follow("#changes tbody th", newest["subject"].as_str().unwrap());
    let url = format!("/services/checkout/changes/{}", newest["change"].as_str().unwrap());
    assert_eq!(browser.place(), url);
    assert_eq!(browser.text("h1"), newest["subject"].as_str().unwrap());
    let stages = browser.texts("#journey tbody tr").len();
    let known = newest["milestones"].as_object().unwrap().len();
    assert!(stages + 1 >= known, "{stages} stages between {known} milestones");

    // Back by the way at the top.
    browser.follow("nav.way", "checkout").follow("nav.way", "payments");
    assert_eq!(browser.place(), "/groups/payments");
    assert_eq!(browser.texts("#services tbody tr").len(), 4);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn what_is_filtered_can_be_shared_by_its_url() {
    let data = Data::new();
    let (server, _) = company(&data);
    let Some(browser) = Browser::visits(&server) else { return };
    browser.open("/").chooses("[name=architecture]", "microservice");
    browser.chooses("[name=runtime]", "container").sets("[name=since]", "2026-03-01");
    browser.sets("[name=until]", "2026-05-01").presses(".filters button");
    let place = browser.place();
    for part in
        ["architecture=microservice", "runtime=container", "since=2026-03-01", "until=2026-05-01"]
    {
        assert!(place.contains(part), "{part} is not in {place}");
    }
    let services = browser.texts("#services tbody th");
    let wanted = server.report("/services?architecture=microservice&runtime=container");
    assert_eq!(services.len(), wanted["rows"].as_array().unwrap().len());
    assert!(!services.contains(&"warehouse".to_owned()), "{services:?}");

    let other = Browser::visits(&server).expect("as the first one");
    other.open(&place);
    for part in [".hero", "#waits", "#stages tbody", "#dora tbody", "#services tbody"] {
        assert_eq!(other.text(part), browser.text(part), "{part}");
    }
    // The filter goes along to what is waiting, and to services.
    let links = browser.evaluate(
        "return [...document.querySelectorAll('#services tbody a')].map(it => it.getAttribute('href'))",
        Vec::new(),
    );
    let all = links.as_array().unwrap();
    assert!(all.iter().all(|it| it.as_str().unwrap().contains("since=2026-03-01")), "{all:?}");
}

#[test]
fn a_table_is_the_same_as_the_file_that_its_link_brings() {
    let data = Data::new();
    let (server, _) = company(&data);
    let Some(browser) = Browser::visits(&server) else { return };
    browser.open("/in-flight");
    let shown = browser.texts("#waiting tbody th + td a");
    let sheet = browser.downloads("All waiting changes as CSV");
    assert!(!shown.is_empty() && shown.len() < 50, "{}", shown.len());
    assert_eq!(column(&sheet, "subject"), shown);
    assert_eq!(column(&sheet, "service"), browser.texts("#waiting tbody td:nth-of-type(2) a"));

    browser.open("/services/checkout");
    let shown = browser.texts("#changes tbody th a");
    let sheet = browser.downloads("All changes as CSV");
    assert_eq!(column(&sheet, "subject")[..shown.len()], shown);
    let sheet = browser.downloads("All deployments as CSV");
    let shown = browser.texts("#deployments tbody td:nth-of-type(1) a");
    let all = column(&sheet, "name");
    assert!(!shown.is_empty() && shown.iter().all(|it| all.contains(it)));

    browser.open("/?sort=name");
    let shown = browser.texts("#services tbody th a");
    let sheet = browser.downloads("All services as CSV");
    assert_eq!(column(&sheet, "service"), shown);
}

/// A deployment of the newest change of a service, a minute after all that is known.
pub(crate) fn next_deployment(server: &Server, service: &str, name: &str) -> Value {
    let newest = server.report("/organization")["span"]["as_of"].as_str().unwrap().to_owned();
    let newest: jiff::Timestamp = newest.parse().unwrap();
    let finished = (newest + jiff::SignedDuration::from_secs(60)).to_string();
    let change = server.report(&format!("/services/{service}/changes?limit=1"))["rows"][0].clone();
    let repository =
        server.report(&format!("/services/{service}"))["service"]["repository"].clone();
    let content = json!({
        "service": service, "environment": "production", "name": name,
        "repository": format!("https://{}", repository.as_str().unwrap()),
        "revision": change["change"], "startedAt": finished, "finishedAt": finished,
        "outcome": "success",
    });
    event(name, "deployment.finished", name, content)
}

#[test]
fn a_deployment_appears_on_an_open_page_by_itself() {
    let data = Data::new();
    let (server, _) = company(&data);
    let Some(browser) = Browser::visits(&server) else { return };
    browser.open("/");
    let stays = browser.mark("stays");
    let names = || browser.texts("#latest tbody td:nth-of-type(2) a");
    let open = "return performance.getEntriesByType('resource').some(it => it.name.endsWith('/live/deployments'))";
    // The connection is open once the page has asked for the table a first time.
    browser.until("the page listens", || browser.evaluate(open, Vec::new()) == true);
    for name in ["live-1", "live-2"] {
        assert!(!names().contains(&name.to_owned()));
        server.events(&[next_deployment(&server, "search", name)]);
        let took = browser
            .until("the deployment is there", || names().first().is_some_and(|it| it == name));
        assert!(took < LIVE, "{name} took {took:?}");
        assert!(browser.has_mark(&stays), "nobody loaded the page again");
    }
    browser.follow("#latest", "live-2");
    assert_eq!(browser.place(), "/services/search/deployments/production/live-2");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_search_box_finds_services_changes_and_deployments() {
    let data = Data::new();
    let (server, _) = company(&data);
    let Some(browser) = Browser::visits(&server) else { return };
    let search = |words: &str| {
        browser.open("/quality").types(".search input", words).types(".search input", "\u{e007}");
        browser.until("what was found is there", || browser.place().starts_with("/search?q="));
        browser.until("it is shown", || !browser.texts("h1").is_empty());
    };
    search("check");
    browser.follow("#services", "checkout");
    assert!(browser.place().starts_with("/services/checkout"));

    let change = server.report("/services/basket/changes?limit=1")["rows"][0].clone();
    search(&change["change"].as_str().unwrap()[..12]);
    browser.follow("#changes", change["subject"].as_str().unwrap());
    assert!(browser.place().contains(change["change"].as_str().unwrap()));

    search("<img src=x onerror=alert(1)>");
    assert!(browser.text("h1").contains("<img src=x onerror=alert(1)>"), "{}", browser.text("h1"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn pages_are_dark_for_who_prefers_that() {
    let data = Data::new();
    let server = data.serve();
    let Some(browser) = Browser::visits(&server) else { return };
    let ground = || {
        let script =
            "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)";
        let parts = browser.evaluate(script, Vec::new());
        parts.as_array().unwrap().iter().take(3).map(|it| it.as_u64().unwrap()).sum::<u64>()
    };
    browser.open("/");
    let light = ground();
    // At once, on the page that is open.
    browser.shows(WIDTHS[0], Theme::Dark);
    assert!(light > 600 && ground() < 150, "{light} and {}", ground());
}

#[test]
fn pages_tell_all_without_scripts() {
    let data = Data::new();
    let (server, _) = company(&data);
    let Some(with) = Browser::visits(&server) else { return };
    let without = Browser::visits_without_scripts(&server).expect("as the first one");
    for path in ["/", "/services/checkout", "/compare?by=architecture", "/in-flight", "/quality"] {
        with.open(path);
        without.open(path);
        assert_eq!(without.texts("main td"), with.texts("main td"), "{path}");
        assert_eq!(without.text(".hero"), with.text(".hero"), "{path}");
        let charts = without.texts("[data-chart]").len();
        assert!(without.texts(".plot svg").is_empty(), "{path}: a script ran");
        assert_eq!(without.texts("[data-chart] noscript p").len(), charts, "{path}");
    }
    // Forms are sent all the same.
    without.open("/").chooses("[name=architecture]", "monolith");
    without.presses_without_scripts(".filters button");
    assert!(without.place().contains("architecture=monolith"), "{}", without.place());
    assert_eq!(without.texts("#services tbody th"), ["warehouse"]);
}
