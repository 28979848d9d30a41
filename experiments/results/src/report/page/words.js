"use strict";
// The result, and the words and figures that all parts of the page use.
const result = JSON.parse(document.getElementById("result").textContent);
const sections = JSON.parse(document.getElementById("sections").textContent);
const { settings, provenance, questions } = result;
const systems = settings.systems;
const architectures = systems.map(system => system.name);
const prices = settings.prices;
const okRuns = result.runs.filter(run => run.outcome.kind === "ok");

const about = {
  "batch": "Recomputes the answer from the whole log every so often, and has nothing in between. The control: how stale is “every night”?",
  "lambda": "A batch layer and a speed layer. The logic is written once for each; a read merges their two views.",
  "lambda-sql": "The same two layers, but both compiled from one SQL text: “write once”.",
  "lambda-timely": "Two layers, both on the stream engine. A control: it tells the architecture from the engine.",
  "kappa": "One stream path. To change the code, a second version replays the log into a table of its own; then the readers are switched.",
  "kappa-sql": "The same stream path, compiled from SQL.",
  "kappa-backfill": "One stream path whose history the batch engine computes; the stream takes over where that ends. A control from the other side.",
};

/** Makes an element: `make("p", {class: "x"}, "text", child)`. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") element.style.cssText = value;
    else if (key === "onclick") element.addEventListener("click", value);
    else element.setAttribute(key, value);
  }
  element.append(...children.flat());
  return element;
}
const place = id => document.getElementById(id);
/** A preset has a colour of its own; others, as in a cross, one by their place. */
const PRESETS = ["batch", "lambda", "lambda-sql", "lambda-timely", "kappa", "kappa-sql", "kappa-backfill"];
const colourVariable = name => (PRESETS.includes(name) ? `--c-${name}` : `--x${Math.max(0, architectures.indexOf(name)) % 12}`);
const colourOf = name => `var(${colourVariable(name)}, var(--muted))`;
const nameOf = name => make("span", { class: "name", style: `--c:${colourOf(name)}` }, name);
/** A CSS variable's colour now: canvases need the value. */
const paint = variable => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
const colourNow = name => paint(colourVariable(name)) || paint("--muted");

/** Three significant digits, no exponent, no zeros at the end. */
function significant(value) {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = v => Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(v)))));
  const rounded = Number(value.toFixed(decimals(value)));
  return rounded === 0 ? "0" : String(Number(value.toFixed(decimals(rounded))));
}
function duration(ms) {
  if (ms === 0) return "0 ms";
  if (ms < 0.9995) return significant(ms * 1e3) + " µs";
  if (ms < 999.5) return significant(ms) + " ms";
  return ms < 119500 ? significant(ms / 1e3) + " s" : significant(ms / 6e4) + " min";
}
function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) { value /= 1e3; unit += 1; }
  return significant(value) + " " + units[unit];
}
const money = amount => significant(amount) + " " + prices.currency;
const count = n => Math.round(n).toLocaleString("en");
const percent = share => significant(share * 100) + " %";
const times = ratio => significant(ratio) + "×";
const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** A value in the unit of its question. */
function inWords(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "ms") return duration(value);
  if (unit === "bytes") return bytes(value);
  if (unit === "share") return percent(value);
  if (unit === "cpu_s_per_million_events") return significant(value) + " s";
  if (unit.endsWith("_per_month")) return money(value);
  return count(value);
}
function median(values) {
  const sorted = values.filter(v => v !== null && v !== undefined).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (!sorted.length) return null;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
const runsOf = name => okRuns.filter(run => run.system === name);
const medianOf = (name, value) => median(runsOf(name).map(value));
