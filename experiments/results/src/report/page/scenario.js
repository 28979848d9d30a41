// A scenario's page: question, verdict, charts, tables, figures.
const result = JSON.parse(document.getElementById("result").textContent);
const { provenance } = result;

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
