//! What is decided, case by case, and what never is.

use super::plan;
use crate::flags::ramp::{
    Action, Audience, Cause, Decision, Observation, Outcomes, Phase, Plan, Reach, Share, State,
    decide,
};
use crate::stats::sequential::Evidence;
use crate::time::{DAY, HOUR, Time};
use proptest::prelude::*;

/// A team for an hour, then four steps of a day and a thousand units each, then everyone.
const PLAN: &str = r#"{"variant":"on","base":"off",
    "team":{"attribute":"team","values":["cart"]},
    "steps":[
        {"audience":"team","percent":100,"hold_seconds":3600,"least_exposures":5},
        {"percent":1,"hold_seconds":86400,"least_exposures":1000},
        {"percent":10,"hold_seconds":86400,"least_exposures":1000},
        {"percent":25,"hold_seconds":86400,"least_exposures":1000},
        {"percent":50,"hold_seconds":86400,"least_exposures":1000},
        {"percent":100}],
    "guardrails":[{"metric":"error"},{"metric":"slow","kind":"signal","silence_seconds":7200}]}"#;

const START: Time = Time(1_790_000_000);

fn at(seconds: i64) -> Time {
    Time(START.0 + seconds)
}

/// Healthy data: as many units in both bands, and metrics that were heard just now.
fn seen(treated: u64, newest: Time) -> Observation {
    let mut seen = Observation {
        treated,
        treatment: treated,
        control: treated,
        newest: Some(newest),
        ..Observation::default()
    };
    for metric in ["error", "slow"] {
        let outcomes = Outcomes { errors: Evidence::of(20, 20), newest: Some(newest) };
        seen.outcomes.insert(metric.to_owned(), outcomes);
    }
    seen
}

/// A ramp on its second step since [`START`], when 50 units had seen the variant.
fn on_customers(plan: &Plan) -> State {
    State::start(plan, at(-HOUR)).move_to(plan, 1, 50, START).unwrap()
}

fn next(decision: &Decision) -> &State {
    decision.state.as_ref().unwrap_or_else(|| panic!("{decision:?}"))
}

#[test]
fn a_step_is_taken_when_time_and_exposures_are_there() {
    let plan = plan(PLAN);
    let state = on_customers(&plan);
    let early = decide(&plan, &state, &seen(5_000, at(HOUR)), at(HOUR), 7);
    assert_eq!(early.causes, [Cause::TooEarly { seconds_left: 23 * 3600 }]);
    assert_eq!((early.action, early.state, early.revision), (Action::Stay, None, 7));
    let due = decide(&plan, &state, &seen(1_050, at(DAY)), at(DAY), 7);
    assert_eq!(due.action, Action::Advance { to: 2, folded: vec![] });
    let state = next(&due);
    assert_eq!((state.step, state.since, state.treated_before), (2, at(DAY), 1_050));
    let ten = Share::of_percent(10.0).unwrap();
    assert_eq!(state.reach(&plan), Reach::Share(Audience::Everyone, ten));
    assert_eq!((state.began, state.attempt), (at(-HOUR), 1));
}

#[test]
fn too_few_exposures_hold_and_their_time_counts() {
    let plan = plan(PLAN);
    let held = decide(&plan, &on_customers(&plan), &seen(1_049, at(DAY)), at(DAY), 1);
    assert_eq!(held.causes, [Cause::TooFewExposures { seen: 999, wanted: 1_000 }]);
    assert_eq!(held.action, Action::Hold);
    let state = next(&held).clone();
    // More of the same is no news.
    let again = decide(&plan, &state, &seen(1_049, at(DAY + 60)), at(DAY + 60), 2);
    assert_eq!((again.action, again.state), (Action::Stay, None));
    let enough = decide(&plan, &state, &seen(1_050, at(DAY + 60)), at(DAY + 60), 2);
    assert_eq!(enough.action, Action::Advance { to: 2, folded: vec![] });
    // A metric that nobody has heard of yet holds in the same way.
    let mut unheard = seen(1_050, at(DAY));
    unheard.outcomes.remove("error");
    let held = decide(&plan, &on_customers(&plan), &unheard, at(DAY), 1);
    assert_eq!(held.causes, [Cause::NotHeardYet { metric: "error".to_owned() }]);
}

#[test]
fn doubts_hold_and_end_and_their_time_does_not_count() {
    let plan = plan(PLAN);
    let signal = Evidence::of(60, 20);
    type Spoil<'a> = (&'static str, &'a dyn Fn(&mut Observation));
    let cases: [Spoil<'_>; 5] = [
        ("RatioMismatch", &|seen| seen.control = seen.treatment / 2),
        ("MixedUnits", &|seen| seen.mixed = 1),
        ("NoExposures", &|seen| seen.newest = Some(at(2 * HOUR - 1))),
        ("NoOutcomes", &|seen| {
            seen.outcomes.get_mut("slow").unwrap().newest = Some(at(HOUR - 1));
        }),
        ("Signal", &|seen| seen.outcomes.get_mut("slow").unwrap().errors = signal),
    ];
    for (name, spoil) in cases {
        let state = on_customers(&plan);
        let mut bad = seen(900, at(3 * HOUR));
        spoil(&mut bad);
        let held = decide(&plan, &state, &bad, at(3 * HOUR), 1);
        assert_eq!(held.action, Action::Hold, "{name}: {held:?}");
        assert_eq!(held.causes.len(), 1, "{name}: {held:?}");
        assert!(format!("{:?}", held.causes[0]).starts_with(name), "{held:?}");
        assert!(!held.causes[0].to_string().is_empty());
        let held = next(&held).clone();
        assert_eq!(held.reach(&plan), state.reach(&plan));
        let again = decide(&plan, &held, &bad, at(3 * HOUR + 1), 2);
        assert_eq!(again.action, Action::Stay, "{name}: {again:?}");
        // Five hours later all is well again, after more than enough time and exposures.
        let later = DAY + HOUR;
        let resumed = decide(&plan, &held, &seen(9_000, at(later)), at(later), 2);
        assert_eq!(resumed.action, Action::Resume, "{name}: {resumed:?}");
        let running = next(&resumed);
        assert_eq!((&running.phase, running.step), (&Phase::Running, 1));
        assert_eq!(running.since, at(later - 3 * HOUR), "{name}");
        let soon = at(later + 21 * HOUR - 1);
        let wait = decide(&plan, running, &seen(9_000, soon), soon, 3);
        assert_eq!(wait.causes, [Cause::TooEarly { seconds_left: 1 }], "{name}");
    }
}

#[test]
fn a_signal_holds_until_half_of_its_evidence_is_gone() {
    let plan = plan(PLAN);
    let with = |errors: Evidence| {
        let mut seen = seen(900, at(HOUR));
        seen.outcomes.get_mut("slow").unwrap().errors = errors;
        seen
    };
    let (much, some, little) = (Evidence::of(45, 20), Evidence::of(41, 21), Evidence::of(30, 25));
    let limit = -0.05_f64.ln();
    assert!(much.ln_e() > limit, "{much:?}");
    assert!(some.ln_e() < limit && some.ln_e() > limit / 2.0, "{some:?}");
    assert!(little.ln_e() < limit / 2.0, "{little:?}");
    let running = on_customers(&plan);
    assert_eq!(decide(&plan, &running, &with(some), at(HOUR), 1).action, Action::Stay);
    let held = decide(&plan, &running, &with(much), at(HOUR), 1);
    let held = next(&held);
    assert_eq!(decide(&plan, held, &with(some), at(HOUR), 1).action, Action::Stay);
    assert_eq!(decide(&plan, held, &with(little), at(HOUR), 1).action, Action::Resume);
}

#[test]
fn harm_rolls_back_whatever_else_there_is() {
    let plan = plan(PLAN);
    let mut bad = seen(900, at(HOUR));
    bad.outcomes.get_mut("error").unwrap().errors = Evidence::of(60, 20);
    let running = on_customers(&plan);
    let states = [running.clone(), running.pause(at(60)).unwrap(), running.held(vec![], at(60))];
    for state in states {
        // Also with nothing heard for hours, and with units missing.
        bad.control /= 2;
        for now in [at(HOUR), at(9 * HOUR), at(-HOUR)] {
            let back = decide(&plan, &state, &bad, now, 3);
            assert_eq!(back.action, Action::RollBack, "{back:?}");
            assert!(back.causes[0].to_string().contains("60 in the treatment, 20"), "{back:?}");
            let back = next(&back);
            assert!(back.is_locked() && back.reach(&plan) == Reach::Nobody);
            // Nothing follows by itself any more.
            let after = decide(&plan, back, &bad, at(9 * DAY), 4);
            assert_eq!((after.action, after.state), (Action::Stay, None));
            assert_eq!((back.pause(now), back.go_on(now)), (None, None));
            assert_eq!(back.move_to(&plan, 2, 0, now), None);
        }
    }
}

#[test]
fn only_unlocking_goes_on_after_a_rollback_and_from_the_start() {
    let plan = plan(PLAN);
    let running = on_customers(&plan);
    assert_eq!(running.unlock(&plan, at(60)), None);
    let locked = running.rolled_back(vec![Cause::Paused], at(60));
    let anew = locked.unlock(&plan, at(DAY)).unwrap();
    let wanted = State { attempt: 2, ..State::start(&plan, at(DAY)) };
    assert_eq!(anew, wanted);
    let quiet = decide(&plan, &anew, &Observation::default(), at(DAY), 9);
    assert_eq!(quiet.action, Action::Stay);
}

#[test]
fn people_pause_move_and_go_on() {
    let plan = plan(PLAN);
    let paused = on_customers(&plan).pause(at(HOUR)).unwrap();
    let much = seen(9_000, at(3 * DAY));
    assert_eq!(decide(&plan, &paused, &much, at(3 * DAY), 1).causes, [Cause::Paused]);
    assert_eq!(paused.pause(at(DAY)), None);
    let running = paused.go_on(at(3 * DAY)).unwrap();
    assert_eq!(running.since, at(3 * DAY - HOUR));
    assert_eq!(running.go_on(at(3 * DAY)), None);
    let lower = running.move_to(&plan, 0, 9_000, at(4 * DAY)).unwrap();
    assert_eq!(lower.reach(&plan), Reach::Share(Audience::Team, Share::ALL));
    assert_eq!((lower.since, lower.treated_before), (at(4 * DAY), 9_000));
    let whole = running.move_to(&plan, 5, 9_000, at(4 * DAY)).unwrap();
    assert_eq!(whole.phase, Phase::Complete { at: at(4 * DAY) });
    assert_eq!(running.move_to(&plan, 6, 9_000, at(4 * DAY)), None);
    let over = decide(&plan, &whole, &much, at(9 * DAY), 1);
    assert_eq!((over.action, over.causes), (Action::Stay, vec![Cause::Over]));
}

/// The server was down for ten days; clients went on, and their exposures came afterwards.
#[test]
fn missed_steps_fold_into_one_as_far_as_exposures_suffice() {
    let plan = plan(PLAN);
    let state = on_customers(&plan);
    for (treated, to) in [(1_050, 2), (2_049, 2), (2_050, 3), (3_050, 4), (1_000_000, 4)] {
        let late = decide(&plan, &state, &seen(treated, at(10 * DAY)), at(10 * DAY), 1);
        let folded: Vec<usize> = (2..to).collect();
        // Never to everyone: then nobody could be compared any more.
        assert_eq!(late.action, Action::Advance { to, folded }, "{treated}");
    }
    // As far as the times are over, too.
    let late = decide(&plan, &state, &seen(9_000, at(2 * DAY + 5)), at(2 * DAY + 5), 1);
    assert_eq!(late.action, Action::Advance { to: 3, folded: vec![2] });
    // And never from the team to more than the first customers.
    let team = State::start(&plan, START);
    let late = decide(&plan, &team, &seen(1_000_000, at(10 * DAY)), at(10 * DAY), 1);
    assert_eq!(late.action, Action::Advance { to: 1, folded: vec![] });
    // A step that asks for no exposures is never passed over.
    let careless = super::plan(&PLAN.replacen(
        r#""percent":10,"hold_seconds":86400,"least_exposures":1000"#,
        r#""percent":10,"hold_seconds":86400,"least_exposures":0"#,
        1,
    ));
    let late = decide(&careless, &state, &seen(9_000, at(10 * DAY)), at(10 * DAY), 1);
    assert_eq!(late.action, Action::Advance { to: 2, folded: vec![] });
    // Nothing came since: the time in which nobody looked says nothing.
    let silent = decide(&plan, &state, &seen(9_000, at(HOUR)), at(10 * DAY), 1);
    assert_eq!(silent.action, Action::Hold);
}

#[test]
fn clocks_that_jump_advance_nothing() {
    let plan = plan(PLAN);
    let state = on_customers(&plan);
    let back = decide(&plan, &state, &seen(9_000, at(-DAY)), at(-DAY), 1);
    assert_eq!(back.causes, [Cause::ClockBehind { seconds: 86_400 }]);
    assert_eq!(back.action, Action::Stay);
    // A clock of a server that jumps ahead for a moment, with data until now.
    let ahead = decide(&plan, &state, &seen(9_000, at(HOUR)), at(300 * DAY), 1);
    assert_eq!(ahead.action, Action::Hold, "{ahead:?}");
    // The step lasts to the newest exposure: what is between it and now may be nothing but a jump.
    let newest = at(DAY - 1800);
    let jumped = decide(&plan, &state, &seen(9_000, newest), at(DAY + 600), 1);
    assert_eq!(jumped.causes, [Cause::TooEarly { seconds_left: 1800 }]);
    // Exposures that say they are of the future say no more than that they came.
    let future = decide(&plan, &state, &seen(9_000, at(300 * DAY)), at(HOUR), 1);
    assert_eq!(future.causes, [Cause::TooEarly { seconds_left: 23 * 3600 }]);
    for extreme in [i64::MIN, i64::MAX] {
        let _ = decide(&plan, &state, &seen(9_000, Time(extreme)), Time(extreme), 1);
        let _ = decide(&plan, &state, &seen(9_000, at(0)), Time(extreme), 1);
    }
}

#[test]
fn the_last_step_stays_and_stays_guarded() {
    let text = PLAN.replace(",\n        {\"percent\":100}]", "]");
    let plan = plan(&text);
    let state = on_customers(&plan).move_to(&plan, 4, 0, START).unwrap();
    let last = decide(&plan, &state, &seen(9_000, at(9 * DAY)), at(9 * DAY), 1);
    assert_eq!((last.action, last.causes), (Action::Stay, vec![Cause::LastStep]));
    let mut bad = seen(9_000, at(9 * DAY));
    bad.outcomes.get_mut("error").unwrap().errors = Evidence::of(60, 20);
    assert_eq!(decide(&plan, &state, &bad, at(9 * DAY), 1).action, Action::RollBack);
}

#[test]
fn states_survive_being_written() {
    let plan = plan(PLAN);
    let mut bad = seen(900, at(HOUR));
    bad.outcomes.get_mut("error").unwrap().errors = Evidence::of(60, 20);
    let running = on_customers(&plan);
    let back = decide(&plan, &running, &bad, at(HOUR), 1);
    let mut silent = seen(9, at(0));
    silent.mixed = 2;
    let held = decide(&plan, &running, &silent, at(DAY), 1);
    let whole = running.move_to(&plan, 5, 9, at(DAY)).unwrap();
    let paused = running.pause(at(9)).unwrap();
    let back = next(&back).clone();
    for state in [running, back, next(&held).clone(), whole, paused] {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state, "{text}");
    }
}

proptest! {
    /// Three servers decide at any moment, each on the newest revision that it has read; a revision
    /// can be written once. No step is taken twice, and none is lost.
    #[test]
    fn servers_that_write_conditionally_take_each_step_once(
        looks in prop::collection::vec((0_usize..3, any::<bool>()), 40..200),
    ) {
        let plan = plan(PLAN);
        let mut log = vec![State::start(&plan, START)];
        let mut read = [0_usize; 3];
        for (turn, (server, reads)) in looks.into_iter().enumerate() {
            if reads {
                read[server] = log.len() - 1;
            }
            let now = at(i64::try_from(turn).unwrap() * HOUR);
            let seen = seen(50 * turn as u64, now);
            let decision = decide(&plan, &log[read[server]], &seen, now, read[server] as u64);
            if let Some(state) = decision.state && decision.revision as usize + 1 == log.len() {
                log.push(state);
            }
        }
        let steps: Vec<usize> = log.iter().map(|state| state.step).collect();
        prop_assert!(steps.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", steps);
        for pair in log.windows(2) {
            if pair[0].step == pair[1].step {
                prop_assert!(pair[0].phase != pair[1].phase, "{:?}", pair);
            } else {
                prop_assert!(pair[0].since < pair[1].since);
            }
        }
    }
}

/// Any data, in any state, at any time: half of it healthy, so that steps are taken, too.
fn any_look() -> impl Strategy<Value = (Observation, i64, usize, bool)> {
    let control = prop_oneof![Just(None), (0_u64..6_000).prop_map(Some)];
    let mixed = prop_oneof![3 => Just(0_u64), 1 => Just(1)];
    let counts = (0_u64..6_000, 0_u64..6_000, control, mixed);
    let some = || prop_oneof![3 => 0_u64..12, 1 => 0_u64..60];
    let errors = (some(), some(), some(), some());
    let ago = prop_oneof![3 => 0..HOUR, 1 => -DAY..12 * DAY];
    let times = (-DAY..12 * DAY, ago, prop::option::weighted(0.9, 0..3 * HOUR));
    let paused = prop::bool::weighted(0.2);
    (counts, errors, times, 0_usize..6, paused).prop_map(
        |((treated, treatment, control, mixed), errors, (now, ago, heard), step, paused)| {
            let mut seen = seen(treated, at(now - ago));
            (seen.treatment, seen.control, seen.mixed) =
                (treatment, control.unwrap_or(treatment), mixed);
            let newest = heard.map(|ago| at(now - ago));
            let error = Outcomes { errors: Evidence::of(errors.0, errors.1), newest };
            let slow = Outcomes { errors: Evidence::of(errors.2, errors.3), newest };
            seen.outcomes.insert("error".to_owned(), error);
            seen.outcomes.insert("slow".to_owned(), slow);
            (seen, now, step, paused)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_must_hold_of_any_decision_holds(look in any_look(), then in any_look()) {
        let plan = plan(PLAN);
        let (seen, now, step, paused) = look;
        let mut state = State::start(&plan, START).move_to(&plan, step, 50, START).unwrap();
        if paused && state.is_under_way() {
            state = state.pause(at(60)).unwrap();
        }
        let decision = decide(&plan, &state, &seen, at(now), 5);
        prop_assert_eq!(&decision, &decide(&plan, &state, &seen, at(now), 5));
        prop_assert_eq!(decision.revision, 5);
        let changes = decision.action != Action::Stay;
        prop_assert_eq!(decision.state.is_some(), changes, "{:?}", decision);
        let harm = seen.outcomes["error"].errors.exceeds(plan.alpha());
        prop_assert_eq!(decision.action == Action::RollBack, harm && state.is_under_way());
        let Some(after) = &decision.state else { return Ok(()) };
        prop_assert_eq!(after.attempt, state.attempt);
        match &decision.action {
            Action::Advance { to, folded } => {
                let passed: Vec<_> = plan.steps()[state.step..*to].iter().collect();
                let hold: u64 = passed.iter().map(|step| step.hold_seconds).sum();
                let least: u64 = passed.iter().map(|step| step.least_exposures).sum();
                prop_assert!(now >= 0 && now.unsigned_abs() >= hold && !paused);
                prop_assert!(seen.treated - 50 >= least && seen.mixed == 0);
                prop_assert_eq!(folded.len() + 1, to - state.step);
                prop_assert_eq!(after.step, *to);
                // The next look does not take another step at once.
                let again = decide(&plan, after, &seen, at(now), 6);
                prop_assert!(!matches!(again.action, Action::Advance { .. }), "{:?}", again);
            }
            Action::RollBack => prop_assert_eq!(after.reach(&plan), Reach::Nobody),
            Action::Hold => {
                prop_assert!(!decision.causes.is_empty());
                prop_assert_eq!(after.reach(&plan), state.reach(&plan));
                // Held for the same causes it stays as it is.
                let again = decide(&plan, after, &seen, at(now), 6);
                prop_assert_eq!(again.action, Action::Stay);
            }
            Action::Stay | Action::Resume => {}
        }
        // Whatever comes next, nothing leads out of a rollback.
        let (seen, now, ..) = then;
        let later = decide(&plan, after, &seen, at(now), 6);
        if after.is_locked() {
            prop_assert_eq!(later.state, None);
        }
    }
}
