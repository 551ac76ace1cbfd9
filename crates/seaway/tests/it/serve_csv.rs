//! Lists as CSV: the same rows as in their JSON.

use crate::serve_lang::{Data, Server};
use crate::serve_openapi::{event, filled, with_catalog};
use serde_json::{Value, json};

const LISTS: [&str; 7] = [
    "/services?",
    "/services/shop/changes?",
    "/services/shop/deployments?",
    "/services/shop/incidents?",
    "/waiting?",
    "/quality/findings?kind=clock_problem&",
    "/quality/unknown?",
];

/// The rows of a CSV answer, the names of its columns first.
fn sheet(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    rows.collect()
}

/// Where a column stands in JSON.
fn pointer(column: &str) -> String {
    match column.strip_suffix("_at") {
        Some(milestone)
            if "authored opened reviewed approved merged built deployed".contains(milestone) =>
        {
            format!("/milestones/{milestone}")
        }
        _ if column == "incident" => "/id".to_owned(),
        _ => format!("/{column}"),
    }
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(told).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn get(server: &Server, path: &str) -> (String, Vec<Vec<String>>) {
    let answer = server.get(&format!("/api/v1{path}"));
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert!(answer.head.contains("content-type: text/csv; charset=utf-8"), "{}", answer.head);
    assert!(
        answer.head.contains("content-disposition: attachment; filename=\""),
        "{}",
        answer.head
    );
    (answer.head, sheet(&answer.body))
}

#[test]
fn every_list_is_the_same_as_csv() {
    let data = with_catalog();
    let server = filled(&data);
    for list in LISTS {
        let rows = server.report(&format!("{list}limit=1000"))["rows"].clone();
        let (_, sheet) = get(&server, &format!("{list}format=csv"));
        let (columns, cells) = sheet.split_first().unwrap();
        assert_eq!(cells.len(), rows.as_array().unwrap().len(), "{list}");
        for (row, cells) in rows.as_array().unwrap().iter().zip(cells) {
            for (column, cell) in columns.iter().zip(cells) {
                let value = row
                    .pointer(&pointer(column))
                    .or_else(|| row.pointer(&format!("/{column}")))
                    .unwrap_or(&Value::Null);
                assert_eq!(*cell, told(value), "{list} {column}");
            }
        }
        // Read in files of two rows, by the links that each gives.
        let (mut all, mut next) = (Vec::new(), format!("{list}format=csv&limit=2"));
        loop {
            let (head, part) = get(&server, &next);
            assert!(part.len() <= 3, "{next}");
            all.extend(part.into_iter().skip(1));
            let Some((_, link)) = head.split_once("link: <") else { break };
            // Heads are told in small letters, and the names in these links have no others.
            let link = link.split_once(">; rel=\"next\"").unwrap().0;
            next = format!("{}{link}", list.split('?').next().unwrap());
        }
        assert_eq!(all, cells, "{list}");
    }
    for wrong in ["format=xml", "format=csv&limit=10001", "format=csv&format=csv"] {
        let answer = server.get(&format!("/api/v1/services?{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}");
        answer.problem();
    }
}

/// The tables of reports: where their rows stand in the JSON, and a number of each row.
const TABLES: [(&str, &str, &str, &str); 5] = [
    ("waits", "/waits/stages", "p50_without_seconds", "/p50_without/seconds"),
    ("stages", "/stages", "p85_high", "/p85/high"),
    ("trend", "/trend/points", "p50_seconds", "/p50/seconds"),
    ("ages", "/flow/waiting_by_age", "changes", "/changes"),
    ("dora", "/dora", "value", "/value"),
];

#[test]
fn every_table_of_a_report_is_the_same_as_csv() {
    let data = with_catalog();
    let server = filled(&data);
    let holds = |path: &str, rows: &Value, sheet: &[Vec<String>], column: &str, place: &str| {
        let at = sheet[0].iter().position(|it| it == column).unwrap();
        let cells: Vec<&str> = sheet[1..].iter().map(|row| row[at].as_str()).collect();
        let rows = rows.as_array().unwrap().iter();
        let wanted: Vec<String> = rows.map(|row| told(row.pointer(place).unwrap())).collect();
        assert!(!wanted.is_empty(), "{path}");
        assert_eq!(cells, wanted, "{path} {column}");
    };
    for path in
        ["/organization", "/groups/acme", "/services/shop", "/organization?since=2026-03-02"]
    {
        let report = server.report(path);
        let mark = if path.contains('?') { '&' } else { '?' };
        for (name, rows, column, place) in TABLES {
            let (head, sheet) = get(&server, &format!("{path}{mark}format=csv&table={name}"));
            assert!(head.contains(&format!("filename=\"{name}.csv\"")), "{head}");
            holds(path, report.pointer(rows).unwrap(), &sheet, column, place);
        }
    }
    let path = "/compare?by=service";
    let (_, sheet) = get(&server, &format!("{path}&format=csv"));
    let parts = server.report(path)["parts"].clone();
    holds(path, &parts, &sheet, "name", "/name");
    holds(path, &parts, &sheet, "p85_seconds", "/time_to_value/p85/seconds");
    let path = "/services/shop/deployments/production/second";
    let (_, sheet) = get(&server, &format!("{path}?format=csv"));
    holds(path, &server.report(path)["delivered"], &sheet, "change", "/change");
    // What has several tables beside reports.
    let change = format!("/services/shop/changes/{}", crate::serve_openapi::hash(4));
    for (path, table, rows, column, place) in [
        (change.as_str(), "reviews", "/reviews", "verdict", "/verdict"),
        (&change, "deployments", "/deployments", "effect", "/effect"),
        (&change, "stages", "/stages", "seconds", "/seconds"),
        ("/search?q=second", "deployments", "/deployments", "name", "/name"),
        ("/search?q=six", "changes", "/changes", "subject", "/subject"),
        ("/search?q=shop", "services", "/services", "name", "/name"),
        ("/search?q=acme", "groups", "/groups", "title", "/title"),
        ("/quality", "arrivals", "/arrivals", "count", "/count"),
        ("/quality", "malformed", "/malformed", "reason", "/reason"),
        ("/quality", "findings", "/findings", "message", "/message"),
        ("/quality", "uncatalogued", "/uncatalogued/services", "yaml", "/yaml"),
        ("/quality", "catalog", "/catalog/findings", "message", "/message"),
    ] {
        let mark = if path.contains('?') { '&' } else { '?' };
        let (_, sheet) = get(&server, &format!("{path}{mark}format=csv&table={table}"));
        holds(path, server.report(path).pointer(rows).unwrap(), &sheet, column, place);
        // Its page leads to it.
        let page = server.get(path).body.replace("&amp;", "&");
        let link = format!("/api/v1{path}{mark}format=csv&table={table}\"");
        let is_shown = !["stages", "malformed", "catalog"].contains(&table);
        assert_eq!(page.contains(&link), is_shown, "{link}: {page}");
        for wrong in ["format=csv", "format=csv&table=x", "table=reviews"] {
            assert_eq!(
                server.get(&format!("/api/v1{path}{mark}{wrong}")).status,
                400,
                "{path} {wrong}"
            );
        }
    }
    let page = server.get("/services/shop").body;
    let link = page.split("href=\"/api/v1/compare").nth(1).expect("architectures as CSV");
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let (_, sheet) = get(&server, &format!("/compare{link}"));
    assert!(sheet.iter().any(|row| row.contains(&"microservice".to_owned())), "{sheet:?}");
    for wrong in ["format=csv", "format=csv&table=x", "table=waits", "format=x&table=waits"] {
        assert_eq!(server.get(&format!("/api/v1/organization?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn no_cell_is_a_formula() {
    let data = Data::new();
    let server = data.serve();
    let title = "=HYPERLINK(\"http://x\",\"y\")\r\n@z";
    let incident = json!({
        "service": "+shop", "incident": "-1", "environment": "production", "title": title,
        "reportedAt": "2026-03-07T11:00:00Z",
    });
    server.events(&[event("1", "incident.reported", "-1", incident)]);
    server.settle();
    let (_, rows) = get(&server, "/services/%2Bshop/incidents?format=csv");
    assert_eq!(rows[1][..2], ["'+shop", "'-1"]);
    assert!(rows[1][2].starts_with("'=HYPERLINK(\"http://x\",\"y\")"), "{:?}", rows[1]);
}
