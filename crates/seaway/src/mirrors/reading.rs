//! One reading of one repository, on a thread of its own: git waits for disks and networks.

use crate::error::Error;
use crate::files;
use crate::git::commit::AuthorPatterns;
use crate::git::mirror::{Mirror, Teller, Told, new_commits};
use crate::git::{self, Id, Repository};
use seaway_core::delivery::facts::PATHS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Commits of one event, and about how many bytes of their messages and paths.
const COMMITS_MAX: usize = 1_000;
const BYTES_MAX: usize = 2 << 20;
/// Tips of former readings that are remembered: what they contain is not read again.
const TIPS_MAX: usize = 200;

/// Set when the server ends.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends all readings.
pub(super) fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// What is to be read.
pub(super) struct Job {
    pub(super) mirror: Mirror,
    /// The file of its [`State`].
    pub(super) state: PathBuf,
    /// Revisions that are read beside the default branch.
    pub(super) revisions: BTreeSet<String>,
    pub(super) needs_paths: bool,
    pub(super) patterns: AuthorPatterns,
}

/// What a reading tells.
pub(super) enum Message {
    /// Commits that are new.
    Commits(Vec<Told>),
    /// It has ended.
    Done(Result<State, git::Error>),
}

/// What was read of a repository, and is on the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The tips of which everything was read, newest first.
    tips: Vec<String>,
    /// Whether paths were told.
    paths: bool,
    /// The default branch, and where it points to.
    default_branch: Option<(String, String)>,
}

impl State {
    /// Reads it; `None` where there is none that can be read: then everything is read again.
    pub(super) fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    pub(super) fn write(&self, file: &Path) -> Result<(), Error> {
        files::write_whole(file, &mut |out: &mut dyn Write| {
            serde_json::to_writer(out, self).map_err(Into::into)
        })
    }

    pub(super) fn has_paths(&self) -> bool {
        self.paths
    }

    /// The default branch and where it points to, if that is not known yet.
    pub(super) fn new_tip(&self, known: Option<&Self>) -> Option<(&str, &str)> {
        let (branch, tip) = self.default_branch.as_ref()?;
        let is_new =
            known.and_then(|it| it.default_branch.as_ref()) != self.default_branch.as_ref();
        is_new.then_some((branch, tip))
    }
}

impl Job {
    /// Begins to read. Returns what it tells, and what was read before.
    pub(super) fn start(self) -> (mpsc::Receiver<Message>, Option<State>) {
        let (sender, receiver) = mpsc::channel(2);
        let known = State::read(&self.state);
        let before = known.clone();
        std::thread::spawn(move || {
            let read = self.read(before, &sender);
            if let Err(error) = &read
                && error.is_damage()
            {
                self.mirror.forget();
            }
            // Nobody listens any more where the server ends.
            let _ = sender.blocking_send(Message::Done(read));
        });
        (receiver, known)
    }

    fn read(
        &self,
        before: Option<State>,
        sender: &mpsc::Sender<Message>,
    ) -> Result<State, git::Error> {
        self.make_folder()?;
        self.mirror.tidy();
        let repository = self.mirror.update(&STOPPED)?;
        let branch = repository.default_branch()?;
        let mut tips: Vec<Id> = branch.iter().map(|branch| branch.tip).collect();
        let wanted = self.revisions.iter().filter_map(|it| repository.resolve_revision(it));
        tips.extend(wanted.collect::<BTreeSet<_>>());

        // Paths that were not told before are told by reading everything again.
        let before = before.filter(|state| state.paths || !self.needs_paths).unwrap_or_default();
        let paths = self.needs_paths || before.paths;
        let read: Vec<Id> = before.tips.iter().filter_map(|hex| hex.parse().ok()).collect();
        let new = new_commits(&repository, &tips, &read, &STOPPED)?;
        self.tell(&repository, &new, paths, sender)?;

        let new: std::collections::HashSet<Id> = new.into_iter().collect();
        let mut known: Vec<String> = Vec::new();
        let of_new = tips.iter().filter(|tip| new.contains(*tip)).map(ToString::to_string);
        for tip in of_new.chain(before.tips) {
            if known.len() < TIPS_MAX && !known.contains(&tip) {
                known.push(tip);
            }
        }
        let default_branch = branch.and_then(|branch| Some((branch.name?, branch.tip.to_string())));
        Ok(State { tips: known, paths, default_branch })
    }

    fn make_folder(&self) -> Result<(), git::Error> {
        let folder = self.state.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| git::Error::NotARepository {
            path: folder.to_owned(),
            reason: error.to_string(),
        })
    }

    fn tell(
        &self,
        repository: &Repository,
        new: &[Id],
        paths: bool,
        sender: &mpsc::Sender<Message>,
    ) -> Result<(), git::Error> {
        let mut teller = Teller::new(repository, &self.patterns, paths.then_some(PATHS_MAX));
        let (mut told, mut bytes) = (Vec::new(), 0);
        for (number, &id) in new.iter().enumerate() {
            if STOPPED.load(Ordering::Relaxed) {
                return Err(git::Error::Interrupted);
            }
            let commit = teller.tell(id)?;
            let paths = commit.paths.iter().flatten().map(String::len).sum::<usize>();
            bytes += commit.message.len() + paths;
            told.push(commit);
            if told.len() == COMMITS_MAX || bytes > BYTES_MAX || number + 1 == new.len() {
                bytes = 0;
                let message = Message::Commits(std::mem::take(&mut told));
                sender.blocking_send(message).map_err(|_| git::Error::Interrupted)?;
            }
        }
        Ok(())
    }
}
