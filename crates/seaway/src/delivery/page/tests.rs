use super::render;
use super::sample::{empty, sample};
use seaway_core::delivery::report::{CalendarDay, CurvePoint, Estimate};

/// The page without the scripts and styles of Seaway itself.
fn own_part(page: &str) -> String {
    let style = page.find("<style>").unwrap()..page.find("</style>").unwrap();
    let library = page.find("<script nonce").unwrap_or(page.len());
    format!("{}{}", &page[..style.start], &page[style.end..library]).replace('\u{a0}', " ")
}

/// Writes the page where a person asks for it, to look at it in a browser.
fn keep(name: &str, page: &str) {
    if let Ok(folder) = std::env::var("SEAWAY_TEST_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(name), page).unwrap();
    }
}

#[test]
fn the_page_is_one_file_below_its_bound() {
    let page = render(&sample());
    keep("sample.html", &page);
    assert!(page.len() < 6_000_000, "{} bytes", page.len());
}

#[test]
fn the_longest_history_stays_below_the_bound() {
    let mut report = sample();
    let first = jiff::civil::Date::constant(1970, 1, 1);
    report.flow.calendar = (0..47_000)
        .map(|i| CalendarDay {
            day: first.checked_add(jiff::Span::new().days(i)).unwrap().to_string(),
            deployments: 21,
            rollbacks: 1,
        })
        .collect();
    report.source.deploys = vec!["tag:".to_owned() + &"y".repeat(100_000); 1_000];
    let page = render(&report);
    keep("longest.html", &page);
    assert!(page.len() < 6_000_000, "{} bytes", page.len());
}

#[test]
fn text_of_a_history_never_becomes_code() {
    let page = render(&sample());
    let own = own_part(&page);
    for forbidden in ["<img", "<script>", "alert(1)</script>", "\u{202e}", "\u{1b}", "\0"] {
        assert!(!own.contains(forbidden), "{forbidden:?}");
    }
    assert!(own.contains("&lt;img src=x onerror=alert(1)&gt;"), "shown as text");
    // Every script element is one of the page's own: data of a chart, the library, the drawing.
    let scripts = page.matches("<script").count();
    let charts = page.matches("<script type=\"application/json\">").count();
    assert_eq!((scripts, page.matches("</script>").count()), (charts + 2, charts + 2));
}

#[test]
fn the_page_loads_nothing() {
    let page = render(&sample());
    let own = own_part(&page);
    for attribute in ["src=\"", "href=\"", "srcset=\"", "action=\""] {
        for (at, _) in own.match_indices(attribute) {
            let target = &own[at + attribute.len()..];
            assert!(target.starts_with('#') || target.starts_with("data:,"), "{}", &target[..40]);
        }
    }
    let style = &page[page.find("<style>").unwrap()..page.find("</style>").unwrap()];
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert!(page.contains("default-src 'none'") && !page.contains("'unsafe-eval'"));
}

#[test]
fn every_section_has_its_answer() {
    let report = sample();
    let own = own_part(&render(&report));
    let told = |e: &Estimate| seaway_core::time::humanize(e.seconds.unwrap());
    let (p50, p95) = (told(&report.time_to_value.p50), told(&report.time_to_value.p95));
    let title =
        format!("Half of all changes reach customers within {p50}; 5 % take longer than {p95}");
    for sentence in [
        title.as_str(),
        "n = 4,210 delivered, with 58 waiting changes taken into account",
        "62 % of the time of delivered changes passes from merged to deployed",
        "8.37 deployments a week; 58 changes are waiting, half of them longer than 6 d 7 h",
        "1.7 % of changes are rework: 37 reverts and 7 rollbacks",
        "4 of DORA’s 5 measures are known",
        "more than 1 d",
        "rank correlation 0.21, 95 % interval 0.18 to 0.24, n = 4,208 delivered",
    ] {
        assert!(own.contains(sentence), "{sentence}");
    }
    assert_eq!(own.matches("<section ").count(), 11);
    assert_eq!(own.matches("data-chart").count(), 6);
}

#[test]
fn an_empty_history_reads_sensibly() {
    let page = render(&empty());
    keep("empty.html", &page);
    assert!(!page.contains("<script"), "no chart, no script");
    assert!(page.contains("Nothing to measure yet"));
    assert!(page.contains("No deployment was found"));
    for nonsense in ["NaN", "inf", "None", "null", ">0 s<"] {
        assert!(!own_part(&page).contains(nonsense), "{nonsense}");
    }
}

#[test]
fn a_median_that_is_not_reached_is_told_as_a_bound() {
    let mut report = empty();
    report.deployments.count = 1;
    report.time_to_value.waiting = 3;
    report.time_to_value.p50.low = Some(7_200.0);
    report.time_to_value.curve = vec![CurvePoint {
        seconds: 9_000,
        waiting_share: 1.0,
        low: None,
        high: None,
        at_risk: 3,
        censored: 3,
    }];
    let page = render(&report);
    keep("waiting.html", &page);
    let own = own_part(&page);
    assert!(own.contains("No change has reached customers yet; the median will be"));
    assert!(own.contains("more than 2 h"));
}
