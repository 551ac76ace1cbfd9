//! The catalog of the made-up company.

use seaway_core::demo::Service;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The files of the catalog in one: groups, and the services that they own.
pub(super) fn yaml(services: &[Service]) -> String {
    let groups: BTreeSet<&str> = services.iter().map(|service| service.group.as_str()).collect();
    let mut yaml = String::from(
        "apiVersion: backstage.io/v1alpha1\n\
         kind: Group\n\
         metadata:\n  name: demo\n  title: A made-up company\n\
         spec:\n  type: organization\n",
    );
    for group in groups {
        // Writing to a string cannot fail.
        let _ = write!(
            yaml,
            "---\n\
             apiVersion: backstage.io/v1alpha1\n\
             kind: Group\n\
             metadata:\n  name: {group}\n\
             spec:\n  type: team\n  parent: demo\n"
        );
    }
    for Service { name, group, repository, nature } in services {
        let _ = write!(
            yaml,
            "---\n\
             apiVersion: backstage.io/v1alpha1\n\
             kind: Component\n\
             metadata:\n  name: {name}\n"
        );
        if let Some(nature) = nature {
            let _ = writeln!(yaml, "  description: \"{}\"", nature.about);
        }
        let _ =
            write!(yaml, "  annotations:\n    backstage.io/source-location: url:{repository}/\n");
        if let Some(nature) = nature {
            let _ = write!(
                yaml,
                "    seaway.dev/architecture: {}\n    seaway.dev/runtime: {}\n    \
                 seaway.dev/tier: \"{}\"\n",
                nature.architecture, nature.runtime, nature.tier
            );
        }
        let _ = write!(yaml, "spec:\n  type: service\n  lifecycle: production\n  owner: {group}\n");
    }
    yaml
}
