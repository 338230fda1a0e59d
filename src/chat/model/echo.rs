//! The model that is always there: it says the user's last words back, one by one, at a steady pace. Demos and tests
//! need no key for it, and know what it will say.

use std::{collections::VecDeque, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{Delta, Finish, Role, Turn};

pub(super) struct Echo {
    /// Each with what is behind it up to the next: together they are the text.
    words: VecDeque<String>,
    said: u64,
    pace: Duration,
    /// When the next word is due.
    due: Instant,
}

impl Echo {
    /// Has its first word after a pace.
    pub(super) fn new(turns: &[Turn], pace: Duration) -> Self {
        let last = turns.iter().rev().find(|turn| turn.role == Role::User);
        let text = last.map_or("", |turn| &*turn.content);
        let words = text.split_inclusive(char::is_whitespace).map(str::to_owned).collect();
        Self { words, said: 0, pace, due: Instant::now() + pace }
    }

    pub(super) async fn next(&mut self) -> Delta {
        if self.words.is_empty() {
            return Delta::Done { tokens: Some(self.said), reason: Finish::Stop };
        }
        sleep_until(self.due).await;
        self.due += self.pace;
        self.said += 1;
        Delta::Text(self.words.pop_front().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, content: &str) -> Turn {
        Turn { role, content: content.to_owned() }
    }

    async fn whole(mut echo: Echo) -> (Vec<String>, Delta) {
        let mut words = Vec::new();
        loop {
            match echo.next().await {
                Delta::Text(word) => words.push(word),
                done => return (words, done),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_users_last_words_come_back_one_by_one_at_the_pace() {
        let turns = [
            turn(Role::System, "be brief"),
            turn(Role::User, "not this"),
            turn(Role::User, " to be,\nor  not"),
            turn(Role::Assistant, "nor this"),
        ];
        let begun = Instant::now();
        let (words, done) = whole(Echo::new(&turns, Duration::from_millis(30))).await;
        assert_eq!(words, [" ", "to ", "be,\n", "or ", " ", "not"]);
        assert_eq!(begun.elapsed(), Duration::from_millis(30) * 6);
        assert_eq!(done, Delta::Done { tokens: Some(6), reason: Finish::Stop });
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_that_was_not_waited_for_is_not_lost() {
        let mut echo = Echo::new(&[turn(Role::User, "one two")], Duration::from_millis(30));
        for _ in 0..2 {
            assert!(tokio::time::timeout(Duration::from_millis(10), echo.next()).await.is_err());
        }
        assert_eq!(whole(echo).await.0, ["one ", "two"]);
    }

    #[tokio::test]
    async fn who_said_nothing_hears_nothing() {
        assert!(whole(Echo::new(&[], Duration::ZERO)).await.0.is_empty());
    }
}
