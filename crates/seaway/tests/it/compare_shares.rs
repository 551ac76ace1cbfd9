//! Changes of bots, with AI's help and of few and many commits side by side: as the rows of all
//! changes tell it.

use crate::demo::{company, median_of};
use crate::serve_lang::{Data, Server};
use serde_json::Value;

fn seconds(time: &Value) -> Option<i64> {
    let time: jiff::Timestamp = time.as_str()?.parse().unwrap();
    Some(time.as_second())
}

/// All rows of the changes of all services.
fn rows(server: &Server) -> Vec<Value> {
    let services = server.report("/services?limit=1000");
    let mut rows = Vec::new();
    for service in services["rows"].as_array().unwrap() {
        let name = service["service"].as_str().unwrap().replace('/', "%2F");
        let mut path = format!("/services/{name}/changes?limit=1000");
        loop {
            let page = server.report(&path);
            rows.extend(page["rows"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/services/{name}/changes?limit=1000&after={next}");
        }
    }
    rows
}

#[test]
fn changes_are_told_apart_by_who_wrote_them_and_by_their_size() {
    let data = Data::new();
    let (server, _) = company(&data);
    let rows = rows(&server);
    let as_of = seconds(&server.report("/organization")["span"]["as_of"]).unwrap();
    let commits = |row: &Value| row["commits"].as_u64().unwrap();
    type Meant<'a> = (&'a str, &'a dyn Fn(&Value) -> bool);
    let by: [(&str, &[Meant<'_>]); 3] = [
        (
            "bots",
            &[
                ("by bots alone", &|row| row["bot"] == true),
                ("all others", &|row| row["bot"] == false),
            ],
        ),
        (
            "assisted",
            &[
                ("AI-assisted", &|row| row["assisted"] == true),
                ("all others", &|row| row["assisted"] == false),
            ],
        ),
        (
            "size",
            &[
                ("1 commit", &|row| commits(row) == 1),
                ("2 or 3 commits", &|row| (2..4).contains(&commits(row))),
                ("4 to 9 commits", &|row| (4..10).contains(&commits(row))),
                ("10 commits or more", &|row| commits(row) >= 10),
            ],
        ),
    ];
    for (by, meant) in by {
        let query = format!("by={by}&since=2020-01-01");
        let found = server.report(&format!("/compare?{query}"));
        let parts = found["parts"].as_array().unwrap();
        let mut told = 0;
        for (name, is_meant) in meant {
            let (mut delivered, mut waiting) = (Vec::new(), Vec::new());
            for row in rows.iter().filter(|row| is_meant(row)) {
                let start = seconds(&row["milestones"]["authored"]).unwrap();
                match row["status"].as_str().unwrap() {
                    "delivered" => {
                        delivered.push(seconds(&row["milestones"]["deployed"]).unwrap() - start);
                    }
                    "waiting" => waiting.push(as_of - start),
                    _ => {}
                }
            }
            let part = parts.iter().find(|part| part["name"] == *name);
            if delivered.is_empty() && waiting.is_empty() {
                assert!(part.is_none(), "{by}: {name}");
                continue;
            }
            told += 1;
            let value = &part.unwrap_or_else(|| panic!("{by}: {name}: {found}"))["time_to_value"];
            let counts = [&value["n"], &value["waiting"]].map(|it| it.as_u64().unwrap() as usize);
            assert_eq!(counts, [delivered.len(), waiting.len()], "{by}: {name}");
            let p50 = value["p50"]["seconds"].as_f64();
            let exact = median_of(&delivered, &waiting);
            assert_eq!(p50.is_some(), exact.is_some(), "{by}: {name}");
            if let (Some(p50), Some(exact)) = (p50, exact) {
                assert!((p50 / exact as f64 - 1.0).abs() < 0.01, "{by}: {name}: {p50} {exact}");
            }
        }
        assert!(told > 1, "{by}: nothing is compared");
        assert_eq!(parts.len(), told, "{by}");
        let page = server.get(&format!("/compare?{query}"));
        assert_eq!(page.status, 200);
        assert!(page.body.contains(parts[0]["name"].as_str().unwrap()), "{by}");
    }
}
