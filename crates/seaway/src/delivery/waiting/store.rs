//! The SQL of what waits.

use crate::delivery::store::{After, Kept, KeptRow, Store, kept};
use crate::ledger::Error;
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// Which waiting changes are meant.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Waiting<'a> {
    /// Those of these services, which are to be few: the cost is that of all that waits in them.
    /// `None`: of all.
    pub(crate) services: Option<&'a [&'a str]>,
    /// Those whose last milestone this is.
    pub(crate) last: Option<&'a str>,
}

impl<'a> Waiting<'a> {
    /// What is said of them in a statement whose first free value is `first`, and the values.
    fn condition(&self, first: usize) -> (Vec<&'a str>, String) {
        let (mut values, mut condition) = (Vec::new(), String::new());
        if let Some(last) = self.last {
            // Of some services they are looked for by service: this keeps SQLite from walking
            // through those of all.
            let column = match self.services {
                Some(_) => "COALESCE(last_milestone, '')",
                None => "last_milestone",
            };
            condition.push_str(&format!("AND {column} = ${first}"));
            values.push(last);
        }
        if let Some(services) = self.services {
            let from = first + values.len();
            let places = (from..from + services.len()).map(|it| format!("${it}"));
            let places = places.collect::<Vec<_>>().join(", ");
            condition.push_str(&format!(" AND service IN ({places})"));
            values.extend(services);
        }
        (values, condition)
    }
}

impl Store {
    /// Waiting changes, oldest first.
    pub(crate) async fn waiting(
        &self,
        of: &Waiting<'_>,
        after: &After,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let (values, condition) = of.condition(4);
        let (key, order) = match of.services {
            Some([_]) => ("change", "COALESCE(authored_at, 0)"),
            // The sum keeps SQLite from walking through those of all services in this order.
            Some(_) => ("change || ' ' || service", "COALESCE(authored_at, 0) + 0"),
            None => ("change || ' ' || service", "COALESCE(authored_at, 0)"),
        };
        let sql = format!(
            "SELECT service, COALESCE(authored_at, 0), {key}, body FROM changes \
             WHERE status = 'waiting' {condition} AND COALESCE(authored_at, 0) >= $1 \
             AND (COALESCE(authored_at, 0), {key}) > ($1, $2) ORDER BY {order}, {key} LIMIT $3"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(after.at).bind(after.key.as_str());
        let query = values.iter().fold(query.bind(limit), |query, value| query.bind(*value));
        let rows: Vec<KeptRow> = self.fetch(query).await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// How many changes wait, by their last milestone.
    pub(crate) async fn waiting_by_milestone(
        &self,
        of: &Waiting<'_>,
    ) -> Result<BTreeMap<String, i64>, Error> {
        let (values, condition) = of.condition(1);
        let sql = format!(
            "SELECT last_milestone, COUNT(*) FROM changes \
             WHERE status = 'waiting' {condition} GROUP BY last_milestone"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql));
        let query = values.iter().fold(query, |query, value| query.bind(*value));
        let rows: Vec<(Option<String>, i64)> = self.fetch(query).await?;
        Ok(rows.into_iter().filter_map(|(last, n)| Some((last?, n))).collect())
    }
}
