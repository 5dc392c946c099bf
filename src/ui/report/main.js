// What stands above all, and the beginning.

function showTotals() {
  const { totals } = data;
  const parts = [...totals.states.map(([state, number]) => `${number} ${state}`), `ran for ${totals.spent}`];
  parts.push(totals.hits > 0 ? `${totals.hits} ${totals.hits === 1 ? "hit" : "hits"} saved ${totals.saved}` : "no hits yet");
  byId("totals").textContent = [`${count} ${count === 1 ? "run" : "runs"}`, ...parts].join(" · ");
  if (data.constant.length > 0) byId("constant").textContent = `same in all: ${data.constant.map(([name, value]) => `${name}=${value}`).join(" ")}`;
  byId("notes").textContent = data.notes.join(" ");
}

function fillChoices() {
  const drawn = columns.filter((column) => !["run", "error"].includes(column.kind));
  const options = () => drawn.map((column) => el("option", { value: column.place }, column.title));
  for (const name of ["scatter-x", "scatter-y", "colour"]) byId(name).replaceChildren(...options());
  const varied = drawn.filter((column) => column.kind === "parameter" && column.visible);
  const results = drawn.filter((column) => column.kind === "metric" && column.visible);
  const across = varied.find((column) => column.isNumeric) ?? results[1] ?? varied[0] ?? columnOf("started");
  const up = results[0] ?? columnOf("took");
  const tint = varied.find((column) => column !== across && !column.isNumeric) ?? varied.find((column) => column !== across) ?? columnOf("state");
  byId("scatter-x").value = across.place;
  byId("scatter-y").value = up.place;
  byId("colour").value = tint.place;
  const all = state.view;
  const isWide = (column) => column.isNumeric && axisOf(column, all).low > 0 && axisOf(column, all).high / axisOf(column, all).low >= 30;
  byId("scatter-x-log").checked = across.kind === "parameter" && isWide(across);
  byId("curve").replaceChildren(...data.curves.map((curve, place) => el("option", { value: place }, curve.name)));
  byId("curves-section").hidden = data.curves.length === 0;
  byId("origin-section").hidden = byId("origin").childElementCount === 0;
}

function listen() {
  let waiting = 0;
  byId("filter").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(renew, 80);
  });
  byId("clear").addEventListener("click", () => {
    byId("filter").value = "";
    state.limits.clear();
    renew();
  });
  byId("table-box").addEventListener("scroll", () => requestAnimationFrame(drawRows));
  for (const name of ["scatter-x", "scatter-y", "scatter-x-log", "scatter-y-log"]) byId(name).addEventListener("change", drawScatter);
  byId("colour").addEventListener("change", drawCharts);
  for (const name of ["curve", "curve-log"]) byId(name).addEventListener("change", drawCurves);
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const next = { undefined: "light", light: "dark" }[root.dataset.theme];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    drawCharts();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  let resized = 0;
  window.addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(() => { drawRows(); drawCharts(); }, 150);
  });
  byId("origin").addEventListener("click", (event) => {
    const run = runOf.get(event.target.closest("[data-name]")?.dataset.name);
    if (run !== undefined) showRun(run);
  });
}

showTotals();
listColumns();
fillChoices();
setWidths();
listen();
renew();
document.documentElement.dataset.ready = "yes";
