//! The colours of every figure, once. `html/report.css` holds the same values, and their dark
//! counterparts, as variables; a test keeps the two equal.
//!
//! Outcomes differ by at least ΔE 24 for every kind of colour vision. Red is for what should
//! not be; a `fail` under a fault is normal, and slate.

/// A colour of the page: a variable, and what it is where style sheets are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour {
    /// As `#5b9bd9`, the light value.
    pub(crate) light: &'static str,
    /// For an SVG presentation attribute: the variable, or else the light value.
    pub(crate) paint: &'static str,
}

macro_rules! palette {
    ($($(#[$doc:meta])* $name:ident = $variable:literal, $light:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: Colour = Colour {
            light: $light,
            paint: concat!("var(", $variable, ",", $light, ")"),
        };)*
        /// All of them.
        pub(crate) const ALL: &[Colour] = &[$($name),*];
    };
}

palette! {
    /// Text.
    INK = "--ink", "#1a1f26";
    /// Labels.
    INK2 = "--ink2", "#4d5763";
    /// Axes.
    INK3 = "--ink3", "#69737f";
    /// Grid.
    LINE = "--line", "#dfe3e8";
    /// Fainter grid.
    LINE2 = "--line2", "#eceef1";
    /// Behind a figure.
    PANEL = "--panel", "#ffffff";
    /// Calls that happened.
    OK = "--ok", "#5b9bd9";
    /// Behind the label of one.
    OK_TINT = "--ok-tint", "#d9e7f6";
    /// Its text and outline.
    OK_INK = "--ok-ink", "#1f66ad";
    /// Calls that did not happen.
    FAIL = "--fail", "#545c68";
    /// Behind the label of one.
    FAIL_TINT = "--fail-tint", "#e3e6ea";
    /// Calls in doubt.
    INFO = "--info", "#e09a1f";
    /// Behind the label of one.
    INFO_TINT = "--info-tint", "#fbe8c6";
    /// Violations.
    BAD = "--bad", "#c62a1a";
    /// Behind the label of one.
    BAD_TINT = "--bad-tint", "#fbe3e0";
    /// Text in that colour.
    BAD_INK = "--bad-ink", "#b3261e";
    /// On top of that colour.
    ON_BAD = "--on-bad", "#fffffe";
    /// While a fault is in effect.
    BAND = "--band", "#8a8272";
}
