//! `seaway flag ramp`: the ramp of a flag of a server that runs.

use crate::error::Error;
use crate::flags::command::{One, read};
use crate::pages::words::clean;
use crate::remote::Method;
use clap::{Args, ValueEnum};
use serde_json::{Value, json, value::RawValue};
use std::path::PathBuf;

/// Characters of a line.
const CHARS: usize = 300;

/// The arguments of `seaway flag ramp`.
#[derive(Debug, Args)]
pub(crate) struct RampVerb {
    #[command(flatten)]
    one: One,
    /// What is done
    #[arg(value_enum, default_value = "status")]
    action: Action,
    /// To start: the file of the plan; - for standard input
    #[arg(long, value_name = "FILE", required_if_eq("action", "start"))]
    plan: Option<PathBuf>,
    /// To move: the step, from 1
    #[arg(long, value_name = "STEP", required_if_eq("action", "move"))]
    to: Option<usize>,
    /// To end: everyone keeps the variant, and not nobody
    #[arg(long)]
    complete: bool,
    /// Why
    #[arg(long, default_value = "", required_if_eq("action", "unlock"))]
    reason: String,
    /// Take the lock away that a rollback has left; needs a reason
    #[arg(long, requires = "reason")]
    unlock: bool,
    /// The revision that is changed, as the status tells it [default: the newest]
    #[arg(long, value_name = "REVISION")]
    base: Option<u64>,
}

/// What is done with a ramp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Tell how it is
    Status,
    /// Start it by a plan
    Start,
    /// Stop it where it is
    Pause,
    /// Let it go on after a pause
    GoOn,
    /// Go to a step, forward or back
    Move,
    /// Say why it may begin anew after a rollback
    Unlock,
    /// Take the ramp away: nobody has the variant, or everyone
    End,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::GoOn => "go-on",
            Self::Move => "move",
            Self::Unlock => "unlock",
            Self::End => "end",
        }
    }
}

impl RampVerb {
    /// Does what the command line says.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let answer = match self.action {
            Action::Status => self.one.send(Method::GET, "/ramp", None, None).await?,
            _ => self.change().await?,
        };
        self.one.tell(&answer, told)
    }

    async fn change(&self) -> Result<Value, Error> {
        let mut body = json!({
            "action": self.action.name(), "reason": self.reason, "unlock": self.unlock,
        });
        if self.action == Action::End {
            body["complete"] = self.complete.into();
        }
        if self.action == Action::Move {
            body["step"] = self.to.into();
        }
        let mut text = body.to_string();
        if let (Action::Start, Some(plan)) = (self.action, &self.plan) {
            // As it was written: places of problems are those of the file.
            let plan = String::from_utf8(read(plan)?).ok();
            let plan = plan.and_then(|plan| RawValue::from_string(plan).ok());
            let plan = plan.ok_or_else(|| {
                Error::input("the plan is no JSON", "docs/ramps.md says how a plan is written")
            })?;
            text.truncate(text.len() - 1);
            text = format!("{text},\"plan\":{plan}}}");
        }
        let revision = match self.base {
            Some(base) => base,
            None => {
                let flag = self.one.send(Method::GET, "", None, None).await?;
                flag["revision"].as_u64().unwrap_or(0)
            }
        };
        let tag = format!("\"{revision}\"");
        let condition = Some(("if-match", tag.as_str()));
        self.one.send(Method::POST, "/ramp", condition, Some(text.into_bytes())).await
    }
}

/// A ramp for people.
fn told(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!(
        "{} in {}, revision {}",
        text(&answer["key"]),
        text(&answer["environment"]),
        answer["revision"]
    )];
    let state = &answer["state"];
    if state.is_null() {
        lines.push("no ramp".to_owned());
        return shown(&lines);
    }
    let steps = answer["plan"]["steps"].as_array().map_or(0, Vec::len);
    let reach = match answer["reach"]["audience"].as_str() {
        None => "nobody".to_owned(),
        Some(audience) => format!("{} % of {audience}", answer["reach"]["percent"]),
    };
    let phase = text(&state["phase"]["phase"]).replace('_', " ");
    let step = state["step"].as_u64().unwrap_or(0) + 1;
    lines.push(format!(
        "{phase}: step {step} of {steps}, attempt {}; “{}” for {reach}",
        state["attempt"],
        text(&answer["plan"]["variant"]),
    ));
    if answer["off"] == true {
        lines.push("the flag is off".to_owned());
    }
    for cause in answer["decision"]["causes"].as_array().into_iter().flatten() {
        lines.push(format!("- {}", text(&cause["text"])));
    }
    for cause in state["phase"]["causes"].as_array().into_iter().flatten() {
        if phase == "rolled back"
            && let Some(metric) = cause["metric"].as_str()
        {
            lines.push(format!("- it was rolled back for “{metric}”"));
        }
    }
    if let Some(next) = answer["next"].as_object() {
        let when = next["not_before"].as_str().map(|at| format!(" from {at} on"));
        let lacks = next["exposures_lacking"].as_u64().filter(|lacks| *lacks > 0);
        let lacks = lacks.map(|lacks| format!(", after {lacks} more exposures"));
        let [when, lacks] = [when, lacks].map(Option::unwrap_or_default);
        lines.push(format!("next: step {}{when}{lacks}", next["step"]));
    }
    let seen = &answer["seen"];
    if !seen.is_null() {
        lines.push(format!(
            "seen: {} units with the variant; compared: {} in the treatment, {} in the control",
            seen["treated"], seen["treatment"], seen["control"]
        ));
    }
    for guardrail in answer["guardrails"].as_array().into_iter().flatten() {
        let number = |name: &str| guardrail[name].as_f64().unwrap_or(0.0);
        lines.push(format!(
            "{} “{}”: {} in the treatment, {} in the control, evidence {:.3} of {:.1}",
            text(&guardrail["kind"]),
            text(&guardrail["metric"]),
            guardrail["treatment"],
            guardrail["control"],
            number("e"),
            number("limit"),
        ));
    }
    shown(&lines)
}

fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| clean(line, CHARS)).collect::<Vec<_>>().join("\n")
}
