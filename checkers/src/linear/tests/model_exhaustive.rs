//! All histories there are, up to a few calls of a few kinds: every interleaving of invocations
//! and returns, every call answered or left open.

use super::super::Flags;
use super::build::Build;
use super::model_agree::agrees;
use super::model_specs::{Subject, subjects};
use super::oracle;
use serde_json::{Value, json};

/// Question and answer.
type Kind = (&'static str, Value, Value);

struct Enumeration<'a> {
    subject: &'a Subject,
    kinds: &'a [Kind],
    calls: usize,
    /// Does it matter who calls? Then whoever is free may.
    owners: bool,
    valid: u64,
    invalid: u64,
}

impl Enumeration<'_> {
    /// Goes through everything that begins like `build`, in which the calls in `open` have not
    /// returned and the processes in `idle` have.
    fn visit(&mut self, build: &Build, begun: usize, open: &[(u64, usize)], idle: &[u64]) {
        if begun == self.calls {
            let allowed = oracle::allowed(&build.history(), &self.subject.initial, self.subject.spec);
            *(if allowed { &mut self.valid } else { &mut self.invalid }) += 1;
            agrees(self.subject, build, Flags::ALL, allowed);
        }
        for (at, &(process, kind)) in open.iter().enumerate() {
            let mut build = build.clone();
            let (f, _, answer) = &self.kinds[kind];
            build.ok(process, f, answer.clone());
            let mut open = open.to_vec();
            open.remove(at);
            self.visit(&build, begun, &open, &[idle, &[process]].concat());
        }
        if begun == self.calls {
            return;
        }
        // A process of its own, or in addition those that are free.
        let free = if self.owners { idle } else { &[] };
        for &process in free.iter().chain([&(begun as u64)]) {
            for (kind, (f, asked, _)) in self.kinds.iter().enumerate() {
                let mut build = build.clone();
                build.invoke(process, f, asked.clone());
                let open = [open, &[(process, kind)]].concat();
                let idle: Vec<u64> = idle.iter().copied().filter(|&other| other != process).collect();
                self.visit(&build, begun + 1, &open, &idle);
            }
        }
    }
}

/// How many histories of exactly `calls` calls are valid and how many are not.
fn all(name: &str, kinds: &[Kind], calls: usize) -> (u64, u64) {
    let subjects = subjects();
    let subject = subjects.iter().find(|subject| subject.name == name).expect("a model of that name");
    let owners = ["reentrant-mutex", "fenced-lock"].contains(&name);
    let mut enumeration = Enumeration { subject, kinds, calls, owners, valid: 0, invalid: 0 };
    enumeration.visit(&Build::default(), 0, &[], &[]);
    (enumeration.valid, enumeration.invalid)
}

fn same(f: &'static str, value: &Value) -> Kind {
    (f, value.clone(), value.clone())
}

fn answered(f: &'static str, answer: &Value) -> Kind {
    (f, Value::Null, answer.clone())
}

#[test]
fn registers() {
    let kinds = [
        answered("read", &json!(null)),
        answered("read", &json!(1)),
        same("write", &json!(1)),
        same("cas", &json!([1, 2])),
        same("cas", &json!([2, 1])),
    ];
    assert_eq!(
        [1, 2, 3, 4].map(|calls| all("register", &kinds, calls)),
        [(7, 3), (80, 95), (1565, 3060), (47_333, 118_917)]
    );
}

#[test]
fn queues_and_stacks() {
    let queue = [(8, 2), (109, 66), (2321, 2304), (70_344, 95_906)];
    for (name, put, take, counts) in [
        ("queue", "enqueue", "dequeue", queue),
        ("stack", "push", "pop", [(8, 2), (109, 66), (2345, 2280), (71_730, 94_520)]),
    ] {
        let kinds = [
            same(put, &json!(1)),
            same(put, &json!(2)),
            answered(take, &json!(1)),
            answered(take, &json!(2)),
            answered(take, &json!(null)),
        ];
        assert_eq!([1, 2, 3, 4].map(|calls| all(name, &kinds, calls)), counts, "{name}");
    }
}

#[test]
fn sets() {
    let kinds = [
        same("add", &json!(1)),
        same("remove", &json!(1)),
        ("contains", json!([1, null]), json!([1, true])),
        answered("read", &json!([])),
        answered("read", &json!([1])),
    ];
    assert_eq!(
        [1, 2, 3, 4].map(|calls| all("set", &kinds, calls)),
        [(8, 2), (110, 65), (2522, 2103), (86_285, 79_965)]
    );
}

#[test]
fn locks() {
    let kinds = [answered("acquire", &json!(null)), answered("release", &json!(null))];
    assert_eq!(
        [1, 2, 3, 4, 5].map(|calls| all("mutex", &kinds, calls)),
        [(3, 1), (17, 11), (148, 148), (1877, 2379), (30_565, 47_227)]
    );
    assert_eq!(
        [1, 2, 3, 4].map(|calls| all("reentrant-mutex", &kinds, calls)),
        [(3, 1), (14, 22), (88, 496), (678, 13_962)]
    );
    let kinds =
        [answered("acquire", &json!(1)), answered("acquire", &json!(2)), answered("release", &json!(null))];
    assert_eq!(
        [1, 2, 3, 4].map(|calls| all("fenced-lock", &kinds, calls)),
        [(5, 1), (35, 46), (257, 1714), (1942, 72_173)]
    );
}
