//! Posts gather in order and within bounds, nobody waits for a group to fill, and nobody's misfortune is another's.

use std::{cell::RefCell, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;
use uuid::Uuid;

use super::*;

const BOUNDS: Together = Together {
    writers: 1,
    group: 3,
    group_bytes: 10_000,
    waiting: 5,
    waiting_bytes: 100_000,
    patience: Duration::from_secs(1),
};

type Answer = oneshot::Receiver<Result<Message, StoreError>>;

fn new(content: &str) -> NewMessage {
    NewMessage { content: content.into(), file: None, sender_id: Uuid::nil(), room: "lobby".into() }
}

fn written(new: NewMessage) -> Message {
    let NewMessage { content, file, sender_id, room } = new;
    Message {
        id: 1,
        room,
        content,
        file,
        created_date: chrono::Utc::now(),
        updated_date: None,
        sender_id,
        session_id: None,
    }
}

/// Takes in posts that find no writer free.
fn gather<const N: usize>(posts: &Posts, contents: [&str; N]) -> [Answer; N] {
    contents.map(|content| {
        let (answer, free) = posts.gather(new(content)).unwrap();
        assert!(!free);
        answer
    })
}

/// A writer is at work on the first of them.
fn busy(posts: &Posts) -> (Vec<Post>, Answer) {
    let (answer, free) = posts.gather(new("first")).unwrap();
    assert!(free);
    (posts.take().unwrap(), answer)
}

fn contents(group: Option<Vec<Post>>) -> Vec<String> {
    group.into_iter().flatten().map(|post| post.new.content).collect()
}

#[test]
fn what_comes_while_the_writer_is_busy_is_one_group_in_order() {
    let posts = Posts::new(BOUNDS);
    let (first, _answer) = busy(&posts);
    assert_eq!(contents(Some(first)), ["first"]);
    let _answers = gather(&posts, ["a", "b", "c", "d"]);
    assert_eq!(contents(posts.take()), ["a", "b", "c"]);
    assert_eq!(contents(posts.take()), ["d"]);
    assert!(posts.take().is_none());
    busy(&posts);
}

#[test]
fn there_are_so_many_writers_and_no_more() {
    let posts = Posts::new(Together { writers: 2, ..BOUNDS });
    let free = || posts.gather(new("a")).unwrap().1;
    assert_eq!([free(), free(), free()], [true, true, false]);
}

#[test]
fn a_group_is_bounded_in_bytes_but_for_one_that_is_larger_alone() {
    let posts = Posts::new(BOUNDS);
    let _busy = busy(&posts);
    let [large, small] = ["x".repeat(20_000), "x".repeat(6000)];
    let _answers = gather(&posts, [&large, &small, &small, "a"]);
    let sizes = || contents(posts.take()).iter().map(String::len).collect::<Vec<_>>();
    assert_eq!([sizes(), sizes(), sizes()], [vec![20_000], vec![6000], vec![6000, 1]]);
}

#[test]
fn only_so_many_wait_until_one_is_answered() {
    let posts = Posts::new(BOUNDS);
    let (mut first, _answer) = busy(&posts);
    let _answers = gather(&posts, ["a", "b", "c", "d"]);
    assert!(matches!(posts.gather(new("e")), Err(StoreError::Crowded)));
    first.remove(0).answer(Err(StoreError::Fenced));
    let _answer = gather(&posts, ["e"]);
    assert!(matches!(posts.gather(new("f")), Err(StoreError::Crowded)));
}

#[test]
fn only_so_many_bytes_wait_but_for_one_that_has_more_alone() {
    let posts = Posts::new(BOUNDS);
    let (huge, _) = posts.gather(new(&"x".repeat(200_000))).unwrap();
    assert!(matches!(posts.gather(new("a")), Err(StoreError::Crowded)));
    drop(posts.take());
    let _others = gather(&posts, ["x".repeat(50_000).as_str()]);
    assert!(matches!(posts.gather(new(&"x".repeat(50_000))), Err(StoreError::Crowded)));
    drop(huge);
}

#[test]
fn who_has_gone_away_is_not_written_and_keeps_no_place() {
    let posts = Posts::new(BOUNDS);
    let _busy = busy(&posts);
    let [a, _b, c, _d] = gather(&posts, ["a", "b", "c", "d"]);
    drop((a, c));
    assert_eq!(contents(posts.take()), ["b", "d"]);
    let _answers = gather(&posts, ["e", "f"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_is_written_without_any_wait() {
    let (posts, begun) = (Posts::new(BOUNDS), Instant::now());
    let (answer, _) = posts.gather(new("a")).unwrap();
    posts.work(async |group| answer_all(group)).await;
    assert_eq!(answer.await.unwrap().unwrap().content, "a");
    // The clock moves only when somebody waits for it.
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

fn answer_all(group: Vec<Post>) {
    for post in group {
        let message = written(post.new.clone());
        post.answer(Ok(message));
    }
}

#[tokio::test]
async fn what_comes_while_a_group_is_written_is_written_next() {
    let (posts, sizes, answers) = (Posts::new(BOUNDS), RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    answers.borrow_mut().push(posts.gather(new("first")).unwrap().0);
    let write = async |group: Vec<Post>| {
        sizes.borrow_mut().push(group.len());
        if sizes.borrow().len() == 1 {
            answers.borrow_mut().extend(gather(&posts, ["a", "b", "c", "d"]));
        }
        answer_all(group);
    };
    posts.work(write).await;
    assert_eq!(*sizes.borrow(), [1, 3, 1]);
    for answer in answers.take() {
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_behind() {
    let posts = Posts::new(BOUNDS);
    let (first, _) = posts.gather(new("first")).unwrap();
    let others = gather(&posts, ["a", "b", "c"]);
    let write = async |group: Vec<Post>| {
        assert_ne!(group[0].new.content, "first", "this panic is meant");
        answer_all(group);
    };
    posts.work(write).await;
    let [a, b, c] = others;
    assert!(first.await.is_err() && a.await.is_err() && b.await.is_err(), "its group is told");
    assert_eq!(c.await.unwrap().unwrap().content, "c");
    busy(&posts);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn groups_are_all_the_posts_in_order_each_as_large_as_it_may_be(
        sizes in proptest::collection::vec(1..6000_usize, 0..40),
        group in 1..6_usize,
        group_bytes in 1..20_000_usize,
    ) {
        let bounds = Together { group, group_bytes, waiting: 100, waiting_bytes: 1 << 20, ..BOUNDS };
        let posts = Posts::new(bounds);
        let answers: Vec<_> = sizes.iter().map(|size| posts.gather(new(&"x".repeat(*size))).unwrap()).collect();
        let mut rest = sizes.iter().map(|size| size + OVERHEAD).collect::<Vec<_>>();
        while !rest.is_empty() {
            let got: Vec<usize> = posts.take().unwrap().iter().map(|post| bytes(&post.new)).collect();
            prop_assert!(!got.is_empty() && got.len() <= group && (got.len() == 1 || got.iter().sum::<usize>() <= group_bytes));
            let following: Vec<usize> = rest.drain(..got.len()).collect();
            prop_assert_eq!(&got, &following);
            let full = rest.first().is_none_or(|next| got.len() == group || got.iter().sum::<usize>() + next > group_bytes);
            prop_assert!(full, "the next one would have had a place");
        }
        drop(answers);
    }
}
