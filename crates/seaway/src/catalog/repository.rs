//! The files of a catalog in a git repository.

use super::folder::{
    FILES_MAX, Files, Fingerprint, TOTAL_MAX, is_file, is_hidden, text_of, too_large,
};
use super::problem::{Problem, Problems};
use super::read::FILE_MAX;
use crate::git::clone::{is_url, without_credentials};
use crate::git::files::{Unlisted, Wanted};
use crate::git::mirror::Mirror;
use crate::git::{self, Id};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a repository that is read where it stands is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Set when the server ends.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends what is being fetched.
pub(super) fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// A repository with files of the catalog.
#[derive(Debug)]
pub(crate) struct Repository {
    /// A path or a URL.
    place: String,
    /// A branch, a tag or a hash; `None`: the default branch.
    revision: Option<String>,
    /// The folder within it, with slashes; empty: its root.
    folder: String,
    mirror: Mirror,
    /// Where the copy is; `None`: it is read where it stands.
    copies: Option<PathBuf>,
    every: Duration,
    /// What was seen of it last; `None` before the first time.
    seen: Mutex<Option<Result<Seen, Vec<Problem>>>>,
}

/// A commit, and the files of the catalog in it.
#[derive(Debug, Clone)]
struct Seen {
    commit: Id,
    files: Result<Arc<Files>, Vec<Problem>>,
}

impl Repository {
    /// The repository of a name, `REPOSITORY[#[REVISION][:FOLDER]]`, where `REPOSITORY` is a path
    /// or a URL. What a URL names is copied to a folder below `copies`, and fetched anew every so
    /// often.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub(super) fn of(name: &str, copies: &Path, every: Duration) -> Result<Self, String> {
        let (place, part) = name.rsplit_once('#').unwrap_or((name, ""));
        let (revision, folder) = part.split_once(':').unwrap_or((part, ""));
        let folder = folder.trim_matches('/');
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        if place.is_empty() {
            return Err("it names no repository".to_owned());
        }
        if !folder.is_empty() && !folder.split('/').all(is_part) {
            return Err(format!("{folder} is no folder of a repository"));
        }
        // Several parts of one repository have copies of their own: nobody waits for another.
        let hash = Sha256::digest(format!("{}#{part}", without_credentials(place)));
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let copy = copies.join(format!("{hash}.git"));
        Ok(Self {
            place: place.to_owned(),
            revision: Some(revision.to_owned()).filter(|it| !it.is_empty()),
            folder: folder.to_owned(),
            mirror: Mirror::of(place, &copy),
            copies: is_url(place).then(|| copies.to_owned()),
            every: if is_url(place) { every } else { EVERY },
            seen: Mutex::new(None),
        })
    }

    /// Its name as it may be shown.
    pub(super) fn shown(&self) -> String {
        let mut shown = without_credentials(&self.place);
        if self.revision.is_some() || !self.folder.is_empty() {
            shown.push('#');
            shown.push_str(self.revision.as_deref().unwrap_or_default());
        }
        if !self.folder.is_empty() {
            shown.push(':');
            shown.push_str(&self.folder);
        }
        shown
    }

    fn seen(&self) -> MutexGuard<'_, Option<Result<Seen, Vec<Problem>>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it looked last: one commit is always the same.
    pub(super) fn look(&self) -> Option<Result<Fingerprint, Vec<Problem>>> {
        let of = |seen: &Seen| Fingerprint::of(seen.commit.to_string().as_bytes());
        self.seen().as_ref().map(|seen| seen.as_ref().map(of).map_err(Clone::clone))
    }

    /// The files as they were seen last.
    pub(super) fn files(&self) -> Result<Files, Vec<Problem>> {
        match self.seen().as_ref() {
            Some(Ok(seen)) => seen.files.as_ref().map(|it| (**it).clone()).map_err(Clone::clone),
            Some(Err(problems)) => Err(problems.clone()),
            None => Err(vec![self.problem("the repository was not read yet")]),
        }
    }

    /// Looks at it again and again, on a thread of its own as git waits for disks and networks,
    /// until nobody else has it any more.
    pub(super) fn watch(this: &Arc<Self>) {
        let (weak, every) = (Arc::downgrade(this), this.every);
        std::thread::spawn(move || {
            while let Some(this) = weak.upgrade() {
                this.update();
                drop(this);
                std::thread::park_timeout(every);
            }
        });
    }

    /// Brings the copy up to date, and reads what is new in it.
    pub(super) fn update(&self) {
        let seen = self.fetch();
        if let Err(error) = &seen {
            if error.is_damage() {
                self.mirror.forget();
            }
            if matches!(error, git::Error::Interrupted) {
                return;
            }
        }
        let seen = match seen {
            Ok(Some(seen)) => Ok(seen),
            Ok(None) => {
                let named = self.revision.as_deref().unwrap_or("the default branch");
                Err(vec![self.problem(&format!("the repository has no commit at {named}"))])
            }
            Err(error) => {
                let what = format!("the repository cannot be read: {error}");
                Err(vec![self.problem(&what)])
            }
        };
        *self.seen() = Some(seen);
    }

    fn problem(&self, text: &str) -> Problem {
        Problem { file: self.shown(), line: 0, text: text.to_owned() }
    }

    /// `None` where there is no such revision.
    fn fetch(&self) -> Result<Option<Seen>, git::Error> {
        if let Some(copies) = &self.copies {
            std::fs::create_dir_all(copies).map_err(|error| git::Error::Clone {
                url: without_credentials(&self.place),
                reason: format!("{}: {error}", copies.display()),
            })?;
        }
        self.mirror.tidy();
        let repository = self.mirror.update(&STOPPED)?;
        let commit = match &self.revision {
            Some(revision) => repository.resolve_revision(revision),
            None => repository.default_branch()?.map(|branch| branch.tip),
        };
        let Some(commit) = commit else { return Ok(None) };
        if let Some(Ok(seen)) = self.seen().as_ref()
            && seen.commit == commit
        {
            return Ok(Some(seen.clone()));
        }
        let files = match self.read(&repository, commit) {
            Ok(files) => files.map(Arc::new),
            Err(Unlisted::Unreadable(error)) => return Err(error),
            Err(unlisted) => Err(vec![self.problem(&unlisted.to_string())]),
        };
        Ok(Some(Seen { commit, files }))
    }

    /// The files of a commit, or what is wrong with them.
    fn read(
        &self,
        repository: &git::Repository,
        commit: Id,
    ) -> Result<Result<Files, Vec<Problem>>, Unlisted> {
        let wanted = Wanted {
            folder: &self.folder,
            enters: |name| !is_hidden(name.as_bytes()),
            takes: |name| is_file(name),
            files_max: FILES_MAX,
        };
        let listing = repository.list(commit, &wanted)?;
        let changed = repository.changed_at(commit, &wanted, &listing)?;
        let (mut files, mut problems, mut total) = (Files::default(), Problems::default(), 0);
        if listing.is_empty() {
            let text = "there is no *.yaml or *.yml file in this folder of the repository";
            problems.add(&self.shown(), 0, text);
        }
        for (path, id) in listing {
            let content = repository.content(id, FILE_MAX)?;
            total += content.as_ref().map_or(0, |it| it.len() as u64);
            if total > TOTAL_MAX {
                problems.add(&path, 0, format!("the catalog is larger than {TOTAL_MAX} bytes"));
                break;
            }
            match content.map_or_else(|| Err(too_large(&path)), |it| text_of(&path, it)) {
                Ok(text) => {
                    files.written.push(changed.get(&path).copied());
                    files.texts.push((path, text));
                }
                Err(problem) => problems.add(&problem.file, problem.line, problem.text),
            }
        }
        Ok(if problems.is_empty() { Ok(files) } else { Err(problems.take_sorted()) })
    }
}
