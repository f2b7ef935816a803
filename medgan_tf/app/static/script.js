// Comparison and progression sliders, live explorer, waiting buttons. Every page also works without it.
"use strict";

function each(selector, action, root = document) {
  root.querySelectorAll(selector).forEach(action);
}

// Two images on top of each other; the second is shown to the right of the slider.
each("[data-compare]", (box) => {
  const handle = box.querySelector(".handle");
  const slider = handle.querySelector("input");
  const cut = () => box.style.setProperty("--cut", `${slider.value}%`);
  slider.addEventListener("input", cut);
  handle.hidden = false;
  box.classList.add("ready");
  cut();
});

// A slider that shows one of several images.
each("[data-progression]", (box) => {
  const images = [...box.querySelectorAll("figure")];
  const slider = box.querySelector("input[type=range]");
  const show = () => images.forEach((image, index) => { image.hidden = index !== Number(slider.value); });
  slider.max = images.length - 1;
  slider.value = images.length - 1;
  slider.addEventListener("input", show);
  box.querySelector(".slider").hidden = false;
  show();
});

// Another model has other classes: load its page.
each("select[data-reload]", (select) => {
  select.addEventListener("change", () => {
    location.href = `${location.pathname}?model=${encodeURIComponent(select.value)}`;
  });
});

// Show that the request is running until the next page loads.
function wait(button, text) {
  button.classList.add("waiting");
  button.setAttribute("aria-live", "polite");
  button.dataset.text = button.textContent;
  button.textContent = `${text} …`;
}
each("form[data-wait]", (form) => {
  form.addEventListener("submit", () => wait(form.querySelector("button.main"), form.dataset.wait));
});
each("a[data-wait]", (link) => {
  link.addEventListener("click", (event) => { if (!event.ctrlKey && !event.metaKey) wait(link, link.dataset.wait); });
});
addEventListener("pageshow", () => each(".waiting[data-text]", (button) => {
  button.classList.remove("waiting");
  button.textContent = button.dataset.text;
}));

// An image at full size.
const zoom = document.getElementById("zoom");
each("[data-zoom]", (button) => {
  button.addEventListener("click", () => {
    const [small, large] = [button.querySelector("img"), zoom.querySelector("img")];
    large.src = small.src;
    large.alt = small.alt;
    zoom.showModal();
  });
});

// The explorer: every change of the form loads a new image, one request at a time.
each("form[data-live]", (form) => {
  const picture = form.querySelector(".stage img");
  const frame = form.querySelector("[data-frame] input");
  let frames = [], busy = false, again = false;

  const tell = () => each("output", (output) => { output.value = form.querySelector(`#${output.htmlFor}`).value; }, form);
  const showFrame = () => { if (frames.length) picture.src = `data:image/png;base64,${frames[frame.value]}`; };

  async function load() {
    if (busy) { again = true; return; }
    busy = true;
    const fields = new FormData(form);
    if (frame) {
      const values = { view: "between", steps: Number(fields.get("steps")), seed: Number(fields.get("seed")), model: fields.get("model") };
      for (const name of ["class", "to_class"]) if (fields.get(name)) values[name] = fields.get(name);
      const answer = await fetch("/api/explore", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) });
      if (answer.ok) {
        frames = (await answer.json()).images;
        frame.max = frames.length - 1;
        frame.closest("[data-frame]").hidden = false;
        showFrame();
      }
    } else {
      const next = new Image();
      next.src = `/explore/picture.png?${new URLSearchParams(fields)}`;
      await next.decode().then(() => { picture.src = next.src; }, () => {});
    }
    busy = false;
    if (again) { again = false; load(); }
  }

  form.addEventListener("input", (event) => {
    tell();
    if (event.target === frame) showFrame(); else load();
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); load(); });
  tell();
  if (frame) load();
});
