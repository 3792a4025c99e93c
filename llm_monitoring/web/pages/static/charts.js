// Hover, keyboard and a shared cursor for the charts. The page shows all of it in tables too, and works without this.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const PAUSE_MS = 5000;
  const charts = [];

  // The rows of the table next to a chart are its days: nothing is written twice.
  function rowsOf(figure) {
    const titles = [...figure.querySelectorAll("table.points thead th")].map((each) => each.textContent.trim());
    return [...figure.querySelectorAll("table.points tbody tr")].map((row) => {
      const cells = [...row.children].map((each) => each.textContent.trim());
      const rest = cells.slice(1).map((text, place) => `${titles[place + 1]} ${text}`);
      return `${cells[0]} · ${rest.join(" · ")}`;
    });
  }

  function open(figure) {
    const drawing = figure.querySelector(".chart svg[data-first]");
    const rows = rowsOf(figure);
    if (!drawing || rows.length < 2) return;
    const holder = drawing.parentElement;
    const chart = { holder, drawing, rows, place: rows.length - 1, cursor: null, reading: null,
      first: Number(drawing.dataset.first), last: Number(drawing.dataset.last) };
    chart.cursor = document.createElementNS(SVG, "line");
    chart.cursor.setAttribute("class", "cursor");
    chart.cursor.setAttribute("y1", "16");
    chart.cursor.setAttribute("y2", String(drawing.viewBox.baseVal.height - 26));
    chart.cursor.setAttribute("visibility", "hidden");
    drawing.append(chart.cursor);
    chart.reading = document.createElement("p");
    chart.reading.className = "reading fine";
    holder.after(chart.reading);
    // a slider: screen readers say the day and its numbers as the arrows move it
    const name = figure.querySelector("h3");
    holder.tabIndex = 0;
    holder.setAttribute("role", "slider");
    holder.setAttribute("aria-label", name ? name.textContent.trim() : document.title);
    holder.setAttribute("aria-valuemin", "1");
    holder.setAttribute("aria-valuemax", String(rows.length));
    holder.addEventListener("pointermove", (event) => show(nearest(chart, event), rows.length));
    holder.addEventListener("pointerleave", hide);
    holder.addEventListener("keydown", (event) => move(chart, event));
    holder.addEventListener("focus", () => show(chart.place, rows.length));
    holder.addEventListener("blur", hide);
    speak(chart, chart.place);
    charts.push(chart);
  }

  function nearest(chart, event) {
    const box = chart.drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * chart.drawing.viewBox.baseVal.width;
    const share = (x - chart.first) / (chart.last - chart.first);
    return clamp(Math.round(share * (chart.rows.length - 1)), chart.rows.length);
  }

  function move(chart, event) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7,
      Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    show(clamp(chart.place + steps[event.key], chart.rows.length), chart.rows.length);
  }

  const clamp = (place, length) => Math.min(length - 1, Math.max(0, place));

  // Every chart with as many days shows the same day.
  function show(place, length) {
    for (const chart of charts.filter((each) => each.rows.length === length)) {
      const x = String(chart.first + (place * (chart.last - chart.first)) / (length - 1));
      chart.cursor.setAttribute("x1", x);
      chart.cursor.setAttribute("x2", x);
      chart.cursor.setAttribute("visibility", "visible");
      chart.reading.textContent = chart.rows[place];
      chart.place = place;
      speak(chart, place);
    }
  }

  function speak(chart, place) {
    chart.holder.setAttribute("aria-valuenow", String(place + 1));
    chart.holder.setAttribute("aria-valuetext", chart.rows[place]);
  }

  function hide() {
    for (const chart of charts) {
      chart.cursor.setAttribute("visibility", "hidden");
      chart.reading.textContent = "";
    }
  }

  begin();
  // a page that was being measured has turned into the page itself
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === document.body) begin();
  });

  function begin() {
    charts.length = 0;
    document.querySelectorAll("figure").forEach(open);
    showTab();
    sendChoices();
  }

  // On a narrow screen the row of tabs begins at the one that is open.
  function showTab() {
    const tab = document.querySelector(".tabs [aria-current]");
    if (tab) tab.closest(".tabs").scrollLeft = tab.offsetLeft - tab.closest(".tabs").offsetLeft - 16;
  }

  // A choice in the filters is applied at once; empty fields stay out of the address.
  function sendChoices() {
    for (const form of document.querySelectorAll("form.filters")) {
      form.addEventListener("submit", () => {
        for (const field of form.elements) field.disabled = field.name !== "" && field.value === "";
      });
      for (const list of form.querySelectorAll("select")) list.addEventListener("change", () => form.requestSubmit());
    }
  }

  // A page that the browser's Back shows again has the filters of its own address, whatever was chosen to leave it.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form.filters")) {
      form.reset();
      for (const field of form.elements) field.disabled = false;
    }
    for (const form of document.querySelectorAll("form")) delete form.dataset.sent;
  });

  // The second click of a double click makes nothing twice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (Date.now() - Number(form.dataset.sent || 0) < PAUSE_MS) event.preventDefault();
    else form.dataset.sent = String(Date.now());
  });
})();
