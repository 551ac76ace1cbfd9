//! `seaway token`: making, listing and revoking tokens, beside a server that runs or through it.

use super::Role;
use super::api::Row;
use super::audit::Actor;
use super::manage::{Manager, Refused, Wanted};
use super::store::Store;
use crate::app::{Clock, PlaceArguments};
use crate::error::Error;
use crate::ledger::{Database, Databases, Ledger};
use crate::pages::words::clean;
use crate::remote::{Method, Remote, ServerArgument};
use anstream::{stderr, stdout};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::Write;

/// The arguments of `seaway token`.
#[derive(Debug, Args)]
pub(crate) struct TokenVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token, and print it this one time
    Create(Create),
    /// List the tokens: never their secrets
    List(List),
    /// End a token, and the sessions of who signed in with it
    Revoke(Revoke),
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    server: ServerArgument,
    /// What people call it: who or what it is for
    #[arg(long)]
    name: String,
    /// What its holder may do
    #[arg(long, value_enum, required_unless_present_any = ["evaluate", "sync"])]
    role: Option<Role>,
    /// In the place of a role: it evaluates the flags of an environment and opens nothing else, so
    /// that it may stand in a page
    #[arg(long, value_name = "ENVIRONMENT", conflicts_with_all = ["role", "sync"])]
    evaluate: Option<String>,
    /// In the place of a role: it reads the definitions of the flags of an environment, too, for
    /// programs that evaluate them by themselves
    #[arg(long, value_name = "ENVIRONMENT", conflicts_with = "role")]
    sync: Option<String>,
    /// When it ends: a span (12h, 90d, 1y), a day (2027-01-31) or a moment in RFC 3339
    #[arg(long, value_name = "SPAN|DAY")]
    expires: String,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    server: ServerArgument,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct Revoke {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    server: ServerArgument,
    /// Its id, as the list has it
    id: String,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl TokenVerb {
    /// Does what the command line says.
    pub(crate) async fn run(self, clock: Clock) -> Result<(), Error> {
        match self.verb {
            Verb::Create(verb) => verb.run(clock).await,
            Verb::List(verb) => verb.run(clock).await,
            Verb::Revoke(verb) => verb.run(clock).await,
        }
    }
}

/// The tokens of a place, which a server may be using.
struct Beside {
    database: Database,
    ledger: Ledger,
    manager: Manager,
}

impl Beside {
    async fn open(place: &PlaceArguments, make: bool, clock: Clock) -> Result<Self, Error> {
        let database = Databases::open_beside(&place.place(), make).await?;
        let ledger = Ledger::start_beside(database.clone()).await?;
        let store = Store::open(database.clone()).await?;
        let manager = Manager::new(store, ledger.clone(), clock);
        Ok(Self { database, ledger, manager })
    }

    async fn close(self) {
        drop(self.manager);
        self.ledger.finish().await;
        self.database.close().await;
    }
}

impl Create {
    async fn run(self, clock: Clock) -> Result<(), Error> {
        let (role, environment) = match (self.role, self.evaluate, self.sync) {
            (None, Some(environment), _) => (Role::Evaluate, Some(environment)),
            (None, None, Some(environment)) => (Role::Sync, Some(environment)),
            (role, ..) => (role.unwrap_or(Role::Viewer), None),
        };
        let wanted = Wanted { name: self.name, role, environment, expires: self.expires };
        let made = match self.server.remote(&self.place)? {
            Some(remote) => {
                let wanted = serde_json::to_value(&wanted).map_err(unwritable)?;
                ask(&remote, Method::POST, "/api/v1/tokens", Some(&wanted)).await?
            }
            None => {
                let beside = Beside::open(&self.place, true, clock).await?;
                let made = beside.manager.create(&wanted, Actor::local(), None).await;
                beside.close().await;
                let made = made?;
                let mut row = row(Row::of(made.token, clock()))?;
                row["secret"] = json!(made.secret.reveal());
                row
            }
        };
        if self.format == Format::Json {
            return print(&format!("{made:#}"));
        }
        print(&text(&made, "secret"))?;
        // Apart, so that a script has the token alone.
        let told = format!(
            "{} ({}) is good until {}; its id is {}. It is shown this one time.",
            text(&made, "name"),
            role_of(&made),
            text(&made, "expires_at"),
            text(&made, "id"),
        );
        writeln!(stderr(), "{told}").or_else(unless_gone)
    }
}

impl List {
    async fn run(self, clock: Clock) -> Result<(), Error> {
        let rows = match self.server.remote(&self.place)? {
            Some(remote) => {
                let mut all = ask(&remote, Method::GET, "/api/v1/tokens", None).await?;
                all["rows"].take()
            }
            None => {
                let beside = Beside::open(&self.place, false, clock).await?;
                let all = beside.manager.all().await;
                beside.close().await;
                let rows = all?.into_iter().map(|token| row(Row::of(token, clock())));
                Value::Array(rows.collect::<Result<_, _>>()?)
            }
        };
        match self.format {
            Format::Json => print(&format!("{rows:#}")),
            Format::Text => print(&table(rows.as_array().map_or(&[], Vec::as_slice))),
        }
    }
}

impl Revoke {
    async fn run(self, clock: Clock) -> Result<(), Error> {
        let token = match self.server.remote(&self.place)? {
            Some(remote) => {
                let path = format!("/api/v1/tokens/{}", crate::pages::site::escape(&self.id));
                ask(&remote, Method::DELETE, &path, None).await?
            }
            None => {
                let beside = Beside::open(&self.place, false, clock).await?;
                let revoked = beside.manager.revoke(&self.id, Actor::local(), None).await;
                beside.close().await;
                let token = revoked?.ok_or_else(|| {
                    let what = format!("there is no token {}", self.id);
                    Error::input(what, "seaway token list shows all")
                })?;
                row(Row::of(token, clock()))?
            }
        };
        match self.format {
            Format::Json => print(&format!("{token:#}")),
            Format::Text => print(&format!("{} is revoked", text(&token, "name"))),
        }
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::from(Refused::Json(error))
}

fn row(row: Row) -> Result<Value, Error> {
    serde_json::to_value(row).map_err(unwritable)
}

async fn ask(
    remote: &Remote,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Error> {
    let hint = "SEAWAY_TOKEN has to hold the token of an admin of that server";
    remote.ask(method, path, body, hint).await
}

/// A field for people.
fn text(row: &Value, field: &str) -> String {
    row[field].as_str().map_or_else(|| "never".to_owned(), |text| clean(text, 100))
}

/// What it may do, and where if that is in one environment.
fn role_of(row: &Value) -> String {
    match row["environment"].as_str() {
        Some(environment) => format!("{} {}", text(row, "role"), clean(environment, 100)),
        None => text(row, "role"),
    }
}

/// The tokens, a line each.
fn table(rows: &[Value]) -> String {
    const FIELDS: [(&str, &str); 7] = [
        ("ID", "id"),
        ("ROLE", "role"),
        ("STATE", "state"),
        ("CREATED", "created_at"),
        ("EXPIRES", "expires_at"),
        ("USED ABOUT", "used_at"),
        ("NAME", "name"),
    ];
    if rows.is_empty() {
        return "there are no tokens".to_owned();
    }
    let head = FIELDS.map(|(head, _)| head.to_owned());
    let lines = rows.iter().map(|row| {
        FIELDS.map(|(_, field)| if field == "role" { role_of(row) } else { text(row, field) })
    });
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(lines).collect();
    let widths: Vec<usize> = (0..FIELDS.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |cells: &[String; 7]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn print(text: &str) -> Result<(), Error> {
    let mut out = stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).or_else(unless_gone)
}

/// Who reads may stop reading.
fn unless_gone(error: std::io::Error) -> Result<(), Error> {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::Failed { what: error.to_string(), hint: None }),
    }
}
