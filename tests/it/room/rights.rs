//! Only rooms that a token allows to read are listed, and nothing else tells that there are others.

use super::*;
use crate::support::tokens::{claims, guarded, token, token_for, with};

const ROOMS: [&str; 8] = ["a", "b", "lobby", "team-1", "team-1-private", "team-2", "teamwork", "z-private"];

fn names(page: &Answer) -> Vec<&str> {
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    rooms(page).into_iter().map(|(room, _)| room).collect()
}

#[tokio::test]
async fn a_token_sees_the_rooms_that_it_may_read() {
    let (world, node) = guarded(&[]).await;
    world.sql(&ROOMS.map(|room| fill(room, 3)).concat()).await;
    for counted in [false, true] {
        if counted {
            folded(&world).await;
        }
        for (read, seen) in [
            (vec!["*"], ROOMS.to_vec()),
            (vec!["a", "**"], ROOMS.to_vec()),
            (vec!["b", "nobody", "a", "b"], vec!["a", "b"]),
            (vec!["team-*"], vec!["team-1", "team-1-private", "team-2"]),
            (
                vec!["team-*", "team-1*", "z*", "lobby"],
                vec!["lobby", "team-1", "team-1-private", "team-2", "z-private"],
            ),
            (vec!["*-private"], vec!["team-1-private", "z-private"]),
            (vec!["t*1*e"], vec!["team-1-private"]),
            (vec!["nobody-*"], vec![]),
        ] {
            let token = token_for(&read, &[]);
            let page = node.get_as(&token, "/room").await;
            assert_eq!(names(&page), seen, "{read:?}");
            let (mut walked, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = node.get_as(&token, &format!("/room?limit=1{cursor}")).await;
                walked.extend(names(&page).into_iter().map(str::to_owned));
                let Some(next) = page.body["next_cursor"].as_str() else { break };
                assert!(seen.contains(&next), "{read:?}: the cursor names {next}");
                cursor = format!("&cursor={next}");
            }
            assert_eq!(walked, seen, "{read:?}");
        }
        let private = token_for(&["*-private", "team-2"], &[]);
        assert_eq!(names(&node.get_as(&private, "/room?prefix=team").await), ["team-1-private", "team-2"]);
    }
}

#[tokio::test]
async fn who_may_read_nothing_is_refused_and_so_is_who_is_nobody() {
    let (_world, node) = guarded(&[]).await;
    for token in [token_for(&[], &["*"]), token(&with(claims(&[], &[]), "rooms", Value::Null))] {
        let refused = node.get_as(&token, "/room").await;
        assert_eq!(
            (refused.status, &refused.body["type"]),
            (StatusCode::FORBIDDEN, &"urn:rowcast:problem:forbidden".into())
        );
        assert!(refused.body["detail"].as_str().unwrap().contains("any room"), "{}", refused.body);
    }
    assert_eq!(node.get("/room").await.status, StatusCode::UNAUTHORIZED);
}

/// Rights are judged by patterns of our own, pages are made by those of SQL: they must mean the same.
#[tokio::test]
async fn a_room_is_listed_exactly_if_its_messages_may_be_read() {
    let (world, node) = guarded(&[("RATE_READ", "100000/1s")]).await;
    let mut rng = fastrand::Rng::with_seed(crate::support::writers::seed());
    let mut text = |alphabet: &str, most: usize| -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..rng.usize(1..=most)).map(|_| letters[rng.usize(..letters.len())]).collect()
    };
    let there: std::collections::BTreeSet<String> = (0..60).map(|_| text("ab_.-", 4)).collect();
    world.sql(&there.iter().map(|room| fill(room, 1)).collect::<String>()).await;
    let patterns = ["*_", "*_*b", "_*_"].map(str::to_owned).into_iter().chain((0..12).map(|_| text("aab__.-**", 5)));
    for pattern in patterns {
        let token = token_for(&[&pattern], &[]);
        let page = node.get_as(&token, "/room?limit=100").await;
        let listed = names(&page);
        for room in &there {
            let readable = node.get_as(&token, &format!("/message?room={room}")).await.status == StatusCode::OK;
            assert_eq!(listed.contains(&room.as_str()), readable, "{room} by {pattern}");
        }
    }
}
