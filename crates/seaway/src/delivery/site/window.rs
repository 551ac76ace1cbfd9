//! The days that a page is about, and those that it compares them with.

use super::chosen;
use crate::app::App;
use crate::delivery::api::filter::FILTERS;
use crate::delivery::api::{Asked, DAYS};
use crate::pages::site::escape;
use crate::pages::words::counted;
use crate::problem::Problem;
use maud::{Markup, html};
use seaway_core::catalog::{Architecture, Runtime, Tier, UNKNOWN};
use seaway_core::delivery::summary::Day;

/// The days that a page is about, and as many before them.
pub(super) struct Window {
    pub(super) now: Asked,
    pub(super) before: Asked,
    /// How many days each of them has.
    pub(super) days: i32,
    /// The first day.
    pub(super) since: Day,
    /// Whether the days go until now.
    pub(super) is_open: bool,
    /// Whether the days begin after the newest data.
    pub(super) is_after_data: bool,
}

impl Window {
    /// What a URL asks for, which may name `others` beside a span and filters.
    pub(super) async fn of(
        app: &App,
        query: Option<&str>,
        others: &[&str],
    ) -> Result<Self, Problem> {
        let mut now = Asked::of(app, chosen(query).as_deref(), others).await?;
        let newest = app.store.newest().await?.unwrap_or(0);
        // There is nothing after the data, so days are counted back from their end.
        let last = app.days.of(newest).next();
        let end = now.until.map_or(last, |until| until.min(last));
        let since = now.since.unwrap_or(Day(end.0.saturating_sub(DAYS)));
        let days = end.0.saturating_sub(since.0).max(1);
        now.since = Some(since);
        let mut before = Asked::of(app, None, &[]).await?;
        before.since = Some(Day(since.0.saturating_sub(days)));
        before.until = Some(since);
        before.filter = now.filter.clone();
        (now.is_compared, before.is_compared) = (true, true);
        let is_open = now.until.is_none_or(|until| until >= last);
        Ok(Self { is_open, is_after_data: since >= last, now, before, days, since })
    }

    /// The days in words, within a sentence.
    pub(super) fn told(&self) -> String {
        match self.is_open {
            true if self.days == 1 => "on the last day".to_owned(),
            true => format!("in the last {} days", self.days),
            false => format!("in the {} from {}", self.span(), self.since),
        }
    }

    /// The days before in words.
    pub(super) fn told_before(&self) -> String {
        format!("the {} before", self.span())
    }

    fn span(&self) -> String {
        usize::try_from(self.days).map_or_else(|_| String::new(), |n| counted(n, "day", "days"))
    }

    /// What a URL has to say for these days and filters; begins with `?`.
    pub(super) fn query(&self) -> String {
        let mut query = format!("?since={}", self.since);
        if let Some(until) = self.now.until {
            query.push_str(&format!("&until={until}"));
        }
        query + &self.filters()
    }

    /// What a URL has to say for these filters; begins with `&` if there are any.
    pub(super) fn filters(&self) -> String {
        let values = FILTERS.into_iter().flat_map(|name| {
            self.now.parameters.values(name).iter().map(move |value| (name, value))
        });
        values.map(|(name, value)| format!("&{name}={}", escape(value))).collect()
    }

    /// The form that asks for other days, and for other filters if the page has any.
    pub(super) fn form(&self, filters: bool) -> Markup {
        let until = self.now.until.map(|until| until.to_string()).unwrap_or_default();
        html! {
            details.on-phones open { summary { @if filters { "Other days or services" } @else { "Other days" } }
            form.filters method="get" {
                label { "From" input type="date" name="since" value=(self.since.to_string()); }
                label { "Until, not included" input type="date" name="until" value=(until); }
                @if filters { (self.selects()) }
                button { "Show" }
            } }
        }
    }

    fn selects(&self) -> Markup {
        let tiers: Vec<String> = Tier::all().map(|tier| tier.number().to_string()).collect();
        let choices: [(&str, Vec<&str>); 3] = [
            ("architecture", Architecture::WORDS.iter().map(|&(word, _)| word).collect()),
            ("runtime", Runtime::WORDS.iter().map(|&(word, _)| word).collect()),
            ("tier", tiers.iter().map(String::as_str).collect()),
        ];
        html! {
            @for (name, words) in choices {
                @let chosen = self.now.parameters.values(name);
                label { (capital(name)) select name=(name) {
                    option value="" selected[chosen.is_empty()] { "any" }
                    @for word in words.into_iter().chain([UNKNOWN]) {
                        option value=(word) selected[chosen.iter().any(|it| it == word)] { (word) }
                    }
                } }
            }
        }
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
