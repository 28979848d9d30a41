// The code of both versions side by side, changed lines marked.

/** Rows of [left, right]: lines that are the same stand beside each other; null where one side has none. */
function sideBySide(before, after) {
  const [a, b] = [before.replace(/\n+$/, "").split("\n"), after.replace(/\n+$/, "").split("\n")];
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const rows = [];
  let [i, j, gone, added] = [0, 0, [], []];
  const flush = () => {
    for (let k = 0; k < Math.max(gone.length, added.length); k += 1) rows.push([gone[k] ?? null, added[k] ?? null]);
    [gone, added] = [[], []];
  };
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      flush();
      rows.push([[i, a[i], true], [j, b[j], true]]);
      i += 1; j += 1;
    } else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) {
      gone.push([i, a[i], false]); i += 1;
    } else {
      added.push([j, b[j], false]); j += 1;
    }
  }
  flush();
  return rows;
}

const KEYWORDS = {
  rust: /^(as|break|const|continue|else|enum|fn|for|if|impl|in|let|loop|match|mod|move|mut|pub|ref|return|self|static|struct|trait|type|use|where|while)$/,
  sql: /^(select|from|where|group|by|order|having|limit|as|case|when|then|else|end|and|or|not|is|null|interval|table|descriptor|cast|count|sum|min|max|avg|extract|distinct|in|between|tumble|hop|session)$/i,
};

function coloured(line, language) {
  const tokens = line.match(language === "sql" ? /--.*|'[^']*'|\w+|[^\w'-]+|./g : /\/\/.*|"(?:\\.|[^"\\])*"|\w+|[^\w"/]+|./g) || [];
  return tokens.map(token => {
    if (token.startsWith("//") || token.startsWith("--")) return make("span", { class: "c" }, token);
    if (/^["']./.test(token)) return make("span", { class: "s" }, token);
    return KEYWORDS[language]?.test(token) ? make("span", { class: "k" }, token) : token;
  });
}

function side(title, cells, language, changed) {
  const table = make("table");
  for (const cell of cells) {
    const kind = cell === null ? "gap" : cell[2] ? "same" : changed;
    table.append(make("tr", { class: kind }, make("td", {}, cell === null ? " " : String(cell[0] + 1)), make("td", {}, cell === null ? " " : coloured(cell[1], language))));
  }
  return make("div", { class: "side", tabindex: "0" }, make("h4", {}, title), table);
}

function listing({ layers, title, language, v1, v2, size_v1, size_v2, places_touched }) {
  const rows = sideBySide(v1, v2);
  const told = v1 === v2 ? "the same in both versions" : `the fix touched ${plural(places_touched, "place")}`;
  const size = size => `${plural(size.lines, "line")}, ${plural(size.tokens, "token")}, ${plural(size.decisions, "decision")}`;
  const sizes = v1 === v2 ? size(size_v2) : `${size(size_v1)} → ${size(size_v2)}`;
  const sides = v1 === v2 ? [side("both versions", rows.map(r => r[1]), language, "new")]
    : [side("version 1, with the bug", rows.map(r => r[0]), language, "gone"), side("version 2, fixed", rows.map(r => r[1]), language, "new")];
  return make("div", { class: "listing" },
    make("header", {}, make("b", {}, title), make("span", {}, `${layers.join(" and ")} · ${language}`), make("span", {}, sizes), make("span", {}, told)),
    make("div", { class: v1 === v2 ? "sides one" : "sides" }, ...sides));
}

/** A column for each system, so that Lambda's parts, merge and finish stand beside what Kappa has. */
function showCode() {
  const withCode = architectures.filter(name => runsOf(name).some(run => run.code.listings.length));
  const into = place("code-listings");
  if (!withCode.length) { into.append(make("p", { class: "hint" }, "No run has code to show.")); return; }
  const picks = [withCode.includes("lambda") ? "lambda" : withCode[0], withCode.includes("kappa") ? "kappa" : withCode[withCode.length - 1]];
  const show = () => {
    const columns = [...new Set(picks)].map(name => {
      const { code } = runsOf(name)[0];
      const told = `${plural(code.lines, "line")}, ${plural(code.functions, "function")}, ${plural(code.decisions, "decision")}, ${plural(code.tokens, "token")}; the fix touches ${plural(code.places_touched, "place")} in ${plural(code.files_touched, "file")} of ${plural(code.layers_touched, "layer")}`;
      return make("div", { class: "column" }, make("h3", {}, nameOf(name)), make("p", { class: "hint" }, told), ...code.listings.map(listing));
    });
    into.replaceChildren(...columns);
    [...place("code-tabs").querySelectorAll("button")].forEach(b => b.setAttribute("aria-pressed", String(picks[Number(b.dataset.column)] === b.dataset.name)));
  };
  for (const [column, label] of ["Left", "Right"].entries()) {
    place("code-tabs").append(make("div", { class: "pick" }, label, withCode.map(name => make("button", { type: "button", "data-name": name, "data-column": String(column), onclick: () => { picks[column] = name; show(); } }, name))));
  }
  show();
}
