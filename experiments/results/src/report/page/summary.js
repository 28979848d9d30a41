// The first screen: findings, a tile for each main question, and the table of all of them.

function showHead() {
  const changed = settings.sql_v1 !== settings.sql_v2;
  const n = architectures.length;
  place("title").textContent = `One log of ${settings.workload}, ${["no", "one", "two", "three", "four", "five", "six"][n] ?? n} architecture${n === 1 ? "" : "s"}${changed ? ", one bug to fix" : ""}`;
  document.title = `Twopath: ${architectures.join(", ")} on ${settings.workload}`;
  for (const [index, sentence] of result.recommendation.entries()) place("recommendation").append(make("p", { class: index ? "" : "first" }, withNames(sentence)));
  if (!result.recommendation.length) place("recommendation").remove();
  place("lead").textContent = `Each run loads ${playedHistory()} and then takes in ${count(settings.events_steady)} more, `
    + `${count(settings.rate)} a second, while clients read.`
    + (changed ? " In mid-run a fix of the query is deployed, and every architecture brings it in as it does." : "")
    + ` Every answer is checked. ${plural(settings.repeats, "repeat")}, ${provenance.started.slice(0, 10)}.`;
  const loud = /^(A BUG|Stopped early|\d+ of .* crashed)|could not keep up from/;
  for (const finding of result.findings) {
    if (loud.test(finding)) place("trouble").append(make("p", { class: "trouble", role: "alert" }, finding));
    else place("findings").append(make("li", {}, withNames(finding)));
  }
}

/** The history as it was really played. */
function playedHistory() {
  const { kind, years } = settings.history;
  const from = kind === "tiled" ? ` (recorded ones, tiled over ${plural(years, "year")})` : kind === "generated" ? " (generated)" : "";
  return `${count(settings.events_history)} events of history${from}`;
}

/** What a name that is a word, too, is not: a batch run is not the architecture. */
const NOT_A_NAME = { before: "(?<!\\b(?:an?|on|the|one|each|every|next|first|last|new|old|finished|whose) )", after: "(?! (?:runs?|views?|layers?|engines?|paths?|intervals?)\\b)" };

/** Names of architectures in their colours, figures in bold. */
function withNames(text) {
  const escaped = name => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const names = [...architectures].sort((a, b) => b.length - a.length).map(name => (/^\w+$/.test(name) ? NOT_A_NAME.before + name + NOT_A_NAME.after : escaped(name)));
  const pattern = new RegExp(`(?<![\\w-])(${names.join("|")}|\\d[\\d.,]*(?:\\u00a0(?:ms|s|µs|min|%|[kMGT]?B)|×))(?![\\w-])`);
  return text.replace(/(\d) (?=(ms|s|µs|min|%|[kMGT]?B)\b)/g, "$1\u00a0").split(pattern).map((part, index) => {
    if (index % 2 === 0) return part;
    return architectures.includes(part) ? make("b", { style: `color:${colourOf(part)};white-space:nowrap` }, part) : make("b", {}, part);
  });
}

const TILES = [
  ["freshness_p99", "Until 99 of 100 events are in the answer"],
  ["time_to_correct", "From the fix until every answer is right"],
  ["wrong_share", "Answers that the fixed code corrects"],
  ["cpu_per_million", "CPU time per million events"],
  ["extra_storage", "Extra space while the fix is brought in"],
  ["money_month", "Money for the stated month"],
  ["code_lines", "Lines of query logic, both versions"],
];

function showTiles() {
  for (const [id, title] of TILES) {
    const question = questions.find(q => q.id === id);
    if (question && Object.values(question.by_architecture).some(e => e.median !== null)) place("tiles").append(tile(question, title));
  }
}

/** Bars from 0 where the figures are of a size; dots on a logarithmic scale where they are not. */
function tile(question, title) {
  const all = Object.values(question.by_architecture).flatMap(e => e.values).filter(v => v !== null);
  const high = Math.max(...all), low = Math.min(...all.filter(v => v > 0));
  const logarithmic = high / low > 25;
  const from = Math.floor(Math.log10(low)), to = Math.max(from + 1, Math.ceil(Math.log10(high)));
  const at = value => logarithmic ? (value > 0 ? (Math.log10(value) - from) / (to - from) : 0) : value / (high || 1);
  const left = value => `left:${(100 * at(value)).toFixed(2)}%`;
  const strip = make("div", { class: "strip" });
  for (const name of architectures) {
    const { median, values } = question.by_architecture[name];
    const plot = make("span", { class: "plot", style: `--c:${colourOf(name)}` });
    if (median !== null) {
      if (!logarithmic) plot.append(make("span", { class: "bar", style: `width:${(100 * at(median)).toFixed(2)}%` }));
      if (new Set(values).size > 1) values.filter(v => v !== null).forEach(v => plot.append(make("span", { class: "dot", style: left(v) })));
      if (logarithmic) plot.append(make("span", { class: "dot median", style: left(median) }));
    }
    const won = question.winner === name;
    strip.append(nameOf(name), plot, make("span", { class: won ? "value won" : "value" }, inWords(median, question.unit) + (won ? " ★" : "")));
  }
  if (logarithmic) {
    const scale = make("span", { class: "scale" });
    // At most three labels: more would touch one another in a narrow tile.
    const step = Math.ceil((to - from) / 2);
    for (let power = from; power <= to; power += step) {
      scale.append(make("span", { style: left(10 ** power) }, inWords(10 ** power, question.unit)));
    }
    strip.append(scale);
  }
  return make("div", { class: "tile" }, make("h3", {}, title, logarithmic ? make("small", {}, " · log scale") : ""), strip);
}

function showQuestions() {
  const head = make("tr", {}, make("th", {}, ""), architectures.map(name => make("th", {}, nameOf(name))));
  const body = make("tbody");
  let section = "";
  for (const question of questions) {
    if (sections[question.id] !== section) {
      section = sections[question.id];
      body.append(make("tr", { class: "section" }, make("th", { colspan: architectures.length + 1 }, section)));
    }
    const loud = question.id === "wrong_engine" && Object.values(question.by_architecture).some(e => e.values.some(v => v > 0));
    const row = make("tr", { class: loud ? "asked loud" : "asked" },
      make("th", { scope: "row" }, question.question, make("span", { class: "why" }, question.why)));
    for (const name of architectures) row.append(cell(question, name));
    body.append(row);
  }
  place("questions").append(make("table", { class: "questions" }, make("thead", {}, head), body));
}

function cell(question, name) {
  const estimate = question.by_architecture[name];
  const won = question.winner === name;
  const tied = question.tied.length > 1 && question.tied.length < architectures.length && question.tied.includes(name);
  const told = `${inWords(estimate.median, question.unit)}${won ? " ★" : tied ? " ≈" : ""}`;
  const spread = estimate.values.map(v => inWords(v, question.unit)).join(", ");
  const td = make("td", { class: won ? "won" : "", title: `repeats: ${spread}` }, make("span", { class: "label" }, nameOf(name)), make("b", {}, told));
  if (estimate.ratio !== null && estimate.ratio > 1) {
    const interval = estimate.ratio_low !== null ? ` (${significant(estimate.ratio_low)}–${significant(estimate.ratio_high)})` : "";
    td.append(make("small", {}, times(estimate.ratio) + interval));
  }
  return td;
}
