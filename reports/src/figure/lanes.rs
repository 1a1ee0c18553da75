//! The lanes above the plots: which fault was in effect when, and which node answered.

use super::text_width;
use crate::artifact::FaultWindow;
use crate::conclusion::{Conclusion, FaultEffect, FaultState};
use crate::measure::Calls;
use crate::palette::{BAD, BAD_INK, BAND, INK, INK2, INK3, LINE2, OK, ON_BAD};
use crate::plots::{LEFT, RIGHT, WIDTH};
use crate::words;
use maud::{Markup, html};

const FAULT_ROW: i64 = 22;
const NODE_ROW: i64 = 16;
const FLAGS: i64 = 22;
/// Between the numbers of two findings.
const FLAG_APART: i64 = 18;
/// Cells of a node's lane: about seven pixels each.
const CELLS: usize = 154;
/// Lanes per kind of fault; what overlaps more is drawn on the last one.
const MAX_LANES: usize = 4;

/// The figure, on the time axis `axis` of the plots.
pub(crate) fn lanes(conclusion: &Conclusion, calls: &Calls, axis: (u64, u64)) -> Markup {
    let lanes = stack(&conclusion.faults, axis);
    let faults_height = FAULT_ROW * lanes.len() as i64;
    let top = if conclusion.findings.is_empty() { 2 } else { FLAGS };
    let nodes_top = top + faults_height + if lanes.is_empty() { 0 } else { 8 };
    let height = nodes_top + NODE_ROW * calls.nodes.len() as i64 + 4;
    let (left, width) = (i64::from(LEFT), i64::from(WIDTH));
    let scale = Scale(axis);
    html! {
        svg.lanes width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) fill="none" stroke="none"
            font-family="system-ui,sans-serif" font-size="11.5" role="img"
            aria-label="faults in effect, answers of each node, findings" {
            @for (at, lane) in lanes.iter().enumerate() {
                @let y = top + FAULT_ROW * at as i64;
                @if let Some(kind) = lane.kind {
                    text x=(left - 12) y=(y + 14) text-anchor="end" fill=(INK.paint) font-weight="600" {
                        (words::short(&lane_name(kind), LANE_NAME))
                    }
                }
                line x1=(left) y1=(y + FAULT_ROW - 2) x2=(width - i64::from(RIGHT)) y2=(y + FAULT_ROW - 2) stroke=(LINE2.paint) {}
                @for (at, fault) in lane.faults.iter().enumerate() {
                    (bar(fault, lane.faults.get(at + 1).copied(), &scale, y))
                }
            }
            @for (at, node) in calls.nodes.iter().enumerate() {
                (strip(at, node, calls, conclusion, &scale, nodes_top + NODE_ROW * at as i64))
            }
            (flags(conclusion, &scale, height))
        }
    }
}

/// Letters of a bold name that fit beside a lane.
const LANE_NAME: usize = 10;

/// A kind, as far as there is room for it and it cannot be mistaken.
fn lane_name(kind: &str) -> String {
    const GROUPS: [&str; 6] = ["packet-", "clock-", "disk-", "member-", "leader-", "cpu-"];
    let plain = GROUPS.into_iter().find_map(|group| kind.strip_prefix(group));
    // Packets and disks can both be corrupt.
    let plain = plain.filter(|_| kind != "disk-corrupt");
    plain.unwrap_or(kind).replace("monotonic-", "mono-").replace("partition-", "cut-")
}

struct Scale((u64, u64));

impl Scale {
    fn x(&self, ns: u64) -> i64 {
        let (from, to) = self.0;
        let pixels = u128::from(WIDTH - LEFT - RIGHT);
        let along = u128::from(ns.clamp(from, to) - from) * pixels / u128::from((to - from).max(1));
        i64::from(LEFT) + along as i64
    }
}

struct Lane<'a> {
    /// On the first lane of a kind.
    kind: Option<&'a str>,
    faults: Vec<&'a FaultEffect>,
}

/// Faults by kind, those that overlap side by side.
fn stack(faults: &[FaultEffect], axis: (u64, u64)) -> Vec<Lane<'_>> {
    let mut kinds: Vec<&str> = Vec::new();
    for fault in faults {
        if !kinds.contains(&fault.window.kind.as_str()) {
            kinds.push(&fault.window.kind);
        }
    }
    let mut lanes = Vec::new();
    for kind in kinds {
        let mut of_kind: Vec<Lane<'_>> = vec![Lane { kind: Some(kind), faults: Vec::new() }];
        for fault in faults.iter().filter(|f| f.window.kind == kind) {
            let free = |lane: &Lane<'_>| {
                lane.faults.last().is_none_or(|last| end(&last.window, axis) <= fault.window.start)
            };
            match of_kind.iter().position(free) {
                Some(at) => of_kind[at].faults.push(fault),
                None if of_kind.len() < MAX_LANES => of_kind.push(Lane { kind: None, faults: vec![fault] }),
                None => of_kind[MAX_LANES - 1].faults.push(fault),
            }
        }
        lanes.extend(of_kind);
    }
    lanes
}

fn end(window: &FaultWindow, axis: (u64, u64)) -> u64 {
    window.heal.or(window.healed).unwrap_or(axis.1).max(window.start)
}

/// Filled while in effect, hollow when it never was.
fn bar(fault: &FaultEffect, next: Option<&FaultEffect>, scale: &Scale, y: i64) -> Markup {
    let window = &fault.window;
    let (from, to) = (scale.x(window.start), scale.x(end(window, scale.0)).max(scale.x(window.start) + 3));
    let room = next.map_or(i64::from(WIDTH - RIGHT), |n| scale.x(n.window.start)) - from - 8;
    let what = window.description.strip_prefix(&window.kind).unwrap_or(&window.description).trim();
    let long = format!("F{} {what}", window.id);
    let label = [long.as_str(), long.split(' ').next().unwrap_or_default()]
        .into_iter()
        .find(|l| text_width(l) <= room)
        .unwrap_or_default();
    html! {
        g {
            title { (window.name()) ", " (fault.state.words()) ", from " (words::at(window.start)) }
            @if fault.state == FaultState::Bit {
                rect x=(from) y=(y + 1) width=(to - from) height=(FAULT_ROW - 5) fill=(BAND.paint) opacity="0.34" {}
                rect x=(from) y=(y + 1) width="2" height=(FAULT_ROW - 5) fill=(BAND.paint) {}
            } @else {
                rect x=(from) y=(y + 1) width=(to - from) height=(FAULT_ROW - 5) stroke=(INK3.paint) stroke-dasharray="3 2" {}
            }
            text x=(from + 6) y=(y + 14) fill=(INK.paint) { (label) }
        }
    }
}

/// Answers of one node over time: the darker, the more; outlined while a fault disrupts it.
fn strip(at: usize, node: &str, calls: &Calls, conclusion: &Conclusion, scale: &Scale, y: i64) -> Markup {
    let (left, right) = (i64::from(LEFT), i64::from(WIDTH - RIGHT));
    let mut cells = [0_u32; CELLS];
    let length = u128::from((scale.0.1 - scale.0.0).max(1));
    for row in calls.rows.iter().filter(|r| r.node.is_some_and(|n| n as usize == at)) {
        let Some(t) = row.answered() else { continue };
        let cell = u128::from(t.saturating_sub(scale.0.0)) * CELLS as u128 / length;
        cells[usize::try_from(cell).unwrap_or(usize::MAX).min(CELLS - 1)] += 1;
    }
    let mut busy: Vec<u32> = cells.iter().copied().filter(|n| *n > 0).collect();
    busy.sort_unstable();
    // Four shades up to the usual rate: more would be noise.
    let usual = busy.get(busy.len() / 2).copied().unwrap_or(1).max(1);
    let shade = |n: u32| if n == 0 { 0 } else { (n * 4).div_ceil(usual).min(4) };
    let mut runs: Vec<(usize, usize, u32)> = Vec::new();
    for (cell, n) in cells.iter().enumerate() {
        match runs.last_mut() {
            Some(last) if last.2 == shade(*n) => last.1 = cell + 1,
            _ => runs.push((cell, cell + 1, shade(*n))),
        }
    }
    let x = |cell: usize| left + (right - left) * cell as i64 / CELLS as i64;
    let hit = conclusion.faults.iter().filter(|f| f.window.nodes.iter().any(|n| n == node));
    html! {
        text x=(left - 12) y=(y + 11) text-anchor="end" fill=(INK2.paint) { (words::short(node, 11)) }
        rect x=(left) y=(y) width=(right - left) height=(NODE_ROW - 2) fill=(LINE2.paint) {}
        @for (from, to, shade) in runs.into_iter().filter(|r| r.2 > 0) {
            rect x=(x(from)) y=(y) width=(x(to) - x(from)) height=(NODE_ROW - 2) fill=(OK.paint) opacity=(OPACITY[shade as usize]) {}
        }
        @for window in hit.filter(|f| f.state == FaultState::Bit).map(|f| &f.window) {
            @let from = scale.x(window.in_effect.unwrap_or(window.start));
            rect x=(from) y=(y) width=((scale.x(end(window, scale.0)) - from).max(2)) height=(NODE_ROW - 2)
                stroke=(INK3.paint) stroke-width="1" {}
        }
    }
}

const OPACITY: [&str; 5] = ["0", "0.3", "0.5", "0.7", "0.9"];

/// Findings: a line through everything, and its number on top.
fn flags(conclusion: &Conclusion, scale: &Scale, height: i64) -> Markup {
    let lines: Vec<i64> = conclusion.findings.iter().map(|f| scale.x(f.time)).collect();
    // Where they crowd, the first one's number stands for all.
    let mut numbered: Vec<(i64, u64)> = Vec::new();
    for (x, finding) in lines.iter().zip(&conclusion.findings) {
        if numbered.iter().all(|(other, _)| (x - other).abs() >= FLAG_APART) {
            numbered.push((*x, finding.number));
        }
    }
    html! {
        @for x in &lines { line x1=(x) y1=(FLAGS - 4) x2=(x) y2=(height) stroke=(BAD.paint) {} }
        @for (x, number) in numbered {
            circle cx=(x) cy="10" r="8" fill=(BAD.paint) {}
            text x=(x) y="14" text-anchor="middle" font-weight="650" font-size="11" fill=(ON_BAD.paint) { (number) }
        }
        @if !lines.is_empty() {
            text x=(i64::from(LEFT) - 12) y="14" text-anchor="end" fill=(BAD_INK.paint) { "findings" }
        }
    }
}
