// One chart per question along the swept parameter; where lines cross, the break-even with its interval.

const SWEPT = ["time_to_correct", "freshness_dip", "freshness_p99", "query_latency_p99", "money_month", "cpu_per_million", "rss", "extra_storage", "late_for", "late_share"];

function showSweep() {
  const { sweep } = result;
  const section = place("sweep");
  if (!section) return;
  if (!sweep || sweep.points.length < 2) { section.remove(); document.querySelector('nav a[href="#sweep"]')?.remove(); return; }
  const words = { history: "events of history", rate: "events a second", "speed-lateness": "the lateness that the speed layer waits for" }[sweep.parameter] ?? sweep.parameter;
  const short = value => sweep.parameter === "speed-lateness" ? inWords(value * 1000, "ms") : shortCount(value);
  place("sweep-title").textContent = `Where does it turn? Along ${words}`;
  place("sweep-legend").replaceChildren(...architectures.map(nameOf));
  const into = place("sweep-charts");
  into.replaceChildren();
  const xs = sweep.points.map(point => point.value);
  for (const id of SWEPT) {
    const question = questions.find(q => q.id === id);
    const lines = architectures.map(name => sweep.points.map(point => point.figures[id]?.[name]?.median ?? null));
    const all = lines.flat().filter(v => v !== null && v > 0);
    if (!question || all.length < 2) continue;
    const crossings = sweep.break_evens.filter(b => b.figure === id);
    const chart = make("div", { role: "img", "aria-label": `${question.question} along ${words}` });
    const told = crossings.map(b => make("p", { class: "hint" }, nameOf(b.below), " below, ", nameOf(b.above), ` above ${short(b.at)} `,
      b.low !== null && b.high !== null ? `(${short(b.low)} to ${short(b.high)})` : b.low !== null ? `(from ${short(b.low)} on, perhaps beyond)` : b.high !== null ? `(up to ${short(b.high)}, perhaps before)` : "(no interval)"));
    into.append(make("figure", {}, make("figcaption", {}, make("b", {}, question.question)), chart, ...(told.length ? told : [make("p", { class: "hint" }, "No lines cross for sure.")])));
    const low = Math.min(...all), high = Math.max(...all), wide = high / low > 20;
    const marks = { hooks: { draw: u => {
      const { ctx, bbox } = u, ratio = window.devicePixelRatio || 1;
      ctx.save();
      for (const b of crossings) {
        const x = u.valToPos(b.at, "x", true);
        const from = b.low === null ? bbox.left : u.valToPos(b.low, "x", true), to = b.high === null ? bbox.left + bbox.width : u.valToPos(b.high, "x", true);
        ctx.fillStyle = paint("--band"); ctx.fillRect(from, bbox.top, to - from, bbox.height);
        ctx.strokeStyle = paint("--ink"); ctx.lineWidth = 1.2 * ratio; ctx.setLineDash([4 * ratio, 3 * ratio]);
        ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
      }
      ctx.restore();
    } } };
    draw(chart, {
      height: 250, legend: { show: false }, padding: [10, 16, 0, 0], cursor: { show: false }, plugins: [marks],
      series: [{}, ...architectures.map(name => ({ stroke: colourNow(name), width: 2, spanGaps: true, points: { show: true, size: 6, fill: colourNow(name) } }))],
      scales: { x: { time: false, distr: 3, range: () => [xs[0] * 0.9, xs[xs.length - 1] * 1.1] }, y: wide ? { distr: 3, range: () => [low * 0.8, high * 1.25] } : { range: () => [0, high * 1.1] } },
      axes: [axis({ size: 26, splits: () => xs, filter: (_, splits) => splits, values: (_, splits) => splits.map(short) }),
        axis({ size: 76, ...(wide ? { splits: () => decades(low * 0.8, high * 1.25), filter: (_, s) => s } : {}), values: (_, splits) => splits.map(v => inWords(v, question.unit)) })],
    }, [xs, ...lines]);
  }
}
