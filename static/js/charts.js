// Draws each <div class="plot" data-url="..."> from the chart's own JSON; colours come from the style sheet.
"use strict";

(() => {
  const media = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();

  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A drill's curves are over seconds since its load began, all others over time.
  const elapsed = (chart) => chart.axis === "elapsed";

  function traces(chart) {
    return chart.series.map((series) => ({
      type: "scatter",
      mode: "lines",
      name: series.name,
      x: series.points.map((point) => (elapsed(chart) ? point[0] : new Date(point[0] * 1000))),
      y: series.points.map((point) => point[1]),
      connectgaps: false,
      line: { color: ink(`--${series.ink}`), width: 1.75, dash: series.dash, shape: series.shape || "linear" },
      hovertemplate: `%{y:.4~g} ${chart.unit}<extra>${series.name}</extra>`,
    }));
  }

  function boundary(line) {
    return {
      type: "line", xref: "paper", x0: 0, x1: 1, y0: line.value, y1: line.value,
      line: { color: ink(`--${line.ink}`), width: 1, dash: "dash" },
    };
  }

  function mark(moment) {
    const at = new Date(moment.at * 1000);
    return {
      type: "line", yref: "paper", y0: 0, y1: 1, x0: at, x1: at,
      line: { color: ink("--line-strong"), width: 1, dash: "dot" },
    };
  }

  function boundaryWord(line, log) {
    return {
      text: line.name, xref: "paper", x: 0, xanchor: "left", yanchor: "bottom", showarrow: false,
      y: log ? Math.log10(line.value) : line.value, font: { size: 11, color: ink(`--${line.ink}`) },
    };
  }

  const pen = document.createElement("canvas").getContext("2d");

  function wordWidth(words) {
    pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText(words).width + 8;
  }

  // Words that would lie over each other are left out; the lines stay, and the audit has them all.
  function markWords(chart, width) {
    const [start, end] = chart.range || [0, 1];
    let taken = -Infinity;
    return chart.marks.toSorted((a, b) => a.at - b.at).flatMap((moment) => {
      const at = ((moment.at - start) / (end - start)) * width;
      const long = wordWidth(moment.name);
      const leftwards = at + long > width;
      const begin = leftwards ? at - long : at;
      if (begin < taken || begin < 0) return [];
      taken = begin + long;
      return [{
        text: moment.name, yref: "paper", y: 1, yanchor: "bottom", x: new Date(moment.at * 1000),
        xanchor: leftwards ? "right" : "left", showarrow: false, font: { size: 11, color: ink("--ink-soft") },
      }];
    });
  }

  const DAY_SECONDS = 86400;
  const TICKS = [
    { dtickrange: [null, 59999], value: "%H:%M:%S" },
    { dtickrange: [60000, DAY_SECONDS * 1000 - 1], value: "%H:%M" },
    { dtickrange: [DAY_SECONDS * 1000, null], value: "%b %-d" },
  ];
  const long = (chart) => chart.range && chart.range[1] - chart.range[0] > DAY_SECONDS;

  // On a phone six times of the day would stand aslant and over the legend.
  function across(chart, upright, width) {
    const axis = { ...upright, tickangle: 0, nticks: width < 400 ? 3 : 6 };
    if (elapsed(chart)) return { ...axis, type: "linear", ticksuffix: " s", hoverformat: ".1f" };
    return { ...axis, type: "date", tickformatstops: TICKS, hoverformat: long(chart) ? "%b %-d, %H:%M" : "%H:%M:%S", range: chart.range ? chart.range.map((at) => new Date(at * 1000)) : undefined };
  }

  const MARGIN = { l: 48, r: 12, t: 20, b: 28 };

  function layout(chart, width) {
    const log = chart.scale === "log";
    const axis = { gridcolor: ink("--line"), linecolor: ink("--line"), zeroline: false, fixedrange: true, automargin: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink("--ink-soft") },
      margin: MARGIN,
      hovermode: "x unified",
      hoverlabel: { bgcolor: ink("--surface"), bordercolor: ink("--line-strong"), font: { color: ink("--ink") } },
      legend: { orientation: "h", x: 0, y: -0.12, yanchor: "top" },
      showlegend: chart.series.length > 1,
      xaxis: across(chart, axis, width),
      yaxis: { ...axis, type: log ? "log" : "linear", exponentformat: log ? "e" : "none", separatethousands: true, rangemode: log ? "normal" : "tozero", ticksuffix: chart.unit ? ` ${chart.unit}` : "", nticks: 6 },
      shapes: [...chart.lines.map(boundary), ...chart.marks.map(mark)],
      annotations: [...chart.lines.map((line) => boundaryWord(line, log)), ...markWords(chart, width - MARGIN.l - MARGIN.r)],
    };
  }

  const measured = (chart) => chart.series.some((series) => series.points.some((point) => point[1] !== null));

  function draw(plot, chart) {
    drawn.set(plot, chart);
    document.getElementById(plot.dataset.none)?.remove();
    plot.classList.add("plot-drawn");
    // Exponents as tspans and sub or sup text would need inline styles, which the policy forbids.
    const config = { displayModeBar: false, responsive: true, staticPlot: false, doubleClick: false };
    return Plotly.react(plot, traces(chart), layout(chart, plot.clientWidth), config);
  }

  async function refresh(plot) {
    if (document.hidden) return;
    const answer = await fetch(plot.dataset.url, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const chart = await answer.json();
    if (measured(chart)) await draw(plot, chart);
  }

  for (const plot of document.querySelectorAll(".plot[data-url]")) {
    const first = document.getElementById(plot.dataset.first);
    const chart = first ? JSON.parse(first.textContent) : null;
    if (chart && measured(chart)) draw(plot, chart);
    else if (!chart) refresh(plot);
    const seconds = Number(plot.dataset.every || 0);
    if (seconds) setInterval(() => refresh(plot), seconds * 1000);
  }
  const again = () => drawn.forEach((chart, plot) => draw(plot, chart));
  media.addEventListener("change", again);
  addEventListener("resize", again);
})();
