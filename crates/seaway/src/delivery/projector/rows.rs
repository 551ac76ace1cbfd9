//! The kinds of rows that a service has, and how each is written.

use super::store::Writing;
use crate::ledger::{Engine, Error, Many, Values};
use seaway_core::delivery::measured::Status;
use seaway_core::delivery::view::{ChangeRow, DeploymentRow, FindingRow, IncidentRow, Milestone};
use serde::Serialize;

/// A kind of row of a service.
pub(super) trait Kept: Serialize + Sync + Sized {
    /// Its table.
    const TABLE: &'static str;
    /// The columns of its key, after the service.
    const KEY: &'static [&'static str];
    /// Its other columns, but for `body`.
    const COLUMNS: &'static [&'static str];
    /// The values of `KEY`.
    fn key(&self) -> Vec<&str>;
    /// Adds the values of `COLUMNS`.
    fn columns(&self, values: &mut Values);
}

impl Kept for ChangeRow {
    const TABLE: &'static str = "changes";
    const KEY: &'static [&'static str] = &["change"];
    const COLUMNS: &'static [&'static str] = &[
        "status",
        "authored_at",
        "merged_at",
        "deployed_at",
        "deployment",
        "environment",
        "pull_request",
        "last_milestone",
    ];

    fn key(&self) -> Vec<&str> {
        vec![&self.change]
    }

    fn columns(&self, values: &mut Values) {
        let last = self.milestones.last();
        values
            .text(self.status.name())
            .maybe_int(self.milestones.start())
            .maybe_int(self.milestones.get(Milestone::Merged))
            .maybe_int(self.milestones.get(Milestone::Deployed))
            .maybe_text(self.deployment.as_deref())
            .maybe_text(self.environment.as_deref())
            .maybe_text(self.pull_request.as_deref())
            // Only what waits is asked for by it.
            .maybe_text(last.filter(|_| self.status == Status::Waiting).map(Milestone::name));
    }
}

impl Kept for DeploymentRow {
    const TABLE: &'static str = "deployments";
    const KEY: &'static [&'static str] = &["environment", "name"];
    const COLUMNS: &'static [&'static str] =
        &["production", "finished_at", "replaced", "replaced_environment"];

    fn key(&self) -> Vec<&str> {
        vec![&self.environment, &self.name]
    }

    fn columns(&self, values: &mut Values) {
        values
            .int(i64::from(self.production))
            .maybe_int(self.finished_at)
            .maybe_text(self.replaced.as_deref())
            .maybe_text(self.replaced_environment.as_deref());
    }
}

impl Kept for IncidentRow {
    const TABLE: &'static str = "incidents";
    const KEY: &'static [&'static str] = &["id"];
    const COLUMNS: &'static [&'static str] = &["opened_at"];

    fn key(&self) -> Vec<&str> {
        vec![&self.id]
    }

    fn columns(&self, values: &mut Values) {
        values.maybe_int(self.opened_at);
    }
}

impl Kept for FindingRow {
    const TABLE: &'static str = "findings";
    const KEY: &'static [&'static str] = &["kind", "subject"];
    const COLUMNS: &'static [&'static str] = &[];

    fn key(&self) -> Vec<&str> {
        vec![&self.kind, &self.subject]
    }

    fn columns(&self, _: &mut Values) {}
}

/// The statements that write one kind of rows.
#[derive(Debug, Clone)]
pub(super) struct RowStatements {
    upsert: Many,
    delete: Many,
}

impl RowStatements {
    pub(super) fn of<T: Kept>(engine: Engine) -> Self {
        let key = T::KEY.join(", ");
        let columns = [&["service"], T::KEY, T::COLUMNS, &["body"]].concat();
        let set: Vec<String> = [T::COLUMNS, &["body"]]
            .concat()
            .iter()
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        let upsert = Many::new(
            engine,
            &format!("INSERT INTO {} ({}) VALUES", T::TABLE, columns.join(", ")),
            columns.len(),
            &format!("ON CONFLICT (service, {key}) DO UPDATE SET {}", set.join(", ")),
        );
        let delete = Many::new(
            engine,
            &format!("DELETE FROM {} WHERE (service, {key}) IN (VALUES", T::TABLE),
            1 + T::KEY.len(),
            ")",
        );
        Self { upsert, delete }
    }

    /// Writes rows of services with their JSON, and takes away those with the keys `gone`. Rows of
    /// many services go into one statement: most have few, and a statement takes as long as some
    /// twenty rows in it.
    pub(super) async fn write<T: Kept>(
        &self,
        writing: &mut Writing,
        diffs: &[(&str, &Diff<'_, T>)],
    ) -> Result<(), Error> {
        let written = diffs.iter().flat_map(|&(service, diff)| {
            diff.written.iter().map(move |(row, body)| (service, *row, body))
        });
        let written: Vec<(&str, &T, &String)> = written.collect();
        self.upsert
            .run(writing, &written, |&(service, row, body), values| {
                values.text(service);
                row.key().iter().for_each(|key| {
                    values.text(key);
                });
                row.columns(values);
                values.text(body);
            })
            .await?;
        let gone = diffs
            .iter()
            .flat_map(|&(service, diff)| diff.gone.iter().map(move |key| (service, key)));
        let gone: Vec<(&str, &Vec<String>)> = gone.collect();
        self.delete
            .run(writing, &gone, |&(service, key), values| {
                values.text(service);
                key.iter().for_each(|key| {
                    values.text(key);
                });
            })
            .await?;
        Ok(())
    }
}

/// Rows to write, with their JSON, and keys of rows to take away.
#[derive(Debug)]
pub(super) struct Diff<'a, T> {
    pub(super) written: Vec<(&'a T, String)>,
    pub(super) gone: Vec<Vec<String>>,
}
