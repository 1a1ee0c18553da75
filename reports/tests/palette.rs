//! Colours, computed from the style sheet: can everybody tell them apart, and read them?

mod common;

use common::verdicts;
use common::written::Written;
use std::collections::BTreeMap;

const LIGHT: &str = include_str!("../src/html/report.css");
const DARK: &str = include_str!("../src/html/dark.css");

type Colours = BTreeMap<String, [f64; 3]>;

/// The light and the dark variables.
fn themes() -> [Colours; 2] {
    let (light, _) = LIGHT.split_once('}').expect("the variables come first");
    [variables(light), variables(DARK)]
}

fn variables(css: &str) -> Colours {
    let declarations = css.split([';', '{']).filter_map(|d| d.trim().split_once(':'));
    declarations
        .filter(|(name, value)| name.starts_with("--") && value.starts_with('#'))
        .map(|(name, value)| (name.to_owned(), rgb(value.trim_end_matches('}'))))
        .collect()
}

fn rgb(hex: &str) -> [f64; 3] {
    assert_eq!(hex.len(), 7, "{hex} is not written out");
    [1, 3, 5].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")) / 255.0)
}

fn linear(colour: [f64; 3]) -> [f64; 3] {
    colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) })
}

/// WCAG 2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |c| {
        let [r, g, b] = linear(c);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
    let xyz = [
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    ];
    let [x, y, z] = xyz.map(|t| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Machado, Oliveira and Fernandes 2009, at full severity, on linear RGB.
const VISIONS: [(&str, [[f64; 3]; 3]); 4] = [
    ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    ),
    (
        "deuteranopia",
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ),
    (
        "tritanopia",
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ),
];

fn seen(colour: [f64; 3], vision: &[[f64; 3]; 3]) -> [f64; 3] {
    let c = linear(colour);
    lab(vision.map(|row| row.iter().zip(c).map(|(m, c)| m * c).sum::<f64>().clamp(0.0, 1.0)))
}

#[test]
fn outcomes_differ_for_every_kind_of_colour_vision() {
    for theme in themes() {
        apart(&theme, &["--ok", "--fail", "--info", "--bad"], 20.0);
    }
}

#[test]
fn states_of_nodes_differ_for_every_kind_of_colour_vision() {
    for theme in themes() {
        // A stale leader is red; who is down or paused is hatched, too.
        apart(&theme, &["--lead", "--follow", "--bad"], 20.0);
        apart(&theme, &["--lead", "--info-tint", "--fail-tint"], 20.0);
    }
}

fn apart(theme: &Colours, colours: &[&str], least: f64) {
    for (name, vision) in &VISIONS {
        for (at, a) in colours.iter().enumerate() {
            for b in &colours[at + 1..] {
                let (from, to) = (seen(theme[*a], vision), seen(theme[*b], vision));
                let distance = from.iter().zip(to).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                // Two tints of a state that is hatched or not need not differ by colour.
                let tints = a.ends_with("tint") && b.ends_with("tint");
                assert!(tints || distance >= least, "{a} and {b} are {distance:.1} apart with {name} vision");
            }
        }
    }
}

#[test]
fn dark_colours_are_all_of_the_light_ones() {
    let [light, dark] = themes();
    let missing: Vec<_> = light.keys().filter(|name| !dark.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} stay light in the dark");
}

#[test]
fn text_stands_out_from_what_is_behind_it() {
    let pairs = [
        ("--ink", "--bg"),
        ("--ink2", "--bg"),
        ("--ink2", "--panel"),
        ("--ink3", "--panel"),
        ("--link", "--bg"),
        ("--link", "--panel"),
        ("--bad-ink", "--bg"),
        ("--bad-ink", "--panel"),
        ("--bad-ink", "--bad-tint"),
        ("--info-ink", "--bg"),
        ("--good", "--bg"),
        ("--ink", "--ok-tint"),
        ("--ink", "--info-tint"),
        ("--ink2", "--info-tint"),
        ("--ink", "--fail-tint"),
        ("--on-bad", "--bad"),
        ("--panel", "--ink"),
        ("--on-lead", "--lead"),
        ("--ink", "--follow"),
    ];
    for theme in themes() {
        for (text, behind) in pairs {
            let contrast = contrast(theme[text], theme[behind]);
            assert!(contrast >= 4.5, "{text} on {behind}: {contrast:.2}");
        }
    }
}

#[test]
fn figures_without_a_style_sheet_have_the_light_colours() {
    let [light, _] = themes();
    let page = Written::new(&common::run(14), vec![verdicts::violation()]);
    let mut found = 0;
    for paint in page.html.split("\"var(").skip(1) {
        let (name, rest) = paint.split_once(',').expect("a fallback");
        let (value, _) = rest.split_once(')').expect("its end");
        assert_eq!(light.get(name), Some(&rgb(value)), "{name} falls back to {value}");
        found += 1;
    }
    assert!(found > 300, "only {found} colours were looked at");
    // What plotters wrote has become a variable, all of it.
    assert!(!page.html.contains("fill=\"#5B9BD9\""));
    assert!(page.plots[0].contains("fill=\"#5B9BD9\""), "files of their own keep plain colours");
}
