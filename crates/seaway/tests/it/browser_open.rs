//! Pages that stay open, and pages on a phone.

use crate::browser::next_deployment;
use crate::browser_lang::{Browser, Theme, WIDTHS, axe};
use crate::demo::company;
use crate::serve_lang::{Data, Server};
use std::time::Duration;

/// A page says within this time that it is of before.
const TOLD: Duration = Duration::from_secs(2);

fn told(browser: &Browser) -> bool {
    browser.texts(".stale").first().is_some_and(|it| !it.is_empty())
}

fn goes_stale(server: &Server, browser: &Browser, path: &str, name: &str, words: &str) {
    browser.open(path);
    let before = browser.text("footer p");
    assert!(!told(browser), "{path}: nothing has moved");
    let stays = browser.mark("stays");
    server.events(&[next_deployment(server, "search", name)]);
    let took = browser.until("the page says so", || told(browser));
    assert!(took < TOLD, "{path}: {took:?}");
    assert!(browser.has_mark(&stays), "what is read stays where it is");
    let text = browser.text(".stale");
    assert!(text.starts_with(words) && text.contains("newer data have arrived"), "{text}");
    browser.follow(".stale", "Show them");
    assert_eq!(browser.place(), path);
    assert_ne!(browser.text("footer p"), before, "it has the newer data");
    assert!(!told(browser), "{path}: it is new");
}

#[test]
fn an_open_page_says_when_its_figures_are_of_before() {
    let data = Data::new();
    let (server, _) = company(&data);
    let Some(browser) = Browser::visits(&server) else { return };
    goes_stale(&server, &browser, "/", "stale-1", "The other figures of this page are of");
    for (n, path) in ["/services/search", "/groups/storefront?since=2026-03-01"].iter().enumerate()
    {
        let words =
            if n == 0 { "This page is of" } else { "The other figures of this page are of" };
        goes_stale(&server, &browser, path, &format!("stale-{}", n + 2), words);
    }
    // A page that nothing has moved under says nothing, though it listens.
    browser.open("/in-flight");
    let is_open = "return new Promise(done => { const it = new EventSource('/live'); \
        it.addEventListener('moved', () => { it.close(); done(true); }); })";
    assert_eq!(browser.evaluate(is_open, Vec::new()), true);
    assert!(!told(&browser));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_phone_is_shown_what_matters_first_and_less() {
    let data = Data::new();
    let (server, _) = company(&data);
    let (Some(browser), Some(axe)) = (Browser::visits(&server), axe()) else { return };
    let open = || {
        let script =
            "return [...document.querySelectorAll('details.on-phones')].map(it => it.open)";
        let all = browser.evaluate(script, Vec::new()).as_array().unwrap().clone();
        assert!(all.len() >= 2, "{all:?}");
        all.iter().filter(|it| **it == true).count()
    };
    let height = || {
        let height = browser.evaluate("return document.scrollingElement.scrollHeight", Vec::new());
        height.as_u64().unwrap()
    };
    browser.shows(WIDTHS[1], Theme::Light);
    browser.open("/").until("tables fold", || open() == 0);
    browser.until("the trend is drawn", || !browser.texts("#trend .plot svg").is_empty());
    assert!(height() < 6_500, "{} pixels of twelve services", height());
    assert_eq!(browser.faults(&axe), Vec::<String>::new());
    // Folded, not gone.
    let folded = height();
    browser.evaluate("document.querySelector('#stages summary').click()", Vec::new());
    browser.until("the table is there", || height() > folded + 300);
    assert_eq!(browser.faults(&axe), Vec::<String>::new());
    // Turned, or on a desk, there is room for all.
    browser.shows(WIDTHS[0], Theme::Light);
    browser.until("tables unfold", || open() > 0);
    assert_eq!(
        browser.evaluate(
            "return document.querySelectorAll('details.on-phones:not([open])').length",
            Vec::new()
        ),
        0
    );
}
