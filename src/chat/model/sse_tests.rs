//! The same events, however they come.

use proptest::prelude::*;

use super::*;

/// All events of these pieces.
fn read<'a>(most: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<(String, String)>, TooLarge> {
    let (mut decoder, mut events) = (Decoder::new(most), Vec::new());
    for piece in pieces {
        let mut bytes = Bytes::copy_from_slice(piece);
        while let Some(Event { name, data }) = decoder.next(&mut bytes)? {
            events.push((name, data));
        }
        assert!(bytes.is_empty());
    }
    Ok(events)
}

#[track_caller]
fn assert_read(text: &str, expected: &[(&str, &str)]) {
    let read = read(1000, [text.as_bytes()]).unwrap();
    let read: Vec<_> = read.iter().map(|(name, data)| (&**name, &**data)).collect();
    assert_eq!(read, expected, "{text:?}");
}

#[test]
fn an_event_is_what_the_standard_says() {
    assert_read("data: a\n\n", &[("message", "a")]);
    assert_read("data:a\ndata:  b\ndata\n\n", &[("message", "a\n b\n")]);
    assert_read("event: x\ndata: a\n\ndata: b\n\n", &[("x", "a"), ("message", "b")]);
    assert_read("data:\n\n", &[("message", "")]);
    assert_read(
        "\u{feff}data: a\r\n\r\ndata: b\r\rdata: c\n\r\n",
        &[("message", "a"), ("message", "b"), ("message", "c")],
    );
    assert_read(": hello\nid: 7\nretry: 5\nother: x\ndata: a\n: bye\n\n", &[("message", "a")]);
    assert_read("data: : keepalive\n\n", &[("message", ": keepalive")]);
    // Without data there is no event; and what has not ended is none.
    assert_read("event: x\n\ndata: a\n\nevent: y\ndata: b\n", &[("message", "a")]);
    // Only the first line may have a mark, and only one.
    assert_read("\u{feff}\u{feff}data: a\n\n\u{feff}data: b\n\n", &[]);
}

#[test]
fn an_event_is_held_up_to_its_bound_only() {
    // The field's name counts while its line is read.
    let event = format!("data:{}\n\n", "x".repeat(95));
    assert!(read(100, [event.as_bytes()]).is_ok());
    assert!(read(99, [event.as_bytes()]).is_err());
    assert!(read(99, event.as_bytes().chunks(1)).is_err());
    // No line is long, but there is no end.
    let lines = "data: x\n".repeat(100);
    assert!(read(100, [lines.as_bytes()]).is_err());
    // What is over does not count: nor do comments, however many there are.
    assert_eq!(read(100, [event.as_bytes(); 50]).unwrap().len(), 50);
    assert!(read(100, [": nothing yet\n".repeat(1000).as_bytes()]).is_ok());
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(read(100, [&b"data: a\xffb\n\n"[..]]).unwrap(), [("message".to_owned(), "a\u{fffd}b".to_owned())]);
}

/// An event to be written: its name, its lines, what ends each line, and a comment before it.
type Written = (Option<String>, Vec<String>, &'static str, Option<String>);

fn written() -> impl Strategy<Value = Written> {
    let line = || "[^\r\n]{0,12}";
    let name = proptest::option::of("[^\r\n ][^\r\n]{0,8}");
    let lines = proptest::collection::vec(line(), 1..4);
    (name, lines, prop_oneof![Just("\n"), Just("\r\n"), Just("\r")], proptest::option::of(line()))
}

fn text((name, lines, end, comment): &Written) -> String {
    let comment = comment.iter().map(|text| format!(":{text}{end}"));
    let name = name.iter().map(|name| format!("event: {name}{end}"));
    let lines = lines.iter().map(|line| format!("data: {line}{end}"));
    comment.chain(name).chain(lines).chain([(*end).to_owned()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn any_events_cut_anywhere_are_the_same_events(
        events in proptest::collection::vec(written(), 0..5),
        mark: bool,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mark = if mark { "\u{feff}" } else { "" };
        let whole = format!("{mark}{}", events.iter().map(text).collect::<String>());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).chain([0, whole.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|ends| &whole.as_bytes()[ends[0]..ends[1]]);
        let expected: Vec<_> = events
            .into_iter()
            .map(|(name, lines, ..)| (name.unwrap_or_else(|| "message".to_owned()), lines.join("\n")))
            .collect();
        prop_assert_eq!(read(1000, pieces).unwrap(), expected.clone());
        prop_assert_eq!(read(1000, whole.as_bytes().chunks(1)).unwrap(), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, most in 0..100_usize) {
        let whole = read(most, [&*bytes]);
        prop_assert_eq!(whole.is_err(), read(most, bytes.chunks(1)).is_err());
    }
}
