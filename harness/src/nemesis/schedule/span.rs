//! How long something lasts, before it is drawn: `"5s"`, `"2s..8s"`, or `"~5s"` for an exponential
//! distribution with that mean.

use duress_workloads::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An exponential draw is at most so many times its mean: one fault must not take the whole run.
const MOST_MEANS: u64 = 4;

/// A distribution of lengths, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Span {
    /// From the first to the second, each as likely.
    Between(u64, u64),
    /// Exponential around this mean: mostly short, now and then long.
    About(u64),
}

impl Span {
    pub(super) fn draw(self, rng: &mut Rng) -> u64 {
        match self {
            Self::Between(from, to) => rng.between(from, to),
            Self::About(mean) => rng.exponential(mean).min(mean.saturating_mul(MOST_MEANS)),
        }
    }

    /// Milliseconds.
    pub(super) fn mean(self) -> u64 {
        match self {
            Self::Between(from, to) => from + (to - from) / 2,
            Self::About(mean) => mean,
        }
    }

    pub(super) fn halved(self) -> Self {
        match self {
            Self::Between(from, to) => Self::Between(from / 2, to / 2),
            Self::About(mean) => Self::About(mean / 2),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = |part: &str| -> Result<u64, String> {
            let length = humantime::parse_duration(part.trim()).map_err(|error| {
                format!("{text:?} is neither a length like \"5s\", nor \"2s..8s\", nor \"~5s\": {error}")
            })?;
            u64::try_from(length.as_millis()).map_err(|error| format!("{text:?}: {error}"))
        };
        if let Some(mean) = text.strip_prefix('~') {
            return Ok(Self::About(ms(mean)?));
        }
        let Some((from, to)) = text.split_once("..") else { return ms(text).map(|ms| Self::Between(ms, ms)) };
        let (from, to) = (ms(from)?, ms(to)?);
        if from > to { Err(format!("{text:?} ends before it begins")) } else { Ok(Self::Between(from, to)) }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |ms: u64| humantime::format_duration(Duration::from_millis(ms));
        match *self {
            Self::Between(from, to) if from == to => write!(f, "{}", length(from)),
            Self::Between(from, to) => write!(f, "{}..{}", length(from), length(to)),
            Self::About(mean) => write!(f, "~{}", length(mean)),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, span) in [
            ("5s", Span::Between(5_000, 5_000)),
            ("1s 500ms..8s", Span::Between(1_500, 8_000)),
            ("~200ms", Span::About(200)),
        ] {
            assert_eq!(text.parse(), Ok(span));
            assert_eq!(span.to_string(), text);
        }
        for text in ["5", "8s..2s", "~", "..", "soon"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_is_drawn_as_it_says() {
        let mut rng = Rng::new(1);
        assert_eq!(Span::Between(7, 7).draw(&mut rng), 7);
        assert!((0..100).all(|_| (3..9).contains(&Span::Between(3, 9).draw(&mut rng))));
        let draws: Vec<u64> = (0..4_000).map(|_| Span::About(1_000).draw(&mut rng)).collect();
        assert!(draws.iter().all(|&ms| ms <= 4_000));
        // Of an exponential distribution, 63 % are below the mean, and 37 % of an even one around it
        // would be below three quarters.
        let below = draws.iter().filter(|&&ms| ms < 1_000).count();
        assert!((2_300..2_750).contains(&below), "{below}");
    }
}
