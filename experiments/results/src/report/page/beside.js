// Runs side by side: for each scenario its runs, the oldest first, and every figure that more than one of them has.
const groups = JSON.parse(document.getElementById("runs").textContent);

const short = commit => commit.slice(0, 10);
const became = run => (run.complete ? run.verdict ?? "done" : "stopped early");

/** Which runs there are: what was asked of what code, when. */
function runsTable(group) {
  const head = make("tr", {}, ...["", "run", "started", "commit", "seed", "became", "machine", "command"].map(title => make("th", {}, title)));
  const row = (run, i) => make("tr", {}, ...[String(i + 1), run.run, run.started.slice(0, 16).replace("T", " "), short(run.commit), String(run.seed), became(run), run.machine, run.command].map(text => make("td", {}, text)));
  return make("div", { class: "scroll wide" }, make("table", {}, head, ...group.runs.map(row)));
}

function cellOf(figure, value) {
  if (!value) return make("td", {}, "–");
  const interval = value.low === null || value.high === null ? "" : `${inUnit(value.low, figure.unit)} to ${inUnit(value.high, figure.unit)}`;
  const marked = value.apart ? { class: "apart", title: "its interval and the first run's have nothing in common" } : {};
  return make("td", marked, inUnit(value.value, figure.unit), ...(interval ? [make("br"), make("small", {}, interval)] : []));
}

/** Every figure of every run; what is apart from the first run is marked. */
function figuresTable(group) {
  const head = make("tr", {}, ...["figure", "of", ...group.runs.map((_, i) => `run ${i + 1}`)].map(title => make("th", {}, title)));
  const row = figure => make("tr", {}, make("td", {}, figure.figure), make("td", {}, figure.of), ...figure.values.map(value => cellOf(figure, value)));
  return make("div", { class: "scroll" }, make("table", {}, head, ...group.figures.map(row)));
}

/** A chart for each figure that differs somewhere: a line for each thing that it is of. */
function showGroupCharts(group, into) {
  const names = [...new Set(group.figures.filter(f => f.values.some(v => v && v.apart)).map(f => f.figure))];
  for (const name of names) {
    const of = group.figures.filter(f => f.figure === name);
    const line = figure => ({
      name: figure.of || name,
      points: figure.values.flatMap((v, i) => (v && v.value !== null ? [{ x: i + 1, y: v.value, low: v.low, high: v.high }] : [])),
    });
    const lines = of.map(line).filter(l => l.points.length > 1).slice(0, 12);
    const all = lines.flatMap(l => l.points.map(p => p.y)).filter(y => y > 0);
    const log = all.length > 0 && all.length === lines.flatMap(l => l.points).length && Math.max(...all) > 20 * Math.min(...all);
    if (!lines.length) continue;
    showChart({ title: name, hint: of.length > 12 ? "The first 12 of those in the table." : "", x: { label: "run", unit: "run", log: false }, y: { label: "", unit: of[0].unit, log }, lines }, into);
  }
}

function showCharts() {
  clearCharts();
  groups.forEach((group, i) => {
    const into = place(`charts-${i}`);
    into.replaceChildren();
    if (group.runs.length > 1) showGroupCharts(group, into);
  });
}

function start() {
  const runs = groups.reduce((sum, group) => sum + group.runs.length, 0);
  const commits = new Set(groups.flatMap(group => group.runs.map(run => run.commit)));
  place("lead").textContent = `${plural(runs, "run")} of ${plural(groups.length, "question")}, at ${plural(commits.size, "commit")}.`;
  groups.forEach((group, i) => {
    const name = group.scenario === "compare" ? "compare" : `run ${group.scenario}`;
    const apart = group.figures.filter(f => f.values.some(v => v && v.apart)).length;
    const told = group.runs.length < 2 ? "One run: there is nothing beside it." : `${apart} of ${plural(group.figures.length, "figure")} differ from the first run's: their intervals have nothing in common (or, of figures without one, the values differ). They are marked.`;
    place("groups").append(make("section", { id: `group-${i}` }, make("h2", {}, make("code", {}, `twopath ${name}`)), runsTable(group), make("p", { class: "hint" }, told), make("div", { class: "pair", id: `charts-${i}` }), figuresTable(group)));
    document.querySelector("nav").append(make("a", { href: `#group-${i}` }, group.scenario));
  });
  setUpTheme(showCharts);
  showCharts();
}

start();
