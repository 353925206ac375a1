// Values under the pointer, the finger or the arrow keys. The page is whole without it.
"use strict";
(() => {
  const root = document.documentElement;
  window.addEventListener("error", (e) => { root.dataset.error = e.message; });

  const short = (v) => (v === 0 ? "0" : Math.abs(v) >= 1e-4 && Math.abs(v) < 1e6 ? String(+v.toPrecision(4)) : v.toExponential(2));

  /** The place in a sorted list that is nearest to `x`. */
  const nearest = (list, x) => {
    let low = 0, high = list.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] < x) low = middle + 1; else high = middle;
    }
    return low > 0 && x - list[low - 1] < list[low] - x ? low - 1 : low;
  };

  const chart = (figure) => {
    const numbers = JSON.parse(figure.querySelector("script").textContent);
    const plot = figure.querySelector(".plot"), tip = figure.querySelector(".tip");
    // All places at which any line has a point, in order.
    const places = [...new Set(numbers.lines.flatMap((l) => l.at))].sort((a, b) => a - b);
    let shown = -1;

    const hide = () => {
      shown = -1;
      tip.hidden = true;
      plot.querySelectorAll(".cursor").forEach((c) => c.setAttribute("visibility", "hidden"));
    };
    const show = (n) => {
      if (n === shown) return;
      shown = n;
      const at = places[n], rows = document.createDocumentFragment();
      for (const line of numbers.lines) {
        const i = nearest(line.at, at), [x, mean, low, high] = line.points[i];
        if (Math.abs(line.at[i] - at) > 1) continue;
        if (!rows.childNodes.length) {
          const head = document.createElement("div");
          head.textContent = `${numbers.x} ${short(x)}`;
          rows.append(head);
        }
        const row = document.createElement("div"), dot = document.createElement("i");
        row.style = dot.style = line.colour;
        const range = high > low ? ` (${short(low)} to ${short(high)})` : "";
        row.append(dot, `${line.name} ${short(mean)}${range}${numbers.unit && " " + numbers.unit}`);
        rows.append(row);
      }
      tip.replaceChildren(rows);
      tip.hidden = false;
      for (const svg of plot.querySelectorAll("svg")) {
        const cursor = svg.querySelector(".cursor");
        cursor.setAttribute("x1", at);
        cursor.setAttribute("x2", at);
        cursor.setAttribute("visibility", "visible");
      }
      // On the side where there is room.
      const share = at / plot.querySelector("svg").viewBox.baseVal.width;
      tip.style.left = share < 0.5 ? `${100 * share + 2}%` : "auto";
      tip.style.right = share < 0.5 ? "auto" : `${100 * (1 - share) + 2}%`;
    };

    const point = (e) => {
      const svg = [...plot.querySelectorAll("svg")].find((s) => s.clientWidth > 0 || s.getBoundingClientRect().width > 0);
      const box = svg.getBoundingClientRect();
      show(nearest(places, ((e.clientX - box.left) / box.width) * svg.viewBox.baseVal.width));
    };
    plot.addEventListener("pointermove", point);
    plot.addEventListener("pointerdown", point);
    plot.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (e) => {
      const last = places.length - 1;
      const to = { ArrowRight: Math.min(last, shown + 1), ArrowLeft: Math.max(0, shown - 1), Home: 0, End: last }[e.key];
      if (e.key === "Escape") hide();
      if (to === undefined) return;
      e.preventDefault();
      show(to);
    });
  };

  document.querySelectorAll(".chart").forEach(chart);

  // Paper shows what is folded away.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((d) => { d.open = true; });
  });
  window.addEventListener("afterprint", () => folded.forEach((d) => { d.open = false; }));

  // For tests: all of the above ran.
  root.dataset.ready = "yes";
})();
