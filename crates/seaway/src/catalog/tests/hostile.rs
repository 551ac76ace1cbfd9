use super::*;

/// Far more than any of these takes, and far less than what blows up.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn script_in_names_is_refused_and_in_texts_is_kept_as_text() {
    let text = SHOP.replace("name: Shop", "name: <script>alert(1)</script>");
    let found = problems([&text]);
    assert!(found[0].starts_with("a.yaml:4: metadata.name \"<script>"), "{found:?}");
    let text = SHOP.replace("The Shop", "\"<b>\\u202E\\x1b[31m\"");
    assert_eq!(service(&text).title.as_deref(), Some("<b>[U+202E][U+001B][31m"));
}

#[test]
fn long_texts_are_cut_or_refused() {
    let long = "x".repeat(100_000);
    let shop = service(&SHOP.replace("The Shop", &long));
    assert_eq!(shop.title.map(|it| it.chars().count()), Some(200));
    assert_eq!(problems([&SHOP.replace("shop-api,", &long)]).len(), 1);
    assert_eq!(problems([&SHOP.replace("Acme/Mono", &format!("acme/{long}"))]).len(), 1);
    assert_eq!(problems([&SHOP.replace("team-a", &long)]).len(), 1);
    let many = "a,".repeat(201);
    assert_eq!(problems([&SHOP.replace("shop-api,", &many)]).len(), 1);
    let line = "x".repeat(10 * 1024 * 1024);
    assert_eq!(problems([&line]), ["a.yaml: the file is larger than 1048576 bytes: split it"]);
}

#[test]
fn aliases_are_shared_and_never_multiplied() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..50 {
        let items = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{items}]\n"));
    }
    let started = Instant::now();
    let text = format!("{SHOP}{bomb}");
    assert_eq!(service(&text).name, "Shop");
    assert!(started.elapsed() < SOON);
    // Values behind aliases are as deep as they look, and dropping them must not use up the stack.
    let mut chain = "a0: &a0 [x]\n".to_owned();
    (1..20_000).for_each(|n| chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1)));
    let found = problems([&chain]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("nested more than 64 deep"), "{found:?}");
    assert!(problems(["a: &a [*a]"])[0].contains("alias"));
    assert!(problems(["a: *nobody"])[0].starts_with("a.yaml:1: "));
}

#[test]
fn aliases_mean_what_they_repeat() {
    let text = "\
apiVersion: &api backstage.io/v1alpha1
kind: Component
metadata: {name: shop}
spec: {owner: &team team-a, system: *team}
";
    let shop = service(text);
    assert_eq!(shop.system.unwrap().name(), "team-a");
}

#[test]
fn nesting_is_bounded() {
    for text in [
        "[".repeat(1_000_000),
        "{a: ".repeat(200_000),
        "- ".repeat(500_000),
        (0..1_200).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
        "? ".repeat(500_000),
    ] {
        let started = Instant::now();
        assert_eq!(problems([&text]).len(), 1, "{}", &text[..9]);
        assert!(started.elapsed() < SOON, "{}", &text[..9]);
    }
}

#[test]
fn files_of_a_size_that_is_allowed_are_read_soon() {
    let size = 1_000_000;
    for text in [
        "a\n".repeat(size / 2),
        "- a\n".repeat(size / 4),
        (0..size / 12).map(|n| format!("k{n}: v\n")).collect::<String>(),
        "---\n".repeat(size / 4),
        "--- [\n".repeat(size / 6),
        "&a a\n---\n".repeat(size / 9),
        format!("a: \"{}\"", "\\x41".repeat(size / 5)),
        format!("a: |\n{}", " x\n".repeat(size / 4)),
        "#\n".repeat(size / 2),
        format!("{}a", "!".repeat(size)),
        format!("%TAG ! {}\n---\na", "x".repeat(size)),
        "a: b: c: ".repeat(size / 9),
        "\"".repeat(size),
        "? a\n: b\n".repeat(size / 8),
    ] {
        let started = Instant::now();
        if let Err(found) = read_all(&files([text.as_str()])) {
            assert!((1..=1_001).contains(&found.len()), "{} problems", found.len());
        }
        assert!(started.elapsed() < SOON, "{:?} took {:?}", &text[..9], started.elapsed());
    }
}

#[test]
fn very_many_problems_are_counted() {
    let text = "apiVersion: backstage.io/v1alpha1\nkind: Group\n---\n".repeat(5_000);
    let found = problems([&text]);
    assert_eq!(found.len(), 1_001);
    assert_eq!(found[1_000], "a.yaml: and 4,000 more like these");
}

#[test]
fn keys_that_are_there_twice_are_told() {
    let found = problems([&SHOP.replace("  type: service", "  owner: team-b")]);
    assert_eq!(found, ["a.yaml:26: the key owner is here a second time"]);
}

#[test]
fn entries_for_any_name_and_repository_are_valid() {
    let mut next = random(3);
    let mut letters: Vec<char> = SPECIAL.chars().collect();
    letters
        .extend("abcdAB01/..::@=\u{2028}\u{7f}\u{fffe}\u{ffff}\u{10ffff}\u{3000}\u{e000}".chars());
    let mut named = 0;
    for _ in 0..5_000 {
        let mut text = |most: usize| -> String {
            (0..next(most)).map(|_| letters[next(letters.len())]).collect()
        };
        let (repository, name) = (text(12), text(12));
        let entry = entry(Some(&repository), Some(&name));
        let read = read_all(&files([entry.as_str()]));
        let read = read.unwrap_or_else(|it| panic!("{}\n{entry}", shown(&it).join("\n")));
        assert_eq!(read.definitions.len(), 1, "{entry}");
        let catalog = Catalog::of(read.definitions);
        if !name.trim().is_empty() && !name.contains(|c: char| c == ',' || c.is_control()) {
            assert!(matches!(catalog.service_named(&name), Named::One(_)), "{name:?}\n{entry}");
            named += 1;
        }
    }
    assert!(named > 500, "{named}");
    let long = "é".repeat(1_000);
    assert_eq!(read(&entry(Some(&long), Some(&long))).definitions.len(), 1);
}

/// Numbers below what is asked for, the same in every run.
fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    }
}

/// Characters that mean something in YAML, or to whoever shows them.
const SPECIAL: &str = "&*!|>{}[],:?-#%@`'\"\\\n \t\0\u{feff}\u{85}é~<";

/// Files with anything changed in them: a byte, a line, a piece of another place.
#[test]
fn damaged_files_are_read_or_told_but_never_crash() {
    let mut next = random(7);
    let special: Vec<char> = SPECIAL.chars().collect();
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..5_000 {
        let mut text: Vec<char> = SHOP.chars().collect();
        for _ in 0..=next(3) {
            let at = next(text.len());
            match next(4) {
                0 => text[at] = special[next(special.len())],
                1 => text.insert(at, special[next(special.len())]),
                2 => drop(text.drain(at..(at + next(20)).min(text.len()))),
                _ => {
                    let piece = text[at..(at + next(40)).min(text.len())].to_vec();
                    let to = next(text.len());
                    drop(text.splice(to..to, piece));
                }
            }
        }
        let text: String = text.into_iter().collect();
        match read_all(&files([text.as_str()])) {
            Ok(_) => right += 1,
            Err(found) => {
                assert!(!found.is_empty());
                let lines = text.lines().count() + 1;
                assert!(found.iter().all(|it| it.line <= lines && it.text.len() < 2_000));
                wrong += 1;
            }
        }
    }
    assert!(right > 500 && wrong > 500, "{right} right, {wrong} wrong");
}
