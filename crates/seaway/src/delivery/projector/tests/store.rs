//! What the views hold, as a text that can be compared, and statements that fail on purpose.

use crate::ledger::{Database, Engine};
use sqlx::AssertSqlSafe;

/// The columns of a table by their kind: text, number, bytes.
type Columns = &'static [(&'static str, char)];

/// All tables, with the columns of their rows. What tells only how the work was cut is left out.
const TABLES: [(&str, Columns); 11] = [
    ("stale", &[("scope", 't')]),
    ("claims", &[("name", 't'), ("repository", 't')]),
    ("repositories", &[("name", 't')]),
    ("arrivals", &[("kind", 't'), ("outcome", 't'), ("count", 'i')]),
    ("malformed", &[("source", 't'), ("id", 't'), ("kind", 't'), ("reason", 't')]),
    ("services", &[("service", 't'), ("catalogued", 'i'), ("repository", 't'), ("newest", 'i')]),
    (
        "changes",
        &[
            ("service", 't'),
            ("change", 't'),
            ("status", 't'),
            ("authored_at", 'i'),
            ("merged_at", 'i'),
            ("deployed_at", 'i'),
            ("deployment", 't'),
            ("pull_request", 't'),
            ("body", 't'),
        ],
    ),
    (
        "deployments",
        &[
            ("service", 't'),
            ("environment", 't'),
            ("name", 't'),
            ("production", 'i'),
            ("finished_at", 'i'),
            ("body", 't'),
        ],
    ),
    ("incidents", &[("service", 't'), ("id", 't'), ("opened_at", 'i'), ("body", 't')]),
    ("findings", &[("service", 't'), ("kind", 't'), ("subject", 't'), ("body", 't')]),
    (
        "summaries",
        &[("scope", 't'), ("day", 'i'), ("open", 'i'), ("deployments", 'i'), ("body", 'b')],
    ),
];

/// Every row of the views, a line each, in an order that is the same everywhere.
pub(super) async fn dump(views: &Database) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, columns) in TABLES {
        let column = |&(name, kind): &(&str, char)| match (kind, views.engine()) {
            ('b', Engine::Sqlite) => format!("lower(hex({name}))"),
            ('b', Engine::Postgres) => format!("encode({name}, 'hex')"),
            _ => format!("COALESCE(CAST({name} AS TEXT), '-')"),
        };
        let columns: Vec<String> = columns.iter().map(column).collect();
        let sql = format!("SELECT {} FROM {table}", columns.join(" || '\t' || "));
        let rows: Vec<(String,)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(views.pool()).await.unwrap();
        lines.extend(rows.into_iter().map(|(row,)| format!("{table}\t{row}")));
    }
    lines.sort_unstable();
    lines
}

/// The summaries: scope, day, bytes.
pub(super) async fn summaries(views: &Database) -> Vec<(String, i64, Vec<u8>)> {
    let sql = "SELECT scope, day, body FROM summaries";
    sqlx::query_as(sql).fetch_all(views.pool()).await.unwrap()
}

/// Statements that [`break_down`] makes fail: which, on which table, and of which rows.
const FAILURES: [(&str, &str, &str); 8] = [
    ("INSERT", "arrivals", "1 = 1"),
    ("INSERT", "claims", "1 = 1"),
    ("INSERT", "knowledge", "NEW.scope = 'catalog applied'"),
    ("INSERT", "services", "1 = 1"),
    ("INSERT", "changes", "1 = 1"),
    ("UPDATE", "summaries", "1 = 1"),
    ("INSERT", "summaries", "NEW.scope = 'organization'"),
    ("DELETE", "stale", "1 = 1"),
];

/// From now on, statements of one kind fail.
pub(super) async fn break_down(views: &Database, number: u8) {
    let (verb, table, condition) = FAILURES[usize::from(number) % FAILURES.len()];
    let statements = match views.engine() {
        Engine::Sqlite => vec![format!(
            "CREATE TRIGGER IF NOT EXISTS broken BEFORE {verb} ON {table} WHEN {condition} \
             BEGIN SELECT RAISE(ABORT, 'broken on purpose'); END"
        )],
        Engine::Postgres => vec![
            "CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''broken on purpose''; END'"
                .to_owned(),
            format!(
                "CREATE TRIGGER broken BEFORE {verb} ON {table} FOR EACH ROW \
                 WHEN ({condition}) EXECUTE FUNCTION broken()"
            ),
        ],
    };
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(views.pool()).await.unwrap();
    }
}

/// They no longer fail.
pub(super) async fn mend(views: &Database, number: u8) {
    let (_, table, _) = FAILURES[usize::from(number) % FAILURES.len()];
    let statement = match views.engine() {
        Engine::Sqlite => "DROP TRIGGER IF EXISTS broken".to_owned(),
        Engine::Postgres => format!("DROP TRIGGER broken ON {table}"),
    };
    sqlx::query(AssertSqlSafe(statement)).execute(views.pool()).await.unwrap();
}
