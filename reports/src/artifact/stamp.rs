//! The time at the beginning of a line that a server logged. Not here: which lines matter.

/// A moment of a wall clock: nanoseconds since 1970, and whether the zone was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) ns: i128,
    /// Without a zone it is some local time, taken for UTC.
    pub(super) zoned: bool,
}

/// Bytes of a line in which a time is looked for.
const WITHIN: usize = 400;

/// The first time in a line: RFC 3339 and what looks like it (etcd, in JSON or plain), or Redis'
/// `21 Nov 2026 19:16:51.041`.
pub(super) fn stamp(line: &str) -> Option<Stamp> {
    let mut end = line.len().min(WITHIN);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let head = line.get(..end)?;
    let starts = head.char_indices().filter(|(at, c)| {
        c.is_ascii_digit() && !head[..*at].ends_with(|before: char| before.is_ascii_alphanumeric())
    });
    starts.map(|(at, _)| &head[at..]).find_map(|rest| iso(rest).or_else(|| spelled(rest)))
}

/// `2026-11-21T19:16:51.041Z`, `2026-11-21 19:16:51.041`, `2026/11/21 19:16:51`.
fn iso(text: &str) -> Option<Stamp> {
    let mut text = Text(text);
    let year = text.number(4)?;
    let dash = text.one_of("-/")?;
    let month = text.number(2)?;
    text.one_of(dash)?;
    let day = text.number(2)?;
    text.one_of("T ")?;
    let clock = text.clock()?;
    let zone = text.zone();
    Some(Stamp { ns: moment(year, month, day)? + clock - zone.unwrap_or(0), zoned: zone.is_some() })
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `21 Nov 2026 19:16:51.041`.
fn spelled(text: &str) -> Option<Stamp> {
    let mut text = Text(text);
    let day = text.number(2)?;
    text.one_of(" ")?;
    let name = text.0.get(..3)?;
    let month = (1..).zip(MONTHS).find(|(_, month)| *month == name)?.0;
    text.0 = &text.0[3..];
    text.one_of(" ")?;
    let year = text.number(4)?;
    text.one_of(" ")?;
    let clock = text.clock()?;
    Some(Stamp { ns: moment(year, month, day)? + clock, zoned: false })
}

const SECOND: i128 = 1_000_000_000;

/// Midnight, in nanoseconds since 1970. Days by the proleptic Gregorian calendar (Howard Hinnant,
/// *chrono-compatible low-level date algorithms*, `days_from_civil`).
fn moment(year: i128, month: i128, day: i128) -> Option<i128> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 * SECOND)
}

/// What is left to be read.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn number(&mut self, digits: usize) -> Option<i128> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        number.parse().ok()
    }

    /// The character that is there.
    fn one_of(&mut self, allowed: &str) -> Option<&'a str> {
        let (one, rest) = self.0.split_at_checked(1)?;
        if !allowed.contains(one) {
            return None;
        }
        self.0 = rest;
        Some(one)
    }

    /// `19:16:51.041`, since midnight.
    fn clock(&mut self) -> Option<i128> {
        let hours = self.number(2)?;
        self.one_of(":")?;
        let minutes = self.number(2)?;
        self.one_of(":")?;
        let seconds = self.number(2)?;
        let mut fraction = 0;
        if self.one_of(".,").is_some() {
            let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = self.0.split_at(digits);
            fraction = format!("{digits:0<9.9}").parse().ok()?;
            self.0 = rest;
        }
        Some(((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction)
    }

    /// `Z`, `+01:00`, `+0100`: nanoseconds east of Greenwich.
    fn zone(&mut self) -> Option<i128> {
        match self.one_of("Z+-")? {
            "Z" => Some(0),
            sign => {
                let hours = self.number(2)?;
                let _ = self.one_of(":");
                let east = (hours * 60 + self.number(2)?) * 60 * SECOND;
                Some(if sign == "-" { -east } else { east })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_write_their_times_in_many_ways() {
        let at = 1_795_288_611_041_000_000;
        let zoned = Some(Stamp { ns: at, zoned: true });
        let local = Some(Stamp { ns: at, zoned: false });
        assert_eq!(stamp(r#"{"level":"info","ts":"2026-11-21T19:16:51.041Z","caller":"x"}"#), zoned);
        assert_eq!(stamp(r#"{"level":"info","ts":"2026-11-21T20:16:51.041+0100"}"#), zoned);
        assert_eq!(stamp("2026-11-21T17:46:51.041000-01:30 what"), zoned);
        assert_eq!(stamp("2026-11-21 19:16:51.041000 I | raft: elected"), local);
        assert_eq!(stamp("4711:M 21 Nov 2026 19:16:51.041 * Ready"), local);
        for nothing in ["", "no time", "raft 2026-13-21T19:16:51Z", "12:13", "\u{1f600}2026", "2026-11-21T1"]
        {
            assert_eq!(stamp(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(moment(1970, 1, 1), Some(0));
        assert_eq!(moment(2000, 2, 29), Some(11_016 * 86_400 * SECOND));
        assert_eq!(moment(2000, 3, 1), Some(11_017 * 86_400 * SECOND));
    }
}
