//! `--export DIR`: the rows behind the figures as CSV.

use super::command::Context;
use crate::error::Error;
use crate::files;
use seaway_core::delivery::history::{CommitIndex, NONE};
use seaway_core::delivery::mainline::ChangeKind;
use seaway_core::delivery::measured::{Size, Status};
use seaway_core::time::Time;
use std::path::Path;

/// Writes `commits.csv`, `deployments.csv` and `changes.csv`, each whole or not at all.
pub(crate) fn write(folder: &Path, context: &Context<'_>) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|error| files::failed(folder, &error))?;
    let put = |name: &str, rows: &dyn Fn(&mut Sheet<'_>) -> csv::Result<()>| {
        files::write_whole(&folder.join(name), &mut |out| {
            let mut sheet = csv::Writer::from_writer(out);
            rows(&mut sheet).map_err(std::io::Error::from)?;
            sheet.flush()
        })
    };
    put("commits.csv", &|sheet| commits(sheet, context))?;
    put("deployments.csv", &|sheet| deployments(sheet, context))?;
    put("changes.csv", &|sheet| changes(sheet, context))
}

type Sheet<'a> = csv::Writer<&'a mut dyn std::io::Write>;

fn commits(sheet: &mut Sheet<'_>, context: &Context<'_>) -> csv::Result<()> {
    let Context { measured, graph, .. } = context;
    sheet.write_record([
        "commit",
        "status",
        "first_deployment",
        "authored_at",
        "committed_at",
        "deployed_at",
        "seconds",
        "change",
    ])?;
    for commit in 0..graph.history.len() as CommitIndex {
        if graph.history.is_merge(commit) || !measured.touches(commit) {
            continue;
        }
        let Some(status) = measured.commit_status(&graph.history, commit) else { continue };
        let committed = graph.history.commit(commit).committed;
        let start = measured.clocks.starts[commit as usize];
        let first = measured.attribution.first[commit as usize];
        let deployment = (first != NONE).then(|| &measured.deployments[first as usize]);
        let deployed = deployment.map(|deployment| deployment.finished_at);
        let clock = start.or_else(|| measured.plausible.check(committed));
        let seconds = match (status, clock, deployed) {
            (Status::Delivered, Some(clock), Some(deployed)) => Some((deployed - clock).max(0)),
            _ => None,
        };
        let name = deployment.map(|deployment| deployment.name.as_str()).unwrap_or_default();
        sheet.write_record([
            &context.hash(commit),
            status.name(),
            &cell(name),
            &time(start),
            &time(Some(committed)),
            &time(deployed),
            &number_of(seconds),
            &measured.change_of(commit).map(|change| context.hash(change)).unwrap_or_default(),
        ])?;
    }
    Ok(())
}

fn deployments(sheet: &mut Sheet<'_>, context: &Context<'_>) -> csv::Result<()> {
    let Context { measured, graph, .. } = context;
    let mut commits = vec![0_usize; measured.deployments.len()];
    let mut changes = commits.clone();
    for commit in 0..graph.history.len() as CommitIndex {
        let first = measured.attribution.first[commit as usize];
        if first != NONE && !graph.history.is_merge(commit) && measured.touches(commit) {
            commits[first as usize] += 1;
        }
    }
    for change in measured.changes.iter().filter(|change| change.deployment != NONE) {
        changes[change.deployment as usize] += 1;
    }
    sheet.write_record(["name", "revision", "finished_at", "kind", "commits", "changes"])?;
    for (number, deployment) in measured.deployments.iter().enumerate() {
        sheet.write_record([
            &cell(&deployment.name),
            &context.hash(deployment.revision),
            &time(Some(deployment.finished_at)),
            measured.attribution.kinds[number].name(),
            &commits[number].to_string(),
            &changes[number].to_string(),
        ])?;
    }
    Ok(())
}

fn changes(sheet: &mut Sheet<'_>, context: &Context<'_>) -> csv::Result<()> {
    let measured = context.measured;
    sheet.write_record([
        "change",
        "kind",
        "commits",
        "authored_at",
        "merged_at",
        "deployed_at",
        "deployment",
        "status",
        "seconds",
        "files",
        "lines_added",
        "lines_deleted",
        "bot",
        "assisted",
        "subject",
    ])?;
    for (number, change) in measured.changes.iter().enumerate() {
        let size: Option<Size> = context.sizes.and_then(|sizes| sizes[number]);
        let deployment = measured.deployments.get(change.deployment as usize);
        let kind = match change.kind {
            ChangeKind::Merge => "merge",
            ChangeKind::Direct => "direct",
        };
        sheet.write_record([
            context.hash(change.commit).as_str(),
            kind,
            &change.commits.to_string(),
            &time(change.authored),
            &time(change.merged),
            &time(change.deployed),
            &cell(deployment.map(|deployment| deployment.name.as_str()).unwrap_or_default()),
            change.status.name(),
            &number_of(change.seconds()),
            &number_of(size.map(|size| size.files)),
            &number_of(size.map(|size| size.lines_added)),
            &number_of(size.map(|size| size.lines_deleted)),
            &change.bot.to_string(),
            &change.assisted.to_string(),
            &cell(&context.subject(change.commit)),
        ])?;
    }
    Ok(())
}

fn time(seconds: Option<i64>) -> String {
    seconds.and_then(|seconds| Time(seconds).rfc3339()).unwrap_or_default()
}

fn number_of<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Text from outside. Spreadsheets run what begins like a formula: an apostrophe keeps it text.
fn cell(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text,
    }
}
