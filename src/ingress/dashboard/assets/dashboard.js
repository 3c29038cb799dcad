// What the pages have more of with JavaScript: plots of their tables, and the figures of the moment.
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const date = (seconds) => {
    const at = new Date(seconds * 1000);
    return at.getUTCHours() === 0 ? at.getUTCDate() + " " + months[at.getUTCMonth()] : "";
  };
  const day = (text) => Date.parse(text + "T00:00:00Z") / 1000;

  // The columns of a table that are to be plotted: their names and numbers, the oldest day first.
  const columns = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows].reverse();
    const days = rows.map((row) => day(row.cells[0].textContent.trim()));
    const wanted = heads.flatMap((head, place) => ("plot" in head.dataset ? [place] : []));
    return wanted.map((place) => ({
      name: heads[place].textContent,
      days,
      numbers: rows.map((row) => Number(row.cells[place].textContent)),
    }));
  };

  const plots = [];

  const draw = (plot) => {
    plot.drawn?.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "13px system-ui, sans-serif" };
    const latest = plot.label.textContent;
    const options = {
      width: plot.place.clientWidth,
      height: 160,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: { x: { range: (_, first, last) => [first - 43200, last + 43200] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [{ ...axis, grid: { show: false }, size: 30, space: 64, values: (_, splits) => splits.map(date) }, { ...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8, 1e9] }],
      series: [{}, { stroke: colour("--accent"), fill: colour("--tint"), width: 2, paths: uPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }), points: { show: false } }],
      hooks: {
        setCursor: [(shown) => {
          const at = shown.cursor.idx;
          plot.label.textContent = at == null ? plot.latest
            : new Date(plot.days[at] * 1000).toISOString().slice(0, 10) + ": " + plot.numbers[at].toLocaleString("en");
        }],
      },
    };
    plot.latest ??= latest;
    // A bar of no height would be a line.
    plot.drawn = new uPlot(options, [plot.days, plot.numbers.map((n) => n || null)], plot.place);
  };

  for (const details of document.querySelectorAll("[data-plots]")) {
    const table = details.querySelector("table");
    if (!table) continue;
    const grid = document.createElement("div");
    grid.className = "plots";
    grid.setAttribute("aria-hidden", "true"); // The table says the same.
    for (const column of columns(table)) {
      const figure = document.createElement("div");
      figure.className = "plot";
      const heading = document.createElement("h3");
      heading.textContent = column.name;
      const label = document.createElement("span");
      label.textContent = column.numbers.reduce((sum, n) => sum + n, 0).toLocaleString("en") + " in all";
      heading.append(label);
      const place = document.createElement("div");
      figure.append(heading, place);
      grid.append(figure);
      plots.push({ ...column, place, label });
    }
    details.before(grid);
    if (!("keep" in details.dataset)) details.open = false;
  }
  const drawAll = () => plots.forEach(draw);
  drawAll();
  addEventListener("resize", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  const told = document.querySelector("[data-stream]");
  if (told) {
    const pulse = document.querySelector("[data-pulse]");
    const elements = new Map([...document.querySelectorAll("[data-live]")].map((element) => [element.dataset.live, element]));
    const before = new Map();
    const show = (name, text) => {
      const element = elements.get(name);
      if (!element || element.textContent === text) return;
      element.textContent = text;
      element.classList.remove("fresh");
      void element.offsetWidth;
      element.classList.add("fresh");
    };
    const stream = new EventSource(told.dataset.stream);
    const alive = (is) => {
      pulse.hidden = false;
      pulse.classList.toggle("away", !is);
      pulse.title = is ? "Live" : "No longer live";
    };
    stream.onmessage = (event) => {
      const { queues, ...figures } = JSON.parse(event.data);
      for (const [name, text] of Object.entries(figures)) show(name, text);
      const now = performance.now();
      for (const queue of queues ?? []) {
        show("queue " + queue.name, queue.ready);
        show("waiting " + queue.name, queue.waiting);
        show("consumers " + queue.name, queue.consumers);
        const last = before.get(queue.name);
        if (last?.asked === queue.asked) continue; // The broker was not asked again.
        if (last) {
          const rate = (queue.messages - last.messages) / ((now - last.now) / 1000);
          show("rate " + queue.name, rate === 0 ? "–" : (rate > 0 ? "+" : "−") + Math.abs(rate).toFixed(rate > 10 || rate < -10 ? 0 : 1));
        }
        before.set(queue.name, { messages: queue.messages, asked: queue.asked, now });
      }
      alive(true);
    };
    stream.onerror = () => alive(false);
  }
})();
