//! What `seaway measure` makes of histories: deployments, changes, clocks, rework.

use crate::lang::{HOUR, Repo, columns, commit_counts, finding, hour, rfc3339, seaway};

/// The kinds of a repository's deployments by name, in order.
fn kinds(repo: &Repo, arguments: &[&str]) -> Vec<[String; 3]> {
    let export = seaway().measure(repo).args(arguments).export(repo);
    columns(&export.deployments(), ["name", "finished_at", "kind"])
}

fn texts<const N: usize>(rows: &[[&str; N]]) -> Vec<[String; N]> {
    rows.iter().map(|row| row.map(str::to_owned)).collect()
}

#[test]
fn tags_deploy_when_they_were_made_and_each_is_one() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    repo.tag("v1");
    repo.commit("two").at(hour(2));
    repo.tag_at("v2", hour(5));
    repo.commit("three").at(hour(6));
    repo.tag_at("v3", hour(7));
    repo.tag_at("v3-final", hour(8));
    repo.tag_at("other", hour(9));
    let [at0, at5, at7, at8] = [0, 5, 7, 8].map(|hours| rfc3339(hour(hours)));
    assert_eq!(
        kinds(&repo, &["--deploys", "tag:v*"]),
        texts(&[
            ["v1", &at0, "first"],
            ["v2", &at5, "normal"],
            ["v3", &at7, "normal"],
            ["v3-final", &at8, "redeployment"],
        ])
    );
}

#[test]
fn merges_deploy_every_commit_of_the_mainline_when_it_was_made() {
    let repo = Repo::new();
    repo.commit("begin").at(hour(0));
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.commit("on a branch").at(hour(1));
    repo.commit("more of it").at(hour(2));
    repo.git(&["checkout", "-q", "main"]);
    let merge = repo.merge("topic", hour(4));
    let direct = repo.commit("direct").authored(hour(5)).at(hour(7));
    let export = seaway().measure(&repo).args(["--deploys", "merges"]).export(&repo);
    assert_eq!(export.deployments().len(), 3);
    let names = ["kind", "commits", "status", "seconds", "deployed_at"];
    assert_eq!(
        columns(&[export.change(&merge), export.change(&direct)], names),
        texts(&[
            ["merge", "2", "delivered", &(3 * HOUR).to_string(), &rfc3339(hour(4))],
            ["direct", "1", "delivered", &(2 * HOUR).to_string(), &rfc3339(hour(7))],
        ])
    );
}

#[test]
fn records_of_a_ci_system_deploy() {
    let repo = Repo::new();
    let first = repo.commit("one").at(hour(0));
    let second = repo.commit("two").at(hour(2));
    let third = repo.commit("three").at(hour(3));
    let absent = "0123456789abcdef0123456789abcdef01234567";
    let unix = hour(5);
    let records = repo.file_beside(
        "records.csv",
        format!(
            "finished_at,revision,name,outcome\n\
             2024-01-01T02:00:00+01:00,{first},d1,success\n\
             {unix},{},d2,\n\
             2024-01-01T06:00:00Z,{third},d3,failure\n\
             2024-01-01T07:00:00Z,{absent},d4,success\n\
             soon,{third},d5,success\n",
            &second[..10]
        ),
    );
    let spec = format!("file:{}", records.display());
    let report = seaway().measure(&repo).args(["--deploys", &spec]).json();
    assert_eq!(commit_counts(&report), [1, 1, 1]);
    assert_eq!(report["rework"]["unsuccessful_deployments"], 1);
    assert_eq!(finding(&report, "deployment_of_unknown_revision"), Some(1));
    assert_eq!(finding(&report, "deployment_without_time"), Some(1));
    assert_eq!(
        kinds(&repo, &["--deploys", &spec]),
        texts(&[["d1", &rfc3339(hour(1)), "first"], ["d2", &rfc3339(hour(5)), "normal"]])
    );
}

#[test]
fn records_without_a_column_that_is_needed_are_refused() {
    let repo = Repo::new();
    repo.with_little_history();
    for (header, missing) in [("revision,name\n", "finished_at"), ("finished_at\n", "revision")] {
        let records = repo.file_beside("records.csv", header);
        let spec = format!("file:{}", records.display());
        let run = seaway().measure(&repo).args(["--deploys", &spec]).bad(2);
        assert!(run.stderr.contains(&format!("has no column {missing}")), "{}", run.stderr);
    }
    seaway().measure(&repo).args(["--deploys", "file:nowhere.csv"]).bad(2);
}

#[test]
fn one_environment_is_measured() {
    let repo = Repo::new();
    let [first, second, _] = repo.with_little_history();
    let records = |environments: [&str; 2]| {
        let [one, other] = environments;
        let rows = format!(
            "revision,finished_at,environment\n{first},{},{one}\n{second},{},{one}\n\
             {second},{},{other}\n",
            hour(1),
            hour(3),
            hour(9)
        );
        format!("file:{}", repo.file_beside("records.csv", rows).display())
    };
    let count = |arguments: &[&str]| {
        seaway().measure(&repo).args(arguments).json()["deployments"]["count"].as_u64().unwrap()
    };
    let spec = records(["production", "staging"]);
    assert_eq!(count(&["--deploys", &spec]), 2);
    assert_eq!(count(&["--deploys", &spec, "--environment", "staging"]), 1);
    let asked = ["--deploys", &spec, "--environment", "moon"];
    let run = seaway().measure(&repo).args(asked).bad(2);
    assert!(run.stderr.contains("production, staging"), "{}", run.stderr);
    let spec = records(["here", "there"]);
    let run = seaway().measure(&repo).args(["--deploys", &spec]).bad(2);
    assert!(run.stderr.contains("--environment: here, there"), "{}", run.stderr);
}

#[test]
fn without_being_told_it_chooses_and_says_why() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    let source = || seaway().measure(&repo).json()["source"].clone();
    let reason = |source: &serde_json::Value| source["reason"].as_str().unwrap().to_owned();
    assert_eq!(source()["deploys"][0], "merges");
    assert!(reason(&source()).starts_with("there are no tags"));
    repo.tag("nightly");
    repo.tag("v2.0.0-rc1");
    assert_eq!(source()["deploys"][0], "merges");
    assert!(reason(&source()).starts_with("none of the 2 tags looks like a release"));
    repo.tag("v2.0.0");
    assert_eq!(source()["deploys"][0], "tag:* (those that look like releases)");
    assert_eq!(reason(&source()), "1 of 3 tags look like releases");
    assert!(source()["advice"].as_str().unwrap().contains("--deploys file:FILE.csv"));
}

#[test]
fn what_no_deployment_contains_waits() {
    let repo = Repo::new();
    let [first, second, third] = repo.with_little_history();
    let export = seaway().measure(&repo).export(&repo);
    let names = ["status", "first_deployment", "seconds"];
    let commits = export.commits();
    let of = |hash: &str| {
        let row = commits.iter().find(|row| row["commit"] == hash).unwrap().clone();
        columns(&[row], names)
    };
    // The clock of a baseline commit is known, but it is measured nowhere.
    assert_eq!(of(&first), texts(&[["baseline", "v1.0.0", ""]]));
    assert_eq!(of(&second), texts(&[["delivered", "v1.1.0", "10800"]]));
    assert_eq!(of(&third), texts(&[["waiting", "", ""]]));
    let report = seaway().measure(&repo).json();
    assert_eq!(commit_counts(&report), [1, 1, 1]);
    assert_eq!(report["time_to_value"]["n"], 1);
    assert_eq!(report["time_to_value"]["waiting"], 1);
    assert_eq!(report["flow"]["oldest"][0]["change"], third);
}

#[test]
fn a_rollback_takes_back_until_a_later_deployment_stays() {
    let repo = Repo::new();
    let first = repo.commit("one").at(hour(0));
    let broken = repo.commit("two").at(hour(2));
    let fix = repo.commit("three").at(hour(6));
    let rows = [(&first, 1), (&broken, 3), (&first, 4), (&first, 5), (&fix, 8)];
    let file = |rows: &[(&String, i64)]| {
        let mut text = "name,revision,finished_at\n".to_owned();
        for (number, (revision, hours)) in rows.iter().enumerate() {
            text += &format!("d{number},{revision},{}\n", hour(*hours));
        }
        format!("file:{}", repo.file_beside("records.csv", text).display())
    };
    let spec = file(&rows);
    let export = seaway().measure(&repo).args(["--deploys", &spec]).export(&repo);
    assert_eq!(
        columns(&export.deployments(), ["name", "kind"]),
        texts(&[
            ["d0", "first"],
            ["d1", "normal"],
            ["d2", "rollback"],
            ["d3", "redeployment"],
            ["d4", "normal"],
        ])
    );
    let change = export.change(&broken);
    assert_eq!((change["deployment"].as_str(), change["seconds"].as_str()), ("d4", "21600"));
    let commits = export.commits();
    let commit = commits.iter().find(|row| row["commit"] == broken).unwrap();
    assert_eq!(commit["first_deployment"], "d1");

    let report = seaway().measure(&repo).args(["--deploys", &spec]).json();
    assert_eq!(report["rework"]["rollbacks"], 1);
    assert_eq!(report["rework"]["failed_deployments"], 1);
    assert_eq!(report["rework"]["redeployments"], 1);
    let spec = file(&rows[..4]);
    let export = seaway().measure(&repo).args(["--deploys", &spec]).export(&repo);
    assert_eq!(export.change(&broken)["status"], "waiting");
}

#[test]
fn a_revert_and_what_it_reverts_are_rework() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    repo.tag_at("v1", hour(1));
    let bad = repo.commit("two").at(hour(2));
    let good = repo.commit("three").at(hour(3));
    let revert = repo.revert(&bad, hour(4));
    repo.tag_at("v2", hour(5));
    let export = seaway().measure(&repo).export(&repo);
    let status = |hash: &str| export.change(hash)["status"].clone();
    assert_eq!([&bad, &good, &revert].map(|it| status(it)), ["rework", "delivered", "rework"]);
    let report = seaway().measure(&repo).json();
    assert_eq!(report["time_to_value"]["n"], 1);
    assert_eq!(report["rework"]["reverts"], 1);
    assert_eq!(report["rework"]["reverted"], 1);
}

#[test]
fn work_under_another_hash_keeps_its_first_clock() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    repo.tag_at("v1.0.0", hour(1));
    repo.git(&["checkout", "-q", "-b", "stable"]);
    let first = repo.commit("fix").at(hour(2));
    let second = repo.commit("another fix").at(hour(3));
    repo.tag_at("v1.0.1", hour(4));
    repo.git(&["checkout", "-q", "main"]);
    let copied = repo.pick(&second, hour(5), &[]);
    let message = format!("fix, done anew\n\n(cherry picked from commit {first})");
    let linked = repo.commit(&message).at(hour(6));
    repo.tag_at("v1.1.0", hour(8));
    let export = seaway().measure(&repo).export(&repo);
    let seconds = |hash: &str| export.change(hash)["seconds"].clone();
    assert_eq!(seconds(&copied), (5 * HOUR).to_string());
    assert_eq!(seconds(&linked), (6 * HOUR).to_string());
    let report = seaway().measure(&repo).json();
    assert_eq!(finding(&report, "off_mainline"), Some(2));
    assert!(finding(&report, "duplicates").is_some());
}

#[test]
fn sizes_are_those_of_git() {
    let repo = Repo::new();
    let lines = |from: usize, to: usize| -> String {
        (from..to).map(|number| format!("line {number} of a text\n")).collect()
    };
    repo.commit("one").file("a.txt", lines(0, 40)).file("b.txt", lines(50, 90)).at(hour(0));
    repo.tag_at("v1", hour(1));
    let mut hashes = vec![repo.commit("edit").file("a.txt", lines(3, 45)).at(hour(2))];
    repo.git(&["mv", "b.txt", "folder.txt"]);
    hashes.push(repo.commit("rename").file("c.txt", "no line break").at(hour(3)));
    hashes.push(repo.commit("binary").file("d.bin", [0, 1, 2, 10, 0]).at(hour(4)));
    repo.git(&["rm", "-q", "c.txt"]);
    hashes.push(repo.commit("remove").file("a.txt", "").at(hour(5)));
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.commit("more").file("e.txt", lines(0, 7)).at(hour(6));
    repo.commit("less").file("e.txt", lines(0, 5)).at(hour(7));
    repo.git(&["checkout", "-q", "main"]);
    hashes.push(repo.merge("topic", hour(8)));
    repo.tag_at("v2", hour(9));
    let export = seaway().measure(&repo).export(&repo);
    for hash in &hashes {
        let numbers = repo.git(&["diff", "--numstat", "-M", &format!("{hash}^1"), hash]);
        let mut sum = [0_i32; 3];
        for line in numbers.lines() {
            let mut fields = line.split('\t').map(|field| field.parse().unwrap_or(0));
            sum[0] += 1;
            sum[1] += fields.next().unwrap();
            sum[2] += fields.next().unwrap();
        }
        let row = export.change(hash);
        let measured: [i32; 3] =
            ["files", "lines_added", "lines_deleted"].map(|it| row[it].parse().unwrap());
        assert_eq!(measured, sum, "{}", row["subject"]);
    }
}

#[test]
fn paths_choose_the_changes_that_touch_them() {
    let repo = Repo::new();
    repo.commit("one").file("web/a", "1").file("api/a", "1").at(hour(0));
    repo.tag_at("v1", hour(1));
    let web = repo.commit("web").file("web/a", "2").at(hour(2));
    let api = repo.commit("api").file("api/a", "2").at(hour(3));
    let both = repo.commit("both").file("web/a", "3").file("api/a", "3").at(hour(4));
    repo.tag_at("v2", hour(5));
    let measured = |globs: &[&str]| {
        let export = seaway().measure(&repo).args(globs).export(&repo);
        let rows = export.changes();
        let rows = rows.iter().filter(|row| row["status"] == "delivered");
        let mut hashes: Vec<String> = rows.map(|row| row["change"].clone()).collect();
        hashes.sort();
        hashes
    };
    let sorted = |hashes: &[&String]| {
        let mut hashes: Vec<String> = hashes.iter().map(|&it| it.clone()).collect();
        hashes.sort();
        hashes
    };
    assert_eq!(measured(&["--path", "web/**"]), sorted(&[&web, &both]));
    assert_eq!(measured(&["--path", "api/*"]), sorted(&[&api, &both]));
    assert_eq!(measured(&["--path", "web/**", "--path", "api/**"]), sorted(&[&web, &api, &both]));
    assert_eq!(measured(&["--path", "nowhere/**"]), sorted(&[]));
}

#[test]
fn a_span_counts_what_was_delivered_in_it() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    repo.tag_at("v1", hour(1));
    for day in 1..=4 {
        repo.commit(&format!("day {day}")).at(hour(24 * day));
        repo.tag_at(&format!("v1.{day}"), hour(24 * day + 2));
    }
    let n = |arguments: &[&str]| {
        seaway().measure(&repo).args(arguments).json()["time_to_value"]["n"].as_u64().unwrap()
    };
    assert_eq!(n(&[]), 4);
    assert_eq!(n(&["--since", "2024-01-03"]), 3);
    assert_eq!(n(&["--until", "2024-01-03"]), 1);
    // The start is in the span, the end is not.
    assert_eq!(n(&["--since", "2024-01-03T02:00:00Z", "--until", "2024-01-04T02:00:00Z"]), 1);
    assert_eq!(n(&["--since", &hour(24 * 4).to_string()]), 1);
    seaway().measure(&repo).args(["--since", "2024-02-01", "--until", "2024-01-01"]).bad(2);
    seaway().measure(&repo).args(["--since", "yesterday"]).bad(2);
}

#[test]
fn the_moment_can_be_an_earlier_one() {
    let repo = Repo::new();
    let [_, second, _] = repo.with_little_history();
    let arguments = ["--as-of", "2024-01-01T04:00:00Z"];
    let report = seaway().measure(&repo).args(arguments).json();
    assert_eq!(report["time_to_value"]["n"], 0);
    assert_eq!(finding(&report, "later_deployments"), Some(1));
    assert_eq!(report["source"]["as_of"], "2024-01-01T04:00:00Z");
    let export = seaway().measure(&repo).args(arguments).export(&repo);
    assert_eq!(export.change(&second)["status"], "waiting");
}

#[test]
fn bots_and_assistance_are_told_from_trailers_and_authors() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    repo.tag_at("v1", hour(1));
    let bot = repo
        .commit("Bump a dependency")
        .by("dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>")
        .at(hour(2));
    let assisted =
        repo.commit("Add it\n\nCo-Authored-By: Claude <noreply@anthropic.com>").at(hour(3));
    let paired = repo.commit("Pair\n\nCo-Authored-By: Bea <bea@example.com>").at(hour(4));
    repo.tag_at("v2", hour(5));
    let export = seaway().measure(&repo).export(&repo);
    let rows = [&bot, &assisted, &paired].map(|hash| export.change(hash));
    assert_eq!(
        columns(&rows, ["bot", "assisted"]),
        texts(&[["true", "false"], ["false", "true"], ["false", "false"]])
    );
}
