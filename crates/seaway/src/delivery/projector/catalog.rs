//! The catalog as the projector needs it: which service facts belong to, and whose sums a service's
//! summaries are in.

use super::absorb::{CATALOG, CATALOG_APPLIED};
use super::rollup::{self, Owners, RollUp};
use super::{Projector, broken};
use crate::error::Error;
use seaway_core::catalog::{Change, History};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

impl Projector {
    /// Reads the catalog anew. If it is another one, services whose facts belong elsewhere now
    /// become stale, and summaries move to the sums of other owners.
    pub(super) async fn read_catalog(&mut self) -> Result<(), Error> {
        let scopes = [CATALOG.to_owned(), CATALOG_APPLIED.to_owned()];
        let mut chunks = self.store.chunks(&scopes).await?;
        let mut history = History::default();
        for chunk in chunks.remove(CATALOG).unwrap_or_default() {
            for change in serde_json::from_slice::<Vec<Change>>(&chunk).map_err(broken)? {
                history.add(change);
            }
        }
        let applied = applied(&chunks)?;
        self.registry.set_catalog(rollup::catalogued(&applied.latest()));
        if history != applied {
            self.apply(&applied, &history).await?;
        }
        self.latest = Arc::new(history.latest());
        self.catalog = Arc::new(history);
        Ok(())
    }

    async fn apply(&mut self, applied: &History, history: &History) -> Result<(), Error> {
        let mut names = self.registry.all();
        self.registry.set_catalog(rollup::catalogued(&history.latest()));
        names.extend(self.registry.all());

        let days = Arc::clone(&self.settings.days);
        let (mut before, mut now) = (Owners::new(applied, &days), Owners::new(history, &days));
        let mut rollup = RollUp::default();
        for service in &names {
            if before.periods_of(service) != now.periods_of(service) {
                let scope = rollup::scope_of_service(service);
                let mut summaries = self.store.summaries(std::slice::from_ref(&scope)).await?;
                let summaries = summaries.remove(&scope).unwrap_or_default();
                rollup.move_service(service, summaries, &mut before, &mut now);
            }
        }
        let stale: BTreeSet<String> = names
            .iter()
            .flat_map(|name| self.registry.scopes_of(name))
            .map(|scope| scope.key())
            .collect();
        let stale: Vec<String> = stale.into_iter().collect();
        let body = serde_json::to_vec(history).map_err(broken)?;
        let mut writing = self.store.begin().await?;
        self.write_rollup(&mut writing, rollup).await?;
        self.store.mark_stale(&mut writing, &stale).await?;
        let applied = [(CATALOG_APPLIED.to_owned(), body)];
        self.store.compact(&mut writing, self.position, &applied).await?;
        Ok(writing.commit().await.map_err(crate::ledger::Error::from)?)
    }
}

/// The catalog that the sums were made by.
pub(super) fn applied(chunks: &HashMap<String, Vec<Vec<u8>>>) -> Result<History, Error> {
    match chunks.get(CATALOG_APPLIED).and_then(|chunks| chunks.first()) {
        Some(chunk) => serde_json::from_slice(chunk).map_err(broken),
        None => Ok(History::default()),
    }
}
