//! `seaway flag`: flags of a server that runs, through its API.

mod text;

use super::ramps::RampVerb;
use super::refs::Refs;
use crate::error::Error;
use crate::files::write_whole;
use crate::pages::site::escape;
use crate::pages::words::clean;
use crate::remote::{Method, Question, Remote, Reply};
use anstream::stdout;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Where a server listens unless it is told otherwise.
const SERVER: &str = "http://127.0.0.1:7700";
/// Rows of one answer of the server.
const ROWS: &str = "1000";
const HINT: &str = "SEAWAY_TOKEN has to hold the token of a viewer of that server, and of an editor \
                    for changes";

/// The arguments of `seaway flag`.
#[derive(Debug, Args)]
pub(crate) struct FlagVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the flags
    List(List),
    /// Show one flag
    Show(One),
    /// Write the definition of a flag: flagd's JSON of one flag
    Set(Set),
    /// Turn a flag on again, as its definition says
    On(Switch),
    /// Turn a flag off for everybody, at once
    Off(Switch),
    /// Delete a flag; its history stays
    Delete(Change),
    /// List the revisions of a flag
    History(One),
    /// Make an earlier revision of a flag the newest again
    Restore(Restore),
    /// Take in a file of flagd: all of it or nothing
    Import(Import),
    /// Write all flags of an environment as a file of flagd
    Export(Export),
    /// Tell how the ramp of a flag is, start it, or change it
    Ramp(RampVerb),
    /// Find where a repository mentions flags, and which commits brought and took that
    Refs(Refs),
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Which server is asked, and how it is told.
#[derive(Debug, Args)]
struct Whom {
    /// The server [default: $SEAWAY_SERVER, or http://127.0.0.1:7700]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    whom: Whom,
    /// Those of this environment only
    #[arg(long, short)]
    environment: Option<String>,
    /// Those of this owner only
    #[arg(long)]
    owner: Option<String>,
    /// Those for this purpose only: release, experiment, operations, permission
    #[arg(long)]
    purpose: Option<String>,
    /// Those that are so only: on, off, disabled, broken
    #[arg(long)]
    state: Option<String>,
    /// Those with this in their keys only
    #[arg(long, short)]
    query: Option<String>,
}

/// Which flag is meant, and of which server.
#[derive(Debug, Args)]
pub(super) struct One {
    #[command(flatten)]
    whom: Whom,
    /// The key of the flag
    key: String,
    /// The environment
    #[arg(long, short, default_value = "production")]
    environment: String,
}

#[derive(Debug, Args)]
struct Switch {
    #[command(flatten)]
    one: One,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    /// Take the lock away that a ramp has left; needs a reason
    #[arg(long, requires = "reason")]
    unlock: bool,
}

#[derive(Debug, Args)]
struct Change {
    #[command(flatten)]
    switch: Switch,
    /// The revision that is changed, as flag show tells it
    #[arg(long, value_name = "REVISION")]
    base: Option<u64>,
}

#[derive(Debug, Args)]
struct Set {
    #[command(flatten)]
    change: Change,
    /// The file of the definition; - for standard input
    file: PathBuf,
    /// Tell who would move, and change nothing
    #[arg(long)]
    preview: bool,
}

#[derive(Debug, Args)]
struct Restore {
    #[command(flatten)]
    change: Change,
    /// The revision that is restored
    revision: u64,
}

#[derive(Debug, Args)]
struct Import {
    #[command(flatten)]
    whom: Whom,
    /// The file; - for standard input
    file: PathBuf,
    /// The environment
    #[arg(long, short, default_value = "production")]
    environment: String,
    /// Delete the flags that are not in the file
    #[arg(long)]
    replace: bool,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    /// The version of the environment that the file is for, as the export tells it
    #[arg(long, value_name = "VERSION")]
    base: Option<String>,
}

#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    whom: Whom,
    /// The environment
    #[arg(long, short, default_value = "production")]
    environment: String,
    /// The file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl FlagVerb {
    /// Does what the command line says.
    pub(crate) async fn run(self) -> Result<(), Error> {
        match self.verb {
            Verb::List(verb) => verb.run().await,
            Verb::Show(one) => one.show().await,
            Verb::Set(verb) => verb.run().await,
            Verb::On(switch) => switch.run("on").await,
            Verb::Off(switch) => switch.run("off").await,
            Verb::Delete(change) => change.delete().await,
            Verb::History(one) => one.history().await,
            Verb::Restore(verb) => verb.run().await,
            Verb::Import(verb) => verb.run().await,
            Verb::Export(verb) => verb.run().await,
            Verb::Ramp(verb) => verb.run().await,
            Verb::Refs(verb) => verb.run(),
        }
    }
}

impl Whom {
    fn remote(&self) -> Result<Remote, Error> {
        let named = || std::env::var("SEAWAY_SERVER").ok().filter(|url| !url.trim().is_empty());
        let url = self.server.clone().or_else(named);
        Remote::of(url.as_deref().unwrap_or(SERVER))
    }

    /// Prints an answer, or what people read of it.
    fn tell(&self, answer: &Value, text: impl FnOnce(&Value) -> String) -> Result<(), Error> {
        match self.format {
            Format::Json => print(&format!("{answer:#}")),
            Format::Text => print(&text(answer)),
        }
    }
}

async fn ask(remote: &Remote, question: Question<'_>) -> Result<(Value, Reply), Error> {
    let reply = remote.put(question, HINT).await?;
    let answer = serde_json::from_slice(&reply.body).map_err(|_| Error::Failed {
        what: format!("{} answers what is no JSON", remote.name()),
        hint: None,
    })?;
    Ok((answer, reply))
}

/// All rows at a path, read in pages.
async fn rows(remote: &Remote, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", ROWS));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let method = Method::GET;
        let question = Question { method, path, query: &query, condition: None, body: None };
        let (mut answer, _) = ask(remote, question).await?;
        if let Value::Array(rows) = answer["rows"].take() {
            all.extend(rows);
        }
        match answer["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Error> {
        let filters = [
            ("environment", &self.environment),
            ("owner", &self.owner),
            ("purpose", &self.purpose),
            ("state", &self.state),
            ("q", &self.query),
        ];
        let query: Vec<(&str, &str)> = filters
            .into_iter()
            .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
            .collect();
        let rows = rows(&self.whom.remote()?, "/api/v1/flags", &query).await?;
        self.whom.tell(&Value::Array(rows), text::list)
    }
}

impl One {
    fn path(&self, end: &str) -> String {
        format!("/api/v1/flags/{}/{}{end}", escape(&self.environment), escape(&self.key))
    }

    pub(super) async fn send(
        &self,
        method: Method,
        end: &str,
        condition: Option<(&str, &str)>,
        body: Option<Vec<u8>>,
    ) -> Result<Value, Error> {
        let path = self.path(end);
        let question = Question { method, path: &path, query: &[], condition, body };
        Ok(ask(&self.whom.remote()?, question).await?.0)
    }

    /// Prints an answer, or what people read of it.
    pub(super) fn tell(&self, answer: &Value, text: fn(&Value) -> String) -> Result<(), Error> {
        self.whom.tell(answer, text)
    }

    async fn show(self) -> Result<(), Error> {
        let flag = self.send(Method::GET, "", None, None).await?;
        self.whom.tell(&flag, text::flag)
    }

    async fn history(self) -> Result<(), Error> {
        let rows = rows(&self.whom.remote()?, &self.path("/history"), &[]).await?;
        self.whom.tell(&Value::Array(rows), text::history)
    }
}

impl Switch {
    async fn run(self, what: &str) -> Result<(), Error> {
        let body = json!({ "reason": self.reason, "unlock": self.unlock }).to_string();
        let end = format!("/{what}");
        let flag = self.one.send(Method::POST, &end, None, Some(body.into_bytes())).await?;
        self.one.whom.tell(&flag, text::changed)
    }
}

impl Change {
    fn one(&self) -> &One {
        &self.switch.one
    }

    /// The condition of the change: of the revision that is named, or of the newest one.
    async fn condition(&self) -> Result<(&'static str, String), Error> {
        let revision = match self.base {
            Some(base) => base,
            None => {
                let flag = self.one().send(Method::GET, "", None, None).await?;
                flag["revision"].as_u64().unwrap_or(0)
            }
        };
        Ok(("if-match", format!("\"{revision}\"")))
    }

    async fn delete(self) -> Result<(), Error> {
        let (name, value) = self.condition().await?;
        let path = self.one().path("");
        let question = Question {
            method: Method::DELETE,
            path: &path,
            query: &[("reason", &self.switch.reason)],
            condition: Some((name, &value)),
            body: None,
        };
        let (flag, _) = ask(&self.one().whom.remote()?, question).await?;
        self.one().whom.tell(&flag, text::changed)
    }
}

impl Set {
    async fn run(self) -> Result<(), Error> {
        let definition = read(&self.file)?;
        let definition = String::from_utf8(definition).map_err(|_| {
            Error::input("the definition is not UTF-8", "write it as JSON in UTF-8")
        })?;
        let one = self.change.one();
        let Switch { reason, unlock, .. } = &self.change.switch;
        // As it was written: numbers and the order of members are kept.
        let body = |more: &str| format!("{{\"definition\":{definition}{more}}}").into_bytes();
        if self.preview {
            let preview = one.send(Method::POST, "/preview", None, Some(body(""))).await?;
            return one.whom.tell(&preview, text::preview);
        }
        let more = format!(",\"reason\":{},\"unlock\":{unlock}", json!(reason));
        let tag = self.change.base.map(|base| format!("\"{base}\""));
        let condition = match &tag {
            Some(tag) => ("if-match", tag.as_str()),
            None => ("if-none-match", "*"),
        };
        let flag = one.send(Method::PUT, "", Some(condition), Some(body(&more))).await;
        let flag = flag.map_err(|error| match error {
            Error::Input { what, hint: None } if self.change.base.is_none() => {
                Error::input(what, "to change a flag that is there, name its revision with --base")
            }
            other => other,
        })?;
        one.whom.tell(&flag, text::changed)
    }
}

impl Restore {
    async fn run(self) -> Result<(), Error> {
        let one = self.change.one();
        let (name, value) = self.change.condition().await?;
        let Switch { reason, unlock, .. } = &self.change.switch;
        let body = json!({ "revision": self.revision, "reason": reason, "unlock": unlock });
        let body = Some(body.to_string().into_bytes());
        let flag = one.send(Method::POST, "/restore", Some((name, &value)), body).await?;
        one.whom.tell(&flag, text::changed)
    }
}

impl Import {
    async fn run(self) -> Result<(), Error> {
        let path = format!("/api/v1/environments/{}/import", escape(&self.environment));
        let tag = self.base.as_ref().map(|base| format!("\"{base}\""));
        let replace = if self.replace { "true" } else { "false" };
        let question = Question {
            method: Method::POST,
            path: &path,
            query: &[("replace", replace), ("reason", &self.reason)],
            condition: Some(("if-match", tag.as_deref().unwrap_or("*"))),
            body: Some(read(&self.file)?),
        };
        let (done, _) = ask(&self.whom.remote()?, question).await?;
        self.whom.tell(&done, text::imported)
    }
}

impl Export {
    async fn run(self) -> Result<(), Error> {
        let path = format!("/api/v1/environments/{}/export", escape(&self.environment));
        let method = Method::GET;
        let question = Question { method, path: &path, query: &[], condition: None, body: None };
        let reply = self.whom.remote()?.put(question, HINT).await?;
        match &self.output {
            None => stdout().write_all(&reply.body).or_else(unless_gone),
            Some(file) => {
                write_whole(file, &mut |out| out.write_all(&reply.body))?;
                let version = reply.tag.unwrap_or_default();
                let told = json!({
                    "file": file.display().to_string(), "version": version.trim_matches('"'),
                });
                self.whom.tell(&told, |told| {
                    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
                    clean(&format!("{} is version {}", text("file"), text("version")), 500)
                })
            }
        }
    }
}

/// What is in a file, or comes in by standard input.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let read = match file.to_str() {
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        _ => std::fs::read(file),
    };
    read.map_err(|error| {
        let what = format!("{} cannot be read: {error}", file.display());
        Error::input(what, "check the path")
    })
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
