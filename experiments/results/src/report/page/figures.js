"use strict";
// Elements, and figures as people read them: for every page.

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
/** A CSS variable's colour now: canvases need the value. */
const paint = variable => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();

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
const count = n => Math.round(n).toLocaleString("en");
const percent = share => significant(share * 100) + " %";
const times = ratio => significant(ratio) + "×";
const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
function median(values) {
  const sorted = values.filter(v => v !== null && v !== undefined).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (!sorted.length) return null;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
