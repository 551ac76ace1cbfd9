// Fetches what says data-live again when the views have moved: at most once a second, and only
// while the page is looked at. A page in the background holds no connection, of which browsers
// have few.
(() => {
  "use strict";
  const places = [...document.querySelectorAll("[data-live]")];
  let source = null;
  let busy = false;
  let again = false;

  const refresh = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    for (const place of places) {
      try {
        const answer = await fetch(place.dataset.live, { headers: { Accept: "text/html" } });
        const isMarkup = (answer.headers.get("Content-Type") || "").startsWith("text/html");
        if (answer.ok && isMarkup) {
          const text = await answer.text();
          if (text !== place.dataset.last && !place.contains(document.activeElement)) {
            place.dataset.last = text;
            place.innerHTML = text;
          }
        }
      } catch {
        // The server may be restarting; the next move brings it.
      }
    }
    setTimeout(() => {
      busy = false;
      if (again && !document.hidden) {
        again = false;
        refresh();
      }
    }, 1000);
  };

  const open = () => {
    if (source !== null || document.hidden) return;
    source = new EventSource("/live");
    source.addEventListener("moved", refresh);
    source.addEventListener("error", () => {
      // A refusal ends it for good; a connection that broke comes back by itself.
      if (source !== null && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(open, 10000);
      }
    });
  };
  const close = () => {
    if (source !== null) source.close();
    source = null;
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
})();
