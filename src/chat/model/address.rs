//! Where a service is. Its address may hold a password, so it is shown nowhere.

use std::fmt;

use reqwest::Url;

/// The address that the paths of a service come after.
#[derive(Clone)]
pub struct BaseUrl(Url);

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl BaseUrl {
    /// An address, if it is one of HTTP. It may have a query, which some services ask for.
    pub fn new(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        (["http", "https"].contains(&url.scheme()) && url.has_host() && url.fragment().is_none()).then_some(Self(url))
    }

    /// The address of this path.
    pub(super) fn join(&self, path: &[&str]) -> Url {
        let mut url = self.0.clone();
        // Every address of HTTP has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Whether it is at this host.
    pub(super) fn is_at(&self, host: &str) -> bool {
        self.0.host_str() == Some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_behind_the_address_and_before_its_query() {
        for (base, whole) in [
            ("https://h/v1", "https://h/v1/chat/completions"),
            ("https://h/v1/", "https://h/v1/chat/completions"),
            ("http://h:1", "http://h:1/chat/completions"),
            ("https://u:p@h/a?version=2", "https://u:p@h/a/chat/completions?version=2"),
        ] {
            assert_eq!(BaseUrl::new(base).unwrap().join(&["chat", "completions"]).as_str(), whole);
        }
    }

    #[test]
    fn what_is_no_address_of_http_is_refused_and_none_is_shown() {
        for text in ["", "h", "ftp://h", "http://", "https://h#part", "unix:/socket"] {
            assert!(BaseUrl::new(text).is_none(), "{text}");
        }
        assert_eq!(format!("{:?}", BaseUrl::new("https://u:p@h")), "Some([hidden])");
    }
}
