"use strict";
(() => {
  const config = { responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtons: [["toImage"]], showLink: false };
  const plots = [];
  for (const data of document.querySelectorAll("script[data-figure]")) {
    const figure = JSON.parse(data.textContent);
    const node = document.getElementById(data.dataset.figure);
    const image = { format: "png", scale: 2, filename: data.dataset.figure };
    Plotly.newPlot(node, figure.data, figure.layout, { ...config, toImageButtonOptions: image });
    plots.push(node);
  }
  // On paper figures are drawn 900 px wide and scaled down; a Sankey redraws itself too slowly, so it is only scaled.
  const isSankey = (node) => node.data[0].type === "sankey";
  addEventListener("beforeprint", () => plots.forEach((node) => {
    if (!isSankey(node)) Plotly.relayout(node, { width: 900 });
    node.style.zoom = 680 / (isSankey(node) ? node.offsetWidth : 900);
  }));
  addEventListener("afterprint", () => plots.forEach((node) => {
    node.style.zoom = "";
    if (!isSankey(node)) Plotly.relayout(node, { width: null, autosize: true });
  }));

  const value = (row, column) => {
    const cell = row.cells[column];
    const key = cell.dataset.sort;
    if (key === undefined) return cell.textContent.trim().toLowerCase();
    return key === "" ? -Infinity : Number(key);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      table.classList.add("sorted");
      const body = table.tBodies[0];
      const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
      const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
      [...body.rows].forEach((row) => row.classList.contains("group") && row.remove());
      rows.sort((a, b) => (down ? -1 : 1) * compare(value(a, column), value(b, column)));
      rows.forEach((row) => body.append(row));
    }));
  }
  for (const bar of document.querySelectorAll(".filters")) {
    const table = document.getElementById(bar.dataset.table);
    bar.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      for (const other of bar.children) other.setAttribute("aria-pressed", String(other === button));
      table.classList.toggle("sorted", button.dataset.tone !== "all");
      for (const row of table.tBodies[0].rows) row.hidden = button.dataset.tone !== "all" && row.dataset.tone !== button.dataset.tone;
    });
  }
})();
