//! Changes that wait: a page of them, oldest first, and how many there are.

mod store;

pub(in crate::delivery) use store::Waiting;

use super::api::filter::Wanted;
use super::api::{Parameters, known_group, known_service};
use super::store::{After, Kept};
use crate::app::App;
use crate::problem::Problem;
use seaway_core::delivery::view::Milestone;
use std::collections::BTreeMap;

/// Services whose waiting changes are looked for service by service.
const FEW_SERVICES: usize = 64;

/// What waiting changes can have reached.
const REACHED: [Milestone; 6] = [
    Milestone::Authored,
    Milestone::Opened,
    Milestone::Reviewed,
    Milestone::Approved,
    Milestone::Merged,
    Milestone::Built,
];

/// A page of waiting changes.
pub(in crate::delivery) struct WaitingPage {
    /// Oldest first.
    pub(in crate::delivery) rows: Vec<Kept>,
    /// Where the next page begins.
    pub(in crate::delivery) next: Option<After>,
    /// How many wait in all, whatever their last milestone, by that; `None` where the services are
    /// too many to count theirs.
    pub(in crate::delivery) by_last_milestone: Option<BTreeMap<String, i64>>,
}

impl WaitingPage {
    /// What a query asks for, of one service or of those of a group, by their last milestone.
    pub(in crate::delivery) async fn of(
        app: &App,
        parameters: &Parameters,
        after: After,
        limit: i64,
    ) -> Result<Self, Problem> {
        let mut wanted = Wanted::of(app, parameters)?;
        if let Some(group) = parameters.text("group") {
            wanted = wanted.of_group(&known_group(app, group).await?);
        }
        let service = parameters.text("service");
        if let Some(service) = service {
            known_service(app, service).await?;
        }
        let last = parameters.text("last");
        let waits = |name: &str| REACHED.iter().any(|it| it.name() == name);
        if let Some(last) = last.filter(|last| !waits(last)) {
            let names = REACHED.map(Milestone::name).join(", ");
            return Err(Problem::bad_request(format!("nothing waits after {last}"))
                .hint(format!("last is one of {names}")));
        }
        let few = match (service, &wanted.among) {
            (Some(service), _) => Some(vec![service]),
            (None, Some(among)) if among.len() <= FEW_SERVICES => {
                Some(among.iter().map(String::as_str).collect())
            }
            _ => None,
        };
        let services = few.as_deref();
        let can_count = wanted.filter.is_any() && (few.is_some() || wanted.is_all());
        let by_last_milestone = match (can_count, services) {
            (false, _) => None,
            (true, Some([])) => Some(BTreeMap::new()),
            (true, _) => {
                let all = Waiting { services, last: None };
                Some(app.store.waiting_by_milestone(&all).await?)
            }
        };
        let of = Waiting { services, last };
        let mut page = wanted.page::<Kept>(after, limit);
        while let Some((after, portion)) = page.needs() {
            let found = match services {
                Some([]) => Vec::new(),
                _ => app.store.waiting(&of, after, portion).await?,
            };
            page.take(found);
        }
        let (rows, next) = page.done();
        Ok(Self { rows, next, by_last_milestone })
    }
}
