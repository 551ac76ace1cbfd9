//! Verbs that open the data: what comes out of one goes into another, and nothing is half done.

use crate::serve_lang::{Data, Server};
use crate::serve_load::{Load, assert_same, event, reports};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(|number| format!("{}\n", event(number))).collect()
}

fn import(data: &Data, input: &str) -> Output {
    let mut command = data.seaway(&["import", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The folder of data by others; `None`, said aloud, where it is not here.
fn shared_data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SEAWAY_SHARED_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|it| it == "all");
    assert!(!required, "SEAWAY_REQUIRE=all, and the shared data is not there");
    eprintln!("skipped: no shared data here; SEAWAY_SHARED_DATA names its folder");
    None
}

#[test]
fn a_bad_line_is_named_while_the_others_land() {
    let data = Data::new();
    let good = lines(0..50);
    let mut all: Vec<&str> = good.lines().collect();
    all.insert(10, "{\"specversion\":\"1.0\",\"id\":\"x\"}");
    all.insert(30, "no JSON");
    all.insert(40, "");
    all.push("{\"headers\":{},\"body\":{}}");
    let file = data.beside("events.ndjson");
    std::fs::write(&file, all.join("\n")).unwrap();
    let path = file.to_str().unwrap();
    for (new, known) in [(50, 0), (0, 50)] {
        let output = data.seaway(&["import", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = format!("{new} new events, {known} known already, 3 lines rejected\n");
        assert_eq!(text(&output.stdout), told);
        let errors = text(&output.stderr);
        for line in ["events.ndjson:11: no source", "events.ndjson:31: no JSON object", ":54: "] {
            assert!(errors.contains(line), "{line}: {errors}");
        }
        assert!(errors.contains("3 lines could not be read; all others are on the log"));
    }
    let output = import(&data, &lines(40..60));
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "10 new events, 10 known already, 0 lines rejected\n");
    assert_eq!(text(&output.stderr), "", "there is no terminal to show progress on");
    let (code, said) = data.run_failing(&["import", path, "/nowhere/file"]);
    assert_eq!(code, 2);
    assert!(said.contains("/nowhere/file cannot be read"), "{said}");
}

/// All webhooks of the shared data, as lines.
fn captured(folder: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for event in std::fs::read_dir(folder.join("github")).unwrap() {
        let event = event.unwrap();
        for file in std::fs::read_dir(event.path()).unwrap() {
            let file = file.unwrap();
            let name = event.file_name().into_string().unwrap();
            let headers = json!({
                "X-GitHub-Event": name,
                "X-GitHub-Delivery": format!("{name}-{}", file.file_name().display()),
            });
            let body: Value =
                serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
            found.push(json!({"headers": headers, "body": body}));
        }
    }
    for file in std::fs::read_dir(folder.join("gitlab")).unwrap() {
        let path = file.unwrap().path();
        let Ok(body) = serde_json::from_str::<Value>(&std::fs::read_to_string(&path).unwrap())
        else {
            continue;
        };
        found.push(json!({"headers": {"X-Gitlab-Event": "Hook"}, "body": body}));
    }
    found
}

#[test]
fn captured_webhooks_are_imported_like_live_ones() {
    let Some(folder) = shared_data() else { return };
    let captured = captured(&folder);
    assert!(captured.len() > 100, "{}", captured.len());
    let data = Data::new();
    let all: String = captured.iter().map(|it| format!("{it}\n")).collect();
    let output = import(&data, &all);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let new: usize = text(&output.stdout).split(' ').next().unwrap().parse().unwrap();
    assert!(new * 10 > captured.len() * 9, "{new} of {} differ", captured.len());
    let again = import(&data, &all);
    let told = format!("0 new events, {} known already, 0 lines rejected\n", captured.len());
    assert_eq!(text(&again.stdout), told);

    let live = Data::new();
    let server = live.serve();
    for webhook in &captured {
        let headers: Vec<(&str, &str)> = webhook["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let path = match headers[0].0.starts_with("X-GitHub") {
            true => "/webhooks/github",
            false => "/webhooks/gitlab",
        };
        let answer = server.post(path, &headers, webhook["body"].to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // Facts do not depend on when an event arrived, but for events that name no time.
    let imported = reports(&data.serve());
    let sent = reports(&server);
    assert_eq!(imported["/api/v1/quality"], sent["/api/v1/quality"]);
    assert_eq!(imported["/api/v1/services"], sent["/api/v1/services"]);
}

#[test]
fn an_import_that_was_killed_is_run_again() {
    let data = Data::new();
    let file = data.beside("events.ndjson");
    std::fs::write(&file, lines(0..30_000)).unwrap();
    let path = file.to_str().unwrap();
    let mut broken_off = 0;
    for milliseconds in [30, 60, 120, 250, 400] {
        let mut command = data.seaway(&["import", path]);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        broken_off += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(broken_off > 0, "it was faster than anyone could kill it");
    let told = data.run(&["import", path]);
    assert!(told.contains(" 0 lines rejected"), "{told}");
    let exported = data.run(&["export"]);
    assert_eq!(exported.lines().count(), 30_000);
    let ids: std::collections::BTreeSet<&str> = exported
        .lines()
        .map(|line| line.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    assert_eq!(ids.len(), 30_000);
}

#[test]
fn an_export_is_imported_elsewhere_and_is_the_same() {
    let one = Data::new();
    assert!(import(&one, &lines(0..2_000)).status.success());
    let server = one.serve();
    let reported = reports(&server);
    assert!(server.stop());
    let exported = one.run(&["export"]);
    assert_eq!(exported.lines().count(), 2_000);
    let other = Data::new();
    assert!(import(&other, &exported).status.success());
    assert_eq!(other.run(&["export"]), exported);
    assert_same(&reports(&other.serve()), &reported);
}

/// A place whose server is under load, a backup that was made meanwhile, and how many events were
/// acknowledged before it was begun.
fn backed_up(data: &Data, load: &Load) -> (Server, PathBuf, u64) {
    let server = data.serve();
    let file = data.beside("backup");
    let stop = AtomicBool::new(false);
    let before = std::thread::scope(|scope| {
        let clients = scope.spawn(|| load.run(&[&server], 5, &stop, false));
        let since = Instant::now();
        while load.acknowledged().len() < 2_000 {
            assert!(since.elapsed() < crate::serve_lang::PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
        let before = load.acknowledged().len() as u64;
        let told = data.run(&["backup", file.to_str().unwrap()]);
        assert!(told.contains(" events are in "), "{told}");
        stop.store(true, Ordering::Relaxed);
        clients.join().unwrap();
        before
    });
    (server, file, before)
}

#[test]
fn a_backup_under_load_is_restored_whole() {
    let (data, load) = (Data::new().env("SEAWAY_LOG", "error"), Load::new());
    let (server, file, before) = backed_up(&data, &load);
    let path = file.to_str().unwrap();
    let restored = Data::new();
    let told = restored.run(&["restore", path]);
    let counted = told.split(' ').next().unwrap();
    let count: u64 = counted.replace(',', "").parse().unwrap();
    assert!(count >= before, "{count} of {before}");
    let exported = restored.run(&["export"]);
    assert!(data.run(&["export"]).starts_with(&exported), "it is the log up to a place");
    assert_eq!(restored.run(&["check"]), format!("{counted} events, all of them whole\n"));

    // Once nothing is added any more, the reports are the same too.
    assert!(file.exists());
    data.run(&["backup", path]);
    let whole = Data::new();
    whole.run(&["restore", path]);
    assert_same(&reports(&whole.serve()), &reports(&server));

    let (code, said) = whole.run_failing(&["restore", path]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("there are events on this log already"), "{said}");
    let bytes = std::fs::read(&file).unwrap();
    for damage in 0..3 {
        let mut bytes = bytes.clone();
        let middle = bytes.len() / 2;
        match damage {
            0 => bytes.truncate(middle),
            1 => bytes[middle] ^= 1,
            _ => drop(bytes.drain(..bytes.iter().position(|&it| it == b'\n').unwrap() + 1)),
        }
        std::fs::write(&file, bytes).unwrap();
        let empty = Data::new();
        let (code, said) = empty.run_failing(&["restore", path]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is no whole backup"), "{said}");
        assert!(!empty.folder().exists(), "nothing was written");
    }
}

#[test]
fn a_damaged_log_is_told_and_the_rest_goes_on() {
    let data = Data::new();
    assert!(import(&data, &lines(0..3_000)).status.success());
    assert_eq!(data.run(&["check"]), "3,000 events, all of them whole\n");
    let file = data.folder().join("ledger.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 5_000].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    let output = data.seaway(&["check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = text(&output.stderr);
    assert!(said.contains("the log has ") && said.contains("restore a backup"), "{said}");
    assert!(!output.stdout.is_empty(), "what is damaged is told");
    // What is whole is still there to be taken out.
    let output = data.seaway(&["export"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let left = text(&output.stdout).lines().count();
    assert!((1_000..3_000).contains(&left), "{left}");
}

#[test]
fn data_of_a_newer_seaway_are_left_alone() {
    let data = Data::new();
    assert!(import(&data, &lines(0..10)).status.success());
    data.run(&["rebuild"]);
    for file in ["ledger.sqlite", "views.sqlite"] {
        let path = data.folder().join(file);
        set_versions(&path, "version + 100");
        for verb in [&["serve", "--listen", "127.0.0.1:0"][..], &["rebuild"]] {
            let (code, said) = data.run_failing(verb);
            assert_eq!(code, 3, "{said}");
            assert!(said.contains("start a newer seaway"), "{said}");
        }
        if file == "ledger.sqlite" {
            for verb in ["export", "check"] {
                assert!(data.run_failing(&[verb]).1.contains("start a newer seaway"));
            }
        }
        set_versions(&path, "version - 100");
    }
    assert_eq!(data.run(&["export"]).lines().count(), 10);
}

/// As a program of another version would leave it: the only way to have one here.
fn set_versions(file: &Path, to: &str) {
    let python = "import sqlite3, sys\nbase = sqlite3.connect(sys.argv[1])\n\
                  base.execute('UPDATE schema_versions SET version = ' + sys.argv[2])\nbase.commit()";
    let status =
        std::process::Command::new("python3").args(["-c", python]).arg(file).arg(to).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_folder_is_for_one_at_a_time() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[event(0)]);
    for verb in [&["serve", "--listen", "127.0.0.1:0"][..], &["rebuild"], &["import", "-"]] {
        let (code, said) = data.run_failing(verb);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("is in use by another seaway"), "{said}");
        assert!(said.contains("--data") && said.contains("--database"), "{said}");
    }
    server.kill();
    assert_eq!(data.serve().report("/progress")["newest"], 1);
}

#[test]
fn wrong_use_is_told() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7700"] {
        let (code, said) = Data::new().run_failing(&["serve", "--listen", address]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("no valid token") && said.contains("token create"), "{said}");
    }
    let data = Data::new();
    for verb in [&["export"][..], &["check"], &["backup", "/tmp/never"]] {
        let (code, said) = data.run_failing(verb);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("there are no data in"), "{said}");
    }
    let (code, said) = data.run_failing(&["export", "--database", "mysql://x"]);
    assert_eq!(code, 2, "{said}");
    let server = data.serve();
    let taken = server.url().replace("http://", "");
    let (code, said) = Data::new().run_failing(&["serve", "--listen", &taken]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("choose another port"), "{said}");
}

#[test]
fn programs_can_read_the_log() {
    let data = Data::new().env("SEAWAY_LOG", "seaway=debug").env("SEAWAY_LOG_FORMAT", "json");
    let log = data.beside("log");
    let mut command = data.seaway(&["serve", "--listen", "127.0.0.1:0"]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let server = Server::start(command);
    server.report("/organization?since=2026-01-01");
    assert!(server.stop());
    let text = std::fs::read_to_string(&log).unwrap();
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let request = told.iter().find(|it| it["path"] == "/api/v1/organization").unwrap();
    assert_eq!((&request["status"], &request["method"]), (&json!(200), &json!("GET")));
    assert!(request["microseconds"].as_u64().is_some() && request["level"] == "DEBUG");
    assert!(!text.contains("2026-01-01"), "what people ask for stays untold");
}
