// Costs as stacked bars: a row per architecture, its parts in shades of its colour, always in the same order.

const LAYERS = ["batch", "speed", "serving", "log"];
const PARTS = ["cpu", "memory", "storage", "writing"];
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
      if (order.length > 1) told.append(make("span", {}, make("i", { style: shade(index) }), `${part} ${words(value)}`));
    });
    list.append(make("div", { class: "row" }, make("header", {}, nameOf(name), make("b", {}, empty ? "–" : words(total))), track, told));
  }
  into.replaceChildren(list);
}

function showCost() {
  const layers = [...LAYERS, ...new Set(okRuns.flatMap(run => Object.keys(run.cost.cpu_s_per_million_events.by_layer)).filter(l => l !== "load" && !LAYERS.includes(l)))];
  stack(place("cpu"), layers, run => run.cost.cpu_s_per_million_events.by_layer, v => significant(v) + " s");
  stack(place("money"), PARTS, run => run.cost.money_by_part, money);
  stack(place("memory"), ["memory"], run => ({ memory: run.cost.rss_bytes_max }), bytes);
  stack(place("written"), ["written"], run => ({ written: run.cost.bytes_written }), bytes);
  place("prices").textContent = `The generator and the querying clients are not charged. Prices (${prices.source}): ${prices.cpu_hour} ${prices.currency} for a CPU-hour, `
    + `${prices.memory_gib_hour} for a GiB of memory for an hour, ${prices.storage_gib_month} for a GiB kept for a month, ${prices.written_gib} for a GiB written. `
    + "Memory is its peak held for as long as the events take at this rate; storage is the log and the batch views kept for one month.";
}
