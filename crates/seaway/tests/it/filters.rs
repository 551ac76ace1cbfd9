//! Figures and lists of some services, by what the catalog says of them.

use crate::forge::Forge;
use crate::serve_lang::{Data, PATIENCE, Server};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Instant;

/// 2026-05-01.
const MAY: i64 = 1_777_593_600;
const DAY: f64 = 24.0;

/// A service: its name, its group, and its architecture, runtime and tier as annotations say them.
type Service = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// The services; of the last one the catalog knows nothing at all.
const SERVICES: [Service; 7] = [
    ("sums", "left", "function", "serverless", "0"),
    ("shop", "left", "microservice", "container", "high"),
    ("cart", "right", "microservice", "container", ""),
    ("core", "right", "monolith", "vm", "critical"),
    ("old", "right", "monolith", "", "minimal"),
    ("plain", "left", "", "", ""),
    ("acme/none", "", "", "", ""),
];

const GROUPS: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: acme}
spec: {type: organization}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: left}
spec: {type: team, parent: acme}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: right}
spec: {type: team, parent: acme}
";

fn component(&(name, owner, architecture, runtime, tier): &Service) -> String {
    let said = [("architecture", architecture), ("runtime", runtime), ("tier", tier)];
    let said = said.iter().filter(|(_, value)| !value.is_empty());
    let said: String =
        said.map(|(kind, value)| format!("    seaway.dev/{kind}: {value:?}\n")).collect();
    format!(
        "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n  \
         annotations:\n    github.com/project-slug: acme/{name}\n{said}spec: {{owner: {owner}}}\n"
    )
}

/// What happened to a service: each has days and delays of its own, and all end at the same moment.
fn story(number: usize, name: &str) -> Forge {
    let repository = format!("acme/{}", name.trim_start_matches("acme/"));
    let mut forge = Forge::new(&repository, MAY);
    let mut before = 0;
    for step in 0..6_u32 {
        let (commit, start) = (step + 1, f64::from(step) * 7.0 * DAY + number as f64 * 30.0);
        forge.push(start, "main", before, &[(commit, start - 5.0 * number as f64)]);
        if step != 3 {
            let end = start + 1.0 + 9.0 * number as f64;
            forge.deployed(start + 0.5, end, commit, commit, "success");
        }
        before = commit;
    }
    forge.incident(9, 6.0 * 7.0 * DAY, None);
    let waiting = [(20, 44.0 * DAY + 7.0 * number as f64), (21, 50.0 * DAY)];
    forge.push(60.0 * DAY, "main", before, &waiting);
    forge
}

/// A server to which only some of the services are known.
fn serve(data: &Data, services: &[usize]) -> Server {
    let folder = data.beside("catalog");
    std::fs::create_dir_all(&folder).unwrap();
    let known = services.iter().map(|&number| &SERVICES[number]).filter(|it| !it.1.is_empty());
    let text: String = [GROUPS.to_owned()].into_iter().chain(known.map(component)).collect();
    std::fs::write(folder.join("all.yaml"), text).unwrap();
    let server = data.serve();
    for &number in services {
        story(number, SERVICES[number].0).send(&server);
    }
    let since = Instant::now();
    while server.report("/quality")["catalog"]["read_at"].is_null() {
        assert!(since.elapsed() < PATIENCE, "the catalog never came");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.settle();
    server
}

fn with_catalog() -> Data {
    let data = Data::new();
    let folder = data.beside("catalog").display().to_string();
    data.arg("--catalog").arg(folder)
}

/// A report without what it says of its filter.
fn figures(server: &Server, path: &str) -> Value {
    let mut report = server.report(path);
    report.as_object_mut().unwrap().remove("filter");
    report.as_object_mut().unwrap().remove("group");
    report
}

fn services_of(server: &Server, path: &str) -> BTreeSet<String> {
    let report = server.report(path);
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| row["service"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_filtered_report_is_that_of_a_company_that_has_only_those_services() {
    let data = with_catalog();
    let all = serve(&data, &[0, 1, 2, 3, 4, 5, 6]);
    let spans =
        ["", "&since=2026-05-10", "&since=2026-05-08&until=2026-06-05", "&until=2026-05-20"];
    for (filter, matching) in [
        ("architecture=microservice", &[1, 2][..]),
        ("architecture=microservice&architecture=function", &[0, 1, 2]),
        ("tier=critical&architecture=monolith", &[3]),
        ("tier=unknown", &[2, 5, 6]),
        ("runtime=unknown&architecture=unknown", &[5, 6]),
        ("runtime=unknown", &[4, 5, 6]),
        ("tier=0&tier=1&tier=4&tier=unknown", &[0, 1, 2, 3, 4, 5, 6]),
        ("tier=3", &[]),
    ] {
        if matching.is_empty() {
            let report = all.report(&format!("/organization?{filter}"));
            assert_eq!(
                (&report["flow"]["deployments"], &report["flow"]["merged"]),
                (&0.into(), &0.into())
            );
            continue;
        }
        let others = with_catalog();
        let only = serve(&others, matching);
        for scope in ["/organization", "/groups/left", "/groups/right", "/groups/acme"] {
            for span in spans {
                let filtered = figures(&all, &format!("{scope}?{filter}{span}"));
                let plain = figures(&only, &format!("{scope}?position=0{span}"));
                assert_eq!(filtered, plain, "{scope}?{filter}{span}");
            }
        }
        for list in ["/services", "/waiting", "/quality/findings"] {
            let kind = if list.contains("findings") { "kind=assumed_parents" } else { "limit=50" };
            let filtered = services_of(&all, &format!("{list}?{kind}&{filter}"));
            assert_eq!(filtered, services_of(&only, &format!("{list}?{kind}")), "{list}?{filter}");
        }
    }
    let told = &all.report("/organization?tier=high&tier=unknown&runtime=container")["filter"];
    let expected = serde_json::json!(
        {"architecture": [], "runtime": ["container"], "tier": ["unknown", "1"]}
    );
    assert_eq!(*told, expected);
    let wrong = all.get("/api/v1/organization?architecture=lambda");
    assert_eq!(wrong.status, 400);
    let hint = wrong.problem()["hint"].as_str().unwrap().to_owned();
    assert_eq!(hint, "architecture is one of function, microservice, monolith, unknown");

    // The same after all was computed anew, and pages lead through all rows.
    let path = "/organization?architecture=microservice&since=2026-05-10";
    let before = all.report(path);
    let whole = all.report("/waiting?tier=unknown&limit=1000")["rows"].clone();
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = all.report(&format!("/waiting?tier=unknown&limit=1{after}"));
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        after = format!("&after={encoded}");
    }
    assert_eq!(Value::Array(rows), whole);
    assert!(whole.as_array().unwrap().len() >= 3);
    assert!(all.stop());
    data.run(&["rebuild"]);
    let again = data.serve();
    assert_eq!(again.report(path), before);
}

/// Changes that two services share, with the same moment and hash, are on the border of a page.
#[test]
fn pages_of_waiting_changes_tell_services_of_one_repository_apart() {
    let data = with_catalog();
    let server = serve(&data, &[0]);
    let twin = component(&("twin", "left", "", "", "")).replace("acme/twin", "acme/sums");
    std::fs::write(data.beside("catalog/twin.yaml"), twin).unwrap();
    let since = Instant::now();
    while server.get("/api/v1/services/twin").status != 200 {
        assert!(since.elapsed() < PATIENCE, "the catalog never came");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let whole = server.report("/waiting")["rows"].as_array().unwrap().len();
    let (mut rows, mut after) = (0, String::new());
    loop {
        let page = server.report(&format!("/waiting?limit=1{after}"));
        rows += page["rows"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        after = format!("&after={encoded}");
    }
    assert!(whole >= 2);
    assert_eq!(rows, whole);
}
