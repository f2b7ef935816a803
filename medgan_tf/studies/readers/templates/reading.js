"use strict";
const study = JSON.parse(document.getElementById("content").textContent);
const element = (id) => document.getElementById(id);
const COLUMNS = ["study", "source", "reader", "position", "image", "answer", "confidence", "realism", "artefacts", "diagnosis", "seconds"];
const ASKED = { answer: "real or synthetic", confidence: "how sure you are", realism: "how realistic it looks" };
const STEP = 0.02; // fraction of the image by which an arrow key moves the cross
const total = study.orders[0].length;

// Answers stored in the browser. Without storage the page still works and shows a warning.
const storage = {
  key: (reader) => `medgan_tf reading ${study.study} ${reader}`,
  read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
  write(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { element("unsaved").hidden = false; } },
  remove(key) { try { localStorage.removeItem(key); } catch { /* nothing is stored */ } },
};
const LAST = storage.key("") + "last";
const THEME = "medgan_tf reading theme";

let session = null; // { reader, at, furthest, answers: [{ answer, confidence, realism, artefacts: [[x, y]], diagnosis, seconds }] }
let cross = [0.5, 0.5];
let shownAt = 0;

const order = () => study.orders[hash(session.reader) % study.orders.length];
const current = () => (session.answers[session.at] ??= { artefacts: [], diagnosis: "", seconds: 0 });
const complete = (one) => one && Object.keys(ASKED).every((name) => one[name]);
const finished = () => session.answers.filter(complete).length === total;

function hash(text) { // FNV-1a
  let value = 2166136261;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 16777619) >>> 0;
  return value;
}

function keep() {
  storage.write(storage.key(session.reader), session);
  storage.write(LAST, session.reader);
}

function view(name) {
  for (const id of ["start", "reading", "done"]) element(id).hidden = id !== name;
  document.body.dataset.view = name;
  element("progress").hidden = name === "start";
  element("copy").hidden = name !== "reading";
  window.scrollTo(0, 0);
}

function begin(event) {
  event.preventDefault();
  const reader = element("code").value.trim().toUpperCase();
  const wrong = !/^[A-Z0-9_-]{1,20}$/.test(reader);
  element("code-error").textContent = wrong ? "Enter your code: letters, digits, - and _ only." : "";
  element("code").setAttribute("aria-invalid", wrong);
  if (wrong) return element("code").focus();
  session = storage.read(storage.key(reader)) ?? { reader, at: 0, furthest: 0, answers: [] };
  keep();
  finished() ? finish() : show();
}

function show() {
  view("reading");
  element("image").src = `data:image/png;base64,${study.images[order()[session.at]]}`;
  for (const id of ["reading", "picture"]) element(id).setAttribute("aria-label", `Image ${session.at + 1} of ${total}`);
  for (const input of element("answers").querySelectorAll("input[type=radio]")) input.checked = current()[input.name] === input.value;
  element("diagnosis").value = current().diagnosis;
  element("missing").textContent = "";
  element("back").disabled = session.at === 0 || session.at < session.furthest; // one step back, to correct a mistake
  cross = [0.5, 0.5];
  progress();
  drawMarks();
  shownAt = performance.now();
  element("reading").focus({ preventScroll: true });
}

function progress() {
  const done = session.answers.filter(complete).length;
  element("bar").value = done / total;
  element("count").textContent = element("reading").hidden ? `${done} of ${total}` : `${session.at + 1} of ${total}`;
}

function countTime() {
  if (!element("reading").hidden) current().seconds += (performance.now() - shownAt) / 1000;
  shownAt = performance.now();
}

function next(event) {
  event.preventDefault();
  const missing = Object.keys(ASKED).filter((name) => !current()[name]);
  element("missing").textContent = missing.length ? `Still to answer: ${missing.map((name) => ASKED[name]).join(", ")}.` : "";
  if (missing.length) return element(missing[0]).querySelector("input").focus();
  countTime();
  if (finished()) { keep(); return finish(); }
  session.at += 1;
  session.furthest = Math.max(session.furthest, session.at);
  keep();
  show();
}

function back() {
  countTime();
  session.at -= 1;
  keep();
  show();
}

function finish() {
  view("done");
  progress();
  element("summary").textContent = `All ${total} images are answered, by reader ${session.reader}.`;
  element("done-title").focus();
}

function drawMarks() {
  const marks = current().artefacts.map(([x, y]) => {
    const ring = document.createElement("b");
    [ring.style.left, ring.style.top] = [`${x * 100}%`, `${y * 100}%`];
    return ring;
  });
  element("marks").replaceChildren(...marks);
  [element("cross").style.left, element("cross").style.top] = cross.map((part) => `${part * 100}%`);
  element("marked").textContent = marks.length ? `${marks.length} mark${marks.length > 1 ? "s" : ""}` : "";
  element("unmark").hidden = !marks.length;
}

function sayMarks() {
  const count = current().artefacts.length;
  element("announcement").textContent = `${count} mark${count === 1 ? "" : "s"}`;
}

function mark(event) {
  if (event.detail) { // a click or tap; a key marks at the cross
    const box = element("picture").getBoundingClientRect();
    cross = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((part) => Math.min(1, Math.max(0, part)));
  }
  current().artefacts.push(cross.map((part) => Number(part.toFixed(4))));
  keep();
  drawMarks();
  sayMarks();
}

function unmark() {
  current().artefacts.pop();
  keep();
  drawMarks();
  sayMarks();
  if (element("unmark").hidden) element("picture").focus();
}

function onPicture(event) {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (move) {
    const step = STEP * (event.shiftKey ? 5 : 1);
    cross = cross.map((part, axis) => Math.min(1, Math.max(0, part + step * move[axis])));
    element("announcement").textContent = `${Math.round(cross[0] * 100)}% from the left, ${Math.round(cross[1] * 100)}% from the top`;
    drawMarks();
  } else if (["Delete", "Backspace"].includes(event.key)) unmark();
  else return;
  event.preventDefault();
}

function shortcut(event) {
  const typing = event.target === element("diagnosis");
  if (typing && event.key === "Escape") return event.target.blur();
  if (element("reading").hidden || typing || !element("shortcuts").checked || event.ctrlKey || event.altKey || event.metaKey) return;
  const digit = /^(?:Digit|Numpad)([1-5])$/.exec(event.code);
  const key = event.key.toLowerCase();
  if (digit) choose(event.shiftKey ? "realism" : "confidence", digit[1]);
  else if (key === "r") choose("answer", "real");
  else if (key === "s") choose("answer", "synthetic");
  else if (key === "m") element("picture").focus();
  else if (key === "d") element("diagnosis").focus();
  else if (key === "enter" && !event.target.closest("button, summary")) element("answers").requestSubmit();
  else return;
  event.preventDefault();
}

function choose(name, value) {
  const input = element(name).querySelector(`input[value="${value}"]`);
  input.checked = true;
  input.focus(); // so that Enter continues, and a screen reader announces the choice
  record({ target: input });
}

function record(event) {
  const { name, value, id } = event.target;
  if (name in ASKED) current()[name] = value;
  else if (id === "diagnosis") current().diagnosis = value;
  else return;
  if (!Object.keys(ASKED).some((asked) => !current()[asked])) element("missing").textContent = "";
  keep();
}

function table() {
  const cell = (value) => (/[",\n\r]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const rows = session.answers.flatMap((one, place) => !complete(one) ? [] : [[
    study.study, "page", session.reader, place + 1, order()[place], one.answer, one.confidence, one.realism,
    one.artefacts.map((point) => point.join(" ")).join(";"), one.diagnosis.trim().replace(/\s+/g, " "), one.seconds.toFixed(1),
  ]]);
  return [COLUMNS, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" })); // the mark tells Excel of UTF-8
  link.download = `answers_${study.study}_${session.reader}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  element("forget").disabled = false;
  element("saved").textContent = `Saved as ${link.download}, in the folder of your downloads.`;
  element("announcement").textContent = element("saved").textContent;
}

function forget() {
  if (!confirm("Delete these answers from this browser? Only the file that you saved will be left.")) return;
  storage.remove(storage.key(session.reader));
  storage.remove(LAST);
  location.reload();
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  element("theme").setAttribute("aria-pressed", name === "dark");
}

element("total").textContent = total;
element("code").value = storage.read(LAST) ?? "";
storage.write(THEME, storage.read(THEME)); // shows whether the browser keeps anything
theme(storage.read(THEME) ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
element("theme").addEventListener("click", () => {
  theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  storage.write(THEME, document.documentElement.dataset.theme);
});
element("begin").addEventListener("submit", begin);
element("answers").addEventListener("submit", next);
element("answers").addEventListener("input", record);
element("back").addEventListener("click", back);
element("again").addEventListener("click", show);
element("picture").addEventListener("click", mark);
element("picture").addEventListener("keydown", onPicture);
element("unmark").addEventListener("click", unmark);
element("save").addEventListener("click", save);
element("copy").addEventListener("click", save);
element("forget").addEventListener("click", forget);
element("shortcuts").addEventListener("change", (event) => { document.body.dataset.shortcuts = event.target.checked ? "on" : "off"; });
document.addEventListener("keydown", shortcut);
document.addEventListener("visibilitychange", () => {
  if (session && document.hidden) { countTime(); keep(); } else shownAt = performance.now();
});
