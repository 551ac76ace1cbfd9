//! Routes that say who may use them. There is no way to add one that does not say it.

use super::Role;
use super::guard::{Gate, guard};
use crate::app::App;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use std::sync::Arc;

/// Whom routes answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// People: they are asked to sign in, and what they send are forms.
    Page,
    /// Programs.
    Program,
}

/// What a webhook has to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    GitHub,
    GitLab,
}

impl Proof {
    /// Where its secrets are set.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::GitHub => "SEAWAY_GITHUB_SECRET",
            Self::GitLab => "SEAWAY_GITLAB_SECRET",
        }
    }
}

/// What whoever asks needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Proof(Proof),
    Role(Role),
    /// A token that evaluates, which the handlers look for: nothing else is to stand in their way.
    Pass,
}

/// Handlers, and what whoever asks them needs.
pub(crate) struct Guarded {
    needs: Needs,
    /// Whether they draw badges, which the settings may show to everybody.
    is_badge: bool,
    handlers: MethodRouter<Arc<App>>,
}

/// Handlers for everybody.
pub(crate) fn open(handlers: MethodRouter<Arc<App>>) -> Guarded {
    Guarded { needs: Needs::Nothing, is_badge: false, handlers }
}

/// Handlers for those who prove to know the secret of a webhook; the handlers look at the proof.
pub(crate) fn proven(by: Proof, handlers: MethodRouter<Arc<App>>) -> Guarded {
    Guarded { needs: Needs::Proof(by), is_badge: false, handlers }
}

/// Handlers that draw badges: for viewers and those above, and where the settings say so for
/// everybody.
pub(crate) fn badge(handlers: MethodRouter<Arc<App>>) -> Guarded {
    Guarded { is_badge: true, ..viewer(handlers) }
}

/// Handlers for those who may evaluate flags; the handlers look at their tokens.
pub(crate) fn evaluator(handlers: MethodRouter<Arc<App>>) -> Guarded {
    Guarded { needs: Needs::Pass, is_badge: false, handlers }
}

/// Handlers for viewers and those above.
pub(crate) fn viewer(handlers: MethodRouter<Arc<App>>) -> Guarded {
    Guarded { needs: Needs::Role(Role::Viewer), is_badge: false, handlers }
}

/// Handlers for editors and those above.
pub(crate) fn editor(handlers: MethodRouter<Arc<App>>) -> Guarded {
    Guarded { needs: Needs::Role(Role::Editor), is_badge: false, handlers }
}

/// Handlers for admins.
pub(crate) fn admin(handlers: MethodRouter<Arc<App>>) -> Guarded {
    Guarded { needs: Needs::Role(Role::Admin), is_badge: false, handlers }
}

/// Routes, each with its guard.
pub(crate) struct Routes {
    app: Arc<App>,
    face: Face,
    router: Router<Arc<App>>,
}

impl Routes {
    /// None yet, for people or for programs.
    pub(crate) fn of(app: &Arc<App>, face: Face) -> Self {
        Self { app: Arc::clone(app), face, router: Router::new() }
    }

    /// Adds a route.
    pub(crate) fn route(mut self, path: &str, guarded: Guarded) -> Self {
        let Guarded { needs, is_badge, handlers } = guarded;
        let access = &self.app.access;
        let is_public = is_badge && access.asks() && access.settings().public_badges;
        let needs = if is_public { Needs::Nothing } else { needs };
        if needs == Needs::Pass {
            self.router = self.router.route(path, handlers);
            return self;
        }
        let gate = Gate { app: Arc::clone(&self.app), needs, face: self.face };
        let handlers = handlers.route_layer(from_fn_with_state(gate, guard));
        self.router = self.router.route(path, handlers);
        self
    }

    /// All of them.
    pub(crate) fn done(self) -> Router<Arc<App>> {
        self.router
    }
}
