//! Kinds of events that only this program writes, and that tell nothing of deliveries.

/// What people changed.
pub(crate) const AUDIT_KIND: &str = "dev.seaway.audit";
/// A revision of a flag.
pub(crate) const FLAG_KIND: &str = "dev.seaway.flag";
/// Who has seen which variant of a flag.
pub(crate) const EXPOSURES_KIND: &str = "dev.seaway.exposures";
/// What became of those who have.
pub(crate) const OUTCOMES_KIND: &str = "dev.seaway.outcomes";

/// Whether events of a kind tell nothing of deliveries although their kind is known.
pub(crate) fn is_own(kind: &str) -> bool {
    [AUDIT_KIND, FLAG_KIND, EXPOSURES_KIND, OUTCOMES_KIND].contains(&kind)
}
