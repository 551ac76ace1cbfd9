//! Who sent a request, as everything that keeps what people change knows them.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Author {
    /// The id of a token; `local` for whoever uses the machine itself; what Seaway does by itself
    /// has the name of what does it.
    pub(crate) id: Option<String>,
    /// The name of that token; from outside.
    pub(crate) name: Option<String>,
    /// The name of its role; `None` for what no person did.
    pub(crate) role: Option<String>,
}

/// Who sent a request, and from where; handlers find it among its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) by: Author,
    pub(crate) from: IpAddr,
}
