//! Changes of bots, with AI's help and of few and many lines side by side: as the rows of all
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
    let sizes = server.report("/compare?by=size&since=2020-01-01");
    let between = |row: &Value, size: &Value| {
        let Some(lines) = row["lines"].as_u64() else { return false };
        let most = size["lines_max"].as_u64().unwrap_or(u64::MAX);
        (size["lines_min"].as_u64().unwrap()..=most).contains(&lines)
    };
    type Meant<'a> = (&'a str, Box<dyn Fn(&Value) -> bool + 'a>);
    let sized = sizes["parts"].as_array().unwrap().iter().map(|part| -> Meant<'_> {
        (part["name"].as_str().unwrap(), Box::new(|row| between(row, &part["size"])))
    });
    let is = |name: &'static str, value: bool| Box::new(move |row: &Value| row[name] == value);
    let by: [(&str, Vec<Meant<'_>>); 3] = [
        ("bots", vec![("by bots alone", is("bot", true)), ("all others", is("bot", false))]),
        (
            "assisted",
            vec![("AI-assisted", is("assisted", true)), ("all others", is("assisted", false))],
        ),
        ("size", sized.collect()),
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
    // Four quarters, and what nobody tells the lines of.
    let parts = sizes["parts"].as_array().unwrap();
    let counts = |part: &Value| {
        let value = &part["time_to_value"];
        value["n"].as_u64().unwrap() + value["waiting"].as_u64().unwrap()
    };
    let all: u64 = parts.iter().map(counts).sum();
    for part in parts {
        let share = part["size"]["share"].as_f64().unwrap();
        assert!((share - counts(part) as f64 / all as f64).abs() < 1e-9, "{part}");
        assert!((0.12..0.38).contains(&share), "{part}");
    }
    let names: Vec<&str> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 4);
    assert!(names[0].starts_with("up to ") && names[3].ends_with(" lines or more"), "{names:?}");
    let is_measured =
        |row: &&Value| ["delivered", "waiting"].contains(&row["status"].as_str().unwrap());
    let unknown = rows.iter().filter(is_measured).filter(|row| row["lines"].is_null()).count();
    assert!(unknown > 100, "a service tells no lines");
    assert_eq!(sizes["unknown_lines"], unknown);
    let page = server.get("/compare?by=size&since=2020-01-01");
    assert!(page.body.contains("of which nobody tells the lines"), "{}", page.body);
    let csv = server.get("/api/v1/compare?by=size&since=2020-01-01&format=csv").body;
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| lines[0].iter().position(|it| *it == name).unwrap();
    assert_eq!(lines[1][column("lines_min")], "0");
    assert_eq!(lines[4][column("lines_max")], "");
    // The page of a service says what stands for size.
    let size_of = |service: &str| {
        let page = server.get(&format!("/services/{service}")).body;
        let section = &page[page.find("id=\"size\"").unwrap()..];
        section[..section.find("</section>").unwrap()].to_owned()
    };
    assert!(size_of("parcels").contains("the number of commits in a change stands for its size"));
    assert!(size_of("parcels").contains("more than 1 commit"), "{}", size_of("parcels"));
    let basket = size_of("basket");
    assert!(basket.contains("Lines added and removed") && !basket.contains("commit,"), "{basket}");
}
