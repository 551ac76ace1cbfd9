//! The catalog of a running server in a git repository.

use crate::catalog::{GROUPS, MAY, MOVED, by_month, component, deliveries, deployments, wait};
use crate::lang::{DAY, Repo};
use crate::serve_lang::{Data, Server};
use serde_json::{Value, json};

/// Data of a server that looks at its catalog's repositories every second.
fn data() -> Data {
    let data = Data::new();
    let config = data.beside("seaway.toml");
    let text = "[mirrors]\ncatalogued = false\n[catalog]\nevery_seconds = 1\n";
    std::fs::write(&config, text).unwrap();
    data.arg("--config").arg(config.display().to_string())
}

fn problems(server: &Server, are_so: impl Fn(&str) -> bool) -> Value {
    let quality = wait(server, "/quality", |it| are_so(&it["catalog"]["problems"].to_string()));
    quality["catalog"].clone()
}

const BROKEN: &str = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {}\n";

#[test]
fn commits_change_the_catalog_whole_or_not_at_all() {
    let repo = Repo::new();
    let first = repo
        .commit("The catalog")
        .file("entities/groups.yaml", GROUPS)
        .file("entities/teams/shop.yaml", component("shop", "acme/shop", "old"))
        .file("entities/.draft.yaml", BROKEN)
        .file("elsewhere/broken.yaml", BROKEN)
        .at(MAY);
    let url = format!("git+file://{}", repo.folder.display());
    let data = data().arg("--catalog").arg(format!("{url}#main:entities"));
    let server = data.serve();
    wait(&server, "/services/shop", |it| it["service"]["group"] == "old");
    deliveries("acme/shop", &[9, 35, 45, 50, 70, 71, 72]).send(&server);
    let catalog = problems(&server, |it| it == "[]");
    assert_eq!(catalog["folders"], json!([format!("{url}#main:entities")]));
    assert!(!catalog["read_at"].is_null());
    assert_eq!(deployments(&by_month(&server, "/groups/old")), [1, 3, 3, 7]);

    // It counts from when it came to the branch, not from when it was written.
    repo.git(&["switch", "--quiet", "-c", "move"]);
    let moved = component("shop", "acme/shop", "new");
    repo.commit("Move").file("entities/teams/shop.yaml", &moved).at(MOVED - 20 * DAY);
    repo.git(&["switch", "--quiet", "main"]);
    repo.merge("move", MOVED);
    repo.commit("Something else").file("README.md", "b").at(MOVED + 30 * DAY);
    wait(&server, "/services/shop", |it| it["service"]["group"] == "new");
    assert_eq!(deployments(&by_month(&server, "/groups/old")), [1, 1, 0, 2]);
    assert_eq!(deployments(&by_month(&server, "/groups/new")), [0, 2, 3, 5]);

    repo.commit("Break it")
        .file("entities/cart.yaml", BROKEN)
        .file("entities/teams/shop.yaml", component("shop", "acme/shop", "old"))
        .at(MOVED + 31 * DAY);
    let wrong = problems(&server, |it| it != "[]");
    let problem = &wrong["problems"][0];
    assert_eq!((&problem["file"], &problem["line"]), (&json!("cart.yaml"), &json!(3)), "{problem}");
    assert_eq!(server.report("/services/shop")["service"]["group"], "new");
    repo.commit("Mend it")
        .file("entities/cart.yaml", component("cart", "acme/cart", "old"))
        .file("entities/teams/shop.yaml", &moved)
        .at(MOVED + 32 * DAY);
    wait(&server, "/services/cart", |it| it["service"]["group"] == "old");
    problems(&server, |it| it == "[]");

    // Out of reach, and back, while the server runs and while it starts.
    let away = repo.beside("away");
    std::fs::rename(&repo.folder, &away).unwrap();
    let gone = problems(&server, |it| it.contains("cannot be read"));
    assert_eq!(gone["problems"][0]["line"], Value::Null);
    assert_eq!(server.report("/services/shop")["service"]["group"], "new");
    assert!(server.stop());
    let server = data.serve();
    problems(&server, |it| it.contains("cannot be read"));
    assert_eq!(server.report("/services/shop")["service"]["group"], "new");
    std::fs::rename(&away, &repo.folder).unwrap();
    problems(&server, |it| it == "[]");

    // History that was thrown away, and with it a service.
    repo.git(&["switch", "--quiet", "-c", "anew", &first]);
    repo.commit("Anew").file("entities/teams/shop.yaml", &moved).at(MOVED + 40 * DAY);
    repo.git(&["branch", "--force", "main", "anew"]);
    wait(&server, "/services", |it| it["rows"].as_array().unwrap().len() == 1);
    drop(server);
    let log = data.run(&["export"]);
    let told = log.lines().filter(|line| line.contains("dev.seaway.catalog.entity")).count();
    assert_eq!(told, 4 + 1 + 1 + 1, "first state, a move, a new one, and it is taken out");
}

#[test]
fn folders_and_repositories_are_one_catalog() {
    let repo = Repo::new();
    repo.commit("The groups").file("groups.yaml", GROUPS).at(MAY);
    repo.tag("v1");
    let data = data();
    let folder = data.beside("services");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("shop.yaml"), component("shop", "acme/shop", "old")).unwrap();
    let git = format!("git+{}#v1", repo.folder.display());
    let named = format!("{} {git}", folder.display());
    let data = data.env("SEAWAY_CATALOG", &named);
    let server = data.serve();
    wait(&server, "/services/shop", |it| it["service"]["groups"] == json!(["old", "acme"]));

    // Only what the tag has counts, and a file of each source is told by its source.
    repo.commit("Not in the tag").file("groups.yaml", BROKEN).at(MAY + DAY);
    std::fs::write(folder.join("late.yaml"), component("late", "acme/late", "old")).unwrap();
    wait(&server, "/services/late", |it| it["service"]["group"] == "old");
    repo.git(&["tag", "--force", "v1", "HEAD"]);
    let wrong = problems(&server, |it| it != "[]");
    assert_eq!(wrong["problems"][0]["file"], json!(format!("{git}/groups.yaml")));
    repo.git(&["tag", "--delete", "v1"]);
    let wrong = problems(&server, |it| it.contains("no commit at v1"));
    assert_eq!(wrong["folders"], json!([folder, git]));
    assert_eq!(server.report("/services/shop")["service"]["group"], "old");

    let (code, said) = data.run_failing(&["serve", "--catalog", "git+#main"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("git+#main cannot be a catalog: it names no repository"), "{said}");
}

#[test]
fn links_submodules_and_folders_that_are_not_there_are_no_files() {
    let repo = Repo::new();
    let first = repo.commit("The groups").file("all/groups.yaml", GROUPS).at(MAY);
    std::os::unix::fs::symlink("groups.yaml", repo.folder.join("all/link.yaml")).unwrap();
    let shop = component("shop", "acme/shop", "old");
    repo.commit("A service").file("all/deep/er/shop.yml", &shop).at(MAY + DAY);
    let module = format!("160000,{first},all/module.yaml");
    repo.git(&["update-index", "--add", "--cacheinfo", &module]);
    repo.git(&["update-index", "--chmod=+x", "all/deep/er/shop.yml"]);
    repo.git(&["commit", "--quiet", "-m", "A submodule"]);
    let url = format!("git+file://{}", repo.folder.display());
    let data = data();
    let data = data.env("SEAWAY_CATALOG", &format!("{url}#:all"));
    let server = data.serve();
    wait(&server, "/services/shop", |it| it["service"]["groups"] == json!(["old", "acme"]));
    let catalog = problems(&server, |it| it == "[]");
    assert_eq!(catalog["notes"], json!([]));

    repo.commit("Odd bytes").file("all/odd.yaml", b"a: 1\nb: \xff\n").at(MAY + 2 * DAY);
    let odd = problems(&server, |it| it != "[]");
    let problem = &odd["problems"][0];
    assert_eq!((&problem["file"], &problem["line"]), (&json!("odd.yaml"), &json!(2)), "{problem}");
    repo.git(&["rm", "--quiet", "-r", "all"]);
    repo.commit("Nothing is left").at(MAY + 3 * DAY);
    problems(&server, |it| it.contains("there is no folder of this name"));
    repo.commit("No catalog").file("all/README.md", "").at(MAY + 4 * DAY);
    problems(&server, |it| it.contains("there is no *.yaml or *.yml file"));
    assert_eq!(server.report("/services/shop")["service"]["group"], "old");
}
