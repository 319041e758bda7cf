// The page's program: exported networks, by ONNX Runtime, one sub-network after the other.
//
// demo.json names groups of networks and their pictures; `scripts/demo_page.py` writes it, beside
// models/, pictures/ and ort/. With ?report=URL all logits of the first picture are posted there.

import * as ort from "./ort/ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1;
const COLOURS = ["#0173b2", "#de8f05", "#d55e00"];
const SLOWER = 100;
const REPEATS = 3;
const CALLS = 20;
const byId = (id) => document.getElementById(id);
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

class Network {
  static async load(folder) {
    const model = await (await fetch(`${folder}/model.json`)).json();
    const part = model.interruptible ? "step" : "subnetwork";
    const sessions = [];
    for (let k = 1; k <= model.macs.length; k++)
      sessions.push(await ort.InferenceSession.create(`${folder}/${part}-${k}.onnx`));
    const network = new Network(model, sessions);
    await network.measure();
    return network;
  }

  constructor(model, sessions) {
    Object.assign(this, { model, sessions, K: sessions.length });
  }

  // Logits of sub-network k, and what step k + 1 takes.
  async run(k, input, features = []) {
    const { channels, size } = this.model.images;
    const session = this.sessions[k - 1];
    const given = [new ort.Tensor("float32", input, [1, channels, size, size]), ...features];
    const taken = given.slice(-session.inputNames.length);
    const found = await session.run(Object.fromEntries(session.inputNames.map((n, i) => [n, taken[i]])));
    const [logits, ...left] = session.outputNames.map((name) => found[name]);
    return { logits: Array.from(logits.data), left };
  }

  // Milliseconds from the picture to answer k: of all steps so far, or of sub-network k by itself.
  // Several calls are timed together, for a browser's clock may tick once a millisecond.
  async measure() {
    const { channels, size } = this.model.images;
    const zeros = new Float32Array(channels * size * size);
    let features = [];
    let sum = 0;
    this.milliseconds = [];
    for (let k = 1; k <= this.K; k++) {
      const { left } = await this.run(k, zeros, features);
      const times = [];
      for (let repeat = 0; repeat < REPEATS; repeat++) {
        const begin = performance.now();
        for (let call = 0; call < CALLS; call++) await this.run(k, zeros, features);
        times.push((performance.now() - begin) / CALLS);
      }
      sum += median(times);
      this.milliseconds.push(this.model.interruptible ? sum : median(times));
      features = left;
    }
  }

  // How often an answer of this probability is right, by the validation images.
  right(k, probability) {
    const { confidences, accuracies } = this.model.calibration[k - 1][0];
    const above = confidences.filter((start) => start <= probability).length;
    return above ? accuracies[above - 1] : 0;
  }
}

// As Python's `to_input`: the central square, shrunk, normalised, one plane for each channel.
function toInput(picture, format) {
  const { size, channels, mean, std, pad, shrink } = format;
  const inner = size * shrink - 2 * pad;
  const outer = size * shrink;
  const canvas = new OffscreenCanvas(outer, outer);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, outer, outer);
  context.imageSmoothingQuality = "high";
  const side = Math.min(picture.width, picture.height);
  const [left, top] = [(picture.width - side) / 2, (picture.height - side) / 2];
  context.drawImage(picture, left, top, side, side, pad, pad, inner, inner);
  const { data } = context.getImageData(0, 0, outer, outer);
  const grey = (i) => (data[i] * 19595 + data[i + 1] * 38470 + data[i + 2] * 7471 + 32768) >> 16;
  const input = new Float32Array(channels * size * size);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        let sum = 0;
        for (let dy = 0; dy < shrink; dy++)
          for (let dx = 0; dx < shrink; dx++) {
            const i = 4 * ((y * shrink + dy) * outer + x * shrink + dx);
            sum += channels === 1 ? grey(i) : data[i + c];
          }
        const value = halfToEven(sum / (shrink * shrink));
        input[(c * size + y) * size + x] = (value / 255 - mean[c]) / std[c];
      }
  return input;
}

function halfToEven(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

const demo = await (await fetch("demo.json")).json();
const networks = new Map();
const state = { group: demo.groups[0], folder: "", picture: null, turn: 0 };

async function choose(folder) {
  if (!networks.has(folder)) networks.set(folder, await Network.load(folder));
  state.folder = folder;
  const { name, interruptible } = networks.get(folder).model;
  byId("about").textContent = interruptible
    ? `${name}: each step refines the answer of the one before.`
    : `${name}: its sub-networks share weights, but no results; the largest that fits is run.`;
}

// Every answer that the budget allows, one after the other; a later call ends this one.
async function predict() {
  const turn = ++state.turn;
  const network = networks.get(state.folder);
  const longest = Math.max(...network.milliseconds) * 1.2;
  const budget = Number(byId("budget").value) * longest;
  byId("milliseconds").textContent = `${budget.toFixed(2)} ms`;
  const fits = network.milliseconds.map((time) => time <= budget);
  const reached = fits.lastIndexOf(true) + 1;
  plot(reached);
  const cells = network.milliseconds.map((time, i) => waiting(i + 1, time, i < reached));
  byId("answers").replaceChildren(...cells);
  if (!state.picture) return;
  const input = toInput(state.picture, network.model.images);
  let features = [];
  let shown = 0;
  for (let k = 1; k <= reached; k++) {
    if (!network.model.interruptible && k < reached) continue;
    const { logits, left } = await network.run(k, input, features);
    features = left;
    await wait(SLOWER * (network.milliseconds[k - 1] - shown));
    shown = network.milliseconds[k - 1];
    if (turn !== state.turn) return;
    answer(cells[k - 1], network, k, logits);
    cells.forEach((cell, i) => cell.classList.toggle("best", i === k - 1));
  }
}

function waiting(k, time, fits) {
  const cell = document.createElement("div");
  cell.className = "answer waiting";
  cell.innerHTML = `<b>${k}</b> <span class="small">${time.toFixed(2)} ms</span><p></p>`;
  cell.querySelector("p").textContent = fits ? "" : "not reached";
  return cell;
}

function answer(cell, network, k, logits) {
  const shares = softmax(logits);
  const names = network.model.levels[0].names;
  const order = shares.map((_, i) => i).toSorted((a, b) => shares[b] - shares[a]);
  cell.classList.remove("waiting");
  cell.querySelector("p").remove();
  for (const i of order.slice(0, 3)) {
    const line = document.createElement("div");
    line.textContent = `${names[i]} ${(100 * shares[i]).toFixed(0)} %`;
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.style.width = `${100 * shares[i]}%`;
    cell.append(line, bar);
  }
  const right = document.createElement("div");
  right.className = "small";
  right.textContent = `right in ${(100 * network.right(k, shares[order[0]])).toFixed(0)} % of such cases`;
  cell.append(right);
}

// Test error against milliseconds of the group's networks, and a dot where the budget leads.
function plot(reached) {
  const lines = state.group.networks.map((folder) => networks.get(folder));
  const errors = lines.flatMap((network) => network.model.test_error.map((of) => of[0]));
  const [low, high] = [Math.min(...errors) - 1, Math.max(...errors) + 1];
  const longest = Math.max(...lines.flatMap((network) => network.milliseconds)) * 1.1;
  const x = (time) => 50 + (time / longest) * 570;
  const y = (error) => 20 + ((high - error) / (high - low)) * 230;
  const parts = [
    `<path d="M50 20V250H620" fill="none" stroke="#888"/>`,
    `<text x="620" y="285" text-anchor="end">milliseconds, to ${longest.toFixed(1)}</text>`,
    `<text x="8" y="14">test error, %</text>`,
    `<text x="8" y="${y(high - 1)}">${(high - 1).toFixed(0)}</text>`,
    `<text x="8" y="${y(low + 1)}">${(low + 1).toFixed(0)}</text>`,
  ];
  lines.forEach((network, i) => {
    const points = network.milliseconds.map((time, k) => [x(time), y(network.model.test_error[k][0])]);
    parts.push(`<polyline points="${points.join(" ")}" fill="none" stroke="${COLOURS[i]}"/>`);
    parts.push(`<text x="${60 + 190 * i}" y="268" style="fill:${COLOURS[i]}">${network.model.family}</text>`);
    if (state.group.networks[i] !== state.folder || !reached) return;
    const [left, top] = points[reached - 1];
    parts.push(`<circle cx="${left}" cy="${top}" r="6" fill="${COLOURS[i]}"/>`);
  });
  byId("plot").innerHTML = parts.join("");
}

async function show(source) {
  state.picture = await createImageBitmap(source);
  await predict();
}

async function chooseGroup() {
  state.group = demo.groups[byId("group").selectedIndex];
  byId("about").textContent = "loading";
  for (const folder of state.group.networks) await choose(folder);
  const options = state.group.networks.map((folder) => new Option(networks.get(folder).model.family, folder));
  byId("network").replaceChildren(...options);
  await choose(state.group.networks[0]);
  const buttons = state.group.pictures.map((path) => {
    const button = document.createElement("button");
    button.append(Object.assign(new Image(), { src: path, alt: "" }));
    button.onclick = async () => {
      buttons.forEach((other) => other.classList.toggle("chosen", other === button));
      await show(await (await fetch(path)).blob());
    };
    return button;
  });
  byId("pictures").replaceChildren(...buttons);
  state.picture = null;
  if (buttons.length) await buttons[0].onclick();
  else await predict();
}

async function report(url) {
  const found = {};
  for (const { networks: folders, pictures } of demo.groups) {
    if (!pictures.length) continue;
    const picture = await createImageBitmap(await (await fetch(pictures[0])).blob());
    for (const folder of folders) {
      await choose(folder);
      const network = networks.get(folder);
      const input = toInput(picture, network.model.images);
      found[folder] = [];
      let features = [];
      for (let k = 1; k <= network.K; k++) {
        const { logits, left } = await network.run(k, input, features);
        features = left;
        found[folder].push(logits);
      }
    }
  }
  const answers = [...document.querySelectorAll(".answer")].map((cell) => cell.textContent);
  await fetch(url, { method: "POST", body: JSON.stringify({ logits: found, answers }) });
}

function guarded(action) {
  return (event) =>
    action(event).catch((error) => {
      byId("problem").textContent = `This did not work: ${error.message}`;
    });
}

byId("group").append(...demo.groups.map((group) => new Option(group.name)));
byId("group").onchange = guarded(chooseGroup);
byId("network").onchange = guarded(async () => {
  await choose(byId("network").value);
  await predict();
});
byId("budget").oninput = guarded(predict);
byId("file").onchange = guarded(async () => show(byId("file").files[0]));
byId("drop").ondragover = (event) => event.preventDefault();
byId("drop").ondrop = guarded(async (event) => {
  event.preventDefault();
  await show(event.dataTransfer.files[0]);
});
await guarded(chooseGroup)();
const url = new URLSearchParams(location.search).get("report");
if (url) await report(url);
