//! What a service knows us by. It is in the header that is sent, and nowhere else.

use std::{borrow::Cow, fmt};

use reqwest::header::HeaderValue;

/// The most characters of a service's own words that are logged: enough for its error, not for its pages.
const MOST_SAID: usize = 500;

/// A key; it is shown nowhere.
#[derive(Clone)]
pub struct ApiKey(String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl ApiKey {
    /// A key, if a header can hold it.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The header that holds it, after these words.
    pub(super) fn header(&self, before: &str) -> HeaderValue {
        let header = HeaderValue::try_from(format!("{before}{}", self.0));
        let mut header = header.expect("a key is of characters that a header may hold");
        header.set_sensitive(true);
        header
    }

    /// The text without the key: services like to repeat it. The end of the text may be its beginning.
    fn cut_from<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let (key, mut text) = (&self.0, text);
        let begun = (1..key.len()).rev().find(|length| text.ends_with(&key[..*length]));
        if let Some(length) = begun.filter(|_| !text.ends_with(key)) {
            text = &text[..text.len() - length];
        }
        if text.contains(key) { text.replace(key, "[key]").into() } else { text.into() }
    }
}

/// What of a service's own words may be logged.
pub(super) fn loggable(said: &[u8], key: Option<&ApiKey>) -> String {
    let said = String::from_utf8_lossy(said);
    let said = key.map_or(Cow::Borrowed(&*said), |key| key.cut_from(&said));
    said.chars().take(MOST_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-0123456789abcdef";

    fn logged(said: &str) -> String {
        loggable(said.as_bytes(), ApiKey::new(KEY).as_ref())
    }

    #[test]
    fn the_key_is_cut_out_wherever_it_is() {
        assert_eq!(logged("no key here"), "no key here");
        assert_eq!(logged(&format!("{KEY} is wrong, {KEY}")), "[key] is wrong, [key]");
        for length in 1..KEY.len() {
            let cut = logged(&format!("{KEY} is not {}", &KEY[..length]));
            assert_eq!(cut, "[key] is not ");
        }
    }

    #[test]
    fn no_more_is_logged_than_the_bound() {
        assert_eq!(logged(&"ä".repeat(5000)).chars().count(), MOST_SAID);
        // What is cut out does not bring more into view than was looked at.
        assert!(logged(&KEY.repeat(500)).chars().count() <= MOST_SAID);
    }

    #[test]
    fn a_key_is_shown_nowhere() {
        let key = ApiKey::new(KEY).unwrap();
        assert!(!format!("{key:?} {:?}", key.header("Bearer ")).contains("sk-"));
        assert!(["", "two words", "line\n", "schlüssel"].iter().all(|text| ApiKey::new(text).is_none()));
    }
}
