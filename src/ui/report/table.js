// The table: rows are made as they come into sight, so that thousands of runs stay quick.

const ROW_HEIGHT = 28;

/** Orders two runs by a column: what is missing comes last, whichever the direction; numbers come before words. */
function compareBy(column, down, one, other) {
  const [first, second] = [column.number(one), column.number(other)];
  const [isFirst, isSecond] = [first !== undefined && !Number.isNaN(first), second !== undefined && !Number.isNaN(second)];
  const turn = down ? -1 : 1;
  if (isFirst && isSecond) return turn * (first - second || 0);
  const [text, next] = [column.text(one), column.text(other)];
  const isMissing = (is, value, text) => !is && (text === "" || value !== undefined);
  const [noFirst, noSecond] = [isMissing(isFirst, first, text), isMissing(isSecond, second, next)];
  if (noFirst || noSecond) return noFirst - noSecond;
  if (isFirst !== isSecond) return turn * (isFirst ? -1 : 1);
  return turn * (text < next ? -1 : text > next ? 1 : 0);
}

const bare = (text) => text.replaceAll('"', "");

/** The column that a word of the filter names, with or without its unit, in whichever case. */
function namedColumn(name) {
  const lower = name.toLowerCase();
  const title = (column) => column.title.toLowerCase();
  return (
    columns.find((column) => title(column) === lower) ??
    columns.find((column) => title(column).split(" [")[0] === lower || title(column).split(".").pop() === lower)
  );
}

const searched = new Array(count);
function allText(run) {
  searched[run] ??= [command(run), ...columns.map((column) => column.text(run))].join("\n").toLowerCase();
  return searched[run];
}

/** What a filter lets through: words that are found anywhere, and comparisons. */
function parsedFilter(text) {
  const terms = text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
  return terms.map((term) => {
    const parts = term.match(/^(.+?)(>=|<=|!=|=|>|<)(.*)$/s);
    const column = parts && namedColumn(bare(parts[1]));
    if (!column) {
      const wanted = bare(term).toLowerCase();
      return (run) => allText(run).includes(wanted);
    }
    const [sign, wanted] = [parts[2], bare(parts[3])];
    const limit = wanted.trim() === "" ? NaN : Number(wanted);
    const equals = (run) => {
      const value = column.number(run);
      return (value !== undefined && value === limit) || column.text(run).toLowerCase() === wanted.toLowerCase();
    };
    switch (sign) {
      case "=": return equals;
      case "!=": return (run) => !equals(run);
      case ">": return (run) => column.number(run) > limit;
      case "<": return (run) => column.number(run) < limit;
      case ">=": return (run) => column.number(run) >= limit;
      default: return (run) => column.number(run) <= limit;
    }
  });
}

function insideLimits(run) {
  for (const [column, { axis, low, high }] of state.limits) {
    const value = axis.place(run);
    if (value === undefined || value < low || value > high) return false;
  }
  return true;
}

/** Chooses and sorts the rows anew. */
function renew() {
  const filter = parsedFilter(byId("filter").value);
  const view = [];
  for (let run = 0; run < count; run += 1) {
    if (filter.every((passes) => passes(run)) && insideLimits(run)) view.push(run);
  }
  view.sort((one, other) => {
    for (const { column, down } of state.order) {
      const order = compareBy(column, down, one, other);
      if (order !== 0) return order;
    }
    return one - other;
  });
  state.view = view;
  byId("shown").textContent = view.length === count ? `${count} runs` : `${view.length} of ${count} runs`;
  byId("table-box").dataset.rows = view.length;
  drawHeads();
  drawRows();
  drawCharts();
}

const visibleColumns = () => columns.filter((column) => column.visible);

function sortBy(column, adds) {
  const known = state.order.find((part) => part.column === column);
  // Results are looked at from the best one down, all else from the first one up.
  const down = known ? !known.down : column.kind === "metric";
  const others = adds ? state.order.filter((part) => part.column !== column) : [];
  state.order = [...others, { column, down }];
  renew();
}

function drawHeads() {
  const heads = visibleColumns().map((column) => {
    const part = state.order.find((part) => part.column === column);
    const mark = part ? (part.down ? " ▼" : " ▲") : "";
    const button = el("button", { type: "button", title: column.title, click: (event) => sortBy(column, event.shiftKey) }, column.title + mark);
    const sorted = part ? (part.down ? "descending" : "ascending") : "none";
    return el("th", { scope: "col", "aria-sort": sorted, class: column.isNumeric ? "number" : "" }, button);
  });
  byId("heads").replaceChildren(el("th", { scope: "col", title: "compare" }, ""), ...heads);
}

/** Columns as wide as what they hold, as far as a look at some hundred runs tells. */
function setWidths() {
  const step = Math.max(1, Math.floor(count / 300));
  const widths = visibleColumns().map((column) => {
    let longest = column.title.length + 2;
    for (let run = 0; run < count; run += step) longest = Math.max(longest, column.text(run).length);
    return Math.min(Math.max(longest, 4), column.kind === "error" ? 60 : 28) * (column.kind === "run" ? 9.4 : 8.6) + 26;
  });
  const all = [38, ...widths].map((width) => {
    const col = el("col");
    col.style.width = `${width}px`;
    return col;
  });
  byId("widths").replaceChildren(...all);
  byId("table").style.width = `${widths.reduce((sum, width) => sum + width, 38)}px`;
}

function cellOf(column, run) {
  const text = column.text(run);
  const classes = [column.isNumeric ? "number" : ""];
  if (column.kind === "run") classes.push("hash");
  if (column.kind === "state") classes.push(text === "ok" ? "good" : "bad");
  if (column.kind === "error") classes.push("bad");
  return el("td", { class: classes.join(" ").trim(), title: text.length > 24 ? text : false }, text);
}

function rowOf(run, place) {
  const tick = el("input", {
    type: "checkbox",
    "aria-label": `compare ${data.runs.id[run]}`,
    click: (event) => event.stopPropagation(),
    change: () => pick(run),
  });
  tick.checked = state.picked.includes(run);
  const row = el(
    "tr",
    {
      "aria-rowindex": place + 2,
      "data-run": data.runs.id[run],
      class: tick.checked ? "picked" : "",
      tabindex: 0,
      click: () => showRun(run),
      keydown: (event) => event.target === row && event.key === "Enter" && showRun(run),
    },
    el("td", {}, tick),
    ...visibleColumns().map((column) => cellOf(column, run)),
  );
  return row;
}

function spacer(rows) {
  const cell = el("td", { colspan: visibleColumns().length + 1 });
  const row = el("tr", { "aria-hidden": "true" }, cell);
  row.style.height = cell.style.height = `${rows * ROW_HEIGHT}px`;
  cell.style.padding = 0;
  return row;
}

/** Makes the rows that are in sight. */
function drawRows() {
  const box = byId("table-box");
  const length = state.view.length;
  const first = Math.min(Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - 6), length);
  const last = Math.min(length, first + Math.ceil((box.clientHeight || 600) / ROW_HEIGHT) + 12);
  const rows = state.view.slice(first, last).map((run, index) => rowOf(run, first + index));
  byId("table").setAttribute("aria-rowcount", length + 1);
  byId("rows").replaceChildren(
    ...(first > 0 ? [spacer(first)] : []),
    ...rows,
    ...(last < length ? [spacer(length - last)] : []),
  );
}

function listColumns() {
  byId("column-list").replaceChildren(
    ...columns.map((column) => {
      const tick = el("input", {
        type: "checkbox",
        change: () => {
          column.visible = tick.checked;
          setWidths();
          drawHeads();
          drawRows();
          drawParallel();
        },
      });
      tick.checked = column.visible;
      return el("label", {}, tick, ` ${column.title}`);
    }),
  );
}
