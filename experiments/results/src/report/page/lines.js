// Values in their units, and charts of lines over one parameter: of scenarios, and of runs side by side.
/** A preset has a colour of its own, also with a parameter behind it; others one by their place. */
const PRESETS = ["batch", "lambda", "lambda-sql", "lambda-timely", "kappa", "kappa-sql", "kappa-backfill"];
const presetOf = name => PRESETS.find(preset => name === preset);
const variableOf = (name, index) => (presetOf(name) ? `--c-${presetOf(name)}` : `--x${index % 12}`);
const nameWithColour = (name, index) => make("span", { class: "name", style: `--c:var(${variableOf(name, index)})` }, name);

/** A value in its unit. */
function inUnit(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "ms") return duration(value);
  if (unit === "bytes") return bytes(value);
  if (unit === "share") return percent(value);
  if (unit === "ratio") return times(value);
  if (unit === "number") return significant(value);
  if (unit === "run") return Number.isInteger(value) ? String(value) : "";
  if (unit === "events_per_s") return shortCount(value) + "/s";
  if (unit === "cpu_s_per_million_events") return significant(value) + " s";
  if (unit === "count" || unit === "events") return value >= 10000 ? shortCount(value) : significant(value);
  return significant(value) + " " + unit;
}

function scaleOf(described, values) {
  if (described.unit === "run") return { scale: { range: () => [Math.min(...values) - 0.3, Math.max(...values) + 0.3] } };
  const all = values.filter(v => v !== null && Number.isFinite(v) && (!described.log || v > 0));
  const low = Math.min(...all), high = Math.max(...all);
  if (described.log) return { scale: { distr: 3, range: () => [low * 0.85, high * 1.2] }, splits: () => decades(low * 0.85, high * 1.2) };
  const from = Math.min(0, low), room = (high - from || 1) * 0.08;
  return { scale: { range: () => [from, high + room] } };
}

/** Bars from the lower to the upper end of each point's interval. */
function intervals(lines, colours) {
  return { hooks: { draw: u => {
    const { ctx } = u, ratio = window.devicePixelRatio || 1;
    ctx.save();
    ctx.lineWidth = 1.4 * ratio;
    lines.forEach((line, i) => {
      ctx.strokeStyle = colours[i] + "90";
      for (const { x, low, high } of line.points) {
        if (low === null || high === null) continue;
        const at = u.valToPos(x, "x", true);
        const clamp = v => Math.min(u.bbox.top + u.bbox.height, Math.max(u.bbox.top, u.valToPos(v, "y", true)));
        ctx.beginPath(); ctx.moveTo(at, clamp(low)); ctx.lineTo(at, clamp(high)); ctx.stroke();
      }
    });
    ctx.restore();
  } } };
}

function showChart(chart, into) {
  const lines = chart.lines.filter(line => line.points.length);
  const box = make("div", { role: "img", "aria-label": `${chart.title}, over ${chart.x.label}` });
  const legend = make("div", { class: "legend" }, ...lines.map((line, i) => nameWithColour(line.name, i)));
  into.append(make("figure", {}, make("figcaption", {}, make("b", {}, chart.title)), ...(lines.length ? [legend] : []), box, make("p", { class: "hint" }, chart.hint)));
  if (!lines.length) { box.append(make("p", { class: "hint" }, "Nothing was measured.")); return; }
  const xs = [...new Set(lines.flatMap(line => line.points.map(p => p.x)))].sort((a, b) => a - b);
  const colours = lines.map((line, i) => paint(variableOf(line.name, i)));
  const data = lines.map(line => xs.map(x => line.points.find(p => p.x === x)?.y ?? null));
  const x = scaleOf(chart.x, xs), y = scaleOf(chart.y, lines.flatMap(line => line.points.flatMap(p => [p.y, p.low, p.high].filter(v => v !== null))));
  const few = xs.length <= 8 && chart.x.log;
  const dense = xs.length > 60;
  draw(box, {
    height: 260, legend: { show: false }, padding: [10, 18, 0, 0], cursor: { show: false }, plugins: [intervals(lines, colours)],
    series: [{}, ...colours.map(colour => ({ stroke: colour, width: 2, spanGaps: true, points: { show: !dense, size: 6, fill: colour } }))],
    scales: { x: { time: false, ...x.scale }, y: y.scale },
    axes: [
      axis({ size: 26, label: chart.x.label, labelSize: 20, labelGap: 2, space: 60, ...(few ? { splits: () => xs, filter: (_, s) => s } : x.splits ? { splits: x.splits, filter: (_, s) => s } : {}), values: (_, splits) => splits.map(v => inUnit(v, chart.x.unit)) }),
      axis({ size: 76, ...(y.splits ? { splits: y.splits, filter: (_, s) => s } : {}), values: (_, splits) => splits.map(v => inUnit(v, chart.y.unit)) }),
    ],
  }, [xs, ...data]);
}
