//! Texts for people: they flow, and stand in the order in which they were written.

use serde_json::Value;

use super::each;

/// Takes out the line breaks that only the width of our source files has brought in.
pub(super) fn flow(document: &mut Value) {
    each(document, &mut |object| {
        for name in ["summary", "description"] {
            if let Some(Value::String(text)) = object.get_mut(name) {
                *text = flowing(text);
            }
        }
    });
}

/// Paragraphs and items of lists keep their lines; what goes on, goes on.
fn flowing(text: &str) -> String {
    let mut flowing = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_end) {
        let begins = line.is_empty() || line.starts_with(['-', '*', '|', '#']);
        let goes_on = !begins && !flowing.is_empty() && !flowing.ends_with('\n');
        match goes_on {
            true => flowing.push(' '),
            false if !flowing.is_empty() => flowing.push('\n'),
            false => {}
        }
        flowing.push_str(line);
    }
    flowing
}

/// Puts the tags into the order of the calls that have them: the framework sorts them by name.
pub(super) fn order_tags(document: &mut Value) {
    let paths = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let operations = paths.filter_map(Value::as_object).flat_map(|methods| methods.values());
    let used: Vec<Value> = operations.filter_map(|operation| operation["tags"].as_array()).flatten().cloned().collect();
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.sort_by_key(|tag| used.iter().position(|name| *name == tag["name"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paragraphs_and_lists_break_lines() {
        let text = "One sentence\ngoes on.\n\nAnother:\n- one\n  and a half\n- two\n";
        assert_eq!(flowing(text), "One sentence goes on.\n\nAnother:\n- one   and a half\n- two");
    }
}
