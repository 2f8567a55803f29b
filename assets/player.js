// The result on the tab Talk: one clock for all its pictures, whichever of them is looked at.
// Not Gradio's own video: that has no poster, no slow motion, and cannot keep a second one in step.
const {texts, speeds} = props;
const stage = element.closest("#video"); // as atvg/studio/result.py knows it
const find = (what) => element.querySelector(what);
const figure = find(".player"), screens = find(".screens"), bar = find(".bar");
const NEAR = 0.02, FAR = 0.25; // seconds that a second picture may be off unnoticed, and can still make up for by its speed
let films = {}, lead = null, beside = null;
let chosen = {view: "face", speed: 1, loop: false, beside: false}; // kept from one result to the next

find(".empty-stage").innerText = texts.empty;
figure.ariaLabel = texts.player;

// What Gradio hands over are its descriptions of files; views: {name: [video, poster]}.
stage.show = (views, panels, captions) => {
  stage.rest();
  screens.replaceChildren();
  films = {};
  for (const [name, [file, poster]] of Object.entries(views)) films[name] = film(file, texts.views[name], poster, captions);
  beside = film(panels, texts.beside, null, null);
  beside.muted = true;
  beside.controls = false;
  if (!films[chosen.view]) chosen.view = "face";
  lead = films[chosen.view];
  lead.preload = "auto";
  for (const each of Object.values(films)) {
    for (const event of ["play", "playing", "pause", "waiting", "seeking", "ratechange"])
      each.addEventListener(event, () => each === lead && follow(event));
    screens.append(each);
  }
  screens.append(beside);
  screens.prepend(lead); // what is looked at first also comes first
  figure.classList.add("full");
  draw();
  apply();
};

stage.rest = () => [...Object.values(films), beside].forEach((each) => each?.pause());

function film(file, label, poster, captions) {
  const made = document.createElement("video");
  Object.assign(made, {src: file.url, controls: true, playsInline: true, preload: "metadata", ariaLabel: label, hidden: true});
  if (poster) made.poster = poster.url;
  if (captions) {
    const track = Object.assign(document.createElement("track"), {kind: "captions", label: texts.captions, src: captions.url});
    track.default = true;
    made.append(track);
  }
  return made;
}

// One row of small controls.
function draw() {
  const group = (name, label, options) => {
    const set = document.createElement("fieldset");
    const legend = Object.assign(document.createElement("legend"), {innerText: label});
    set.append(legend, ...options.map(([value, text]) => control("radio", text, chosen[name] === value, name, () => {
      chosen[name] = value;
      apply();
    })));
    return set;
  };
  const toggle = (name, label) => control("checkbox", label, chosen[name], name, (input) => {
    chosen[name] = input.checked;
    apply();
  });
  bar.replaceChildren(
    group("view", texts.view, Object.keys(films).map((name) => [name, texts.views[name]])),
    toggle("beside", texts.show_beside), toggle("loop", texts.loop),
    group("speed", texts.speed, speeds.map((speed) => [speed, `${speed}×`])),
  );
  bar.hidden = false;
}

function control(type, text, checked, name, change) {
  const label = document.createElement("label"), said = document.createElement("span");
  const input = Object.assign(document.createElement("input"), {type, checked, name: `player-${name}`});
  said.innerText = text;
  input.addEventListener("change", () => change(input));
  label.append(input, said);
  return label;
}

// What is chosen, as it is seen and heard.
function apply() {
  if (films[chosen.view] !== lead) turn(films[chosen.view]);
  for (const each of Object.values(films)) {
    each.hidden = each !== lead;
    each.loop = chosen.loop;
    each.defaultPlaybackRate = each.playbackRate = chosen.speed;
  }
  beside.hidden = !chosen.beside;
  follow("seeking");
  if (!lead.paused) follow("play");
}

// Another picture goes on where this one is, and plays if it did.
function turn(next) {
  const last = lead, plays = !last.paused && !last.ended;
  lead = next;
  last.pause();
  Object.assign(next, {volume: last.volume, muted: last.muted, preload: "auto"});
  [...next.textTracks].forEach((track, i) => (track.mode = last.textTracks[i].mode));
  if (last.played.length || last.currentTime) next.currentTime = last.currentTime; // else its poster stays
  if (plays) next.play();
  if (last.contains(document.activeElement)) next.focus();
}

// The panels do what the lead does, without sound.
function follow(event) {
  if (beside.hidden) return beside.pause();
  if (event === "pause" || event === "waiting") beside.pause();
  if (event === "ratechange") beside.playbackRate = lead.playbackRate;
  if (event === "seeking" || event === "pause") beside.currentTime = lead.currentTime;
  if ((event === "play" || event === "playing" || event === "seeking") && !lead.paused) {
    beside.play().catch(() => {}); // a pause that comes meanwhile
    requestAnimationFrame(keep);
  }
}

let keeping = 0;
function keep(now) {
  if (lead.paused || beside.hidden || now === keeping) return;
  keeping = now;
  const off = beside.currentTime - lead.currentTime;
  stage.dataset.off = off.toFixed(3);
  if (Math.abs(off) > FAR) beside.currentTime = lead.currentTime;
  beside.playbackRate = lead.playbackRate * (Math.abs(off) > NEAR ? 1 - Math.max(-0.5, Math.min(0.5, 2 * off)) : 1);
  requestAnimationFrame(keep);
}
