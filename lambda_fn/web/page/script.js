"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data")?.textContent ?? "null");
  const locale = navigator.languages?.[0] ?? navigator.language;
  root.classList.add("js");

  // Numbers, as the browser's locale writes them.
  const formats = new Map();
  const format = (value, digits, kind) => {
    const key = `${kind} ${digits}`;
    if (!formats.has(key)) {
      const of = { minimumFractionDigits: digits, maximumFractionDigits: digits };
      if (kind !== "price") of.style = "percent";
      if (kind === "signed") of.signDisplay = "exceptZero";
      formats.set(key, new Intl.NumberFormat(locale, of));
    }
    return formats.get(key).format(value);
  };
  const write = (node, value) => {
    node.dataset.n = value;
    node.textContent = format(value, Number(node.dataset.digits), node.dataset.kind);
  };
  const writeAll = (within) => within.querySelectorAll("[data-n]").forEach((node) => write(node, Number(node.dataset.n)));
  writeAll(document);
  document.querySelectorAll("#use code").forEach((code) => {
    code.textContent = code.textContent.replaceAll("https://HOST", location.origin);
  });

  // Charts: the rows of their tables, under the pointer and by the keyboard.
  const made = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const drawn = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach((pair) => node.setAttribute(...pair));
    return node;
  };
  const explore = (chart) => {
    const table = document.getElementById(chart.dataset.table);
    const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    const rows = [...table.tBodies[0].rows].sort((a, b) => a.dataset.x - b.dataset.x);
    const plot = chart.querySelector(".plot");
    const cross = plot.appendChild(drawn("line", { class: "cross", y1: "0", y2: "100%" }));
    const spot = plot.appendChild(drawn("circle", { class: "spot", r: "4.5" }));
    const readout = chart.appendChild(Object.assign(document.createElement("div"), { className: "readout" }));
    let at = Math.max(0, rows.findLastIndex((row) => !row.cells[2].textContent));
    const told = (row) => [...row.cells].map((cell, i) => [titles[i], cell.textContent]).filter((pair) => pair[1]);

    const show = (index) => {
      at = Math.min(Math.max(index, 0), rows.length - 1);
      const row = rows[at];
      const x = `${row.dataset.x}%`;
      cross.setAttribute("x1", x);
      cross.setAttribute("x2", x);
      spot.setAttribute("cx", x);
      spot.setAttribute("cy", `${row.dataset.y}%`);
      const [heading, ...values] = told(row);
      const list = document.createElement("dl");
      values.forEach(([title, text]) => list.append(made("dt", title), made("dd", text)));
      readout.replaceChildren(made("b", heading[1]), list);
      readout.classList.toggle("at-right", row.dataset.x < 50);
      chart.setAttribute("aria-valuenow", at + 1);
      chart.setAttribute("aria-valuetext", [heading[1], ...values.map((pair) => pair.join(" "))].join(", "));
      chart.classList.add("exploring");
    };
    const hide = () => chart.classList.remove("exploring");
    const nearest = (event) => {
      const box = plot.getBoundingClientRect();
      const x = (100 * (event.clientX - box.left)) / box.width;
      let best = 0;
      rows.forEach((row, i) => {
        if (Math.abs(row.dataset.x - x) < Math.abs(rows[best].dataset.x - x)) best = i;
      });
      return best;
    };
    const keys = {
      ArrowLeft: () => at - 1, ArrowDown: () => at - 1, ArrowRight: () => at + 1, ArrowUp: () => at + 1,
      PageDown: () => at - 5, PageUp: () => at + 5, Home: () => 0, End: () => rows.length - 1,
    };

    chart.setAttribute("role", "slider");
    chart.setAttribute("tabindex", "0");
    chart.setAttribute("aria-label", plot.getAttribute("aria-label"));
    chart.setAttribute("aria-valuemin", "1");
    chart.setAttribute("aria-valuemax", rows.length);
    plot.setAttribute("aria-hidden", "true");
    show(at);
    hide();
    chart.addEventListener("pointermove", (event) => show(nearest(event)));
    chart.addEventListener("pointerdown", (event) => show(nearest(event)));
    chart.addEventListener("pointerleave", () => document.activeElement !== chart && hide());
    chart.addEventListener("focus", () => show(at));
    chart.addEventListener("blur", hide);
    chart.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide();
      if (!(event.key in keys)) return undefined;
      event.preventDefault();
      return show(keys[event.key]());
    });
  };
  document.querySelectorAll(".chart[data-table]").forEach(explore);
  if (!data) return;

  // The forecast between its levels: linear in (log price, logit of the level), as the API calculates it.
  const LEAST = 0.001;
  const RARE = 0.05;
  const logit = (p) => Math.log(p / (1 - p));
  const clipped = (y) => Math.min(Math.max(1 / (1 + Math.exp(-Math.min(Math.max(y, -30), 30))), LEAST), 1 - LEAST);
  const { levels } = data;
  const segment = (at, prices) => {
    const last = prices.length - 1;
    if (at > 0 && at <= last) return [at - 1, at];
    if (at === 0) {
      const right = prices.findIndex((price) => price > prices[0]);
      return right > 0 ? [right - 1, right] : null;
    }
    const left = prices.findLastIndex((price) => price < prices[last]);
    return left >= 0 ? [left, left + 1] : null;
  };
  const probabilityBelow = (prices, price) => {
    const low = prices.filter((known) => known < price).length;
    const high = prices.filter((known) => known <= price).length;
    if (high > low) return clipped((logit(levels[low]) + logit(levels[high - 1])) / 2);
    const found = segment(low, prices);
    if (!found) return low === 0 ? LEAST : 1 - LEAST;
    const [left, right] = found;
    const slope = (logit(levels[right]) - logit(levels[left])) / (Math.log(prices[right]) - Math.log(prices[left]));
    const start = low === 0 ? 0 : low === levels.length ? levels.length - 1 : left;
    return clipped(logit(levels[start]) + slope * (Math.log(price) - Math.log(prices[start])));
  };
  const priceAt = (prices, probability) => {
    const right = Math.min(Math.max(levels.filter((level) => level < probability).length, 1), levels.length - 1);
    const [x0, x1] = [Math.log(prices[right - 1]), Math.log(prices[right])];
    const [y0, y1] = [logit(levels[right - 1]), logit(levels[right])];
    return Math.exp(x0 + ((x1 - x0) * (logit(probability) - y0)) / (y1 - y0));
  };
  const byId = (id) => document.getElementById(id);

  // How likely is it?
  const form = byId("likely-form");
  const before = byId("likely-answer");
  const words = (probability) => {
    const text = format(probability, 1, "percent");
    if (probability <= LEAST) return `less than ${text}`;
    return probability >= 1 - LEAST ? `more than ${text}` : text;
  };
  const ask = () => {
    const [side, price] = [byId("side").value, byId("price").valueAsNumber];
    if (!(price > 0) || !byId("likely-big")) return;
    const prices = data.quantiles[byId("horizon").value - 1];
    const below = probabilityBelow(prices, price);
    const probability = side === "below" ? below : 1 - below;
    byId("likely-big").textContent = words(probability);
    byId("likely-part").setAttribute("width", `${100 * probability}%`);
    byId("likely-day").textContent = byId("horizon").selectedOptions[0].dataset.day;
    write(byId("likely-low").firstElementChild, priceAt(prices, RARE));
    write(byId("likely-high").firstElementChild, priceAt(prices, 1 - RARE));
  };
  form.addEventListener("input", ask);
  form.addEventListener("submit", (event) => {
    if (!before.querySelector("output")) return;
    event.preventDefault();
    ask();
  });
  if (before.querySelector("output")) ask();

  // What can a position lose?
  const lose = () => {
    const amount = byId("amount").valueAsNumber;
    if (!(amount >= 0)) return;
    const ofBase = byId("currency").value === data.base;
    const table = byId("position-table");
    table.tHead.rows[0].cells[1].textContent = `Loss in ${ofBase ? data.quote : data.base}`;
    [...table.tBodies[0].rows].forEach((row) => {
      const prices = data.quantiles[row.dataset.horizon - 1];
      const after = priceAt(prices, ofBase ? RARE : 1 - RARE);
      const part = Math.max(ofBase ? 1 - after / data.last : 1 - data.last / after, 0);
      const [loss, percent] = row.querySelectorAll("[data-n]");
      write(loss, part * amount * (ofBase ? data.last : 1 / data.last));
      write(percent, part);
    });
  };
  byId("amount").addEventListener("input", lose);
  byId("currency").addEventListener("input", lose);
  lose();
})();
