//! A stack: last in, first out.

use super::super::persist::{Chain, Element};
use super::super::{Refusal, listed};
use super::{Container, Discipline, FirstOut, Words, not_empty, returned};

/// A stack of JSON values: last in, first out.
pub type Stack = Container<Lifo>;

/// Last in, first out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lifo;

/// What lies on a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pile {
    known: Chain,
    /// Below what is known there may be anything.
    on_unknown: bool,
}

impl Discipline for Lifo {
    type State = Pile;

    const WORDS: Words =
        Words { a: "a stack", noun: "stack", put: ("push", "pushed"), take: ("pop", "popped") };

    const FIRST_OUT: Option<FirstOut> = Some(FirstOut::Newest);

    fn put(pile: &Pile, element: &Element) -> Pile {
        Pile { known: pile.known.with(element.clone()), ..*pile }
    }

    fn took(pile: &Pile, element: &Element) -> Result<Pile, Refusal> {
        match pile.known.last() {
            Some(top) if top == element => Ok(Self::take(pile)),
            Some(top) => Err(returned(element, top.to_string())),
            None if pile.on_unknown => Ok(pile.clone()),
            None => Err(returned(element, "nothing")),
        }
    }

    fn take(pile: &Pile) -> Pile {
        Pile { known: pile.known.shorter(), ..*pile }
    }

    fn found_empty(pile: &Pile) -> Result<Pile, Refusal> {
        pile.known.last().map_or_else(|| Ok(Pile::default()), |top| Err(not_empty(top)))
    }

    fn show(pile: &Pile) -> String {
        let unknown = pile.on_unknown.then_some("…");
        let mut elements: Vec<String> = pile.known.back_to(0).map(ToString::to_string).collect();
        elements.reverse();
        listed("[", unknown.map(str::to_owned).into_iter().chain(elements), "]")
    }

    fn any_state() -> Option<Vec<Pile>> {
        Some(vec![Pile { known: Chain::default(), on_unknown: true }])
    }
}
