// Keeps what a reader sees honest and undisturbed: ages go on counting, moments are in the reader's zone,
// open folds stay open and the focus stays where it is over a live update, and a lost connection says so.
"use strict";

(() => {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const STALE_SECONDS = 15;

  function span(seconds) {
    let left = Math.max(0, Math.floor(seconds));
    const parts = [];
    for (const [size, unit] of units) {
      const count = Math.floor(left / size);
      left -= count * size;
      if (count) parts.push(`${count} ${unit}`);
    }
    return parts.slice(0, 2).join(" ") || "0 s";
  }

  // The server's clock decides ages: a laptop that is a minute off must not call fresh figures stale.
  const served = Date.parse(document.documentElement.dataset.now || "");
  const skew = Number.isNaN(served) ? 0 : served - (performance.timeOrigin + performance.getEntriesByType("navigation")[0].responseStart);
  const now = () => Date.now() + (Math.abs(skew) > 2000 ? skew : 0);

  function ages() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const old = (now() - Date.parse(time.dateTime)) / 1000;
      const words = old < -1 ? `in ${span(-old)}` : old < 2 ? "just now" : `${span(old)} ago`;
      if (time.textContent !== words) time.textContent = words;
      const age = time.closest(".age[data-live]");
      if (age) age.toggleAttribute("data-stale", old > STALE_SECONDS);
    }
  }

  function clocks(root) {
    for (const time of root.querySelectorAll("time[data-clock]")) {
      const at = new Date(time.dateTime);
      const today = at.toDateString() === new Date().toDateString();
      const day = today ? {} : { month: "short", day: "numeric" };
      time.textContent = at.toLocaleString([], {
        ...day, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
      });
    }
  }

  ages();
  clocks(document);
  setInterval(ages, 1000);

  const FOCUSABLE = "a[href], button, summary, input, select, textarea, [tabindex]";

  // What an element is, told by what does not change from one answer to the next.
  function mark(element) {
    const form = element.form;
    const hidden = form ? [...form.querySelectorAll("input[type=hidden]:not([name=csrfmiddlewaretoken])")] : [];
    return [
      element.tagName, element.id, element.getAttribute("href"), element.getAttribute("name"),
      element.tagName === "BUTTON" ? element.value : "", element.getAttribute("aria-label"),
      element.closest("details")?.id, form?.getAttribute("action"), ...hidden.map((input) => input.value),
    ].join("\n");
  }

  const alike = (root, known) => [...root.querySelectorAll(FOCUSABLE)].filter((each) => mark(each) === known);

  function place(root) {
    const element = document.activeElement;
    if (!root.contains(element)) return null;
    const known = mark(element);
    return { root: root.id, known, number: alike(root, known).indexOf(element) };
  }

  // Tab goes on from where it was. Where the thing itself is gone, its fragment is the nearest place.
  function refocus(was) {
    const root = document.getElementById(was.root);
    if (!root || root.contains(document.activeElement)) return;
    const found = alike(root, was.known);
    const next = found[was.number] || found[0] || root;
    if (next === root) root.tabIndex = -1;
    next.focus({ preventScroll: true });
  }

  const busy = (root) => root.querySelector(".act[open], input:focus, select:focus, textarea:focus");

  const opened = new Set();
  let focused = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.target.hasAttribute("data-live")) return;
    if (busy(event.target) || document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const path = new URL(event.detail.xhr.responseURL || location.href, location.href).pathname;
    if (path.startsWith("/login/")) {
      event.detail.shouldSwap = false;
      location.reload();
      return;
    }
    // A confirmation that was opened while the answer was under way is not taken from the reader.
    if (event.detail.target.hasAttribute("data-live") && busy(event.detail.target)) {
      event.detail.shouldSwap = false;
      return;
    }
    focused = place(event.detail.target);
    opened.clear();
    for (const fold of event.detail.target.querySelectorAll("details[open][id]")) opened.add(fold.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    if (focused) refocus(focused);
    focused = null;
    document.body.removeAttribute("data-lost");
    clocks(document);
    ages();
  });
  // The role was taken away, or the thing itself is gone: the whole page says it better.
  document.addEventListener("htmx:responseError", (event) => {
    if ([403, 404].includes(event.detail.xhr.status)) location.reload();
  });
  for (const trouble of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(trouble, () => document.body.setAttribute("data-lost", ""));
  }
})();
