//! Packets are read as the protocol has them, and nothing that is none does harm.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn event(text: &str) -> Event {
    match Packet::parse(text) {
        Ok(Packet::Event(event)) => event,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn requests_are_read_with_their_number_and_first_argument() {
    for (text, name, ack, body, binary) in [
        (r#"2["joinRoom",{"roomId":"a"}]"#, "joinRoom", None, Some(r#"{"roomId":"a"}"#), false),
        (r#"212["joinRoom",{"roomId":"a"}, 1, 2]"#, "joinRoom", Some(12), Some(r#"{"roomId":"a"}"#), false),
        (r#"2/,3["x"]"#, "x", Some(3), None, false),
        (r#"2["x",null]"#, "x", None, Some("null"), false),
        (r#"51-7["x",{"_placeholder":true,"num":0}]"#, "x", Some(7), Some(r#"{"_placeholder":true,"num":0}"#), true),
    ] {
        let event = event(text);
        let given = event.body.as_deref().map(RawValue::get);
        assert_eq!((event.name.as_str(), event.ack, given, event.binary), (name, ack, body, binary), "{text}");
    }
}

#[test]
fn other_packets_are_what_they_are() {
    assert!(matches!(Packet::parse("0"), Ok(Packet::Connect(None))));
    assert!(matches!(Packet::parse("0/,{}"), Ok(Packet::Connect(Some(auth))) if auth.get() == "{}"));
    assert!(matches!(Packet::parse(r#"0{"token":1}"#), Ok(Packet::Connect(Some(_)))));
    assert!(matches!(Packet::parse("0/admin?a=1,{}"), Ok(Packet::Elsewhere(name)) if name == "/admin"));
    assert!(matches!(Packet::parse("0/admin"), Ok(Packet::Elsewhere(name)) if name == "/admin"));
    assert!(matches!(Packet::parse(r#"2/admin,["x"]"#), Ok(Packet::Nothing)));
    assert!(matches!(Packet::parse("1"), Ok(Packet::Disconnect)));
    assert!(matches!(Packet::parse("399[]"), Ok(Packet::Nothing)));
}

#[test]
fn what_is_no_packet_is_refused() {
    for text in [
        "",
        "é",
        "7",
        "4{}",
        "x",
        "1x",
        "0{",
        "2",
        "2[]",
        "2{}",
        "2[1]",
        "2[\"x\"",
        "5[\"x\"]",
        "5-[\"x\"]",
        "5x-[]",
        "299999999999999999999[\"x\"]",
        "2-1[\"x\"]",
        "2 [\"x\"] x",
    ] {
        assert!(Packet::parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_said_is_as_the_protocol_has_it() {
    assert_eq!(connected("abc").as_str(), r#"0{"sid":"abc"}"#);
    assert_eq!(answer(3, &json!({"ok": true})).as_str(), r#"33[{"ok":true}]"#);
    assert_eq!(told("x", &json!({"a": 1})).as_str(), r#"2["x",{"a":1}]"#);
    assert_eq!(refused("/a", "no", None::<&()>).as_str(), r#"4/a,{"message":"no"}"#);
    assert_eq!(refused("/", "no", Some(&1)).as_str(), r#"4{"message":"no","data":1}"#);
}

proptest! {
    #[test]
    fn nothing_that_is_sent_does_harm(text in r#"[0-9]{0,3}[-/,?a\[\]{}":é1]{0,24}"#) {
        let _ = Packet::parse(&text);
    }

    #[test]
    fn deep_lists_do_no_harm(depth in 1..200_000_usize) {
        let text = format!("2[\"x\",{}{}]", "[".repeat(depth), "]".repeat(depth));
        let _ = Packet::parse(&text);
    }
}
