//! Many marks of one look as one path: the same picture in a tenth of the bytes, and an element
//! instead of thousands. plotters writes an element per mark.

use std::fmt::Write;

/// Runs of `<rect>` with the same look, and of `<circle>`, become a `<path>` each.
pub(super) fn folded(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() / 2);
    let mut look = String::new();
    let mut path = String::new();
    for line in svg.lines() {
        if let Some((mark, of)) = rect(line).or_else(|| circle(line)) {
            if of != look {
                close(&mut out, &mut path, &look);
                look = of;
            }
            path.push_str(&mark);
            continue;
        }
        close(&mut out, &mut path, &look);
        out.push_str(line);
        out.push('\n');
    }
    close(&mut out, &mut path, &look);
    out
}

fn close(out: &mut String, path: &mut String, look: &str) {
    if !path.is_empty() {
        let _ = writeln!(out, "<path d=\"{path}\" {look}/>");
        path.clear();
    }
}

/// `<rect x="1" y="2" width="3" height="4" opacity="0.44" fill="#5B9BD9" stroke="none"/>`
fn rect(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("<rect x=\"")?;
    let (x, rest) = rest.split_once("\" y=\"")?;
    let (y, rest) = rest.split_once("\" width=\"")?;
    let (width, rest) = rest.split_once("\" height=\"")?;
    let (height, look) = rest.split_once("\" ")?;
    Some((format!("M{x} {y}h{width}v{height}h-{width}z"), look.strip_suffix("/>")?.to_owned()))
}

/// `<circle cx="1" cy="2" r="3" opacity="1" fill="#5B9BD9" stroke="none" stroke-width="1"/>`: a line
/// of no length with round ends.
fn circle(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("<circle cx=\"")?;
    let (x, rest) = rest.split_once("\" cy=\"")?;
    let (y, rest) = rest.split_once("\" r=\"")?;
    let (r, rest) = rest.split_once("\" ")?;
    let (opacity, rest) = rest.strip_prefix("opacity=\"")?.split_once("\" fill=\"")?;
    let (fill, _) = rest.split_once('"')?;
    let width = r.parse::<u32>().ok()? * 2;
    let look =
        format!("opacity=\"{opacity}\" stroke=\"{fill}\" stroke-width=\"{width}\" stroke-linecap=\"round\"");
    Some((format!("M{x} {y}h0"), look))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_one_look_are_one_path() {
        let rect = |x: u32, opacity| {
            format!(
                "<rect x=\"{x}\" y=\"2\" width=\"3\" height=\"4\" opacity=\"{opacity}\" fill=\"#5B9BD9\" stroke=\"none\"/>\n"
            )
        };
        let svg = format!(
            "<svg>\n{}{}{}<text>\na\n</text>\n</svg>\n",
            rect(1, "0.5"),
            rect(7, "0.5"),
            rect(1, "1")
        );
        let look = |opacity| format!("opacity=\"{opacity}\" fill=\"#5B9BD9\" stroke=\"none\"");
        let expected = format!(
            "<svg>\n<path d=\"M1 2h3v4h-3zM7 2h3v4h-3z\" {}/>\n<path d=\"M1 2h3v4h-3z\" {}/>\n<text>\na\n</text>\n</svg>\n",
            look("0.5"),
            look("1")
        );
        assert_eq!(folded(&svg), expected);
        let dot = "<circle cx=\"5\" cy=\"6\" r=\"3\" opacity=\"1\" fill=\"#E09A1F\" stroke=\"none\" stroke-width=\"1\"/>";
        assert_eq!(
            folded(dot),
            "<path d=\"M5 6h0\" opacity=\"1\" stroke=\"#E09A1F\" stroke-width=\"6\" stroke-linecap=\"round\"/>\n"
        );
    }
}
