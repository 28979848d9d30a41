// The result, and the words that all parts of the page use.
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

/** A preset has a colour of its own; others, as in a cross, one by their place. */
const PRESETS = ["batch", "lambda", "lambda-sql", "lambda-timely", "kappa", "kappa-sql", "kappa-backfill"];
const colourVariable = name => (PRESETS.includes(name) ? `--c-${name}` : `--x${Math.max(0, architectures.indexOf(name)) % 12}`);
const colourOf = name => `var(${colourVariable(name)}, var(--muted))`;
const nameOf = name => make("span", { class: "name", style: `--c:${colourOf(name)}` }, name);
const colourNow = name => paint(colourVariable(name)) || paint("--muted");

const money = amount => significant(amount) + " " + prices.currency;

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
const runsOf = name => okRuns.filter(run => run.system === name);
const medianOf = (name, value) => median(runsOf(name).map(value));
