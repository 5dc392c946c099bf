// Charts: any two columns, all columns side by side, learning curves. Each says how many marks it has (`data-marks`).

const CHART_HEIGHT = 340;
const MOST_CURVES = 300;
/** Distances between the marks of an axis of whole numbers. */
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8, 1e9];

const chartWidth = (box) => Math.max(280, box.clientWidth - 18);

function axisLook(label) {
  const faint = colour("--faint");
  const line = { stroke: colour("--line"), width: 1 };
  return { stroke: faint, label, labelSize: 22, labelFont: "13px system-ui", font: "12px system-ui", grid: line, ticks: line };
}

/** Range, kind of scale and axis of a column. */
function scaleOf(column, axis, isLog) {
  if (axis.words) {
    const places = axis.words.map((_, place) => place);
    const cut = (word) => (word.length > 16 ? `${word.slice(0, 15)}…` : word);
    return {
      scale: { time: false, range: () => [-0.5, axis.words.length - 0.5] },
      axis: { splits: () => places, values: (_, splits) => splits.map((place) => cut(axis.words[place] ?? "")) },
    };
  }
  const show = { took: shownDuration, started: shownMoment }[column.kind] ?? shownNumber;
  const values = (_, splits) => splits.map((value) => (value === null ? "" : show(value)));
  if (isLog && axis.low > 0) {
    const room = Math.max((axis.high / axis.low) ** 0.06, 1.05);
    const first = Math.floor(Math.log10(axis.low / room));
    const last = Math.ceil(Math.log10(axis.high * room));
    const steps = last - first > 2 ? [1] : [1, 2, 5];
    const splits = [];
    for (let power = first; power <= last; power += 1) {
      for (const step of steps) {
        const value = step * 10 ** power;
        if (value >= axis.low / room && value <= axis.high * room) splits.push(value);
      }
    }
    return { scale: { time: false, distr: 3, range: () => [axis.low / room, axis.high * room] }, axis: { splits: () => splits, values } };
  }
  const room = (axis.high - axis.low) * 0.06 || Math.abs(axis.high) * 0.1 || 1;
  return { scale: { time: false, range: () => [axis.low - room, axis.high + room] }, axis: { values } };
}

let scatterPlot = null;

function drawScatter() {
  const box = byId("scatter");
  const [across, up] = [columns[Number(byId("scatter-x").value)], columns[Number(byId("scatter-y").value)]];
  const [x, y] = [axisOf(across, state.view), axisOf(up, state.view)];
  const runs = state.view.filter((run) => x.place(run) !== undefined && y.place(run) !== undefined);
  const none = state.view.length - runs.length;
  const paint = colours();
  showKeys(byId("scatter-keys"), paint.keys);
  byId("scatter-caption").textContent = none > 0 ? `${none} of ${state.view.length} runs have no ${across.title} or no ${up.title}` : "";
  scatterPlot?.destroy();
  scatterPlot = null;
  box.dataset.marks = 0;
  if (runs.length === 0) return;
  const [wide, high] = [scaleOf(across, x, byId("scatter-x-log").checked), scaleOf(up, y, byId("scatter-y-log").checked)];
  const size = runs.length > 1000 ? 2.5 : 4.5;
  const draw = (plot, series) => {
    const [xs, ys] = plot.data[series];
    const ratio = devicePixelRatio;
    const { ctx } = plot;
    let marks = 0;
    ctx.save();
    for (let place = 0; place < xs.length; place += 1) {
      const isPicked = state.picked.includes(runs[place]);
      ctx.beginPath();
      ctx.arc(plot.valToPos(xs[place], "x", true), plot.valToPos(ys[place], "y", true), (isPicked ? size * 1.7 : size) * ratio, 0, 2 * Math.PI);
      ctx.globalAlpha = 0.75;
      ctx.fillStyle = paint.of(runs[place]);
      ctx.fill();
      if (isPicked) {
        ctx.globalAlpha = 1;
        ctx.lineWidth = 2 * ratio;
        ctx.strokeStyle = colour("--text");
        ctx.stroke();
      }
      marks += 1;
    }
    ctx.restore();
    box.dataset.marks = marks;
    return null;
  };
  const facets = [{ scale: "x", auto: true }, { scale: "y", auto: true }];
  scatterPlot = new uPlot(
    {
      mode: 2,
      width: chartWidth(box),
      height: CHART_HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: wide.scale, y: high.scale },
      axes: [{ ...axisLook(across.title), ...wide.axis }, { ...axisLook(up.title), size: 90, ...high.axis }],
      series: [null, { facets, paths: draw }],
    },
    [null, [runs.map(x.place), runs.map(y.place)]],
    box,
  );
  const nearest = (event) => {
    const within = scatterPlot.over.getBoundingClientRect();
    const [left, top] = [event.clientX - within.left, event.clientY - within.top];
    let best = { run: undefined, distance: 14 };
    for (const run of runs) {
      const distance = Math.hypot(scatterPlot.valToPos(x.place(run), "x") - left, scatterPlot.valToPos(y.place(run), "y") - top);
      if (distance < best.distance) best = { run, distance };
    }
    return best.run;
  };
  scatterPlot.over.addEventListener("mousemove", (event) => {
    const run = nearest(event);
    byId("scatter-caption").textContent = run === undefined ? "" : brief(run, `${across.title}: ${across.text(run)}`, `${up.title}: ${up.text(run)}`);
  });
  scatterPlot.over.addEventListener("click", (event) => {
    const run = nearest(event);
    if (run !== undefined) showRun(run);
  });
}

/** Columns that stand side by side: parameters that differ, then results. */
function parallelColumns() {
  const wanted = columns.filter((column) => column.visible && (column.kind === "parameter" || column.kind === "metric"));
  return wanted.slice(0, 14);
}

const PARALLEL = { left: 70, right: 70, top: 34, bottom: 50 };

function drawParallel() {
  const box = byId("parallel");
  const shown = parallelColumns();
  box.replaceChildren();
  box.dataset.marks = 0;
  if (shown.length < 2) {
    box.textContent = "There are fewer than two parameters or results to compare.";
    return;
  }
  const width = chartWidth(box);
  const ratio = devicePixelRatio;
  const canvas = el("canvas", { width: width * ratio, height: CHART_HEIGHT * ratio });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${CHART_HEIGHT}px`;
  box.append(canvas);
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  const all = Array.from({ length: count }, (_, run) => run);
  const step = (width - PARALLEL.left - PARALLEL.right) / (shown.length - 1);
  const bottom = CHART_HEIGHT - PARALLEL.bottom;
  const axes = shown.map((column, place) => {
    const axis = axisOf(column, all);
    const x = PARALLEL.left + place * step;
    const wide = axis.high - axis.low || 1;
    const y = (value) => bottom - ((value - axis.low) / wide) * (bottom - PARALLEL.top);
    return { column, axis, x, y, value: (at) => axis.low + ((bottom - at) / (bottom - PARALLEL.top)) * wide };
  });
  const paint = colours();
  ctx.lineWidth = state.view.length > 500 ? 0.6 : 1.2;
  let marks = 0;
  for (const run of state.view) {
    const isPicked = state.picked.includes(run);
    ctx.globalAlpha = isPicked ? 1 : state.view.length > 500 ? 0.25 : 0.65;
    ctx.strokeStyle = paint.of(run);
    ctx.save();
    if (isPicked) ctx.lineWidth = 3;
    ctx.beginPath();
    axes.forEach(({ axis, x, y }, place) => {
      const value = axis.place(run);
      // What a run has not is below the axis.
      const height = value === undefined ? bottom + 18 : y(value);
      if (place === 0) ctx.moveTo(x, height);
      else ctx.lineTo(x, height);
    });
    ctx.stroke();
    ctx.restore();
    marks += 1;
  }
  box.dataset.marks = marks;
  ctx.globalAlpha = 1;
  drawAxes(ctx, axes, bottom);
  limitByDrawing(canvas, axes, bottom);
  byId("parallel-caption").textContent = "Draw along an axis to show only the runs in between; a click on it shows all again. What a run does not have is below the axis.";
}

function drawAxes(ctx, axes, bottom) {
  ctx.font = "12px system-ui";
  ctx.lineWidth = 1;
  const cut = (text) => (text.length > 14 ? `${text.slice(0, 13)}…` : text);
  axes.forEach(({ column, axis, x, y }) => {
    ctx.strokeStyle = colour("--faint");
    ctx.fillStyle = colour("--text");
    ctx.beginPath();
    ctx.moveTo(x, PARALLEL.top);
    ctx.lineTo(x, bottom);
    ctx.stroke();
    ctx.textAlign = "center";
    ctx.fillText(cut(column.title), x, 16);
    ctx.textAlign = "left";
    // Readable on top of the lines.
    const label = (text, height) => {
      ctx.strokeStyle = colour("--back");
      ctx.lineWidth = 4;
      ctx.lineJoin = "round";
      ctx.strokeText(text, x + 6, height + 4);
      ctx.lineWidth = 1;
      ctx.fillText(text, x + 6, height + 4);
    };
    if (axis.words) {
      const every = Math.ceil(axis.words.length / 16);
      axis.words.forEach((word, place) => place % every === 0 && label(cut(word), y(place)));
    } else if (axis.low <= axis.high) {
      label(shownNumber(axis.high), PARALLEL.top);
      if (axis.low < axis.high) label(shownNumber(axis.low), bottom);
    }
    const limit = state.limits.get(column);
    if (limit) {
      const [from, to] = [y(Math.min(limit.high, axis.high)), y(Math.max(limit.low, axis.low))];
      ctx.globalAlpha = 0.35;
      ctx.fillStyle = colour("--accent");
      ctx.fillRect(x - 8, from - 2, 16, to - from + 4);
      ctx.globalAlpha = 1;
    }
  });
}

/** Drawing along an axis limits the runs to what lies in between. */
function limitByDrawing(canvas, axes, bottom) {
  let begun = null;
  const at = (event) => {
    const within = canvas.getBoundingClientRect();
    return { x: event.clientX - within.left, y: Math.min(Math.max(event.clientY - within.top, PARALLEL.top - 4), bottom + 4) };
  };
  canvas.addEventListener("pointerdown", (event) => {
    const { x, y } = at(event);
    const near = axes.find((axis) => Math.abs(axis.x - x) < 22);
    if (near) {
      begun = { near, y };
      canvas.setPointerCapture(event.pointerId);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!begun) return;
    const { near, y } = begun;
    const end = at(event).y;
    begun = null;
    if (Math.abs(end - y) < 4) state.limits.delete(near.column);
    else state.limits.set(near.column, { axis: near.axis, low: near.value(Math.max(y, end)), high: near.value(Math.min(y, end)) });
    renew();
  });
}

let curvePlot = null;

function drawCurves() {
  if (data.curves.length === 0) return;
  const box = byId("curves");
  const curve = data.curves[Number(byId("curve").value)];
  const lines = new Map(curve.lines.map(([run, x, y]) => [run, { x: data.steps[x], y: y.map(numeric) }]));
  const having = state.view.filter((run) => lines.has(run));
  const runs = having.slice(0, MOST_CURVES);
  for (const run of state.picked) if (lines.has(run) && !runs.includes(run)) runs.push(run);
  curvePlot?.destroy();
  curvePlot = null;
  box.dataset.marks = 0;
  const left = having.length - runs.length;
  const caption = left > 0 ? `the first ${runs.length} of ${having.length} runs, in the order of the table` : "";
  byId("curves-caption").textContent = caption;
  if (runs.length === 0) return;
  const isLog = byId("curve-log").checked;
  const steps = [...new Set(runs.flatMap((run) => lines.get(run).x))].sort((one, other) => one - other);
  const places = new Map(steps.map((step, place) => [step, place]));
  const paint = colours();
  const series = runs.map((run) => {
    const values = new Array(steps.length).fill(undefined);
    const { x, y } = lines.get(run);
    x.forEach((step, place) => {
      const value = y[place];
      values[places.get(step)] = Number.isFinite(value) && (!isLog || value > 0) ? value : undefined;
    });
    return values;
  });
  const isPicked = (run) => state.picked.includes(run);
  curvePlot = new uPlot(
    {
      width: chartWidth(box),
      height: CHART_HEIGHT,
      legend: { show: false },
      focus: { alpha: 0.25 },
      cursor: { focus: { prox: 24 }, drag: { x: true, y: true, uni: 20 } },
      scales: { x: { time: false }, y: isLog ? { distr: 3 } : {} },
      axes: [
        { ...axisLook(curve.along), ...(steps.every(Number.isInteger) ? { incrs: WHOLE } : {}), values: (_, splits) => splits.map((value) => (value === null ? "" : shownNumber(value))) },
        { ...axisLook(curve.name), size: 80 },
      ],
      series: [
        { label: curve.along },
        ...runs.map((run) => ({
          label: data.runs.id[run],
          stroke: paint.of(run),
          width: isPicked(run) ? 3.5 : runs.length > 100 ? 0.8 : 1.4,
          spanGaps: true,
          points: { show: steps.length < 40 && runs.length <= 20 },
        })),
      ],
      hooks: {
        draw: [() => (box.dataset.marks = runs.length)],
        setSeries: [
          (plot, place) => {
            const run = runs[place - 1];
            byId("curves-caption").textContent = run === undefined ? caption : brief(run);
          },
        ],
      },
    },
    [steps, ...series],
    box,
  );
  curvePlot.over.addEventListener("click", () => {
    const focused = curvePlot.cursor.idxs && curvePlot.series.findIndex((each, place) => place > 0 && each._focus);
    if (focused > 0) showRun(runs[focused - 1]);
  });
}

function drawCharts() {
  drawScatter();
  drawParallel();
  drawCurves();
}
