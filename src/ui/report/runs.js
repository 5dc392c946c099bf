// One run with all that it left, and two runs side by side.

function plainTable(rows) {
  return el("table", { class: "plain" }, el("tbody", {}, ...rows));
}

function textOf(place) {
  const text = data.texts[place];
  if (text === undefined) return "";
  return text;
}

function streamOf(title, place) {
  const text = textOf(place);
  if (text === "") return [];
  return [el("h3", {}, title), el("pre", { "data-stream": title }, text)];
}

function pictures(run) {
  const all = data.runs.pictures[run];
  if (!all || all.length === 0) return [];
  const figures = all.map(([name, place]) => {
    const image = el("img", { alt: name, src: data.pictures[place] });
    return el("figure", {}, image, el("figcaption", {}, name));
  });
  return [el("h3", {}, "images"), el("div", { class: "pictures" }, ...figures)];
}

/** Shows all of a run below the table. */
function showRun(run) {
  const id = data.runs.id[run];
  const line = (name, ...value) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, ...value));
  const known = columns.filter((column) => column.text(run) !== "" && !["run", "error"].includes(column.kind));
  const rows = [line("command", el("code", {}, command(run)))];
  for (const column of known) rows.push(line(column.title, column.text(run)));
  for (const [name, value] of data.constant) rows.push(line(name, value));
  const outputs = (data.runs.outputs[run] ?? []).map(([path, size]) => el("tr", {}, el("td", {}, path), el("td", { class: "faint" }, size)));
  const compare = el("button", { type: "button", click: () => pick(run) }, state.picked.includes(run) ? "do not compare" : "compare");
  byId("run-title").textContent = `Run ${id}`;
  byId("details").replaceChildren(
    compare,
    plainTable(rows),
    ...(outputs.length > 0 ? [el("h3", {}, "outputs"), plainTable(outputs)] : []),
    ...pictures(run),
    ...streamOf("stderr", data.runs.stderr[run]),
    ...streamOf("stdout", data.runs.stdout[run]),
  );
  const section = byId("run");
  section.hidden = false;
  section.dataset.run = id;
  section.scrollIntoView({ block: "nearest" });
}

/** Adds a run to those that are compared, or takes it away; a third one takes the place of the first. */
function pick(run) {
  if (state.picked.includes(run)) state.picked = state.picked.filter((other) => other !== run);
  else state.picked = [...state.picked, run].slice(-2);
  const had = document.activeElement?.closest("tr[data-run]");
  drawRows();
  // The rows are new: what had the keyboard has it again.
  if (had) document.querySelector(`tr[data-run="${had.dataset.run}"] input`)?.focus();
  drawCharts();
  showCompared();
}

/** Lines of two texts: `same`, `added`, `removed`. The shortest way by Myers, up to a limit. */
function lineDifference(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1;
  const [a, b] = [old.slice(start, old.length - end), now.slice(start, now.length - end)];
  const same = (lines) => lines.map((line) => ["same", line]);
  const middle = shortest(a, b) ?? [...a.map((line) => ["removed", line]), ...b.map((line) => ["added", line])];
  return [...same(old.slice(0, start)), ...middle, ...same(old.slice(old.length - end))];
}

function shortest(a, b) {
  const limit = Math.min(a.length + b.length, 1500);
  const reached = new Map([[1, 0]]);
  const trace = [];
  for (let steps = 0; steps <= limit; steps += 1) {
    trace.push(new Map(reached));
    for (let line = -steps; line <= steps; line += 2) {
      const down = line === -steps || (line !== steps && (reached.get(line - 1) ?? -1) < (reached.get(line + 1) ?? -1));
      let x = down ? reached.get(line + 1) : reached.get(line - 1) + 1;
      while (x < a.length && x - line < b.length && a[x] === b[x - line]) x += 1;
      reached.set(line, x);
      if (x >= a.length && x - line >= b.length) return walkBack(trace, a, b);
    }
  }
  return null;
}

function walkBack(trace, a, b) {
  const lines = [];
  let [x, y] = [a.length, b.length];
  for (let steps = trace.length - 1; steps >= 0; steps -= 1) {
    const reached = trace[steps];
    const line = x - y;
    const down = line === -steps || (line !== steps && (reached.get(line - 1) ?? -1) < (reached.get(line + 1) ?? -1));
    const before = down ? line + 1 : line - 1;
    const fromX = reached.get(before) ?? 0;
    const fromY = fromX - before;
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      x -= 1;
      y -= 1;
      lines.push(["same", a[x]]);
    }
    if (steps > 0) {
      if (down) lines.push(["added", b[(y -= 1)]]);
      else lines.push(["removed", a[(x -= 1)]]);
    }
  }
  return lines.reverse();
}

/** A difference with three lines around each change. */
function shownDifference(before, after) {
  const lines = lineDifference(before, after);
  const near = new Set();
  lines.forEach(([kind], place) => {
    if (kind !== "same") for (let at = place - 3; at <= place + 3; at += 1) near.add(at);
  });
  const signs = { same: "  ", added: "+ ", removed: "- " };
  const shown = [];
  let skipped = false;
  lines.forEach(([kind, line], place) => {
    if (!near.has(place)) {
      skipped = true;
      return;
    }
    if (skipped) shown.push(el("span", { class: "same" }, "…"));
    skipped = false;
    shown.push(el("span", { class: kind }, signs[kind] + line));
  });
  return el("pre", {}, ...shown);
}

function codeDifference(first, second) {
  const files = (run) => new Map((data.sources[data.runs.sources[run]] ?? []).map(([path, text]) => [path, text]));
  const [before, after] = [files(first), files(second)];
  const parts = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === is) continue;
    const missing = was === undefined ? " (only in the second)" : is === undefined ? " (only in the first)" : "";
    parts.push(el("h3", {}, path + missing), shownDifference(textOf(was), textOf(is)));
  }
  return parts.length > 0 ? parts : [el("p", { class: "faint" }, "The code is the same.")];
}

/** Shows how the two picked runs differ. */
function showCompared() {
  const section = byId("compare");
  section.hidden = state.picked.length < 2;
  if (section.hidden) return;
  const [first, second] = state.picked;
  const head = el("tr", {}, el("th", {}, ""), el("th", { class: "hash" }, data.runs.id[first]), el("th", { class: "hash" }, data.runs.id[second]), el("th", {}, ""));
  const row = (column) => {
    const [was, is] = [column.text(first), column.text(second)];
    const by = column.number(second) - column.number(first);
    const difference = column.isNumeric && Number.isFinite(by) && by !== 0 && column.kind !== "started" ? `${by > 0 ? "+" : ""}${column.kind === "took" ? shownNumber(by) + " s" : shownNumber(by)}` : "";
    return el("tr", { class: was === is ? "" : "changed" }, el("th", { scope: "row" }, column.title), el("td", {}, was), el("td", {}, is), el("td", { class: "faint" }, difference));
  };
  const group = (title, kinds) => {
    const rows = columns.filter((column) => kinds.includes(column.kind) && (column.text(first) !== "" || column.text(second) !== "")).map(row);
    return rows.length > 0 ? [el("h3", {}, title), el("table", { class: "plain", "data-part": title }, el("tbody", {}, head.cloneNode(true), ...rows))] : [];
  };
  const streams = ["stderr", "stdout"].flatMap((name) => {
    const [was, is] = [data.runs[name][first], data.runs[name][second]];
    return was === is ? [] : [el("h3", {}, name), shownDifference(textOf(was), textOf(is))];
  });
  byId("compared").replaceChildren(
    ...group("parameters", ["parameter"]),
    ...group("metrics", ["metric"]),
    ...group("run", ["state", "took", "started", "hits", "error"]),
    el("h3", {}, "code"),
    ...codeDifference(first, second),
    ...streams,
  );
}
