//! Whatever bytes come: no panic, no abort, memory in proportion to what was read, errors with a
//! place; and what is read can be judged.
//!
//! `DURESS_FUZZ=1000000 cargo test -p duress-checkers --test fuzz` tries more than the usual few.

#![expect(unsafe_code, reason = "only an allocator of one's own can count what is held")]

use duress_checkers::history::{Format, HistoryError, Loaded, Nil, ReadOptions, read};
use duress_checkers::model::models;
use duress_checkers::{Budget, Keys};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Read;

/// Tries where nobody asks for more.
const TRIES: u64 = 3_000;

/// Bytes that reading may hold at once for each byte that is read: the densest JSON, an object in
/// an object, needs most of it, in a tree of 11 places for each entry.
const PER_BYTE: usize = 300;

/// Bytes that reading may hold besides.
const ROOM: usize = 1 << 20;

/// Of a thread that reads: what nests must not need more.
const STACK: usize = 2 << 20;

/// Bytes that a checker may hold.
const SEARCH: usize = 4 << 20;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

fn count(bytes: isize) {
    // A thread that ends has no counters any more, and is not asked for them.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

#[expect(clippy::cast_possible_wrap, reason = "no layout is that large")]
fn size(layout: Layout) -> isize {
    layout.size() as isize
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: likewise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a piece of work gives, and the most that was held at once meanwhile, in bytes.
fn weighed<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let done = work();
    (done, usize::try_from(MOST.get() - before).unwrap_or_default())
}

/// Random numbers, the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).expect("less than n")
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// A valid history of every format, and of every kind of value.
const SAMPLES: [&str; 9] = [
    concat!(
        r#"{"index":0,"time":4,"process":0,"type":"invoke","f":"write","value":[1,2],"node":"n1"}"#,
        "\n",
        r#"{"index":1,"time":9,"process":0,"type":"ok","f":"write","value":[1,2]}"#,
        "\n",
        r#"{"index":2,"time":9,"process":1,"type":"invoke","f":"read","value":[1,null]}"#,
        "\n",
        r#"{"index":3,"time":12,"process":1,"type":"ok","f":"read","value":[1,2]}"#,
        "\n",
        r#"{"index":4,"time":12,"process":"nemesis","type":"info","f":"kill","value":{"n1":[1.5,-3]}}"#,
        "\n",
    ),
    r#"[{"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["w","x",1]]},
{"process":0,"type":"ok","f":"txn","value":[["r","x",null],["w","x",1]]},
{"process":1,"type":"invoke","f":"txn","value":[["r","é\"\\",null]],"error":["a",{"b":1e3}]},
{"process":1,"type":"fail","f":"txn","value":[["r","é\"\\",null]]}]"#,
    r#"[{"process":0,"type":"invoke","f":"add","value":1},{"process":0,"type":"ok","f":"add","value":1},
{"process":0,"type":"invoke","f":"read","value":null},{"process":0,"type":"ok","f":"read","value":[1]}]"#,
    "; talk\n[{:process 7, :type :invoke, :f :cas, :value [2 3]}\n #_{:x 1} {:process 7, :type :fail, :f :cas, :value [2 3]}\n{:process 8 :type :invoke :f :write :value #{2 \\a \"\\u00e9\" 1/2}}]",
    "#jepsen.history.Op{:process :nemesis, :type :info, :f :start, :value {:a 1/2}, :time 12}\n{:process 0 :type :invoke :f :get :key \"0\" :value nil :index 8}\n{:process 0 :type :ok :f :get :key \"0\" :value \"ab\" :index 9}\n",
    "{:process 0 :type :invoke :f :enqueue :value 1}\n{:process 0 :type :ok :f :enqueue :value 1}\n{:process 1 :type :invoke :f :dequeue :value nil}\n{:process 1 :type :ok :f :dequeue :value 1}\n",
    "INFO  jepsen.util - 4\t:invoke\t:write\t3\nINFO  jepsen.util - 4\t:info\t:write\t:timed-out\nINFO  jepsen.core - talk\nINFO  jepsen.util - 5\t:invoke\t:read\tnil\nINFO  jepsen.util - 5\t:ok\t:read\t3\n",
    "4   :invoke :acquire    nil\n:nemesis :info :stop \"é\"\n4   :ok :acquire    nil\n4 :invoke :release nil\n4 :ok :release nil\n",
    r#"{
  "ClientId": 1,
  "Input": {"Type": "txn", "Txn": {"Conditions": [{"Key": "a", "ExpectedRevision": 0, "ExpectedVersion": 0}],
    "OperationsOnSuccess": [{"Type": "put-operation", "Put": {"Key": "a", "Value": {"Value": "1"}, "LeaseID": 0}}],
    "OperationsOnFailure": null}, "Range": null},
  "Call": 10,
  "Output": {"Txn": {"Failure": false, "Results": [{"KVs": null, "Count": 0, "Deleted": 0}]}, "Revision": 2, "member-id": "8e", "Error": ""},
  "Return": 20
}
{ "ClientId": 2, "Input": {"Type": "range", "Range": {"Start": "a", "End": "", "Limit": 0}}, "Call": 12,
  "Output": {"Range": {"KVs": [{"Key": "a", "Value": {"Value": "1"}, "ModRevision": 2, "Version": 1}], "Count": 1}, "Revision": 2}, "Return": 30 }
"#,
];

/// Bytes that mean something to one of the formats.
const TOKENS: [&[u8]; 45] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"\"",
    b"\\",
    b"#",
    b"#_",
    b"#{",
    b"##Inf",
    b"##NaN",
    b":",
    b",",
    b";",
    b"\n",
    b"\t",
    b"null",
    b"nil",
    b"-1",
    b"0",
    b"1e999",
    b"1e-999",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"1/0",
    b"0x",
    b"3N",
    b"2.5M",
    b":process",
    b":ok",
    b":info",
    b"jepsen.util - ",
    b"\\u",
    b"\\ud800",
    b"\"value\":",
    b"\"process\":0,",
    b"\"index\":0,",
    b"\"type\":\"ok\",",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\0",
];

/// What nests.
const OPENING: [&[u8]; 6] = [b"[", b"{\"a\":", b"(", b"#{", b"#_", b"#a "];

/// One change. What it makes is not meant to be valid.
fn change(dice: &mut Dice, text: &mut Vec<u8>) {
    let at = dice.below(text.len() + 1);
    let end = (at + dice.below(40)).min(text.len());
    match dice.below(12) {
        0 | 1 if at < text.len() => text[at] ^= 1 << dice.below(8),
        2 => text.truncate(at),
        3 | 4 => {
            let end = (at + dice.below(3)).min(text.len());
            text.splice(at..end, dice.of(&TOKENS).iter().copied());
        }
        5 => {
            text.drain(at..end);
        }
        6 => {
            // A name, an operation, a line once more.
            let again = text[at..end].to_vec();
            let to = dice.below(text.len() + 1);
            text.splice(to..to, again);
        }
        7 => {
            let other = dice.of(&SAMPLES).as_bytes();
            let from = dice.below(other.len());
            text.splice(at..end, other[from..].iter().copied());
        }
        8 => {
            let nested = dice.of(&OPENING).repeat(dice.below(20_000));
            text.splice(at..at, nested);
        }
        9 => {
            let long = dice.of(&[&b"9"[..], b"a", b" ", b"\xe9"]).repeat(dice.below(50_000));
            text.splice(at..at, long);
        }
        10 => {
            let again = text[at..end].repeat(dice.below(200));
            text.splice(at..at, again);
        }
        _ => {
            let number = dice.next().to_string();
            text.splice(at..end.min(at + 2), number.into_bytes());
        }
    }
}

/// Is the place that an error names one in the text?
fn is_placed(error: &HistoryError, text: &[u8]) -> bool {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    match error {
        HistoryError::Line { line, column, .. } => {
            let width = line.checked_sub(1).and_then(|line| lines.get(line)).map(|line| line.len());
            // Just after the end is where something is missing.
            *column >= 1 && width.is_some_and(|width| *column <= width + 1)
        }
        HistoryError::At { line, .. } => (1..=lines.len()).contains(line),
        HistoryError::Format { head } => !head.chars().any(char::is_control),
        other => panic!("bytes in memory give no such error: {other}"),
    }
}

/// Nobody has to be able to judge it; nobody may break down over it.
fn judge(loaded: &Loaded) {
    for entry in models() {
        for keys in [Keys::Auto, Keys::Keyed, Keys::Single] {
            let Ok(checker) = (entry.make)(None, keys) else {
                panic!("{} wants an initial value", entry.name)
            };
            let fits = checker.fits(&loaded.history);
            let verdict = checker.check(&loaded.history, &Budget::new(SEARCH, 1));
            assert!(!verdict.stats.contains_key("internal_errors"), "{}: {:?}", entry.name, verdict.stats);
            if let Err(why) = fits {
                assert_eq!(verdict.reason.as_deref(), Some(&*why), "{}", entry.name);
            }
        }
    }
}

/// Reads in one of the ways there are; all of them get their turn.
fn attempt(dice: &mut Dice, text: &[u8]) -> bool {
    let format = (dice.below(2) == 0).then(|| Format::ALL[dice.below(Format::ALL.len())]);
    let nil = if dice.below(2) == 0 { Nil::Value } else { Nil::Unknown };
    let options = ReadOptions { format, nil, repair: dice.below(2) == 0 };
    let (read, most) = weighed(|| read(text, &options));
    assert!(most <= ROOM + PER_BYTE * text.len(), "{most} bytes were held for {} read", text.len());
    match read {
        Ok(loaded) => judge(&loaded),
        Err(why) => {
            assert!(is_placed(&why, text), "{why}");
            return false;
        }
    }
    true
}

/// In a thread whose stack is bounded.
fn bounded(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn any_changes_of_any_format() {
    let tries = std::env::var("DURESS_FUZZ").ok().map_or(TRIES, |n| n.parse().expect("a number of tries"));
    bounded(move || {
        let mut readable = 0_u64;
        for seed in 1..=tries {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut text = dice.of(&SAMPLES).as_bytes().to_vec();
            for _ in 0..dice.below(4) {
                change(&mut dice, &mut text);
            }
            let shown = format!("seed {seed}: {:?}", String::from_utf8_lossy(&text[..text.len().min(2_000)]));
            let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attempt(&mut dice, &text)));
            readable += u64::from(tried.unwrap_or_else(|_| panic!("{shown}")));
        }
        // Otherwise nothing was tried but the first error.
        assert!(readable > tries / 20, "only {readable} of {tries} could be read");
    });
}

#[test]
fn the_samples_are_histories() {
    for sample in SAMPLES {
        let loaded = read(sample.as_bytes(), &ReadOptions::default()).expect(sample);
        assert!(loaded.history.calls().next().is_some() && !loaded.truncated, "{sample}");
    }
}

#[test]
fn what_nests_without_end_is_refused() {
    bounded(|| {
        for format in Format::ALL {
            for opening in OPENING {
                for head in [
                    "",
                    "{\"process\":0,\"value\":",
                    "[",
                    "{:process 0 :value ",
                    "{\"ClientId\":1,\"Input\":",
                    "0 :ok :f ",
                ] {
                    let text = [head.as_bytes(), &opening.repeat(200_000), b"\n"].concat();
                    let _ = read(&text[..], &ReadOptions::of(*format)).map(|loaded| loaded.history.len());
                }
            }
        }
    });
}

/// A stream that goes on for ever in one line.
#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    const MOST: usize = 400 << 20;
    for (head, body, format) in [
        ("{\"process\":\"", b'a', Format::JsonLines),
        ("[{\"process\":\"", b'a', Format::JsonArray),
        ("{:process \"", b'a', Format::Edn),
        ("0 :invoke :write ", b'1', Format::JepsenLog),
        ("{\"ClientId\":", b'1', Format::EtcdReport),
    ] {
        for format in [Some(format), None] {
            let endless = head.as_bytes().chain(std::io::repeat(body));
            let (read, most) = weighed(|| read(endless, &ReadOptions { format, ..ReadOptions::default() }));
            let why = read.expect_err("no end").to_string();
            assert!(why.contains("longer than 64 MiB") && why.starts_with("line 1 "), "{head}: {why}");
            assert!(most < MOST, "{head}: {most} bytes were held");
        }
    }
}
