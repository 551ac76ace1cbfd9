//! How long one flag takes in process: `cargo bench -p seaway_core --bench flags`.
//!
//! What is promised (issue 5, on one of two cores): static 0.3 µs, targeted 1.5 µs, fractional
//! 1 µs.

use divan::{Bencher, black_box};
use seaway_core::flags::{Context, FlagSet};
use seaway_core::time::Time;

const NOW: Time = Time(1_790_000_000);
const BYTES_MAX: usize = 1 << 20;
/// As many flags as a large team has.
const FLAGS: usize = 350;

/// One flag of each sort.
const SORTS: [&str; 3] = [
    r#"{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"on",
        "metadata":{"owner":"checkout"}}"#,
    r#"{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off",
        "targeting":{"if":[{"and":[
            {"ends_with":[{"var":"email"},"@example.com"]},
            {"in":[{"var":"country"},["DE","FR","NL","BE"]]},
            {"sem_ver":[{"var":"version"},">=","2.1.0"]}]},"on",null]}}"#,
    r#"{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"off",
        "targeting":{"fractional":[["on",10],["off",90]]}}"#,
];

fn flags() -> FlagSet {
    let flags: Vec<String> = (0..FLAGS)
        .map(|at| {
            format!("\"{}-{at}\":{}", ["static", "targeted", "fractional"][at % 3], SORTS[at % 3])
        })
        .collect();
    let text = format!("{{\"flags\":{{{}}}}}", flags.join(","));
    FlagSet::parse(text.as_bytes(), BYTES_MAX).expect("the definition is good")
}

fn context() -> Context {
    let text = r#"{"targetingKey":"5c3d8535-f81a-4478-a6d3-afaa4d51199e","country":"NL",
        "email":"jane@example.com","version":"2.4.1","plan":"premium","device":"phone"}"#;
    Context::parse(text).expect("the context is good")
}

#[divan::bench(args = ["static-0", "targeted-1", "fractional-2", "no such flag"])]
fn one(bencher: Bencher<'_, '_>, key: &str) {
    let (flags, context) = (flags(), context());
    bencher.bench_local(|| black_box(flags.evaluate(black_box(key), black_box(&context), NOW)));
}

#[divan::bench]
fn all_350(bencher: Bencher<'_, '_>) {
    let (flags, context) = (flags(), context());
    let evaluate = || {
        let context = black_box(&context);
        flags.flags().filter(|flag| flag.evaluate(context, NOW).value.is_some()).count()
    };
    bencher.bench_local(evaluate);
}

#[divan::bench]
fn read_350() -> FlagSet {
    flags()
}

fn main() {
    divan::main();
}
