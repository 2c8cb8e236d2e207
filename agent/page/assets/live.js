// Keeps the page as it is now: when the server says that there is something new, the page is
// asked for again, and what differs takes its place. Without this the page works as well, by
// loading it anew.
(() => {
  "use strict";
  const at = document.body.dataset.live;
  if (!at) return;
  const state = document.getElementById("state");
  let asking = false, again = false;

  const say = (live) => {
    state.className = live ? "on" : "off";
    state.textContent = live ? "live, " : "not live, ";
  };

  // where the focus is, so that it can be put back
  const focused = () => {
    const e = document.activeElement;
    if (!e || !e.closest("main")) return null;
    if (e.id) return (root) => root.ownerDocument.getElementById(e.id);
    const all = [...document.querySelectorAll("main a, main button, main input")];
    const href = e.getAttribute("href"), same = all.filter((o) => o.getAttribute("href") === href), n = same.indexOf(e);
    return (root) => [...root.querySelectorAll("a, button, input")].filter((o) => o.getAttribute("href") === href)[n];
  };

  const replace = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    const fresh = next.getElementById("main"), old = document.getElementById("main");
    if (!fresh) return location.reload();
    const time = next.getElementById("asof");
    if (time) document.getElementById("asof").replaceWith(document.adoptNode(time));
    for (const e of old.querySelectorAll("details[open] > summary")) {
      const same = next.getElementById(e.id);
      if (same) same.parentNode.open = true;
    }
    if (fresh.innerHTML === old.innerHTML) return;
    const typed = document.getElementById("q");
    const find = focused(), offsets = [...document.querySelectorAll(".wide")].map((e) => [e.id, e.scrollLeft]);
    const said = fresh.dataset.said !== old.dataset.said ? fresh.dataset.said : "";
    old.replaceWith(document.adoptNode(fresh));
    const field = document.getElementById("q");
    if (typed && field) field.replaceWith(typed);
    for (const [id, left] of offsets) {
      const e = document.getElementById(id);
      if (e) e.scrollLeft = left;
    }
    const focus = find && find(fresh);
    if (focus) focus.focus({ preventScroll: true });
    if (said) document.getElementById("said").textContent = said;
  };

  const ask = async () => {
    if (asking) { again = true; return; }
    asking = true;
    do {
      again = false;
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
        if (answer.status === 401) return location.reload();
        if (answer.ok) replace(await answer.text());
      } catch { say(false); }
    } while (again);
    asking = false;
  };

  const events = new EventSource(at);
  events.addEventListener("open", () => { say(true); ask(); });
  events.addEventListener("error", () => say(false));
  events.addEventListener("changed", ask);
})();
