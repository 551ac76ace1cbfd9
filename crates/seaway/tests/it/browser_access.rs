//! Signing in and out, and the tokens, in a real browser.

use crate::access_lang::{ALWAYS, asking};
use crate::browser_lang::{Browser, Theme, WIDTHS, axe};
use crate::serve_lang::Data;

/// What a browser itself says on its console of an answer that lets nobody in.
const REFUSED: [&str; 2] = ["401 (Unauthorized)", "403 (Forbidden)"];

/// A token as it should be, which nobody ever made.
fn unknown_token() -> String {
    format!("seaway_{}", "0".repeat(64))
}

/// Pastes a token into the page to sign in, and sends it.
fn sign_in(browser: &Browser, token: &str) {
    browser.types("main [name=token]", token).presses("main form button");
}

fn complaints(browser: &Browser) -> Vec<String> {
    let all = browser.complaints().into_iter();
    all.filter(|it| !REFUSED.iter().any(|refused| it.contains(refused))).collect()
}

#[test]
fn a_visitor_signs_in_makes_a_token_ends_it_and_signs_out() {
    let (_data, server, admin) = asking(Data::new().setting(ALWAYS));
    let Some(browser) = Browser::visits(&server) else { return };
    // Whatever is asked for, signing in comes first, and a wrong token is told.
    browser.open("/compare?by=tier");
    assert_eq!(browser.place(), "/sign-in?next=%2Fcompare%3Fby%3Dtier");
    for (wrong, why) in [("what?", "is not a token"), (&unknown_token(), "not known")] {
        sign_in(&browser, wrong);
        assert_eq!(browser.text("h1"), "Sign in");
        assert!(browser.text("[role=alert]").contains(why), "{}", browser.text("[role=alert]"));
        let field = "return document.querySelector('main [name=token]').value";
        assert_eq!(browser.evaluate(field, Vec::new()), "", "the wrong token is not there again");
    }
    // Then the page that was asked for first.
    sign_in(&browser, &admin);
    assert_eq!(browser.place(), "/compare?by=tier");
    assert!(browser.text("footer").contains("You are a admin (admin)"));

    browser.follow("footer", "Tokens");
    assert_eq!(
        (browser.place().as_str(), browser.text("h1").as_str()),
        ("/tokens", "1 token is valid")
    );
    browser.types("#make [name=name]", "Board").chooses("#make [name=role]", "viewer");
    browser.presses("#make button");
    assert_eq!(browser.text("h1"), "2 tokens are valid");
    let secret = browser.text(".secret code");
    assert!(secret.starts_with("seaway_") && secret.len() == 71, "{secret}");
    assert!(browser.texts("#tokens tbody th, #tokens tbody td").contains(&"Board".to_owned()));
    // It was shown this one time.
    browser.open("/tokens");
    assert!(!browser.text("body").contains(&secret) && browser.texts(".secret").is_empty());

    // Who has it sees reports, and nothing of tokens.
    let board = Browser::visits(&server).expect("as the first one");
    sign_in(board.open("/quality"), &secret);
    assert_eq!(board.place(), "/quality");
    assert!(board.text("footer").contains("You are Board (viewer)"), "{}", board.text("footer"));
    assert!(!board.texts("a").contains(&"Tokens".to_owned()));
    board.open("/tokens");
    assert_eq!(board.text("h1"), "This is not allowed");
    assert!(board.text("main").contains("needs the role admin, not viewer"));
    assert!(!board.text("body").contains("a admin"), "{}", board.text("body"));

    // Ended from the other browser, it is good for nothing here.
    browser.presses("button[aria-label='Revoke Board']");
    assert_eq!(browser.text("h1"), "1 token is valid");
    assert!(browser.text("#tokens tbody").contains("revoked"));
    board.open("/quality");
    assert_eq!(board.place(), "/sign-in?next=%2Fquality");
    sign_in(&board, &secret);
    assert!(board.text("[role=alert]").contains("revoked"), "{}", board.text("[role=alert]"));

    browser.presses("footer form button");
    assert_eq!(browser.place(), "/sign-in");
    assert!(browser.texts("footer form").is_empty(), "nobody can sign out twice");
    // The button back shows nothing of what was seen.
    browser.evaluate("history.back()", Vec::new());
    browser.until("signing in is asked for", || browser.place() == "/sign-in?next=%2Ftokens");
    for browser in [&browser, &board] {
        assert_eq!(complaints(browser), Vec::<String>::new());
    }
}

#[test]
fn signing_in_needs_no_script() {
    let (_data, server, admin) = asking(Data::new().setting(ALWAYS));
    let Some(browser) = Browser::visits_without_scripts(&server) else { return };
    browser.open("/quality").types("main [name=token]", &admin);
    browser.presses_without_scripts("main form button");
    assert_eq!(browser.place(), "/quality");
    browser.presses_without_scripts("footer form button");
    assert_eq!(browser.place(), "/sign-in");
}

#[test]
fn pages_of_access_are_sound() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    let (Some(browser), Some(axe)) = (Browser::visits(&server), axe()) else { return };
    let long = "<b>release-pipeline-of-the-warehouse-and-all-that-belongs-to-it</b>";
    for (name, role) in [(long, "editor"), ("Grafana", "viewer"), ("ended", "viewer")] {
        data.run(&["token", "create", "--name", name, "--role", role, "--expires", "30d"]);
    }
    data.run(&["token", "revoke", &crate::access_lang::newest_id(&data)]);
    let looks = WIDTHS.into_iter().flat_map(|width| Theme::ALL.map(|theme| (width, theme)));
    let looks: Vec<_> = looks.collect();
    let mut found = Vec::new();
    let mut look = |what: &str, (width, theme): (u32, Theme)| {
        let faults = browser.faults(&axe).into_iter();
        let faults = faults.filter(|it| !REFUSED.iter().any(|refused| it.contains(refused)));
        found.extend(faults.map(|fault| format!("{what} {width} {theme:?}: {fault}")));
    };
    for it @ (width, theme) in looks.iter().copied() {
        browser.shows(width, theme);
        browser.open("/sign-in?next=%2Fquality");
        look("sign in", it);
        sign_in(&browser, "x");
        look("a wrong token", it);
    }
    sign_in(&browser, &admin);
    for it @ (width, theme) in looks.iter().copied() {
        browser.shows(width, theme);
        browser.open("/tokens");
        look("tokens", it);
        let name = format!("made at {width} {theme:?}");
        browser.types("#make [name=name]", &name).presses("#make button");
        look("a new token", it);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
