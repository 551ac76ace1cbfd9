//! Seaway through its public face: the program, run on real repositories made by real git.
#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do"
)]

mod access;
mod access_lang;
mod access_pages;
mod access_routes;
mod access_tokens;
mod badges;
mod browser;
mod browser_access;
mod browser_flags;
mod browser_lang;
mod browser_open;
mod browser_pages;
mod catalog;
mod catalog_git;
mod compare_shares;
mod demo;
mod filling;
mod filters;
mod flag_refs;
mod flags_api;
mod flags_clients;
mod flags_exposures;
mod flags_lang;
mod flags_ofrep;
mod flags_openapi;
mod flags_otlp;
mod flags_ramps;
mod flags_verbs;
mod forge;
mod govuk;
mod interrupt;
mod lang;
mod measure;
mod measure_files;
mod metrics;
mod mirrors;
mod pages_failures;
mod pages_flags;
mod pages_frame;
mod pages_hostile;
mod pages_overview;
mod pages_rows;
mod pages_text;
mod pages_truth;
mod serve_csv;
mod serve_docs;
mod serve_hostile;
mod serve_journey;
mod serve_lang;
mod serve_load;
mod serve_openapi;
mod serve_postgres;
mod serve_same;
mod serve_shared;
mod serve_slow;
mod serve_survive;
mod serve_verbs;
mod survive;
mod survive_damage;
mod tidy;
mod truth;
mod truth_checks;
mod truth_figures;
mod truth_pages;
mod truth_world;
mod urls;
mod webhooks;
