//! `trace.json`: the run as trace events, for ui.perfetto.dev or Chrome's `about:tracing`. Tracks
//! for clients, faults, nodes and phases; findings as marks; rates as counters.
//!
//! Written as it is made, an event a line. Times are microseconds since the start of the run.

use crate::artifact::{NodeSeen, NodeState, Run};
use crate::conclusion::{Conclusion, Placed};
use crate::measure::Calls;
use crate::words::{self, SECOND, count};
use duress_checkers::{Call, Kind, Process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Operations shown: what viewers open without effort. `history.jsonl` has all of them.
const MAX_OPERATIONS: usize = 100_000;
/// Faults, changes of nodes, findings: of each so many.
const MAX_OTHERS: usize = 10_000;
/// Points of a counter.
const MAX_POINTS: u64 = 2_000;
/// Longest value of an operation, in characters.
const MAX_VALUE: usize = 200;

/// Groups of tracks, in the order in which they are shown.
#[derive(Clone, Copy)]
enum Group {
    Run = 1,
    Faults,
    Nodes,
    Clients,
}

/// Writes the file.
///
/// # Errors
/// Those of `out`.
pub(crate) fn write(out: &mut impl Write, run: &Run, c: &Conclusion, calls: &Calls) -> io::Result<()> {
    let shown = window(run, c, calls);
    let total = calls.rows.len();
    let cut = (shown.len() < total).then(|| {
        format!(
            "operations {} to {} of {}: history.jsonl has all of them",
            count(shown.start as u64 + 1),
            count(shown.end as u64),
            count(total as u64)
        )
    });
    let about = json!({
        "run": words::presentable(&run.info.id),
        "name": words::presentable(&run.info.name),
        "seed": run.info.seed.to_string(),
        "duress": words::presentable(&run.info.duress),
        "shown": cut.as_deref().unwrap_or("all operations"),
    });
    write!(out, "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[")?;
    let mut trace = Trace { out, begun: false, end: c.evidence.duration_ns };
    trace.run(run, c, cut.as_deref())?;
    trace.faults(c)?;
    trace.nodes(&run.nodes)?;
    trace.clients(run, shown, cut.as_deref())?;
    trace.rates(calls)?;
    trace.out.write_all(b"\n]}\n")
}

/// Which operations are shown, by the order of their invocations: all, or those around the first
/// finding, or the first ones.
fn window(run: &Run, c: &Conclusion, calls: &Calls) -> std::ops::Range<usize> {
    let centre = c.findings.first().map_or(0, |finding: &Placed| {
        run.history.calls().take_while(|call| call.invoke.time <= finding.time).count()
    });
    around(centre, calls.rows.len())
}

fn around(centre: usize, total: usize) -> std::ops::Range<usize> {
    let from = centre.saturating_sub(MAX_OPERATIONS / 2).min(total.saturating_sub(MAX_OPERATIONS));
    from..(from + MAX_OPERATIONS).min(total)
}

struct Trace<'a, W> {
    out: &'a mut W,
    begun: bool,
    /// Of the run; nanoseconds.
    end: u64,
}

impl<W: Write> Trace<'_, W> {
    fn event(&mut self, event: &Value) -> io::Result<()> {
        self.out.write_all(if self.begun { b",\n" } else { b"\n" })?;
        self.begun = true;
        serde_json::to_writer(&mut *self.out, event).map_err(io::Error::from)
    }

    fn group(&mut self, group: Group, name: &str) -> io::Result<()> {
        let pid = group as u32;
        self.event(&json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}))?;
        self.event(&json!({"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}))
    }

    fn track(&mut self, group: Group, tid: usize, name: &str) -> io::Result<()> {
        let pid = group as u32;
        self.event(
            &json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}),
        )?;
        self.event(
            &json!({"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}}),
        )
    }

    /// Something that lasted; to the end of the run where nobody saw it end.
    fn slice(
        &mut self,
        (group, tid): (Group, usize),
        (from, to): (u64, Option<u64>),
        (name, category): (&str, &str),
        args: &Value,
    ) -> io::Result<()> {
        let to = to.unwrap_or(self.end).max(from);
        self.event(&json!({
            "ph": "X", "name": name, "cat": category, "pid": group as u32, "tid": tid,
            "ts": us(from), "dur": us(to - from), "args": args,
        }))
    }

    /// Phases, findings, and what is not shown.
    fn run(&mut self, run: &Run, c: &Conclusion, cut: Option<&str>) -> io::Result<()> {
        self.group(Group::Run, "run")?;
        self.track(Group::Run, 1, "phases")?;
        for phase in run.info.phases.iter().take(MAX_OTHERS) {
            let name = words::presentable(&phase.name);
            self.slice((Group::Run, 1), (phase.start, phase.end), (&name, "phase"), &json!({}))?;
        }
        let notice = cut.map(|cut| (0, cut.to_owned(), json!({})));
        let findings = c.findings.iter().take(MAX_OTHERS).map(|f| {
            let args = json!({ "number": f.number, "checker": f.checker, "fault": f.relation });
            (f.time, f.title.clone(), args)
        });
        for (time, name, args) in notice.into_iter().chain(findings) {
            let (name, args) = (words::presentable(&name), words::presentable(&args));
            self.event(&json!({
                "ph": "i", "s": "g", "name": name, "cat": "finding", "pid": Group::Run as u32, "tid": 1,
                "ts": us(time), "args": args,
            }))?;
        }
        Ok(())
    }

    fn faults(&mut self, c: &Conclusion) -> io::Result<()> {
        if c.faults.is_empty() {
            return Ok(());
        }
        self.group(Group::Faults, "faults")?;
        for (tid, fault) in (1..).zip(c.faults.iter().take(MAX_OTHERS)) {
            let w = &words::presentable(&fault.window);
            self.track(Group::Faults, tid, &format!("F{}", w.id))?;
            let args = json!({
                "kind": w.kind, "nodes": w.nodes, "probes": w.evidence, "state": fault.state.words(),
            });
            let end = w.healed.or(w.heal).or(w.skipped.then_some(w.start));
            self.slice((Group::Faults, tid), (w.start, end), (&w.name(), "fault"), &args)?;
            if let Some(from) = w.in_effect {
                self.slice((Group::Faults, tid), (from, w.heal.or(end)), ("in effect", "fault"), &json!({}))?;
            }
        }
        Ok(())
    }

    /// Each state until the next one of that node.
    fn nodes(&mut self, seen: &[NodeSeen]) -> io::Result<()> {
        let mut of: BTreeMap<&str, Vec<&NodeSeen>> = BTreeMap::new();
        for node in seen.iter().take(MAX_OTHERS) {
            of.entry(&node.node).or_default().push(node);
        }
        if !of.is_empty() {
            self.group(Group::Nodes, "nodes")?;
        }
        for (tid, (name, states)) in (1..).zip(of) {
            self.track(Group::Nodes, tid, &words::presentable(&name.to_owned()))?;
            for (at, state) in states.iter().enumerate() {
                let to = states.get(at + 1).map(|next| next.at);
                let args = json!({ "leads": state.leads, "term": state.term });
                self.slice((Group::Nodes, tid), (state.at, to), (&told(state), "node"), &args)?;
            }
        }
        Ok(())
    }

    fn clients(&mut self, run: &Run, shown: std::ops::Range<usize>, cut: Option<&str>) -> io::Result<()> {
        if shown.is_empty() {
            return Ok(());
        }
        let name = cut.map_or_else(|| "clients".to_owned(), |cut| format!("clients ({cut})"));
        self.group(Group::Clients, &name)?;
        let mut lanes = Lanes::default();
        for (at, call) in run.history.calls().enumerate().take(shown.end) {
            let (lane, new) = lanes.of(&call);
            if new {
                self.track(Group::Clients, lane, &format!("client {lane}"))?;
            }
            if shown.contains(&at) {
                self.operation(lane, &call)?;
            }
        }
        Ok(())
    }

    fn operation(&mut self, lane: usize, call: &Call<'_>) -> io::Result<()> {
        let (op, end) = (call.invoke, call.completion);
        let value = |value: &Value| words::visible(&value.to_string(), MAX_VALUE);
        let mut args = json!({ "index": op.index, "process": op.process, "value": value(&op.value) });
        if let Some(end) = end.filter(|end| end.kind == Kind::Ok && end.value != op.value) {
            args["result"] = json!(value(&end.value));
        }
        if let Some(error) = end.and_then(|end| end.error.as_deref()) {
            args["error"] = json!(words::visible(error, MAX_VALUE));
        }
        if let Some(node) = end.and_then(|end| end.node.as_deref()).or(op.node.as_deref()) {
            args["node"] = json!(words::visible(node, MAX_VALUE));
        }
        let f = words::visible(&op.f, MAX_VALUE);
        // Viewers tell slices apart by their names.
        let (name, kind) = match call.kind() {
            Kind::Ok => (f, "ok"),
            Kind::Fail => (format!("{f}: fail"), "fail"),
            Kind::Info | Kind::Invoke => (format!("{f}: info"), "info"),
        };
        self.slice((Group::Clients, lane), (op.time, end.map(|end| end.time)), (&name, kind), &args)
    }

    fn rates(&mut self, calls: &Calls) -> io::Result<()> {
        if calls.rows.is_empty() {
            return Ok(());
        }
        let step = SECOND.max(calls.end.div_ceil(MAX_POINTS));
        let points = usize::try_from(calls.end / step).unwrap_or(0) + 1;
        let mut rates = vec![[0_u64; 3]; points];
        for row in &calls.rows {
            let at = usize::try_from(row.completed.unwrap_or(row.invoked) / step).unwrap_or(points - 1);
            rates[at.min(points - 1)][match row.kind {
                Kind::Ok => 0,
                Kind::Fail => 1,
                Kind::Info | Kind::Invoke => 2,
            }] += 1;
        }
        let per_second = |n: u64| n as f64 * SECOND as f64 / step as f64;
        for (at, bin) in (0..).zip(rates) {
            for (name, n) in ["ok per second", "fail per second", "info per second"].into_iter().zip(bin) {
                self.event(&json!({
                    "ph": "C", "name": name, "pid": Group::Run as u32, "ts": us(at * step),
                    "args": { "operations": per_second(n) },
                }))?;
            }
        }
        Ok(())
    }
}

/// One track per client thread: a process that ended in doubt is followed by a new one in its
/// place.
#[derive(Default)]
struct Lanes {
    /// By process.
    of: BTreeMap<Process, usize>,
    /// Since when each of them is free; `None` while it is not.
    free: Vec<Option<u64>>,
}

impl Lanes {
    /// Counted from 1, and whether it is new. Calls come in the order of their invocations.
    fn of(&mut self, call: &Call<'_>) -> (usize, bool) {
        let (process, now) = (call.invoke.process, call.invoke.time);
        let known = self.of.get(&process).copied();
        let mut new = false;
        let lane = known.unwrap_or_else(|| {
            let free = self.free.iter().position(|since| since.is_some_and(|since| since <= now));
            new = free.is_none();
            free.unwrap_or_else(|| {
                self.free.push(None);
                self.free.len() - 1
            })
        });
        self.free[lane] = call.completion.filter(|end| end.kind == Kind::Info).map(|end| end.time);
        match self.free[lane] {
            Some(_) => _ = self.of.remove(&process),
            None => _ = self.of.insert(process, lane),
        }
        (lane + 1, new)
    }
}

fn told(node: &NodeSeen) -> String {
    let state = match node.state {
        NodeState::Answers if node.leads == Some(true) => "leads",
        NodeState::Answers => "answers",
        NodeState::Silent => "silent",
        NodeState::Paused => "paused",
        NodeState::Down => "down",
    };
    node.term.map_or_else(|| state.to_owned(), |term| format!("{state}, term {term}"))
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_lies_around_the_first_finding() {
        let most = MAX_OPERATIONS;
        assert_eq!(around(0, 7), 0..7);
        assert_eq!(around(7, 7), 0..7);
        assert_eq!(around(0, most + 5), 0..most);
        assert_eq!(around(most, 3 * most), most / 2..most / 2 + most);
        assert_eq!(around(3 * most, 3 * most), 2 * most..3 * most);
    }
}
