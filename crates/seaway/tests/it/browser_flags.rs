//! Flags in a real browser: from the list to a flag, off and on, and an edit to its end.

use crate::browser_lang::{Browser, Theme, WIDTHS, axe};
use crate::pages_flags::{put, shop, tenth};
use crate::serve_lang::{Data, Server};
use serde_json::{Value, json};

fn state(server: &Server, key: &str) -> Value {
    server.get(&format!("/api/v1/flags/production/{key}")).json()
}

/// What is in the field of the definition.
fn typed(browser: &Browser) -> String {
    let script = "return document.querySelector('textarea').value";
    browser.evaluate(script, Vec::new()).as_str().unwrap().to_owned()
}

#[test]
fn an_editor_turns_a_flag_off_and_on_edits_it_and_takes_it_back() {
    let data = Data::new();
    let server = data.serve();
    shop(&server);
    let Some(browser) = Browser::visits(&server) else { return };
    browser.open("/").follow("nav.main", "Flags");
    assert_eq!(browser.text("h1"), "4 flags in all; 1 is turned off, 1 is stale");
    browser.chooses("[name=environment]", "production").chooses("[name=purpose]", "release");
    browser.presses(".filters button");
    assert_eq!(browser.text("h1"), "1 flag like that; 1 is stale");
    browser.follow("#flags", "new-basket");
    assert_eq!(browser.text(".big"), "On for some, and for a tenth of all others");

    // One click, and it is off.
    browser.presses(".switch button");
    assert_eq!(
        (browser.text(".big").as_str(), &state(&server, "new-basket")["state"]),
        ("Off for everyone", &json!("off"))
    );
    browser.types(".switch [name=reason]", "it was the other one").presses(".switch button");
    assert_eq!(browser.text(".big"), "On for some, and for a tenth of all others");
    assert!(
        browser.text(".evidence").contains("because “it was the other one”"),
        "{}",
        browser.text(".evidence")
    );

    browser.follow("#definition", "Edit the definition");
    assert_eq!(serde_json::from_str::<Value>(&typed(&browser)).unwrap(), tenth());
    let half =
        typed(&browser).replace("[\"on\", 10], [\"off\", 90]", "[\"on\", 50], [\"off\", 50]");
    browser.sets("textarea", &half).types("[name=reason]", "no errors in a week");
    browser.presses(".edit button[value=preview]");
    assert_eq!(browser.text(".big"), "On for some, and for half of all others");
    assert!(browser.text("#preview").contains("Nobody was seen lately"));
    // Changed after it was looked at, it is looked at again.
    browser.sets("textarea", &half.replace("50]", "25]")).presses(".edit button[value=save]");
    assert!(browser.text(".hero .evidence").contains("look again"), "{}", browser.text(".hero"));
    browser.sets("textarea", &half).presses(".edit button[value=preview]");
    // Somebody else is faster.
    put(&server, "production/new-basket", &tenth(), "meanwhile");
    browser.presses(".edit button[value=save]");
    assert!(browser.text("[role=alert]").contains("It was not saved."));
    assert_eq!(typed(&browser), half);
    browser.presses(".edit button[value=preview]").presses(".edit button[value=save]");
    assert_eq!(browser.place(), "/flags/production/new-basket");
    assert_eq!(browser.text(".big"), "On for some, and for half of all others");
    assert_eq!(state(&server, "new-basket")["reason"], "no errors in a week");

    browser.presses("button[aria-label='Restore revision 1']");
    assert_eq!(browser.text(".big"), "Off for everyone");
    assert_eq!(state(&server, "new-basket")["revision"], 7);
    assert!(browser.text("#life h3").contains("is off now"), "{}", browser.text("#life h3"));
    let complaints = browser.complaints();
    // The browser itself tells of the answer to the one who was too late.
    let complaints: Vec<_> = complaints.iter().filter(|it| !it.contains("412")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn no_script_is_needed_for_any_of_it() {
    let data = Data::new();
    let server = data.serve();
    shop(&server);
    let Some(browser) = Browser::visits_without_scripts(&server) else { return };
    browser.open("/flags/production/new-basket/edit");
    browser
        .types("[name=reason]", "as it is")
        .presses_for(".edit button[value=preview]", ".edit button[value=save]");
    browser.presses_without_scripts(".edit button[value=save]");
    assert_eq!(browser.place(), "/flags/production/new-basket");
    let now = state(&server, "new-basket");
    assert_eq!((&now["revision"], &now["reason"]), (&json!(3), &json!("as it is")));
    assert_eq!(now["definition"], tenth());
}

#[test]
fn pages_of_flags_are_sound() {
    let data = Data::new();
    let server = data.serve();
    shop(&server);
    let long = format!("a-{}", "very-".repeat(60));
    let evil = "<b>&\"'\u{202e}";
    let deep = json!({
        "state": "ENABLED", "variants": { evil: evil, long.as_str(): long }, "defaultVariant": evil,
        "targeting": { "if": [{ "==": [{ "var": long }, long] }, evil, { "cat": [long] }] },
        "metadata": { "owner": long, "purpose": "release", "expires": "2020-01-01" },
    });
    put(&server, &format!("production/{long}"), &deep, &long);
    put(
        &server,
        &format!("production/{long}"),
        &json!({ "state": "ENABLED", "variants": { "a": 1 } }),
        "",
    );
    let (Some(browser), Some(axe)) = (Browser::visits(&server), axe()) else { return };
    let mut found = Vec::new();
    let looks = WIDTHS.into_iter().flat_map(|width| Theme::ALL.map(|theme| (width, theme)));
    for (width, theme) in looks {
        for path in [
            "/flags",
            "/flags?state=off&q=zzz",
            "/flags?sort=owner",
            "/flags/production/new-basket",
            "/flags/production/card-payments",
            "/flags/production/button-colour",
            "/flags/production/new-basket/edit",
            &format!("/flags/production/{long}"),
        ] {
            let faults = browser.faults_of(path, width, theme, &axe);
            found.extend(faults.into_iter().map(|it| format!("{path} {width} {theme:?}: {it}")));
        }
        let mut look = |what: &str| {
            let faults = browser.faults(&axe).into_iter();
            let faults = faults.filter(|it| !it.contains("412") && !it.contains("422"));
            found.extend(faults.map(|it| format!("{what} {width} {theme:?}: {it}")));
        };
        browser.open("/flags/production/new-basket/edit").presses(".edit button[value=preview]");
        look("the preview");
        browser.sets("textarea", "{\"state\": 1}").presses(".edit button[value=preview]");
        look("what is wrong");
        browser.open("/flags/production/new-basket/edit");
        browser.sets("[name=base]", "1").presses(".edit button[value=preview]");
        look("a conflict");
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
