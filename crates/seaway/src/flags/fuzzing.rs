//! What must hold of definitions of flags, contexts and plans of ramps, whatever they are.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped is what fuzzing looks for")]

use seaway_core::flags::mentions::{Keys, Style};
use seaway_core::flags::moves::Moves;
use seaway_core::flags::ramp::{Plan, Ramp, State};
use seaway_core::flags::{Context, FlagSet, Problem};
use seaway_core::time::Time;

/// When everything is evaluated: 2026-11-23 12:00 UTC.
const NOW: Time = Time(1_795_435_200);
/// Bytes of definitions.
const BYTES_MAX: usize = 1 << 20;

/// A context on the first line, a plan of a ramp on the second, and definitions of flags after them.
pub fn flags(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == b'\n');
    let [context, plan, definitions] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let context = std::str::from_utf8(context).ok().and_then(|text| Context::parse(text).ok());
    let context = context.unwrap_or_default();
    let set = match FlagSet::parse(definitions, BYTES_MAX) {
        Ok(set) => set,
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            return problems.iter().for_each(told);
        }
    };
    set.objections().for_each(told);
    let written = set.export();
    let again = FlagSet::parse(written.as_bytes(), BYTES_MAX).unwrap();
    assert_eq!(again.export(), written, "what is written is read the same");
    let plan = std::str::from_utf8(plan).ok().map(Plan::parse);
    for flag in set.flags() {
        let key = flag.key();
        let found = set.evaluate(key, &context, NOW);
        assert_eq!(found, again.evaluate(key, &context, NOW), "the same twice");
        if let Some(variant) = found.variant {
            assert!(flag.variants().get(variant).is_some(), "a variant that there is: {variant}");
        }
        let moves = Moves::between(Some(flag), again.get(key).map(|it| &**it), [&context], NOW);
        assert_eq!(moves.moved, 0, "nobody moves where nothing changes");
        if let Some(Ok(plan)) = &plan {
            ramp(&set, key, flag.source(), plan);
        }
    }
    if let Some(Err(problems)) = &plan {
        problems.iter().for_each(told);
    }
    let keys: Vec<&str> = set.flags().map(|flag| flag.key()).collect();
    let styles = [Style::Camel, Style::Pascal, Style::Snake, Style::ScreamingSnake];
    let looked_for = Keys::new(keys.iter().copied(), &styles).unwrap();
    for mention in looked_for.find(definitions) {
        assert!(data.len() >= mention.end && mention.start < mention.end);
        assert!((mention.key as usize) < keys.len());
    }
}

/// Where a plan fits a flag, every step of it gives a definition that can be used, and none at all
/// the one that was there.
fn ramp(set: &FlagSet, key: &str, definition: &str, plan: &Plan) {
    let ramp = match Ramp::new(set, key, definition, plan.clone()) {
        Ok(ramp) => ramp,
        Err(problems) => return problems.iter().for_each(told),
    };
    let begun = State::start(plan, NOW);
    for step in 0..plan.steps().len() {
        let Some(state) = begun.move_to(plan, step, 0, NOW) else { continue };
        let mut changed = set.clone();
        changed.insert(key, ramp.definition(state.reach(plan)).as_bytes()).unwrap();
    }
}

/// A problem is told in words that a terminal can show.
fn told(problem: &Problem) {
    assert!(!problem.reason.is_empty());
}
