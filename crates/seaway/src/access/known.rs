//! Who is known: tokens and sessions, looked up at most once a second each, and those who fail.

use super::audit::{Action, Actor, Deed};
use super::evaluators::Evaluators;
use super::guard::address;
use super::limits::{Failures, PerMinute, Rates};
use super::manage::{Manager, Refused, public_id};
use super::store::{Session, Store};
use super::token::{Fingerprint, Secret, State, Token};
use crate::app::{Clock, Opened};
use crate::config::{self, AskForTokens};
use crate::error::Error;
use crate::problem::Problem;
use axum::http::{Extensions, HeaderMap};
use seaway_core::time::HOUR;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long it is believed that a token is good: a token that is revoked lets nobody in a second
/// later, and one that sends thousands of requests a second costs one question of the database.
const BELIEVED: Duration = Duration::from_millis(800);
/// Tokens and sessions that are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// When a token was used last is written at most this often, in microseconds.
const USED_EVERY: i64 = HOUR * 1_000_000;
/// How much more often sessions that ended may come again than wrong tokens: open pages go on
/// asking for a while.
const SESSION_PATIENCE: u32 = 30;
/// How much more often webhooks may come with a wrong secret from an address that has sent right
/// ones: forges send those of all their customers from the same addresses, so that a stranger must
/// not get the webhooks of others refused.
const FORGE_PATIENCE: u32 = 30;
/// Addresses that are remembered to have sent webhooks with the right secret.
const FORGES_MAX: usize = 1_000;
/// Failed sign-ins in a minute that are put on the log.
const FAILURES_TOLD: u32 = 20;

/// Who holds a token.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) token: Arc<Token>,
    /// Where a person signed in with it.
    pub(crate) session: Option<Session>,
}

impl Holder {
    /// Why it is not good at a moment, if it is not.
    fn fault(&self, now: i64) -> Option<&'static str> {
        match self.token.state(now) {
            State::Revoked => Some("the token was revoked"),
            State::Expired => Some("the token has expired"),
            State::Valid if self.session.as_ref().is_some_and(|it| it.expires_at <= now) => {
                Some("the session has ended")
            }
            State::Valid => None,
        }
    }
}

/// Why somebody is not known.
#[derive(Debug)]
pub(crate) enum Unknown {
    /// What was presented is not good: why.
    Wrong(&'static str),
    /// Too often in this minute; seconds to wait.
    TooOften(u64),
    /// It could not be looked up.
    Failed(Problem),
}

/// What a secret is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Token,
    Session,
}

struct Remembered {
    holder: Holder,
    /// When it was looked up.
    at: Instant,
}

/// Lets in whom it knows.
pub(crate) struct Access {
    /// Whether anybody is asked for a token at all.
    asks: bool,
    settings: config::Access,
    manager: Manager,
    remembered: Mutex<HashMap<Fingerprint, Remembered>>,
    /// Tokens that evaluate flags, all of them.
    evaluators: Evaluators,
    wrong_tokens: Mutex<Failures>,
    wrong_sessions: Mutex<Failures>,
    webhooks: Mutex<Webhooks>,
    rates: Mutex<Rates>,
    told: Mutex<PerMinute>,
}

/// Webhooks whose secret was wrong, and where others came from.
struct Webhooks {
    of_strangers: Failures,
    of_forges: Failures,
    forges: HashSet<IpAddr>,
}

impl Webhooks {
    fn at_most(max: u32) -> Self {
        Self {
            of_strangers: Failures::at_most(max),
            of_forges: Failures::at_most(max.saturating_mul(FORGE_PATIENCE)),
            forges: HashSet::new(),
        }
    }

    fn failures(&mut self, from: IpAddr) -> &mut Failures {
        match self.forges.contains(&from) {
            true => &mut self.of_forges,
            false => &mut self.of_strangers,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}

impl Access {
    /// What lets people in to a server that listens on an address.
    ///
    /// # Errors
    /// Others can reach the address, and there is no token that somebody could manage others with;
    /// or the database fails.
    pub(crate) async fn start(
        opened: &Opened,
        settings: &config::Access,
        listen: SocketAddr,
        clock: Clock,
    ) -> Result<Self, Error> {
        let store = Store::open(opened.log().clone()).await?;
        let is_here = listen.ip().is_loopback();
        let asks = !is_here || settings.tokens == AskForTokens::Always;
        if asks && !store.has_admin(clock()).await? {
            let why = match is_here {
                true => "access.tokens is \"always\"".to_owned(),
                false => format!("others can reach {listen}"),
            };
            return Err(Error::input(
                format!("{why}, and there is no valid token of an admin"),
                "make one for the same --data or --database, and start again: seaway token create \
                 --name NAME --role admin --expires 90d",
            ));
        }
        let evaluators = Evaluators::default();
        evaluators.read(&store, clock(), Instant::now().into()).await?;
        let failures = settings.failures_per_minute;
        Ok(Self {
            asks,
            manager: Manager::new(store, opened.ledger.clone(), clock),
            remembered: Mutex::default(),
            evaluators,
            wrong_tokens: Mutex::new(Failures::at_most(failures)),
            wrong_sessions: Mutex::new(Failures::at_most(
                failures.saturating_mul(SESSION_PATIENCE),
            )),
            webhooks: Mutex::new(Webhooks::at_most(failures)),
            rates: Mutex::new(Rates::at_most(settings.requests_per_second)),
            told: Mutex::new(PerMinute::at_most(FAILURES_TOLD)),
            settings: settings.clone(),
        })
    }

    /// Whether requests need a token. Otherwise everybody who reaches the server is an admin, as
    /// only this machine does.
    pub(crate) fn asks(&self) -> bool {
        self.asks
    }

    pub(crate) fn settings(&self) -> &config::Access {
        &self.settings
    }

    pub(super) fn evaluators(&self) -> &Evaluators {
        &self.evaluators
    }

    /// Where a request comes from.
    pub(super) fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
        address(headers, extensions, self.settings.behind_proxy)
    }

    /// What manages tokens.
    pub(crate) fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Who holds a secret.
    ///
    /// Those that were good within this process are looked up again however many others fail at
    /// the same address.
    pub(crate) async fn holder(
        &self,
        secret: &Secret,
        kind: Kind,
        from: IpAddr,
    ) -> Result<Holder, Unknown> {
        let (now, hash) = (self.manager.now(), secret.fingerprint());
        let known = lock(&self.remembered).get(&hash).map(|it| (it.holder.clone(), it.at));
        match &known {
            Some((holder, at)) if at.elapsed() < BELIEVED && holder.fault(now).is_none() => {
                return Ok(holder.clone());
            }
            Some(_) => {}
            None => {
                if let Some(wait) = self.must_wait(kind, from) {
                    return Err(Unknown::TooOften(wait));
                }
            }
        }
        let at = Instant::now();
        let found = self.look_up(&hash, kind).await.map_err(|error| {
            tracing::error!(%error, "a token could not be looked up");
            Unknown::Failed(Problem::failed("tokens cannot be looked up now"))
        })?;
        let fault = match &found {
            None => Some(match kind {
                Kind::Token => "the token is not known",
                Kind::Session => "the session has ended",
            }),
            Some(holder) => holder.fault(now),
        };
        match (found, fault) {
            (Some(holder), None) => {
                self.remember(hash, &holder, at);
                self.note_use(&holder.token, now);
                Ok(holder)
            }
            (_, fault) => {
                lock(&self.remembered).remove(&hash);
                let why = fault.unwrap_or("the token is not known");
                self.count_failure(kind, from, why);
                Err(Unknown::Wrong(why))
            }
        }
    }

    /// Seconds that an address has to wait before it may try another secret.
    pub(crate) fn must_wait(&self, kind: Kind, from: IpAddr) -> Option<u64> {
        lock(self.failures(kind)).wait(from, seconds(self.manager.now()))
    }

    /// Counts a secret that was not good.
    pub(crate) fn count_failure(&self, kind: Kind, from: IpAddr, why: &'static str) {
        tracing::warn!(%from, why, "somebody could not be let in");
        lock(self.failures(kind)).add(from, seconds(self.manager.now()));
    }

    /// Seconds that an address has to wait before it may try the secret of a webhook again.
    pub(super) fn webhook_must_wait(&self, from: IpAddr) -> Option<u64> {
        lock(&self.webhooks).failures(from).wait(from, seconds(self.manager.now()))
    }

    /// Keeps whether a webhook from an address had the right secret.
    pub(super) fn note_webhook(&self, from: IpAddr, proven: bool) {
        let mut webhooks = lock(&self.webhooks);
        if !proven {
            tracing::warn!(%from, "a webhook came with a wrong secret");
            webhooks.failures(from).add(from, seconds(self.manager.now()));
        } else if webhooks.forges.len() < FORGES_MAX {
            webhooks.forges.insert(from);
        }
    }

    fn failures(&self, kind: Kind) -> &Mutex<Failures> {
        match kind {
            Kind::Token => &self.wrong_tokens,
            Kind::Session => &self.wrong_sessions,
        }
    }

    async fn look_up(
        &self,
        hash: &Fingerprint,
        kind: Kind,
    ) -> Result<Option<Holder>, crate::ledger::Error> {
        let store = &self.manager.store;
        Ok(match kind {
            Kind::Token => {
                let token = store.token_of(hash).await?.map(Arc::new);
                token.map(|token| Holder { token, session: None })
            }
            Kind::Session => {
                let found = store.session_of(hash).await?;
                found.map(|(session, token)| Holder {
                    token: Arc::new(token),
                    session: Some(session),
                })
            }
        })
    }

    fn remember(&self, hash: Fingerprint, holder: &Holder, at: Instant) {
        let mut remembered = lock(&self.remembered);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, it| it.at.elapsed() < BELIEVED);
        }
        if remembered.len() < REMEMBERED_MAX {
            remembered.insert(hash, Remembered { holder: holder.clone(), at });
        }
    }

    fn note_use(&self, token: &Token, now: i64) {
        let unless_after = now - USED_EVERY;
        if token.used_at.is_none_or(|used| used < unless_after) {
            self.keep_use(token.id.clone(), now, unless_after);
        }
    }

    /// Keeps that a token was used, unless that is known to have been after another moment.
    pub(super) fn keep_use(&self, id: String, now: i64, unless_after: i64) {
        let store = self.manager.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.used(&id, now, unless_after).await {
                tracing::warn!(%error, token = id, "the use of a token could not be kept");
            }
        });
    }

    /// Whether a request with a token is one too many in this second.
    pub(crate) fn is_too_much(&self, token: &str) -> bool {
        lock(&self.rates).is_too_many(token, seconds(self.manager.now()))
    }

    /// Ends a token, here at once.
    ///
    /// # Errors
    /// As [`Manager::revoke`].
    pub(crate) async fn revoke(
        &self,
        id: &str,
        by: Actor,
        from: IpAddr,
    ) -> Result<Option<Token>, Refused> {
        let revoked = self.manager.revoke(id, by, Some(from)).await;
        lock(&self.remembered).retain(|_, it| it.holder.token.id != id);
        self.evaluators.end(id);
        revoked
    }

    /// Lets a person in who has a token: a session, its secret, and for how many seconds.
    ///
    /// # Errors
    /// The token is not good, or the database fails.
    pub(crate) async fn sign_in(
        &self,
        secret: &Secret,
        from: IpAddr,
    ) -> Result<(Secret, i64), Unknown> {
        let holder = self.holder(secret, Kind::Token, from).await?;
        let begun = self.begin_session(&holder.token, from).await;
        begun.map_err(|refused| Unknown::Failed(refused.into()))
    }

    async fn begin_session(&self, token: &Token, from: IpAddr) -> Result<(Secret, i64), Refused> {
        let (now, cookie) = (self.manager.now(), Secret::cookie()?);
        let hours = i64::from(self.settings.session_hours);
        let expires_at = token.expires_at.min(now + hours * HOUR * 1_000_000);
        let hash = cookie.fingerprint();
        let session = Session { id: public_id(&hash), expires_at };
        self.manager.store.begin_session(&session, &hash, &token.id, now).await?;
        let (action, by, once) = (Action::SignedIn, Actor::of(token), session.id.clone());
        let deed = Deed { action, by, from: Some(from), token: Some(token), once };
        if let Err(refused) = self.manager.tell(deed).await {
            self.manager.store.end_session(&session.id).await?;
            return Err(refused);
        }
        tracing::info!(token = token.id, session = session.id, %from, "somebody signed in");
        Ok((cookie, seconds(expires_at - now)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The database fails, or it could not be put on the log; the session may have ended.
    pub(crate) async fn sign_out(
        &self,
        session: &Session,
        by: Actor,
        from: IpAddr,
    ) -> Result<(), Refused> {
        self.manager.store.end_session(&session.id).await?;
        let is_other = |it: &Holder| it.session.as_ref().is_none_or(|it| it.id != session.id);
        lock(&self.remembered).retain(|_, it| is_other(&it.holder));
        let (action, once) = (Action::SignedOut, session.id.clone());
        self.manager.tell(Deed { action, by, from: Some(from), token: None, once }).await?;
        tracing::info!(session = session.id, %from, "somebody signed out");
        Ok(())
    }

    /// Puts a failed sign-in on the log: one a minute and address, and some a minute in all.
    pub(crate) async fn tell_failure(&self, from: IpAddr) {
        let minute = seconds(self.manager.now()).div_euclid(60);
        if !lock(&self.told).has_room(seconds(self.manager.now())) {
            return;
        }
        let (action, by, once) =
            (Action::SignInFailed, Actor::unknown(), format!("{minute}-{from}"));
        let deed = Deed { action, by, from: Some(from), token: None, once };
        if let Err(error) = self.manager.tell(deed).await {
            tracing::warn!(%error, "a failed sign-in could not be put on the log");
        }
    }
}
