//! How often something shows, how sure that is, and how many runs it takes to say that it shows as often as
//! before. Pure.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::fmt;

/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// What shows as often as before is taken with this probability at least, as far as [`MAX_TRIES`] allow.
const POWER: f64 = 0.9;
/// What shows half as often is taken with this probability at most, as far as [`MAX_TRIES`] allow.
const MISTAKE: f64 = 0.25;
/// Most runs of one candidate.
pub const MAX_TRIES: u32 = 12;
/// What showed in all of a few runs need not show in each.
const ALWAYS: f64 = 0.95;

/// So many of so many runs that came to an answer showed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Runs that showed it.
    pub shown: u32,
    /// Runs.
    pub of: u32,
}

impl Rate {
    /// One run more.
    pub fn count(&mut self, shown: bool) {
        self.shown += u32::from(shown);
        self.of += 1;
    }

    /// The share; 0 of no runs.
    pub fn share(self) -> f64 {
        if self.of == 0 { 0.0 } else { f64::from(self.shown) / f64::from(self.of) }
    }

    /// Where the true share is, at a confidence of 95 %: the interval of Wilson ("Probable inference",
    /// JASA 1927). It holds for few runs and for shares of 0 and 1, too, where the usual one has no width.
    pub fn interval(self) -> (f64, f64) {
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (f64::from(self.of), self.share());
        let scale = 1.0 + Z * Z / n;
        let center = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        let low = if self.shown == 0 { 0.0 } else { center - half };
        let high = if self.shown == self.of { 1.0 } else { center + half };
        (low, high)
    }

    /// Do the intervals have something in common? Then the rates may be the same.
    pub fn overlaps(self, other: Self) -> bool {
        let ((a, b), (c, d)) = (self.interval(), other.interval());
        a <= d && c <= b
    }
}

/// `7 of 10 (40 % to 89 %)`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        write!(f, "{} of {} ({:.0} % to {:.0} %)", self.shown, self.of, low * 100.0, high * 100.0)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (low, high) = self.interval();
        let round = |share: f64| (share * 1e4).round() / 1e4;
        let mut fields = serializer.serialize_struct("Rate", 4)?;
        fields.serialize_field("shown", &self.shown)?;
        fields.serialize_field("of", &self.of)?;
        fields.serialize_field("low", &round(low))?;
        fields.serialize_field("high", &round(high))?;
        fields.end()
    }
}

/// When something shows as often as before: in `need` of `tries` runs, or as soon as that is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Runs that have to show it.
    pub need: u32,
    /// Runs at most.
    pub tries: u32,
}

impl Rule {
    /// The shortest rule that takes what shows as often as this with a probability of 90 %, and what shows
    /// half as often with one of 25 % at most. Where 12 runs are not enough for both, the first alone.
    pub fn keeping(base: Rate) -> Self {
        let share = base.share().min(ALWAYS);
        for tries in 1..=MAX_TRIES {
            for need in (1..=tries).rev() {
                if at_least(need, tries, share) >= POWER && at_least(need, tries, share / 2.0) <= MISTAKE {
                    return Self { need, tries };
                }
            }
        }
        let powerful = |need: &u32| at_least(*need, MAX_TRIES, share) >= POWER;
        Self { need: (1..=MAX_TRIES).rev().find(powerful).unwrap_or(1), tries: MAX_TRIES }
    }

    /// Does it show as often? `None` while more runs can still tell.
    pub fn decide(self, rate: Rate) -> Option<bool> {
        if rate.shown >= self.need {
            Some(true)
        } else {
            (rate.of - rate.shown > self.tries - self.need).then_some(false)
        }
    }
}

/// The probability that at least `need` of `tries` runs show what each shows with `share`.
fn at_least(need: u32, tries: u32, share: f64) -> f64 {
    (need..=tries).map(|shown| exactly(shown, tries, share)).sum()
}

fn exactly(shown: u32, tries: u32, share: f64) -> f64 {
    let choose = (0..shown).fold(1.0, |ways, at| ways * f64::from(tries - at) / f64::from(at + 1));
    choose * share.powf(f64::from(shown)) * (1.0 - share).powf(f64::from(tries - shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rate(shown: u32, of: u32) -> Rate {
        Rate { shown, of }
    }

    /// Against the values of R's `binom::binom.wilson`.
    #[test]
    fn intervals_are_those_of_wilson() {
        for (shown, of, low, high) in [
            (0, 10, 0.0, 0.2775),
            (7, 10, 0.3968, 0.8922),
            (10, 10, 0.7225, 1.0),
            (20, 20, 0.8389, 1.0),
            (1, 2, 0.0945, 0.9055),
            (50, 100, 0.4038, 0.5962),
        ] {
            let (a, b) = rate(shown, of).interval();
            assert!((a - low).abs() < 1e-4 && (b - high).abs() < 1e-4, "{shown} of {of}: {a} {b}");
        }
        assert_eq!(rate(0, 0).interval(), (0.0, 1.0));
        assert_eq!(rate(7, 10).to_string(), "7 of 10 (40 % to 89 %)");
    }

    #[test]
    fn intervals_hold_the_share_and_narrow_with_more_runs() {
        for of in 1..60 {
            for shown in 0..=of {
                let (low, high) = rate(shown, of).interval();
                let share = rate(shown, of).share();
                assert!((0.0..=share).contains(&low) && (share..=1.0).contains(&high), "{shown} of {of}");
                let (more_low, more_high) = rate(10 * shown, 10 * of).interval();
                assert!(more_high - more_low < high - low, "{shown} of {of}");
            }
        }
        assert!(rate(9, 10).overlaps(rate(6, 10)) && !rate(10, 10).overlaps(rate(0, 10)));
    }

    #[test]
    fn probabilities_are_binomial() {
        assert!((at_least(1, 3, 0.5) - 0.875).abs() < 1e-12);
        assert!((at_least(3, 5, 0.5) - 0.5).abs() < 1e-12);
        assert!((at_least(4, 6, 0.8) - 0.901_12).abs() < 1e-9);
        assert!((at_least(0, 4, 0.3) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rules_keep_what_they_promise() {
        // What always shows is seen in two runs; rarer things take more.
        assert_eq!(Rule::keeping(rate(3, 3)), Rule { need: 2, tries: 2 });
        assert_eq!(Rule::keeping(rate(4, 5)), Rule { need: 4, tries: 6 });
        for shown in 1..=20 {
            let base = rate(shown, 20);
            let Rule { need, tries } = Rule::keeping(base);
            assert!((1..=tries).contains(&need) && tries <= MAX_TRIES);
            let share = base.share().min(ALWAYS);
            assert!(at_least(need, tries, share) >= POWER || need == 1, "{base}");
        }
    }

    #[test]
    fn a_rule_decides_as_soon_as_it_can() {
        let rule = Rule { need: 4, tries: 6 };
        assert_eq!(rule.decide(rate(3, 5)), None);
        assert_eq!(rule.decide(rate(4, 4)), Some(true));
        assert_eq!(rule.decide(rate(0, 3)), Some(false));
        assert_eq!(rule.decide(rate(0, 2)), None);
        // However it goes, it is decided after all tries.
        for shown in 0..=6 {
            assert!(rule.decide(rate(shown, 6)).is_some());
        }
    }
}
