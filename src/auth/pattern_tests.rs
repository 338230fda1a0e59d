//! Patterns against the plainest way to match them.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

/// By the definition, whatever it costs.
fn plainly(pattern: &[u8], room: &[u8]) -> bool {
    match (pattern.split_first(), room.split_first()) {
        (None, _) => room.is_empty(),
        (Some((b'*', after)), None) => plainly(after, room),
        (Some((b'*', after)), Some((_, rest))) => plainly(after, room) || plainly(pattern, rest),
        (Some((one, after)), Some((other, rest))) => one == other && plainly(after, rest),
        (Some(_), None) => false,
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

#[test]
fn a_pattern_is_a_name_with_stars_in_it() {
    for (text, yes, no) in [
        ("lobby", &["lobby"][..], &["lobb", "lobby2", "Lobby", "xlobby"][..]),
        ("team-*", &["team-", "team-a", "team-a-b"], &["team", "a-team-", "Team-a"]),
        ("*-log", &["a-log", "-log", "-log-log"], &["log", "a-log2"]),
        ("a*a", &["aa", "aba", "aaa"], &["a", "ab", "ba"]),
        ("*b*", &["b", "abc", "bb"], &["a", "ac"]),
        ("a*b*c", &["abc", "axbxc", "abcbc"], &["acb", "ac", "abcx"]),
        ("*", &["a", "anything"], &[]),
    ] {
        for room in yes {
            assert!(pattern(text).matches(room), "{text} {room}");
        }
        for room in no {
            assert!(!pattern(text).matches(room), "{text} {room}");
        }
    }
    assert!(pattern("*").is_everything() && pattern("**").is_everything() && !pattern("a*").is_everything());
    assert_eq!((pattern("a").room(), pattern("a*").room()), (Some("a"), None));
}

#[test]
fn what_could_be_in_no_name_is_no_pattern() {
    for text in ["", "a b", "a/b", "a?", "[a]", "ä", "a\n", &"a".repeat(LONGEST + 1)] {
        assert_eq!(Pattern::new(text), None, "{text}");
    }
}

#[test]
fn no_pattern_takes_long() {
    let (evil, room) = (pattern(&format!("{}b", "*a".repeat(60))), "a".repeat(64));
    let begun = Instant::now();
    for _ in 0..1000 {
        assert!(!evil.matches(&room));
    }
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn a_pattern_matches_what_it_should(text in "[ab*]{1,10}", room in "[ab]{0,10}") {
        prop_assert_eq!(pattern(&text).matches(&room), plainly(text.as_bytes(), room.as_bytes()));
    }
}
