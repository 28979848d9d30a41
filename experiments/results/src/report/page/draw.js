// Drawing by uPlot: for every page.

const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif";
let drawn = [];

function clearCharts() {
  drawn.forEach(chart => { chart.watch.disconnect(); chart.plot.destroy(); });
  drawn = [];
}

/** A chart as wide as its place, whatever becomes of that. */
function draw(into, options, data) {
  const plot = new uPlot({ ...options, width: Math.max(into.clientWidth, 200) }, data, into);
  const watch = new ResizeObserver(() => {
    if (into.clientWidth > 0 && Math.abs(into.clientWidth - plot.width) > 1) plot.setSize({ width: into.clientWidth, height: options.height });
  });
  watch.observe(into);
  drawn.push({ plot, watch });
  return plot;
}

function axis(extra) {
  return { stroke: paint("--muted"), font: FONT, labelFont: FONT, grid: { stroke: paint("--grid"), width: 1 }, ticks: { show: false }, ...extra };
}

/** Names at the right ends of lines, pushed apart where they would lie on one another. */
function endLabels(labels) {
  return {
    hooks: {
      draw: u => {
        const scale = window.devicePixelRatio || 1, { ctx, bbox } = u;
        const placed = labels.map(({ text, series, colour }) => {
          let last = u.data[series].length - 1;
          while (last >= 0 && u.data[series][last] == null) last -= 1;
          return last < 0 ? null : { text, colour, y: u.valToPos(u.data[series][last], "y", true), x: u.valToPos(u.data[0][last], "x", true) };
        }).filter(Boolean).sort((a, b) => a.y - b.y);
        const gap = 14 * scale;
        for (let i = 1; i < placed.length; i += 1) placed[i].y = Math.max(placed[i].y, placed[i - 1].y + gap);
        const bottom = bbox.top + bbox.height + 2 * scale;
        for (let i = placed.length - 1, limit = bottom; i >= 0; i -= 1, limit -= gap) placed[i].y = Math.min(placed[i].y, limit);
        ctx.save();
        ctx.font = "600 " + FONT.replace("12px", 12 * scale + "px");
        ctx.textBaseline = "middle";
        ctx.textAlign = "left";
        for (const { text, colour, x, y } of placed) {
          ctx.fillStyle = colour;
          ctx.fillText(text, x + 5 * scale, y);
        }
        ctx.restore();
      },
    },
  };
}

const shortCount = v => v >= 999.5e6 ? significant(v / 1e9) + " G" : v >= 999500 ? significant(v / 1e6) + " M" : v >= 999.5 ? significant(v / 1e3) + " k" : significant(v);

function decades(low, high) {
  const powers = [];
  for (let power = Math.ceil(Math.log10(low)); power <= Math.floor(Math.log10(high)); power += 1) powers.push(10 ** power);
  return powers.length > 1 ? powers : [low, Math.sqrt(low * high), high];
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  place("theme").textContent = theme === "dark" ? "Light" : "Dark";
}

/** As the reader's system has it, until the button is used; charts are drawn anew, since canvases keep their colours. */
function setUpTheme(redraw) {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  setTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", event => { setTheme(event.matches ? "dark" : "light"); redraw(); });
  place("theme").addEventListener("click", () => { setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); redraw(); });
}
