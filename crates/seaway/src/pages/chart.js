// Draws every chart of a page from the specification beside it, and again whenever the width,
// the colours or the medium change.
(() => {
  "use strict";
  const NARROW = 560; // pixels; below it a chart is laid out for a phone
  const PAPER = 670; // pixels; fits the width of A4 and of Letter between the page's margins
  const root = document.documentElement;
  // A chart that answers to touch would catch the finger that wants to scroll.
  const touch = matchMedia("(pointer: coarse)").matches;
  let printing = false;

  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

  const merge = (base, over) => {
    const all = { ...base };
    for (const [key, value] of Object.entries(over)) {
      all[key] = isObject(value) && isObject(all[key]) ? merge(all[key], value) : value;
    }
    return all;
  };

  // Puts colours in place of their names.
  const coloured = (value, colour) => {
    if (typeof value === "string") return value.startsWith("--") ? colour(value) : value;
    if (Array.isArray(value)) return value.map((v) => coloured(v, colour));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, colour)]));
  };

  const axis = {
    gridcolor: "--grid",
    linecolor: "--line",
    zeroline: false,
    fixedrange: true,
    ticks: "",
    title: { standoff: 8, font: { size: 12, color: "--muted" } },
    tickfont: { size: 12, color: "--muted" },
  };

  const common = (family) => ({
    autosize: false,
    dragmode: false,
    hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 64, r: 16, t: 8, b: 48 },
    font: { family, size: 12, color: "--ink" },
    hoverlabel: { bgcolor: "--raised", bordercolor: "--line", font: { family, size: 12, color: "--ink" }, align: "left" },
    legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", font: { size: 12, color: "--muted" }, itemclick: false, itemdoubleclick: false },
  });

  const charts = [...document.querySelectorAll("[data-chart]")].map((holder) => ({
    node: holder.querySelector(".plot"),
    spec: JSON.parse(holder.querySelector("script").textContent),
    width: 0,
  }));

  const draw = (chart) => {
    const { node, spec } = chart;
    const width = printing ? PAPER : Math.floor(node.clientWidth);
    if (width < 50) return;
    chart.width = width;
    const style = getComputedStyle(root);
    let layout = merge(common(getComputedStyle(document.body).fontFamily), spec.layout);
    if (width < NARROW) layout = merge(merge(layout, { margin: { l: 52, r: 8 } }), spec.narrow);
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) layout[key] = merge(axis, layout[key]);
    }
    layout = merge(layout, { width, height: spec.height });
    const colour = (name) => style.getPropertyValue(name).trim();
    Plotly.react(node, coloured(spec.traces, colour), coloured(layout, colour), {
      displayModeBar: false,
      staticPlot: touch || printing,
      doubleClick: false,
    });
  };

  const drawAll = () => charts.forEach(draw);
  const print = (on) => {
    if (printing === on) return;
    printing = on;
    root.classList.toggle("paper", on);
    drawAll();
  };

  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  const resized = new ResizeObserver(() => {
    if (printing) return;
    charts.filter(({ node, width }) => Math.floor(node.clientWidth) !== width).forEach(draw);
  });
  charts.forEach(({ node }) => resized.observe(node));
})();
