//! One JSON array of operations, as elle-cli takes it.
//!
//! Its elements are found and parsed one by one, so that an error knows its line and no tree of
//! the whole file is ever held.

use super::Seen;
use super::collect::Collector;
use super::json::Fields;
use super::objects::Objects;
use crate::history::HistoryError;
use std::io::BufRead;

/// Reads a whole array.
pub(super) fn read(reader: impl BufRead, collector: &mut Collector) -> Result<Seen, HistoryError> {
    let mut objects = Objects::new(reader)?;
    objects.peek()?;
    let opens = objects.place();
    if objects.take()? != Some(b'[') {
        return Err(opens.error("a JSON array begins with `[`"));
    }
    let mut first = true;
    loop {
        match (objects.peek()?, first) {
            (Some(b']'), _) => break,
            (Some(b','), false) => {
                objects.take()?;
            }
            (Some(_), true) => {}
            (Some(_), false) => return Err(objects.place().error("expected `,` or `]`")),
            (None, _) => return Err(objects.place().error("the array never ends: `]` is missing")),
        }
        first = false;
        let (place, Fields(fields)) = objects.object()?;
        collector.push(place.line, fields).map_err(|why| place.error(why))?;
    }
    objects.take()?;
    match objects.peek()? {
        None => Ok(Seen::default()),
        Some(_) => Err(objects.place().error("the array has ended, but something follows")),
    }
}
