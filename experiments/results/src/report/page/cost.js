// Costs as stacked bars: a row per architecture, its parts in shades of its colour, always in the same order.

const LAYERS = ["batch", "speed", "serving", "log"];
const PARTS = ["events", "batch_runs", "standing", "changes"];
const PART_WORDS = { events: "each event", batch_runs: "batch runs", standing: "what stands", changes: "changes of the code" };
const SHADES = [100, 72, 48, 28, 15];

function stack(into, order, partsOf, words) {
  const rows = architectures.map(name => {
    const runs = runsOf(name);
    const parts = order.map(part => [part, median(runs.map(run => partsOf(run)[part] ?? 0)) ?? 0]);
    return { name, parts, total: parts.reduce((sum, [, value]) => sum + value, 0), empty: !runs.length };
  });
  const widest = Math.max(...rows.map(row => row.total)) || 1;
  const list = make("div", { class: "stack" });
  for (const { name, parts, total, empty } of rows) {
    const shade = index => `--c:color-mix(in srgb, ${colourOf(name)} ${SHADES[index % SHADES.length]}%, var(--card))`;
    const track = make("div", { class: "track" });
    const told = make("div", { class: "parts" });
    parts.forEach(([part, value], index) => {
      if (value <= 0) return;
      track.append(make("span", { class: "part", style: `${shade(index)};width:${(100 * value / widest).toFixed(2)}%;padding:0`, title: `${part}: ${words(value)}` }));
      if (order.length > 1) told.append(make("span", {}, make("i", { style: shade(index) }), `${PART_WORDS[part] ?? part} ${words(value)}`));
    });
    list.append(make("div", { class: "row" }, make("header", {}, nameOf(name), make("b", {}, empty ? "–" : words(total))), track, told));
  }
  into.replaceChildren(list);
}

function showCost() {
  const layers = [...LAYERS, ...new Set(okRuns.flatMap(run => Object.keys(run.cost.cpu_s_per_million_events.by_layer)).filter(l => l !== "load" && !LAYERS.includes(l)))];
  stack(place("cpu"), layers, run => run.cost.cpu_s_per_million_events.by_layer, v => significant(v) + " s");
  stack(place("money"), PARTS, run => run.cost.money.month, money);
  showMoney();
  stack(place("memory"), ["memory"], run => ({ memory: run.cost.rss_bytes_max }), bytes);
  stack(place("written"), ["written"], run => ({ written: run.cost.bytes_written }), bytes);
  place("prices").textContent = `The generator and the querying clients are not charged. Prices (${prices.source}): ${prices.cpu_hour} ${prices.currency} for a CPU-hour, `
    + `${prices.memory_gib_hour} for a GiB of memory for an hour, ${prices.storage_gib_month} for a GiB kept for a month, ${prices.written_gib} for a GiB written. `
    + "Memory is its peak, held all month; the log is its bytes per event at rest, for the events that it keeps.";
}

/** What recurs, what stands and what a change costs, apart; and the month that they are summed for. */
function showMoney() {
  const { month } = settings;
  place("month").textContent = `${shortCount(month.events_per_day)} events a day, kept for ${significant(month.retention_days)} days, ${significant(month.changes_per_month)} changes of the code a month, ${significant(month.batch_runs_per_day)} batch runs a day.`;
  const sum = parts => Object.values(parts).reduce((a, b) => a + b, 0);
  const rows = [
    ["A million events", m => sum(m.per_million_events), "recurs: CPU and writing of live traffic"],
    ["One batch run", m => m.per_batch_run, "recurs: over the log that is kept"],
    ["Memory, a month", m => m.standing_per_month.memory ?? 0, "stands: the peak, all month"],
    ["Views, a month", m => m.standing_per_month.views ?? 0, "stands: at rest"],
    ["The log, a month", m => m.standing_per_month.log ?? 0, "stands: the same for all that keep it"],
    ["One change of the code", m => sum(m.per_change), "once: recomputing the log that is kept"],
    ["The month", m => m.month_total, "all together"],
  ];
  const table = make("table", {}, make("tr", {}, make("th", {}, ""), make("th", {}, ""), architectures.map(name => make("th", {}, nameOf(name)))));
  for (const [title, value, told] of rows) {
    table.append(make("tr", {}, make("td", {}, title), make("td", {}, told), architectures.map(name => make("td", {}, inWords(medianOf(name, run => value(run.cost.money)), prices.currency + "_per_month")))));
  }
  place("money-table").replaceChildren(table);
}
