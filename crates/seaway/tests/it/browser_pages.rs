//! What every page keeps to, looked at in a real browser: no errors, no breach of the policy, no
//! scrolling sideways on a phone, no serious barrier to anybody.

use crate::browser_lang::{Browser, Theme, WIDTHS, axe};
use crate::demo::company;
use crate::serve_lang::{Data, Server};
use crate::serve_openapi::{filled, hash, with_catalog};

/// How long a visitor may wait to see something.
const PAINT: f64 = 1_000.0;

/// Looks at pages wide and narrow, light and dark.
fn all_are_sound(browser: &Browser, axe: &str, paths: &[String]) {
    let mut found = Vec::new();
    for path in paths {
        for (width, theme) in WIDTHS.into_iter().flat_map(|it| Theme::ALL.map(|theme| (it, theme)))
        {
            let faults = browser.faults_of(path, width, theme, axe);
            // The browser itself tells of pages that are not there.
            let faults = faults.into_iter().filter(|it| !it.contains("404 (Not Found)"));
            found.extend(faults.map(|fault| format!("{path} {width} {theme:?}: {fault}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The pages of a company that is at work.
fn of_the_demo(server: &Server) -> Vec<String> {
    let change = |path: &str| {
        let row = server.report(path)["rows"][0].clone();
        let (service, change) = (row["service"].as_str().unwrap(), row["change"].as_str().unwrap());
        format!("/services/{service}/changes/{change}")
    };
    let rows = server.report("/services/checkout/deployments?limit=1000")["rows"].clone();
    let rows = rows.as_array().unwrap();
    let failed = rows.iter().find(|it| !it["failed_by"].is_null()).unwrap_or(&rows[0]);
    let deployment = failed["name"].as_str().unwrap();
    [
        "/",
        "/?since=2026-03-01&until=2026-05-01&architecture=function",
        "/groups/payments",
        "/services/checkout",
        "/services/warehouse",
        "/compare",
        "/compare?by=service",
        "/in-flight",
        &change("/services/checkout/changes?limit=1"),
        &change("/waiting?limit=1"),
        &format!("/services/checkout/deployments/production/{deployment}"),
        "/quality",
        "/search?q=check",
        "/services/none",
    ]
    .map(str::to_owned)
    .into()
}

#[test]
fn every_page_of_the_demo_is_sound() {
    let data = Data::new();
    let (server, _) = company(&data);
    let (Some(browser), Some(axe)) = (Browser::visits(&server), axe()) else { return };
    all_are_sound(&browser, &axe, &of_the_demo(&server));
    browser.shows(WIDTHS[0], Theme::Light);
    for path in ["/", "/services/checkout"] {
        let script = "return performance.getEntriesByType('paint').map(it => it.startTime)";
        let paints = || browser.evaluate(script, Vec::new()).as_array().unwrap().clone();
        browser.open(path).until("it is painted", || !paints().is_empty());
        let took = paints()[0].as_f64().unwrap();
        eprintln!("first paint of {path}: {took} ms");
        assert!(took < PAINT, "{path}: {took} ms");
    }
}

/// Data with gaps, markup in its names, and all that can be wrong.
#[test]
fn pages_with_findings_are_sound_too() {
    let data = with_catalog();
    let server = filled(&data);
    let (Some(browser), Some(axe)) = (Browser::visits(&server), axe()) else { return };
    let kinds = server.report("/quality")["findings"].clone();
    let kinds = kinds.as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap().to_owned());
    let mut paths: Vec<String> = kinds.map(|kind| format!("/quality?kind={kind}")).collect();
    assert!(!paths.is_empty());
    paths.extend(
        ["/", "/services/shop", "/in-flight", "/quality", "/search?q=zzzz"].map(str::to_owned),
    );
    let of = |name: &str| format!("/services/shop/deployments/production/{name}");
    paths.extend(["second", "odd", "running", "back"].map(of));
    paths.extend([4, 6].map(|number| format!("/services/shop/changes/{}", hash(number))));
    all_are_sound(&browser, &axe, &paths);
}

#[test]
fn an_empty_server_is_sound_too() {
    let data = Data::new();
    let server = data.serve();
    let (Some(browser), Some(axe)) = (Browser::visits(&server), axe()) else { return };
    let paths = ["/", "/compare", "/in-flight", "/quality", "/search?q=", "/nothing"];
    all_are_sound(&browser, &axe, &paths.map(str::to_owned));
}

/// Each fault that pages are held against is seen where it is made on purpose.
#[test]
fn faults_are_seen() {
    let data = Data::new();
    let server = data.serve();
    let (Some(browser), Some(axe)) = (Browser::visits(&server), axe()) else { return };
    let made = |script: &str| {
        browser.shows(WIDTHS[1], Theme::Light);
        browser.open("/");
        browser.complaints();
        browser.evaluate(script, Vec::new());
        browser.faults(&axe)
    };
    assert_eq!(made(""), Vec::<String>::new());
    for (script, fault) in [
        ("document.querySelector('h1').style.color = '#ccd'", "color-contrast"),
        (
            "document.querySelector('.search input').removeAttribute('aria-label'); \
          document.querySelector('.search input').removeAttribute('placeholder')",
            "label (critical)",
        ),
        (
            "document.querySelector('main').innerHTML = '<p onclick=\"x()\">x</p>'",
            "Content Security Policy",
        ),
        (
            "const it = document.createElement('script'); it.textContent = '1'; document.body.append(it)",
            "Content Security Policy",
        ),
        (
            "const it = new Image(); it.src = 'http://127.0.0.1:9/x.png'; document.body.append(it)",
            "Content Security Policy",
        ),
        ("document.querySelector('main').style.width = '600px'", "it scrolls sideways"),
        ("console.error('it broke')", "it broke"),
    ] {
        let faults = made(script);
        assert!(faults.iter().any(|it| it.contains(fault)), "{script}: {faults:?}");
    }
}
