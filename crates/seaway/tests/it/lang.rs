//! The language of these tests: repositories told commit by commit, and runs of the program.
//!
//! Every repository is made by real git with fixed identities and dates, in a folder of its own
//! that also holds the home and the cache of the program.

use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// 2024-01-01T00:00:00Z, a Monday: where the histories of these tests start.
pub(crate) const START: i64 = 1_704_067_200;
pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The moment so many hours after the start.
pub(crate) fn hour(hours: i64) -> i64 {
    START + hours * HOUR
}

/// A moment as the exported files write it.
pub(crate) fn rfc3339(time: i64) -> String {
    jiff::Timestamp::from_second(time).unwrap().to_string()
}

/// A repository with a work tree, on branch `main`.
pub(crate) struct Repo {
    home: TempDir,
    pub(crate) folder: PathBuf,
}

impl Repo {
    pub(crate) fn new() -> Self {
        Self::init(&[])
    }

    /// A repository made with more arguments of `git init`.
    pub(crate) fn init(arguments: &[&str]) -> Self {
        let repo = Self::nowhere();
        std::fs::create_dir(&repo.folder).unwrap();
        repo.git(&[&["init", "--quiet", "--initial-branch=main"], arguments].concat());
        repo
    }

    /// A home without a repository in it yet.
    fn nowhere() -> Self {
        let home = TempDir::new().unwrap();
        let folder = home.path().join("repository");
        Self { home, folder }
    }

    /// A clone of this repository by git, with more arguments of `git clone`.
    pub(crate) fn cloned(&self, arguments: &[&str]) -> Self {
        let clone = Self::nowhere();
        let url = format!("file://{}", self.folder.display());
        let target = clone.folder.display().to_string();
        let mut command = git_command(clone.home.path(), clone.home.path());
        command.args(["clone", "--quiet"]).args(arguments).args([&url, &target]);
        finish(command, b"");
        clone
    }

    /// A file or folder beside the repository.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file beside the repository and tells its path.
    pub(crate) fn file_beside(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.beside(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The folder that holds the repository itself.
    pub(crate) fn git_folder(&self) -> PathBuf {
        self.folder.join(".git")
    }

    /// What git prints, without the last line break.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_fed(arguments, b"")
    }

    /// Git with something to read.
    pub(crate) fn git_fed(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = self.git_command();
        command.args(arguments);
        finish(command, input)
    }

    pub(crate) fn git_command(&self) -> Command {
        git_command(self.home.path(), &self.folder)
    }

    fn git_at(&self, authored: i64, committed: i64, arguments: &[&str]) -> String {
        let mut command = self.git_command();
        command
            .env("GIT_AUTHOR_DATE", format!("@{authored} +0000"))
            .env("GIT_COMMITTER_DATE", format!("@{committed} +0000"))
            .args(arguments);
        finish(command, b"")
    }

    /// Begins to tell a commit.
    pub(crate) fn commit(&self, message: &str) -> NewCommit<'_> {
        NewCommit {
            repo: self,
            message: message.to_owned(),
            authored: None,
            author: None,
            files: Vec::new(),
        }
    }

    /// A merge of a branch into the one that is checked out.
    pub(crate) fn merge(&self, branch: &str, at: i64) -> String {
        let message = format!("Merge {branch}");
        self.git_at(at, at, &["merge", "--quiet", "--no-ff", "-m", &message, branch]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// A tag that is only a name.
    pub(crate) fn tag(&self, name: &str) {
        self.git(&["tag", name]);
    }

    /// A tag with a tagger and a date.
    pub(crate) fn tag_at(&self, name: &str, at: i64) {
        self.git_at(at, at, &["tag", "-a", "-m", name, name]);
    }

    /// Reverts a commit, as git words it.
    pub(crate) fn revert(&self, commit: &str, at: i64) -> String {
        self.git_at(at, at, &["revert", "--no-edit", commit]);
        self.head()
    }

    /// Cherry-picks a commit, `-x` or not.
    pub(crate) fn pick(&self, commit: &str, at: i64, arguments: &[&str]) -> String {
        let arguments = [&["cherry-pick"], arguments, &[commit]].concat();
        self.git_at(at, at, &arguments);
        self.head()
    }

    /// Stores a commit object of any bytes after its tree and parent, and moves `main` to it.
    ///
    /// `author` and `committer` are what follows these words, date included.
    pub(crate) fn raw_commit(&self, author: &[u8], committer: &[u8], message: &[u8]) -> String {
        let parent = self.git(&["rev-parse", "HEAD"]);
        let tree = self.git(&["rev-parse", "HEAD^{tree}"]);
        let mut object = format!("tree {tree}\nparent {parent}\nauthor ").into_bytes();
        object.extend_from_slice(author);
        object.extend_from_slice(b"\ncommitter ");
        object.extend_from_slice(committer);
        object.extend_from_slice(b"\n\n");
        object.extend_from_slice(message);
        let kind = ["hash-object", "-t", "commit", "-w", "--stdin", "--literally"];
        let hash = self.git_fed(&kind, &object);
        std::fs::write(self.git_folder().join("refs/heads/main"), format!("{hash}\n")).unwrap();
        hash
    }

    /// The smallest history with something to measure: a baseline, one delivered change and one
    /// that waits. Tells the hashes of the three commits.
    pub(crate) fn with_little_history(&self) -> [String; 3] {
        let first = self.commit("Begin").at(hour(0));
        self.tag_at("v1.0.0", hour(1));
        let second = self.commit("Add a feature").at(hour(2));
        self.tag_at("v1.1.0", hour(5));
        let third = self.commit("Not there yet").at(hour(6));
        [first, second, third]
    }
}

/// A commit that is being told.
pub(crate) struct NewCommit<'a> {
    repo: &'a Repo,
    message: String,
    authored: Option<i64>,
    author: Option<String>,
    files: Vec<(String, Vec<u8>)>,
}

impl NewCommit<'_> {
    /// When it was authored, where that is not when it was committed.
    pub(crate) fn authored(mut self, at: i64) -> Self {
        self.authored = Some(at);
        self
    }

    /// Its author, as `Name <email>`.
    pub(crate) fn by(mut self, author: &str) -> Self {
        self.author = Some(author.to_owned());
        self
    }

    /// A file that it writes. Without any, it writes one named after its time.
    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// Makes the commit and tells its hash.
    pub(crate) fn at(mut self, committed: i64) -> String {
        if self.files.is_empty() {
            self.files.push((format!("{committed}.txt"), self.message.clone().into_bytes()));
        }
        for (path, content) in &self.files {
            let path = self.repo.folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        self.repo.git(&["add", "--all"]);
        let author = self.author.map(|author| format!("--author={author}"));
        let mut arguments = vec!["commit", "--quiet", "--allow-empty", "-m", &self.message];
        arguments.extend(author.as_deref());
        self.repo.git_at(self.authored.unwrap_or(committed), committed, &arguments);
        self.repo.head()
    }
}

fn git_command(home: &Path, folder: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args([
            "-c",
            "protocol.file.allow=always",
            "-c",
            "gc.auto=0",
            "-c",
            "commit.gpgSign=false",
        ]);
    command
}

/// Runs a command to its end; it has to go well.
fn finish(mut command: Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git is installed");
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Git may end before it has read everything; its exit code tells whether that is bad.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The program, about to be run.
pub(crate) fn seaway() -> Seaway {
    Seaway { command: Command::new(env!("CARGO_BIN_EXE_seaway")) }
}

pub(crate) struct Seaway {
    command: Command,
}

impl Seaway {
    /// `seaway measure` of a repository, with that repository's home and cache.
    pub(crate) fn measure(self, repo: &Repo) -> Self {
        let folder = repo.folder.clone();
        self.measure_path(repo, &folder)
    }

    /// `seaway measure` of a path, with the home and the cache of a repository.
    pub(crate) fn measure_path(self, repo: &Repo, path: &Path) -> Self {
        self.verb(repo, &["measure"]).args([path])
    }

    /// Some verb, with the home and the cache of a repository.
    pub(crate) fn verb(mut self, repo: &Repo, words: &[&str]) -> Self {
        let home = repo.home.path();
        self.command
            .current_dir(home)
            .env_remove("SEAWAY_CACHE")
            .env("HOME", home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(words);
        self
    }

    pub(crate) fn args<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it, with nobody listening to what it says.
    pub(crate) fn start(mut self) -> Child {
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs it to its end. Whatever happens, it must not panic or be killed.
    pub(crate) fn run(mut self) -> Run {
        let output = self.command.stdin(Stdio::null()).output().unwrap();
        let run = Run {
            code: output.status.code().expect("the program ended by itself"),
            stdout: String::from_utf8(output.stdout).expect("the output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("the messages are UTF-8"),
        };
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }

    /// Runs it; it has to go well, and without a word on the side.
    pub(crate) fn good(self) -> Run {
        let run = self.run();
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(run.stderr, "");
        run
    }

    /// Runs it; it has to fail with this code, a sentence, and nothing printed.
    pub(crate) fn bad(self, code: i32) -> Run {
        let run = self.run();
        assert_eq!(run.code, code, "{}\n{}", run.stderr, run.stdout);
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
        assert_eq!(run.stdout, "");
        run
    }

    /// Runs it with `--format json` and reads what it says.
    pub(crate) fn json(self) -> Value {
        self.args(["--format", "json"]).good().json()
    }

    /// Runs it with `--export` and reads the files.
    pub(crate) fn export(self, repo: &Repo) -> Export {
        let folder = repo.beside("export");
        self.arg("--export").args([&folder]).good();
        Export { folder }
    }

    fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("the output is JSON")
    }
}

/// Rows of CSV by column.
pub(crate) type Row = HashMap<String, String>;

/// The exported files.
pub(crate) struct Export {
    pub(crate) folder: PathBuf,
}

impl Export {
    pub(crate) fn commits(&self) -> Vec<Row> {
        rows(&self.folder.join("commits.csv"))
    }

    pub(crate) fn deployments(&self) -> Vec<Row> {
        rows(&self.folder.join("deployments.csv"))
    }

    pub(crate) fn changes(&self) -> Vec<Row> {
        rows(&self.folder.join("changes.csv"))
    }

    /// The row of `changes.csv` for a change.
    pub(crate) fn change(&self, hash: &str) -> Row {
        let mut rows = self.changes().into_iter().filter(|row| row["change"] == hash);
        let row = rows.next().unwrap_or_else(|| panic!("{hash} is no change"));
        assert!(rows.next().is_none(), "{hash} stands there twice");
        row
    }
}

pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// The finding of a kind under data quality: its count.
pub(crate) fn finding(report: &Value, kind: &str) -> Option<u64> {
    let findings = report["data_quality"].as_array().unwrap();
    findings.iter().find(|finding| finding["kind"] == kind)?["count"].as_u64()
}

/// Baseline, delivered and waiting commits.
pub(crate) fn commit_counts(report: &Value) -> [u64; 3] {
    ["baseline", "delivered", "waiting"].map(|key| report["commits"][key].as_u64().unwrap())
}

/// Columns of rows, in the order asked for.
pub(crate) fn columns<const N: usize>(rows: &[Row], names: [&str; N]) -> Vec<[String; N]> {
    rows.iter().map(|row| names.map(|name| row[name].clone())).collect()
}
