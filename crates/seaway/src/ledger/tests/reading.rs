use super::*;

on_both!(what_was_appended_is_read_whatever_is_in_it);

/// Events that whoever joins and takes apart might confuse.
fn odd_events() -> Vec<Event> {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1000).collect();
    let long = vec![b','; 5 << 20];
    let data = [&b""[..], b"\0", b"\0\0,1,2;", &bytes, b"\xff\xfe", b"=", &long, &long, b"{}"];
    let subjects = [None, Some(""), Some("="), Some("a=b,c"), Some("\u{1}\u{1F600}\u{FFFD}")];
    let times = [None, Some(0), Some(-1), Some(NOW)];
    (0..700_usize)
        .map(|at| Event {
            source: ["s", "https://a.example/,", "ü"][at % 3].to_owned(),
            kind: ["k", "", "1,2,3"][at / 3 % 3].to_owned(),
            subject: subjects[at % subjects.len()].map(str::to_owned),
            time: times[at % times.len()],
            content_type: ["", "text/plain"][at % 2].to_owned(),
            extensions: match at % 4 {
                0 => BTreeMap::from([("ext".to_owned(), "\0,".into())]),
                _ => BTreeMap::new(),
            },
            // The long ones come together once.
            data: data[if at < 300 { at % data.len() } else { at % 6 }].to_vec().into(),
            id: at.to_string(),
        })
        .collect()
}

async fn what_was_appended_is_read_whatever_is_in_it(place: Place) {
    let open = Open::at(&place).await;
    let events = odd_events();
    for some in events.chunks(50) {
        open.ledger.append(some.to_vec(), NOW).await.unwrap();
    }
    let stretch = open.ledger.read_after(0, 10_000, usize::MAX).await.unwrap();
    assert_eq!(stretch.unreadable, []);
    let read: Vec<Event> = stretch.events.into_iter().map(|it| it.event).collect();
    assert!(read == events, "not as they were appended");

    let few = open.ledger.read_after(600, 33, usize::MAX).await.unwrap();
    assert_eq!((few.events.len(), few.up_to), (33, 633));
    let until_full = open.ledger.read_after(0, 10_000, 1).await.unwrap();
    assert!(until_full.up_to < 700 && !until_full.events.is_empty());
    let rest = open.ledger.read_after(690, 33, usize::MAX).await.unwrap();
    assert_eq!((rest.events.len(), rest.up_to), (10, 700));
    open.close().await;
}
