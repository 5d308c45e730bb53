"use strict";
// Draws the cards of the page: from the server (`api/`), or from the figures inside a self-contained report.
(() => {
  const inside = document.getElementById("figures");
  const form = document.getElementById("filters");
  const charts = new Map(); // card id to its Chart, and to what it draws
  const drawn = new Map();
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let round = 0; // answers of an older question are dropped

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const count = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
  const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
  const share = new Intl.NumberFormat("en-GB", { style: "percent", maximumFractionDigits: 1 });
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const longDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

  const shown = (card, value) =>
    value === null || value === undefined ? "–" : card.dataset.unit === "share" ? share.format(value) : count.format(value);
  const xText = (card, label, long) =>
    card.dataset.x === "day" ? (long ? longDay : day).format(new Date(label + "T00:00:00Z"))
      : card.dataset.x === "age" ? (long ? `after ${label} days` : label) : label;

  function options(card, series) {
    const isShare = card.dataset.unit === "share";
    const bars = card.dataset.kind === "bars";
    const axis = { border: { display: false }, ticks: { color: style("--soft"), font: { size: 12 } } };
    return {
      responsive: true, maintainAspectRatio: false, animation: still.matches ? false : { duration: 250 },
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { ...axis, stacked: bars, grid: { display: false },
          title: { display: card.dataset.x === "age", text: "days since the token came", color: style("--soft") },
          ticks: { ...axis.ticks, maxRotation: 0, autoSkip: true, autoSkipPadding: 18,
            callback(_, index) { return xText(card, this.getLabelForValue(index), false); } } },
        y: { ...axis, stacked: bars, beginAtZero: true, grid: { color: style("--grid") },
          suggestedMax: isShare ? (card.dataset.kind === "steps" ? 1 : 0.05) : 5,
          ticks: { ...axis.ticks, maxTicksLimit: 6, precision: isShare ? undefined : 0,
            callback: (value) => (isShare ? share : short).format(value) } },
      },
      plugins: {
        legend: { display: series.length > 1, position: "bottom", align: "start",
          labels: { color: style("--text"), boxWidth: bars ? 12 : 24, boxHeight: bars ? 12 : 1, padding: 12,
            font: { size: 12 }, usePointStyle: !bars, pointStyle: "line", pointStyleWidth: 28 } },
        tooltip: { backgroundColor: style("--text"), titleColor: style("--card"), bodyColor: style("--card"), padding: 10,
          callbacks: {
            title: (items) => items.length ? xText(card, items[0].label, true) : "",
            label: (item) => ` ${item.dataset.label}: ${shown(card, item.raw)}`,
          } },
      },
    };
  }

  function dataset(card, one, place) {
    const colour = style(`--s${(place % 6) + 1}`);
    return {
      label: one.label, data: one.values, backgroundColor: colour, borderColor: colour,
      borderWidth: card.dataset.kind === "bars" ? 0 : 2, borderDash: card.dataset.kind === "bars" ? [] : [[], [6, 3], [2, 2]][place % 3],
      pointRadius: one.values.length === 1 ? 4 : 0, pointHitRadius: 12, pointHoverRadius: 4,
      stepped: card.dataset.kind === "steps" ? "after" : false, tension: 0, categoryPercentage: 0.9, barPercentage: 0.95,
    };
  }

  function say(card, text, isError) {
    const message = card.querySelector(".message");
    message.textContent = text;
    message.hidden = !text;
    message.classList.toggle("error", Boolean(isError));
    card.querySelector("canvas").hidden = Boolean(text);
    card.querySelector(".plot").classList.toggle("none", Boolean(text));
  }

  function table(card, drawing) {
    const box = card.querySelector(".scroll");
    const element = document.createElement("table");
    const head = element.createTHead().insertRow();
    const cell = (row, text, scope) => {
      const found = document.createElement(scope ? "th" : "td");
      if (scope) found.scope = scope;
      found.textContent = text;
      row.append(found);
    };
    cell(head, { day: "Day", age: "Age in days", time: "Time" }[card.dataset.x], "col");
    drawing.series.forEach((one) => cell(head, one.label, "col"));
    const body = element.createTBody();
    drawing.labels.forEach((label, n) => {
      const row = body.insertRow();
      cell(row, label, "row");
      drawing.series.forEach((one) => cell(row, shown(card, one.values[n])));
    });
    box.replaceChildren(element);
  }

  function draw(card, drawing) {
    drawn.set(card.id, drawing);
    card.querySelector(".headline b").textContent = drawing.headline;
    card.querySelector(".headline span").textContent = drawing.note;
    const canvas = card.querySelector("canvas");
    canvas.setAttribute("aria-label",
      `${card.querySelector("h2").textContent} ${drawing.headline} ${drawing.note}. The table below has the numbers.`);
    const old = charts.get(card.id);
    const datasets = drawing.series.map((one, place) => dataset(card, one, place));
    // No lag and no stale token are news; no phone at all is nothing to draw.
    const zeroIsNothing = card.dataset.x === "day" && card.dataset.unit === "count";
    const empty = !drawing.series.some((one) => one.values.some((value) => value !== null && (value !== 0 || !zeroIsNothing)));
    const nothing = card.dataset.x === "time" ? "No numbers yet." : "Nothing in these days for these filters.";
    if (old) old.destroy();
    canvas.parentElement.classList.toggle("many", drawing.series.length > 3);
    say(card, empty ? nothing : "", false);
    charts.set(card.id, empty ? null : new Chart(canvas, {
      type: card.dataset.kind === "bars" ? "bar" : "line",
      data: { labels: drawing.labels, datasets }, options: options(card, drawing.series),
    }));
    if (card.querySelector("details").open) table(card, drawing);
    card.dataset.state = "ready";
  }

  async function ask(url) {
    let answer;
    try {
      answer = await fetch(url, { headers: { accept: "application/json" }, credentials: "same-origin" });
    } catch {
      throw new Error("The dashboard does not answer. Is it still running?");
    }
    const body = await answer.json().catch(() => ({}));
    if (answer.ok) return body;
    const error = new Error(body.detail || `The server answered ${answer.status}.`);
    error.again = answer.status === 503 ? Number(answer.headers.get("retry-after")) || 5 : 0;
    throw error;
  }

  async function load(card, query, mine) {
    card.classList.add("busy");
    card.dataset.state = "busy";
    const link = card.querySelector(".csv");
    if (link) link.href = `api/charts/${card.dataset.chart}.csv?${query}`;
    try {
      const drawing = await ask(`api/charts/${card.dataset.chart}?${query}`);
      if (mine !== round) return;
      draw(card, drawing);
      const asOf = document.getElementById("as-of");
      if (drawing.as_of) asOf.textContent = `As of ${drawing.as_of}. Days are UTC; today is not over yet.`;
    } catch (error) {
      if (mine !== round) return;
      say(card, error.message, true);
      card.dataset.state = "error";
      if (error.again) setTimeout(() => mine === round && load(card, query, mine), error.again * 1000);
    }
    card.classList.remove("busy");
  }

  async function loadAll() {
    const mine = ++round;
    const query = new URLSearchParams(new FormData(form));
    [...query].forEach(([name, value]) => value === "" && query.delete(name));
    document.querySelectorAll(".ranges a").forEach((link) => {
      const chosen = link.dataset.from === query.get("from") && link.dataset.to === query.get("to");
      if (chosen) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
    await Promise.all([...document.querySelectorAll("[data-chart]")].map((card) => load(card, query, mine)));
    return query;
  }

  async function show() {
    const query = new URLSearchParams(new FormData(form));
    [...query].forEach(([name, value]) => value === "" && query.delete(name));
    history.pushState(null, "", `?${query}`);
    await loadAll();
  }

  function fill() {
    form.reset();
    new URLSearchParams(location.search).forEach((value, name) => {
      if (form.elements[name]) form.elements[name].value = value;
    });
  }

  async function pipeline() {
    const cards = ["pipeline_rate", "pipeline_lag"].map((id) => document.getElementById(id));
    try {
      const answer = await ask("api/pipeline");
      cards.forEach((card) => draw(card, answer[card.id]));
    } catch (error) {
      cards.forEach((card) => say(card, error.message, true));
    }
  }

  document.querySelectorAll(".card details").forEach((details) => details.addEventListener("toggle", () => {
    const card = details.closest(".card");
    if (details.open && drawn.has(card.id)) table(card, drawn.get(card.id));
  }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawn.forEach((drawing, id) => draw(document.getElementById(id), drawing));
  });

  if (inside) {
    Object.entries(JSON.parse(inside.textContent)).forEach(([id, drawing]) => draw(document.getElementById(id), drawing));
    return;
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  form.addEventListener("change", (event) => { if (event.target.tagName === "SELECT") show(); });
  document.querySelectorAll(".ranges a").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    form.elements.from.value = link.dataset.from;
    form.elements.to.value = link.dataset.to;
    show();
  }));
  addEventListener("popstate", () => { fill(); loadAll(); });
  loadAll();
  pipeline();
  setInterval(() => { if (!document.hidden) pipeline(); }, 5000);
})();
