//! The questions, answers and states of one model by number, so that many small histories are made
//! and judged without touching a value.
//!
//! What may follow what is asked of the specification once for each state and call, and never of the
//! model.

use super::super::model_specs::Subject;
use super::super::oracle::Naive;
use super::super::random::Dice;
use super::bare::Bare;
use crate::Process;
use rustc_hash::FxHashMap;
use serde_json::Value;

/// Ways to ask about one value.
const VARIANTS: u64 = 5;

/// Ways to answer one question in one state.
const ANSWERS: u64 = 2;

/// What is asked, and by whom if that matters.
pub(super) struct Question {
    pub(super) process: Process,
    pub(super) f: &'static str,
    pub(super) asked: Value,
}

/// A question with its answer.
pub(super) struct Answered {
    pub(super) question: u32,
    pub(super) answer: Option<Value>,
    /// The number of the model's operation, unless it can be left out.
    pub(super) op: Option<u32>,
}

/// A list among those in [`Palette::following`]: where it starts and how long it is.
type Stretch = (u32, u32);

const UNKNOWN: Stretch = (u32::MAX, 0);

/// Everything met so far.
pub(super) struct Palette<'a> {
    pub(super) subject: &'a Subject,
    pub(super) bare: Box<dyn Bare>,
    pub(super) questions: Vec<Question>,
    pub(super) calls: Vec<Answered>,
    states: Vec<Value>,
    state_numbers: FxHashMap<Value, u32>,
    question_numbers: FxHashMap<(Process, u64, u64), u32>,
    call_numbers: FxHashMap<(u32, Option<Value>), u32>,
    answer_numbers: FxHashMap<(u32, u32, u64), u32>,
    unanswered: FxHashMap<u32, u32>,
    /// For each call and state the states that may follow.
    steps: Vec<Vec<Stretch>>,
    following: Vec<u32>,
}

/// The state that [`Palette::new`] gives the object at first.
pub(super) const INITIAL: u32 = 0;

impl<'a> Palette<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        let mut palette = Self {
            subject,
            bare: (subject.bare)(),
            questions: Vec::new(),
            calls: Vec::new(),
            states: Vec::new(),
            state_numbers: FxHashMap::default(),
            question_numbers: FxHashMap::default(),
            call_numbers: FxHashMap::default(),
            answer_numbers: FxHashMap::default(),
            unanswered: FxHashMap::default(),
            steps: Vec::new(),
            following: Vec::new(),
        };
        palette.state(&subject.initial);
        palette
    }

    /// Some question about value `n`.
    pub(super) fn ask(&mut self, dice: &mut Dice, process: u64, n: u64) -> u32 {
        let process = Process::Client(if self.subject.owners { process } else { 0 });
        let variant = dice.below(VARIANTS);
        if let Some(&known) = self.question_numbers.get(&(process, n, variant)) {
            return known;
        }
        let (f, asked) = (self.subject.ask)(dice, n);
        let number = id(self.questions.len());
        self.questions.push(Question { process, f, asked });
        self.question_numbers.insert((process, n, variant), number);
        number
    }

    /// The call that asks and is not answered.
    pub(super) fn unanswered(&mut self, question: u32) -> u32 {
        if let Some(&known) = self.unanswered.get(&question) {
            return known;
        }
        let number = self.call(question, None);
        self.unanswered.insert(question, number);
        number
    }

    /// The call that asks and is answered as some object in this state would.
    pub(super) fn answered(&mut self, dice: &mut Dice, question: u32, state: u32) -> u32 {
        let key = (question, state, dice.below(ANSWERS));
        if let Some(&known) = self.answer_numbers.get(&key) {
            return known;
        }
        let naive = self.naive(question, None);
        let answer = (self.subject.answer)(dice, &naive, &self.states[state as usize]);
        let number = self.call(question, Some(answer));
        self.answer_numbers.insert(key, number);
        number
    }

    fn call(&mut self, question: u32, answer: Option<Value>) -> u32 {
        if let Some(&known) = self.call_numbers.get(&(question, answer.clone())) {
            return known;
        }
        let Question { process, f, asked } = &self.questions[question as usize];
        let op = self.bare.op(*process, f, asked, answer.as_ref());
        let number = id(self.calls.len());
        self.call_numbers.insert((question, answer.clone()), number);
        self.calls.push(Answered { question, answer, op });
        self.steps.push(Vec::new());
        number
    }

    fn naive(&self, question: u32, answer: Option<&Value>) -> Naive {
        let Question { process, f, asked } = &self.questions[question as usize];
        Naive::new(*process, f, asked, answer)
    }

    /// How many states the specification allows after a call in some state.
    pub(super) fn count(&mut self, call: u32, state: u32) -> u32 {
        let row = &mut self.steps[call as usize];
        if row.len() <= state as usize {
            row.resize(state as usize + 1, UNKNOWN);
        }
        if row[state as usize] == UNKNOWN {
            let Answered { question, answer, .. } = &self.calls[call as usize];
            let naive = self.naive(*question, answer.as_ref());
            let next = (self.subject.spec)(&naive, &self.states[state as usize]);
            let start = id(self.following.len());
            for state in &next {
                let state = self.state(state);
                self.following.push(state);
            }
            self.steps[call as usize][state as usize] = (start, id(next.len()));
        }
        self.steps[call as usize][state as usize].1
    }

    /// One of them.
    pub(super) fn following(&self, call: u32, state: u32, which: u32) -> u32 {
        let (start, _) = self.steps[call as usize][state as usize];
        self.following[(start + which) as usize]
    }

    /// Does the call change none of the states met so far, wherever it is allowed?
    pub(super) fn only_looks(&mut self, call: u32) -> bool {
        (0..id(self.states.len())).all(|state| {
            (0..self.count(call, state)).all(|which| self.following(call, state, which) == state)
        })
    }

    fn state(&mut self, state: &Value) -> u32 {
        if let Some(&known) = self.state_numbers.get(state) {
            return known;
        }
        self.states.push(state.clone());
        let number = id(self.states.len() - 1);
        self.state_numbers.insert(state.clone(), number);
        number
    }
}

fn id(n: usize) -> u32 {
    u32::try_from(n).expect("a palette is small")
}
