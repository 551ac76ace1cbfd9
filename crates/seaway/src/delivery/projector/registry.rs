//! Which services there are, and which facts belong to each.
//!
//! The catalog names services. What it does not name is measured all the same, as *uncatalogued*: a
//! service that only its deployments name, or a repository that nothing deploys from by another
//! name.

use seaway_core::delivery::facts::Scope;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A service as the catalog has it, as far as facts are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Catalogued {
    /// Its name in URLs and rows: `name`, or `namespace/name` outside the default namespace.
    pub(super) id: String,
    /// By `facts::repository_name`.
    pub(super) repository: Option<String>,
    /// Names that sources give it, in lower case.
    pub(super) aliases: Vec<String>,
    /// Path globs; empty: the whole repository.
    pub(super) paths: Vec<String>,
    /// Its production environments; empty: what the source or the configuration says.
    pub(super) environments: Vec<String>,
}

/// What a service is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) catalogued: bool,
    pub(super) repository: Option<String>,
    /// The scopes of its facts.
    pub(super) scopes: Vec<Scope>,
    pub(super) paths: Vec<String>,
    pub(super) environments: Vec<String>,
}

/// All services that are known. What it says is a function of the sets that it was told, whatever
/// the order.
#[derive(Debug, Default)]
pub(super) struct Registry {
    catalogued: BTreeMap<String, Catalogued>,
    by_alias: HashMap<String, String>,
    by_repository: HashMap<String, BTreeSet<String>>,
    /// Names that sources give services, with the repositories that their deployments name.
    claims: BTreeMap<String, BTreeSet<String>>,
    /// The names that sources give each service.
    names: HashMap<String, BTreeSet<String>>,
    /// The names of services that claim each repository.
    claimed_by: HashMap<String, BTreeSet<String>>,
    /// Repositories of which anything is known.
    repositories: BTreeSet<String>,
}

impl Registry {
    /// Puts the catalog in the place of the one before.
    pub(super) fn set_catalog(&mut self, services: Vec<Catalogued>) {
        self.by_alias.clear();
        self.by_repository.clear();
        self.catalogued.clear();
        for service in services {
            for alias in &service.aliases {
                self.by_alias.entry(alias.clone()).or_insert_with(|| service.id.clone());
            }
            if let Some(repository) = &service.repository {
                let services = self.by_repository.entry(repository.clone()).or_default();
                services.insert(service.id.clone());
            }
            self.catalogued.insert(service.id.clone(), service);
        }
        let named = self.claims.keys().map(|name| (self.service_named(name), name.clone()));
        let mut names: HashMap<String, BTreeSet<String>> = HashMap::new();
        for (service, name) in named {
            names.entry(service).or_default().insert(name);
        }
        self.names = names;
    }

    /// Hears of a repository.
    pub(super) fn hear_of_repository(&mut self, repository: &str) {
        if self.is_new_repository(repository) {
            self.repositories.insert(repository.to_owned());
        }
    }

    /// Whether a repository was not heard of.
    pub(super) fn is_new_repository(&self, repository: &str) -> bool {
        !self.repositories.contains(repository)
    }

    /// Whether it was not heard that a source calls a service `name`, or that it is deployed from
    /// `repository`.
    pub(super) fn is_new_service(&self, name: &str, repository: Option<&str>) -> bool {
        let claims = self.claims.get(name);
        let knows = |repository| claims.is_some_and(|claims| claims.contains(repository));
        claims.is_none() || !repository.is_none_or(knows)
    }

    /// Hears that a source calls a service `name`, and perhaps which repository it is deployed
    /// from.
    pub(super) fn hear_of_service(&mut self, name: &str, repository: Option<&str>) {
        let is_new_name = !self.claims.contains_key(name);
        if is_new_name {
            let names = self.names.entry(self.service_named(name)).or_default();
            names.insert(name.to_owned());
        }
        let claims = self.claims.entry(name.to_owned()).or_default();
        if let Some(repository) = repository {
            claims.insert(repository.to_owned());
            self.claimed_by.entry(repository.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// The service that a source calls `name`.
    fn service_named(&self, name: &str) -> String {
        self.by_alias.get(&name.to_lowercase()).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The services that are computed from facts of a scope. Names that are services no longer are
    /// among them (a repository that a service claims), so that their rows are taken away.
    pub(super) fn touched_by(&self, scope: &Scope) -> BTreeSet<String> {
        match scope {
            Scope::Service(name) => {
                let mut touched = BTreeSet::from([name.clone(), self.service_named(name)]);
                for repository in self.claims.get(name).into_iter().flatten() {
                    touched.insert(repository.clone());
                }
                touched
            }
            Scope::Repository(name) => {
                let mut touched = self.services_of(name);
                touched.insert(name.clone());
                touched
            }
            // What artifacts say is handed on to the services that deployed them.
            Scope::Artifact(_) => BTreeSet::new(),
        }
    }

    /// The services, other than the repository itself, that are deployed from a repository.
    fn services_of(&self, repository: &str) -> BTreeSet<String> {
        let mut services = self.by_repository.get(repository).cloned().unwrap_or_default();
        let claims = self.claimed_by.get(repository).into_iter().flatten();
        services.extend(claims.map(|name| self.service_named(name)));
        services
    }

    /// The scopes that stand for a service: whoever computes what they touch computes it.
    pub(super) fn scopes_of(&self, service: &str) -> Vec<Scope> {
        match self.plan(service) {
            Some(plan) if !plan.scopes.is_empty() => plan.scopes,
            // Nothing was heard of it yet: its name leads to it.
            Some(_) => vec![Scope::Service(service.to_owned())],
            // A name that is none any more: what it was heard of as leads to it.
            None => vec![Scope::Repository(service.to_owned()), Scope::Service(service.to_owned())],
        }
    }

    /// All names that are or may be services.
    pub(super) fn all(&self) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = self.catalogued.keys().cloned().collect();
        all.extend(self.claims.keys().map(|name| self.service_named(name)));
        all.extend(self.repositories.iter().cloned());
        all
    }

    /// What a service is computed from; `None` where there is no such service (any more).
    pub(super) fn plan(&self, service: &str) -> Option<Plan> {
        let names = self.names_of(service);
        let claims = || names.clone().filter_map(|name| self.claims.get(name)).flatten();
        let plan = |repository: Option<String>, catalogued: Option<&Catalogued>| {
            let scopes = names.clone().cloned().map(Scope::Service);
            Plan {
                catalogued: catalogued.is_some(),
                scopes: repository.iter().cloned().map(Scope::Repository).chain(scopes).collect(),
                repository,
                paths: catalogued.map(|it| it.paths.clone()).unwrap_or_default(),
                environments: catalogued.map(|it| it.environments.clone()).unwrap_or_default(),
            }
        };
        if let Some(catalogued) = self.catalogued.get(service) {
            let repository = catalogued.repository.as_ref().or_else(|| claims().min());
            return Some(plan(repository.cloned(), Some(catalogued)));
        }
        if names.clone().next().is_some() {
            return Some(plan(claims().min().cloned(), None));
        }
        let is_repository = self.repositories.contains(service);
        (is_repository && self.services_of(service).is_empty())
            .then(|| plan(Some(service.to_owned()), None))
    }

    /// The names that sources give a service.
    fn names_of(&self, service: &str) -> impl Iterator<Item = &String> + Clone {
        self.names.get(service).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(repository: Option<&str>) -> Catalogued {
        Catalogued {
            id: "shop".to_owned(),
            repository: repository.map(str::to_owned),
            aliases: vec!["shop".to_owned(), "default/shop".to_owned()],
            paths: Vec::new(),
            environments: Vec::new(),
        }
    }

    fn names(set: &[&str]) -> BTreeSet<String> {
        set.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_repository_that_nobody_names_is_a_service_until_one_claims_it() {
        let mut registry = Registry::default();
        assert!(registry.is_new_repository("host/a"));
        registry.hear_of_repository("host/a");
        assert!(!registry.is_new_repository("host/a"));
        let plan = registry.plan("host/a").unwrap();
        assert!(!plan.catalogued);
        assert_eq!(plan.scopes, [Scope::Repository("host/a".to_owned())]);

        assert!(registry.is_new_service("a-live", None));
        registry.hear_of_service("a-live", None);
        assert!(!registry.is_new_service("a-live", None));
        assert!(registry.is_new_service("a-live", Some("host/a")));
        registry.hear_of_service("a-live", Some("host/a"));
        assert!(!registry.is_new_service("a-live", Some("host/a")));
        assert_eq!(registry.plan("host/a"), None);
        let plan = registry.plan("a-live").unwrap();
        assert_eq!(plan.repository.as_deref(), Some("host/a"));
        assert_eq!(plan.scopes.len(), 2);
        let touched = registry.touched_by(&Scope::Repository("host/a".to_owned()));
        assert_eq!(touched, names(&["a-live", "host/a"]));
        assert_eq!(registry.touched_by(&Scope::Service("a-live".to_owned())), touched);
    }

    #[test]
    fn the_catalog_takes_services_in_whatever_they_are_called() {
        let mut registry = Registry::default();
        registry.hear_of_service("Default/Shop", None);
        registry.hear_of_service("shop", Some("host/b"));
        registry.hear_of_repository("host/shop");
        assert!(registry.plan("Default/Shop").is_some());
        registry.set_catalog(vec![shop(Some("host/shop"))]);
        assert_eq!(registry.plan("Default/Shop"), None);
        let plan = registry.plan("shop").unwrap();
        assert!(plan.catalogued);
        assert_eq!(plan.repository.as_deref(), Some("host/shop"));
        assert_eq!(plan.scopes.len(), 3);
        assert_eq!(registry.plan("host/shop"), None);
        assert_eq!(registry.all(), names(&["host/shop", "shop"]));

        registry.set_catalog(vec![shop(None)]);
        let plan = registry.plan("shop").unwrap();
        assert_eq!(plan.repository.as_deref(), Some("host/b"), "as its deployments say");
        assert!(registry.plan("host/shop").is_some());
        registry.set_catalog(Vec::new());
        assert_eq!(registry.plan("shop").map(|plan| plan.catalogued), Some(false));
    }

    #[test]
    fn several_services_live_in_one_repository() {
        let mut registry = Registry::default();
        let mut other = shop(Some("host/mono"));
        other.id = "other".to_owned();
        other.aliases = vec!["other".to_owned()];
        registry.set_catalog(vec![shop(Some("host/mono")), other]);
        registry.hear_of_repository("host/mono");
        let touched = registry.touched_by(&Scope::Repository("host/mono".to_owned()));
        assert_eq!(touched, names(&["host/mono", "other", "shop"]));
        assert_eq!(registry.plan("host/mono"), None);
        assert_eq!(registry.plan("nobody"), None);
    }
}
