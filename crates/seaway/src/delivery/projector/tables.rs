//! The tables of what the projector computes, and how older ones become newer ones.

use crate::ledger::Schema;

/// Empties all tables: the projector begins again with the first event of the log.
const COMPUTE_ANEW: &[&str] = &[
    "DELETE FROM progress WHERE name <> 'turn'",
    "DELETE FROM knowledge",
    "DELETE FROM stale",
    "DELETE FROM claims",
    "DELETE FROM repositories",
    "DELETE FROM arrivals",
    "DELETE FROM malformed",
    "DELETE FROM services",
    "DELETE FROM changes",
    "DELETE FROM deployments",
    "DELETE FROM incidents",
    "DELETE FROM findings",
    "DELETE FROM summaries",
];

/// The tables of knowledge and views. All of it can be computed anew from the log.
///
/// `knowledge` has what is known of each scope, in chunks; `stale` the scopes whose services have
/// to be computed; `claims` the names of services with the repositories that they claim, or an
/// empty text; `arrivals` how many events of each kind there were; `summaries` what reports are
/// merged from, by scope (`service NAME`, `group NAME`, `organization`) and local day, where `open`
/// is how many changes of the day wait still.
pub(crate) const VIEWS: Schema = Schema {
    name: "views",
    versions: &[
        &[
            "CREATE TABLE progress (name TEXT PRIMARY KEY, position BIGINT NOT NULL)",
            "CREATE TABLE knowledge (
            scope TEXT NOT NULL, position BIGINT NOT NULL, body {bytes} NOT NULL,
            PRIMARY KEY (scope, position)
        )",
            "CREATE TABLE stale (scope TEXT PRIMARY KEY)",
            "CREATE TABLE claims (
            name TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (name, repository)
        )",
            "CREATE TABLE repositories (name TEXT PRIMARY KEY)",
            "CREATE TABLE arrivals (
            kind TEXT NOT NULL, outcome TEXT NOT NULL, count BIGINT NOT NULL,
            PRIMARY KEY (kind, outcome)
        )",
            "CREATE TABLE malformed (
            source TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
            PRIMARY KEY (source, id)
        )",
            "CREATE TABLE services (
            service TEXT PRIMARY KEY, catalogued BIGINT NOT NULL, repository TEXT, newest BIGINT
        )",
            "CREATE TABLE changes (
            service TEXT NOT NULL, change TEXT NOT NULL, status TEXT NOT NULL,
            authored_at BIGINT, merged_at BIGINT, deployed_at BIGINT, deployment TEXT,
            body TEXT NOT NULL, PRIMARY KEY (service, change)
        )",
            "CREATE INDEX changes_by_merge ON changes (service, merged_at)",
            "CREATE INDEX changes_waiting ON changes (authored_at) WHERE status = 'waiting'",
            "CREATE TABLE deployments (
            service TEXT NOT NULL, environment TEXT NOT NULL, name TEXT NOT NULL,
            production BIGINT NOT NULL, finished_at BIGINT,
            body TEXT NOT NULL, PRIMARY KEY (service, environment, name)
        )",
            "CREATE INDEX deployments_by_time ON deployments (service, finished_at)",
            "CREATE TABLE incidents (
            service TEXT NOT NULL, id TEXT NOT NULL, opened_at BIGINT,
            body TEXT NOT NULL, PRIMARY KEY (service, id)
        )",
            "CREATE TABLE findings (
            service TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
            body TEXT NOT NULL, PRIMARY KEY (service, kind, subject)
        )",
            "CREATE TABLE summaries (
            scope TEXT NOT NULL, day BIGINT NOT NULL, open BIGINT NOT NULL,
            deployments BIGINT NOT NULL, body {bytes} NOT NULL,
            PRIMARY KEY (scope, day)
        )",
            "CREATE INDEX summaries_open ON summaries (scope, day) WHERE open > 0",
            "CREATE INDEX summaries_deployed ON summaries (scope, day) WHERE deployments > 0",
        ],
        // Sums by architecture, runtime and tier came in.
        COMPUTE_ANEW,
        &[
            // What people search by.
            "ALTER TABLE changes ADD COLUMN pull_request TEXT",
            "UPDATE changes SET pull_request = {pull_request}",
            "CREATE INDEX changes_by_pull_request ON changes (pull_request, merged_at) \
             WHERE pull_request IS NOT NULL",
            "CREATE INDEX changes_by_hash ON changes (substr(change, 1, 12))",
            "CREATE INDEX changes_newest ON changes (merged_at)",
            "CREATE INDEX deployments_by_name ON deployments (name{bytewise})",
            "CREATE INDEX findings_by_kind ON findings (kind, service, subject)",
        ],
        &[
            // Pages of rows begin in the middle, and read no more than they show.
            "DROP INDEX changes_by_merge",
            "CREATE INDEX changes_of_service ON changes \
             (service, (COALESCE(merged_at, 0)), change)",
            "CREATE INDEX changes_of_deployment ON changes (service, deployment) \
             WHERE deployment IS NOT NULL",
            "DROP INDEX changes_waiting",
            "CREATE INDEX changes_waiting ON changes \
             ((COALESCE(authored_at, 0)), (change || ' ' || service)) WHERE status = 'waiting'",
            "CREATE INDEX changes_waiting_of_service ON changes \
             (service, (COALESCE(authored_at, 0)), change) WHERE status = 'waiting'",
            "CREATE INDEX deployments_of_service ON deployments \
             (service, (COALESCE(finished_at, 0)), (environment || ' ' || name))",
            "DROP INDEX deployments_by_name",
            "CREATE INDEX deployments_by_name ON deployments (name{bytewise}, service)",
        ],
        // Summaries tell what changes would take without each stage.
        COMPUTE_ANEW,
        &["CREATE INDEX IF NOT EXISTS deployments_latest ON deployments (finished_at) \
           WHERE production = 1"],
        // Summaries tell exactly how old a change was when a span began.
        COMPUTE_ANEW,
        // A deployment that a row names is told with its environment.
        COMPUTE_ANEW,
        &[
            "ALTER TABLE changes ADD COLUMN environment TEXT",
            "ALTER TABLE deployments ADD COLUMN replaced TEXT",
            "ALTER TABLE deployments ADD COLUMN replaced_environment TEXT",
            "CREATE INDEX deployments_latest_of_service ON deployments (service, finished_at) \
             WHERE production = 1",
            "CREATE INDEX deployments_replacing ON deployments (service, replaced) \
             WHERE replaced IS NOT NULL",
        ],
        // Changes tell their commits, reviews and builds, deployments their place on the mainline.
        COMPUTE_ANEW,
        // Changes tell their lines, and summaries tell them apart by these; reviews tell who wrote
        // them, incidents the environment of their deployment.
        COMPUTE_ANEW,
        // What waits is listed by its last milestone.
        &[
            "ALTER TABLE changes ADD COLUMN last_milestone TEXT",
            "CREATE INDEX changes_waiting_by_milestone ON changes (last_milestone, \
             (COALESCE(authored_at, 0)), (change || ' ' || service)) WHERE status = 'waiting'",
        ],
        COMPUTE_ANEW,
    ],
};
