//! What a run shows on a terminal, and what it tells programs.

use super::common::Bench;
use nix::pty::{Winsize, openpty};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::process::Stdio;

const COLUMNS: usize = 110;
const ROWS: u16 = 40;

/// What a terminal would show, scrollback included, and how far it came.
#[derive(Default)]
struct Terminal {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Terminal {
    /// Takes in all that was written. Fails on anything that is none of the few things a view may do:
    /// what hides a cursor or changes a mode would have to be put right by somebody.
    fn show(text: &str) -> Self {
        let mut terminal = Self { lines: vec![Vec::new()], ..Self::default() };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\x1b' => rest = terminal.act(rest),
                '\r' => terminal.column = 0,
                '\n' => terminal.down(),
                c if c.is_control() => panic!("{c:?} is written"),
                c => terminal.put(c),
            }
        }
        terminal
    }

    fn act<'a>(&mut self, rest: &'a str) -> &'a str {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("a sequence ends");
        let number = rest[..end].strip_prefix('[').expect("a control sequence");
        match &rest[end..=end] {
            "A" => self.row = self.row.saturating_sub(number.parse().expect("a number")),
            "K" => self.lines[self.row].truncate(self.column),
            "J" => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            "m" => {}
            other => panic!("{number}{other} is written"),
        }
        &rest[end + 1..]
    }

    fn down(&mut self) {
        self.row += 1;
        self.lines.resize(self.lines.len().max(self.row + 1), Vec::new());
    }

    fn put(&mut self, c: char) {
        if self.column == COLUMNS {
            self.column = 0;
            self.down();
        }
        let (line, column) = (&mut self.lines[self.row], self.column);
        line.resize(line.len().max(column + 1), ' ');
        line[column] = c;
        self.column += 1;
    }

    fn text(&self) -> String {
        self.lines.iter().map(|line| line.iter().collect::<String>() + "\n").collect()
    }
}

/// Runs a command on a terminal of its own; all that was written there.
fn on_terminal(bench: &Bench, args: &[&str]) -> String {
    let columns = u16::try_from(COLUMNS).expect("few");
    let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).expect("a terminal");
    let mut command = bench.command(args);
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    command.stdout(Stdio::from(pty.slave.try_clone().expect("a handle"))).stderr(Stdio::from(pty.slave));
    let mut child = command.spawn().expect("duress starts");
    // It holds the terminal open, and there would be no end to read.
    drop(command);
    let mut written = Vec::new();
    // The end of a terminal is an error.
    let _ = File::from(pty.master).read_to_end(&mut written);
    child.wait().expect("it ends");
    String::from_utf8(written).expect("UTF-8")
}

#[test]
fn the_live_view_leaves_the_terminal_as_it_found_it() {
    let bench = Bench::new();
    let fixed = ["--faults", "pause", "--interval", "500ms", "--seed", "1", "--dir", "run"];
    let args = [&["run", "sim", "--set", "bug=none", "--time", "3s"], &fixed[..]].concat();
    let written = on_terminal(&bench, &args);
    // It was painted, on lines of its own: nodes, rates, faults.
    for shown in ["in flight", "LEADER", "latency", " / 0:03", "checking"] {
        assert!(written.contains(shown), "{shown:?} is missing in {written:?}");
    }
    let text = Terminal::show(&written).text();
    for stays in ["running for 3s", "fault F1 pause", "in effect after", "final reads"] {
        assert!(text.contains(stays), "{stays:?} is missing in\n{text}");
    }
    for gone in ["in flight", "latency", " / 0:03"] {
        assert!(!text.contains(gone), "{gone:?} is still there in\n{text}");
    }
    let last = text.trim_end().lines().last().expect("lines");
    assert!(last.starts_with("  recheck  duress check "), "{text}");
    let verdicts = text.lines().filter(|line| line.contains("sim-register-pause  "));
    assert_eq!(verdicts.count(), 1, "{text}");
}

#[test]
fn programs_are_told_in_lines_of_json() {
    let bench = Bench::new();
    let fixed = ["--faults", "pause", "--interval", "500ms", "--seed", "1", "--dir", "run\u{1b}[31m\u{202e}"];
    let args = [&["run", "sim", "--time", "3s", "--progress", "json"], &fixed[..]].concat();
    let run = bench.duress(&args);
    let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!run.stderr.contains(acts) && !run.stdout.contains(acts), "{}{}", run.stderr, run.stdout);
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{line}: {e}"));
    let lines: Vec<Value> = run.stderr.lines().map(parse).collect();
    assert!(lines.iter().all(|line| line["v"] == 1), "{}", run.stderr);
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!((&lines[0]["event"], &lines[0]["t"]), (&"run".into(), &Value::Null));
    assert_eq!(lines[0]["nodes"].as_array().map(Vec::len), Some(5));
    let phases: Vec<&Value> = of("phase").iter().map(|line| &line["phase"]).collect();
    assert_eq!(phases, ["setup", "main", "heal", "final", "check"]);
    // One that a busy machine has no time for is skipped.
    let faults = of("fault");
    let bit = faults.iter().find(|line| line["state"] == "bit").expect("a fault that bit");
    let states: Vec<&str> = faults
        .iter()
        .filter(|line| line["id"] == bit["id"])
        .filter_map(|line| line["state"].as_str())
        .collect();
    assert_eq!(states, ["applying", "bit", "healing", "healed"]);
    assert!(of("node").iter().any(|line| line["leads"] == true), "{}", run.stderr);
    assert!(of("ops").iter().any(|line| line["ok"].as_u64() > Some(0)), "{}", run.stderr);
    let times: Vec<f64> = lines.iter().filter_map(|line| line["t"].as_f64()).collect();
    assert!(times.is_sorted(), "{}", run.stderr);
    let end = lines.last().expect("lines");
    assert_eq!(end["event"], "end");
    assert_eq!(end["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok()), run.code);
}

#[test]
fn names_of_files_send_no_escapes() {
    let bench = Bench::new();
    let hostile = "no\u{1b}]0;such\u{7}\u{9b}2J\u{202e}file";
    for args in [
        &["check", hostile][..],
        &["report", hostile],
        &["check", hostile, "--progress", "json"],
        &["run", hostile, "--progress", "json"],
    ] {
        let run = bench.duress(args).expect(254);
        let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!run.stderr.contains(acts), "{args:?}: {:?}", run.stderr);
        assert!(run.stderr.contains("\\u{1b}]0;such"), "{args:?}: {:?}", run.stderr);
        if args.contains(&"json") {
            let line: Value = serde_json::from_str(&run.stderr).expect("JSON");
            assert_eq!(line["event"], "error", "{line}");
        }
    }
}
