//! Making, listing and ending tokens: what the command line, the API and the page have in common.

use super::Role;
use super::audit::{Action, Actor, Deed};
use super::store::Store;
use super::token::{Fingerprint, Secret, Token, checked_name, expiry, hex, random_hex};
use crate::app::Clock;
use crate::environment;
use crate::error::Error;
use crate::ledger::{self, Ledger, Refusal};
use crate::problem::Problem;
use seaway_core::time::DAY;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Tokens that are kept at one time.
const TOKENS_MAX: i64 = 1_000;
/// How long tokens that ended are listed.
const LISTED: i64 = 90 * DAY * 1_000_000;

/// A token that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The environment whose flags it evaluates; for roles that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    /// A span, a day or a moment: see [`expiry`].
    pub(crate) expires: String,
}

impl Wanted {
    /// The environment, if the role is for one.
    fn environment(&self) -> Result<Option<String>, Refused> {
        match (self.role.evaluates(), &self.environment) {
            (true, Some(name)) => {
                environment::check(name).map_err(Refused::Wrong)?;
                Ok(Some(name.clone()))
            }
            (false, None) => Ok(None),
            (true, None) => {
                let what =
                    format!("a token of the role {} is for an environment", self.role.name());
                Err(Refused::Wrong(what))
            }
            (false, Some(_)) => {
                let what =
                    format!("a token of the role {} is for no environment", self.role.name());
                Err(Refused::Wrong(what))
            }
        }
    }
}

/// A new token, with the secret that is told this one time.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) token: Token,
    pub(crate) secret: Secret,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0}")]
    Wrong(String),
    #[error("there are {TOKENS_MAX} tokens already")]
    Full,
    #[error("the operating system has no randomness to give: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Database(#[from] ledger::Error),
    #[error("it could not be put on the log: {0}")]
    Log(#[from] Refusal),
    #[error("it cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Manages tokens.
#[derive(Clone)]
pub(crate) struct Manager {
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
}

impl Manager {
    pub(crate) fn new(store: Store, ledger: Ledger, clock: Clock) -> Self {
        Self { store, ledger, clock }
    }

    /// The moment.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Makes a token. It is good once this has been put on the log.
    ///
    /// # Errors
    /// It cannot be made as it is wanted, or the database fails.
    pub(crate) async fn create(
        &self,
        wanted: &Wanted,
        by: Actor,
        from: Option<IpAddr>,
    ) -> Result<Made, Refused> {
        let now = self.now();
        let secret = Secret::token(wanted.role)?;
        let token = Token {
            id: random_hex::<6>()?,
            name: checked_name(&wanted.name).map_err(Refused::Wrong)?,
            role: wanted.role,
            environment: wanted.environment()?,
            created_at: now,
            created_by: by.id.clone().unwrap_or_default(),
            expires_at: expiry(&wanted.expires, now).map_err(Refused::Wrong)?,
            revoked_at: None,
            used_at: None,
        };
        let hash: Fingerprint = secret.fingerprint();
        if !self.store.create(&token, &hash, TOKENS_MAX, now - LISTED).await? {
            return Err(Refused::Full);
        }
        let (action, once) = (Action::TokenCreated, token.id.clone());
        let told = self.tell(Deed { action, by, from, token: Some(&token), once }).await;
        if let Err(refused) = told {
            // Nobody is to have a token that the log does not know of.
            self.store.revoke(&token.id, now).await?;
            return Err(refused);
        }
        tracing::info!(token = token.id, role = token.role.name(), "a token was created");
        Ok(Made { token, secret })
    }

    /// Ends a token and its sessions. Returns it as it is now; `None` if there is none.
    ///
    /// # Errors
    /// The database fails, or it could not be put on the log: then the token is revoked all the
    /// same, and revoking it again puts it there.
    pub(crate) async fn revoke(
        &self,
        id: &str,
        by: Actor,
        from: Option<IpAddr>,
    ) -> Result<Option<Token>, Refused> {
        let Some(token) = self.store.revoke(id, self.now()).await? else { return Ok(None) };
        let (action, once) = (Action::TokenRevoked, token.id.clone());
        self.tell(Deed { action, by, from, token: Some(&token), once }).await?;
        tracing::info!(token = token.id, "a token was revoked");
        Ok(Some(token))
    }

    /// All tokens, the newest first; those that ended are listed for 90 days.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn all(&self) -> Result<Vec<Token>, Refused> {
        Ok(self.store.all().await?)
    }

    /// Puts on the log what somebody did.
    pub(super) async fn tell(&self, deed: Deed<'_>) -> Result<(), Refused> {
        let now = self.now();
        self.ledger.append(vec![deed.event(now)?], now).await?;
        Ok(())
    }
}

/// What a session or a failure is called by in public: a part of the hash of its secret.
pub(super) fn public_id(hash: &Fingerprint) -> String {
    hex(&hash[..8])
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let what = refused.to_string();
        match refused {
            Refused::Wrong(_) => Self::bad_request(what),
            Refused::Full => Self::bad_request(what).hint("revoke those that nobody uses"),
            Refused::Log(refusal) => refusal.into(),
            Refused::Random(_) | Refused::Database(_) | Refused::Json(_) => {
                tracing::error!(error = what, "tokens cannot be read or written");
                Self::failed("tokens cannot be read or written now")
                    .hint("try again; the server's log tells more")
            }
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let what = refused.to_string();
        match refused {
            Refused::Wrong(_) => Self::input(what, "seaway token create --help shows how"),
            Refused::Full => Self::input(what, "revoke those that nobody uses"),
            Refused::Database(error) => error.into(),
            Refused::Random(_) | Refused::Log(_) | Refused::Json(_) => {
                Self::Failed { what, hint: None }
            }
        }
    }
}
