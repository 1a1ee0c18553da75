//! Just enough of an HTML tokenizer to see which tags and attributes a page has.

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
