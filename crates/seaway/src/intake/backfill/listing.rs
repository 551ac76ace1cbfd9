//! Reading the listings of one repository, newest first, as far back as is asked for.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;

use super::client::Answer;
use super::objects::{Object, Repository};
use super::{Client, Cursor, End, Error, Going, Progress, Summary, What};
use crate::ledger::Event;
use seaway_core::time::DAY;
use serde_json::value::RawValue;

/// What changed so shortly before the last reading is read again, in seconds: GitHub's clocks and
/// copies of its data may differ a little.
const OVERLAP: i64 = 600;
/// Bytes of events that are gathered before they are handed on.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Pages of a listing that are followed: a million objects. What goes on longer leads in a circle.
const PAGES_MAX: usize = 10_000;

/// One listing of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    kind: Kind,
    /// The label that issues are asked for.
    label: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PullRequests,
    Deployments,
    WorkflowRuns,
    Issues,
}

/// All listings that are read of each repository.
pub(super) fn listings(what: &What) -> Vec<Listing> {
    let kinds = [Kind::PullRequests, Kind::Deployments, Kind::WorkflowRuns];
    let listing = |kind| Listing { kind, label: String::new() };
    let labels = what.incident_labels.iter();
    let issues = labels.map(|label| Listing { kind: Kind::Issues, label: label.clone() });
    kinds.into_iter().map(listing).chain(issues).collect()
}

impl Listing {
    /// Its name in the cursor.
    fn name(&self) -> String {
        match self.kind {
            Kind::PullRequests => "pulls".to_owned(),
            Kind::Deployments => "deployments".to_owned(),
            Kind::WorkflowRuns => "runs".to_owned(),
            Kind::Issues => format!("issues {}", self.label),
        }
    }

    fn first_page(&self, client: &Client, repository: &str) -> Result<String, Error> {
        let of = |path: &str| format!("repos/{repository}/{path}");
        let updated = [("sort", "updated"), ("direction", "desc"), ("state", "all")];
        match self.kind {
            Kind::PullRequests => {
                client.url(&of("pulls"), &[&updated[..], &[("per_page", "50")]].concat())
            }
            Kind::Issues => {
                let query = [("labels", self.label.as_str()), ("per_page", "100")];
                client.url(&of("issues"), &[&updated[..], &query].concat())
            }
            Kind::Deployments => client.url(&of("deployments"), &[("per_page", "100")]),
            Kind::WorkflowRuns => client.url(&of("actions/runs"), &[("per_page", "100")]),
        }
    }

    /// Whether it is listed by the time of its change, newest first. The others are listed by the
    /// time they were made, and what was made long ago may change.
    fn by_change(&self) -> bool {
        matches!(self.kind, Kind::PullRequests | Kind::Issues)
    }

    /// Whether the listing holds nothing of interest from this object on.
    fn is_past(&self, object: &Object, since: i64) -> bool {
        match self.kind {
            Kind::PullRequests | Kind::Issues => object.updated_at() < since,
            // A deployment may wait for an approval for 30 days.
            Kind::Deployments => object.created_at() < since.saturating_sub(30 * DAY),
            Kind::WorkflowRuns => object.created_at() < since.saturating_sub(3 * DAY),
        }
    }
}

/// The repositories to read.
pub(super) async fn repositories(client: &Client, what: &What) -> Result<Vec<Repository>, Error> {
    let owner = &what.owner;
    if let Some(name) = &what.repository {
        let path = format!("repos/{owner}/{name}");
        let answer = client.get(&client.url(&path, &[])?, None).await?;
        let unreadable = |reason: String| Error::Unreadable { path: path.clone(), reason };
        let answer = answer.ok_or_else(|| unreadable("it is empty".to_owned()))?;
        let read = serde_json::from_slice(&answer.body);
        return Ok(vec![read.map_err(|error| unreadable(error.to_string()))?]);
    }
    let query = [("per_page", "100"), ("sort", "full_name")];
    let of_organization = client.url(&format!("orgs/{owner}/repos"), &query)?;
    match all::<Repository>(client, &of_organization).await {
        Err(Error::Refused { status: 404, .. }) => {
            all(client, &client.url(&format!("users/{owner}/repos"), &query)?).await
        }
        found => found,
    }
}

/// All objects of a listing.
async fn all<T: serde::de::DeserializeOwned>(
    client: &Client,
    first: &str,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    let mut page = Some(first.to_owned());
    let mut pages = 0;
    while let Some(url) = page {
        count_page(&mut pages, &url)?;
        let Some(answer) = client.get(&url, None).await? else { break };
        let read = serde_json::from_slice::<Vec<T>>(&answer.body);
        found.extend(read.map_err(|error| unreadable(&url, error.to_string()))?);
        page = answer.next;
    }
    Ok(found)
}

fn count_page(pages: &mut usize, url: &str) -> Result<(), Error> {
    *pages += 1;
    if *pages > PAGES_MAX { Err(unreadable(url, "it does not end".to_owned())) } else { Ok(()) }
}

fn unreadable(url: &str, reason: String) -> Error {
    let path = url.split('?').next().unwrap_or_default();
    Error::Unreadable { path: crate::pages::words::clean(path, 300), reason }
}

/// The objects of a page, as they came.
fn items(kind: Kind, page: &[u8]) -> Result<Vec<&RawValue>, String> {
    #[derive(serde::Deserialize)]
    struct Runs<'b> {
        #[serde(borrow)]
        workflow_runs: Vec<&'b RawValue>,
    }
    let items = match kind {
        Kind::WorkflowRuns => serde_json::from_slice::<Runs<'_>>(page).map(|it| it.workflow_runs),
        _ => serde_json::from_slice(page),
    };
    items.map_err(|error| error.to_string())
}

/// The reading of one listing of one repository.
pub(super) struct Reading<'a> {
    pub(super) client: &'a Client,
    pub(super) repository: &'a Repository,
    pub(super) listing: &'a Listing,
    pub(super) what: &'a What,
}

impl Reading<'_> {
    /// Reads what is new since the cursor, page by page, and moves the cursor along.
    pub(super) async fn run<S>(
        &self,
        cursor: &mut Cursor,
        summary: &mut Summary,
        sink: &mut S,
    ) -> Result<End, Error>
    where
        S: AsyncFnMut(Vec<Event>, &Cursor) -> Result<(), String>,
    {
        let repository = self.repository.full_name.to_lowercase();
        let known = cursor.of(&repository, &self.listing.name());
        let first = self.listing.first_page(self.client, &self.repository.full_name)?;
        let since = self.since(&known);
        let going = known.going.clone();
        let going = going.filter(|it| it.since <= since && self.client.is_own(&it.page));
        let (end, mut going, mut etag) = match going {
            Some(going) => (End::Resumed, going, None),
            None => {
                let etag = known.etag.clone().filter(|_| self.is_deep_enough(&known));
                (End::Whole, Going { since, began: None, page: first.clone() }, etag)
            }
        };
        let (mut first_etag, mut pages) = (None, 0);
        loop {
            count_page(&mut pages, &going.page)?;
            let answer = match self.client.get(&going.page, etag.take().as_deref()).await {
                Err(Error::Refused { status: 400..=499, .. }) if end == End::Resumed => {
                    // The page of long ago is no more: start anew.
                    let progress = Progress { going: None, ..known };
                    cursor.set(&repository, &self.listing.name(), progress);
                    return Ok(End::Resumed);
                }
                Err(Error::Refused { path, status: 403 | 404 | 410 | 451, reason }) => {
                    summary.skip(path, reason);
                    return Ok(End::Whole);
                }
                answer => answer?,
            };
            let Some(answer) = answer else { return Ok(End::Whole) };
            let began = *going.began.get_or_insert(answer.date.unwrap_or(going.since));
            let (events, is_past) = self.events(&answer, &going, cursor, summary, sink).await?;
            let next = answer.next.filter(|_| !is_past);
            // Equal states mean that nothing has changed where one page tells all, and where every
            // change comes first.
            if going.page == first && (self.listing.by_change() || next.is_none()) {
                first_etag = answer.etag;
            }
            let progress = match &next {
                Some(_) => Progress { going: Some(going.clone()), ..known.clone() },
                None => Progress {
                    read: Some((known.reaches_from(going.since), began)),
                    going: None,
                    etag: first_etag.take(),
                },
            };
            cursor.set(&repository, &self.listing.name(), progress);
            summary.events += events.len();
            sink(events, cursor).await.map_err(Error::Sink)?;
            let Some(next) = next else { return Ok(end) };
            going.page = next;
        }
    }

    /// Whether what was read reaches as far back as is asked for.
    fn is_deep_enough(&self, known: &Progress) -> bool {
        known.read.is_some_and(|(from, _)| from <= self.what.since)
    }

    /// From when on things are to be read.
    fn since(&self, known: &Progress) -> i64 {
        match known.read {
            Some((from, until)) if from <= self.what.since => {
                self.what.since.max(until.saturating_sub(OVERLAP))
            }
            _ => self.what.since,
        }
    }

    /// The events of a page, and whether all beyond it is past. Hands on what grows too large.
    async fn events<S>(
        &self,
        answer: &Answer,
        going: &Going,
        cursor: &Cursor,
        summary: &mut Summary,
        sink: &mut S,
    ) -> Result<(Vec<Event>, bool), Error>
    where
        S: AsyncFnMut(Vec<Event>, &Cursor) -> Result<(), String>,
    {
        let mut events = Vec::new();
        let items = items(self.listing.kind, &answer.body)
            .map_err(|reason| unreadable(&going.page, reason))?;
        let mut is_past = !items.is_empty();
        for raw in items {
            let object = Object::read(raw).map_err(|reason| unreadable(&going.page, reason))?;
            let is_old = self.listing.is_past(&object, going.since);
            // In order of change, one that is past ends it. In order of making, a whole page must.
            is_past = is_old && (is_past || self.listing.by_change());
            if object.updated_at() >= going.since {
                self.tell(&object, raw, &mut events, summary).await?;
            }
            if events.iter().map(|event| event.data.len()).sum::<usize>() > BATCH_BYTES {
                summary.events += events.len();
                sink(std::mem::take(&mut events), cursor).await.map_err(Error::Sink)?;
            }
        }
        Ok((events, is_past))
    }

    /// Makes the events of one object, and of what belongs to it.
    async fn tell(
        &self,
        object: &Object,
        raw: &RawValue,
        events: &mut Vec<Event>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let (repository, at) = (self.repository, object.state_at());
        match self.listing.kind {
            Kind::PullRequests => {
                let id = format!("pulls/{}@{at}", object.number);
                let parts = [("pull_request", raw.get())];
                events.push(repository.event_of("pull_request", &id, &parts));
                self.tell_reviews(object, events, summary).await?;
                self.tell_commits(object, events, summary).await?;
            }
            Kind::Deployments => {
                let id = format!("deployments/{}", object.id);
                let parts = [("deployment", raw.get())];
                events.push(repository.event_of("deployment", &id, &parts));
                self.tell_statuses(object, raw, events, summary).await?;
            }
            // What still runs is read when it is done.
            Kind::WorkflowRuns if object.status.as_deref() == Some("completed") => {
                let id = format!("runs/{}@{at}", object.id);
                let parts = [("workflow_run", raw.get())];
                events.push(repository.event_of("workflow_run", &id, &parts));
            }
            Kind::Issues if object.pull_request.is_none() => {
                let id = format!("issues/{}@{at}", object.number);
                events.push(repository.event_of("issues", &id, &[("issue", raw.get())]));
            }
            Kind::WorkflowRuns | Kind::Issues => {}
        }
        Ok(())
    }

    /// Everything of a listing that belongs to an object; nothing where GitHub cannot tell it: one
    /// odd object must not keep all others away.
    async fn parts(&self, path: &str, summary: &mut Summary) -> Result<Vec<Box<RawValue>>, Error> {
        let path = format!("repos/{}/{path}", self.repository.full_name);
        let first = self.client.url(&path, &[("per_page", "100")])?;
        match all(self.client, &first).await {
            Err(Error::Refused {
                path,
                status: 403 | 404 | 409 | 410 | 422 | 451 | 500..,
                reason,
            }) => {
                summary.skip(path, reason);
                Ok(Vec::new())
            }
            found => found,
        }
    }

    async fn tell_reviews(
        &self,
        pull: &Object,
        events: &mut Vec<Event>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let slim = pull.slim();
        for raw in self.parts(&format!("pulls/{}/reviews", pull.number), summary).await? {
            let review = Object::read(&raw).map_err(|reason| unreadable("reviews", reason))?;
            // A review changes when it is dismissed.
            let state = review.state.as_deref().unwrap_or_default();
            let id = format!("pulls/{}/reviews/{}@{state}", pull.number, review.id);
            let parts = [("review", raw.get()), ("pull_request", slim.as_str())];
            events.push(self.repository.event_of("pull_request_review", &id, &parts));
        }
        Ok(())
    }

    async fn tell_commits(
        &self,
        pull: &Object,
        events: &mut Vec<Event>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let commits = self.parts(&format!("pulls/{}/commits", pull.number), summary).await?;
        if commits.is_empty() {
            return Ok(());
        }
        let commits: Vec<&str> = commits.iter().map(|raw| raw.get()).collect();
        let commits = format!("[{}]", commits.join(","));
        let id = format!("pulls/{}/commits@{}", pull.number, pull.head());
        let (slim, name) = (pull.slim(), "pull_request_commits");
        let parts = [("commits", commits.as_str()), ("pull_request", slim.as_str())];
        events.push(self.repository.event_of(name, &id, &parts));
        Ok(())
    }

    async fn tell_statuses(
        &self,
        deployment: &Object,
        raw: &RawValue,
        events: &mut Vec<Event>,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        for status in
            self.parts(&format!("deployments/{}/statuses", deployment.id), summary).await?
        {
            let told = Object::read(&status).map_err(|reason| unreadable("statuses", reason))?;
            let id = format!("deployments/{}/statuses/{}", deployment.id, told.id);
            let parts = [("deployment_status", status.get()), ("deployment", raw.get())];
            events.push(self.repository.event_of("deployment_status", &id, &parts));
        }
        Ok(())
    }
}
