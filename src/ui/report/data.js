"use strict";
// The page's data, and what all parts of it share. Text of runs goes into text nodes and canvases only.

const data = JSON.parse(document.getElementById("data").textContent);
const count = data.runs.id.length;
const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Numbers that JSON does not have are words. */
const WORDS = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const numeric = (value) => (value === null ? undefined : typeof value === "string" ? WORDS[value] : value);

function shownNumber(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
}

function shownDuration(seconds) {
  const digits = (value, unit) => `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
  if (seconds < 1) return seconds <= 0 ? "" : digits(seconds * 1000, "ms");
  if (seconds < 60) return digits(seconds, "s");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

function shownMoment(seconds) {
  const date = new Date(seconds * 1000);
  const two = (value) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** A column: `text` and `number` of a run; either is empty or undefined where the run has none. */
function column(raw, place) {
  const shared = { title: raw.title, kind: raw.kind, visible: raw.visible, place };
  if (raw.numbers) {
    const numbers = raw.numbers.map(numeric);
    const show = { took: shownDuration, started: shownMoment }[raw.kind] ?? shownNumber;
    return {
      ...shared,
      isNumeric: true,
      number: (run) => numbers[run],
      text: (run) => (numbers[run] === undefined ? "" : show(numbers[run])),
    };
  }
  const { words, of } = raw.texts;
  const numbers = (raw.texts.numbers ?? words.map(() => null)).map(numeric);
  return {
    ...shared,
    isNumeric: words.length > 0 && numbers.every((value) => value !== undefined),
    number: (run) => (of[run] < 0 ? undefined : numbers[of[run]]),
    text: (run) => (of[run] < 0 ? "" : words[of[run]]),
  };
}

const columns = data.columns.map(column);
const columnOf = (kind) => columns.find((column) => column.kind === kind);
const command = (run) => data.commands.words[data.commands.of[run]];
const runOf = new Map(data.runs.id.map((id, run) => [id, run]));

/** What the page shows now. */
const state = {
  /** Columns by which the rows are sorted, the first one counts most. */
  order: [],
  /** Limits that were drawn on the axes, by column. */
  limits: new Map(),
  /** The runs that are shown, in order. */
  view: Array.from({ length: count }, (_, run) => run),
  /** At most two runs to compare. */
  picked: [],
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const PALETTE = ["#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#14b8a6", "#ec4899", "#84cc16", "#f97316", "#64748b"];
const SCALE = [[68, 84, 196], [43, 140, 190], [38, 166, 128], [160, 190, 40], [245, 170, 30]];

/** Values of a column as places on an axis: numbers as they are, words one after the other. */
function axisOf(column, runs) {
  if (column.isNumeric) {
    const place = (run) => {
      const value = column.number(run);
      return Number.isFinite(value) ? value : undefined;
    };
    let [low, high] = [Infinity, -Infinity];
    for (const run of runs) {
      const value = place(run);
      if (value !== undefined) [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
    return { place, low, high, words: null };
  }
  const words = [...new Set(runs.map(column.text))].filter((word) => word !== "").sort();
  const places = new Map(words.map((word, place) => [word, place]));
  return { place: (run) => places.get(column.text(run)), low: 0, high: Math.max(words.length - 1, 0), words };
}

/** The colour of each run by the column that is chosen, and the keys to them. */
function colours() {
  const column = columns[Number(byId("colour").value)];
  const axis = axisOf(column, state.view);
  if (axis.words) {
    const of = (place) => PALETTE[place % PALETTE.length];
    const keys = axis.words.slice(0, 12).map((word, place) => [word, of(place)]);
    return { of: (run) => (axis.place(run) === undefined ? colour("--faint") : of(axis.place(run))), keys };
  }
  const width = axis.high - axis.low || 1;
  const of = (value) => {
    const at = ((value - axis.low) / width) * (SCALE.length - 1);
    const first = Math.min(Math.floor(at), SCALE.length - 2);
    const mixed = SCALE[first].map((part, index) => Math.round(part + (SCALE[first + 1][index] - part) * (at - first)));
    return `rgb(${mixed.join(",")})`;
  };
  const show = (value) => ({ took: shownDuration, started: shownMoment })[column.kind]?.(value) ?? shownNumber(value);
  const values = axis.low <= axis.high ? [...new Set([axis.low, axis.low + width / 2, axis.high])].filter((value) => value <= axis.high) : [];
  return {
    of: (run) => (axis.place(run) === undefined ? colour("--faint") : of(axis.place(run))),
    keys: values.map((value) => [show(value), of(value)]),
  };
}

function showKeys(box, keys) {
  box.replaceChildren(
    ...keys.map(([word, colour]) => {
      const dot = el("i");
      dot.style.background = colour;
      return el("span", {}, dot, word);
    }),
  );
}

/** One line about a run, for captions. */
function brief(run, ...extra) {
  const parts = [data.runs.id[run], columnOf("state").text(run)];
  for (const column of columns) {
    if (column.kind === "parameter" && column.visible && column.text(run) !== "") parts.push(`${column.title}=${column.text(run)}`);
  }
  return [...parts, ...extra].join("  ");
}
