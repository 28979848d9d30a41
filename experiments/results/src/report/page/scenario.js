// A scenario's page: question, verdict, charts, tables, figures.
const result = JSON.parse(document.getElementById("result").textContent);
const { provenance } = result;

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
  if (unit === "events_per_s") return shortCount(value) + "/s";
  if (unit === "cpu_s_per_million_events") return significant(value) + " s";
  if (unit === "count" || unit === "events") return value >= 10000 ? shortCount(value) : significant(value);
  return significant(value) + " " + unit;
}

function define(id, pairs) {
  for (const [term, text] of pairs) place(id).append(make("dt", {}, term), make("dd", {}, text));
}

function showHead() {
  document.title = `Twopath: ${result.scenario}`;
  place("title").textContent = result.asks;
  place("lead").textContent = `Scenario ${result.scenario}, ${plural(result.repeats, "repeat")}, seed ${result.seed}, ${provenance.started.slice(0, 10)}.`;
  if (result.quick) place("trouble").append(make("p", { class: "trouble", role: "alert" }, "Run small: it shows that the scenario works, and not what is so."));
  if (!result.complete) place("trouble").append(make("p", { class: "trouble", role: "alert" }, "Stopped early: what is missing here was not measured."));
  place("verdict").append(make("p", { class: "first" }, make("b", {}, result.verdict[0].toUpperCase() + result.verdict.slice(1)), ". " + result.because));
  for (const finding of result.findings) place("findings").append(make("li", {}, finding));
  define("says", [["it says", result.hypothesis.says], ["source", result.hypothesis.source], ["decided by", result.hypothesis.confirmed_by]]);
}

function scaleOf(described, values) {
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
  into.append(make("figure", {}, make("figcaption", {}, make("b", {}, chart.title)), ...(lines.length > 1 ? [legend] : []), box, make("p", { class: "hint" }, chart.hint)));
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

/** A field of two parameters, in the colour of who is best; paler where it is close. */
function showMap(map, into) {
  const table = make("table", { class: "map" });
  for (let row = map.ys.length - 1; row >= 0; row -= 1) {
    const line = make("tr", {}, make("th", { scope: "row" }, inUnit(map.ys[row], map.y.unit)));
    map.cells[row].forEach(([best, by], column) => {
      const strength = Math.round(Math.min(100, 25 + 75 * Math.min(1, Math.log2(Math.max(by, 1)))));
      const told = `${map.names[best]}, ${times(by)} cheaper than the next, at ${inUnit(map.xs[column], map.x.unit)} and ${inUnit(map.ys[row], map.y.unit)}`;
      line.append(make("td", { title: told, style: `background:color-mix(in srgb, var(${variableOf(map.names[best], best)}) ${strength}%, var(--card))` }));
    });
    table.append(line);
  }
  const every = Math.ceil(map.xs.length / 6);
  table.append(make("tr", {}, make("th", {}), ...map.xs.map((x, i) => make("th", {}, i % every ? "" : inUnit(x, map.x.unit)))));
  const legend = make("div", { class: "legend" }, ...map.names.map((name, i) => nameWithColour(name, i)));
  into.append(make("figure", {}, make("figcaption", {}, make("b", {}, map.title), ` ${map.y.label} over ${map.x.label}`), legend, make("div", { class: "scroll" }, table), make("p", { class: "hint" }, map.hint)));
}

function showCharts() {
  clearCharts();
  place("charts").replaceChildren();
  result.charts.forEach(chart => showChart(chart, place("charts")));
  result.maps.forEach(map => showMap(map, place("charts")));
}

function showTables() {
  for (const table of result.tables) {
    const head = make("tr", {}, ...table.columns.map(title => make("th", {}, title)));
    const rows = table.rows.map(row => make("tr", {}, ...row.map(cell => make("td", {}, Array.isArray(cell) ? inUnit(cell[0], cell[1]) : cell))));
    place("rows").append(make("h3", {}, table.title), make("div", { class: "scroll wide" }, make("table", {}, head, ...rows)));
  }
  const table = make("table", {}, make("tr", {}, ...["figure", "of", "value", "from", "to"].map(title => make("th", {}, title))));
  for (const { figure, of, value, low, high, unit } of result.figures) {
    table.append(make("tr", {}, ...[figure, of, inUnit(value, unit), inUnit(low, unit), inUnit(high, unit)].map(text => make("td", {}, text))));
  }
  place("every").append(table);
}

function showMethod() {
  const { machine } = provenance;
  define("provenance", [
    ["started", provenance.started],
    ["command", make("code", {}, provenance.command)],
    ["Twopath", `${provenance.version}, commit ${provenance.commit}`],
    ["seed", String(provenance.seed)],
    ["machine", `${machine.cpu}, ${plural(machine.cores, "core")}, ${bytes(machine.memory_bytes)} memory`],
    ["system", `${machine.os}, kernel ${machine.kernel}, ${machine.filesystem}`],
    ["files beside this one", result.files.length ? result.files.join(", ") : "none"],
  ]);
}

function start() {
  const drop = id => place(id).remove();
  if (!result.charts.length && !result.maps.length) drop("shown");
  if (!result.tables.length) { showTables(); drop("tables"); } else showTables();
  if (!result.findings.length) drop("findings");
  setUpTheme(() => { if (place("charts")) showCharts(); });
  for (const section of document.querySelectorAll("[data-nav]")) {
    document.querySelector("nav").append(make("a", { href: "#" + section.id }, section.dataset.nav));
  }
  showHead();
  if (place("charts")) showCharts();
  showMethod();
}

start();
