"use strict";
(function () {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const coarse = window.matchMedia("(pointer: coarse)");
  const figures = JSON.parse(document.getElementById("chart-data").textContent);
  const drawn = new Set();
  let printing = false;

  function remember(theme) {
    try { window.localStorage.setItem("qif-deploy-theme", theme); } catch { /* a page from disk may have no storage */ }
  }

  function remembered() {
    try { return window.localStorage.getItem("qif-deploy-theme") || ""; } catch { return ""; }
  }

  function setTheme(theme) {
    if (theme === "light" || theme === "dark") { root.dataset.theme = theme; } else { delete root.dataset.theme; }
    redraw();
  }

  // Figures name CSS variables where plotly wants colours; here they become the colours of the theme.
  function coloured(value, style) {
    if (Array.isArray(value)) { return value.map((one) => coloured(one, style)); }
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, /color/i.test(key) || typeof one === "object" ? coloured(one, style) : one]));
    }
    const name = typeof value === "string" && /^var\((--[a-z0-9-]+)\)$/.exec(value);
    return name ? style.getPropertyValue(name[1]).trim() : value;
  }

  function draw(chart) {
    const figure = coloured(figures[chart.id], window.getComputedStyle(root));
    figure.layout.font.family = window.getComputedStyle(document.body).fontFamily;
    if (figure.layout.showlegend && chart.clientWidth < 560) { // the legend stands in one column there, and needs its height
      const entries = figure.data.filter((trace) => trace.name).length;
      figure.layout.legend.maxheight = 2000;
      figure.layout.height += 19 * Math.max(entries - 2, 0);
    }
    figure.layout.dragmode = coarse.matches ? false : "zoom";
    window.Plotly.react(chart, figure.data, figure.layout, { displayModeBar: false, responsive: true, doubleClick: "reset" });
    drawn.add(chart);
  }

  function redraw() {
    drawn.forEach(draw);
  }

  function shown(gallery) {
    return Array.from(gallery.querySelectorAll(".view")).filter((view) => !view.hidden);
  }

  function drawShown(gallery) {
    shown(gallery).forEach((view) => draw(view.querySelector(".chart")));
  }

  // A chart is drawn when the reader comes near it; its place is kept before.
  const near = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      near.unobserve(entry.target);
      drawShown(entry.target);
    });
  }, { rootMargin: "600px" });

  function makeRoom() {
    document.querySelectorAll(".chart").forEach((chart) => {
      chart.style.minHeight = figures[chart.id].layout.height + "px";
      chart.hidden = false;
    });
  }

  function addChoice(gallery) {
    const views = Array.from(gallery.querySelectorAll(".view"));
    if (views.length < 2) { return; }
    const select = document.createElement("select");
    select.id = gallery.id + "-choice";
    views.forEach((view, number) => select.add(new Option(view.dataset.label, String(number))));
    const label = document.createElement("label");
    label.htmlFor = select.id;
    label.textContent = gallery.dataset.choice;
    const line = document.createElement("p");
    line.className = "choice";
    line.append(label, " ", select);
    gallery.querySelector("h3").after(line);
    const choose = () => {
      views.forEach((view, number) => { view.hidden = String(number) !== select.value; });
      if (window.Plotly) { drawShown(gallery); }
    };
    select.addEventListener("change", choose);
    choose();
  }

  async function library() {
    const packed = Uint8Array.from(atob(document.getElementById("chart-library").textContent), (sign) => sign.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    if (!window.Plotly) { throw new Error("the plotting library did not start"); }
  }

  function forPrint() {
    printing = true;
    document.querySelectorAll("details:not([open])").forEach((part) => { part.open = true; part.dataset.opened = ""; });
    root.dataset.print = "";
    if (window.Plotly) { document.querySelectorAll(".gallery").forEach(drawShown); }
    redraw();
  }

  function afterPrint() {
    if (!printing) { return; }
    printing = false;
    document.querySelectorAll("details[data-opened]").forEach((part) => { part.open = false; delete part.dataset.opened; });
    delete root.dataset.print;
    redraw();
  }

  async function start() {
    root.classList.add("scripted");
    const theme = document.getElementById("theme");
    theme.value = remembered();
    theme.parentElement.hidden = false;
    setTheme(theme.value);
    theme.addEventListener("change", () => { remember(theme.value); setTheme(theme.value); });
    dark.addEventListener("change", redraw);
    window.addEventListener("beforeprint", forPrint);
    window.addEventListener("afterprint", afterPrint);
    const galleries = Array.from(document.querySelectorAll(".gallery"));
    galleries.forEach(addChoice);
    try {
      await library();
      document.getElementById("no-charts").hidden = true;
      makeRoom();
      galleries.forEach((gallery) => near.observe(gallery));
      root.dataset.charts = "ready";
    } catch {
      document.querySelectorAll(".chart").forEach((chart) => { chart.hidden = true; });
      root.dataset.charts = "missing";
    }
  }

  start();
})();
