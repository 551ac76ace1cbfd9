//! The catalog of a running server: read again when it changes, whole or not at all.

use crate::forge::Forge;
use crate::serve_lang::{Data, PATIENCE, Server};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// 2026-05-01.
pub(crate) const MAY: i64 = 1_777_593_600;
/// 2026-06-10 12:00.
pub(crate) const MOVED: i64 = 1_781_092_800;
const DAY: f64 = 24.0;

pub(crate) const GROUPS: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: acme, title: Acme}
spec: {type: organization}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: old}
spec: {type: team, parent: acme}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: new}
spec: {type: team, parent: acme}
";

pub(crate) fn component(name: &str, slug: &str, owner: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n  \
         annotations:\n    github.com/project-slug: {slug}\nspec:\n  type: service\n  \
         owner: {owner}\n"
    )
}

/// A folder of a catalog.
struct Folder(PathBuf);

impl Folder {
    fn of(data: &Data, name: &str) -> Self {
        let folder = data.beside(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) {
        // As careful programs do, so that nobody reads half of it.
        let beside = self.0.join(format!(".{name}"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.0.join(name)).unwrap();
    }

    /// Writes a file that says to be written at a moment (Unix seconds).
    fn write_at(&self, name: &str, text: &str, at: i64) {
        let beside = self.0.join(format!(".{name}"));
        std::fs::write(&beside, text).unwrap();
        let file = File::options().write(true).open(&beside).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(at as u64)).unwrap();
        std::fs::rename(beside, self.0.join(name)).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.0.join(name)).unwrap();
    }

    /// A server that watches it.
    fn serve(&self, data: &Data) -> Server {
        let mut command = data.seaway(&["serve", "--listen", "127.0.0.1:0", "--catalog"]);
        command.arg(&self.0);
        Server::start(command)
    }
}

/// Waits until a report is as it has to be, and gives it.
pub(crate) fn wait(server: &Server, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let answer = server.get(&format!("/api/v1{path}"));
        if answer.status == 200 && is_so(&answer.json()) {
            return server.report(path);
        }
        assert!(since.elapsed() < PATIENCE, "{path} is still {}", answer.body);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn names(services: &Value) -> Vec<&str> {
    let rows = services["rows"].as_array().unwrap();
    rows.iter().map(|row| row["service"].as_str().unwrap()).collect()
}

/// Pushes and deploys one commit a day on these days after the first of May.
pub(crate) fn deliveries(repository: &str, days: &[u32]) -> Forge {
    let mut forge = Forge::new(repository, MAY);
    let mut before = 0;
    for &day in days {
        let (commit, hour) = (day + 1, f64::from(day) * DAY);
        forge.push(hour, "main", before, &[(commit, hour)]);
        forge.deployed(hour + 1.0, hour + 2.0, commit, commit, "success");
        before = commit;
    }
    forge
}

const MONTHS: [&str; 3] = [
    "since=2026-05-01&until=2026-06-01",
    "since=2026-06-01&until=2026-07-01",
    "since=2026-07-01&until=2026-08-01",
];

/// The reports of a scope, month by month and of all time.
pub(crate) fn by_month(server: &Server, scope: &str) -> Vec<Value> {
    let months = MONTHS.iter().map(|month| server.report(&format!("{scope}?{month}")));
    months.chain([server.report(scope)]).collect()
}

pub(crate) fn deployments(reports: &[Value]) -> Vec<i64> {
    reports.iter().map(|report| report["flow"]["deployments"].as_i64().unwrap()).collect()
}

const SCOPES: [&str; 5] =
    ["/organization", "/groups/acme", "/groups/old", "/groups/new", "/services/shop"];

#[test]
fn a_service_that_moved_in_june_belongs_to_its_old_group_before() {
    let data = Data::new();
    let folder = Folder::of(&data, "catalog");
    folder.write_at("groups.yaml", GROUPS, MAY);
    folder.write_at("shop.yaml", &component("shop", "acme/shop", "old"), MAY);
    folder.write_at("cart.yaml", &component("cart", "acme/cart", "new"), MAY);
    let server = folder.serve(&data);
    // May: one delivery; June: one before the move and two after it; July: three.
    let shop = deliveries("acme/shop", &[9, 35, 45, 50, 70, 71, 72]);
    shop.send(&server);
    deliveries("acme/cart", &[10, 75]).send(&server);
    wait(&server, "/services/shop", |it| it["service"]["group"] == "old");
    let all = by_month(&server, "/organization");
    assert_eq!(deployments(&all), [2, 3, 4, 9]);
    assert_eq!(deployments(&by_month(&server, "/groups/old")), [1, 3, 3, 7]);
    assert_eq!(deployments(&by_month(&server, "/groups/new")), [1, 0, 1, 2]);

    folder.write_at("shop.yaml", &component("shop", "acme/shop", "new"), MOVED);
    wait(&server, "/services/shop", |it| it["service"]["group"] == "new");
    assert_eq!(by_month(&server, "/organization"), all);
    assert_eq!(deployments(&by_month(&server, "/groups/acme")), [2, 3, 4, 9]);
    assert_eq!(deployments(&by_month(&server, "/groups/old")), [1, 1, 0, 2]);
    assert_eq!(deployments(&by_month(&server, "/groups/new")), [1, 2, 4, 7]);

    // What is told later of the time before still goes to the group of that time.
    deliveries("acme/late", &[12]).send(&server);
    folder.write_at("late.yaml", &component("late", "acme/late", "old"), MAY);
    wait(&server, "/services/late", |it| it["service"]["group"] == "old");
    assert_eq!(deployments(&by_month(&server, "/groups/old")), [2, 1, 0, 3]);
    let reports = |server: &Server| SCOPES.map(|scope| by_month(server, scope));
    let before = reports(&server);

    assert!(server.stop());
    data.run(&["rebuild"]);
    let server = folder.serve(&data);
    assert_eq!(reports(&server), before, "computed anew");
    drop(server);
    let log = data.run(&["export"]);
    let told = log.lines().filter(|line| line.contains("dev.seaway.catalog.entity")).count();
    assert_eq!(told, 7, "each change is on the log once: five entities, one move, one more");

    let mut lines: Vec<&str> = log.lines().collect();
    lines.reverse();
    let other = Data::new();
    std::fs::write(other.beside("log.ndjson"), lines.join("\n")).unwrap();
    other.run(&["import", other.beside("log.ndjson").to_str().unwrap()]);
    assert_eq!(reports(&other.serve()), before, "the other way round, without the files");
}

#[test]
fn the_catalog_is_read_whole_or_not_at_all() {
    let data = Data::new();
    let folder = Folder::of(&data, "catalog");
    folder.write("groups.yaml", GROUPS);
    let shop = component("shop", "acme/shop", "old");
    let annotations = [
        "architecture: microservice",
        "runtime: container",
        "tier: high",
        "traits: kernel=6.12",
        "nonsense: x",
    ];
    let annotations = annotations.map(|it| format!("    seaway.dev/{it}\n")).concat();
    let detail = shop
        .replace("metadata:\n", "metadata:\n  title: The shop\n")
        .replace("  annotations:\n", &format!("  annotations:\n{annotations}"))
        .replace("spec:\n", "spec:\n  lifecycle: production\n  system: portal\n");
    folder.write("shop.yaml", &detail);
    let server = folder.serve(&data);
    let report = wait(&server, "/services/shop", |_| true);
    let known = json!({"service": "shop", "catalogued": true,
        "repository": "github.com/acme/shop", "newest_at": null, "group": "old",
        "groups": ["old", "acme"], "title": "The shop", "description": null, "system": "portal",
        "lifecycle": "production", "type": "service", "architecture": "microservice",
        "runtime": "container", "tier": 1, "traits": {"kernel": "6.12"}});
    assert_eq!(report["service"], known);
    assert_eq!(server.report("/services")["rows"], json!([known]));
    let groups = server.report("/groups");
    let group = |at: usize| groups["groups"][at].clone();
    assert_eq!(
        group(0),
        json!({"group": "acme", "title": "Acme", "description": null, "type": "organization",
            "parent": null, "children": ["new", "old"], "services": []})
    );
    assert_eq!((&group(2)["parent"], &group(2)["services"]), (&json!("acme"), &json!(["shop"])));
    assert_eq!(server.report("/groups/old")["group"], group(2));
    let quality = wait(&server, "/quality", |it| !it["catalog"]["read_at"].is_null());
    let catalog = &quality["catalog"];
    assert_eq!(catalog["folders"], json!([folder.0]));
    assert_eq!(catalog["problems"], json!([]));
    let note = &catalog["notes"][0];
    assert_eq!((&note["file"], &note["line"]), (&json!("shop.yaml"), &json!(11)), "{note}");
    let finding = &catalog["findings"][0];
    assert_eq!(finding["kind"], "unknown_system");
    assert!(finding["message"].as_str().unwrap().contains("system:default/portal"), "{finding}");

    // One file is wrong, so that what is right in the other does not count either.
    folder.write("groups.yaml", "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {}\n");
    folder.write("shop.yaml", &component("shop", "acme/shop", "new"));
    let wrong = wait(&server, "/quality", |it| it["catalog"]["problems"] != json!([]));
    let problem = &wrong["catalog"]["problems"][0];
    assert_eq!((&problem["file"], &problem["line"]), (&json!("groups.yaml"), &json!(3)));
    assert!(problem["text"].as_str().unwrap().contains("metadata.name is missing"));
    assert_eq!(server.report("/services/shop")["service"], known);
    assert_eq!(server.report("/groups"), groups);

    folder.write("groups.yaml", GROUPS);
    let moved = wait(&server, "/services/shop", |it| it["service"]["group"] == "new");
    assert_eq!(moved["service"]["title"], Value::Null);
    wait(&server, "/quality", |it| it["catalog"]["problems"] == json!([]));
    let on_log = data.run(&["export"]).lines().count();
    assert_eq!(on_log, 5, "four entities and one change");

    // A folder that is gone is no empty catalog.
    std::fs::rename(&folder.0, data.beside("gone")).unwrap();
    let gone = wait(&server, "/quality", |it| it["catalog"]["problems"] != json!([]));
    assert_eq!(gone["services"], 1);
    assert!(server.stop());
    std::fs::rename(data.beside("gone"), &folder.0).unwrap();
    let server = folder.serve(&data);
    wait(&server, "/quality", |it| !it["catalog"]["read_at"].is_null());
    assert_eq!(data.run(&["export"]).lines().count(), on_log, "nothing is told twice");
}

#[test]
fn what_is_uncatalogued_is_one_file_away_from_the_catalog() {
    let data = Data::new();
    let folder = Folder::of(&data, "catalog");
    folder.write("groups.yaml", GROUPS);
    let server = folder.serve(&data);
    deliveries("acme/pay", &[1, 2, 3]).send(&server);
    let entry = |quality: &Value| quality["uncatalogued"]["services"][0].clone();
    let quality = server.report("/quality");
    assert_eq!(quality["uncatalogued"]["count"], 1);
    let yaml = entry(&quality)["yaml"].as_str().unwrap().to_owned();
    let name = "/services/github.com%2Facme%2Fpay";
    let all = by_month(&server, "/organization");
    let without_name = |mut report: Value| {
        report
            .as_object_mut()
            .unwrap()
            .retain(|key, _| !["group", "scope", "service"].contains(&key.as_str()));
        report
    };
    let before = without_name(server.report(name));

    folder.write("pay.yaml", &yaml.replace("change-me", "old"));
    let pay = wait(&server, "/services/pay", |it| it["service"]["catalogued"] == true);
    assert_eq!(without_name(pay), before);
    assert_eq!(names(&server.report("/services")), ["pay"], "the other name is gone");
    assert_eq!(server.get(&format!("/api/v1{name}")).status, 404);
    assert_eq!(server.report("/quality")["uncatalogued"]["count"], 0);
    assert_eq!(by_month(&server, "/organization"), all, "nothing counts twice");
    let group = |server: &Server| {
        by_month(server, "/groups/old").into_iter().map(&without_name).collect::<Vec<_>>()
    };
    let of_group = group(&server);
    assert_eq!(of_group, all.iter().cloned().map(&without_name).collect::<Vec<_>>());

    // Another name for the same.
    folder.write("pay.yaml", &component("payments", "acme/pay", "old"));
    wait(&server, "/services/payments", |it| it["service"]["catalogued"] == true);
    assert_eq!(names(&server.report("/services")), ["payments"]);
    assert_eq!(by_month(&server, "/organization"), all);
    assert_eq!(group(&server), of_group);

    // A group that no file defines owns it all the same.
    folder.write("pay.yaml", &component("payments", "acme/pay", "nobody"));
    wait(&server, "/services/payments", |it| it["service"]["group"] == "nobody");
    assert_eq!(server.report("/groups/nobody")["group"], Value::Null);
    assert_eq!(server.get("/api/v1/groups/somebody").status, 404);
    assert_eq!(by_month(&server, "/organization"), all);

    folder.remove("pay.yaml");
    wait(&server, "/quality", |it| it["uncatalogued"]["count"] == 1);
    assert_eq!(by_month(&server, "/organization"), all);
    let reports = |server: &Server| {
        ["/organization", "/services", "/groups", "/groups/old", "/groups/acme", "/waiting"]
            .map(|path| server.report(path))
    };
    let before = reports(&server);
    assert!(server.stop());
    data.run(&["rebuild"]);
    assert_eq!(reports(&folder.serve(&data)), before);
}

#[test]
fn folders_are_named_by_arguments_or_the_environment_or_the_configuration() {
    let data = Data::new();
    let (one, two) = (Folder::of(&data, "one"), Folder::of(&data, "two"));
    one.write("groups.yaml", GROUPS);
    two.write("shop.yaml", &component("shop", "acme/shop", "old"));
    let config = data.beside("seaway.toml");
    let both = [&one.0, &two.0];
    std::fs::write(
        &config,
        format!("[catalog]\nfolders = {both:?}\n[mirrors]\ncatalogued = false\n"),
    )
    .unwrap();
    let serve = |more: &dyn Fn(&mut std::process::Command)| {
        let data = Data::new();
        let mut command = data.seaway(&["serve", "--listen", "127.0.0.1:0"]);
        more(&mut command);
        let server = Server::start(command);
        let quality = wait(&server, "/quality", |it| !it["catalog"]["read_at"].is_null());
        assert_eq!(quality["catalog"]["folders"], json!(both));
        let shop = wait(&server, "/services/shop", |_| true);
        assert_eq!(shop["service"]["groups"], json!(["old", "acme"]));
    };
    serve(&|it| {
        it.arg("--catalog").arg(both[0]).arg("--catalog").arg(both[1]);
    });
    serve(&|it| {
        it.env("SEAWAY_CATALOG", std::env::join_paths(both).unwrap());
    });
    serve(&|it| {
        it.arg("--config").arg(&config);
    });
}
