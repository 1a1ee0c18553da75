'use strict';
// The timeline, drawn from packed columns. It only adds to the page: without it the figures and
// tables say the same. Text goes through textContent and fillText alone; nothing is fetched.
(async () => {
const $ = (s, r = document) => r.querySelector(s), $$ = s => [...document.querySelectorAll(s)];
const root = document.documentElement, {min, max, abs, floor, ceil, round, log, log10, log1p, sin, cos, atan2, PI} = Math;
const on = (target, event, act, options) => target.addEventListener(event, act, options), area = e => e.getBoundingClientRect(), make = (tag, text = '', name = '') => { const e = document.createElement(tag); e.textContent = text; e.className = name; return e; };
// In memory only: a file has no storage of its own.
const themes = ['auto', 'dark', 'light'], button = $('#theme');
let redraw = () => {};
if (button) {
  button.hidden = false;
  button.onclick = () => {
    const next = themes[(themes.indexOf(root.dataset.theme || 'auto') + 1) % 3];
    if (next === 'auto') delete root.dataset.theme; else root.dataset.theme = next;
    button.textContent = 'theme: ' + next;
    redraw();
  };
  matchMedia('(prefers-color-scheme:dark)').addEventListener('change', () => redraw());
}
if (!$('#timeline-data')) return;
const M = JSON.parse($('#timeline-data').textContent), P = M.pack, END = M.end;
const struck = M.faults.filter(f => 'bit' in f);
const OUTCOME = ['ok', 'fail', 'info', 'fail'], MEANS = ['', 'did not happen', 'may have happened', 'as it may'];
const LAST = 255, ROWS = P.rows.length, NODES = M.nodes.length, CLASSES = P.classes.length;
const SHOWN = 200, NEAR = 6000, BARS = 4000;
let n = 0, start, lat, kind, row, exact = new Map(), shows = [], G = null, longest = 0;
const TOOK = Float64Array.from({length: 256}, (_, q) => q === LAST ? Infinity : P.base_ns * P.ratio ** q / 1e9);
const done = i => min(END, start[i] + TOOK[lat[i]]);
async function unpack() {
  const text = $('#ops').textContent;
  const raw = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const inflated = new Blob([raw]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const b = new Uint8Array(await new Response(inflated).arrayBuffer());
  let o = 0;
  const varint = () => { let v = 0, k = 1, x; do { x = b[o++]; v += (x & 127) * k; k *= 128; } while (x & 128); return v; };
  n = P.n;
  start = new Float64Array(n);
  for (let i = 0, t = 0; i < n; i++) { t += varint(); start[i] = t * P.tick / 1e9; }
  lat = b.subarray(o, o += n);
  const plane = many => {
    const low = b.subarray(o, o += n);
    if (many <= 256) return low;
    const wide = Uint16Array.from(low);
    for (let i = 0; i < n; i++) wide[i] |= b[o + i] << 8;
    o += n;
    return wide;
  };
  kind = plane(P.kinds.length);
  row = plane(ROWS);
  shows = Array.from({length: ROWS}, () => []);
  for (let left = varint(), at = 0; left > 0; left--) { at += varint(); shows[row[at]].push([at, varint()]); }
  if (P.grid) {
    const C = P.grid.columns, counts = k => Uint32Array.from({length: k * C}, varint);
    G = {C, dc: END / C, done: counts(3), bins: counts(2 * P.grid.bins), errors: counts(CLASSES), worst: b.subarray(o, o += ROWS * C)};
  }
  const e = JSON.parse(new TextDecoder().decode(b.subarray(o)));
  for (let i = 0, at = 0, t = 0; i < e.at.length; i++) exact.set(at += e.at[i], {invoked: (t += e.invoked[i]) / 1e6, took: e.took[i] / 1e6, key: e.key[i], value: e.value[i]});
  for (let i = 0; i < n; i++) longest = max(longest, done(i) - start[i]);
}
try { await unpack(); } catch (e) {
  $('#timeline-trouble').textContent = 'No interactive timeline: ' + e.message;
  $('#timeline-trouble').hidden = false;
  return;
}
const first = (t, get = i => start[i], b = n) => { let a = 0; while (a < b) { const m = (a + b) >> 1; if (get(m) < t) a = m + 1; else b = m; } return a; };
const processOf = i => { const s = shows[row[i]]; return s[first(i + 1, m => s[m][0], s.length) - 1][1]; };
const K = i => P.kinds[kind[i]], text = e => (e.key && e.key + ': ') + e.value, outcome = i => K(i)[1], nameOf = r => M.nodes[P.rows[r]] || '', nodeOf = i => nameOf(row[i]);
const shade = i => { const o = outcome(i); return o === 3 ? 0 : o; };
const number = (v, d = 0) => v.toLocaleString('en-US', {maximumFractionDigits: d});
const span = s => s >= 1 ? number(s, 2) + ' s' : s >= .01 ? number(s * 1e3) + ' ms' : s >= .0001 ? number(s * 1e3, 1) + ' ms' : number(s * 1e6) + ' µs';
const places = () => { const s = reach(); return s < 2 ? 4 : s < 20 ? 3 : s < 200 ? 2 : 1; };
const seconds = t => t.toFixed(places()) + ' s';
let view = [0, END], cursor = null, A = null, C = {};
const reach = () => view[1] - view[0], step = least => { for (let k = 1e-6; k < 1e6; k *= 10) for (const m of [1, 2, 5]) if (k * m >= least) return k * m; return 1e6; };
const NB = 96, [Q0, Q1] = P.steps[1] > P.steps[0] ? P.steps : [P.steps[0], P.steps[0] + 1];
const binOf = Uint8Array.from({length: 256}, (_, q) => floor((min(Q1, max(Q0, q)) - Q0) * (NB - 1) / (Q1 - Q0)));
function aggregate(w) {
  const [a, b] = view, whole = !G || P.windows.some(w => w[0] / 1e9 <= a && b <= w[1] / 1e9), f = whole ? columns(w) : grid();
  // Wide enough to see, with enough in them to mean something.
  f.group = max(1, ceil(3 / w * (b - a) / f.dc));
  while (f.group < f.W && f.answers / (f.W / f.group) < 6) f.group *= 2;
  f.ranked = max(1, ceil(7 / w * (b - a) / f.dc));
  while (f.ranked < f.W / 4 && f.answers / (f.W / f.ranked) < 14) f.ranked *= 2;
  return f;
}
const blank = (W, bins, t0, dc) => ({W, bins, t0, dc, n: 0, answers: 0, ok: new Uint32Array(W * bins), bad: new Uint8Array(W * bins), done: [0, 1, 2].map(() => new Uint32Array(W)), errors: Array.from({length: CLASSES}, () => new Uint32Array(W)), worst: new Uint8Array(ROWS * W)});
function columns(W) {
  const [a, b] = view, dc = (b - a) / W, f = blank(W, NB, a, dc), k = 1 / dc;
  f.from = first(a); f.to = first(b + dc * 1e-6); f.n = f.to - f.from; f.early = first(a - longest);
  const count = i => {
    const t = start[i], o = shade(i), end = done(i), c0 = (t - a) * k | 0, c1 = min(W - 1, (end - a) * k | 0);
    if (t >= a && t <= b) {
      const c = min(W - 1, c0), at = c * NB + binOf[lat[i] === LAST ? stepOf(end - t) : lat[i]];
      if (o) f.bad[at] = max(f.bad[at], o); else { f.ok[at]++; f.answers++; }
      if (outcome(i)) f.errors[K(i)[2]][c]++;
    }
    if (end >= a && end <= b && lat[i] !== LAST) f.done[o][c1]++;
    if (end < a || t > b) return;
    const r = row[i] * W;
    for (let c = t < a ? 0 : min(W - 1, c0); c <= c1; c++) if (f.worst[r + c] <= o) f.worst[r + c] = o + 1;
  };
  for (let i = f.early; i < f.to; i++) count(i);
  return f;
}
const stepOf = s => max(0, min(254, round(log(max(1, s * 1e9 / P.base_ns)) / log(P.ratio))));
function grid() {
  const B = P.grid.bins, c0 = max(0, floor(view[0] / G.dc)), c1 = min(G.C, ceil(view[1] / G.dc)), W = max(1, c1 - c0);
  const f = blank(W, B, c0 * G.dc, G.dc);
  f.coarse = true;
  for (let c = 0; c < W; c++) {
    for (let o = 0; o < 3; o++) f.done[o][c] = G.done[o * G.C + c0 + c];
    for (let k = 0; k < B; k++) {
      const yes = G.bins[k * G.C + c0 + c], no = G.bins[(B + k) * G.C + c0 + c];
      f.ok[c * B + k] = yes; f.answers += yes; f.n += yes + no;
      if (no) f.bad[c * B + k] = 1;
    }
    for (let e = 0; e < CLASSES; e++) f.errors[e][c] = G.errors[e * G.C + c0 + c];
    for (let r = 0; r < ROWS; r++) f.worst[r * W + c] = G.worst[r * G.C + c0 + c];
  }
  return f;
}
const sum = (v, from, k) => v.subarray(from, from + k).reduce((p, q) => p + q, 0);
function quantiles(c) {
  const h = new Float64Array(A.bins);
  let all = 0;
  for (let x = c; x < c + A.ranked && x < A.W; x++) for (let j = 0; j < A.bins; j++) { h[j] += A.ok[x * A.bins + j]; all += A.ok[x * A.bins + j]; }
  if (all < 12) return null;
  return [.5, .95, .99].map(q => { let s = 0, j = 0; while (j < A.bins - 1 && (s += h[j]) < q * all) j++; return Q0 + (j + .5) * (Q1 - Q0) / (A.bins - 1); });
}
const lanes = Object.fromEntries($$('canvas[data-lane]').map(c => [c.dataset.lane, c]));
const packed = [];
for (const f of M.faults) (packed.find(l => l.at(-1).to <= f.from) || packed[packed.push([]) - 1]).push(f);
const FAULT = 21, NODE = 19, CLASS = 15, PROCESS = max(2, min(14, 300 / ROWS));
const classes = P.classes.map((_, e) => e).filter(e => P.kinds.some(k => k[1] && k[2] === e)).slice(0, 12);
const heights = {overview: 44, axis: 24, rate: 112, latency: 168, network: 58, faults: packed.length * FAULT, nodes: M.states.length * NODE, errors: classes.length * CLASS, processes: ceil(ROWS * PROCESS)};
for (const lane in lanes) if (!heights[lane] || lane === 'network' && !M.cuts.length) { lanes[lane].parentNode.hidden = true; delete lanes[lane]; }
$('#live').hidden = false;
root.classList.add('acts');
const colours = () => { const css = getComputedStyle(root); for (const k of 'bg panel ink ink2 ink3 line line2 ok fail fail-tint info info-tint bad on-bad band lead on-lead follow band-alpha'.split(' ')) C[k] = css.getPropertyValue('--' + k).trim(); C.of = [C.ok, C.fail, C.info]; };
const FONT = getComputedStyle(document.body).fontFamily, font = size => size + 'px ' + FONT;
const width = () => floor(lanes.rate.parentNode.clientWidth - lanes.rate.offsetLeft - 16);
function context(lane) {
  const canvas = lanes[lane], d = devicePixelRatio || 1, w = width(), h = heights[lane];
  canvas.width = w * d; canvas.height = h * d; canvas.style.width = w + 'px'; canvas.style.height = h + 'px';
  const x = canvas.getContext('2d');
  x.scale(d, d); x.font = font(11); x.textBaseline = 'middle';
  return [x, w, h];
}
const rect = (x, colour, a, y, w, h, alpha = 1) => { x.globalAlpha = alpha; x.fillStyle = colour; x.fillRect(a, y, w, h); x.globalAlpha = 1; };
const frame = (x, colour, a, y, w, h, width = 1) => { x.strokeStyle = colour; x.lineWidth = width; x.strokeRect(a, y, w, h); };
const line = (x, colour, x0, y0, x1, y1, width = 1) => { x.strokeStyle = colour; x.lineWidth = width; x.beginPath(); x.moveTo(x0, y0); x.lineTo(x1, y1); x.stroke(); };
const dot = (x, colour, a, y, r) => { x.fillStyle = colour; x.beginPath(); x.arc(a, y, r, 0, 7); x.fill(); };
const label = (x, texts, a, room, y, colour) => { const text = texts.find(t => x.measureText(t).width + 8 <= room); if (text) { x.fillStyle = colour; x.fillText(text, a + 5, y); } };
const pill = (x, text, a, y) => { rect(x, C.panel, a, y - 7, x.measureText(text).width + 5, 14, .86); x.fillStyle = C.ink2; x.fillText(text, a + 2, y + .5); };
const stripes = (x, colour, a, y, w, h) => { for (let p = max(0, a); p < a + w; p += 5) rect(x, colour, p, y, min(1.6, a + w - p), h, .8); };
function bands(x, X, w, h) { for (const f of struck) { const a = max(0, X(f.bit)), b = min(w, X(f.to)); if (b > 0 && a < w) rect(x, C.band, a, 0, max(1, b - a), h, +C['band-alpha']); } }
function marks(x, X, w, h) { for (const f of M.findings) { const a = X(f.at); if (a >= 0 && a <= w) line(x, C.bad, a, 0, a, h, 1.4); } }
const runs = (x, w, get, put) => { for (let c = 0, from = 0, v = get(0); c <= w; c++) { const u = c < w ? get(c) : -1; if (u !== v) { if (v) put(from, c, v); from = c; v = u; } } };
const colX = X => c => X(A.t0 + c * A.dc);
const draw = {
  overview(x, w, h) {
    const X = t => t / END * w;
    bands(x, X, w, h);
    const s = silhouette(), most = max(1, ...s), k = w / s.length;
    for (let i = 0; i < s.length; i++) if (s[i]) { const v = max(1, s[i] / most * (h - 5)); rect(x, C.ok, i * k, h - v, k + .3, v, .75); }
    marks(x, X, w, h);
    const a = X(view[0]), b = max(a + 4, X(view[1]));
    rect(x, C.bg, 0, 0, a, h, .72); rect(x, C.bg, b, 0, w - b, h, .72);
    frame(x, C.ink, a + .7, .7, max(2, b - a - 1.4), h - 1.4, 1.4);
  },
  axis(x, w, h, X) {
    const s = step(reach() * 92 / w), d = max(0, -floor(log10(s) + 1e-9));
    x.textAlign = 'center'; x.fillStyle = C.ink2;
    for (let t = ceil(view[0] / s) * s; t <= view[1] + s * 1e-6; t += s) { if (M.findings.every(f => abs(X(f.at) - X(t)) > 28)) x.fillText(t.toFixed(d) + ' s', max(18, min(w - 20, X(t))), h / 2 + 1); }
    let last = -99;
    for (const f of M.findings) {
      const a = X(f.at);
      if (a < 0 || a > w || a - last < 18) continue;
      last = a;
      dot(x, C.panel, a, h / 2, 11); dot(x, C.bad, a, h / 2, 8.5);
      x.fillStyle = C['on-bad']; x.fillText(f.number, a, h / 2 + 1); x.fillStyle = C.ink2;
    }
  },
  faults(x, w, h, X) {
    packed.forEach((of, at) => of.forEach((f, k) => {
      const a = X(f.from), b = X(f.to), y = at * FAULT, c = max(0, a);
      const next = of[k + 1] ? X(of[k + 1].from) : w;
      if (max(b, next) < 0 || a > w) return;
      if (!('bit' in f)) { x.setLineDash([3, 2]); frame(x, C.ink3, a + .5, y + 1.5, max(3, b - a), FAULT - 5); x.setLineDash([]); }
      else { rect(x, C.band, a, y + 1, max(3, b - a), FAULT - 4, .34); rect(x, C.band, a, y + 1, 2, FAULT - 4); }
      if (b < 0) return;
      const what = f.name + (!('bit' in f) ? ': no effect' : ''), words = f.name.split(' ');
      label(x, [what, words.slice(0, 2).join(' '), words[0]], c, min(w, max(b, next - 4)) - c, y + FAULT / 2 - .5, C.ink);
    }));
  },
  nodes(x, w, h, X) {
    for (let at = 0; at < NODES; at++) {
      const y = at * NODE + 1, tall = NODE - 3, shown = M.states[at];
      rect(x, C.line2, 0, y, w, tall);
      for (const [from, to, what, term] of shown) {
        const a = max(-2, X(from)), b = min(w + 2, X(to));
        if (b < 0 || a > w) continue;
        const wide = max(1.2, b - a);
        rect(x, {lead: C.lead, stale: C.bad, follow: C.follow, answers: C.follow, silent: C['info-tint'], paused: C['info-tint'], down: C['fail-tint']}[what], a, y, wide, tall);
        const out = {down: C.ink3, paused: C.info}[what];
        if (out) stripes(x, out, a, y, wide, tall);
        const t = term == null ? '' : ' · term ' + term;
        const words = {lead: ['leader' + t, 'leader'], stale: ['stale leader' + t, 'stale leader', 'stale'], follow: [], answers: []}[what] || [what];
        if (out && wide > 50) rect(x, C.panel, max(0, a) + 2, y + 1, x.measureText(what).width + 6, tall - 2, .85);
        label(x, words, max(0, a), b - max(0, a), y + tall / 2 + .5, what === 'lead' ? C['on-lead'] : what === 'stale' ? C['on-bad'] : C.ink);
      }
      for (const f of struck) if (f.nodes.includes(at)) { const a = X(f.bit), b = X(f.to); if (b > 0 && a < w) { frame(x, C.ink3, a + .5, y + .5, max(2, b - a - 1), tall - 1); } }
    }
    marks(x, X, w, h);
  },
  network(x, w, h, X) {
    for (const e of M.cuts) {
      const a = max(0, X(e.from)), b = min(w, X(e.to)), r = min(h / 2 - 8, (b - a) / 2 - 5), cx = (a + b) / 2, cy = h / 2 - 1;
      if (b < 0 || a > w) continue;
      rect(x, C.band, a, h - 3, max(1, b - a), 3, .5);
      if (r < 8 || NODES > 9) continue;
      const point = i => [cx + r * sin(2 * PI * i / NODES), cy - r * cos(2 * PI * i / NODES)];
      for (const [p, q, oneWay] of e.links) {
        const from = point(p), to = point(q);
        x.setLineDash(oneWay ? [2.5, 2] : []);
        line(x, oneWay ? C.bad : C.ink3, ...from, ...to);
        if (!oneWay) continue;
        const d = atan2(to[1] - from[1], to[0] - from[0]);
        x.fillStyle = C.bad; x.beginPath();
        for (const turn of [0, 2.5, -2.5]) x.lineTo(from[0] * .35 + to[0] * .65 + 4.5 * cos(d + turn), from[1] * .35 + to[1] * .65 + 4.5 * sin(d + turn));
        x.fill();
      }
      x.setLineDash([]);
      for (let i = 0; i < NODES; i++) dot(x, e.few.includes(i) ? C.info : C.lead, ...point(i), max(2.2, r / 5.5));
    }
  },
  rate(x, w, h, X) {
    bands(x, X, w, h);
    const g = A.group, wide = A.dc * g, px = colX(X), up = h - 28, bars = [];
    let top = 1 / wide, below = 1;
    for (let c = 0; c < A.W; c += g) { const v = A.done.map(d => sum(d, c, g)); bars.push([c, ...v]); top = max(top, v[0] / wide); below = max(below, v[1] + v[2]); }
    const k = up / (top * 1.1), s = step(top / 3.5), room = 24 / below;
    for (let v = s; v < top * 1.1; v += s) { const y = round(up - v * k) + .5; line(x, C.line, 0, y, w, y); }
    for (const [c, ok, fail, info] of bars) {
      const a = px(c), width = max(1, px(min(A.W, c + g)) - a) + .3, share = A.dc * min(g, A.W - c), v = ok / share * k, f = fail ? max(1.5, fail * room) : 0;
      if (ok) rect(x, C.ok, a, up - v, width, v);
      if (f) rect(x, C.fail, a, up + 1, width, f);
      if (info) rect(x, C.info, a, up + 1 + f, width, max(2, info * room));
    }
    line(x, C.ink3, 0, up + .5, w, up + .5);
    for (let v = s; v < top * 1.1; v += s) if (up - v * k > 9) pill(x, number(v, v < 10 ? 1 : 0) + '/s', 2, up - v * k - 8);
    marks(x, X, w, h);
  },
  latency(x, w, h, X) {
    bands(x, X, w, h);
    const Y = q => h - 5 - (q - Q0) / (Q1 - Q0) * (h - 12), decades = [];
    for (let v = 1e-6; v < 1e3; v *= 10) { const q = log(v * 1e9 / P.base_ns) / log(P.ratio), y = round(Y(q)) + .5; if (q >= Q0 && q <= Q1) { decades.push([v, y]); line(x, C.line, 0, y, w, y); } }
    if (A.coarse || A.n > NEAR) density(x, w, h, X); else dots(x, X, Y);
    const ranks = [];
    for (let c = 0; c < A.W; c += A.ranked) ranks.push([X(A.t0 + (c + min(A.ranked, A.W - c) / 2) * A.dc), quantiles(c)]);
    for (const at of [0, 1, 2]) {
      x.strokeStyle = C.ink; x.lineWidth = [2, 1.4, 1.2][at]; x.globalAlpha = [1, .75, .5][at]; x.beginPath();
      ranks.forEach(([p, q], i) => { if (q && A.n > 200) x[i && ranks[i - 1][1] ? 'lineTo' : 'moveTo'](p, Y(q[at])); });
      x.stroke(); x.globalAlpha = 1;
    }
    for (const [v, y] of decades) pill(x, span(v), 2, y - 8 < 8 ? y + 8 : y - 8);
    marks(x, X, w, h);
  },
  errors(x, w, h, X) {
    const px = colX(X);
    classes.forEach((e, at) => {
      const y = at * CLASS, kinds = P.kinds.filter(k => k[1] && k[2] === e), worst = max(...kinds.map(k => k[1] === 3 ? 0 : k[1]));
      rect(x, C.line2, 0, y + 1, w, CLASS - 3);
      for (let c = 0; c < A.W; c++) { const v = A.errors[e][c]; if (v) rect(x, C.of[worst], px(c), y + 1, max(1.5, px(c + 1) - px(c)), CLASS - 3, min(1, .5 + v / 10)); }
    });
    marks(x, X, w, h);
  },
  processes(x, w, h, X) {
    bands(x, X, w, h);
    const near = !A.coarse && A.to - A.early < BARS;
    if (near) { x.font = font(min(10, PROCESS - 1.5)); for (let i = A.early; i < A.to; i++) bar(x, i, X, w); x.font = font(11); }
    else { const px = colX(X); for (let r = 0; r < ROWS; r++) runs(x, A.W, c => A.worst[r * A.W + c], (a, b, v) => rect(x, C.of[v - 1], px(a), r * PROCESS + .4, max(.8, px(b) - px(a)), max(1, PROCESS - .9), v === 1 ? .55 : 1)); }
    for (let r = 1; r < ROWS; r++) if (P.rows[r] !== P.rows[r - 1]) line(x, C.ink3, 0, round(r * PROCESS), w, round(r * PROCESS), .7);
    for (const f of M.findings) for (const [r, from, to, , bad] of f.ops) {
      const a = X(from), b = X(to), y = r * PROCESS;
      if (b < 0 || a > w) continue;
      frame(x, bad ? C.bad : C.ink, a - 1, y + .5, max(4, min(b, w + 9) - a + 2), max(3, PROCESS - 1), bad ? 2.2 : 1.4);
    }
    marks(x, X, w, h);
  },
};
function density(x, w, h, X) {
  const image = x.createImageData(A.W, A.bins), d = image.data, rgb = c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16));
  const ink = C.of.map(rgb);
  let most = 1;
  for (const v of A.ok) if (v > most) most = v;
  for (let c = 0; c < A.W; c++) for (let j = 0; j < A.bins; j++) {
    const v = A.ok[c * A.bins + j], bad = A.bad[c * A.bins + j], at = ((A.bins - 1 - j) * A.W + c) * 4;
    if (!v && !bad) continue;
    d.set(ink[bad], at);
    d[at + 3] = bad ? 255 : 50 + 205 * log1p(v) / log1p(most);
  }
  const p = make('canvas');
  p.width = A.W; p.height = A.bins; p.getContext('2d').putImageData(image, 0, 0);
  x.imageSmoothingEnabled = false;
  x.drawImage(p, X(A.t0), 5, X(A.t0 + A.W * A.dc) - X(A.t0), h - 10);
}
function dots(x, X, Y) {
  const size = A.n > 2000 ? 1.6 : 2.3;
  for (const rare of [0, 1, 2]) for (let i = A.from; i < A.to; i++) if (shade(i) === rare) {
    x.globalAlpha = rare ? 1 : .75;
    dot(x, C.of[rare], X(start[i]), Y(lat[i] === LAST ? stepOf(done(i) - start[i]) : max(Q0, lat[i])), rare ? size + .7 : size);
  }
  x.globalAlpha = 1;
}
function bar(x, i, X, w) {
  const a = X(start[i]), b = min(w + 4, X(done(i)));
  if (b < 0 || a > w) return;
  const o = shade(i), y = row[i] * PROCESS, wide = max(1.2, b - a - .6), left = max(a, 0);
  rect(x, C.of[o], a, y + 1, wide, max(1, PROCESS - 2), o ? 1 : .8);
  if (b - left < 22 || PROCESS < 8) return;
  const e = exact.get(i), f = P.fs[K(i)[0]];
  label(x, [e ? f + ' ' + text(e) : f, f], left - 2, b - left, y + PROCESS / 2 + .5, o === 1 ? C.panel : o === 2 ? '#241600' : C.ink);
}
let outline = null;
function silhouette() {
  if (outline) return outline;
  const bins = new Float64Array(600);
  if (G) for (let c = 0; c < G.C; c++) bins[c * 600 / G.C | 0] += G.done[c];
  else for (let i = 0; i < n; i++) if (!shade(i)) bins[min(599, done(i) / END * 600 | 0)]++;
  return outline = bins;
}
let asked = 0;
redraw = () => { if (!asked) asked = requestAnimationFrame(() => { asked = 0; paint(); }); };
function paint() {
  const began = performance.now();
  colours();
  const w = width();
  if (w < 40) return;
  A = aggregate(w);
  for (const lane in lanes) { const [x, wide, h] = context(lane); draw[lane](x, wide, h, t => (t - view[0]) / reach() * wide); }
  $('#range').textContent = (reach() >= END ? 'whole run' : seconds(view[0]) + ' – ' + seconds(view[1])) + ', ' + number(A.n) + ' operations' + (A.coarse ? ', from the summary' : '');
  place(); values(); list();
  performance.measure('redraw', {start: began, end: performance.now()});
}
const box = $('#lanes'), line0 = $('#cursor'), shadeBox = $('#selection'), tip = $('#tip');
const inner = () => area(lanes.rate);
const timeAt = e => { const r = inner(); return view[0] + (e.clientX - r.left) / r.width * reach(); };
function place(selected) {
  const r = inner(), b = area(box), x = t => r.left - b.left + (t - view[0]) / reach() * r.width;
  line0.hidden = cursor === null; shadeBox.hidden = !selected;
  if (cursor !== null) line0.style.left = x(cursor) + 'px';
  if (selected) { shadeBox.style.left = x(min(...selected)) + 'px'; shadeBox.style.width = abs(x(selected[1]) - x(selected[0])) + 'px'; }
}
function values() {
  const rate = $('#value-rate'), latency = $('#value-latency');
  if (cursor === null) { rate.textContent = 'answers up, fail and info down'; latency.textContent = 'p50, p95, p99'; return; }
  const c = max(0, min(A.W - 1, (cursor - A.t0) / A.dc | 0)), g = c - c % A.group, wide = A.dc * min(A.group, A.W - g), v = A.done.map(d => sum(d, g, A.group));
  rate.textContent = number(v[0] / wide, 1) + ' answers/s' + (v[1] + v[2] ? ', ' + number(v[1]) + ' fail, ' + number(v[2]) + ' info' : '');
  const q = quantiles(c - c % A.ranked);
  latency.textContent = q ? q.map(s => span(P.base_ns * P.ratio ** s / 1e9)).join(', ') : 'too few to rank';
}
function setView(a, b, keep) {
  const s = max(.0005, min(END, b - a));
  a = max(0, min(END - s, a));
  view = [a, a + s];
  redraw();
  if (keep === false) return;
  try { history.replaceState(null, '', s >= END ? '#timeline' : '#t=' + view[0].toFixed(4) + '-' + view[1].toFixed(4)); } catch { /* some hosts forbid it */ }
}
const search = $('#search'), body = $('#operations tbody');
// As the placeholder says: a term with a field is one whole word of this, any other a part of it.
function described(i) {
  const [f, o, cls] = K(i), e = exact.get(i), p = processOf(i);
  return ` f:${P.fs[f]} type:${OUTCOME[o]} process:${p} p${p} node:${nodeOf(i)} ${o ? 'error:' + P.classes[cls] : ''} ${e ? 'key:' + e.key + ' value:' + e.value : ''} `.toLowerCase();
}
let listing = 0;
function list() { clearTimeout(listing); listing = setTimeout(fill, 120); }
const said = $$('.said tbody tr'), logs = $('#logs tbody');
function fill() {
  logs.replaceChildren(...said.filter(r => { const t = parseFloat(r.cells[0].textContent); return view[0] <= t && t <= view[1]; }).slice(0, SHOWN).map(r => r.cloneNode(true)));
  $('#logs').hidden = !logs.rows.length;
  if (!$('#operations').open) return;
  const note = $('#listed');
  body.replaceChildren();
  if (A.coarse) { note.textContent = 'Only counts are in the page here: go to a finding or an edge of a fault.'; return; }
  const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean).map(t => t.includes(':') ? ' ' + t + ' ' : t);
  let found = 0, i = A.from;
  for (; i < A.to && found < SHOWN; i++) if (!terms.length || terms.every(t => described(i).includes(t))) { found++; body.append(entry(i)); }
  note.textContent = number(found) + (i < A.to ? ' of ' + (terms.length ? 'more' : number(A.n)) : '') + ' shown' + (exact.size < n ? '; keys and values near findings only' : '');
}
function entry(i) {
  const [f, o, cls] = K(i), e = exact.get(i), tr = make('tr');
  const took = lat[i] === LAST ? 'never' : span(e && e.took >= 0 ? e.took : TOOK[lat[i]]);
  const {key = '', value = ''} = e || {};
  for (const [text, name] of [[(e ? e.invoked.toFixed(6) : start[i].toFixed(4)) + ' s', 'r'], [took, 'r'], ['p' + processOf(i)], [nodeOf(i)], [P.fs[f], 'm'], [key, 'm'], [value, 'm'], [OUTCOME[o], 'of' + o], [o ? P.classes[cls] : '']]) tr.append(make('td', text, name));
  tr.onclick = () => { const s = max(.01, done(i) - start[i]); setView(start[i] - s * 3, done(i) + s * 3); };
  return tr;
}
on(search, 'input', list);
on($('#operations'), 'toggle', fill);
let drag = null;
const overAt = e => { const r = area(lanes.overview); return max(0, min(END, (e.clientX - r.left) / r.width * END)); };
on(box, 'pointerdown', e => {
  if (e.target.tagName !== 'CANVAS' || e.button) return;
  const over = e.target === lanes.overview, t = over ? overAt(e) : timeAt(e), s = reach();
  drag = {over, t, x: e.clientX, view: [...view], pan: e.shiftKey, fresh: over && (s >= END || t < view[0] || t > view[1])};
  box.setPointerCapture(e.pointerId);
});
on(box, 'pointermove', e => {
  if (drag && drag.over) {
    const t = overAt(e), by = t - drag.t, v = drag.view;
    if (drag.fresh) { if (abs(e.clientX - drag.x) > 3) setView(min(t, drag.t), max(t, drag.t), false); }
    else setView(v[0] + by, v[1] + by, false);
    return;
  }
  if (drag && drag.pan) { const by = (drag.x - e.clientX) / inner().width * reach(); setView(drag.view[0] + by, drag.view[1] + by, false); return; }
  const t = timeAt(e);
  if (!drag && (t < view[0] || t > view[1] || e.target === lanes.overview)) return leave();
  cursor = max(view[0], min(view[1], t));
  place(drag ? [drag.t, cursor] : null); values(); hover(e, cursor);
});
on(box, 'pointerup', e => {
  if (!drag) return;
  const d = drag;
  drag = null;
  if (!d.over && !d.pan && abs(e.clientX - d.x) > 4) { const t = timeAt(e); setView(min(t, d.t), max(t, d.t)); }
  else setView(...view);
  place();
});
const leave = () => { cursor = null; tip.hidden = true; place(); values(); };
on(box, 'pointerleave', () => { if (!drag) leave(); });
on(box, 'pointercancel', () => { drag = null; leave(); });
on(box, 'dblclick', () => setView(0, END));
on(box, 'wheel', e => {
  if (!e.ctrlKey && !e.metaKey) return;
  e.preventDefault();
  const t = timeAt(e), k = Math.exp(e.deltaY * .004);
  setView(t - (t - view[0]) * k, t + (view[1] - t) * k);
}, {passive: false});
function hover(e, t) {
  const lines = [seconds(t)];
  for (const f of M.faults) if (f.from <= t && t < f.to) lines.push(f.name + (!('bit' in f) ? ' (no effect)' : ''));
  if (lines.length === 1) lines.push('no fault');
  const leads = M.states.flatMap((s, at) => s.filter(v => v[0] <= t && t < v[1] && (v[2] === 'lead' || v[2] === 'stale')).map(v => M.nodes[at] + (v[3] == null ? '' : ' (' + (v[2] === 'stale' ? 'stale, ' : '') + 'term ' + v[3] + ')')));
  if (M.states.length) lines.push('leader: ' + (leads.join(', ') || 'none'));
  const r = area(e.target), lane = e.target.dataset && e.target.dataset.lane, y = e.clientY - r.top;
  if (lane === 'processes') lines.unshift(...operation(floor(y / PROCESS), t));
  for (const f of M.findings) if (abs(f.at - t) < reach() * .006) { lines.unshift(f.number + ': ' + f.title); break; }
  tip.textContent = lines.join('\n');
  tip.hidden = false;
  const b = area(box), x = e.clientX - b.left;
  tip.style.left = max(0, x + tip.offsetWidth + 24 > b.width ? x - tip.offsetWidth - 14 : x + 14) + 'px';
  tip.style.top = max(0, min(e.clientY - b.top + 14, b.height - tip.offsetHeight)) + 'px';
}
function operation(r, t) {
  if (r < 0 || r >= ROWS) return [];
  const node = ' via ' + nameOf(r);
  const slack = reach() / A.W * 2;
  for (let i = A.coarse ? -1 : first(t + slack) - 1; i >= A.early; i--) if (row[i] === r && start[i] - slack <= t && t <= done(i) + slack) {
    const [f, o, cls] = K(i), ex = exact.get(i), after = lat[i] === LAST ? ' never returned' : ' after ' + span(TOOK[lat[i]]);
    return ['p' + processOf(i) + node + ': ' + P.fs[f] + (ex ? ' ' + text(ex) : ''), OUTCOME[o] + after + (o ? ': ' + P.classes[cls] + ', ' + MEANS[o] : '')];
  }
  return ['client' + node];
}
const zoom = k => { const c = cursor === null ? (view[0] + view[1]) / 2 : cursor; setView(c - (c - view[0]) * k, c + (view[1] - c) * k); };
const pan = k => { const s = reach() * k; setView(view[0] + s, view[1] + s); };
const around = f => { const room = max(.02, (f.to - f.from) * .6); return [max(0, f.from - room), f.to + room]; };
const stops = [...M.findings.map(around), ...M.faults.map(f => [max(0, f.from - 2), f.to + 4])].sort((p, q) => p[0] - q[0]);
const jump = to => to && setView(...to);
const keys = {a: () => pan(-.25), d: () => pan(.25), ArrowLeft: () => pan(-.25), ArrowRight: () => pan(.25), w: () => zoom(.6), s: () => zoom(1 / .6), 0: () => setView(0, END),
  ']': () => jump(stops.find(s => s[0] > view[0] + .001) || stops[0]), '[': () => jump(stops.findLast(s => s[0] < view[0] - .001) || stops.at(-1))};
on(box, 'keydown', e => { if (keys[e.key] && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); keys[e.key](); } });
for (const b of $$('[data-zoom]')) b.onclick = () => keys[b.dataset.zoom]();
for (const f of M.findings) {
  const heading = $('#f' + f.number + ' h2');
  if (!heading) continue;
  const a = make('a', 'show in the timeline', 'jump');
  a.href = '#t=' + around(f).map(t => t.toFixed(4)).join('-');
  heading.append(a);
}
const byHash = () => { const m = /^#t=([\d.]+)-([\d.]+)$/.exec(location.hash); if (m) { setView(+m[1], +m[2], false); $('#timeline').scrollIntoView(); } };
on(window, 'hashchange', byHash);
const names = (lane, all) => $('#names-' + lane).append(...all);
names('nodes', M.nodes.map(node => make('span', node)));
names('errors', classes.map(e => make('span', P.classes[e])));
names('processes', [...new Set(P.rows)].map(of => {
  const name = make('span', M.nodes[of]);
  name.style.lineHeight = P.rows.filter(row => row === of).length * PROCESS + 'px';
  return name;
}));
new ResizeObserver(redraw).observe(box);
byHash();
paint();
performance.mark('timeline-drawn');
root.dataset.drawn = round(performance.now());
})();
