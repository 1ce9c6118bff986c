// Keeps what a reader sees honest and undisturbed: ages go on counting, moments are in the reader's zone,
// open folds stay open over a live update, and a lost connection says so.
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

  const opened = new Set();
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.target.hasAttribute("data-live")) return;
    const busy = event.target.querySelector(".act[open], input:focus, select:focus, textarea:focus");
    if (busy || document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const path = new URL(event.detail.xhr.responseURL || location.href, location.href).pathname;
    if (path.startsWith("/login/")) {
      event.detail.shouldSwap = false;
      location.reload();
      return;
    }
    opened.clear();
    for (const fold of event.detail.target.querySelectorAll("details[open][id]")) opened.add(fold.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
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
