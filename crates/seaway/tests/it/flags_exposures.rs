//! Exposures and outcomes through HTTP: each unit once, in its hour, whatever comes in between.

use crate::flags_lang::{bulk, evaluate, set, switch};
use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use crate::serve_shared::postgres::Cluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");
const HOUR: i64 = 3_600;

/// Now, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what is sent is of now")]
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The beginning of an hour some hours ago.
fn hours_ago(hours: i64) -> i64 {
    (now() / HOUR - hours) * HOUR
}

pub(crate) fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

pub(crate) fn exposure(flag: &str, variant: &str, unit: &str, at: i64) -> Value {
    json!({ "flag": flag, "variant": variant, "unit": unit, "time": rfc3339(at) })
}

fn batch(items: &[Value]) -> Vec<u8> {
    json!({ "environment": "production", "exposures": items }).to_string().into_bytes()
}

fn send(server: &Server, items: &[Value]) -> Value {
    let answer = server.post("/api/v1/exposures", &[JSON], &batch(items));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// What a server tells of a flag, once all up to a position is in it.
pub(crate) fn told(server: &Server, flag: &str, position: &Value) -> Value {
    let answer = asked(server, &format!("{flag}/exposures?position={position}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn asked(server: &Server, rest: &str) -> Answer {
    server.get(&format!("/api/v1/flags/production/{rest}"))
}

/// Units and exposures by hour and variant.
fn hours(told: &Value) -> Vec<(i64, String, u64, u64)> {
    let row = |row: &Value| {
        let hour: jiff::Timestamp = row["hour"].as_str().unwrap().parse().unwrap();
        let variant = row["variant"].as_str().unwrap().to_owned();
        let [units, received] = ["units", "received"].map(|it| row[it].as_u64().unwrap());
        (hour.as_second(), variant, units, received)
    };
    told["hours"].as_array().unwrap().iter().map(row).collect()
}

/// Runs a test on both databases.
fn on_both(test: impl Fn(&Data, &[&str])) {
    test(&Data::new(), &[]);
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    test(&Data::new().arg("--database").arg(&url), &["--database", &url]);
}

#[test]
fn units_are_counted_once_in_the_hour_of_their_first_exposure() {
    on_both(|data, _| {
        let server = data.serve();
        let (early, late) = (hours_ago(5), hours_ago(2));
        let first = [
            exposure("cart", "on", "ada", late + 10),
            exposure("cart", "on", "ada", late + 20),
            exposure("cart", "on", "bo", late + 30),
            exposure("cart", "off", "cy", late + 30),
        ];
        let answer = send(&server, &first);
        assert_eq!((&answer["accepted"], &answer["known"]), (&json!(4), &json!(0)));
        let seen = told(&server, "cart", &answer["position"]);
        let expected = [(late, "off".to_owned(), 1, 1), (late, "on".to_owned(), 2, 3)];
        assert_eq!(hours(&seen), expected);
        // The same request again changes nothing; what comes late moves a unit to its hour.
        assert_eq!(send(&server, &first)["known"], 4);
        let more = [exposure("cart", "on", "ada", early), exposure("cart", "on", "ada", late + 40)];
        let answer = send(&server, &more);
        let seen = told(&server, "cart", &answer["position"]);
        let expected = [
            (early, "on".to_owned(), 1, 1),
            (late, "off".to_owned(), 1, 1),
            (late, "on".to_owned(), 1, 4),
        ];
        assert_eq!(hours(&seen), expected);
        assert_eq!(seen["units_in_two_variants"], 0);
        assert_eq!((&seen["first"], &seen["received"]), (&json!(rfc3339(early)), &json!(6)));
        let answer = send(&server, &[exposure("cart", "on", "cy", late)]);
        let seen = told(&server, "cart", &answer["position"]);
        assert_eq!(seen["units_in_two_variants"], 1);
        assert_eq!(seen["variants"][0]["variant"], "on");
        assert_eq!(seen["variants"][0]["units"], 3);
        // Another environment is another world.
        assert_eq!(server.get("/api/v1/flags/staging/cart/exposures").status, 404);
        let csv = asked(&server, "cart/exposures?format=csv");
        assert!(csv.head.contains("text/csv") && csv.head.contains("hours.csv"), "{}", csv.head);
        assert_eq!(csv.body.lines().count(), 4);
        assert!(csv.body.contains(&format!("{},on,1,1\r\n", rfc3339(early))), "{}", csv.body);
        let csv = asked(&server, "cart/exposures?format=csv&table=audiences");
        assert!(csv.body.starts_with("variant,audience,received,first,last\r\n"), "{}", csv.body);
        for wrong in ["table=hours", "format=csv&table=x", "format=xml", "limit=1", "position=-"] {
            assert_eq!(asked(&server, &format!("cart/exposures?{wrong}")).status, 400, "{wrong}");
        }
    });
}

#[test]
fn the_release_is_the_first_exposure_outside_the_team() {
    let data = Data::new();
    let server = data.serve();
    let at = hours_ago(3);
    let with = |unit: &str, at: i64, audience: Value| {
        let mut exposure = exposure("cart", "on", unit, at);
        exposure.as_object_mut().unwrap().extend(audience.as_object().unwrap().clone());
        exposure
    };
    let team = [
        with("ada", at, json!({ "audience": "team" })),
        with("bo", at + 1, json!({ "attributes": { "audience": "team", "plan": [{}] } })),
    ];
    let seen = told(&server, "cart", &send(&server, &team)["position"]);
    assert_eq!(seen["variants"][0]["released"], Value::Null);
    let others = [
        with("cy", at + 30, json!({ "attributes": { "audience": "vip" } })),
        with("di", at + 20, json!({ "audience": "internal" })),
    ];
    let seen = told(&server, "cart", &send(&server, &others)["position"]);
    assert_eq!(seen["variants"][0]["released"], rfc3339(at + 20));
    let audiences = seen["audiences"].as_array().unwrap();
    let audiences: Vec<_> = audiences.iter().map(|it| (&it["audience"], &it["received"])).collect();
    let expected =
        [("team", 2), ("internal", 1), ("unknown", 1)].map(|(a, n)| (json!(a), json!(n)));
    assert_eq!(audiences, expected.iter().map(|(a, n)| (a, n)).collect::<Vec<_>>());
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_a_rebuild_gives_the_same() {
    on_both(|data, database| {
        let at = hours_ago(4);
        let of = |from: usize, to: usize| -> Vec<Value> {
            let unit = |it: usize| format!("unit-{}", it % 700);
            let flag = |it: usize| ["cart", "search"][it % 2];
            let variant = |it: usize| ["on", "off", "on", "on"][it % 4];
            (from..to)
                .map(|it| exposure(flag(it), variant(it), &unit(it), at + it as i64))
                .collect()
        };
        let mut last = Value::Null;
        for round in 0..5 {
            let server = data.serve();
            for part in 0..4 {
                let from = (round * 4 + part) * 100;
                last = send(&server, &of(from, from + 100))["position"].clone();
            }
            // Some are stopped in order, which keeps what they know; others are not.
            match round % 2 {
                0 => server.kill(),
                _ => assert!(server.stop()),
            }
        }
        let server = data.serve();
        let before = ["cart", "search"].map(|flag| told(&server, flag, &last));
        assert_eq!(before[0]["received"], 1_000);
        let units = |told: &Value| -> u64 {
            told["variants"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["units"].as_u64().unwrap())
                .sum()
        };
        assert_eq!(before.iter().map(units).sum::<u64>(), 700);
        assert!(server.stop());
        data.run(&[&["rebuild"], database].concat());
        let server = data.serve();
        assert_eq!(["cart", "search"].map(|flag| told(&server, flag, &last)), before);
        // What was sent before is known still.
        assert_eq!(send(&server, &of(0, 100))["known"], 100);
        // None of it is unknown to the reports.
        let quality = server.report("/quality");
        let arrivals = quality["arrivals"].as_array().unwrap();
        assert!(arrivals.iter().all(|it| it["outcome"] == "understood"), "{arrivals:?}");
    });
}

#[test]
fn two_servers_of_one_database_tell_the_same() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    let data = Data::new().arg("--database").arg(&url);
    let (one, two) = (data.serve(), data.serve());
    let at = hours_ago(1);
    let mut last = Value::Null;
    for round in 0..20 {
        let server = [&one, &two][round % 2];
        // Half of the units come to both.
        let unit = |it: usize| format!("unit-{}", round * 50 + it);
        let items: Vec<Value> =
            (0..100).map(|it| exposure("cart", "on", &unit(it), at + it as i64)).collect();
        last = send(server, &items)["position"].clone();
    }
    let both = [&one, &two].map(|server| told(server, "cart", &last));
    assert_eq!(both[0], both[1]);
    assert_eq!(both[0]["variants"][0]["units"], 19 * 50 + 100);
    assert_eq!(both[0]["received"], 2_000);
    // The one that kept the state is gone; the other goes on, and so does a third.
    one.kill();
    let answer = send(&two, &[exposure("cart", "on", "another", at)]);
    let three = data.serve();
    let seen = [&two, &three].map(|server| told(server, "cart", &answer["position"]));
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0]["variants"][0]["units"], 19 * 50 + 101);
    // The same units have the same hashes: whoever is asked knows them.
    let again = send(&three, &[exposure("cart", "on", "another", at + 5)]);
    assert_eq!(told(&two, "cart", &again["position"])["variants"][0]["units"], 19 * 50 + 101);
}

#[test]
fn units_are_nowhere_in_the_data() {
    let data = Data::new();
    let server = data.serve();
    let unit = "a-unit-that-is-a-person@example.com";
    let last = send(&server, &[exposure("cart", "on", unit, now() - 5)])["position"].clone();
    let outcome = json!({ "environment": "production", "outcomes": [
        { "unit": unit, "metric": "errors", "value": 1 } ] });
    let answer = server.post("/api/v1/outcomes", &[JSON], outcome.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    told(&server, "cart", &last);
    assert!(server.stop());
    let mut looked_at = 0;
    for file in std::fs::read_dir(data.folder()).unwrap() {
        let path = file.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        assert!(!bytes.windows(unit.len()).any(|it| it == unit.as_bytes()), "{}", path.display());
        looked_at += bytes.len();
    }
    assert!(looked_at > 50_000, "{looked_at}");
    // An export and a backup have the events, and a restore counts them.
    let backup = data.beside("backup").display().to_string();
    data.run(&["backup", &backup]);
    let other = Data::new();
    other.run(&["restore", &backup]);
    let server = other.serve();
    assert_eq!(told(&server, "cart", &last)["received"], 1);
}

#[test]
fn wrong_items_are_told_by_their_numbers_and_the_others_go_on() {
    let data = Data::new();
    let server = data.serve();
    let at = now() - 60;
    let good = || exposure("cart", "on", "ada", at);
    let but = |field: &str, value: Value| {
        let mut exposure = good();
        exposure[field] = value;
        exposure
    };
    let long = "x".repeat(5_000_000);
    let wrong = [
        but("flag", json!("")),
        but("flag", json!(&long[..257])),
        but("variant", json!("a\nb")),
        but("unit", json!(&long[..1_025])),
        but("unit", json!(&long)),
        but("unit", json!("")),
        but("environment", json!("Production")),
        but("time", json!("yesterday")),
        but("time", json!(rfc3339(at + 2 * HOUR))),
        but("time", json!(rfc3339(at - 32 * 24 * HOUR))),
        but("time", json!("-009999-01-01T00:00:00Z")),
        but("audience", json!("nobody")),
        but("colour", json!("red")),
        but("flag", json!(7)),
        but("flag", json!(null)),
        json!({ "flag": "cart" }),
        json!(null),
        json!("cart"),
        json!([]),
    ];
    let items: Vec<Value> = wrong.iter().flat_map(|wrong| [good(), wrong.clone()]).collect();
    let answer = server.post("/api/v1/exposures", &[JSON], &batch(&items));
    assert_eq!(answer.status, 207, "{}", answer.body);
    let told_of = answer.json();
    let rejected = told_of["rejected"].as_array().unwrap();
    let indexes: Vec<u64> = rejected.iter().map(|it| it["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (0..wrong.len() as u64).map(|it| it * 2 + 1).collect::<Vec<_>>());
    assert_eq!((&told_of["accepted"], &told_of["rejected_count"]), (&json!(19), &json!(19)));
    assert!(answer.body.len() < 10_000, "what is quoted is bounded");
    let answer = server.post("/api/v1/exposures", &[JSON], &batch(&wrong));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.problem()["rejected"].as_array().unwrap().len(), 19);
    // A clock that is a little ahead is taken for now.
    let ahead = [exposure("cart", "on", "bo", now() + HOUR / 2)];
    let answer = send(&server, &ahead);
    let seen = told(&server, "cart", &answer["position"]);
    assert_eq!(seen["variants"][0]["units"], 2);
    assert!(seen["last"].as_str().unwrap() <= rfc3339(now()).as_str());
}

#[test]
fn hostile_bodies_are_refused_and_the_server_goes_on() {
    let data = Data::new();
    let server = data.serve();
    let deep = format!("{}{}", "[".repeat(2_000_000), "]".repeat(2_000_000));
    let good = exposure("cart", "on", "ada", now()).to_string();
    let too_many = format!("{{\"exposures\":[{}{good}]}}", format!("{good},").repeat(100_000));
    let outcomes = |value: &str| {
        format!(
            r#"{{"environment":"production","outcomes":[{{"unit":"a","metric":"m","value":{value}}}]}}"#
        )
    };
    let bodies: [(&str, &str, &str, u16); 16] = [
        ("/api/v1/exposures", "empty", "", 400),
        ("/api/v1/exposures", "a list", "[]", 400),
        ("/api/v1/exposures", "no list", r#"{"exposures":{}}"#, 400),
        ("/api/v1/exposures", "broken off", r#"{"exposures":[{"flag":"a""#, 400),
        ("/api/v1/exposures", "deep", &deep, 400),
        ("/api/v1/exposures", "deep list", &format!(r#"{{"exposures":{deep}}}"#), 400),
        ("/api/v1/exposures", "twice", r#"{"exposures":[],"exposures":[]}"#, 400),
        ("/api/v1/exposures", "more", r#"{"exposures":[],"more":1}"#, 400),
        ("/api/v1/exposures", "too many", &too_many, 413),
        ("/api/v1/exposures", "nothing", r#"{"exposures":[]}"#, 200),
        ("/api/v1/outcomes", "NaN", &outcomes("NaN"), 400),
        ("/api/v1/outcomes", "infinite", &outcomes("1e999"), 400),
        ("/api/v1/outcomes", "null", &outcomes("null"), 400),
        ("/api/v1/outcomes", "text", &outcomes("\"1\""), 400),
        ("/api/v1/outcomes", "great", &outcomes("1.7e308"), 200),
        ("/api/v1/outcomes", "small", &outcomes("-5e-324"), 200),
    ];
    for (path, what, body, status) in bodies {
        let answer = server.post(path, &[JSON], body.as_bytes());
        let short: String = answer.body.chars().take(300).collect();
        assert_eq!(answer.status, status, "{what}: {short}");
        if status != 200 {
            answer.problem();
        }
    }
    // 34 KiB that become more than is taken.
    let bomb = crate::flags_otlp::gzip(&vec![b' '; 33 << 20]);
    let headers = [JSON, ("Content-Encoding", "gzip")];
    assert_eq!(server.post("/api/v1/exposures", &headers, &bomb).status, 413);
    let compressed = crate::flags_otlp::gzip(&batch(&[exposure("cart", "on", "ada", now())]));
    let answer = server.post("/api/v1/exposures", &headers, &compressed);
    assert_eq!(answer.json()["accepted"], 1);
    // Names have an end.
    for round in 0..3 {
        let items: Vec<Value> = (0..50)
            .map(|it| exposure("many", &format!("variant-{}", round * 50 + it), "ada", now()))
            .collect();
        let answer = server.post("/api/v1/exposures", &[JSON], &batch(&items)).json();
        match round {
            2 => assert_eq!(answer["rejected"].as_array().unwrap().len(), 50, "{answer}"),
            _ => drop(told(&server, "many", &answer["position"])),
        }
    }
    // Events of others are not taken for those of Seaway.
    let forged = json!({ "specversion": "1.0", "id": "1", "source": "s",
        "type": "dev.seaway.exposures" });
    let kind = [("Content-Type", "application/cloudevents+json")];
    assert_eq!(server.post("/events", &kind, forged.to_string().as_bytes()).status, 400);
}

/// Many clients at once, whose units overlap, while the server is killed: all that was acknowledged
/// is counted, each unit once.
#[test]
fn a_kill_under_load_loses_nothing_that_was_acknowledged() {
    let data = Data::new();
    let at = hours_ago(1);
    let acknowledged = std::sync::Mutex::new(std::collections::BTreeSet::new());
    for round in 0..3 {
        let server = data.serve();
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (server, acknowledged) = (&server, &acknowledged);
                scope.spawn(move || {
                    for part in 0.. {
                        let units: Vec<String> = (0..20)
                            .map(|it| format!("{round}-{}-{}", client / 2, part * 10 + it))
                            .collect();
                        let items: Vec<Value> =
                            units.iter().map(|it| exposure("cart", "on", it, at)).collect();
                        let sent =
                            server.try_send("POST", "/api/v1/exposures", &[JSON], &batch(&items));
                        let Some(answer) = sent.filter(|answer| answer.status == 200) else {
                            return;
                        };
                        assert_eq!(answer.json()["rejected_count"], 0);
                        acknowledged.lock().unwrap().extend(units);
                    }
                });
            }
            let since = std::time::Instant::now();
            while acknowledged.lock().unwrap().len() < (round + 1) * 500 {
                assert!(since.elapsed() < PATIENCE, "it never came so far");
                std::thread::sleep(Duration::from_millis(2));
            }
            server.kill_now();
        });
    }
    let server = data.serve();
    let last = send(&server, &[exposure("cart", "on", "last", at)])["position"].clone();
    let before = told(&server, "cart", &last)["variants"][0]["units"].as_u64().unwrap();
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(before > acknowledged.len() as u64, "{before} of {}", acknowledged.len());
    // None of them is new.
    let units: Vec<String> = acknowledged.into_iter().collect();
    let mut position = last;
    for units in units.chunks(500) {
        let items: Vec<Value> =
            units.iter().map(|unit| exposure("cart", "on", unit, at + 1)).collect();
        position = send(&server, &items)["position"].clone();
    }
    let after = told(&server, "cart", &position)["variants"][0]["units"].as_u64().unwrap();
    assert_eq!(after, before);
    eprintln!("{} units were acknowledged, {before} are known", units.len());
}

#[test]
fn a_flag_may_ask_for_those_who_evaluate_it_to_be_recorded() {
    let data = Data::new();
    let server = data.serve();
    let asks = |asks: Value| {
        let mut definition = switch("on");
        definition["metadata"] = json!({ "recordExposures": asks });
        definition
    };
    set(&server, "production", "recorded", &asks(json!(true)));
    set(&server, "production", "silent", &asks(json!("true")));
    let disabled = json!({ "state": "DISABLED", "variants": { "on": true }, "defaultVariant": "on",
        "metadata": { "recordExposures": true } });
    set(&server, "production", "disabled", &disabled);
    for unit in ["ada", "bo", "ada"] {
        let context = json!({ "targetingKey": unit });
        for key in ["recorded", "silent", "disabled"] {
            assert_eq!(evaluate(&server, key, &context).status, 200, "{key}");
        }
        // To fetch all flags is to see none of them.
        assert_eq!(bulk(&server, &[], &json!({ "targetingKey": "cy" })).status, 200);
    }
    let received = |key: &str| {
        let answer = asked(&server, &format!("{key}/exposures"));
        if answer.status == 404 { json!(0) } else { answer.json()["received"].clone() }
    };
    let since = Instant::now();
    while received("recorded") != 3 {
        assert!(since.elapsed() < PATIENCE, "{}", received("recorded"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let found = asked(&server, "recorded/exposures").json();
    let units: Vec<u64> = hours(&found).into_iter().map(|(_, _, units, _)| units).collect();
    assert_eq!(units, [2], "{found}");
    assert_eq!([received("silent"), received("disabled")], [0, 0]);
}
