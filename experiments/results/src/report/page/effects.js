// Effects by factor: the ratio of each step with its interval, on one logarithmic axis.

const FACTORS = { architecture: "Architecture", batch_engine: "Batch engine", speed_engine: "Speed engine", language: "Language" };

function showEffects() {
  const into = place("effects-table");
  const asked = questions.filter(q => !["wrong_engine", "log_bytes"].includes(q.id));
  const steps = new Map();
  for (const effect of result.effects) {
    const key = [effect.factor, effect.from, effect.to].join("\n");
    if (!steps.has(key)) steps.set(key, []);
    steps.get(key).push(effect);
  }
  if (!steps.size) { into.append(make("p", { class: "hint" }, "No two systems here differ in one factor alone. ", make("code", {}, "twopath compare --matrix"), " crosses the factors.")); return; }
  for (const [key, effects] of steps) {
    const [factor, from, to] = key.split("\n");
    const shown = effects.filter(e => e.ratio !== null && asked.some(q => q.id === e.figure) && (e.decided || e.low !== null));
    const ends = shown.flatMap(e => [e.ratio, ...(e.decided ? [e.low, e.high] : [])]).filter(v => v > 0);
    const reach = Math.max(Math.log(2), ...ends.map(v => Math.abs(Math.log(v))));
    const at = ratio => `${(50 + 46 * Math.max(-1, Math.min(1, Math.log(ratio) / reach))).toFixed(2)}%`;
    const rows = make("div", { class: "forest" });
    rows.append(make("span", {}), make("span", { class: "ends" }, make("span", {}, `less with ${to}`), make("span", {}, `more with ${to}`)), make("span", {}));
    let ties = 0;
    for (const e of shown) {
      const question = asked.find(q => q.id === e.figure);
      if (!e.decided) { ties += 1; continue; }
      const plot = make("span", { class: "line" }, make("i", { class: "one" }));
      if (e.low !== null) plot.append(make("i", { class: "range", style: `left:${at(e.low)};right:calc(100% - ${at(e.high)})` }));
      plot.append(make("i", { class: "dot", style: `left:${at(e.ratio)}` }));
      const note = factor === "architecture" && !e.everywhere ? " †" : "";
      rows.append(make("span", { class: "what" }, question.question.replace(/\?.*$/, "")), plot,
        make("span", { class: "ratio", title: `${plural(e.pairs, "pair")}` }, times(e.ratio) + note, make("small", {}, e.low === null ? "" : ` ${significant(e.low)}–${significant(e.high)}`)));
    }
    const pairs = Math.max(...effects.map(e => e.pairs));
    into.append(make("div", { class: "effect" }, make("h3", {}, `${FACTORS[factor]}: ${to} against ${from}`, make("small", {}, ` · ${plural(pairs, "pair")}`)),
      ties < shown.length ? rows : "", make("p", { class: "hint" }, ties ? `A tie: ${shown.filter(e => !e.decided).map(e => asked.find(q => q.id === e.figure).question.replace(/\?.*$/, "").toLowerCase()).join("; ")}.` : "")));
  }
}
