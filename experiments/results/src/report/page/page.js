// The rest of the page, and what ties it together.

function define(id, pairs) {
  for (const [term, text] of pairs) place(id).append(make("dt", {}, term), make("dd", {}, text));
}

function showMethod() {
  const { machine } = provenance;
  define("settings", [
    ["workload", settings.workload],
    ["events", `${playedHistory()} loaded first, ${count(settings.events_steady)} on schedule (open loop)` + (settings.events_ignored ? `; ${count(settings.events_ignored)} of the source were not played` : "")],
    ...(settings.left_out ?? []).map(({ name, reason }) => ["left out", `${name}: ${reason}`]),
    ["rate", `${count(settings.rate)} events a second for ${significant(settings.duration_s)} s`],
    ["repeats", `${settings.repeats}, architectures interleaved in random order`],
    ["partitions, workers", `${settings.partitions}, ${settings.workers}`],
    ["batch runs", `one begins every ${duration(settings.batch_interval_ms)}`],
    ["speed layer", `publishes every ${duration(settings.publish_interval_ms)}`],
    ["durability of the log", provenance.durability],
  ]);
  define("provenance", [
    ["started", provenance.started],
    ["command", make("code", {}, provenance.command)],
    ["Twopath", `${provenance.version}, commit ${provenance.commit}`],
    ["seed", String(provenance.seed)],
    ["libraries", Object.entries(provenance.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
    ["machine", `${machine.cpu}, ${plural(machine.cores, "core")}, ${bytes(machine.memory_bytes)} memory`],
    ["system", `${machine.os}, kernel ${machine.kernel}, ${machine.filesystem}`],
    ["threads", Object.entries(provenance.threads).map(([name, n]) => `${name} ${n}`).join(", ") + `; timely progress mode ${provenance.progress_mode}`],
  ]);
  for (const system of systems) {
    const made = [["batch engine", system.batch_engine], ["speed engine", system.speed_engine], ["written", system.language === "hand" ? "by hand" : system.language]].filter(([, v]) => v);
    place("architectures").append(make("dt", {}, nameOf(system.name)), make("dd", {}, (about[system.name] ?? about[system.wiring] ?? "") + " (" + made.map(([k, v]) => `${k}: ${v}`).join(", ") + ")"));
  }
  const n = settings.repeats;
  place("intervals").textContent = "Every line compares by pairs: an architecture's repeat against the best one's repeat of the same round. The interval is that of the median ratio, "
    + "95 % by bootstrap; with fewer than six repeats the bootstrap cannot reach beyond what was seen, so the wider of it and Student's t interval of the log ratios is taken. "
    + (n === 1 ? "With one repeat there is no interval, and so no winner." : n < 6 ? `With ${n} repeats, only clear differences pass.` : "")
    + " Differences of less than 1 % count as ties. With some twenty lines and several comparisons on each, expect a line now and then to name a winner by chance: trust what is large.";
  const limits = [
    "One machine: no network, no cluster, no failing disks. The load generator and the reading clients share its cores with what is measured.",
    `A batch run begins every ${duration(settings.batch_interval_ms)} here. In practice it is minutes to a day, over far more data; the shape of the batch curve carries over, its figures do not.`,
    "The history fits into memory, so the scans are faster than from a disk or an object store.",
    "Money for the stated month takes recomputation to be linear in the events that it reads, and live traffic to cost as much an event as at this rate.",
    "Lines of code are those of this project's own jobs, written by people who know both engines. They count writing, not understanding.",
    `Prices: ${prices.source}. Staff, idle machines and discounts are not in them.`,
    "Wrong answers are counted where they were read; how much harm a wrong answer does is not in the figures.",
  ];
  place("limits").append(...limits.map(text => make("li", {}, text)));
}

function showRuns() {
  const columns = [
    ["events", r => count(r.events)], ["fresh p50", r => duration(r.freshness_ms.p50)], ["p99", r => duration(r.freshness_ms.p99)], ["p99.9", r => duration(r.freshness_ms.p999)],
    ["max", r => duration(r.freshness_ms.max)], ["read p99", r => duration(r.query_latency_ms.p99)], ["checked", r => count(r.answers.checked)], ["wrong", r => count(r.answers.wrong)],
    ["outdated", r => count(r.answers.outdated)], ["engine bugs", r => count(r.answers.wrong_engine)], ["to correct", r => inWords(r.time_to_correct_ms, "ms")],
    ["CPU s / M", r => significant(r.cost.cpu_s_per_million_events.total)], ["memory", r => bytes(r.cost.rss_bytes_max)], ["written", r => bytes(r.cost.bytes_written)],
    ["kept up", r => (r.kept_up.verdict === "kept_up" ? "yes" : `not from second ${significant(r.kept_up.since_s)} on`)],
  ];
  const table = make("table", {}, make("tr", {}, make("th", {}, "architecture"), make("th", {}, "repeat"), columns.map(([title]) => make("th", {}, title))));
  for (const run of result.runs) {
    const row = make("tr", {}, make("td", {}, nameOf(run.system)), make("td", {}, String(run.repeat + 1)));
    if (run.outcome.kind === "ok") row.append(...columns.map(([, value]) => make("td", {}, value(run))));
    else row.append(make("td", { class: "crash", colspan: columns.length }, run.outcome.message));
    table.append(row);
  }
  place("runs-table").append(table);
}

function showPicks() {
  for (const pick of document.querySelectorAll("[data-repeats]")) {
    if (settings.repeats < 2) { pick.remove(); continue; }
    pick.append("Repeat");
    for (let repeat = 0; repeat < settings.repeats; repeat += 1) {
      pick.append(make("button", { type: "button", "aria-pressed": String(repeat === repeatShown), "data-repeat": String(repeat), onclick: () => {
        repeatShown = repeat;
        document.querySelectorAll("[data-repeat]").forEach(b => b.setAttribute("aria-pressed", String(Number(b.dataset.repeat) === repeat)));
        showCharts();
      } }, String(repeat + 1)));
    }
  }
}

function start() {
  setUpTheme(showCharts);
  for (const section of document.querySelectorAll("[data-nav]")) {
    document.querySelector("nav").append(make("a", { href: "#" + section.id }, section.dataset.nav));
  }
  showHead();
  showTiles();
  showQuestions();
  showPicks();
  showCharts();
  showEffects();
  showCost();
  showCode();
  showRuns();
  showMethod();
}

start();
