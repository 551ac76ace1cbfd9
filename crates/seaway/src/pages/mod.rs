//! What every page shares: the document around it, the parts it is made of, and its charts.

pub(crate) mod assets;
pub(crate) mod calendar;
pub(crate) mod chart;
pub(crate) mod layout;
pub(crate) mod parts;
pub(crate) mod site;
pub(crate) mod words;
