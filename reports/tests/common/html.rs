//! Just enough of an HTML tokenizer to see which tags and attributes a page has.

use super::written::Written;

/// The page's one script.
pub const SCRIPT: &str = include_str!("../../src/html/report.js");

/// An opening tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// All opening tags, in order. Panics on what the template would never write.
pub fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with('!') {
            assert!(rest.starts_with("!DOCTYPE html>"), "a comment or declaration: {rest:.60}");
            continue;
        }
        if rest.starts_with('/') {
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).expect("a tag ends");
        assert!(end > 0, "a bare <: {rest:.60}");
        let mut tag = Tag { name: rest[..end].to_ascii_lowercase(), attributes: Vec::new() };
        rest = attributes(&rest[end..], &mut tag);
        if tag.name == "style" || tag.name == "script" {
            let end = format!("</{}>", tag.name);
            rest = &rest[rest.find(&end).expect("it ends")..];
        }
        tags.push(tag);
    }
    tags
}

fn attributes<'a>(mut rest: &'a str, tag: &mut Tag) -> &'a str {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>').or_else(|| rest.strip_prefix("/>")) {
            return after;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=>/".contains(c)).expect("an attribute ends");
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let after =
                after.strip_prefix('"').unwrap_or_else(|| panic!("{name} is not quoted: {after:.60}"));
            let end = after.find('"').expect("a quoted value ends");
            value = after[..end].to_owned();
            rest = &after[end + 1..];
        }
        tag.attributes.push((name, value));
    }
}

/// What the elements of a kind hold whose text is no markup: style sheets, scripts, data.
pub fn raw<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find(&open) {
        let inside = &rest[at + rest[at..].find('>').expect("a tag ends") + 1..];
        let end = inside.find(&close).expect("it ends");
        found.push(&inside[..end]);
        rest = &inside[end..];
    }
    found
}

/// No script but ours, no inline style, no handler, no address but of the run's own files.
pub fn check_page(written: &Written) {
    let scripts: Vec<Vec<(String, String)>> =
        written.tags().into_iter().filter(|t| t.name == "script").map(|t| t.attributes).collect();
    let data =
        |kind: &str, id: &str| vec![("type".to_owned(), kind.to_owned()), ("id".to_owned(), id.to_owned())];
    let drawn =
        vec![data("application/json", "timeline-data"), data("application/octet-stream", "ops"), Vec::new()];
    assert!(scripts == drawn || scripts == [Vec::new()], "{scripts:?}");
    let texts = raw(&written.html, "script");
    assert_eq!(texts.last(), Some(&SCRIPT), "the script is word for word ours");
    for data in &texts[..texts.len() - 1] {
        assert!(data.is_ascii() && !data.contains(['<', '>', '&']), "{data:.80}");
    }
    for tag in written.tags().iter().filter(|t| t.name != "script") {
        assert!(
            !["iframe", "object", "embed", "link", "base", "form", "img", "image", "use"]
                .contains(&tag.name.as_str()),
            "{tag:?}"
        );
        for (name, value) in &tag.attributes {
            assert!(
                name != "style" && !name.starts_with("on") && name != "src" && name != "xlink:href",
                "{tag:?}"
            );
            if name == "href" {
                let relative = !value.contains(':') && !value.starts_with('/') && !value.contains("..");
                assert!(value.starts_with('#') || relative, "a link leads to {value}");
            }
            let foreign = value.contains("url(") && !value.starts_with("url(#hatch-");
            assert!(!foreign, "{name}={value}");
        }
        if tag.name == "meta" && tag.get("http-equiv").is_some() {
            continue;
        }
        assert!(
            tag.attributes.iter().all(|(_, v)| !v.contains("://")) || tag.get("aria-label").is_some(),
            "{tag:?}"
        );
    }
}
