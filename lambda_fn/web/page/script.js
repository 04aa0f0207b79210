"use strict";
(() => {
  const root = document.documentElement;
  const locale = navigator.languages?.[0] ?? navigator.language;
  root.classList.add("js");

  // Numbers, as the browser's locale writes them.
  const formats = new Map();
  const format = (value, digits, kind) => {
    const key = `${kind} ${digits}`;
    if (!formats.has(key)) {
      const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
      if (kind !== "price") options.style = "percent";
      if (kind === "signed") options.signDisplay = "exceptZero";
      formats.set(key, new Intl.NumberFormat(locale, options));
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
  const create = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const draw = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach((pair) => node.setAttribute(...pair));
    return node;
  };
  const explore = (chart) => {
    const table = document.getElementById(chart.dataset.table);
    const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    const rows = [...table.tBodies[0].rows].sort((a, b) => a.dataset.x - b.dataset.x);
    const plot = chart.querySelector(".plot");
    const cross = plot.appendChild(draw("line", { class: "cross", y1: "0", y2: "100%" }));
    const spot = plot.appendChild(draw("circle", { class: "spot", r: "4.5" }));
    const readout = chart.appendChild(Object.assign(document.createElement("div"), { className: "readout" }));
    let at = Math.max(0, rows.findLastIndex((row) => !row.cells[2].textContent));
    const pairs = (row) => [...row.cells].map((cell, i) => [titles[i], cell.textContent]).filter((pair) => pair[1]);

    const show = (index) => {
      at = Math.min(Math.max(index, 0), rows.length - 1);
      const row = rows[at];
      const x = `${row.dataset.x}%`;
      cross.setAttribute("x1", x);
      cross.setAttribute("x2", x);
      spot.setAttribute("cx", x);
      spot.setAttribute("cy", `${row.dataset.y}%`);
      const [heading, ...values] = pairs(row);
      const list = document.createElement("dl");
      values.forEach(([title, text]) => list.append(create("dt", title), create("dd", text)));
      readout.replaceChildren(create("b", heading[1]), list);
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

  // The API reference: a GET is sent from the page, with the parameters that are filled in.
  document.querySelectorAll("form.try").forEach((form) => {
    const output = form.querySelector("pre");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const fields = [...new FormData(form)].filter((field) => field[1]);
      let path = form.getAttribute("action");
      const query = new URLSearchParams();
      fields.forEach(([name, value]) => {
        if (path.includes(`{${name}}`)) path = path.replace(`{${name}}`, encodeURIComponent(value));
        else query.set(name, value);
      });
      const address = query.size ? `${path}?${query}` : path;
      output.hidden = false;
      output.textContent = `GET ${address}`;
      try {
        const response = await fetch(address, { headers: { accept: "application/json" } });
        const text = await response.text();
        const isJson = /json/.test(response.headers.get("content-type") ?? "");
        const shown = isJson && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
        output.textContent = `GET ${address}\n${response.status}\n${shown.slice(0, 20000)}`;
      } catch {
        output.textContent = `GET ${address}\nThe service did not answer. Try again.`;
      }
    });
  });

  const byId = (id) => document.getElementById(id);
  const form = byId("likely-form");
  if (!form) return;

  // Probability of a price level: the API calculates it.
  const PAUSE = 200; // milliseconds after the last input
  const big = byId("likely-big");
  const problem = byId("likely-problem");
  let timer;
  let request = new AbortController();
  const report = (field, place, text) => {
    place.textContent = text;
    place.hidden = !text;
    field.toggleAttribute("aria-invalid", Boolean(text));
    if (text) field.setAttribute("aria-invalid", "true");
  };
  const fail = (text) => {
    big.textContent = "\u2013";
    byId("likely-part").setAttribute("width", "0");
    byId("likely-tails").hidden = true;
    report(byId("price"), problem, text);
  };
  const BOUNDS = { at_most: "less than ", at_least: "more than " };
  const show = ({ probability, bound }) => {
    big.textContent = (BOUNDS[bound] || "") + format(probability, 1, "percent");
    byId("likely-part").setAttribute("width", `${100 * probability}%`);
  };
  const fetchProbability = async (query, signal) => {
    try {
      const response = await fetch(new URL(`api/probability?${query}`, form.action), { signal });
      const answer = await response.json();
      if (response.ok) show(answer);
      else fail(`${answer.detail}; ${answer.cure}`);
    } catch (error) {
      if (error.name !== "AbortError") fail("The service did not answer. Try again.");
    }
  };
  const ask = (pause) => {
    clearTimeout(timer);
    request.abort();
    request = new AbortController();
    const { date, day, low, high } = byId("horizon").selectedOptions[0].dataset;
    const query = new URLSearchParams({ [byId("side").value]: byId("price").value, date });
    if (form.elements.pair) query.set("pair", form.elements.pair.value);
    const { validity } = byId("price");
    if (!(validity.valid || validity.stepMismatch)) return fail("Enter a price above 0.");
    report(byId("price"), problem, "");
    byId("likely-tails").hidden = false;
    const touches = byId("side").value === "touch";
    byId("likely-when").textContent = touches ? "by" : "on";
    byId("likely-touch").hidden = !touches;
    big.textContent = "\u2026";
    byId("likely-day").textContent = day;
    write(byId("likely-low").firstElementChild, Number(low));
    write(byId("likely-high").firstElementChild, Number(high));
    timer = setTimeout(fetchProbability, pause, query, request.signal);
    return undefined;
  };
  form.addEventListener("input", () => ask(PAUSE));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(0);
  });

  // Risk of a book: the service renders the page of the entries, which are kept in its address alone.
  const book = byId("book-form");
  if (!book) return;
  const output = byId("book-output");
  const rows = byId("book-rows");
  const complain = (text) => output.replaceChildren(Object.assign(create("p", text), { className: "problem" }));
  const load = async (query, signal) => {
    try {
      const response = await fetch(new URL(`?${query}`, book.action), { headers: { accept: "text/html" }, signal });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const answer = page.getElementById("book-output");
      if (!answer) return complain("The service did not answer. Try again.");
      writeAll(answer);
      output.replaceChildren(...answer.childNodes);
      ["amount", "currency", "days"].forEach((name) => {
        const isWrong = page.querySelector(`#book-form [name="${name}"][aria-invalid]`);
        book.querySelectorAll(`[name="${name}"]`).forEach((field) => {
          if (isWrong) field.setAttribute("aria-invalid", "true");
          else field.removeAttribute("aria-invalid");
        });
      });
      const amount = (row) => row.querySelector("input").value;
      const next = page.getElementById("book-rows").lastElementChild;
      if (amount(rows.lastElementChild) && !amount(next)) rows.append(next);
    } catch (error) {
      if (error.name !== "AbortError") complain("The service did not answer. Try again.");
    }
    return undefined;
  };
  let bookTimer;
  let bookRequest = new AbortController();
  const calculate = (pause) => {
    clearTimeout(bookTimer);
    bookRequest.abort();
    bookRequest = new AbortController();
    if (!book.checkValidity()) return complain("Enter each amount as a number.");
    const query = new URLSearchParams(new FormData(book));
    history.replaceState(null, "", `?${query}#book`);
    bookTimer = setTimeout(load, pause, query, bookRequest.signal);
    return undefined;
  };
  book.addEventListener("input", () => calculate(PAUSE));
  book.addEventListener("submit", (event) => {
    event.preventDefault();
    calculate(0);
  });
})();
