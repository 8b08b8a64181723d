// The search of the first page, ages of times, and the URL of this channel in commands. The pages work without it, but for the
// search. Everything that comes from data becomes text, never markup.
"use strict";
(() => {
  const up = document.body.dataset.up;
  const SHOWN = 40;

  // --- ages, and the URL of the channel

  const span = (seconds) => {
    for (const [length, name] of [[86400, "days"], [3600, "hours"], [60, "minutes"]]) {
      if (seconds >= 2 * length) return `${Math.round(seconds / length)} ${name}`;
    }
    return `${Math.round(seconds)} seconds`;
  };
  const ages = () => {
    const now = Date.now() / 1000;
    for (const one of document.querySelectorAll("[data-since]")) {
      const ago = now - Number(one.dataset.since);
      if (ago >= 0) one.textContent = `(${span(ago)} ago)`;
    }
    for (const one of document.querySelectorAll("[data-until]")) {
      const left = Number(one.dataset.until) - now;
      one.textContent = left > 0 ? `(in ${span(left)})` : "expired: clients refuse it";
      one.classList.toggle("bad", left <= 0);
    }
  };
  const url = new URL(`${up}..`, location.href.replace(/[^/]*$/, "")).href.replace(/\/$/, "");
  for (const one of document.querySelectorAll("pre.do code")) {
    if (one.textContent.includes("URL-OF-THIS-CHANNEL")) {
      one.textContent = one.textContent.replaceAll("URL-OF-THIS-CHANNEL", url);
    }
  }
  ages();
  setInterval(ages, 60000);

  // --- the search

  const form = document.getElementById("search");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    if (form) document.getElementById("q").focus();
    else location.href = `${up}index.html#q=`;
  });
  if (!form) return;
  form.hidden = false;
  const field = document.getElementById("q");
  const list = document.getElementById("results");
  const count = document.getElementById("count");
  const overview = document.getElementById("overview");
  const loaded = new Map();
  const load = (name) => {
    if (!loaded.has(name)) {
      const answer = fetch(`${up}search/${name.split("/").map(encodeURIComponent).join("/")}.json`)
        .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`${response.status}`))));
      answer.catch(() => loaded.delete(name));
      loaded.set(name, answer);
    }
    return loaded.get(name);
  };
  let all = null;
  const names = async () => {
    if (all === null) {
      const found = await load("names");
      const full = [];
      for (const [category, joined] of Object.entries(found.categories)) {
        for (const name of joined.split(" ")) full.push(`${category}/${name}`);
      }
      const keys = (joined) => new Set(joined.split(" "));
      all = { full, lower: full.map((one) => one.toLowerCase()), rows: keys(found.rows), uses: keys(found.uses) };
    }
    return all;
  };
  // As the writer divides them: the longest key that the name begins with, or the name itself with a dot.
  const rowsOf = (full, keys) => {
    const name = full.slice(full.indexOf("/") + 1);
    if (keys.has(`${name}.`)) return `rows-${name}.`;
    for (let end = name.length; end >= 0; end--) {
      if (keys.has(name.slice(0, end))) return `rows-${name.slice(0, end)}`;
    }
    return "rows-";
  };
  const withFlag = async (flag) => {
    const key = /^[A-Za-z0-9_+-]{2}/.test(flag) ? flag.slice(0, 2) : "other";
    if (!(await names()).uses.has(key)) return new Set();
    const found = await load(`use-${key}`);
    return new Set(Object.hasOwn(found, flag) ? found[flag].split(" ") : []);
  };
  const matches = async (words) => {
    const { full, lower } = await names();
    const flags = await Promise.all(words.filter((one) => one.startsWith("use:")).map((one) => withFlag(one.slice(4))));
    const parts = words.filter((one) => !one.startsWith("use:")).map((one) => one.toLowerCase());
    const ranked = [[], [], [], []];
    for (let place = 0; place < full.length; place++) {
      const text = lower[place];
      if (!parts.every((part) => text.includes(part)) || !flags.every((has) => has.has(full[place]))) continue;
      const name = text.slice(text.indexOf("/") + 1);
      const first = parts[0] ?? "";
      const rank = name === first || text === first ? 0 : name.startsWith(first) || text.startsWith(first) ? 1 : name.includes(first) ? 2 : 3;
      ranked[rank].push(full[place]);
    }
    ranked[1].sort((one, other) => one.length - other.length || (one < other ? -1 : 1));
    return ranked.flat();
  };

  const element = (kind, className, text) => {
    const made = document.createElement(kind);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const size = (bytes) => {
    for (const [unit, name] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
      if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${name}`;
    }
    return `${bytes} bytes`;
  };
  const item = (full, wanted, keys) => {
    const made = element("li");
    const link = element("a", "", full);
    link.href = `${up}packages/${full.split("/").map(encodeURIComponent).join("/")}.html`;
    const about = element("span", "about");
    about.dir = "auto";
    const row = element("div", "row");
    const flags = element("div", "flags");
    made.append(link, about, row, flags);
    load(rowsOf(full, keys)).then((rows) => {
      const found = rows.find((one) => one[0] === full);
      if (found === undefined) return;
      const [, description, licence, builds, use, builtTimes] = found;
      about.textContent = description;
      for (const [version, slot, day, bytes] of builds.slice(0, 1)) {
        row.append(element("span", "v", slot === "0" ? version : `${version}:${slot}`));
        row.append(element("span", "", day), element("span", "", size(bytes)));
      }
      row.append(element("span", "", licence));
      const older = [...new Set(builds.map((one) => one[0]))].slice(1);
      if (older.length) row.append(element("span", "", `also ${older.join(", ")}${builtTimes > builds.length ? ", …" : ""}`));
      for (const flag of use) flags.append(element(wanted.has(flag) ? "b" : "span", "", flag), " ");
    }).catch(() => { row.textContent = "The details could not be loaded."; });
    return made;
  };

  let asked = 0;
  const show = async () => {
    const words = field.value.trim().split(/\s+/).filter((one) => one && one !== "use:");
    const mine = ++asked;
    const text = words.join(" ");
    history.replaceState(null, "", text ? `#q=${encodeURIComponent(text)}` : location.pathname + location.search);
    overview.hidden = words.length > 0;
    list.hidden = words.length === 0;
    if (!words.length) {
      list.replaceChildren();
      document.getElementById("more")?.remove();
      count.textContent = "";
      return;
    }
    let found;
    try {
      found = await matches(words);
    } catch {
      count.textContent = "The list of packages could not be loaded. Try again.";
      return;
    }
    if (mine !== asked) return;
    count.textContent = found.length === 0 ? "No package matches." : found.length === 1 ? "1 package" : `${found.length} packages`;
    const wanted = new Set(words.filter((one) => one.startsWith("use:")).map((one) => one.slice(4)));
    const keys = (await names()).rows;
    let shown = 0;
    const more = () => {
      const next = found.slice(shown, shown + SHOWN).map((one) => item(one, wanted, keys));
      shown += next.length;
      return next;
    };
    list.replaceChildren(...more());
    const rest = document.getElementById("more") ?? element("button");
    rest.id = "more";
    rest.type = "button";
    const tell = () => {
      rest.textContent = `Show ${Math.min(SHOWN, found.length - shown)} more of ${found.length - shown}`;
      rest.hidden = shown >= found.length;
    };
    rest.onclick = () => {
      const next = more();
      list.append(...next);
      next[0].querySelector("a").focus();
      tell();
    };
    tell();
    list.after(rest);
  };
  field.addEventListener("input", show);
  field.addEventListener("focus", () => names().catch(() => {}), { once: true });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  form.parentElement.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && field.value) {
      field.value = "";
      show();
      field.focus();
      return;
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...list.querySelectorAll("a")];
    if (!links.length || !(event.target === field || links.includes(event.target))) return;
    event.preventDefault();
    const place = links.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
    (place < 0 ? field : links[Math.min(place, links.length - 1)]).focus();
  });
  const given = /^#q=(.*)$/.exec(location.hash);
  if (given) {
    try {
      field.value = decodeURIComponent(given[1]);
    } catch {
      field.value = "";
    }
    field.focus();
    if (field.value) show();
  }
})();
