//! Who a flag is evaluated for.

use super::json::{Json, Members};
use super::problem::Problem;

/// What is known of the unit that asks: the members of OpenFeature's evaluation context, with
/// `targetingKey` among them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    members: Members,
}

impl Context {
    /// A context of these members.
    #[must_use]
    pub fn new(members: Members) -> Self {
        Self { members }
    }

    /// Reads a context: a JSON object. Bound its size before.
    ///
    /// # Errors
    ///
    /// Where it is no object, nests too deep, or names a member twice.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match Json::parse(text)? {
            Json::Object(members) => Ok(Self { members }),
            _ => Err(Problem::new("", "a context is an object")),
        }
    }

    /// What is known.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The unit's own key, where it is text.
    #[must_use]
    pub fn targeting_key(&self) -> Option<&str> {
        self.members.get("targetingKey").and_then(Json::as_str)
    }
}
