"use strict";
// Draws the page's charts with Plotly, each when it first comes into view, in the colours of page.css.

{
  const COLOURS = 6; // page.css has --colour-0, --colour-1, ...
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const FEW_POINTS = 30; // a line of no more has its points marked,
  const FEW_LINES = 12; // unless a chart has more lines; these are thinner too
  const LONGEST_NAME = 44; // letters of a name in the legend
  const NAMES_BELOW = 10; // names in a legend below a chart; the others are scrolled to

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const onPaper = matchMedia("print");
  const narrow = matchMedia("(max-width: 48rem)");
  const touch = matchMedia("(pointer: coarse)");
  const drawn = new Map(); // chart -> its data
  let leftOut = new Set(); // numbers of the rows that the table's filters leave out

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const shortened = (name) => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name);
  const rounded = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 }).format;

  function unpacked(column) {
    const bytes = Uint8Array.from(atob(column.base64), (letter) => letter.charCodeAt(0));
    return column.type === "float32" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
  }

  function unpackedLine(line) {
    const columns = ["images", "mean", "low", "high"].filter((name) => line[name]);
    return { ...line, ...Object.fromEntries(columns.map((name) => [name, unpacked(line[name])])) };
  }

  function mode(line, crowded) {
    if (line.mean.length === 1) return crowded ? "markers" : "markers+text"; // a point has its value beside it
    return crowded || line.mean.length > FEW_POINTS ? "lines" : "lines+markers";
  }

  // A line is a trace, and its band another: around it, from the highest seeds to the lowest and back.
  function traces(chart) {
    const crowded = chart.lines.length > FEW_LINES;
    return chart.lines.flatMap((line) => {
      const shade = colour(`colour-${line.style % COLOURS}`);
      const dash = chart.small ? "solid" : DASHES[(line.style + Math.floor(line.style / COLOURS)) % DASHES.length];
      const visible = !leftOut.has(line.row);
      const group = `${line.row} ${line.style}`;
      const range = (place) => (line.low ? ` (${rounded(line.low[place])} to ${rounded(line.high[place])})` : "");
      const band = line.low && {
        x: [...line.images, ...line.images.toReversed()], y: [...line.high, ...line.low.toReversed()],
        type: "scatter", mode: "lines", fill: "toself", fillcolor: shade, opacity: 0.16, line: { width: 0 },
        hoverinfo: "skip", showlegend: false, legendgroup: group, visible,
      };
      const middle = {
        x: line.images, y: line.mean, type: "scatter", mode: mode(line, crowded),
        customdata: Array.from(line.mean, (mean, place) => rounded(mean) + range(place)),
        text: line.mean.length === 1 ? [rounded(line.mean[0])] : "", textposition: "middle left",
        marker: { size: line.mean.length > 1 ? 5 : 9, color: shade },
        line: { color: shade, width: crowded || chart.small ? 1.4 : 2, dash },
        name: escaped(shortened(line.name)), legendgroup: group, visible, meta: [escaped(line.name), escaped(line.source)],
        hovertemplate: "<b>%{meta[0]}</b><br>%{customdata}<br>after %{x:,} images<br>%{meta[1]}<extra></extra>",
      };
      return band ? [band, middle] : [middle];
    });
  }

  // So many ticks make Plotly label 1, 2 and 5 of each power of ten, or of many powers these alone; 0: as it likes.
  function ticks(chart) {
    if (chart.decades) return Math.min(5, Math.ceil(chart.decades / 0.65));
    return chart.small ? 4 : 0;
  }

  function layout(chart) {
    const soft = colour("soft");
    const axis = { gridcolor: colour("rule"), linecolor: colour("faint"), zerolinecolor: colour("faint"), automargin: true };
    const above = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" };
    const below = { x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom" };
    const beside = { x: 1.02, xanchor: "left", y: 1 };
    const small = chart.small;
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: small ? 11 : 12, color: soft },
      margin: { l: 8, r: 12, t: small ? 24 : 28, b: 8, autoexpand: true },
      xaxis: { ...axis, title: { text: "images seen", standoff: 8 }, tickformat: "~s", nticks: small ? 5 : 0,
        range: [0, (chart.last || 1) * 1.03] },
      yaxis: { ...axis, title: { text: small ? "" : chart.title, standoff: 8 }, type: chart.decades ? "log" : "linear",
        tickformat: chart.decades ? ",.6~g" : "", nticks: ticks(chart),
        autorange: !chart.shown, ...(chart.shown && { range: chart.shown }) },
      hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("faint"), font: { color: colour("ink") }, align: "left" },
      hovermode: "closest", dragmode: touch.matches ? false : "zoom",
      legend: { ...(small ? above : narrow.matches ? below : beside), bgcolor: "rgba(0,0,0,0)" },
      showlegend: true, uirevision: "kept",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("faint"), activecolor: soft },
    };
  }

  const config = (chart) => ({ responsive: true, displaylogo: false, displayModeBar: chart.small ? false : "hover",
    showSendToCloud: false, modeBarButtons: [["toImage", "zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"]] });

  function draw(node) {
    const chart = drawn.get(node) ?? read(node);
    drawn.set(node, chart);
    // a legend below a chart needs room beside that of page.css
    node.style.height = "";
    if (narrow.matches && !chart.small) {
      node.style.height = `calc(${node.clientHeight}px + ${1.3 * Math.min(chart.lines.length, NAMES_BELOW)}rem)`;
    }
    Plotly.react(node, traces(chart), layout(chart), config(chart));
  }

  function read(node) {
    const data = node.querySelector("script");
    const chart = JSON.parse(data.textContent);
    node.replaceChildren();
    chart.lines = chart.lines.map(unpackedLine);
    chart.small = node.classList.contains("small");
    chart.title = escaped(chart.quantity) + (chart.decades ? "<br>logarithmic" : "");
    return chart;
  }

  const charts = [...document.querySelectorAll(".chart")];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  for (const chart of charts) watcher.observe(chart);

  const drawAgain = () => [...drawn.keys()].forEach(draw);
  for (const query of [dark, onPaper, narrow]) query.addEventListener("change", drawAgain);
  addEventListener("beforeprint", () => charts.filter((chart) => !drawn.has(chart)).forEach(draw));
  document.addEventListener("rows-left-out", (event) => {
    leftOut = event.detail;
    drawAgain();
  });
}
