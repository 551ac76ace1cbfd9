//! Whole files of flagd: all of a file comes in, or nothing.

use super::definition::{Object, disabled};
use super::edit::{Edit, Next, Refused, check_reason};
use super::registry::{FLAG_BYTES_MAX, Flags};
use super::revision::{Action, Revision, SHARED, check_key};
use super::snapshot::{Entry, Version};
use seaway_core::flags::{FlagSet, Problem};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Bytes of a file: as many as a body may have.
pub(crate) const FILE_BYTES_MAX: usize = crate::body::BYTES_MAX;
/// Flags of one environment.
const FLAGS_MAX: usize = 50_000;
/// Objections that are shown.
const OBJECTIONS_MAX: usize = 100;

/// Which snapshot of an environment a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onto {
    /// Whatever is there.
    Any,
    /// This one.
    Version(Version),
}

/// What a file changed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Imported {
    /// Flags that are new.
    pub(crate) added: Vec<String>,
    /// Flags that were there and are different now.
    pub(crate) changed: Vec<String>,
    /// How many were there just so.
    pub(crate) unchanged: usize,
    /// Flags that are not in the file and were deleted, where that was wanted.
    pub(crate) deleted: Vec<String>,
    /// Whether what all flags share is different now.
    pub(crate) shared: bool,
    /// What flagd takes although nobody can want it: a place in the file, and what is wrong.
    #[serde(skip)]
    pub(crate) objections: Vec<Problem>,
}

impl Flags {
    /// Takes a file of flagd in: its flags are added or replace those of their keys, and what they share
    /// replaces what was shared. With `replace`, all other flags are deleted.
    ///
    /// # Errors
    /// Nothing was changed: why.
    pub(crate) async fn import(
        &self,
        environment: &str,
        bytes: &[u8],
        onto: Onto,
        replace: bool,
        edit: Edit,
    ) -> Result<Imported, Refused> {
        crate::environment::check(environment).map_err(Refused::Wrong)?;
        check_reason(&edit)?;
        let set = FlagSet::parse(bytes, FILE_BYTES_MAX).map_err(Refused::Objections)?;
        // What has changed elsewhere counts, also where the file would change nothing here.
        self.catch_up().await?;
        let version = self.snapshot(environment).map(|it| it.version).unwrap_or_default();
        if matches!(onto, Onto::Version(wanted) if wanted.tag != version.tag) {
            return Err(Refused::Conflict { current: self.current(environment, SHARED) });
        }
        let shared = shared(bytes)?;
        let (edit, set, shared) = (&edit, &set, shared.as_str());
        let plan = Plan { flags: self, environment, edit, set, shared, replace };
        let (revisions, imported) = plan.made()?;
        if !revisions.is_empty() && !self.append(revisions).await? {
            self.catch_up().await?;
            return Err(Refused::Conflict { current: self.current(environment, SHARED) });
        }
        Ok(imported)
    }
}

struct Plan<'a> {
    flags: &'a Flags,
    environment: &'a str,
    edit: &'a Edit,
    set: &'a FlagSet,
    /// What all flags of the file share.
    shared: &'a str,
    replace: bool,
}

impl Plan<'_> {
    /// The revisions that a file makes, and what they change.
    fn made(&self) -> Result<(Vec<Revision>, Imported), Refused> {
        let mut imported = Imported {
            objections: self.set.objections().take(OBJECTIONS_MAX).cloned().collect(),
            ..Imported::default()
        };
        let mut revisions = Vec::new();
        let shared = self.shared;
        let before = self.flags.newest(self.environment, SHARED);
        if before.as_ref().map_or(r#"{"flags":{}}"#, |it| it.source()) != shared {
            let definition = RawValue::from_string(shared.to_owned())?;
            revisions.push(self.revision(SHARED, before.as_deref(), Some(definition))?);
            imported.shared = true;
        }
        for flag in self.set.flags() {
            check_key(flag.key()).map_err(Refused::Wrong)?;
            if flag.source().len() > FLAG_BYTES_MAX {
                let what = format!("a flag has at most {FLAG_BYTES_MAX} bytes");
                return Err(Refused::Wrong(what));
            }
            let before = self.flags.newest(self.environment, flag.key());
            let live = before.as_ref().filter(|it| it.revision.is_live());
            match live {
                Some(live) if is_as_exported(live, flag.source()) => {
                    imported.unchanged += 1;
                    continue;
                }
                Some(_) => imported.changed.push(flag.key().to_owned()),
                None => imported.added.push(flag.key().to_owned()),
            }
            let definition = RawValue::from_string(flag.source().to_owned())?;
            revisions.push(self.revision(flag.key(), before.as_deref(), Some(definition))?);
        }
        let others = self.others();
        if self.replace {
            for other in &others {
                imported.deleted.push(other.key().to_owned());
                revisions.push(self.revision(other.key(), Some(other), None)?);
            }
        } else {
            if imported.shared {
                self.check_others(shared, &others)?;
            }
            if others.len() + self.set.flags().len() > FLAGS_MAX {
                return Err(too_many());
            }
        }
        match self.set.flags().len() > FLAGS_MAX {
            true => Err(too_many()),
            false => Ok((revisions, imported)),
        }
    }

    /// The flags of the environment that are not in the file.
    fn others(&self) -> Vec<Arc<Entry>> {
        let snapshot = self.flags.snapshot(self.environment);
        let all = snapshot.iter().flat_map(|snapshot| &snapshot.entries);
        all.filter(|entry| self.set.get(entry.key()).is_none()).cloned().collect()
    }

    /// Looks whether the flags that stay can be compiled with what the file lets all share.
    fn check_others(&self, shared: &str, others: &[Arc<Entry>]) -> Result<(), Refused> {
        let around = super::registry::around(shared).map_err(Refused::Wrong)?;
        for other in others {
            super::registry::served(&around, &other.revision).map_err(|problem| {
                let key = crate::pages::words::clean(other.key(), 100);
                Refused::Wrong(format!("{key}, which is not in the file, would break: {problem}"))
            })?;
        }
        Ok(())
    }

    fn revision(
        &self,
        key: &str,
        before: Option<&Entry>,
        definition: Option<Box<RawValue>>,
    ) -> Result<Revision, Refused> {
        let action = if definition.is_some() { Action::Import } else { Action::Delete };
        let lock = before.and_then(|it| it.revision.lock.clone());
        // What is off stays off until it is turned on: files are read by machines, too.
        let off = definition.is_some() && before.is_some_and(|it| it.revision.off);
        let mut next = Next { action, definition, off, ramp: None, lock };
        if let Some(before) = before.filter(|it| it.revision.ramp.is_some()) {
            let around = super::registry::around(self.shared).map_err(Refused::Wrong)?;
            let (now, unlocks) = (self.flags.now(), self.edit.unlock);
            next = super::ramps::written(&around, before, next, now, unlocks)?;
        }
        self.flags.draft(self.environment, key, before, self.edit, next)
    }
}

/// Whether a definition is that of a flag, as it stands in exported files.
fn is_as_exported(entry: &Entry, source: &str) -> bool {
    match entry.revision.off {
        true => disabled(entry.source()).is_ok_and(|disabled| disabled == source),
        false => entry.source() == source,
    }
}

fn too_many() -> Refused {
    Refused::Wrong(format!("an environment has at most {FLAGS_MAX} flags"))
}

/// What the flags of a file share: all of it, with nothing in its flags.
fn shared(bytes: &[u8]) -> Result<String, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|error| Refused::Wrong(error.to_string()))?;
    let mut object = Object::of(text)?;
    let is_list = object.get("flags").is_some_and(|flags| flags.starts_with('['));
    object.set("flags", if is_list { "[]" } else { "{}" });
    let shared = object.text();
    match shared.len() > FLAG_BYTES_MAX {
        true => Err(Refused::Wrong(format!("flags share at most {FLAG_BYTES_MAX} bytes"))),
        false => Ok(shared),
    }
}
