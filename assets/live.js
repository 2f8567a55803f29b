// The stage of the tab Live: sends what the microphone hears, piece by piece, and plays the frames that come back.
// Not Gradio's own streaming microphone: that writes every piece to the server's disk, loses those that come while
// one is being drawn, and does not tell when they were heard, so nobody could say how far the face is behind.
const {texts, piece, longest, fps, most, side} = props;
const stage = element.closest("#live-face"); // as atvg/studio/live.py knows it
const find = (what) => element.querySelector(what);
const canvas = find("canvas"), state = find(".state"), behind = find(".lag"), loudness = find(".loudness i");
const seconds = () => performance.now() / 1000;
const BLOCK = 512; // samples that the microphone hands over at once, about 10 ms
const EAR = `registerProcessor("ear", class extends AudioWorkletProcessor {
  heard = []; count = 0;
  process([channels]) {
    if (channels.length) { this.heard.push(channels[0].slice()); this.count += channels[0].length; }
    if (this.count >= ${BLOCK}) {
      const samples = new Float32Array(this.count);
      let at = 0;
      for (const part of this.heard) { samples.set(part, at); at += part.length; }
      this.port.postMessage({samples, end: currentTime + channels[0].length / sampleRate});
      this.heard = []; this.count = 0;
    }
    return true;
  }
})`;
let live = null; // all there is to one broadcast; another one, or none, when it has ended

canvas.ariaLabel = texts.picture;
find(".empty-stage").innerText = texts.no_photo;

function show(picture, width, height) {
  [canvas.width, canvas.height, canvas.hidden] = [width, height, false];
  find(".empty-stage").hidden = true;
  canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
}

// The photo itself, as it lies on the tab Talk, while nobody speaks.
new IntersectionObserver(async ([{isIntersecting}]) => {
  const source = document.querySelector("#photo img")?.src;
  if (!isIntersecting || live || source === stage.dataset.photo) return;
  const photo = new Image();
  photo.src = source ?? "";
  const there = await photo.decode().then(() => true, () => false);
  if (live) return;
  stage.dataset.photo = source ?? "";
  if (there) {
    const scale = Math.min(1, side / Math.max(photo.naturalWidth, photo.naturalHeight));
    show(photo, Math.round(scale * photo.naturalWidth), Math.round(scale * photo.naturalHeight));
  }
  canvas.hidden = !there;
  find(".empty-stage").hidden = there;
}).observe(element);

stage.begin = async () => {
  if (live) return;
  const mine = (live = {blocks: [], waiting: 0, sent: [], fed: 0, frames: [], due: 0, late: Infinity, shown: 0});
  tell(texts.asking, true);
  try {
    mine.microphone = await navigator.mediaDevices.getUserMedia({audio: {channelCount: 1}});
    mine.context = new AudioContext();
    const module = URL.createObjectURL(new Blob([EAR], {type: "text/javascript"}));
    await mine.context.audioWorklet.addModule(module);
    URL.revokeObjectURL(module);
    const ear = new AudioWorkletNode(mine.context, "ear", {numberOfOutputs: 0});
    ear.port.onmessage = ({data}) => hear(mine, data);
    mine.context.createMediaStreamSource(mine.microphone).connect(ear);
    await mine.context.resume();
  } catch (error) {
    end(mine, texts[error.name] ?? (navigator.mediaDevices ? texts.no_microphone : texts.insecure));
  }
  if (live !== mine) return silence(mine); // it was stopped meanwhile
  mine.microphone.getAudioTracks()[0].onended = () => end(mine, texts.no_microphone);
  tell(texts.preparing, true);
  trigger("submit"); // the server looks for the face; then speak() or stop() is called
};

stage.speak = (key) => {
  if (!live) return server.live_end([key]); // it was stopped meanwhile
  const mine = Object.assign(live, {key, blocks: [], waiting: 0, sent: [], fed: 0, frames: []});
  tell(texts.speaking, true);
  requestAnimationFrame((now) => play(mine, now));
};

stage.stop = (why = "") => live && end(live, why);

function end(mine, why) {
  silence(mine);
  if (live !== mine) return;
  live = null;
  if (mine.key) server.live_end([mine.key]);
  tell(why, false);
}

function silence({microphone, context}) {
  microphone?.getTracks().forEach((track) => { track.onended = null; track.stop(); });
  if (context && context.state !== "closed") context.close();
}

function tell(text, busy) {
  state.innerText = text;
  stage.closest("#tab-live")?.classList.toggle("on-air", busy);
  if (!busy) [behind.innerText, loudness.style.width] = ["", "0"];
}

function hear(mine, {samples, end: until}) {
  if (live !== mine) return;
  // The least delay ever seen between a block's end and its arrival here is the one that was not the page's own.
  mine.late = Math.min(mine.late, seconds() - until);
  loudness.style.width = `${Math.min(100, 300 * Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length))}%`;
  if (!mine.key) return;
  mine.blocks.push(samples);
  mine.waiting += samples.length;
  mine.until = until;
  send(mine);
}

async function send(mine) {
  const rate = mine.context.sampleRate;
  if (mine.asking || mine.waiting < piece * rate) return;
  if (!element.checkVisibility()) return end(mine, ""); // the visitor has turned to another tab
  while (mine.waiting > longest * rate) mine.waiting -= mine.blocks.shift().length; // too slow: stay live
  mine.fed += mine.waiting / rate;
  mine.sent = [...mine.sent.slice(-20), {fed: mine.fed, at: mine.until + mine.late}];
  const sound = packed(mine.blocks, mine.waiting);
  [mine.blocks, mine.waiting, mine.asking] = [[], 0, true];
  const answer = await server.live_piece([mine.key, rate, sound]);
  mine.asking = false;
  if (live !== mine) return;
  if (!answer || answer.said) return end(mine, answer?.said ?? texts.lost);
  mine.computing = answer.computing;
  for (const [i, jpeg] of answer.frames.entries()) {
    const picture = new Image();
    picture.src = `data:image/jpeg;base64,${jpeg}`;
    mine.frames.push({picture, ready: picture.decode(), heard: (answer.start + i + 0.5) / fps});
  }
  mine.frames.splice(0, Math.max(0, mine.frames.length - most)); // too late to be live
  send(mine);
}

function packed(blocks, count) {
  const samples = new DataView(new ArrayBuffer(2 * count));
  let at = 0;
  for (const block of blocks)
    for (const value of block) samples.setInt16(2 * at++, 32767 * Math.max(-1, Math.min(1, value)), true);
  let text = "";
  const bytes = new Uint8Array(samples.buffer);
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

async function play(mine, now) {
  if (live !== mine) return;
  if (mine.frames.length && now >= mine.due) {
    const {picture, ready, heard} = mine.frames.shift();
    // A little faster while many wait: so the delay of one late piece is made up for, and nobody sees it.
    mine.due = Math.max(mine.due + (mine.frames.length > most / 2 ? 800 : 1000) / fps, now);
    if (await ready.then(() => true, () => false) && live === mine) {
      show(picture, picture.naturalWidth, picture.naturalHeight);
      measure(mine, heard);
    }
  }
  requestAnimationFrame((next) => play(mine, next));
}

// How long ago the sound of the frame that has just been shown reached the page.
function measure(mine, heard) {
  const {fed, at} = mine.sent.find((sent) => sent.fed >= heard) ?? mine.sent.at(-1);
  const lag = seconds() - (at - (fed - heard));
  mine.lag = mine.shown++ ? mine.lag + 0.1 * (lag - mine.lag) : lag;
  Object.assign(stage.dataset, {lag: mine.lag, computing: mine.computing, shown: mine.shown});
  if (mine.shown % 12 === 1)
    behind.innerText = texts.behind
      .replace("{lag}", mine.lag.toFixed(2)).replace("{computing}", mine.computing.toFixed(2));
}
