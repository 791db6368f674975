"use strict";
const find = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share > .9995 || share < .0005 ? 2 : 1)}%`;
let asking = new AbortController();
let shown = "";

async function post(address, file, signal) {
  const form = new FormData();
  form.append("image", file, file.name || "picture");
  const response = await fetch(address, {method: "POST", body: form, signal});
  if (response.ok) return response.json();
  const {error} = await response.json().catch(() => ({error: response.statusText}));
  throw new Error(error);
}

function tellError(error) {
  find("error").textContent = error instanceof TypeError ? "The server does not answer." : error.message;
  find("error").hidden = false;
  find("state").textContent = "";
}

function tellVerdict({unknown, p_value: p}) {
  const verdict = find("verdict");
  const told = p === null ? "" : ` (p = ${p.toFixed(p < .01 ? 3 : 2)})`;
  verdict.className = unknown ? "unknown" : "muted";
  verdict.textContent = unknown === null ? "Whether it resembles anything trained on cannot be told: the run kept too little of its validation images."
    : unknown ? `Unknown: it resembles nothing trained on${told}.`
    : `No sign that it is unlike what was trained on${told}.`;
}

function tellTop(classes) {
  find("top").replaceChildren(...classes.map(({label, probability}) => {
    const [row, name, share, track, bar] = ["li", "span", "span", "div", "div"].map((tag) => document.createElement(tag));
    name.textContent = label;
    share.textContent = percent(probability);
    share.className = "share";
    track.className = "track";
    bar.className = "bar";
    bar.style.width = `${100 * probability}%`;
    track.append(bar);
    row.append(name, share, track);
    return row;
  }));
}

async function ask(file) {
  asking.abort();
  asking = new AbortController();
  const {signal} = asking;
  find("error").hidden = true;
  find("answer").hidden = true;
  find("looked").hidden = true;
  find("told").textContent = "";
  find("state").textContent = "Looking at the picture …";
  URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(file);
  find("picture").src = shown;
  try {
    const answer = await post("/predict", file, signal);
    find("picture").alt = `Your picture: ${file.name || "a photo"}`;
    find("label").textContent = answer.label;
    tellVerdict(answer);
    tellTop(answer.top);
    find("answer").hidden = false;
    find("state").textContent = `${answer.label}, ${percent(answer.probability)}. Finding out where the classifier looked …`;
    const where = await post("/explain", file, signal);
    if (!find("picture").naturalWidth) find("picture").src = where.seen; // a format that browsers do not show
    if (where.overlay) {
      find("overlay").src = where.overlay;
      find("overlay").alt = `${where.kind}: where the classifier looked for ${where.label}`;
      find("kind").textContent = where.kind;
      find("looked").hidden = false;
    }
    find("told").textContent = where.overlay ? where.told : `No heat map: ${where.told}`;
    find("state").textContent = "";
  } catch (error) {
    if (error.name !== "AbortError") tellError(error);
  }
}

for (const input of document.querySelectorAll("input[type=file]")) {
  input.previousElementSibling.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) ask(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
}

addEventListener("dragover", (event) => { event.preventDefault(); find("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) find("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  find("drop").classList.remove("over");
  const {files, items} = event.dataTransfer;
  if (items[0]?.webkitGetAsEntry?.()?.isDirectory) tellError(new Error("That is a folder: drop a picture; bench predict takes folders."));
  else if (files.length) ask(files[0]);
});
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) ask(event.clipboardData.files[0]);
});
