// Time series and distributions, by uPlot.

let repeatShown = 0;

/** An axis of milliseconds in powers of ten, the same for all charts that are to be compared. */
function logScale(values) {
  const positive = values.filter(v => v > 0);
  const from = Math.floor(Math.log10(Math.min(...positive))), to = Math.ceil(Math.log10(Math.max(...positive)));
  const [low, high] = [10 ** from, 10 ** Math.max(to, from + 1)];
  const powers = [];
  for (let power = from; power <= Math.max(to, from + 1); power += 1) powers.push(10 ** power);
  const shown = height => powers.filter((_, i) => (powers.length - 1 - i) % Math.ceil(powers.length / (height / 24)) === 0);
  return {
    scale: { distr: 3, range: () => [low, high] },
    axis: height => axis({ size: 64, splits: () => shown(height), filter: (_, splits) => splits, values: (_, splits) => splits.map(duration) }),
    clamp: v => (v === null || v === undefined ? null : Math.min(high, Math.max(low, v))),
  };
}

/** What happened during a run: bars under the lines, and lines with labels over the plot. */
function markPlugin(run, colour) {
  const words = { deploy: "fix deployed", cutover: "cutover", corrected: "all answers right", catch_up: "version 2 catches up", batch_run: "batch run", restart: "killed, started anew" };
  const marks = (run.marks || []).filter(mark => mark.kind in words && (mark.at_ms >= 0 || mark.until_ms > 0));
  const ratio = () => window.devicePixelRatio || 1;
  const span = (u, mark) => [Math.max(u.valToPos(mark.at_ms / 1e3, "x", true), u.bbox.left), Math.min(u.valToPos(mark.until_ms / 1e3, "x", true), u.bbox.left + u.bbox.width)];
  return {
    hooks: {
      drawAxes: u => {
        for (const mark of marks.filter(m => m.until_ms !== null)) {
          const [from, to] = span(u, mark);
          if (to <= u.bbox.left) continue;
          u.ctx.fillStyle = mark.kind === "batch_run" ? paint("--band") : colour + (mark.kind === "deploy" ? "20" : "38");
          u.ctx.fillRect(from, u.bbox.top, Math.max(to - from, ratio()), u.bbox.height);
        }
      },
      draw: u => {
        const { ctx, bbox } = u, scale = ratio();
        ctx.save();
        ctx.font = FONT.replace("12px", 12 * scale + "px");
        ctx.textBaseline = "alphabetic";
        ctx.textAlign = "left";
        const ends = [];
        const label = (text, x, kind) => {
          const width = ctx.measureText(text).width + 8 * scale;
          // The deployment's label stands before its line: what follows from it comes close behind.
          const before = kind === "deploy" ? x - width > bbox.left - 60 * scale : x + width > bbox.left + bbox.width + 44 * scale;
          const left = before ? x - width : x;
          let row = 0;
          while (ends[row] !== undefined && ends[row] > left) row += 1;
          ends[row] = left + width;
          const baseline = bbox.top - (4 + row * 15) * scale;
          ctx.fillStyle = paint(kind === "bar" ? "--muted" : "--ink");
          ctx.fillText(text, left + 3 * scale, baseline);
          return baseline + 3 * scale;
        };
        const told = new Set();
        const at = mark => u.valToPos(mark.at_ms / 1e3, "x", true);
        const corrected = marks.find(mark => mark.kind === "corrected");
        const close = mark => corrected && Math.abs(at(mark) - at(corrected)) < 30 * scale;
        for (const mark of [...marks].sort((a, b) => a.at_ms - b.at_ms)) {
          const bar = mark.kind === "batch_run" || mark.kind === "catch_up";
          const x = u.valToPos(mark.at_ms / 1e3, "x", true);
          if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
          // One batch run is named, the others look alike; a catching-up begins where the deployment's line stands.
          if (bar && (mark.kind === "catch_up" || told.has(mark.kind))) continue;
          told.add(mark.kind);
          const together = mark.kind === "corrected" && marks.some(other => other.kind === "cutover" && other.at_ms > 0 && close(other));
          const text = together ? "cutover, all answers right" : words[mark.kind];
          const top = mark.kind === "cutover" && close(mark) ? bbox.top : label(text, x, bar ? "bar" : mark.kind);
          if (bar) continue;
          ctx.strokeStyle = paint("--ink");
          ctx.lineWidth = 1.2 * scale;
          ctx.setLineDash(mark.kind === "deploy" ? [5 * scale, 3 * scale] : mark.kind === "cutover" ? [2 * scale, 3 * scale] : []);
          ctx.beginPath();
          ctx.moveTo(x, top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
        }
        ctx.restore();
      },
    },
  };
}

/** The panel of one architecture: its name, what the pointer is at, and a place for a chart. */
function panel(into, name, told) {
  const readout = make("span", { class: "readout" });
  const chart = make("div", { role: "img", "aria-label": `${name}: ${told}` });
  into.append(make("div", { class: "panel" }, make("header", {}, nameOf(name), make("span", {}, told), readout), chart));
  return { readout, chart };
}

function timeOptions(height, run, colour, yScale, yAxis, series, bands, readout, tell) {
  const end = Math.max(settings.duration_s, ...okRuns.flatMap(r => r.marks.filter(m => m.kind === "corrected").map(m => m.at_ms / 1e3 + 0.2)));
  return {
    height, series: [{}, ...series], bands, legend: { show: false }, padding: [window.innerWidth < 640 ? 50 : 36, 44, 0, 0],
    scales: { x: { time: false, range: () => [0, end] }, y: yScale },
    axes: [axis({ size: 26, values: (_, splits) => splits.map(s => s + " s"), space: 60 }), yAxis],
    cursor: { sync: { key: "time" }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
    plugins: [markPlugin(run, colour)],
    hooks: { setCursor: [u => { readout.textContent = u.cursor.idx == null ? "" : tell(u, u.cursor.idx); }] },
  };
}

/** The shown repeat's run of an architecture; none where that one crashed. */
const shownRun = name => okRuns.find(run => run.system === name && run.repeat === repeatShown);
const binTimes = run => run.series.freshness.map(bin => bin.at_ms / 1e3);

function crashOf(name) {
  const run = result.runs.find(r => r.system === name && r.repeat === repeatShown);
  return run ? `This run ${run.outcome.message}` : "This run was not made.";
}

/** Another repeat's values at the shown run's times: those of the bin that holds the time (a run's bins are of one width). */
function aligned(run, other, value) {
  const width = other.length > 1 ? other[1].at_ms - other[0].at_ms : Infinity;
  return run.map(bin => {
    const held = other.find(o => o.at_ms <= bin.at_ms + 1e-6 && bin.at_ms < o.at_ms + width);
    return held ? value(held) : null;
  });
}

function freshnessOverTime() {
  const into = place("freshness-over-time");
  into.replaceChildren();
  const all = okRuns.flatMap(run => run.series.freshness.flatMap(bin => [bin.p50_ms, bin.p99_ms]));
  if (!all.some(v => v > 0)) return;
  const y = logScale(all), height = 194;
  for (const name of architectures) {
    const run = shownRun(name);
    if (!run || !run.series.freshness.length) {
      const { chart } = panel(into, name, "");
      chart.append(make("p", { class: "void" }, run ? "This run has no events to show." : crashOf(name)));
      continue;
    }
    const { readout, chart } = panel(into, name, `half within ${duration(run.freshness_ms.p50)}, 99 of 100 within ${duration(run.freshness_ms.p99)}`);
    const colour = colourNow(name);
    const others = runsOf(name).filter(other => other !== run);
    const series = [{ stroke: colour, width: 2.2, points: { show: false } }, { stroke: colour, width: 1.2, points: { show: false } },
      ...others.map(() => ({ stroke: colour + "48", width: 1, spanGaps: true, points: { show: false } }))];
    const bins = run.series.freshness;
    const data = [binTimes(run), bins.map(b => y.clamp(b.p50_ms)), bins.map(b => y.clamp(b.p99_ms)),
      ...others.map(other => aligned(bins, other.series.freshness, b => y.clamp(b.p99_ms)))];
    const options = timeOptions(height, run, colour, y.scale, y.axis(height - 62), series, [{ series: [2, 1], fill: colour + "30" }], readout,
      (u, i) => bins[i] ? `at ${significant(bins[i].at_ms / 1e3)} s: half ${duration(bins[i].p50_ms)}, 99 of 100 ${duration(bins[i].p99_ms)}, all ${duration(bins[i].max_ms)}` : "");
    options.plugins.push(endLabels([{ text: "p99", series: 2, colour }, { text: "p50", series: 1, colour }]));
    draw(chart, options, data);
  }
}

function wrongOverTime() {
  const into = place("wrong-over-time");
  into.replaceChildren();
  for (const name of architectures) {
    const run = shownRun(name);
    if (!run || !run.series.answers.length) {
      const { chart } = panel(into, name, "");
      chart.append(make("p", { class: "void" }, run ? "This run has no answers to show." : crashOf(name)));
      continue;
    }
    const end = run.marks.find(mark => mark.kind === "load_end")?.at_ms ?? Infinity;
    const total = part => run.series.answers.filter(bin => bin.at_ms < end).reduce((sum, bin) => sum + bin[part], 0);
    const [checked, wrong, outdated] = ["checked", "wrong", "outdated"].map(total);
    const { readout, chart } = panel(into, name, checked ? `${percent(wrong / checked)} wrong, ${percent(outdated / checked)} outdated of ${count(checked)} answers while events arrived` : "no answers");
    const colour = colourNow(name);
    const others = runsOf(name).filter(other => other !== run);
    const bins = run.series.answers;
    const share = part => bin => (bin.checked ? 100 * bin[part] / bin.checked : null);
    const series = [{ stroke: colour, width: 2, fill: colour + "50", points: { show: false } }, { stroke: colour, width: 1.4, dash: [5, 4], points: { show: false } },
      ...others.map(() => ({ stroke: colour + "48", width: 1, spanGaps: true, points: { show: false } }))];
    const data = [bins.map(b => b.at_ms / 1e3), bins.map(share("wrong")), bins.map(share("outdated")),
      ...others.map(other => aligned(bins, other.series.answers, share("wrong")))];
    const yAxis = axis({ size: 64, splits: () => [0, 50, 100], values: (_, splits) => splits.map(v => v + " %") });
    const options = timeOptions(150, run, colour, { range: () => [0, 100] }, yAxis, series, [], readout,
      (u, i) => bins[i] ? `at ${significant(bins[i].at_ms / 1e3)} s: ${bins[i].wrong} wrong, ${bins[i].outdated} outdated of ${bins[i].checked}` : "");
    draw(chart, options, data);
  }
}

/** The share at or below (x, by its nines) against milliseconds (y). */
function distribution(id, pick, told) {
  const into = place(id);
  into.replaceChildren();
  const all = okRuns.flatMap(run => pick(run).map(point => point[1]));
  if (!all.some(v => v > 0)) { into.append(make("p", { class: "hint" }, "No run has figures for this.")); return; }
  const y = logScale(all), height = 330;
  const nines = percentile => -Math.log10(1 - percentile / 100);
  const tables = [], series = [], labels = [];
  for (const name of architectures) {
    const colour = colourNow(name);
    for (const run of runsOf(name)) {
      const points = new Map(pick(run).filter(([p]) => p < 100).map(([p, ms]) => [Number(nines(p).toFixed(4)), y.clamp(ms)]));
      if (!points.size) continue;
      const main = run.repeat === repeatShown;
      tables.push([[...points.keys()], [...points.values()]]);
      series.push({ stroke: main ? colour : colour + "48", width: main ? 2.2 : 1, spanGaps: true, points: { show: false }, dash: name === "lambda-sql" ? [7, 4] : undefined });
      if (main) labels.push({ text: name, series: tables.length, colour });
    }
  }
  const end = Math.min(5, Math.max(...tables.flatMap(t => t[0])));
  const ticks = [[0, ""], [nines(50), "50 %"], [1, "90 %"], [2, "99 %"], [3, "99.9 %"], [4, "99.99 %"], [5, "99.999 %"]].filter(([x]) => x <= end + 1e-9);
  into.setAttribute("role", "img");
  into.setAttribute("aria-label", told);
  draw(into, {
    height, series: [{}, ...series], legend: { show: false }, padding: [10, 82, 0, 0],
    scales: { x: { time: false, range: () => [0, end] }, y: y.scale },
    axes: [axis({ size: 24, label: "share of them at or below the line", labelSize: 22, labelGap: 2, splits: () => ticks.map(t => t[0]), filter: (_, splits) => splits, values: () => ticks.map(t => t[1]) }), y.axis(height - 60)],
    cursor: { show: false },
    plugins: [endLabels(labels)],
  }, uPlot.join(tables));
}

function showCharts() {
  clearCharts();
  freshnessOverTime();
  distribution("freshness-distribution", run => run.series.freshness_percentiles, "Freshness by percentile, one line per architecture");
  distribution("latency-distribution", run => run.series.query_latency_percentiles, "Query latency by percentile, one line per architecture");
  wrongOverTime();
  showChange();
  showSweep();
}
