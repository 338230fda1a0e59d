//! The metrics of a node, read as strictly as OpenMetrics is written: whatever a reader may refuse fails here.

use std::collections::{BTreeMap, BTreeSet};

use super::{Node, soon};

/// What a node says of itself at one instant.
pub struct Figures {
    /// By the name of the family, which is that of its samples without what their kind adds.
    pub families: BTreeMap<String, Family>,
    /// The whole.
    pub text: String,
}

/// Samples of one name.
#[derive(Debug, Default)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`.
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Figures {
    /// What a node says now.
    pub async fn of(node: &Node) -> Self {
        Self::at(node, &node.url).await
    }

    /// The same, where the node has another listener for it.
    pub async fn at(node: &Node, url: &str) -> Self {
        let answer = soon("the metrics", node.http.get(format!("{url}/metrics")).send()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.headers()["content-type"], content_type);
        Self::read(soon("all metrics", answer.text()).await.unwrap())
    }

    fn read(text: String) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("the end is told");
        let (mut families, mut last) = (BTreeMap::<String, Family>::new(), String::new());
        for line in body.lines() {
            if let Some(said) = line.strip_prefix("# HELP ") {
                let (name, help) = said.split_once(' ').expect("a name and its help");
                assert!(is_name(name) && !families.contains_key(name), "{line}: twice, or no name");
                last = name.to_owned();
                families.insert(last.clone(), Family { help: help.to_owned(), ..Family::default() });
            } else if let Some(said) = line.strip_prefix("# TYPE ") {
                let kind = said.strip_prefix(&format!("{last} ")).expect("the type follows the help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                families.get_mut(&last).unwrap().kind = kind.to_owned();
            } else {
                let family = families.get_mut(&last).expect("no sample before its family");
                let sample = Sample::read(line);
                let more = sample.name.strip_prefix(&last).expect("a sample of this family");
                let fitting: &[&str] = match family.kind.as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    _ => &["_bucket", "_sum", "_count"],
                };
                assert!(fitting.contains(&more), "{line}");
                family.samples.push(sample);
            }
        }
        let figures = Self { families, text };
        figures.check();
        figures
    }

    /// No series is there twice, no count is below zero, and buckets grow up to the count.
    fn check(&self) {
        for (name, family) in &self.families {
            assert!(name.starts_with("rowcast_") && family.help.ends_with('.'), "{name}: {}", family.help);
            let mut series = BTreeSet::new();
            for sample in &family.samples {
                assert!(series.insert((&sample.name, &sample.labels)), "{sample:?} is there twice");
                assert!(family.kind == "gauge" || sample.value >= 0.0, "{sample:?}");
            }
            let of =
                |kind: &'static str| family.samples.iter().filter(move |sample| sample.name == format!("{name}{kind}"));
            for count in of("_count") {
                let mut highest = (f64::NEG_INFINITY, 0.0);
                for bucket in of("_bucket").filter(|bucket| count.is_of(&bucket.labels)) {
                    let bound = bucket.labels["le"].parse().expect("a bound");
                    assert!(bound > highest.0 && bucket.value >= highest.1, "{bucket:?} after {highest:?}");
                    highest = (bound, bucket.value);
                }
                assert_eq!(highest, (f64::INFINITY, count.value), "{name}");
            }
        }
    }

    /// The value of a series; none if it is not there.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut samples = self.families.values().flat_map(|family| &family.samples);
        samples.find(|sample| sample.name == name && sample.labels == labels).map(|sample| sample.value)
    }

    /// The value of a series without labels, which must be there.
    #[track_caller]
    pub fn one(&self, name: &str) -> f64 {
        self.get(name, &[]).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.families.values().map(|family| family.samples.len()).sum()
    }
}

impl Sample {
    fn read(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        let (name, mut rest) = series
            .split_once('{')
            .map_or((series, ""), |(name, labels)| (name, labels.strip_suffix('}').expect("labels end")));
        assert!(is_name(name), "{line}");
        let mut labels = BTreeMap::new();
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").expect("a label and its value");
            // None of ours needs an escape.
            let (value, after) = after.split_once('"').expect("a value ends");
            assert!(is_name(label) && !value.contains('\\'), "{line}");
            assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
            assert!(after.is_empty() || !rest.is_empty(), "{line}");
        }
        Self { name: name.to_owned(), labels, value: value.parse().expect("a number") }
    }

    /// Whether a bucket with these labels is counted here.
    fn is_of(&self, bucket: &BTreeMap<String, String>) -> bool {
        bucket.iter().filter(|(name, _)| *name != "le").eq(self.labels.iter())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
