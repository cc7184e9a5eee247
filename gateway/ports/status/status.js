// Keeps the status page live: replaces the sections that changed, shows ages, copies commands. It loads nothing else.
"use strict";

const RETRY_MS = 2000;
const SILENT_MS = 15000;
const KEY = "operate-key";
const body = document.body;
const live = document.getElementById("live");
const unlock = document.getElementById("unlock");
let heardAt = 0;

const say = (text, state) => {
  if (live.textContent !== text) live.textContent = text;
  live.dataset.state = state;
};

const ageOf = (date) => {
  const seconds = (Date.now() - date.getTime()) / 1000;
  const ago = Math.abs(seconds);
  const [unit, length] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].find(([, l]) => ago >= 2 * l) || ["s", 1];
  const text = `${Math.floor(ago / length)} ${unit}`;
  return seconds < -1 ? `in ${text}` : `${text} ago`;
};

const showAges = (root) => {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    if (!element.title) element.title = element.textContent;
    const age = ageOf(date);
    if (element.textContent !== age) element.textContent = age;
  }
};

// The reader keeps the focus, the opened details and the place in a table.
const replace = (section, html) => {
  const open = [...section.querySelectorAll("details[open]")].map((each) => each.id);
  const scrolled = [...section.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  const focusable = "a, button, summary, [tabindex]";
  const index = [...section.querySelectorAll(focusable)].indexOf(document.activeElement);
  section.innerHTML = html; // rendered by the gateway, which escapes every value
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  section.querySelectorAll(".scroll").forEach((each, i) => { each.scrollLeft = scrolled[i] || 0; });
  if (index >= 0) section.querySelectorAll(focusable)[index]?.focus({ preventScroll: true });
  showAges(section);
};

const take = (update) => {
  heardAt = Date.now();
  if (document.title !== update.title) {
    document.title = update.title;
    document.getElementById("announce").textContent = update.title; // ages change all the time, and are not read out
  }
  for (const [id, html] of Object.entries(update.sections)) {
    const section = document.getElementById(id);
    if (section) replace(section, html);
  }
  body.dataset.locked = "no";
  unlock.hidden = true;
  document.getElementById("sections").hidden = false;
  say("Live", "live");
};

const ask = (reason) => {
  body.dataset.locked = "yes";
  unlock.hidden = false;
  document.getElementById("sections").hidden = true;
  document.getElementById("refused").textContent = reason;
  say("Waiting for a key", "waiting");
};

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const follow = async () => {
  const key = sessionStorage.getItem(KEY);
  const response = await fetch("/status/events", { headers: key ? { authorization: `Bearer ${key}` } : {} });
  if (response.status === 401 || response.status === 403) {
    sessionStorage.removeItem(KEY);
    ask(key ? "This key was refused." : "");
    return false;
  }
  if (!response.ok) throw new Error(response.status === 503 ? "too many pages are open" : `status ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return true;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
  }
};

const run = async () => {
  for (;;) {
    try {
      if (!(await follow())) return;
    } catch (error) {
      say(`Not live: ${error instanceof TypeError ? "the gateway does not answer" : error.message}`, "lost");
    }
    await wait(RETRY_MS);
  }
};

unlock.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, document.getElementById("key").value.trim());
  run();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

setInterval(() => {
  showAges(document);
  if (heardAt && Date.now() - heardAt > SILENT_MS && live.dataset.state === "live") {
    say(`Not live: last news at ${new Date(heardAt).toISOString().slice(11, 19)} UTC`, "lost");
  }
}, 1000);

showAges(document);
if (body.dataset.locked === "yes" && !sessionStorage.getItem(KEY)) ask(""); else run();
