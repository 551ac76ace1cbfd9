//! What monitoring is told.

use crate::serve_lang::{Data, Server};
use std::collections::{BTreeMap, BTreeSet};

/// By family, its type; by name and labels, the value.
struct Metrics {
    types: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads a text as strictly as OpenMetrics is.
    fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with EOF");
        let (mut types, mut values) = (BTreeMap::new(), BTreeMap::new());
        let mut family = String::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
                family = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# ") {
                assert!(rest.starts_with(&format!("HELP {family} ")) || rest.starts_with("UNIT "));
            } else {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(name.starts_with(&family), "{name} stands in {family}");
                let value = value.parse().unwrap();
                assert!(values.insert(name.to_owned(), value).is_none(), "{name} twice");
            }
        }
        Self { types, values }
    }

    fn value(&self, name: &str) -> f64 {
        *self.values.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.values.keys()))
    }

    /// The buckets of a histogram, in their order: bounds and counts.
    fn buckets(&self, name: &str, labels: &str) -> Vec<(f64, f64)> {
        let start = format!("{name}_bucket{{{labels},le=\"");
        let mut found: Vec<(f64, f64)> = self
            .values
            .iter()
            .filter_map(|(key, value)| {
                let bound = key.strip_prefix(&start)?.strip_suffix("\"}")?;
                Some((bound.parse().unwrap_or(f64::INFINITY), *value))
            })
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }
}

fn metrics(server: &Server) -> Metrics {
    server.settle();
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("application/openmetrics-text; version=1.0.0"), "{}", answer.head);
    Metrics::read(&answer.body)
}

/// The first of the 28 days that end today.
fn first_day() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    now.date().checked_sub(jiff::Span::new().days(27)).unwrap().to_string()
}

#[test]
fn monitoring_is_told_what_the_reports_say() {
    let data = Data::new();
    let catalog = data.beside("catalog");
    std::fs::create_dir(&catalog).unwrap();
    let company = ["--services", "12", "--days", "60", "--seed", "3"];
    let yaml = data.run(&[&["demo", "--print-catalog"], &company[..]].concat());
    std::fs::write(catalog.join("company.yaml"), yaml).unwrap();
    let data = data.arg("--catalog").arg(catalog.to_str().unwrap());
    let server = data.serve();
    let address = server.url();
    let address = address.strip_prefix("http://").unwrap();
    data.run(&[&["demo", "--server", address, "--clients", "2"], &company[..]].concat());
    server.events(&[serde_json::json!({
        "specversion": "1.0", "id": "1", "source": "elsewhere", "type": "com.example.\"unknown\""
    })]);

    // A day may begin between two answers.
    let (first, told, reports) = loop {
        let first = first_day();
        let told = metrics(&server);
        let report = |path: &str| server.report(&format!("{path}?since={first}"));
        let scopes = [
            ("scope=\"organization\"", "/organization"),
            ("scope=\"group\",group=\"payments\"", "/groups/payments"),
            ("scope=\"group\",group=\"demo\"", "/groups/demo"),
            ("scope=\"service\",service=\"shop-web\"", "/services/shop-web"),
        ];
        let reports = scopes.map(|(labels, path)| (labels, report(path)));
        if first == first_day() {
            break (first, told, reports);
        }
    };
    let name = "seaway_time_to_value_seconds";
    assert_eq!(told.types[name], "gaugehistogram");
    for (labels, report) in &reports {
        let value = &report["time_to_value"];
        let n = value["n"].as_f64().unwrap();
        assert!(n > 0.0, "{labels} since {first}");
        let buckets = told.buckets(name, labels);
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1) && buckets.len() == 10, "{buckets:?}");
        assert_eq!(told.value(&format!("{name}_gcount{{{labels}}}")), n, "{labels}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, n)));
        let gauge = |name: &str| told.value(&format!("{name}{{{labels}}}"));
        let flow = &report["flow"];
        assert_eq!(gauge("seaway_deployments"), flow["deployments"].as_f64().unwrap(), "{labels}");
        assert_eq!(gauge("seaway_waiting_changes"), flow["waiting"].as_f64().unwrap(), "{labels}");
        for quantile in ["p50", "p85"] {
            for (part, field) in [("", "seconds"), ("_low", "low"), ("_high", "high")] {
                let name = format!("seaway_time_to_value_{quantile}{part}_seconds{{{labels}}}");
                let said = value[quantile][field].as_f64();
                assert_eq!(told.values.get(&name).copied(), said, "{name}");
            }
        }
        let failed = report["rework"]["failed_deployments"].as_f64().unwrap();
        assert_eq!(gauge("seaway_failed_deployments"), failed, "{labels}");
    }
    let services: BTreeSet<&str> = told
        .values
        .keys()
        .filter_map(|key| key.strip_prefix("seaway_deployments{scope=\"service\",service=\""))
        .collect();
    assert_eq!(services.len(), 12);
    assert_eq!(told.value("seaway_intake_events{outcome=\"unknown\"}"), 1.0);
    assert_eq!(told.value("seaway_views_behind_events"), 0.0);
    assert_eq!(told.value("seaway_services_left_out"), 0.0);
    let newest = server.get("/api/v1/progress").json()["newest"].as_f64().unwrap();
    assert_eq!(told.value("seaway_log_position"), newest);
    assert_eq!(server.get("/readyz").status, 200);
}

/// Every series of the dashboard is one that the server tells.
#[test]
fn the_dashboard_asks_for_what_there_is() {
    let data = Data::new();
    let server = data.serve();
    let told = metrics(&server);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/grafana-dashboard.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(root).unwrap()).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            for word in query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                if word.starts_with("seaway_") {
                    asked.insert(word.trim_end_matches("_bucket").to_owned());
                }
            }
        }
    }
    assert!(asked.len() >= 6, "{asked:?}");
    for name in asked {
        assert!(told.types.contains_key(&name), "{name} is not told");
    }
}
