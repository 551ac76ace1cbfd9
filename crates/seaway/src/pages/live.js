// Fetches what says data-live again when the views have moved: at most once a second, and only
// while the page is looked at. The other figures of a page cost much more: whoever reads is told
// that they are of before, and chooses when to see them anew. A page in the background holds no
// connection, of which browsers have few.
(() => {
  "use strict";
  const places = [...document.querySelectorAll("[data-live]")];
  let source = null;
  let busy = false;
  let again = false;

  // Less important tables begin folded away on a phone.
  const phone = matchMedia("(max-width: 560px)");
  const fold = () => {
    for (const it of document.querySelectorAll("details.on-phones")) it.open = !phone.matches;
  };
  if (phone.matches) fold();
  phone.addEventListener("change", fold);

  const { settled, made } = document.querySelector("footer").dataset;
  const stale = document.createElement("p");
  stale.className = "stale";
  stale.setAttribute("role", "status");
  document.body.append(stale);
  const tell = (event) => {
    if (stale.firstChild !== null || !(Number(event.data) > Number(settled))) return;
    const link = document.createElement("a");
    link.href = location.pathname + location.search;
    link.textContent = "Show them";
    const what = places.length > 0 ? "The other figures of this page are" : "This page is";
    stale.append(`${what} of ${made} UTC; newer data have arrived. `, link);
  };

  const refresh = async () => {
    if (places.length === 0) return;
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
    source.addEventListener("moved", (event) => {
      tell(event);
      refresh();
    });
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
