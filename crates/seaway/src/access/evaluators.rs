//! Tokens that evaluate flags. All of them are in memory, so that whoever evaluates waits for no
//! database, and goes on when there is none.

use super::Role;
use super::known::{Access, Kind};
use super::origin;
use super::store::Store;
use super::token::{Fingerprint, Secret};
use crate::ledger;
use crate::problem::Problem;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use seaway_core::time::HOUR;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// The header in which some clients send a token.
const KEY_HEADER: &str = "x-api-key";
/// How often the tokens are read: one that is revoked evaluates nothing a second later.
const READ_EVERY: Duration = Duration::from_millis(900);
/// A token that is not known may be new: they are read again for it, but not more often than so.
const READ_AT_MOST_EVERY: Duration = Duration::from_millis(300);
/// When a token was used last is written at most this often, in microseconds.
const USED_EVERY: i64 = HOUR * 1_000_000;

/// A token that evaluates flags.
#[derive(Debug)]
pub(crate) struct Evaluator {
    id: String,
    /// The environment that it is for.
    pub(crate) environment: Arc<str>,
    /// Whether it may read definitions, too.
    pub(crate) syncs: bool,
    /// What opens the stream of its environment, and nothing else: it stands in URLs.
    pub(crate) channel: String,
    expires_at: i64,
    used_at: AtomicI64,
    /// Whether it was revoked.
    ended: AtomicBool,
}

impl Evaluator {
    /// Whether it is good no more at a moment (Unix microseconds).
    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.expires_at <= now || self.ended.load(Ordering::Relaxed)
    }
}

/// Who evaluates.
#[derive(Debug, Clone)]
pub(crate) enum Pass {
    /// Somebody at this machine, who needs no token.
    Local,
    /// Who holds a token.
    Held(Arc<Evaluator>),
}

impl Pass {
    /// The token, if there is one.
    pub(crate) fn token(&self) -> Option<&Arc<Evaluator>> {
        match self {
            Self::Local => None,
            Self::Held(evaluator) => Some(evaluator),
        }
    }
}

type Held = HashMap<Fingerprint, Arc<Evaluator>>;

/// All tokens that evaluate flags and are good still.
#[derive(Debug, Default)]
pub(super) struct Evaluators {
    by_token: RwLock<Arc<Held>>,
    by_channel: RwLock<Arc<HashMap<String, Arc<Evaluator>>>>,
    read_at: Mutex<Option<Instant>>,
}

/// A token as the store has it.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) hash: Vec<u8>,
    pub(super) role: Role,
    pub(super) environment: String,
    pub(super) expires_at: i64,
    pub(super) used_at: Option<i64>,
}

impl Row {
    fn evaluator(self) -> Option<(Fingerprint, Arc<Evaluator>)> {
        let hash: Fingerprint = self.hash.try_into().ok()?;
        // Nobody gets from it to the token, or to what is kept of it.
        let channel = Sha256::new().chain_update("the stream of ").chain_update(hash).finalize();
        let evaluator = Evaluator {
            id: self.id,
            environment: self.environment.into(),
            syncs: self.role == Role::Sync,
            channel: super::token::hex(&channel[..16]),
            expires_at: self.expires_at,
            used_at: AtomicI64::new(self.used_at.unwrap_or(0)),
            ended: AtomicBool::new(false),
        };
        Some((hash, Arc::new(evaluator)))
    }
}

fn read<T>(lock: &RwLock<Arc<T>>) -> Arc<T> {
    Arc::clone(&lock.read().unwrap_or_else(PoisonError::into_inner))
}

fn write<T>(lock: &RwLock<Arc<T>>, value: T) {
    *lock.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
}

impl Evaluators {
    /// Reads them, unless that was done since a moment. Whoever asks too often has to wait.
    pub(super) async fn read(
        &self,
        store: &Store,
        now: i64,
        since: Instant,
    ) -> Result<(), ledger::Error> {
        let mut read_at = self.read_at.lock().await;
        match *read_at {
            Some(at) if at >= since => return Ok(()),
            Some(at) => tokio::time::sleep_until(at + READ_AT_MOST_EVERY).await,
            None => {}
        }
        *read_at = Some(Instant::now());
        let known = read(&self.by_token);
        let mut by_token: Held =
            store.evaluators(now).await?.into_iter().filter_map(Row::evaluator).collect();
        for (hash, evaluator) in &*known {
            match by_token.get_mut(hash) {
                // Who holds it is to see when it ends.
                Some(same) => *same = Arc::clone(evaluator),
                None => evaluator.ended.store(true, Ordering::Relaxed),
            }
        }
        let channels = by_token.values().map(|it| (it.channel.clone(), Arc::clone(it)));
        write(&self.by_channel, channels.collect());
        write(&self.by_token, by_token);
        Ok(())
    }

    /// Ends a token at once.
    pub(super) fn end(&self, id: &str) {
        let known = read(&self.by_token);
        if let Some(evaluator) = known.values().find(|it| it.id == id) {
            evaluator.ended.store(true, Ordering::Relaxed);
        }
    }
}

/// The token that evaluates which a request bears, if it bears one.
fn presented(headers: &HeaderMap) -> Option<Result<Secret, &'static str>> {
    let text = match (headers.get(header::AUTHORIZATION), headers.get(KEY_HEADER)) {
        (None, None) => return None,
        (Some(value), _) => {
            let text = value.to_str().ok().and_then(|text| text.split_once(' '));
            text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, it)| it)
        }
        (None, Some(value)) => value.to_str().ok(),
    };
    let text = text.map(str::trim).unwrap_or_default();
    Some(Secret::of_evaluator(text).ok_or_else(|| match Secret::of_token(text) {
        Some(_) => "this is a token of the API, and evaluates nothing",
        None => "what was sent is no token of this server",
    }))
}

impl Access {
    /// Who sent a request to evaluate flags.
    ///
    /// # Errors
    /// Nobody who may.
    pub(crate) async fn evaluates(&self, parts: &Parts) -> Result<Pass, Problem> {
        let headers = &parts.headers;
        match presented(headers) {
            Some(Ok(secret)) => self.holds(&secret, parts).await.map(Pass::Held),
            Some(Err(why)) if self.asks() => Err(self.strange(why, parts)),
            None if self.asks() => Err(unauthorized("no token was sent")),
            _ => match is_from_here(parts) {
                true => Ok(Pass::Local),
                false => Err(Problem::forbidden(
                    "this server is for its own machine, and was asked by another name or site",
                )
                .hint("ask for localhost from a page of localhost, or make it ask for tokens")),
            },
        }
    }

    /// Who opens a stream by what stands in its URL.
    ///
    /// # Errors
    /// Nobody who may.
    pub(crate) async fn hears(&self, channel: &str, parts: &Parts) -> Result<Pass, Problem> {
        let find = || read(&self.evaluators().by_channel).get(channel).map(Arc::clone);
        let found = match find() {
            Some(found) => Some(found),
            None => {
                self.read_evaluators().await;
                find()
            }
        };
        match found.filter(|it| !it.is_over(self.manager().now())) {
            Some(found) => Ok(Pass::Held(found)),
            None => Err(self.strange("there is no such channel", parts)),
        }
    }

    async fn holds(&self, secret: &Secret, parts: &Parts) -> Result<Arc<Evaluator>, Problem> {
        let hash = secret.fingerprint();
        let now = self.manager().now();
        let find = || read(&self.evaluators().by_token).get(&hash).map(Arc::clone);
        let found = match find() {
            Some(found) => Some(found),
            None => {
                let from = self.address(&parts.headers, &parts.extensions);
                if let Some(wait) = self.must_wait(Kind::Token, from) {
                    return Err(super::guard::too_often(wait));
                }
                self.read_evaluators().await;
                find()
            }
        };
        match found {
            Some(found) if !found.is_over(now) => {
                self.note(&found, now);
                Ok(found)
            }
            Some(_) => Err(self.strange("the token has ended", parts)),
            None => Err(self.strange("the token is not known", parts)),
        }
    }

    fn strange(&self, why: &'static str, parts: &Parts) -> Problem {
        let from = self.address(&parts.headers, &parts.extensions);
        if let Some(wait) = self.must_wait(Kind::Token, from) {
            return super::guard::too_often(wait);
        }
        self.count_failure(Kind::Token, from, why);
        unauthorized(why)
    }

    fn note(&self, evaluator: &Evaluator, now: i64) {
        let used = evaluator.used_at.load(Ordering::Relaxed);
        if used >= now - USED_EVERY {
            return;
        }
        let swapped =
            evaluator.used_at.compare_exchange(used, now, Ordering::Relaxed, Ordering::Relaxed);
        if swapped.is_ok() {
            self.keep_use(evaluator.id.clone(), now, now - USED_EVERY);
        }
    }

    pub(super) async fn read_evaluators(&self) {
        let (store, now) = (&self.manager().store, self.manager().now());
        if let Err(error) = self.evaluators().read(store, now, Instant::now()).await {
            tracing::debug!(%error, "tokens that evaluate could not be read: they stay as they are");
        }
    }

    /// Keeps the tokens up to date until `stop` says so.
    pub(crate) async fn follow(&self, mut stop: watch::Receiver<bool>) {
        loop {
            let step = async {
                self.read_evaluators().await;
                tokio::time::sleep(READ_EVERY).await;
            };
            tokio::select! {
                () = step => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

impl Access {
    /// What a browser is told of which pages may read the answer; `None` where it is not told that
    /// any may. No cookie opens anything here, so that pages of everybody may ask who have a token;
    /// where nobody needs one, those of this machine.
    pub(crate) fn readers(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        match self.asks() {
            true => Some(HeaderValue::from_static("*")),
            false => local_origin(headers).map(|_| origin.clone()),
        }
    }
}

fn unauthorized(why: &str) -> Problem {
    Problem::unauthorized(why)
        .hint("send Authorization: Bearer TOKEN, with one of seaway token create --evaluate")
}

/// Whether a request is for this machine, and sent by a program or by a page of this machine.
fn is_from_here(parts: &Parts) -> bool {
    let headers = &parts.headers;
    origin::is_for_this_machine(&parts.uri, headers) && local_origin(headers).is_some()
}

/// The origin that a browser tells, if it is one of this machine; an empty one from programs.
fn local_origin(headers: &HeaderMap) -> Option<Option<&HeaderValue>> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Some(None) };
    let host = origin.to_str().ok().and_then(|it| it.split_once("://")).map(|(_, host)| host);
    host.is_some_and(origin::is_local).then_some(Some(origin))
}
