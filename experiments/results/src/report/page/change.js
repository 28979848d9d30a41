// The dip: what bringing the fix in does to freshness, reads and storage meanwhile, all systems over one another.

/** Around the deployment: a little before it until the last of them is right, and some of what follows. */
function changeWindow() {
  const ends = okRuns.flatMap(run => {
    const deploy = run.marks.find(mark => mark.kind === "deploy");
    const ended = run.marks.filter(mark => mark.kind === "corrected" || mark.kind === "cutover").map(mark => mark.at_ms);
    return deploy ? [Math.max(...ended, deploy.until_ms ?? deploy.at_ms) - deploy.at_ms] : [];
  });
  if (!ends.length) return null;
  const span = Math.max(...ends);
  return [-0.25 * span / 1e3 - 0.2, 1.25 * span / 1e3 + 0.3];
}

/** Lines over time since the deployment, with a tick where each system's readers moved and where all was right. */
function changeChart(id, pick, value, logarithmic, words, told) {
  const into = place(id);
  into.replaceChildren();
  const range = changeWindow();
  const shown = architectures.map(shownRun).filter(run => run && run.marks.some(m => m.kind === "deploy") && pick(run).length);
  if (!range || !shown.length) { into.append(make("p", { class: "hint" }, range ? "Not recorded in these runs." : "Nothing was deployed.")); return; }
  const since = run => run.marks.find(m => m.kind === "deploy").at_ms;
  const inside = (run, bin) => { const t = (bin.at_ms - since(run)) / 1e3; return t >= range[0] && t <= range[1]; };
  const tables = shown.map(run => {
    const bins = pick(run).filter(bin => inside(run, bin));
    return [bins.map(bin => (bin.at_ms - since(run)) / 1e3), bins.map(value)];
  });
  const all = tables.flatMap(table => table[1]).filter(v => v !== null && v > 0);
  if (!all.length) { into.append(make("p", { class: "hint" }, "Not recorded in these runs.")); return; }
  const height = 270, log = logarithmic ? logScale(all) : null;
  const scale = log ? log.scale : { range: () => [0, Math.max(...all) * 1.08] };
  const yAxis = log ? log.axis(height - 60) : axis({ size: 64, values: (_, splits) => splits.map(words) });
  const series = shown.map(run => ({ stroke: colourNow(run.system), width: 2, spanGaps: true, points: { show: false }, dash: run.language === "sql" ? [7, 4] : undefined }));
  const ticks = { hooks: { draw: u => {
    const { ctx, bbox } = u, ratio = window.devicePixelRatio || 1;
    ctx.save();
    const x0 = u.valToPos(0, "x", true);
    ctx.strokeStyle = paint("--ink"); ctx.setLineDash([5 * ratio, 3 * ratio]); ctx.lineWidth = 1.2 * ratio;
    ctx.beginPath(); ctx.moveTo(x0, bbox.top); ctx.lineTo(x0, bbox.top + bbox.height); ctx.stroke();
    ctx.setLineDash([]);
    ctx.font = FONT.replace("12px", 12 * ratio + "px"); ctx.fillStyle = paint("--ink"); ctx.textAlign = "left";
    ctx.fillText("fix deployed", x0 + 4 * ratio, bbox.top - 5 * ratio);
    shown.forEach((run, index) => {
      const right = run.marks.find(m => m.kind === "corrected");
      const y = bbox.top + bbox.height - (6 + 7 * (shown.length - 1 - index)) * ratio;
      const end = right ? u.valToPos((right.at_ms - since(run)) / 1e3, "x", true) : bbox.left + bbox.width;
      ctx.strokeStyle = ctx.fillStyle = colourNow(run.system);
      ctx.lineWidth = 3 * ratio;
      ctx.beginPath(); ctx.moveTo(x0, y); ctx.lineTo(Math.max(end, x0 + 1), y); ctx.stroke();
      if (right) { ctx.beginPath(); ctx.arc(end, y, 4 * ratio, 0, 7); ctx.fill(); }
    });
    ctx.restore();
  } } };
  into.setAttribute("role", "img");
  into.setAttribute("aria-label", told);
  draw(into, {
    height, series: [{}, ...series], legend: { show: false }, padding: [24, 14, 0, 0],
    scales: { x: { time: false, range: () => range }, y: scale },
    axes: [axis({ size: 26, values: (_, splits) => splits.map(s => significant(s) + " s"), space: 60 }), yAxis],
    cursor: { show: false }, plugins: [ticks],
  }, uPlot.join(tables));
}

function showChange() {
  changeChart("dip-freshness", run => run.series.freshness, bin => bin.p99_ms, true, duration, "Freshness around the deployment of the fix");
  changeChart("dip-reads", run => run.series.reads, bin => (bin.count ? bin.p99_ms : null), true, duration, "Time per read around the deployment of the fix");
  changeChart("dip-storage", run => run.series.storage, bin => bin.bytes, false, bytes, "Bytes of views and state around the deployment of the fix");
  const legend = place("dip-legend");
  legend.replaceChildren(...architectures.filter(shownRun).map(nameOf));
}
